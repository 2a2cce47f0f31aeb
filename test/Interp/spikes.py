# RUN: %python %s sparsedrop-ptx

"""The kernels of the design's spikes, lowered by LLVM: ragged sizes, strided rows.
They are not part of the project: SPARSEDROP_SPIKES names their folder, LLVM_BIN
that of mlir-opt. Without the first nothing is tested, and this says so."""

import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import InOut, Runner

spikes = os.environ.get("SPARSEDROP_SPIKES")
if not spikes:
    print("skipped: SPARSEDROP_SPIKES is not set")
    sys.exit(0)
os.environ.setdefault("LLVM_BIN", "/usr/lib/llvm-22/bin")
runner = Runner(sys.argv[1])
rng = np.random.default_rng(3)
work = tempfile.mkdtemp()
count = failures = 0


def lower(mode, name, generator=None, *options):
    """PTX of a spike, from its file or from its generator."""
    source = os.path.join(spikes, name + ".mlir")
    if generator:
        source = os.path.join(work, name + ".mlir")
        text = subprocess.run([sys.executable, os.path.join(spikes, generator), *options], capture_output=True, text=True, check=True)
        with open(source, "w") as file:
            file.write(text.stdout)
    target = os.path.join(work, name + ".ptx")
    extra = ["+ptx75", "sm_80"] if mode == "sm80" else []
    subprocess.run(["bash", os.path.join(spikes, "lower.sh"), mode, source, target, *extra], check=True, capture_output=True)
    with open(target) as file:
        return file.read()


def integers(*shape):
    return rng.integers(-3, 4, shape).astype(np.float32)  # every sum is exact


def spread(x, period, first):
    """A matrix of other numbers in which the rows of x are `period` apart, from the
    first of them on."""
    wide = integers(x.shape[0] * period, x.shape[1])
    wide[first::period] = x
    return wide.ravel()[first * x.shape[1] :]


def encode(x, kind):
    if kind == "bf16":
        return (x.view(np.uint32) >> 16).astype(np.uint16)
    return x.astype({"f16": np.float16, "tf32": np.float32}[kind])


def decode(x, kind):
    return (x.astype(np.uint32) << 16).view(np.float32) if kind == "bf16" else x.astype(np.float32)


def rounded(x, kind):
    """The exact sums as C holds them: 8 bits of a bf16, to nearest even."""
    if kind != "bf16":
        return x
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def expect(label, text, args, want, kind, **options):
    """Runs the kernel; `want` is the whole buffer, with NaN where nothing may be
    written."""
    global count, failures
    count += 1
    want = rounded(want, kind)
    for seed in (0, 3):
        result = runner.run(text, args, **{"name": "gemm", "seed": seed, **options})
        got = result.outputs[-1]
        good = result.code == 0 and not result.errors and np.array_equal(decode(got, kind), want, equal_nan=True)
        if not good:
            failures += 1
            detail = result.errors.strip()[:500] or f"{np.argwhere(~(decode(got, kind) == want) & ~np.isnan(want))[:1]}"
            print(f"{label} seed {seed}: exit code {result.code}: {detail}")
            return


def tensor_map(array, rows, columns, stride, box, kind):
    """A map over rows that are `stride` elements apart."""
    size = 4 if kind == "tf32" else 2
    return ("map", array, f"tensormap@IN0:{kind}:{columns},{rows}:{stride * size}:{box[1]},{box[0]}:1,1:128:none:zero")


def poisoned(m, ldc, kind):
    return np.full((m, ldc), 0xFFFF, np.uint16) if kind != "f32" else np.full((m, ldc), np.nan, np.float32)


