# RUN: %python %s sparsedrop-ptx

"""wgmma against NumPy, and the bugs that its checks find.

Where elements are is written from the PTX ISA's tables: fragments from 9.7.15.5.1.1,
matrices in shared memory from the swizzle atoms and strides of 9.7.15.5.1.2."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, Out, kernel
from matrices import (
    BF16, E4M3, E5M2, F16, F32, S8, S32, TF32, U8, Sparse, difference, pack, to_bytes, unpack,
)  # fmt: skip

check = Checker(sys.argv[1])
rng = np.random.default_rng(2)
THREADS = 128
KB = 1024


class Layout:
    """An operand in shared memory: mn x k elements.

    A swizzle atom is 8 lines of `swizzle` bytes; a line goes along k if the matrix
    is K-major, else along mn. Inside it, 16-byte chunks are permuted by xor with the
    number of the 128 bytes that they are in, counted from the start of the pattern.
    Without a swizzle the atom is 8 lines of 16 bytes. `pad` are bytes between atoms
    in both directions, `start` where the matrix begins."""

    def __init__(self, major="K", swizzle=128, pad=0, start=0, based=False):
        self.major, self.swizzle, self.pad, self.start, self.based = major, swizzle, pad, start, based

    def __str__(self):
        return f"{self.major}-major swizzle {self.swizzle} pad {self.pad} start {self.start}"

    def place(self, mn, k, size):
        """Chooses the strides for a matrix of mn x k elements of `size` bytes."""
        width = self.swizzle or 16
        atom = 8 * width + self.pad
        along = (k if self.major == "K" else mn) * size  # bytes of a line
        lines = mn if self.major == "K" else k
        atoms_along = -(-along // width)
        # Atoms that follow each other along a line, then along the lines.
        self.next_along, self.next_lines = atom, atom * atoms_along
        self.bytes = self.start + self.next_lines * (lines // 8)
        return self

    def offset(self, mn, k, size):
        """Offset of an element from the start of shared memory (aligned to 1024)."""
        line, along = (mn, k * size) if self.major == "K" else (k, mn * size)
        width = self.swizzle or 16
        inside = line % 8 * width + along % width
        if self.swizzle:
            inside ^= (inside // 128 % (width // 16)) * 16
        return self.start + line // 8 * self.next_lines + along // width * self.next_along + inside

    def image(self, codes, fmt, size_of_image):
        size = fmt.bits // 8
        image = np.zeros(size_of_image, np.uint8)
        data = to_bytes(codes, fmt).reshape(*codes.shape, size)
        mn, k = np.indices(codes.shape)
        where = np.vectorize(lambda i, j: self.offset(i, j, size))(mn, k)
        for byte in range(size):
            image[where + byte] = data[..., byte]
        return image

    def descriptor(self):
        """Bits of the descriptor, but for the address of the tile (9.7.15.5.1.2.2)."""
        if self.swizzle == 0 and self.major == "MN":
            # stride: to the next 8 rows of mn; leading: to the next 8 columns of k
            leading, stride = self.next_lines, self.next_along
        else:
            # K-major: leading: to the next 16 bytes of k (no swizzle; else unused);
            # stride: to the next 8 rows. MN-major: leading: to the next swizzle
            # bytes of mn; stride: to the next 8 columns of k.
            leading, stride = self.next_along, self.next_lines
        mode = {0: 0, 128: 1, 64: 2, 32: 3}[self.swizzle]
        base = self.start >> 7 & 7 if self.based else 0
        return self.start >> 4 | leading >> 4 << 16 | stride >> 4 << 32 | base << 49 | mode << 62

    def step(self, k, size):
        """Bytes from one step of k to the next: along a line, or over lines."""
        if self.major == "MN":
            return k // 8 * self.next_lines
        return k * size if self.swizzle else k * size // 16 * self.next_along

    def max_steps(self, k, size):
        """Steps of k that one swizzle line, or any number of atoms, has."""
        return self.swizzle // (k * size) if self.major == "K" and self.swizzle else 4


#
# Kernels
#


def names(letter, count):
    return "{" + ", ".join(f"%m{letter}{i}" for i in range(count)) + "}"


FILL = """
  mov.u32 %r1, tile; mul.lo.u32 %r2, %r62, 16; add.u32 %r3, %r1, %r2;
  mul.wide.u32 %rd1, %r2, 1; add.u64 %rd1, %image, %rd1;
