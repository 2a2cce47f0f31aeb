# RUN: %python %s sparsedrop-run %t
# RUN: %python %s %run_on_interp %t.device

"""Channel patterns of convolutions and products: compact against masks, forward and
gradients, and masks against float64 NumPy with the channels that the library samples.
Lists that the program is given, and what is wrong with some."""

import itertools
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import programs

run, folder = sys.argv[1:3]
rng = np.random.default_rng(7)


def execute(text, inputs, *options):
    return programs.execute(run, folder, text, inputs, *options)


def convolution(layout, n, size, c, f, window, stride, dilation, attribute, sensitivity, between):
    """relu(conv(x, v)), of 3 input maps, then conv(that, w) with dropped input maps."""
    out = lambda extent: (extent - dilation * (window - 1) - 1) // stride + 1
    last = out(size)
    if layout == "nhwc_hwcf":
        x, v, h, w, y = (n, size, size, 3), (1, 1, 3, c), (n, size, size, c), (window, window, c, f), (n, last, last, f)
    else:
        x, v, h, w, y = (n, 3, size, size), (c, 3, 1, 1), (n, c, size, size), (f, c, window, window), (n, f, last, last)
    t = lambda shape: f"tensor<{'x'.join(map(str, shape))}xf32>"
    body = """
  %b = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]} ins(%a : H) outs(%e1 : H) {
  ^bb0(%i: f32, %o: f32):
    %m = arith.maximumf %i, %zero : f32
    linalg.yield %m : f32
  } -> H""".replace("H", t(h)) if between else ""
    return f"""
#id = affine_map<(a, b, c, d) -> (a, b, c, d)>
func.func @f(%x: {t(x)}, %v: {t(v)}, %w: {t(w)}, %s: tensor<{c}xf32>{' {sparsedrop.sensitivity = "maps"}' if sensitivity else ''},
             %seed: i64 {{sparsedrop.seed}}, %step: i64 {{sparsedrop.step}}) -> {t(y)} attributes {{sparsedrop.differentiate = {{wrt = [0, 1, 2]}}}} {{
  %zero = arith.constant 0.0 : f32
  %e1 = tensor.empty() : {t(h)}
  %z1 = linalg.fill ins(%zero : f32) outs(%e1 : {t(h)}) -> {t(h)}
  %a = linalg.conv_2d_{layout} ins(%x, %v : {t(x)}, {t(v)}) outs(%z1 : {t(h)}) -> {t(h)}{body}
  %e2 = tensor.empty() : {t(y)}
  %z2 = linalg.fill ins(%zero : f32) outs(%e2 : {t(y)}) -> {t(y)}
  %y = linalg.conv_2d_{layout} {{strides = dense<{stride}> : tensor<2xi64>, dilations = dense<{dilation}> : tensor<2xi64>, sparsedrop.dropout = {attribute}}}
      ins({'%b' if between else '%a'}, %w : {t(h)}, {t(w)}) outs(%z2 : {t(y)}) -> {t(y)}
  return %y : {t(y)}
}}
""", [x, v, w, (c,), y]


def dropout(rate, scale, multiple, granularity):
    return f'#sparsedrop.dropout<channel, operand = 0, rate = {rate}, site = "maps", scale = {scale}, multiple = {multiple}, granularity = {granularity}>'


count = 0
for number, (layout, (c, multiple, granularity), (window, stride, dilation), rate) in enumerate(
    itertools.product(("nhwc_hwcf", "nchw_fchw"), ((16, 8, 1), (13, 1, 1), (24, 8, 4), (7, 3, 3)), ((3, 1, 1), (2, 2, 1), (3, 1, 2), (1, 1, 1)), (0.3, 0.5, 0.75))
):
    if number % 3 == 0:
        continue
    text, shapes = convolution(layout, 2, 6, c, 5, window, stride, dilation, dropout(rate, ("inverse", "none")[number % 2], multiple, granularity), number % 4 == 1, number % 5 != 2)
    inputs = [rng.integers(-2, 3, shape).astype(np.float32) for shape in shapes]
    inputs[3] = rng.random(c).astype(np.float32)
    # Integers: only the scale is rounded, once, in each mode.
    done = execute(text, inputs, "--entry=f_grad", "--check", "--steps=3", f"--seed={number}")
    assert done.returncode == 0, text + done.stdout + done.stderr
    count += 1

