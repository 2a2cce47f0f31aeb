# RUN: %python %s sparsedrop-run %t
# RUN: %python %s %run_on_interp %t.device

"""What the backward pass measures of channels, and draws that use it: against float64
NumPy, in both modes; rates of a step, scales by energy, what is wrong with some."""

import itertools
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import programs

run, folder = sys.argv[1:3]
rng = np.random.default_rng(11)
AVERAGE = 0.75


def execute(text, inputs, *options):
    return programs.execute(run, folder, text, inputs, *options)


def outputs(count):
    return [np.load(f"{folder}/y.{i}.npy") for i in range(count)]


LAYOUTS = {"nhwc_hwcf": 3, "nchw_fchw": 1}
MARKS = {"s": "sensitivity", "i": "importance", "r": "rate"}


def program(layout, n, size, c, f, attribute, marks="si", type="f32", wrt="[0, 1, 2, 3]", measured=None, of="batch"):
    """loss = sum of y g, with y = conv3x3(x, w) of dropped input maps; @f_grad gives y,
    the gradients of x and w, and the sensitivities and importances updated."""
    last = size - 2
    if layout == "nhwc_hwcf":
        x, w, y = (n, size, size, c), (3, 3, c, f), (n, last, last, f)
    else:
        x, w, y = (n, c, size, size), (f, c, 3, 3), (n, f, last, last)
    t = lambda shape: f"tensor<{'x'.join(map(str, shape))}x{type}>"
    mark = lambda name: f' {{sparsedrop.{MARKS[name]} = "maps"}}' if name in marks else ""
    length = measured or c
    return f"""
func.func @f(%x: {t(x)}, %w: {t(w)}, %s: tensor<{length}xf32>{mark("s")}, %i: tensor<{length}xf32>{mark("i")}, %r: f32{mark("r")},
             %seed: i64 {{sparsedrop.seed}}, %step: i64 {{sparsedrop.step}}) -> {t(y)} attributes {{sparsedrop.differentiate = {{wrt = {wrt}, average = {AVERAGE}, sensitivity = "{of}"}}}} {{
  %zero = arith.constant 0.0 : {type}
  %e = tensor.empty() : {t(y)}
  %z = linalg.fill ins(%zero : {type}) outs(%e : {t(y)}) -> {t(y)}
  %y = linalg.conv_2d_{layout} {{sparsedrop.dropout = {attribute}}} ins(%x, %w : {t(x)}, {t(w)}) outs(%z : {t(y)}) -> {t(y)}
  return %y : {t(y)}
}}
""", x, w, y


def dropout(rate=0.5, scale="inverse", multiple=4, more=""):
    return f'#sparsedrop.dropout<channel, operand = 0, rate = {rate}, site = "maps", scale = {scale}, multiple = {multiple}{more}>'


def convolve(x, w):
    """3x3, x as (n, c, h, w), w as (f, c, 3, 3)."""
    n, _, h, wide = x.shape
    y = np.zeros((n, w.shape[0], h - 2, wide - 2))
    for i, j in itertools.product(range(3), range(3)):
        y += np.einsum("nchw,fc->nfhw", x[:, :, i : i + h - 2, j : j + wide - 2], w[:, :, i, j])
    return y


def backward(g, w, shape):
    dx = np.zeros(shape)
    for i, j in itertools.product(range(3), range(3)):
        dx[:, :, i : i + g.shape[2], j : j + g.shape[3]] += np.einsum("nfhw,fc->nchw", g, w[:, :, i, j])
    return dx


def as_nchw(layout, x, w, g):
    if layout == "nhwc_hwcf":
        return x.transpose(0, 3, 1, 2), w.transpose(3, 2, 0, 1), g.transpose(0, 3, 1, 2)
    return x, w, g