"""


def wgmma_kernel(instruction, size, a_count, d_count, descriptors, tail, scale_d=1, metadata="", **change):
    """Copies the image into shared memory, and multiplies step by step.
    `descriptors` are those of A (or None) and B for each step. `change` plants a
    bug: what stands instead of a line."""
    line = {
        "proxy": "fence.proxy.async.shared::cta; // proxy fence",
        "barrier": "bar.sync 0;",
        "fence": "wgmma.fence.sync.aligned;",
        "before": "",
        "between": "",
        "commit": "wgmma.commit_group.sync.aligned;",
        "after": "",
        "wait": "wgmma.wait_group.sync.aligned 0;",
        "end": "",
        "guard": "",
    }
    line.update(change)
    text = [f".reg .b32 %ma<4>; .reg .b32 %md<{d_count}>;", FILL]
    for i in range(size // (16 * THREADS)):
        at = 16 * THREADS * i
        text.append(f"ld.global.v4.b32 {{%r4, %r5, %r6, %r7}}, [%rd1+{at}];")
        text.append(f"st.shared.v4.b32 [%r3+{at}], {{%r4, %r5, %r6, %r7}};")
    text += [line["proxy"], line["barrier"]]
    text.append("cvt.u64.u32 %rd2, %r1; and.b64 %rd2, %rd2, 0x3FFFF; shr.u64 %rd2, %rd2, 4;")
    text.append(f"mov.u32 %r8, {scale_d}; setp.ne.b32 %p1, %r8, 0;")
    text.append("add.u64 %rd3, %sums, %rd0;")
    text += [f"ld.global.b32 %md{i}, [%rd3+{4 * THREADS * i}];" for i in range(d_count)]
    if metadata:
        text.append("add.u64 %rd3, %words, %rd0; ld.global.b32 %r10, [%rd3];")
    text.append("add.u64 %rd3, %fragments, %rd0;")
    text.append(line["fence"])
    for step, (a, b) in enumerate(descriptors):
        if a is None:
            # All fragments are loaded before the fence, so there is one step.
            text[-1:-1] = [f"ld.global.b32 %ma{i}, [%rd3+{4 * THREADS * i}];" for i in range(a_count)]
            first = names("a", 4)
        else:
            text.append(f"add.u64 %rd4, %rd2, {a};")
            first = "%rd4"
        text.append(f"add.u64 %rd5, %rd2, {b};")
        text += [line["before"] if step == 0 else line["between"]]
        text.append(f"{line['guard']} {instruction} {names('d', d_count)}, {first}, %rd5{metadata}, %p1{tail}; // wgmma {step}")
        if step == 0 and not scale_d:
            text.append("setp.eq.b32 %p1, %r8, 0;")
    text += [line["commit"], line["after"], line["wait"], line["end"]]
    text.append("add.u64 %rd3, %out, %rd0;")
    text += [f"st.global.b32 [%rd3+{4 * THREADS * i}], %md{i}; // store {i}" for i in range(d_count)]
    before = f".shared .align 1024 .b8 tile[{size}];"
    parameters = "u64 image, u64 fragments, u64 sums, u64 out" + (", u64 words" if metadata else "")
    return kernel("\n".join(text), parameters, before=before)


def place_d(fmt):
    """Row and column of element i of a thread's accumulators."""

    def place(thread, i):
        row = thread // 32 * 16 + thread % 32 // 4 + (8 if i % 4 >= 2 else 0)
        return row, i // 4 * 8 + thread % 4 * 2 + (i & 1)

    return place


def place_a(bits):
    """The same for a fragment of A: that of mma.m16n8k, 16 rows for each warp."""

    def place(thread, i):
        per_register = 32 // bits
        register, inside = i // per_register, i % per_register
        row = thread // 32 * 16 + thread % 32 // 4 + (8 if register % 2 else 0)
        return row, register // 2 * 4 * per_register + thread % 4 * per_register + inside

    return place


def gather(matrix, count, place):
    return np.array([[matrix[place(t, i)] for i in range(count)] for t in range(THREADS)])