# Against NumPy, by the mask that a sum over one map shows.
text, shapes = convolution("nhwc_hwcf", 1, 4, 16, 16, 1, 1, 1, dropout(0.5, "inverse", 4, 1), False, False)
x, v = np.ones(shapes[0], np.float32), np.ones(shapes[1], np.float32)
w = np.eye(16, dtype=np.float32).reshape(1, 1, 16, 16)
done = execute(text, [x, v, w, np.ones(16, np.float32)], "--entry=f", f"--output={folder}/y")
assert done.returncode == 0, done.stderr
y = np.load(f"{folder}/y.0.npy")[0, 0, 0]
assert sorted(y) == [0.0] * 8 + [6.0] * 8, y

LIST = """
func.func @f(%x: tensor<5x12xf32>, %w: tensor<12x4xf32>, %list: tensor<{count}xindex>) -> tensor<5x4xf32> attributes {{sparsedrop.differentiate = {{wrt = [0, 1]}}}} {{
  %zero = arith.constant 0.0 : f32
  %c12 = arith.constant 12 : index
  %p = sparsedrop.make_pattern kept(%list : tensor<{count}xindex>) extents(%c12) : !sparsedrop.pattern<channel>
  %d = sparsedrop.dropout %x, %p dim(1) : tensor<5x12xf32>, !sparsedrop.pattern<channel>
  %e = tensor.empty() : tensor<5x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5x4xf32>) -> tensor<5x4xf32>
  %y = linalg.matmul ins(%d, %w : tensor<5x12xf32>, tensor<12x4xf32>) outs(%z : tensor<5x4xf32>) -> tensor<5x4xf32>
  return %y : tensor<5x4xf32>
}}
"""
x, w = (rng.integers(-3, 4, shape).astype(np.float32) for shape in ((5, 12), (12, 4)))
for kept in ([0], [11], [1, 4, 5, 10], list(range(12))):
    kept = np.array(kept, np.int64)
    for size in ("?", len(kept)):
        for mode in ("compact", "masked"):
            done = execute(LIST.format(count=size), [x, w, kept], "--entry=f", f"--mode={mode}", f"--output={folder}/y")
            assert done.returncode == 0, done.stderr
            expected = 12 / len(kept) * (x[:, kept].astype(np.float64) @ w[kept])
            # One product with the scale in f32.
            assert np.abs(np.load(f"{folder}/y.0.npy") - expected).max() <= 2.0**-23 * np.abs(expected).max()
        done = execute(LIST.format(count=size), [x, w, kept, np.ones((5, 4), np.float32)], "--entry=f_grad", "--check", "--steps=1")
        assert done.returncode == 0, done.stdout + done.stderr
# A list and sensitivities that the program computes.
COMPUTED = """
#id = affine_map<(i) -> (i)>
func.func @f(%x: tensor<5x12xf32>, %w: tensor<12x4xf32>, %list: tensor<4xindex>, %s: tensor<12xf32>, %seed: i64 {sparsedrop.seed}, %step: i64 {sparsedrop.step}) -> tensor<5x4xf32> {
  %zero = arith.constant 0.0 : f32
  %c1 = arith.constant 1 : index
  %c6 = arith.constant 6 : index
  %c12 = arith.constant 12 : index
  %e0 = tensor.empty() : tensor<4xindex>
  %next = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%list : tensor<4xindex>) outs(%e0 : tensor<4xindex>) {
  ^bb0(%a: index, %o: index):
    %b = arith.addi %a, %c1 : index
    linalg.yield %b : index
  } -> tensor<4xindex>
  %e1 = tensor.empty() : tensor<12xf32>
  %square = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%s : tensor<12xf32>) outs(%e1 : tensor<12xf32>) {
  ^bb0(%a: f32, %o: f32):
    %b = arith.mulf %a, %a : f32
    linalg.yield %b : f32
  } -> tensor<12xf32>
  %p = sparsedrop.make_pattern kept(%next : tensor<4xindex>) extents(%c12) : !sparsedrop.pattern<channel>
  %q = sparsedrop.sample "q" seed(%seed) step(%step) extents(%c12) sensitivity(%square : tensor<12xf32>) count(%c6) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>
  %d = sparsedrop.dropout %x, %p dim(1) : tensor<5x12xf32>, !sparsedrop.pattern<channel>
  %g = sparsedrop.dropout %x, %q dim(1) : tensor<5x12xf32>, !sparsedrop.pattern<channel>
  %e = tensor.empty() : tensor<5x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5x4xf32>) -> tensor<5x4xf32>
  %y = linalg.matmul ins(%d, %w : tensor<5x12xf32>, tensor<12x4xf32>) outs(%z : tensor<5x4xf32>) -> tensor<5x4xf32>
  %r = linalg.matmul ins(%g, %w : tensor<5x12xf32>, tensor<12x4xf32>) outs(%y : tensor<5x4xf32>) -> tensor<5x4xf32>
  return %r : tensor<5x4xf32>
}
"""
# Those of six channels are nothing, so that the others are kept.
s = np.array([1, 0] * 6, np.float32)
for mode in ("compact", "masked"):
    done = execute(COMPUTED, [x, w, np.array([0, 2, 3, 10]), s], f"--mode={mode}", f"--output={folder}/y")
    assert done.returncode == 0, done.stderr
    expected = 3.0 * (x[:, [1, 3, 4, 11]] @ w[[1, 3, 4, 11]]) + x[:, ::2] @ w[::2]
    assert np.array_equal(np.load(f"{folder}/y.0.npy"), expected)

