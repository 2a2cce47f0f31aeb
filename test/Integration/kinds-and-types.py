# RUN: %python %s sparsedrop-run sparsedrop-search %t
# RUN: %python %s %run_on_interp sparsedrop-search %t.device

"""Element types against NumPy, tiles (masked and compact) and channels against their
definitions, Bernoulli masks bit by bit, dynamic shapes, the time index."""

import json
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Property", "Inputs"))
import numpy as np
import reference

run, search, folder = sys.argv[1:4]
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(3)
SEED, STEP = 77, 5


def execute(name, text, inputs, mode="compact", extra=()):
    path = os.path.join(folder, name)
    with open(path + ".mlir", "w") as file:
        file.write(text)
    command = [run, path + ".mlir", f"--mode={mode}", f"--seed={SEED}", f"--step={STEP}", f"--output={path}", *extra]
    for i, data in enumerate(inputs):
        np.save(f"{path}.in{i}.npy", data)
        command.append(f"--input={path}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, text + done.stdout + done.stderr
    return np.load(path + ".0.npy")


def matmul(attribute, m, k, n, type_="f32", out=None):
    out = out or type_
    return f"""
func.func @f(%x: tensor<{m}x{k}x{type_}>, %w: tensor<{k}x{n}x{type_}>) -> tensor<{m}x{n}x{out}> {{
  %zero = arith.constant 0.0 : {out}
  %e = tensor.empty() : tensor<{m}x{n}x{out}>
  %z = linalg.fill ins(%zero : {out}) outs(%e : tensor<{m}x{n}x{out}>) -> tensor<{m}x{n}x{out}>
  %y = linalg.matmul {{sparsedrop.dropout = {attribute}}}
    ins(%x, %w : tensor<{m}x{k}x{type_}>, tensor<{k}x{n}x{type_}>) outs(%z : tensor<{m}x{n}x{out}>) -> tensor<{m}x{n}x{out}>
  return %y : tensor<{m}x{n}x{out}>
}}"""


def bf16(x):
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


ROW = '#sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", granularity = {g}, scale = pattern>'

# Types: inputs rounded as the tool rounds them, f64 sums, one rounding to the
# result. Half a unit of the result's type, plus f32 sums of 96 terms.
x, w = rng.standard_normal((7, 96)), rng.standard_normal((96, 11))
for type_, out, rounding, unit in [
    ("f32", "f32", np.float32, 2.0**-24),
    ("f64", "f64", np.float64, 2.0**-53),
    ("bf16", "bf16", bf16, 2.0**-8),
    ("f16", "f16", lambda v: np.float16(v).astype(np.float32), 2.0**-11),
    ("bf16", "f32", bf16, 2.0**-24),
    ("f16", "f32", lambda v: np.float16(v).astype(np.float32), 2.0**-24),
    ("f64", "f32", np.float64, 2.0**-24),
    ("f64", "f16", np.float64, 2.0**-11),
]:
    for g in (1, 5):
        site = reference.Site("s", 0.5, 96, g, scale="pattern")
        dtype = np.float64 if type_ == "f64" else np.float32
        xr, wr = rounding(x).astype(dtype), rounding(w).astype(dtype)
        expected = site.apply(xr.astype(np.float64), 1, SEED, STEP) @ wr.astype(np.float64)
        for mode in ("compact", "masked"):
            actual = execute("t", matmul(ROW.format(g=g), 7, 96, 11, type_, out), [xr, wr], mode)
            magnitude = np.abs(site.apply(np.abs(xr), 1, SEED, STEP)) @ np.abs(wr)
            sums = 98 * (2.0**-53 if out == "f64" else 2.0**-24)
            bound = unit * np.abs(expected) + sums * magnitude
            assert (np.abs(actual - expected) <= bound).all(), (type_, out, g, mode)
            assert actual.dtype == (np.float64 if out == "f64" else np.float32)

# Tiles, both orders, ragged edges.
for order in ("skewed", "linear"):
    for m, k, n, tile in ((4, 70, 50, (16, 32)), (3, 33, 20, (5, 7))):
        attribute = f'#sparsedrop.dropout<tile, operand = 1, rate = 0.4, site = "t", tile = [{tile[0]}, {tile[1]}], order = {order}, max_period = 2>'
        columns, rows = -(-k // tile[1]), -(-n // tile[0])
        d = reference.millionths(reference.max_entropy(0.4, min(2, columns if order == "skewed" else columns * rows)))
        period, bias = reference.draw(SEED, STEP, "t", d)
        mask = reference.tile_mask(n, k, tile, period, bias, order == "linear")
        x, w = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n)))
        keep = 1 - sum(v * i / (i + 1) for i, v in enumerate(d)) / 1e6
        expected = x.astype(np.float64) @ (w * mask.T / keep)
        for mode in ("masked", "compact"):
            actual = execute("tile", matmul(attribute, m, k, n), [x, w], mode)
            # k terms in f32, relative to the largest sum; factor 4 for terms that
            # cancel in the others.
            np.testing.assert_allclose(actual, expected, atol=k * 2.0**-24 * np.abs(expected).max() * 4, rtol=0)