def check(layout, n, size, c, f, rate, scale, type, marks, multiple, mode, number):
    of = ("batch", "sample")[number // 3 % 2]
    text, x, w, y = program(layout, n, size, c, f, dropout(0.5, scale, multiple), marks, type, of=of)
    arrays = [rng.uniform(-1, 1, shape) for shape in (x, w)]
    if type == "bf16":
        # Few bits, so that nothing but the products is rounded.
        arrays = [np.round(a * 8) / 8 for a in arrays]
    wide = np.float64 if type == "f64" else np.float32
    arrays = [a.astype(wide) for a in arrays]
    s, i = (rng.uniform(0.1, 2, c).astype(np.float32) for _ in range(2))
    g = (np.round(rng.uniform(-1, 1, y) * 8) / 8).astype(wide)
    inputs = [*arrays, s, i, np.array(rate, np.float32), g]
    done = execute(text, inputs, "--entry=f_grad", f"--mode={mode}", f"--seed={number}", "--step=3", f"--output={folder}/y")
    assert done.returncode == 0, text + done.stderr
    actual, dx, dw, new_s, new_i = outputs(5)
    # dx shows which channels were kept; how many must fit the rate of the step.
    axis = LAYOUTS[layout]
    kept = np.abs(dx).sum(axis=tuple(d for d in range(4) if d != axis)) != 0
    share = rate if "r" in marks else 0.5
    assert kept.sum() == min(c, max(multiple, multiple * int((1 - np.float32(share).astype(float)) * c / multiple + 0.5)))
    alpha = {"none": 1.0, "inverse": c / kept.sum()}.get(scale)
    if scale == "energy":
        alpha = min(c / kept.sum(), i.astype(float).sum() / i[kept].astype(float).sum())
    wx, ww, wg = (a.astype(np.float64) for a in as_nchw(layout, *arrays, g))
    masked = wx * kept[None, :, None, None]
    expected = alpha * convolve(masked, ww)
    expected_dx = alpha * backward(wg, ww, wx.shape) * kept[None, :, None, None]
    # One rounding of the type, sums of up to 9 max(c, f) terms in f32 (f64 for f64).
    unit = {"f32": 2.0**-23, "f64": 2.0**-52, "bf16": 2.0**-8}[type]
    tolerance = unit * (4 if type == "bf16" else np.sqrt(9 * max(c, f)) * 2)
    # The scale is f32 in every type.
    tolerance += 2.0**-23
    back = lambda a: a.transpose(0, 2, 3, 1) if layout == "nhwc_hwcf" else a
    assert np.abs(actual - back(expected)).max() <= tolerance * np.abs(expected).max(), text
    assert np.abs(dx - back(expected_dx)).max() <= tolerance * np.abs(expected_dx).max(), text
    terms = (wx * back_to_nchw(layout, dx.astype(np.float64))).sum(axis=(2, 3))
    changes = np.abs(terms.sum(axis=0)) if of == "batch" else np.abs(terms).sum(axis=0)
    measured = {"s": changes, "i": np.abs(wx).mean(axis=(0, 2, 3))}
    for name, old, new in (("s", s, new_s), ("i", i, new_i)):
        if name not in marks:
            continue
        old = old.astype(np.float64)
        updated = np.where(kept, old + (1 - AVERAGE) * (measured[name] - old), old)
        # f32 sums of terms of either sign, of x dx or, where they are fewer, of w dw;
        # of 16 bits dx and dw, which the program returns, are rounded once more.
        # A mean of |x| is at most 1.
        sums = np.abs(wx * back_to_nchw(layout, dx)).sum(axis=(0, 2, 3)) if name == "s" else np.ones(c)
        terms_each = n * size * size
        if name == "s" and of == "batch" and ww.size <= wx.size:
            sums, terms_each = np.abs(ww * as_nchw(layout, arrays[0], dw, g)[1]).sum(axis=(0, 2, 3)), 9 * f
        relative = 2.0**-23 * np.sqrt(terms_each) * 4 + (unit if type == "bf16" else 0)
        # Old sensitivities of up to 2 are rounded, too.
        bound = relative * max(1, sums.max())
        assert np.abs(new - updated).max() <= bound, (name, new, updated)
        assert np.array_equal(new[~kept], old[~kept].astype(np.float32))


def back_to_nchw(layout, a):
    return a.transpose(0, 3, 1, 2) if layout == "nhwc_hwcf" else a


count = 0
for number, (layout, (n, size, c, f), (rate, marks), scale) in enumerate(
    itertools.product(LAYOUTS, ((2, 5, 16, 3), (1, 3, 7, 2), (3, 4, 12, 5)), ((0.5, "si"), (0.25, "sir"), (0.75, "sir"), (0, "sir")), ("none", "inverse", "energy"))
):
    if number % 3 != 1:
        continue
    type = ("f32", "f32", "f64", "bf16")[number % 4]
    for mode in ("compact", "masked"):
        check(layout, n, size, c, f, rate, scale, type, marks, 4, mode, number)
        count += 1

# The dense mode updates every channel; so does the draw of all of them.
text, x, w, y = program("nhwc_hwcf", 2, 4, 8, 3, dropout(0.5, "energy"))
inputs = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in (x, w)]
inputs += [np.ones(8, np.float32), np.ones(8, np.float32), np.array(0, np.float32), np.ones(y, np.float32)]
done = execute(text, inputs, "--entry=f_grad", "--mode=dense", f"--output={folder}/y")
assert done.returncode == 0, done.stderr
assert (outputs(5)[3] != 1).all() and (outputs(5)[4] != 1).all()
# Ordinary dropout drops (sample, channel) pairs at the rate of the step; it measures by
# its own masks.
text, x, w, y = program("nhwc_hwcf", 64, 3, 8, 8, dropout(0.5, "inverse", 1), "sir")
w = np.zeros(w, np.float32)
w[1, 1] = np.eye(8)
inputs[:2], inputs[4:] = [np.ones(x, np.float32), w], [np.array(0.75, np.float32), np.ones(y, np.float32)]
done = execute(text, inputs, "--entry=f_grad", "--mode=bernoulli", f"--output={folder}/y")
assert done.returncode == 0, done.stderr
mask = outputs(5)[0].reshape(64, 8)
assert set(np.unique(mask)) == {0.0, 4.0}
# Four standard deviations of a binomial; the seed is fixed.
assert abs((mask != 0).sum() - 0.25 * 512) < 4 * np.sqrt(512 * 0.25 * 0.75)
# The sums are of integers; the average is three roundings to f32 of values up to 128.
assert np.abs(outputs(5)[3] - (1 + (1 - AVERAGE) * (mask.sum(axis=0) - 1))).max() <= 3 * 128 * 2.0**-24