# A list that is changed in place after one pattern has been made of it: the address is the
# same, the channels are the next ones. And a list in a loop, which does not change.
CHANGED = """
#id = affine_map<(i) -> (i)>
func.func @f(%x: tensor<5x12xf32>, %w: tensor<12x4xf32>, %list: tensor<4xindex>) -> tensor<5x4xf32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c12 = arith.constant 12 : index
  %e0 = tensor.empty() : tensor<4xindex>
  %a = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%list : tensor<4xindex>) outs(%e0 : tensor<4xindex>) {
  ^bb0(%i: index, %o: index):
    %n = arith.addi %i, %c1 : index
    linalg.yield %n : index
  } -> tensor<4xindex>
  %p = sparsedrop.make_pattern kept(%a : tensor<4xindex>) extents(%c12) : !sparsedrop.pattern<channel>
  %b = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel"]} outs(%a : tensor<4xindex>) {
  ^bb0(%o: index):
    %n = arith.addi %o, %c1 : index
    linalg.yield %n : index
  } -> tensor<4xindex>
  %q = sparsedrop.make_pattern kept(%b : tensor<4xindex>) extents(%c12) : !sparsedrop.pattern<channel>
  %d = sparsedrop.dropout %x, %p dim(1) : tensor<5x12xf32>, !sparsedrop.pattern<channel>
  %g = sparsedrop.dropout %x, %q dim(1) : tensor<5x12xf32>, !sparsedrop.pattern<channel>
  %e = tensor.empty() : tensor<5x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5x4xf32>) -> tensor<5x4xf32>
  %y = linalg.matmul ins(%d, %w : tensor<5x12xf32>, tensor<12x4xf32>) outs(%z : tensor<5x4xf32>) -> tensor<5x4xf32>
  %s = linalg.matmul ins(%g, %w : tensor<5x12xf32>, tensor<12x4xf32>) outs(%y : tensor<5x4xf32>) -> tensor<5x4xf32>
  %r = scf.for %i = %c0 to %c3 step %c1 iter_args(%sum = %s) -> tensor<5x4xf32> {
    %l = sparsedrop.make_pattern kept(%list : tensor<4xindex>) extents(%c12) : !sparsedrop.pattern<channel>
    %h = sparsedrop.dropout %x, %l dim(1) : tensor<5x12xf32>, !sparsedrop.pattern<channel>
    %t = linalg.matmul ins(%h, %w : tensor<5x12xf32>, tensor<12x4xf32>) outs(%sum : tensor<5x4xf32>) -> tensor<5x4xf32>
    scf.yield %t : tensor<5x4xf32>
  }
  return %r : tensor<5x4xf32>
}
"""
for mode in ("compact", "masked"):
    kept = np.array([0, 2, 3, 9])
    done = execute(CHANGED, [x, w, kept], f"--mode={mode}", f"--output={folder}/y")
    assert done.returncode == 0, done.stderr
    expected = sum(3.0 * (x[:, k] @ w[k]) for k in (kept + 1, kept + 2, kept, kept, kept))
    assert np.array_equal(np.load(f"{folder}/y.0.npy"), expected)

for kept, message in (
    ([], "expected a list of at least one kept channel"),
    ([3, 12], "expected kept channels of at least 0 and less than 12, but entry 1 is 12"),
    ([-1, 3], "expected kept channels of at least 0 and less than 12, but entry 0 is -1"),
    ([3, 3], "expected kept channels in ascending order without repeats, but entry 1 is 3 after 3"),
    ([3, 1, 7], "entry 1 is 1 after 3"),
    (list(range(20)), "less than 12, but entry 12 is 12"),
):
    for size, mode in itertools.product(("?", len(kept)), ("compact", "masked")):
        done = execute(LIST.format(count=size), [x, w, np.array(kept, np.int64)], "--entry=f", f"--mode={mode}", f"--output={folder}/y")
        assert done.returncode == 1 and message in done.stderr and not os.path.exists(f"{folder}/y.0.npy"), (kept, size, mode, done.stderr)
print(f"{count} convolutions are equal")