# Channels: Gumbel-top-k of the documented words.
C = 24
sensitivity = rng.uniform(0.1, 2, C).astype(np.float32)
text = f"""
func.func @f(%x: tensor<1x6x6x{C}xf32>, %w: tensor<3x3x{C}x4xf32>, %s: tensor<{C}xf32> {{sparsedrop.sensitivity = "c"}}) -> tensor<1x4x4x4xf32> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x4x4x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %y = linalg.conv_2d_nhwc_hwcf {{sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "c", multiple = 4>}}
    ins(%x, %w : tensor<1x6x6x{C}xf32>, tensor<3x3x{C}x4xf32>) outs(%z : tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  return %y : tensor<1x4x4x4xf32>
}}"""
x, w = (rng.standard_normal(s).astype(np.float32) for s in ((1, 6, 6, C), (3, 3, C, 4)))
h = reference.site_hash("c")
keys = []
for c in range(C):
    word = reference.words(SEED, STEP, (h + 1 + c // 4) & reference.MASK64)[c % 4]
    keys.append(math.log(float(sensitivity[c]) + 1e-12) / 0.5 - math.log(-math.log((word + 0.5) / 2**32)))
kept = sorted(range(C), key=lambda c: -keys[c])[:12]
mask = np.isin(np.arange(C), kept)
xm = np.where(mask, x.astype(np.float64) * C / 12, 0)
expected = sum(
    np.einsum("bhwc,cf->bhwf", xm[:, i : i + 4, j : j + 4], w[i, j].astype(np.float64)) for i in range(3) for j in range(3)
)
actual = execute("channel", text, [x, w, sensitivity], "masked")
# 9 C terms in f32.
np.testing.assert_allclose(actual, expected, atol=9 * C * 2.0**-24 * np.abs(expected).max(), rtol=0)

# Bernoulli, element by element.
x, w = rng.standard_normal((3, 10)).astype(np.float32), np.eye(10, dtype=np.float32)
actual = execute("bernoulli", matmul('#sparsedrop.dropout<row, operand = 0, rate = 0.3, site = "b">', 3, 10, 10), [x, w], "bernoulli")
h = reference.site_hash("b")
for i in range(30):
    word = reference.words(SEED, STEP, (h + 1 + i // 4) & reference.MASK64)[i % 4]
    expected = x.ravel()[i] / np.float32(0.7) if word >= int(0.3 * 2**32) else 0.0
    assert abs(actual.ravel()[i] - expected) <= 2.0**-22 * abs(expected), i

# Dense equals no dropout; dynamic shapes work in every mode.
text = matmul('#sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", granularity = 3>', "?", "?", "?")
text = text.replace("tensor.empty()", "tensor.empty(%m, %n)").replace(
    "  %zero =",
    "  %c0 = arith.constant 0 : index\n  %c1 = arith.constant 1 : index\n"
    "  %m = tensor.dim %x, %c0 : tensor<?x?xf32>\n  %n = tensor.dim %w, %c1 : tensor<?x?xf32>\n  %zero =",
)
for m, k, n in ((5, 31, 9), (1, 12, 1), (2, 13, 40)):
    x, w = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, n)).astype(np.float32)
    site = reference.Site("s", 0.5, k, 3)
    site.millionths = reference.millionths(reference.max_entropy(0.5, 4))
    for mode, left in (("compact", site.apply(x, 1, SEED, STEP)), ("masked", site.apply(x, 1, SEED, STEP)), ("dense", x)):
        expected = left.astype(np.float64) @ w
        actual = execute("dynamic", text, [x, w], mode)
        # The searched distribution is the reference's to 1e-5, and so the scale.
        np.testing.assert_allclose(actual, expected, atol=3e-5 * np.abs(left).max() * np.abs(w).max() * k, rtol=0)

# Plain upstream programs pass through unchanged in meaning.
text = """
func.func @f(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {
  %e = tensor.empty() : tensor<4x6xf32>
  %s = linalg.softmax dimension(1) ins(%x : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) -> tensor<4x6xf32>
  return %s : tensor<4x6xf32>
}"""
x = rng.standard_normal((4, 6)).astype(np.float32)
expected = np.exp(x) / np.exp(x).sum(1, keepdims=True)
np.testing.assert_allclose(execute("softmax", text, [x]), expected, atol=8 * 2.0**-24, rtol=0)
text = "func.func @f(%x: tensor<4x6xf32>) -> tensor<4x6xf32> {\n  return %x : tensor<4x6xf32>\n}"
assert (execute("identity", text, [x]) == x).all()

# The search tool's JSON.
found = json.loads(subprocess.run([search, "--rate=0.5", "--format=json"], capture_output=True, text=True, check=True).stdout)
assert np.abs(np.array(found["distribution"]) - reference.max_entropy(0.5, 4)).max() < 1e-4
failed = subprocess.run([search, "--rate=1.5"], capture_output=True, text=True)
assert failed.returncode != 0 and failed.stdout == "" and "error" in failed.stderr
print("ok")