def wgmma_gemm(label, text, kind, layout, bm, bn, threads, shared, sizes, output="bf16", tail=(), rows_b=None):
    """The kernels of ws_gemm.py: maps of A and B, C, its stride, tiles of k, M, N."""
    bk = 32 if kind == "tf32" else 64
    for m, n, k, period, first in sizes:
        a, b = integers(m, k), integers(n, k)
        exact = a @ b.T
        if layout == "tn":
            store, box_b = b, (bn, bk)
        else:
            store, box_b = b.T.copy(), (bk, 64)
        stored = encode(spread(a, period, first), kind)
        maps = [tensor_map(stored, m, k, k * period, (bm, bk), kind), tensor_map(encode(store, kind), *store.shape, store.shape[1], box_b, kind)]
        ldc = n + 8
        want = np.full((m, ldc), np.nan, np.float32)
        want[:, :n] = exact
        c = InOut(poisoned(m, ldc, output))
        args = [*maps, c, f"i64:{ldc}", f"i32:{-(-k // bk)}", f"i32:{m}", f"i32:{n}", *tail]
        expect(f"{label} {m}x{n}x{k} period {period}", text, args, want, output, grid=f"{-(-n // bn)},{-(-m // bm)}", block=threads, shared=shared)


SIZES = [(1, 8, 8, 1, 0), (128, 128, 64, 1, 0), (200, 136, 72, 1, 0), (130, 264, 200, 1, 0), (70, 40, 136, 3, 1), (65, 264, 64, 2, 1)]


def header(text):
    """Bytes of dynamic shared memory that a spike's file names."""
    return int(text.split(" B dynamic shared memory")[0].split()[-1])


def shared_of(name):
    with open(os.path.join(spikes if os.path.exists(os.path.join(spikes, name)) else work, name)) as file:
        return header(file.read())


for name, layout in (("ws_gemm_tn", "tn"), ("ws_gemm_nn", "nn")):
    with open(os.path.join(spikes, name + ".mlir")) as file:
        tile = next(line for line in file if "// tile" in line).split()[2].split("x")
    wgmma_gemm(name, lower("nvvm", name), "bf16", layout, int(tile[0]), int(tile[1]), 384, shared_of(name + ".mlir"), SIZES)
for kind, bn, consumers, mrep, layout in (("f16", 128, 2, 1, "tn"), ("bf16", 160, 2, 1, "tn"), ("bf16", 192, 1, 1, "tn"), ("bf16", 128, 2, 2, "tn"), ("f16", 128, 3, 1, "nn")):
    name = f"gemm_{kind}_{bn}_{consumers}_{mrep}_{layout}"
    options = ["--type", kind, "--bn", str(bn), "--consumers", str(consumers), "--mrep", str(mrep), "--b", layout]
    if consumers == 3:
        options += ["--setmaxnreg", "32,160"]
    if consumers == 1:
        options += ["--setmaxnreg", "40,240"]
    text = lower("nvvm", name, "ws_gemm.py", *options)
    wgmma_gemm(name, text, kind, layout, 64 * mrep * consumers, bn, 128 * (consumers + 1), shared_of(name + ".mlir"), SIZES)
wgmma_gemm("ws_scale", lower("nvvm", "ws_scale"), "bf16", "tn", 128, 256, 384, shared_of("ws_scale.mlir"), SIZES)
# A has all its columns in memory, of which the kernel picks every second one.
text = lower("nvvm", "ws_rs")
for m, n, k, parity in ((1, 8, 8, 0), (128, 256, 64, 1), (200, 136, 72, 0), (130, 264, 200, 1)):
    a, b = integers(m, 2 * k), integers(n, k)
    maps = [tensor_map(encode(a, "bf16"), m, 2 * k, 2 * k, (128, 64), "bf16"), tensor_map(encode(b, "bf16"), n, k, k, (256, 64), "bf16")]
    want = np.full((m, n + 8), np.nan, np.float32)
    want[:, :n] = a[:, parity::2] @ b.T
    args = [*maps, InOut(poisoned(m, n + 8, "bf16")), f"i64:{n + 8}", f"i32:{-(-k // 64)}", f"i32:{m}", f"i32:{n}", f"i32:{parity}"]
    expect(f"ws_rs {m}x{n}x{k} parity {parity}", text, args, want, "bf16", grid=f"{-(-n // 256)},{-(-m // 128)}", block=384, shared=shared_of("ws_rs.mlir"))