class Case:
    """Operands and a kernel of one product."""

    def __init__(
        self, n, fa, fb, fd, a=None, b=None, steps=1, scale_d=1, scales=(1, 1), suffix="", sums=None, selector=None
    ):
        """With a selector, A is sparse: half of its columns are stored."""
        size = fa.bits // 8
        k = 32 // size
        self.fa, self.fb, self.fd, self.steps, self.n = fa, fb, fd, steps, n
        total = k * steps
        self.codes_a = self.stored_a = fa.random(rng, (64, total))
        self.sparse = None
        if selector is not None:
            self.sparse = Sparse(rng, fa, 64, 2 * k, selector, ordered=False)
            self.codes_a, self.stored_a = self.sparse.whole, self.sparse.stored
        self.codes_b = fb.random(rng, (n, self.codes_a.shape[1]))
        self.codes_c = fd.random(rng, (64, n)) if sums is None else sums
        self.saturating, self.scale_d, self.sign = bool(suffix), scale_d, scales[0] * scales[1]
        b = b or Layout()
        start_b = 0
        if a:
            a.place(64, total, size)
            start_b = (a.bytes + KB - 1) // KB * KB
        b.start += start_b
        self.layout_b = b.place(n, self.codes_b.shape[1], size)
        self.size = (b.bytes + 2 * KB - 1) // (2 * KB) * (2 * KB)
        self.image = b.image(self.codes_b, fb, self.size)
        if a:
            self.image |= a.image(self.stored_a, fa, self.size)
        self.descriptors = []
        for i in range(steps):
            from_a = a.descriptor() + (a.step(k, size) * i >> 4) if a else None
            self.descriptors.append((from_a, b.descriptor() + (b.step(k, size) * i >> 4)))
        self.fragments = np.zeros((THREADS, 4), np.uint32)
        if not a:
            per_register = 4 // size
            self.fragments = pack(gather(self.stored_a, 4 * per_register, place_a(fa.bits)), fa)
        self.d_count = n // 2 * fd.bits // 32
        self.sums = pack(gather(self.codes_c, n // 2, place_d(fd)), fd)
        self.tail = "" if fa.is_integer else f", {scales[0]}, {scales[1]}"
        if fa in (F16, BF16):
            self.tail += f", {int(a.major == 'MN')}" if a else ""
            self.tail += f", {int(b.major == 'MN')}"
        variant, depth = (".sp", 2 * k) if self.sparse else ("", k)
        self.instruction = (
            f"wgmma.mma_async{variant}.sync.aligned.m64n{n}k{depth}{suffix}.{fd.name}.{fa.name}.{fb.name}"
        )
        self.metadata = f", %r10, {selector}" if self.sparse else ""
        self.name = f"{self.instruction} A {a or 'in registers'}, B {b}, {steps} steps, scales {scale_d} {scales}"

    def text(self, **change):
        return wgmma_kernel(
            self.instruction, self.size, 4, self.d_count, self.descriptors, self.tail, self.scale_d,
            self.metadata, **change
        )  # fmt: skip

    def args(self):
        return [
            self.image, np.ascontiguousarray(self.fragments.T), np.ascontiguousarray(self.sums.T),
            Out("u32", (self.d_count, THREADS)), *([self.sparse.words] if self.sparse else []),
        ]  # fmt: skip

    def check(self, **change):
        result = check.runner.run(self.text(**change), self.args(), block=THREADS)
        if result.code != 0 or result.errors:
            return check.fail(self.name, f"exit code {result.code}: {result.errors.strip()}")
        held = unpack(np.ascontiguousarray(result.outputs[0].T), self.fd)
        got = np.zeros((64, self.n), held.dtype)
        place = place_d(self.fd)
        for thread in range(THREADS):
            for i in range(self.n // 2):
                got[place(thread, i)] = held[thread, i]
        a, b = self.sign * self.fa.decode(self.codes_a), self.fb.decode(self.codes_b).T
        c = self.fd.decode(self.codes_c) * (1 if self.scale_d else 0)
        wrong = difference(got, a, b, c, self.fd, self.saturating, self.steps)
        if wrong:
            return check.fail(self.name, wrong)
        check.passed += 1


#
# Products
#

# Types, with both operands in shared memory and with A in registers.
TYPES = [
    (F16, F16, F32), (F16, F16, F16), (BF16, BF16, F32), (TF32, TF32, F32), (S8, S8, S32), (S8, U8, S32),
    (U8, S8, S32), (U8, U8, S32), (E4M3, E4M3, F32), (E4M3, E5M2, F32), (E5M2, E4M3, F16), (E5M2, E5M2, F16),
]  # fmt: skip
for fa, fb, fd in TYPES:
    Case(32, fa, fb, fd, Layout(), Layout(), steps=2).check()
    Case(16, fa, fb, fd, None, Layout()).check()
    scales = ((1, 1),) if fa.is_integer else ((1, -1), (-1, 1), (-1, -1))
    for scale_a, scale_b in scales:
        Case(8, fa, fb, fd, Layout(), Layout(), scale_d=0, scales=(scale_a, scale_b)).check()

# Sparse: half of A is stored, and B has 64 bytes of k.
for fa, fb, fd in TYPES:
    for selector in (0, 1) if fa.bits >= 16 else (0,):
        Case(24, fa, fb, fd, Layout(swizzle=32), Layout(swizzle=64), selector=selector).check()
        Case(8, fa, fb, fd, None, Layout(swizzle=128), selector=selector).check()
        Case(16, fa, fb, fd, Layout(swizzle=0), Layout(swizzle=0), selector=selector).check()
Case(64, F16, F16, F32, Layout("MN"), Layout("MN"), selector=1).check()

# Widths.
for n in range(8, 257, 24):
    Case(n, F16, F16, F32, Layout(), Layout()).check()
for n in (8, 16, 24, 32, 48, 80, 256):
    Case(n, S8, U8, S32, Layout(), Layout()).check()
Case(256, TF32, TF32, F32, Layout(swizzle=64), Layout(swizzle=32)).check()
Case(256, BF16, BF16, F32, None, Layout("MN")).check()

# Saturation.
ends = np.where(rng.random((64, 16)) < 0.5, 2**31 - 1, 2**31).astype(np.uint64)
Case(16, S8, S8, S32, Layout(), Layout(), sums=ends).check()
Case(16, S8, S8, S32, Layout(), Layout(), suffix=".satfinite", sums=ends).check()

# Swizzles and majors, dense and with room between the atoms, in steps of k.
for swizzle in (0, 32, 64, 128):
    for pad in (0, 8 * max(swizzle, 16)):
        for majors in (("K", "K"), ("K", "MN"), ("MN", "K"), ("MN", "MN")):
            layouts = [Layout(major, swizzle, pad) for major in majors]
            steps = min(layout.max_steps(16, 2) for layout in layouts)
            Case(80, F16, F16, F32, *layouts, steps=steps).check()
        for fmt, fd in ((TF32, F32), (E4M3, F32), (S8, S32)):
            layouts = [Layout("K", swizzle, pad) for _ in range(2)]
            steps = layouts[0].max_steps(32 // (fmt.bits // 8), fmt.bits // 8)
            Case(40 if fd is F32 else 48, fmt, fmt, fd, *layouts, steps=steps).check()
Case(64, F16, F16, F32, Layout("MN", 128), Layout("K", 32)).check()
Case(64, BF16, BF16, F32, Layout("K", 0), Layout("MN", 64), steps=2).check()

# Patterns that do not start at a multiple of their size: the base offset.
for swizzle in (32, 64, 128):
    for start in range(128, 8 * swizzle, 128):
        for major in ("K", "MN"):
            a, b = (Layout(major, swizzle, start=start, based=True) for _ in range(2))
            Case(24, F16, F16, F32, a, b).check()

#
# What is wrong with a kernel
#

GOOD = dict(n=16, fa=F16, fb=F16, fd=F32)


def both(**options):
    return Case(a=Layout(), b=Layout(), **GOOD, **options)


def planted(name, expected, *words, case=None, line=None, **change):
    case = case or both()
    check.finds(name, case.text(**change), case.args(), expected, *words, line=line, block=THREADS)


planted("no wait", "async", "%md0, an accumulator", "no wgmma.wait_group between", wait="", line="// store 0")
# Without the check, what is read is not the product but NaN.
case = both()
result = check.runner.run(case.text(wait=""), case.args(), block=THREADS, check="bounds,race")
if np.isnan(result.outputs[0].view(np.float32)).all():
    check.passed += 1
else:
    check.fail("results before the wait", str(result.outputs[0]))
planted("no commit", "async", "%md0, an accumulator", commit="", line="// store 0")
planted("waits for too few", "async", "%md0", wait="wgmma.wait_group.sync.aligned 1;", line="// store 0")
planted("no wgmma.fence", "async", "no wgmma.fence", fence="", line="// wgmma 0")
planted(
    "writes after the fence", "async", "%md3, which another instruction has used", before="mov.b32 %md3, 0;",
    line="// wgmma 0",
)  # fmt: skip
planted(
    "reads early", "async", "reads %md1, an accumulator", after="mov.b32 %r9, %md1; // early", line="// early"
)  # fmt: skip
planted(
    "writes early", "async", "writes %md1, an accumulator", after="mov.b32 %md1, 0; // early", line="// early"
)  # fmt: skip
planted(
    "writes A early", "async", "writes %ma2, a part of matrix A", case=Case(a=None, b=Layout(), **GOOD),
    after="mov.b32 %ma2, 0; // early", line="// early",
)  # fmt: skip
planted("no fence.proxy.async", "proxy", "matrix A", "fence.proxy.async", proxy="", line="// wgmma 0")
planted("no barrier", "race", "no barrier between", barrier="")
planted(
    "writes what is being multiplied", "async", "may still read",
    after="setp.eq.b32 %p2, %r62, 0; mov.b32 %r9, 0;\n@%p2 st.shared.b32 [%r1], %r9; // too early",
    line="// too early",
)  # fmt: skip
planted("half of a warp", "divergence", guard="@%p2", barrier="bar.sync 0;\nsetp.lt.u32 %p2, %r62, 16;", line="// wgmma 0")

case = both()
case.descriptors = [(case.descriptors[0][0], case.descriptors[0][1] + (64 * KB >> 4))]
planted("B out of bounds", "bounds", "the descriptor of matrix B", "of the block's", case=case, line="// wgmma 0")
case = both()
case.descriptors = [(case.descriptors[0][0] | 1 << 52, case.descriptors[0][1])]
planted("reserved bits", "fault", "the descriptor of matrix A", "reserved", case=case, line="// wgmma 0")
planted(
    "other descriptors in each lane", "divergence", "not the same in all lanes",
    before="cvt.u64.u32 %rd6, %r62; add.u64 %rd5, %rd5, %rd6;", line="// wgmma 0",
)  # fmt: skip
planted(
    "metadata that choose nothing", "fault", "metadata", line="// wgmma 0", before="mov.b32 %r10, 0;",
    case=Case(a=Layout(swizzle=32), b=Layout(swizzle=64), selector=0, **GOOD),
)  # fmt: skip
planted(
    "a sparse product's B in 32 bytes", "fault", "matrix B has 64 bytes of k", line="// wgmma 0",
    case=Case(a=Layout(swizzle=32), b=Layout(swizzle=32), selector=0, **GOOD),
)  # fmt: skip
planted(
    "another descriptor in a warp", "divergence", "the descriptor of matrix B is not the same in all warps",
    before="and.b32 %r9, %r62, 32; shr.u32 %r9, %r9, 5; cvt.u64.u32 %rd6, %r9; add.u64 %rd5, %rd5, %rd6;", line="// wgmma 0",
)  # fmt: skip
planted(
    "no wgmma in a warp", "deadlock", "the wgmma of line", "which warp 3 of its warpgroup has not issued",
    barrier="bar.sync 0; setp.lt.u32 %p3, %r62, 96;", guard="@%p3",
)  # fmt: skip
case = both()
product = next(line for line in case.text().splitlines() if "// wgmma 0" in line)
planted(
    "another wgmma in a warp", "divergence", "issues this where warp", "of its warpgroup has issued", case=case,
    barrier="bar.sync 0; setp.lt.u32 %p3, %r62, 96;", guard="@%p3",
    commit="@!%p3 " + product.replace("// wgmma 0", "") + "\nwgmma.commit_group.sync.aligned;",
)  # fmt: skip
case = both()
check.finds("three warps", case.text(), case.args(), "divergence", "four warps", line="// wgmma 0", block=96)

# What is allowed: sums that go on without a wait or a fence; a wait for the older
# of two groups, whose registers are then free; the same A for two products.
both(steps=4).check()
both(steps=4).check(between="wgmma.commit_group.sync.aligned;")
both(steps=2).check(between="wgmma.fence.sync.aligned;")
FILL_AGAIN = "st.shared.v4.b32 [%r3], {%r4, %r4, %r4, %r4}; // reuse"
both().check(end="bar.sync 0;\n" + FILL_AGAIN)
# The four warps' parts of a wgmma finish as one: a wait of one warp covers them.
both().check(end=FILL_AGAIN)

# A second product in registers that were used in between, with a fence and without.
case = both()
product = next(line for line in case.text().splitlines() if "// wgmma 0" in line)
again = "mov.b32 %r9, %md0;\nadd.u32 %md0, %r9, 0;\nFENCE\n" + product.replace("// wgmma 0", "// second")
again += "\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;"
both(scale_d=0).check(end="setp.ne.b32 %p1, %r8, 0;\n" + again.replace("FENCE", "wgmma.fence.sync.aligned;"))
planted(
    "no second wgmma.fence", "async", "uses %md0, which another instruction has used", line="// second",
    end=again.replace("FENCE", ""),
)  # fmt: skip

# f16 accumulators are rounded by each wgmma: 2048 + 1 is 2048 in f16, twice.
case = Case(8, F16, F16, F16, Layout(), Layout(), steps=2, sums=np.full((64, 8), 0x6800, np.uint64))
a, b = np.zeros((64, 32), np.uint64), np.zeros((8, 32), np.uint64)
a[:, 0] = a[:, 16] = b[:, 0] = b[:, 16] = 0x3C00
case.image = Layout().place(64, 32, 2).image(a, F16, case.size) | case.layout_b.image(b, F16, case.size)
result = check.runner.run(case.text(), case.args(), block=THREADS)
if result.code == 0 and (result.outputs[0] == 0x68006800).all():
    check.passed += 1
else:
    check.fail("f16 accumulators", f"{result.outputs[0]} {result.errors}")


def refuse(name, instruction, *words, target="sm_90a"):
    text = kernel(f".reg .b32 %md<8>;\n{instruction} // here", target=target)
    check.refuses(name, text, *words, line="// here")


PRODUCT = "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%md0, %md1, %md2, %md3}, %rd1, %rd2, %p1, 1, 1, 0, 0;"
refuse("sm_90 has no wgmma", PRODUCT, "sm_90a", target="sm_90")
refuse("sm_100a has no wgmma", PRODUCT, "sm_90a", target="sm_100a")
refuse("sm_90 has no wgmma.fence", "wgmma.fence.sync.aligned;", "sm_90a", target="sm_90")
refuse("sm_90 has no setmaxnreg", "setmaxnreg.inc.sync.aligned.u32 240;", "sm_90a", target="sm_90")
refuse("setmaxnreg of 20", "setmaxnreg.dec.sync.aligned.u32 20;", "multiples of 8 from 24 to 256")
refuse("setmaxnreg of 36", "setmaxnreg.dec.sync.aligned.u32 36;", "multiples of 8 from 24 to 256")
refuse("a width", PRODUCT.replace("n8", "n12"), "shape")
refuse("a depth", PRODUCT.replace("k16", "k8"), "shape")
refuse("registers", PRODUCT.replace("n8", "n16"), "expected 8 registers")
refuse("a scale", PRODUCT.replace("1, 1, 0", "1, 2, 0"), "imm-scale-b is 2")
refuse("bf16 sums", PRODUCT.replace("f32.f16.f16", "f16.bf16.bf16"), "do not go together")
refuse("not aligned", PRODUCT.replace(".aligned", ""), ".sync.aligned")
refuse(
    "transposed tf32", PRODUCT.replace("k16.f32.f16.f16", "k8.f32.tf32.tf32"), "expected 6 operands",
)  # fmt: skip
refuse("a negative count", "wgmma.wait_group.sync.aligned -1;", "negative")

sys.exit(check.finish())
