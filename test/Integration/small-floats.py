# RUN: %python %s sparsedrop-run %t
# RUN: %python %s %run_on_interp %t.device

"""Floats of 8 bits: all of them widened, numbers of all kinds rounded to them, arithmetic
between, against values worked out in float64; dropped products against masks."""

import os
import subprocess
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "GPU", "Inputs"))
from products import SMALL, round_to

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(8)


def execute(text, inputs, *options):
    stem = os.path.join(folder, "p")
    with open(stem + ".mlir", "w") as file:
        file.write(text)
    command = [run, stem + ".mlir", f"--output={stem}", *options]
    for i, data in enumerate(inputs):
        np.save(f"{stem}.in{i}.npy", data)
        command.append(f"--input={stem}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, text + done.stdout + done.stderr
    return np.load(stem + ".0.npy")


def elementwise(source, target, body, count):
    return f"""
#id = affine_map<(i) -> (i)>
func.func @f(%x: tensor<{count}x{source}>) -> tensor<{count}x{target}> {{
  %e = tensor.empty() : tensor<{count}x{target}>
  %r = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel"]}}
      ins(%x : tensor<{count}x{source}>) outs(%e : tensor<{count}x{target}>) {{
  ^bb0(%a: {source}, %o: {target}):
    {body}
    linalg.yield %r : {target}
  }} -> tensor<{count}x{target}>
  return %r : tensor<{count}x{target}>
}}
"""


def expect(actual, expected, what):
    wrong = ~((actual == expected) & (np.signbit(actual) == np.signbit(expected)) | np.isnan(actual) & np.isnan(expected))
    assert not wrong.any(), f"{what}: {np.sum(wrong)} are wrong, the first is {np.argmax(wrong)}: {actual[wrong][0]}, expected {expected[wrong][0]}"


def decode(type_):
    """What all 256 numbers stand for."""
    mantissa, bias, most, beyond = SMALL[type_]
    bits = np.arange(128)
    exponent, fraction = bits >> mantissa, bits & (1 << mantissa) - 1
    magnitude = np.where(exponent == 0, np.ldexp(fraction * 1.0, 1 - bias - mantissa), np.ldexp(fraction + (1 << mantissa) * 1.0, exponent - bias - mantissa))
    magnitude = np.where(magnitude <= most, magnitude, np.nan)
    if np.isinf(beyond):
        magnitude[124] = beyond
    return np.concatenate([magnitude, -magnitude])


for type_ in SMALL:
    # The bits of NaN may differ, the values of all others are given back.
    values = decode(type_)
    bits = np.arange(256).astype(np.uint8).view(np.int8)
    for target in ("f32", "f64", "f16", "bf16"):
        body = f"%b = arith.bitcast %a : i8 to {type_}\n    %r = arith.extf %b : {type_} to {target}"
        expect(execute(elementwise("i8", target, body, 256), [bits]).astype(np.float64), values, f"{type_} to {target}")

    # All numbers, what is between them, and a little more or less; anything at all.
    finite = np.unique(values[np.isfinite(values)])
    middles = np.concatenate([(finite[1:] + finite[:-1]) / 2, [2 * finite[-1] - finite[-2], -finite[-1] * 1.0625]])
    special = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-30, -1e30, 1e-45])
    for source, dtype in (("f64", np.float64), ("f32", np.float32), ("f16", None), ("bf16", None)):
        some = np.concatenate([finite, middles, special, rng.standard_normal(500) * 10.0 ** rng.integers(-8, 6, 500)])
        if dtype:
            # In f64 the step is lost if there is another rounding to f32.
            some = np.concatenate([some, np.nextafter(middles.astype(dtype), dtype(np.inf)), np.nextafter(middles.astype(dtype), dtype(-np.inf))])
        some = some if source == "f64" else round_to(some, source) if source != "bf16" else round_to(np.where(np.isnan(some), 0, some), source)
        result = execute(elementwise(source, type_, f"%r = arith.truncf %a : {source} to {type_}", len(some)), [some if source == "f64" else some.astype(np.float32)])
        expect(result.astype(np.float64), round_to(some.astype(np.float64), type_), f"{source} to {type_}")

    # Arithmetic is rounded once.
    body = f"%p = arith.mulf %a, %a : {type_}\n    %r = arith.maximumf %p, %a : {type_}"
    numbers = np.unique(round_to(rng.standard_normal(200), type_))
    result = execute(elementwise(type_, type_, body, len(numbers)), [numbers.astype(np.float32)])
    expect(result.astype(np.float64), np.maximum(round_to(numbers * numbers, type_), numbers), f"arithmetic of {type_}")

