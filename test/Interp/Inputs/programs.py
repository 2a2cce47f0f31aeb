"""Launches of the programs, with what NumPy says of their results."""

import os
import sys

import numpy as np
from kernels import InOut, Out, Runner
from references import ackermann, bfloat, bit_tricks, fp8_values, interpret, philox, run_machine, to_fp8, unbfloat

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Programs")
runner = Runner(sys.argv[1])
rng = np.random.default_rng(7)
jobs = []


def in_any_order(values):
    """For an output whose elements may come in any order: what it must be, if it
    has the ranks that it has."""
    return lambda got: np.sort(values)[np.argsort(np.argsort(got, kind="stable"))]


def program(file, name, args, want, tolerance=0.0, targets=("sm_80", "sm_90a"), label="", **options):
    """A launch: `want` are the outputs, or functions of what came that say what
    should have come; `tolerance` bounds the error of floats relative to the largest
    magnitude of the result."""
    for target in targets:
        jobs.append((f"{file}.{target}.ptx", name, args, want, tolerance, label, options))


def read(file):
    with open(os.path.join(folder, file)) as source:
        return source.read()


def run(job, text=None):
    """What is wrong with a launch (of another text than the program's), or None."""
    file, name, args, want, tolerance, label, options = job
    result = runner.run(text or read(file), args, name=name, **options)
    title = f"{file} {name} {label} {options}"
    if result.code or result.errors:
        return f"{title}: exit code {result.code}: {result.errors.strip()[:600]}"
    if len(result.outputs) != len(want):
        return f"{title}: {len(result.outputs)} outputs, expected {len(want)}"
    for i, (got, expected) in enumerate(zip(result.outputs, want)):
        if callable(expected) and got is not None:
            expected = expected(got)
        expected = np.asarray(expected)
        if got is None or got.shape != expected.shape:
            return f"{title}: output {i} is missing or has another shape"
        if expected.dtype.kind in "iu":
            good = got == expected.astype(got.dtype)
        else:
            finite = np.isfinite(expected)
            scale = np.abs(expected[finite].astype(np.float64)).max(initial=0)
            good = np.isclose(got.astype(np.float64), expected, rtol=0, atol=tolerance * scale, equal_nan=True)
        if not good.all():
            at = tuple(np.argwhere(~good)[0])
            return f"{title}: output {i} at {at}: {got[at]}, expected {expected[at]}"
    return None


def i32(*values):
    return [f"i32:{v}" for v in values]


HOPPER = ("sm_90a",)
EPS = 2.0**-24

#
# Reductions and scans. A sum is wrong by at most 2^-24 of the sum of magnitudes
# (2^-53 for f64) for each addition on the way from an element to the result
#

