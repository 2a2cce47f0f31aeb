# RUN: %python %s sparsedrop-ptx

"""mma.sync, wmma, ldmatrix, stmatrix and movmatrix against NumPy.

Where the elements of a fragment are is written from the tables of the PTX ISA
(9.7.14.5.1 to 9.7.14.5.13), in their words: g is groupID, the lane divided by 4,
and t is threadID_in_group, the lane modulo 4."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, Out, kernel
from matrices import (
    BF16, E4M3, E5M2, F16, F32, F64, S4, S8, S32, TF32, U4, U8, Sparse, difference, pack, to_bytes, unpack,
)  # fmt: skip

check = Checker(sys.argv[1])
rng = np.random.default_rng(1)
LANES = 32

#
# Fragments: (row, column) of element i
#


def c_m16(g, t, i):
    return (g if i < 2 else g + 8), 2 * t + (i & 1)


def c_m8(g, t, i):
    return g, 2 * t + (i & 1)


# (bits of an element, m, n, k): elements of A and B and where they are.
FRAGMENTS = {
    # 9.7.14.5.2: m8n8k4, f64
    (64, 8, 8, 4): (1, lambda g, t, i: (g, t), 1, lambda g, t, i: (t, g)),
    # 9.7.14.5.3: m8n8k16, 8 bits
    (8, 8, 8, 16): (4, lambda g, t, i: (g, 4 * t + i), 4, lambda g, t, i: (4 * t + i, g)),
    # 9.7.14.5.4: m8n8k32, 4 bits
    (4, 8, 8, 32): (8, lambda g, t, i: (g, 8 * t + i), 8, lambda g, t, i: (8 * t + i, g)),
    # 9.7.14.5.6: m16n8k4, tf32 and f64
    (32, 16, 8, 4): (2, lambda g, t, i: (g if i == 0 else g + 8, t), 1, lambda g, t, i: (t, g)),
    (64, 16, 8, 4): (2, lambda g, t, i: (g if i == 0 else g + 8, t), 1, lambda g, t, i: (t, g)),
    # 9.7.14.5.7: m16n8k8, f16 and bf16, tf32, f64
    (16, 16, 8, 8): (
        4, lambda g, t, i: (g if i < 2 else g + 8, 2 * t + (i & 1)), 2, lambda g, t, i: (2 * t + i, g),
    ),
    (32, 16, 8, 8): (
        4, lambda g, t, i: (g if i in (0, 2) else g + 8, t if i in (0, 1) else t + 4),
        2, lambda g, t, i: (t if i == 0 else t + 4, g),
    ),
    (64, 16, 8, 8): (
        4, lambda g, t, i: (g if i in (0, 2) else g + 8, t if i in (0, 1) else t + 4),
        2, lambda g, t, i: (t if i == 0 else t + 4, g),
    ),
    # 9.7.14.5.8: m16n8k16, f16 and bf16, f64
    (16, 16, 8, 16): (
        8, lambda g, t, i: (g if 0 <= i < 2 or 4 <= i < 6 else g + 8, 2 * t + (i & 1) + (0 if i < 4 else 8)),
        4, lambda g, t, i: (2 * t + (i & 1) + (0 if i < 2 else 8), g),
    ),
    (64, 16, 8, 16): (
        8, lambda g, t, i: (g if i % 2 == 0 else g + 8, i * 2 - i % 2 * 2 + t),
        4, lambda g, t, i: (t + i * 4, g),
    ),
    # 9.7.14.5.9: m16n8k16, 8 bits
    (8, 16, 8, 16): (
        8, lambda g, t, i: (g if i < 4 else g + 8, 4 * t + (i & 3)), 4, lambda g, t, i: (4 * t + (i & 3), g),
    ),
    # 9.7.14.5.10: m16n8k32, 8 bits and 4 bits
    (8, 16, 8, 32): (
        16, lambda g, t, i: (g if 0 <= i < 4 or 8 <= i < 12 else g + 8, 4 * t + (i & 3) + (0 if i < 8 else 16)),
        8, lambda g, t, i: (4 * t + (i & 3) + (0 if i < 4 else 16), g),
    ),
    (4, 16, 8, 32): (
        16, lambda g, t, i: (g if i < 8 else g + 8, 8 * t + (i & 7)), 8, lambda g, t, i: (8 * t + (i & 7), g),
    ),
    # 9.7.14.5.11: m16n8k64, 4 bits
    (4, 16, 8, 64): (
        32, lambda g, t, i: (g if 0 <= i < 8 or 16 <= i < 24 else g + 8, 8 * t + (i & 7) + (0 if i < 16 else 32)),
        16, lambda g, t, i: (8 * t + (i & 7) + (0 if i < 8 else 32), g),
    ),
}  # fmt: skip


def gather(matrix, count, place):
    """What each lane holds: [lane][element]."""
    rows, columns = np.zeros((2, LANES, count), int)
    for lane in range(LANES):
        for i in range(count):
            rows[lane, i], columns[lane, i] = place(lane // 4, lane % 4, i)
    return matrix[rows, columns]


def scatter(held, shape, place):
    matrix = np.zeros(shape, held.dtype)
    for lane in range(LANES):
        for i in range(held.shape[1]):
            matrix[place(lane // 4, lane % 4, i)] = held[lane, i]
    return matrix


#
# mma
#


def registers(letter, count):
    return "{" + ", ".join(f"%m{letter}{i}" for i in range(count)) + "}"


def mma_kernel(instruction, counts, bits, guard="", metadata=""):
    """Loads registers [register][lane] of a, b and c, and stores those of d."""
    size = bits // 8
    lines = [f".reg .b{bits} %m{x}<{max(n, 1)}>;" for x, n in zip("abcd", counts)]
    lines.append("add.u64 %rd0, %rd0, %rd0;" if size == 8 else "")
    for letter, count in zip("abc", counts):
        lines.append(f"add.u64 %rd1, %{letter}in, %rd0;")
        lines += [f"ld.global.b{bits} %m{letter}{i}, [%rd1+{LANES * size * i}];" for i in range(count)]
    operands = ", ".join(registers(x, n) for x, n in zip("dabc", (counts[3], *counts[:3])))
    if metadata:
        lines.append("add.u64 %rd1, %ein, %rd0; ld.global.b32 %r1, [%rd1];")
    lines.append(f"{guard} {instruction} {operands}{metadata};")
    lines.append("add.u64 %rd1, %dout, %rd0;")
    lines += [f"st.global.b{bits} [%rd1+{LANES * size * i}], %md{i};" for i in range(counts[3])]
    return "\n".join(lines)


PARAMETERS = "u64 ain, u64 bin, u64 cin, u64 dout"


def run_mma(name, instruction, held, d_count, bits, target="sm_90a", metadata="", words=()):
    """The registers of d; `held` is [lane][register] of a, b and c."""
    counts = [x.shape[1] for x in held] + [d_count]
    parameters = PARAMETERS + (", u64 ein" if metadata else "")
    text = kernel(mma_kernel(instruction, counts, bits, metadata=metadata), parameters, target=target)
    out = Out(f"u{bits}", (d_count, LANES))
    result = check.runner.run(text, [np.ascontiguousarray(x.T) for x in held] + [out, *words])
    if result.code != 0 or result.errors:
        check.fail(name, f"exit code {result.code}: {result.errors.strip()}")
        return None
    return result.outputs[0].T


def check_mma(shape, fa, fb, fc, fd, suffix="", c=None, a=None):
    m, n, k = shape
    bits = 64 if fa is F64 else 32
    count_a, place_a, count_b, place_b = FRAGMENTS[fa.bits, m, n, k]
    place_c, count_c = (c_m16, 4) if m == 16 else (c_m8, 2)
    a = fa.random(rng, (m, k)) if a is None else a
    b = fb.random(rng, (k, n))
    c = fc.random(rng, (m, n)) if c is None else c
    held = [pack(gather(a, count_a, place_a), fa, bits), pack(gather(b, count_b, place_b), fb, bits)]
    held.append(pack(gather(c, count_c, place_c), fc, bits))
    name = f"mma.sync.aligned.m{m}n{n}k{k}.row.col{suffix}.{fd.name}.{fa.name}.{fb.name}.{fc.name}"
    words = run_mma(name, name, held, count_c * fd.bits // bits, bits)
    if words is None:
        return
    got = scatter(unpack(np.ascontiguousarray(words), fd), (m, n), place_c)
    wrong = difference(got, fa.decode(a), fb.decode(b), fc.decode(c), fd, bool(suffix))
    if wrong:
        check.fail(name, wrong)
    else:
        check.passed += 1


for k in (8, 16):
    check_mma((16, 8, k), F16, F16, F32, F32)
    check_mma((16, 8, k), F16, F16, F16, F16)
    check_mma((16, 8, k), BF16, BF16, F32, F32)
for k in (4, 8):
    check_mma((16, 8, k), TF32, TF32, F32, F32)
for k in (16, 32):
    for fa in (E4M3, E5M2):
        for fb in (E4M3, E5M2):
            check_mma((16, 8, k), fa, fb, F32, F32)
            check_mma((16, 8, k), fa, fb, F16, F16)
for shape in ((8, 8, 4), (16, 8, 4), (16, 8, 8), (16, 8, 16)):
    check_mma(shape, F64, F64, F64, F64)
for formats, shapes in (((S8, U8), ((8, 8, 16), (16, 8, 16), (16, 8, 32))), ((S4, U4), ((8, 8, 32), (16, 8, 32), (16, 8, 64)))):
    for fa in formats:
        for fb in formats:
            for shape in shapes:
                check_mma(shape, fa, fb, S32, S32)
                # Sums that overflow in both directions: they wrap, or are clamped.
                c = np.where(rng.random(shape[:2]) < 0.5, 2**31 - 1, 2**31).astype(np.uint64)
                check_mma(shape, fa, fb, S32, S32, c=c)
                check_mma(shape, fa, fb, S32, S32, ".satfinite", c=c)

#
# mma.sp (9.7.14.6): A as it is stored has the fragment of a dense A of k / 2
#


def check_sparse(k, fa, fb, fc, selector, ordered):
    dense_k = k // 2
    count_a, place_a, _, _ = FRAGMENTS[fa.bits, 16, 8, dense_k]
    # The first half of B is where that of a dense product is; so is the second.
    _, _, count_b, place_b = FRAGMENTS[fb.bits, 16, 8, dense_k]
    sparse = Sparse(rng, fa, 16, k, selector, ordered)
    b, c = fb.random(rng, (k, 8)), fc.random(rng, (16, 8))
    held = [pack(gather(sparse.stored, count_a, place_a), fa)]
    halves = [pack(gather(b[half * dense_k :][:dense_k], count_b, place_b), fb) for half in range(2)]
    held += [np.concatenate(halves, axis=1), pack(gather(c, 4, c_m16), fc)]
    variant = "sp::ordered_metadata" if ordered else "sp"
    name = f"mma.{variant}.sync.aligned.m16n8k{k}.row.col.{fc.name}.{fa.name}.{fb.name}.{fc.name}"
    words = run_mma(name, name, held, 4 * fc.bits // 32, 32, metadata=f", %r1, {selector}", words=[sparse.words])
    if words is None:
        return
    got = scatter(unpack(np.ascontiguousarray(words), fc), (16, 8), c_m16)
    wrong = difference(got, fa.decode(sparse.whole), fb.decode(b), fc.decode(c), fc)
    if wrong:
        return check.fail(f"{name} with selector {selector}", wrong)
    check.passed += 1


SPARSE = [
    (F16, F16, F32, 16, 4), (F16, F16, F16, 32, 2), (BF16, BF16, F32, 16, 4), (BF16, BF16, F32, 32, 2),
    (TF32, TF32, F32, 8, 4), (TF32, TF32, F32, 16, 2), (S8, U8, S32, 32, 2), (U8, S8, S32, 64, 1),
    (E4M3, E5M2, F32, 64, 1), (S4, U4, S32, 64, 2), (U4, S4, S32, 128, 1),
]  # fmt: skip
for fa, fb, fc, k, selectors in SPARSE:
    for selector in range(selectors):
        for ordered in (False, True):
            check_sparse(k, fa, fb, fc, selector, ordered)

# Infinity, NaN and the smallest subnormals of f16; NaN becomes canonical.
a = np.zeros((16, 16), np.uint64)
a[0, 0], a[1, 1], a[2, 2] = 0x7C00, 0x7E01, 0x0001
count_a, place_a, count_b, place_b = FRAGMENTS[16, 16, 8, 16]
b = np.full((16, 8), 0x3C00, np.uint64)
held = [pack(gather(a, count_a, place_a), F16), pack(gather(b, count_b, place_b), F16)]
held.append(np.zeros((LANES, 4), np.uint32))
words = run_mma("special values", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", held, 4, 32)
got = scatter(words, (16, 8), c_m16)
want = np.zeros((16, 8), np.uint32)
want[0], want[1], want[2] = 0x7F800000, 0x7FFFFFFF, 0x33800000
if np.array_equal(got, want):
    check.passed += 1
else:
    check.fail("special values", str(got[:3]))

#
# m8n8k4 (9.7.14.5.1): four products, of lanes 4q to 4q + 3 and 16 above them
#


def check_quads(layout_a, layout_b, fc, fd):
    codes_a, codes_b, codes_c = F16.random(rng, (4, 8, 4)), F16.random(rng, (4, 4, 8)), fc.random(rng, (4, 8, 8))

    def place_c(fmt, lane, i):
        if fmt is F16:
            return (lane % 4 if lane < 16 else lane % 4 + 4), i
        x = (lane & 1) + (i & 2)
        return (x if lane < 16 else x + 4), (i & 4) + (lane & 2) + (i & 1)

    held_a, held_b = np.zeros((2, LANES, 4), np.uint64)
    held_c = np.zeros((LANES, 8), np.uint64)
    for lane in range(LANES):
        quad, low = lane % 16 // 4, lane < 16
        for i in range(4):
            if layout_a == "row":
                row, col = (lane % 4 if low else lane % 4 + 4), i
            else:
                row, col = (i if low else i + 4), lane % 4
            held_a[lane, i] = codes_a[quad, row, col]
            if layout_b == "row":
                row, col = lane % 4, (i if low else i + 4)
            else:
                row, col = i, (lane % 4 if low else lane % 4 + 4)
            held_b[lane, i] = codes_b[quad, row, col]
        for i in range(8):
            held_c[lane, i] = codes_c[quad][place_c(fc, lane, i)]
    name = f"mma.sync.aligned.m8n8k4.{layout_a}.{layout_b}.{fd.name}.f16.f16.{fc.name}"
    held = [pack(held_a, F16), pack(held_b, F16), pack(held_c, fc)]
    words = run_mma(name, name, held, 8 * fd.bits // 32, 32, target="sm_70")
    if words is None:
        return
    codes = unpack(np.ascontiguousarray(words), fd)
    got = np.zeros((4, 8, 8), codes.dtype)
    for lane in range(LANES):
        for i in range(8):
            got[lane % 16 // 4][place_c(fd, lane, i)] = codes[lane, i]
    for quad in range(4):
        wrong = difference(got[quad], F16.decode(codes_a[quad]), F16.decode(codes_b[quad]), fc.decode(codes_c[quad]), fd)
        if wrong:
            return check.fail(name, f"product {quad}: {wrong}")
    check.passed += 1


for layout_a in ("row", "col"):
    for layout_b in ("row", "col"):
        for fc, fd in ((F32, F32), (F16, F16), (F16, F32)):
            check_quads(layout_a, layout_b, fc, fd)

#
# wmma (9.7.14.4): matrices in memory, row-major and column-major, with padding
#

WMMA_COUNTS = {  # registers of a and b (9.7.14.4.1)
    ("f16", (16, 16, 16)): (8, 8), ("f16", (8, 32, 16)): (8, 8), ("f16", (32, 8, 16)): (8, 8),
    ("bf16", (16, 16, 16)): (4, 4), ("bf16", (8, 32, 16)): (2, 8), ("bf16", (32, 8, 16)): (8, 2),
    ("s8", (16, 16, 16)): (2, 2), ("s8", (8, 32, 16)): (1, 4), ("s8", (32, 8, 16)): (4, 1),
    ("u8", (16, 16, 16)): (2, 2), ("u8", (8, 32, 16)): (1, 4), ("u8", (32, 8, 16)): (4, 1),
    ("tf32", (16, 16, 8)): (4, 4), ("f64", (8, 8, 4)): (1, 1),
}  # fmt: skip


def in_memory(matrix, layout, fmt, pad):
    """The bytes of a matrix and the stride of its lines, in elements."""
    lines = matrix if layout == "row" else matrix.T
    padding = np.zeros((lines.shape[0], pad), lines.dtype)
    lines = np.ascontiguousarray(np.concatenate([lines, padding], axis=1))
    return to_bytes(lines, fmt), lines.shape[1]


def check_wmma(shape, layouts, fa, fb, fc, fd, pad=0, suffix="", c=None):
    m, n, k = shape
    bits = 64 if fa is F64 else 32
    a, b = fa.random(rng, (m, k)), fb.random(rng, (k, n))
    c = fc.random(rng, (m, n)) if c is None else c
    counts = list(WMMA_COUNTS[fa.name, shape]) + [8 * fc.bits // 32 if bits == 32 else 2, 8 * fd.bits // 32 if bits == 32 else 2]
    text = [f".reg .b{bits} %m{x}<{n}>;" for x, n in zip("abcd", counts)]
    word = f"m{m}n{n}k{k}"
    arrays = []
    for letter, matrix, fmt, layout, count in zip("abc", (a, b, c), (fa, fb, fc), layouts, counts):
        data, stride = in_memory(matrix, layout, fmt, pad)
        arrays.append(data)
        operand = f", {stride}" if pad else ""
        text.append(
            f"wmma.load.{letter}.sync.aligned.{layout}.{word}.global.{fmt.name} {registers(letter, count)}, [%{letter}in]{operand};"
        )
    types = f"{fd.name}.{fc.name}" if fa is F16 else f"{fd.name}.{fa.name}.{fb.name}.{fc.name}"
    name = f"wmma.mma.sync.aligned.{layouts[0]}.{layouts[1]}.{word}.{types}{suffix}"
    text.append(f"{name} " + ", ".join(registers(x, n) for x, n in zip("dabc", (counts[3], *counts[:3]))) + ";")
    lines = m if layouts[3] == "row" else n
    length = (m * n // lines) + pad
    text.append(f"wmma.store.d.sync.aligned.{layouts[3]}.{word}.global.{fd.name} [%dout], {registers('d', counts[3])}, {length};")
    out = Out(f"u{fd.bits}", (lines, length))
    result = check.runner.run(kernel("\n".join(text), PARAMETERS), [*arrays, out])
    if result.code != 0 or result.errors:
        return check.fail(name, f"exit code {result.code}: {result.errors.strip()}")
    got = result.outputs[0][:, : length - pad]
    got = got if layouts[3] == "row" else got.T
    wrong = difference(got, fa.decode(a), fb.decode(b), fc.decode(c), fd, bool(suffix))
    if wrong:
        return check.fail(f"{name} {layouts}", wrong)
    check.passed += 1


WIDE = ((16, 16, 16), (8, 32, 16), (32, 8, 16))
for shape in WIDE:
    for layouts in (("row", "col", "row", "row"), ("col", "row", "col", "row"), ("row", "row", "row", "col")):
        for fc in (F16, F32):
            for fd in (F16, F32):
                check_wmma(shape, layouts, F16, F16, fc, fd, pad=8)
        check_wmma(shape, layouts, BF16, BF16, F32, F32)
        check_wmma(shape, layouts, S8, S8, S32, S32)
        check_wmma(shape, layouts, U8, U8, S32, S32, pad=16)
    c = np.where(rng.random(shape[:2]) < 0.5, 2**31 - 1, 2**31).astype(np.uint64)
    check_wmma(shape, ("row", "col", "row", "row"), S8, S8, S32, S32, suffix=".satfinite", c=c)
for layouts in (("row", "col", "row", "row"), ("col", "row", "col", "col")):
    check_wmma((16, 16, 8), layouts, TF32, TF32, F32, F32, pad=4)
    check_wmma((8, 8, 4), layouts, F64, F64, F64, F64)

#
# ldmatrix, stmatrix, movmatrix (9.7.14.5.15 to 9.7.14.5.17)
#

SHARED = ".shared .align 16 .b8 tile[512];"
FILL = """
  mov.u32 %r1, tile; mul.lo.u32 %r2, %r62, 16; add.u32 %r3, %r1, %r2;
  mul.wide.u32 %rd1, %r2, 1; add.u64 %rd1, %in, %rd1;
  ld.global.v4.b32 {%r4, %r5, %r6, %r7}, [%rd1];