def persistent_gemm(label, text, shared, bn, cluster):
    """The kernels of ws_fast.py: C is stored by TMA, too, in rows that are as far
    apart as those of A and B. The last has no tile of k: C is zero."""
    for m, n, k, period, first, group, clusters in PERSISTENT:
        a, b = integers(m, max(k, 8)), integers(n, max(k, 8))
        want = np.full((m * period, n + 8), np.nan, np.float32)
        want[::period, :n] = a @ b.T if k else 0
        stride = a.shape[1] * period
        maps = [tensor_map(encode(spread(a, period, first), "bf16"), m, a.shape[1], stride, (128, 64), "bf16"),
                tensor_map(encode(spread(b, period, first), "bf16"), n, b.shape[1], stride, (bn // cluster, 64), "bf16"),
                tensor_map(InOut(poisoned(m * period, n + 8, "bf16")), m, n, (n + 8) * period, (64, 64), "bf16")]  # fmt: skip
        args = [*maps, f"i32:{-(-k // 64)}", f"i32:{-(-m // (128 * cluster))}", f"i32:{-(-n // bn)}", f"i32:{group}"]
        expect(f"{label} {m}x{n}x{k} period {period}", text, args, want, "bf16", grid=cluster * clusters, block=384, cluster=cluster, shared=shared)


PERSISTENT = [(1, 8, 8, 1, 0, 1, 1), (256, 256, 64, 1, 0, 1, 1), (300, 264, 72, 1, 0, 1, 2), (600, 520, 136, 1, 0, 2, 2),
              (130, 776, 200, 3, 1, 1, 3), (65, 264, 328, 2, 1, 2, 1), (65, 72, 0, 1, 0, 1, 1)]  # fmt: skip
persistent_gemm("ws_fast", lower("nvvm", "ws_fast"), shared_of("ws_fast.mlir"), 256, 2)
for bn, cluster in ((128, 2), (192, 1)):
    name = f"fast_{bn}_{cluster}"
    text = lower("nvvm", name, "ws_fast.py", "--bn", str(bn), "--cluster", str(cluster))
    persistent_gemm(name, text, shared_of(name + ".mlir"), bn, cluster)
# nvgpu's kernel takes pointers to its maps; M and N are multiples of 128.
text = lower("nvgpu", "nvgpu_gemm")
for m, n, k, period, first in ((128, 128, 64, 1, 0), (256, 128, 72, 3, 2), (128, 384, 200, 1, 0), (256, 256, 8, 2, 1)):
    a, b = integers(m, k), integers(k, n)
    want = np.full((m, n + 8), np.nan, np.float32)
    want[:, :n] = a @ b
    pointer = lambda map_: ("map", map_[1], "ptr:" + map_[2])  # noqa: E731
    maps = [pointer(tensor_map(encode(spread(a, period, first), "f16"), m, k, k * period, (128, 64), "f16")), pointer(tensor_map(encode(b, "f16"), k, n, n, (64, 64), "f16"))]
    tiles = f"i64:{-(-k // 64)}"
    args = [*maps, tiles, tiles, "null", InOut(poisoned(m, n + 8, "f32")), "i64:0", f"i64:{m}", f"i64:{n}", f"i64:{n + 8}", "i64:1"]
    expect(f"nvgpu_gemm {m}x{n}x{k} period {period}", text, args, want, "f32", name="gemm_kernel", grid=f"{n // 128},{m // 128}", block=384, shared=131072)
for kind in ("f16", "bf16"):
    text = lower("sm80", f"sm80_cpasync_{kind}")
    for m, n, k, period, first in [(1, 8, 8, 1, 0), (128, 128, 64, 1, 0), (200, 136, 72, 1, 0), (70, 40, 136, 3, 1), (129, 264, 32, 2, 1)]:
        a, b = integers(m, k), integers(n, k)
        stored = encode(spread(b, period, first), kind)
        want = np.full((m, n + 4), np.nan, np.float32)
        want[:, :n] = a @ b.T
        describe = lambda pointer, rows, columns, stride: ["null", pointer, "i64:0", f"i64:{rows}", f"i64:{columns}", f"i64:{stride}", "i64:1"]  # noqa: E731
        args = [*describe(encode(a, kind), m, k, k), *describe(stored, n, k, k * period), *describe(InOut(poisoned(m, n + 4, "f32")), m, n, n + 4), f"i64:{-(-k // 32)}"]
        expect(f"sm80 {kind} {m}x{n}x{k} period {period}", text, args, want, "f32", grid=f"{-(-n // 128)},{-(-m // 128)}", block=128)
print(f"{count - failures} passed, {failures} failed")
sys.exit(1 if failures else 0)