for n in (1, 31, 1000, 4097):
    x = rng.standard_normal(n).astype(np.float32)
    grid = 3
    padded = np.zeros((-(-n // (grid * 256)) * grid * 256), np.float64)
    padded[:n] = x
    per_block, magnitudes = (v.reshape(-1, grid, 256).sum((0, 2)) for v in (padded, np.abs(padded)))
    program("reductions", "reduce_shared", [x, Out("f32", (grid,)), *i32(n)], [per_block], (-(-n // 768) + 8) * EPS * magnitudes.max() / np.abs(per_block).max(), grid=grid, block=256)
    y = rng.standard_normal(n)
    program("reductions", "reduce_shuffle", [y, Out("f64", (1,)), *i32(n)], [[y.sum()]], (-(-n // 192) + 13) * 2.0**-53 * np.abs(y).sum() / abs(y.sum()), grid=1, block=192)
    z = rng.integers(-1000, 1000, n, dtype=np.int32)
    threads = np.arange(n) % (5 * 128)
    per_block = np.bincount(threads // 128, z, 5).astype(np.int32)
    program("reductions", "reduce_last_block", [z, Out("i32", (5,)), InOut(np.zeros(1, np.uint32)), Out("i32", (1,)), *i32(n)], [per_block, [5], np.array([z.sum()])], grid=5, block=128)
    if n <= 256:
        program("scans", "scan_shared", [z, Out("i32", (n,)), *i32(n)], [z.cumsum()], grid=1, block=256, shared=2048)
        program("scans", "scan_shuffle", [z, Out("i32", (n,)), *i32(n)], [z.cumsum()], grid=1, block=256)
    blocks = -(-n // 128)
    states = (2 << 32) + (z.cumsum()[np.minimum(np.arange(1, blocks + 1) * 128, n) - 1] % 2**32).astype(np.uint64)
    for threads in (1, 2):
        program("scans", "scan_lookback", [z, Out("i32", (n,)), InOut(np.zeros(blocks, np.uint64)), InOut(np.zeros(1, np.uint32)), *i32(n)],
                [z.cumsum(), states, [blocks]], grid=blocks, block=128, threads=threads)  # fmt: skip
for n in (1, 777, 5000):
    x = rng.integers(0, 256, n, dtype=np.uint8)
    program("histogram", "histogram", [x, InOut(np.zeros(256, np.uint32)), *i32(n)], [np.bincount(x, minlength=256)], grid=3, block=96)
    keys = rng.integers(0, 10, n, dtype=np.uint32)
    program("histogram", "count_keys", [keys, InOut(np.zeros(10, np.uint32)), *i32(n)], [np.bincount(keys, minlength=10)], grid=-(-n // 64), block=64)
    z = rng.integers(-100, 100, n, dtype=np.int32)
    kept = int((z > 20).sum())
    program("histogram", "filter", [z, InOut(np.zeros(n, np.int32)), InOut(np.zeros(1, np.uint32)), *i32(20, n)], [in_any_order(np.where(z > 20, z, 0)), [kept]], grid=-(-n // 64), block=64)

#
# Vectors and text
#

for n in (1, 33, 1000):
    a, b = rng.standard_normal((2, n)).astype(np.float32)
    program("vectors", "add", [a, b, Out("f32", (n,)), *i32(n)], [a + b], grid=2, block=96)  # one rounding
    for step_x, step_y in ((1, 1), (3, 2)):
        # One rounding of the fma, at most one more of NumPy's product.
        x, y = rng.standard_normal(n * step_x), rng.standard_normal(n * step_y)
        want = y.copy()
        want[::step_y] += 1.5 * x[::step_x]
        program("vectors", "axpy_double", ["f64:1.5", x, f"i32:{step_x}", InOut(y), f"i32:{step_y}", *i32(n)], [want], 2.0**-51, grid=3, block=32)
for columns, stride, period, first in ((1, 1, 1, 0), (8, 12, 3, 2), (45, 47, 2, 1), (300, 300, 4, 0)):
    x = rng.standard_normal((5 * period, stride)).astype(np.float32)
    program("vectors", "gather_rows", [x, Out("f32", (5, columns)), *i32(columns, stride, period, first)], [x[first::period, :columns]], grid=5, block=64)
for words in (1, 37, 128):
    x = rng.choice(np.frombuffer(b"`azAZ{@[\x7f\x80\xe1\xfa\xff\0", np.uint8), 4 * words)
    small = (x >= ord("a")) & (x <= ord("z"))
    program("text", "capitals", [x.view(np.uint32), Out("u32", (words,)), InOut(np.zeros(1, np.uint32)), *i32(words)],
            [np.where(small, x - 32, x).astype(np.uint8).view(np.uint32), [small.sum()]], grid=-(-words // 64), block=64)  # fmt: skip
    x = rng.choice(np.frombuffer(b"ab", np.uint8), 4 * words)
    x[-4:] = np.frombuffer(b"abba", np.uint8)
    found = [bytes(x[i : i + 4]) == b"abba" for i in range(4 * words)]
    program("text", "find_pattern", [x.view(np.uint32), f"u32:{int.from_bytes(b'abba', 'little')}", Out("u8", (4 * words,)), *i32(words)],
            [np.array(found, np.uint8)], grid=-(-words // 64), block=64)  # fmt: skip

#
# Matrices: k products and sums, (k + 1) * 2^-24 of the sum of magnitudes
#

for rows, columns in ((1, 1), (33, 65), (100, 70)):
    x = rng.standard_normal((rows, columns)).astype(np.float32)
    program("matrices", "transpose", [x, Out("f32", (columns, rows)), *i32(rows, columns)], [x.T], grid=f"{-(-columns // 32)},{-(-rows // 32)}", block="32,8")
for m, n, k in ((1, 1, 1), (17, 33, 50), (40, 48, 64), (61, 7, 129)):
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    bound = (np.abs(a) @ np.abs(b)).max() / np.abs(a @ b).max()
    grid, block = f"{-(-n // 16)},{-(-m // 16)}", "16,16"
    a32, b32 = a.astype(np.float32), b.astype(np.float32)
    exact = a32.astype(np.float64) @ b32.astype(np.float64)
    program("matrices", "matmul", [a32, b32, Out("f32", (m, n)), *i32(m, n, k)], [exact], (k + 1) * EPS * bound, grid=grid, block=block)
    program("matrices", "matmul_double", [a, b, Out("f64", (m, n)), *i32(m, n, k)], [a @ b], (k + 1) * 2.0**-52 * bound, grid=grid, block=block)
    for period, first in ((2, 0), (2, 1), (3, 2)):
        wide = rng.standard_normal((k * period, n)).astype(np.float32)
        want = a32.astype(np.float64) @ wide[first::period].astype(np.float64)
        bound = (np.abs(a) @ np.abs(wide[first::period])).max() / np.abs(want).max()
        program("matrices", "matmul_kept_rows", [a32, wide, Out("f32", (m, n)), *i32(m, n, k, period, first)], [want], (k + 1) * EPS * bound, grid=grid, block=block)
for m, n, stride in ((1, 4, 4), (13, 132, 140), (9, 256, 256)):
    a, x = rng.standard_normal((m, stride)).astype(np.float32), rng.standard_normal(n).astype(np.float32)
    want = a[:, :n].astype(np.float64) @ x
    bound = (np.abs(a[:, :n]) @ np.abs(x)).max() / np.abs(want).max()
    program("matrices", "matvec", [a, x, Out("f32", (m,)), *i32(m, n, stride)], [want], (-(-n // 32) + 9) * EPS * bound, grid=-(-m // 2), block=64)

#
# Rows and signals
#

for n in (1, 45, 300):
    x = rng.standard_normal((3, n)).astype(np.float32) * 3
    e = np.exp(x.astype(np.float64) - x.max(1, keepdims=True))
    # exp of the device library is within 2 ulp, the sum and the quotient add n + 2.
    program("rows", "softmax", [x, Out("f32", (3, n)), *i32(n)], [e / e.sum(1, keepdims=True)], (n + 8) * EPS, grid=3, block=64)
    scale = rng.standard_normal(n).astype(np.float32)
    centred = x.astype(np.float64) - x.mean(1, keepdims=True, dtype=np.float64)
    want = centred / np.sqrt((centred**2).mean(1, keepdims=True) + 1e-3) * scale
    # The mean and the variance are sums, n / 64 + 8 additions deep; 8 operations
    # follow. Cancellation in x - mean makes an error larger by max|x| / deviation.
    deviation = np.sqrt((centred**2).mean(1) + 1e-3).min()
    tolerance = (2 * (-(-n // 64) + 8) + 8) * EPS * max(1, np.abs(x).max() / deviation)
    program("rows", "layer_norm", [x, scale, Out("f32", (3, n)), *i32(n), "f32:1e-3"], [want], tolerance, grid=3, block=64)
    w = np.array([0.25, -0.5, 1.0, 0.5, 0.125])
    program("signals", "convolve", [x[0].copy(), Out("f32", (n,)), *i32(n)], [np.convolve(x[0].astype(np.float64), w[::-1], "same") if n >= 5 else [x[0, 0]]], 8 * EPS, grid=-(-n // 64), block=64)
for n in (32, 256):
    x = rng.integers(0, 2**32, n, dtype=np.uint32)
    program("signals", "bitonic_sort", [InOut(x)], [np.sort(x)], grid=1, block=n, shared=4 * n)
for n in (1, 2, 77, 128):
    x = rng.integers(-99, 99, n, dtype=np.int32)
    program("signals", "odd_even_sort", [InOut(x), *i32(n)], [np.sort(x)], grid=1, block=64, shared=4 * n)
lengths = rng.integers(0, 17, 64, dtype=np.int32)
lists = rng.integers(-99, 99, (64, 16), dtype=np.int32)
want = lists.copy()
for i, length in enumerate(lengths):
    want[i, :length].sort()
start = lists.copy()
program("signals", "insertion_sort", [lists, lengths, InOut(start)], [want], grid=2, block=32)

#
# Calls, bits, locks
#

m, n = np.arange(40, dtype=np.uint32) % 3, np.arange(40, dtype=np.uint32) % 7
program("calls", "run_ackermann", [m, n, Out("u32", (40,))], [np.array([ackermann(int(a), int(b)) for a, b in zip(m, n)])], grid=1, block=40)
which = rng.integers(0, 3, 50, dtype=np.int32)
x = rng.standard_normal(50).astype(np.float32)
program("calls", "call_functions", [which, InOut(x)], [np.choose(which, [x * np.float32(0.5), x * x, x + 1])], grid=1, block=50)
code = rng.integers(0, 10, 30, dtype=np.uint8)
program("calls", "interpret", [code, *i32(30), Out("i32", (40,))], [np.array([interpret(i, code) for i in range(40)])], grid=1, block=40)
for length in (1, 9, 60):
    code = rng.choice(np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 200], np.uint8), length)
    code[length // 2 + 1 :: 7] = 9
    stacks, results = zip(*(run_machine(i, code.tolist()) for i in range(96)))
    program("switches", "run_machine", [code, *i32(length), InOut(np.zeros((96, 8), np.uint32)), Out("u32", (96,))],
            [np.array(stacks, np.uint32), np.array(results, np.uint32)], grid=2, block=48)  # fmt: skip
exponents = rng.integers(0, 9, 33, dtype=np.int32)
base = 0.5 - 1.25j
powers = base ** exponents.astype(np.float64)
program("calls", "power", ["bytes:" + np.array([0.5, -1.25]).tobytes().hex(), exponents, Out("f64", (33, 2))],
        [np.stack([powers.real, powers.imag], 1)], 2.0**-45, grid=1, block=33)  # fmt: skip
u = rng.integers(0, 2**32, 100, dtype=np.uint32)
u[:3] = 0, 1, 2**31
program("bits", "bit_tricks", [u, Out("u32", (100, 4)), *i32(100)], [np.array([bit_tricks(x) for x in u])], grid=4, block=32)
a, b = rng.integers(0, 2**64, 64, dtype=np.uint64), rng.integers(0, 2**64, 64, dtype=np.uint64) >> rng.integers(0, 60, 64).astype(np.uint64)
pairs = [(int(x), int(y)) for x, y in zip(a, b)]
program("bits", "multiply_wide", [a, b, *(Out("u64", (64,)) for _ in range(3))],
        [np.array([x * y % 2**64 for x, y in pairs], np.uint64), np.array([x * y >> 64 for x, y in pairs], np.uint64),
         np.array([(x % (y | 1) + x // (y | 1)) % 2**64 for x, y in pairs], np.uint64)], grid=2, block=32)  # fmt: skip
program("bits", "philox", ["u32:12345", Out("u32", (70, 4))], [np.array([philox(i, 12345) for i in range(70)])], grid=2, block=35)
x, total = np.arange(70, dtype=np.uint32), np.arange(70, dtype=np.float32)
for _ in range(9):
    x = x * np.uint32(1664525) + np.uint32(1013904223)
    x ^= x >> np.uint32(13)
    total = total * np.float32(0.5) + (x & np.uint32(7)).astype(np.float32)  # exact
program("bits", "mix", [Out("u32", (70,)), Out("f32", (70,)), *i32(9)], [x, total], 2 * EPS, grid=2, block=35)
value = 1
for _ in range(5 * 4):
    value = (value * 3 + 1) % 2**32
for threads in (1, 2):
    program("locks", "take_lock", [InOut(np.zeros(1, np.int32)), InOut(np.ones(1, np.uint32)), *i32(4)], [[0], [value]], grid=5, block=32, threads=threads)
    x = rng.standard_normal(90).astype(np.float32)
    want = x.astype(np.float64)
    for _ in range(4):
        previous = want
        want = (np.concatenate([[0], want[:-1]]) + want * 2 + np.concatenate([want[1:], [0]])) * 0.25
    program("locks", "smooth", [InOut(x), Out("f32", (90,)), InOut(np.zeros(1, np.uint32)), *i32(90, 4)], [want, previous, [12]], 16 * EPS, grid=3, block=32, threads=threads)
program("locks", "draw_tickets", [InOut(np.zeros(1, np.uint32)), Out("u32", (100,)), "u32:100"], [[100 + 96], lambda owners: np.minimum(owners, 95)], grid=3, block=32)
x = rng.standard_normal((100, 2)).astype(np.float16)
half = lambda v: v.astype(np.float16)  # noqa: E731
# Each fma rounds once: the product and the sum are exact in float64.
step = half(0.25 * x.astype(np.float64) - 1.5)
step = half(step.astype(np.float64) * x.astype(np.float64) + 0.75)
program("narrow", "half_polynomial", [x, Out("f16", (100, 2)), *i32(100)], [np.maximum(step, 0)], grid=4, block=32)
a, b = bfloat(rng.standard_normal(90)), bfloat(rng.standard_normal(90))
program("narrow", "bfloat_sums", [a, b, Out("u16", (90,)), *i32(90)], [bfloat(unbfloat(a) * 2 + unbfloat(b))], grid=3, block=32)
for n in (1, 77):
    # The sums are exact in f32, so that bfloat() is the fma's one rounding.
    a, b, c = rng.integers(-256, 257, (3, n, 2)).astype(np.float32)
    program("narrow", "bfloat_fma", [bfloat(a), bfloat(b), InOut(bfloat(c)), *i32(n)], [bfloat(np.minimum(a * b + c, 1000))], grid=-(-n // 32), block=32)
x = rng.integers(-20, 100, 128, dtype=np.int32)
tiles = x.reshape(-1, 8)
sums = np.where((tiles < 0).any(1), -tiles.sum(1), tiles.sum(1))
program("tiles", "sums_of_tiles", [x, Out("i32", (128,))], [(sums[:, None] + np.arange(8)).ravel()], grid=2, block=64)
x = rng.integers(-20, 100, 128, dtype=np.int32)
for seed in (0, 1, 2):
    program("tiles", "exchange", [InOut(x)], [np.concatenate([x[:64], x[64:] + 10 * x[63::-1]])], grid=1, block=128, seed=seed)

#
# Tensor cores
#


def halves(*shape):
    return (rng.integers(-8, 9, shape) / 4).astype(np.float16)  # sums are exact


for m, n, k in ((16, 16, 16), (48, 64, 80)):
    a, b = halves(m, k), halves(k, n)
    program("wmma", "wmma_matmul", [a, b, Out("f32", (m, n)), *i32(m, n, k)], [a.astype(np.float64) @ b.astype(np.float64)], grid=-(-m * n // 1024), block=128)
for m, n, k, pad in ((128, 128, 32, 0), (1, 8, 8, 0), (200, 136, 72, 8), (130, 264, 200, 24)):
    a, b = halves(m, k + pad), halves(k, n + pad)
    want = np.zeros((m, n + pad))
    want[:, :n] = a[:, :k].astype(np.float64) @ b[:, :n].astype(np.float64)
    sizes = np.array([m, n, k, k + pad, n + pad, n + pad], np.int32).tobytes().hex()
    program("mma", "mma_matmul", [a, b, InOut(np.zeros((m, n + pad), np.float32)), f"bytes:{sizes}"], [want],
            grid=f"{-(-n // 128)},{-(-m // 128)}", block=256, shared=3 * 2 * 8192)  # fmt: skip
# Rows kept by a dropout of period 3: the stride of b is three rows.
m, n, k = 70, 64, 40
a, b = halves(m, k), halves(3 * k, n)
sizes = np.array([m, n, k, k, 3 * n, n], np.int32).tobytes().hex()
program("mma", "mma_matmul", [a, b, InOut(np.zeros((m, n), np.float32)), f"bytes:{sizes}"],
        [a.astype(np.float64) @ b[::3].astype(np.float64)], label="strided", grid="1,1", block=256, shared=3 * 2 * 8192)  # fmt: skip
x = rng.integers(-99, 99, (11, 128), dtype=np.int32)
program("mma", "stream_sums", [x, Out("i32", (128,)), *i32(11)], [sum(np.roll(x[i], -i) for i in range(11))], grid=1, block=128)

#
# Hopper
#

codes = np.arange(256, dtype=np.uint8)
e4m3, e5m2 = fp8_values()
program("fp8", "from_fp8", [codes, Out("f32", (256,)), Out("f32", (256,))], [e4m3, e5m2], targets=HOPPER, grid=1, block=256)
# Each value, the middle between neighbours, and what is just beside it.
middle = np.concatenate([(t[:-1] + t[1:]) / 2 for t in (np.unique(e4m3[np.isfinite(e4m3)]), np.unique(e5m2[np.isfinite(e5m2)]))]).astype(np.float32)
special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 448, 464, 480, 57344, 61440, 3e38, 1e-40], np.float32)
x = np.concatenate([special, e4m3, e5m2, middle, np.nextafter(middle, np.float32(np.inf)), np.nextafter(middle, np.float32(-np.inf)),
                    rng.standard_normal(200) * 100]).astype(np.float32)  # fmt: skip
x = np.resize(x, (x.size // 2, 2))
n = len(x)
program("fp8", "to_fp8", [x, Out("u16", (n,)), Out("u16", (n,)), *i32(n)], [to_fp8(x, e4m3), to_fp8(x, e5m2)], targets=HOPPER, grid=-(-n // 32), block=32)
x = rng.integers(-99, 99, 512, dtype=np.int32)
blocks = np.roll(x.reshape(2, 4, 64), -1, axis=1)[:, :, ::-1]
program("clusters", "rotate_blocks", [x, Out("i32", (512,))], [blocks.ravel()], targets=HOPPER, grid=8, block=64)
for n in (1, 777, 3000):
    x = rng.integers(0, 256, n, dtype=np.uint8)
    program("clusters", "cluster_histogram", [x, InOut(np.zeros(256, np.uint32)), *i32(n)], [np.bincount(x, minlength=256)], targets=HOPPER, grid=4, block=64)
for threads in (1, 45, 64):
    x = rng.integers(-99, 99, (3, 2 * threads), dtype=np.int32)
    program("clusters", "count_above", [x, Out("u32", (3,)), *i32(10)], [(x > 10).sum(1)], targets=HOPPER, grid=6, block=threads, seed=threads)
x = rng.integers(-99, 99, (8, 32), dtype=np.int32)
for seed in (0, 4):
    program("clusters", "send_sums", [x, InOut(np.zeros(8, np.int32))], [x.sum(1)], targets=HOPPER, grid=8, block=32, seed=seed)
program("clusters", "misc", [Out("i32", (32,))], [np.full(32, 11)], targets=HOPPER, grid=1, block=32)
x = rng.integers(-99, 99, 1536, dtype=np.int32)
program("tma", "bulk_double", [x, Out("i32", (1536,))], [2 * x], targets=HOPPER, grid=3, block=64)
for rows, columns in ((64, 32), (100, 72), (130, 40)):
    x = rng.standard_normal((rows, columns)).astype(np.float32)
    # The rows of the result are padded to a multiple of 16 bytes.
    wide = -(-rows // 4) * 4
    want = np.zeros((columns, wide), np.float32)
    want[:, :rows] = x.T
    source = f"tensormap@IN0:f32:{columns},{rows}:{columns * 4}:32,64:1,1:none:none:zero"
    target = f"tensormap@OUT1:f32:{rows},{columns}:{wide * 4}:64,32:1,1:none:none:zero"
    jobs.append(("tma.sm_90a.ptx", "tma_transpose", [("map", x, source), ("map", InOut(np.zeros((columns, wide), np.float32)), target)], [want], 0.0, f"{rows}x{columns}",
                 {"grid": f"{-(-columns // 32)},{-(-rows // 64)}", "block": 128}))  # fmt: skip
x = rng.standard_normal((32, 32)).astype(np.float32)
want = np.stack([x.reshape(2, 16, 32), x.reshape(2, 16, 32) + np.float32(1)], 1)
program("tma", "tma_multicast", [("map", x, "tensormap@IN0:f32:32,32:128:32,16:1,1:128:none:zero"), Out("f32", (2, 2, 16, 32))], [want], targets=HOPPER, grid=4, block=64)
for tiles in (1, 2, 3, 10):
    x = rng.standard_normal((8 * tiles, 256)).astype(np.float32)
    for seed in (0, 1):
        program("tma", "pipeline_sums", [("map", x, f"tensormap@IN0:f32:256,{8 * tiles}:1024:128,8:1,1:none:none:zero"), Out("f32", (256,)), *i32(tiles)],
                [x.sum(0, dtype=np.float64)], 80 * EPS * 8, targets=HOPPER, grid=2, block=160, seed=seed)  # fmt: skip
# The last: rows of a that a dropout of period 3 keeps, by the map's stride.
for m, n, k, period, first in ((128, 128, 64, 1, 0), (1, 1, 8, 1, 0), (200, 136, 72, 1, 0), (64, 256, 520, 1, 0), (70, 33, 136, 3, 2)):
    wide, b = halves(m * period, k), halves(n, k)
    rows = wide.ravel()[first * k :]
    program("wgmma", "wgmma_matmul",
            [("map", rows, f"tensormap@IN0:f16:{k},{m}:{2 * k * period}:64,128:1,1:128:none:zero"), ("map", b, f"tensormap@IN0:f16:{k},{n}:{2 * k}:64,128:1,1:128:none:zero"),
             Out("f32", (m, n)), *i32(m, n, k)],
            [wide[first::period].astype(np.float64) @ b.T.astype(np.float64)], targets=HOPPER, grid=f"{-(-n // 128)},{-(-m // 128)}", block=384, shared=3 * 2 * 16384)  # fmt: skip
a, b = halves(64, 64), halves(32, 64)
program("wgmma", "wgmma_registers", [a, b, Out("f32", (64, 32)), "f32:0.5"], [0.5 * a.astype(np.float64) @ b.T.astype(np.float64)], targets=HOPPER, grid=1, block=128)