"""
data = rng.integers(0, 1 << 16, (32, 8), dtype=np.uint64).astype(np.uint16)  # 4 matrices of 8 rows
out_address = "add.u64 %rd2, %out, %rd0;"


def core(matrix, transposed):
    """The word of each lane: row lane / 4, elements 2 (lane % 4) and the next."""
    matrix = matrix.T if transposed else matrix
    return np.ascontiguousarray(matrix).reshape(-1).view(np.uint32)


for count in (1, 2, 4):
    for trans in ("", ".trans"):
        # Each lane stores a row; the rows that are asked for come in another
        # order than they are stored in.
        load = FILL + "st.shared.v4.b32 [%r3], {%r4, %r5, %r6, %r7};\nbar.sync 0;\n"
        load += "xor.b32 %r8, %r62, 5; mul.lo.u32 %r9, %r8, 16; add.u32 %r9, %r9, %r1;\n"
        load += f".reg .b32 %m<4>;\nldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {registers('', count)}, [%r9];\n"
        load += out_address + "".join(f"st.global.b32 [%rd2+{128 * i}], %m{i};" for i in range(count))
        rows = data[np.arange(32) ^ 5].reshape(4, 8, 8)
        want = np.stack([core(rows[i], bool(trans)) for i in range(count)])
        text = kernel(load, "u64 in, u64 out", before=SHARED)
        check.clean(f"ldmatrix.x{count}{trans}", text, [data, Out("u32", (count, 32))], [want])

        store = ".reg .b32 %m<4>;\nadd.u64 %rd1, %in, %rd0;\n"
        store += "".join(f"ld.global.b32 %m{i}, [%rd1+{128 * i}];" for i in range(count))
        store += "\nmov.u32 %r1, tile; mul.lo.u32 %r2, %r62, 16; add.u32 %r3, %r1, %r2;\n"
        store += f"stmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 [%r3], {registers('', count)};\nbar.sync 0;\n"
        store += "mul.wide.u32 %rd1, %r62, 4; add.u64 %rd2, %out, %rd1; add.u32 %r3, %r1, 0; mul.lo.u32 %r4, %r62, 4; add.u32 %r3, %r3, %r4;\n"
        store += "".join(f"ld.shared.b32 %r5, [%r3+{128 * i}]; st.global.b32 [%rd2+{128 * i}], %r5;" for i in range(count))
        matrices = data.reshape(4, 8, 8)
        want = np.stack([core(matrices[i], bool(trans)) for i in range(count)])
        text = kernel(store, "u64 in, u64 out", before=SHARED)
        check.clean(f"stmatrix.x{count}{trans}", text, [data, Out("u32", (count, 32))], [want])

generic = FILL + "st.shared.v4.b32 [%r3], {%r4, %r5, %r6, %r7};\nbar.sync 0;\n"
generic += "cvt.u64.u32 %rd3, %r3; cvta.shared.u64 %rd3, %rd3;\nldmatrix.sync.aligned.m8n8.x1.b16 {%r8}, [%rd3];\n"
generic += out_address + "st.global.b32 [%rd2], %r8;"
text = kernel(generic, "u64 in, u64 out", before=SHARED)
check.clean("ldmatrix of a generic address", text, [data, Out("u32", (32,))], [core(data[:8], False)])

move = "add.u64 %rd1, %in, %rd0; ld.global.b32 %r1, [%rd1]; movmatrix.sync.aligned.m8n8.trans.b16 %r1, %r1;\n"
move += out_address + "st.global.b32 [%rd2], %r1;"
check.clean("movmatrix", kernel(move, "u64 in, u64 out"), [data, Out("u32", (32,))], [core(data[:8], True)])

#
# What is wrong with a kernel
#

HALF = "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
zeros = [np.zeros((n, LANES), np.uint32) for n in (4, 2, 4)] + [Out("u32", (4, LANES))]
check.finds(
    "mma in half of the warp",
    kernel("setp.lt.u32 %p1, %r62, 16;\n" + mma_kernel(HALF, (4, 2, 4, 4), 32, guard="@%p1"), PARAMETERS),
    zeros, "divergence", line="mma.sync",
)  # fmt: skip
check.finds(
    "a warp of 16 lanes", kernel(mma_kernel(HALF, (4, 2, 4, 4), 32), PARAMETERS), zeros, "divergence",
    line="mma.sync", block=16,
)  # fmt: skip
check.finds(
    "ldmatrix of global memory",
    kernel("ldmatrix.sync.aligned.m8n8.x1.b16 {%r2}, [%in]; // the load", "u64 in"), [data], "fault",
    "does not lead to shared memory", line="// the load",
)  # fmt: skip
LOAD = "mov.u32 %r1, tile;\nldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r2}, [%r1OFFSET];"
check.finds(
    "ldmatrix of what nothing wrote", kernel(LOAD.replace("OFFSET", ""), before=SHARED), [], "uninitialized", line="ldmatrix"
)
check.finds("ldmatrix off a row", kernel(LOAD.replace("OFFSET", "+8"), before=SHARED), [], "alignment", line="ldmatrix")
check.finds("ldmatrix out of bounds", kernel(LOAD.replace("OFFSET", "+512"), before=SHARED), [], "bounds", line="ldmatrix")


def refuse(name, instruction, *words, target="sm_90a"):
    text = f"{instruction} // here"
    check.refuses(name, kernel(f".reg .b32 %ma<8>;\n{text}", target=target), *words, line="// here")


A4, B2 = registers("a", 4), registers("a", 2)
refuse("fp8 before sm_89", f"mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {A4}, {A4}, {B2}, {A4};", "sm_89", target="sm_80")
refuse("stmatrix before sm_90", "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r1], {%r2};", "sm_90", target="sm_80")
refuse("a shape", f"mma.sync.aligned.m16n16k16.row.col.f32.f16.f16.f32 {A4}, {A4}, {B2}, {A4};", "shape")
refuse("a layout", f"mma.sync.aligned.m16n8k16.col.col.f32.f16.f16.f32 {A4}, {A4}, {B2}, {A4};", "layouts")
refuse("f16 by bf16", f"mma.sync.aligned.m16n8k16.row.col.f32.f16.bf16.f32 {A4}, {A4}, {B2}, {A4};", "multiplies")
refuse("registers", f"mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {A4}, {A4}, {A4}, {A4};", "expected 2 registers")
refuse("satfinite of floats", f"mma.sync.aligned.m16n8k16.row.col.satfinite.f32.f16.f16.f32 {A4}, {A4}, {B2}, {A4};", "saturates")
SPARSE_OPERANDS = f"{A4}, {B2}, {B2}, {A4}, %r1"
refuse("a selector", f"mma.sp.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {SPARSE_OPERANDS}, 2;", "selector 2")
refuse("a sparse shape", f"mma.sp.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {SPARSE_OPERANDS}, 0;", "shape")
refuse("single bits", f"mma.sync.aligned.m16n8k128.row.col.s32.b1.b1.s32.xor.popc {A4}, {B2}, {{%ma1}}, {A4};", "single bits")
refuse("ldmatrix of 8 bits", "ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8 {%r2, %r3}, [%r1];", "sm_100a")
refuse("not aligned", f"mma.sync.m16n8k16.row.col.f32.f16.f16.f32 {A4}, {A4}, {B2}, {A4};", ".sync.aligned")

sys.exit(check.finish())