# Constants that kernels read, and the largest of many, none of which is above zero: where there
# is no infinity, partial results begin with the least number.
TABLE = """
func.func @f(%x: tensor<2x4x{type}>) -> tensor<2x4x{type}> {{
  %c = arith.constant dense<[[1.0, -2.0, 0.5, 3.0], [0.0, 4.0, -0.25, 6.0]]> : tensor<2x4x{type}>
  %r = arith.addf %x, %c : tensor<2x4x{type}>
  return %r : tensor<2x4x{type}>
}}
"""
LARGEST = """
func.func @f(%x: tensor<5x300x{type}>, %start: tensor<{type}>) -> tensor<{type}> {{
  %r = linalg.reduce {{ arith.{op} }} ins(%x : tensor<5x300x{type}>) outs(%start : tensor<{type}>) dimensions = [0, 1]
  return %r : tensor<{type}>
}}
"""
for type_ in SMALL:
    table = np.array([[1.0, -2.0, 0.5, 3.0], [0.0, 4.0, -0.25, 6.0]])
    assert np.array_equal(execute(TABLE.format(type=type_), [np.ones((2, 4), np.float32)]), table + 1)
    some = -round_to(rng.random((5, 300)) + 1, type_)
    for op, sign in (("maximumf", 1), ("minimumf", -1)):
        largest = execute(LARGEST.format(type=type_, op=op), [(sign * some).astype(np.float32), np.float32(-sign * 100)])
        assert largest == sign * some.max(), (type_, op, largest)

# Rows of the depth and of the output dropped, scales of both factors, bias and relu
# behind; small integers and scales of powers of two: exact.
LAYER = """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>
#all = affine_map<(i, j) -> ()>
#x = affine_map<(i, j, k) -> (i, k)>
#w = affine_map<(i, j, k) -> (j, k)>
#y = affine_map<(i, j, k) -> (i, j)>
func.func @f(%x: tensor<{m}x{k}x{a}>, %w: tensor<{n}x{k}x{b}>, %sx: tensor<f32>, %sw: tensor<f32>, %bias: tensor<{n}xf32>,
             %seed: i64 {{sparsedrop.seed}}, %step: i64 {{sparsedrop.step}}) -> tensor<{m}x{n}x{out}> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<{m}x{n}xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
  %p = linalg.matmul indexing_maps = [#x, #w, #y] {{sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "h", granularity = {granularity}, scale = pattern>}}
      ins(%x, %w : tensor<{m}x{k}x{a}>, tensor<{n}x{k}x{b}>) outs(%z : tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32>
  %o = tensor.empty() : tensor<{m}x{n}x{out}>
  %r = linalg.generic {{indexing_maps = [#id, #all, #all, #row, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%p, %sx, %sw, %bias : tensor<{m}x{n}xf32>, tensor<f32>, tensor<f32>, tensor<{n}xf32>) outs(%o : tensor<{m}x{n}x{out}>) {{
  ^bb0(%s: f32, %u: f32, %v: f32, %c: f32, %old: {out}):
    %1 = arith.mulf %s, %u : f32
    %2 = arith.mulf %1, %v : f32
    %3 = arith.addf %2, %c : f32
    %4 = arith.maximumf %3, %zero : f32
    {round}
    linalg.yield %5 : {out}
  }} -> tensor<{m}x{n}x{out}>
  return %r : tensor<{m}x{n}x{out}>
}}
"""
for a, b, out, (m, n, k), granularity in (
    ("f8E4M3FN", "f8E4M3FN", "bf16", (40, 48, 160), 16),
    ("f8E4M3FN", "f8E5M2", "f16", (40, 48, 160), 32),
    ("f8E5M2", "f8E4M3FN", "f32", (65, 33, 144), 1),
    ("f8E4M3FN", "f8E4M3FN", "bf16", (520, 48, 96), 1),  # packed
    ("f8E5M2", "f8E5M2", "bf16", (7, 5, 13), 1),
):
    text = LAYER.format(a=a, b=b, out=out, m=m, n=n, k=k, granularity=granularity, round=f"%5 = arith.truncf %4 : f32 to {out}" if out != "f32" else "%5 = arith.addf %4, %zero : f32")
    inputs = [rng.integers(-2, 3, shape).astype(np.float32) for shape in ((m, k), (n, k))]
    inputs += [np.float32(0.5), np.float32(4.0), rng.integers(-3, 4, n).astype(np.float32)]
    execute(text, inputs, "--check", "--tolerance=0", "--steps=4", "--seed=5")
print("all are right")