# Without sensitivities the channels with the largest importances are the likely ones,
# at a low temperature the only ones; below 0 the others are.
for temperature, first in ((1e-6, True), (-1e-6, False)):
    text, x, w, y = program("nhwc_hwcf", 1, 4, 8, 3, dropout(0.5, "none", 4, f", temperature = {temperature:f}"), "i")
    inputs[0], inputs[5] = np.ones(x, np.float32), np.ones(y, np.float32)
    inputs[1] = np.ones(w, np.float32)
    inputs[3] = np.array([5, 1, 6, 2, 7, 3, 8, 4], np.float32)
    done = execute(text, inputs, "--entry=f_grad", f"--output={folder}/y")
    assert done.returncode == 0, done.stderr
    dx = outputs(5)[1][0, 1, 1]
    assert np.array_equal(dx != 0, (inputs[3] >= 5) == first), dx

# What is wrong: at run time ...
text, x, w, y = program("nhwc_hwcf", 1, 4, 8, 3, dropout(0.5, "energy"), "sir")
good = [np.ones(x, np.float32), np.ones(w, np.float32), np.ones(8, np.float32), np.ones(8, np.float32), np.array(0.5, np.float32), np.ones(y, np.float32)]
for index, value, message in (
    (2, [1, 1, np.nan, 1, 1, 1, 1, 1], "sensitivity of channel 2 is negative or not finite"),
    (2, [1, 1, 1, 1, 1, -1, 1, 1], "sensitivity of channel 5 is negative or not finite"),
    (3, [1, 1, 1, 1, 1, 1, 1, np.inf], "importance of channel 7 is negative or not finite"),
    (4, 1.0, 'expected the rate of site "maps" in [0, 1)'),
    (4, -0.5, 'expected the rate of site "maps" in [0, 1)'),
    (4, np.nan, 'expected the rate of site "maps" in [0, 1)'),
):
    bad = list(good)
    bad[index] = np.array(value, np.float32)
    for mode in ("compact", "masked"):
        done = execute(text, bad, "--entry=f_grad", f"--mode={mode}", f"--output={folder}/y")
        assert done.returncode == 1 and message in done.stderr and not os.path.exists(f"{folder}/y.0.npy"), (message, done.stderr)
DYNAMIC = program("nhwc_hwcf", 1, 4, 8, 3, dropout(), "s")[0].replace("%s: tensor<8xf32>", "%s: tensor<?xf32>")
bad = list(good)
bad[2] = np.ones(7, np.float32)
done = execute(DYNAMIC, bad, "--entry=f_grad", f"--output={folder}/y")
assert done.returncode == 1 and "not one sensitivity or importance for each channel" in done.stderr, done.stderr
# ... and before.
for text, message in (
    (program("nhwc_hwcf", 1, 4, 8, 3, dropout(0.5, "energy"), "s")[0], "asks for scale 'energy' at site \"maps\", which needs an argument marked sparsedrop.importance"),
    (program("nhwc_hwcf", 1, 4, 8, 3, dropout(), "s", measured=7)[0], 'has 8 channels at site "maps", but the argument marked sparsedrop.sensitivity has 7'),
    (program("nhwc_hwcf", 1, 4, 8, 3, dropout(), "r", wrt="[0, 4]")[0], "cannot be differentiated by a drop rate"),
):
    done = execute(text, good, "--entry=f_grad", f"--output={folder}/y")
    assert done.returncode == 1 and message in done.stderr, (message, done.stderr)
print(f"{count} programs agree")
