# RUN: %python %s sparsedrop-run %t
# RUN: %python %s %run_on_interp %t.device

"""Upstream-style linalg without annotations passes through the pipeline
unchanged in meaning: NumPy in float64 is the reference, f32 sums the bound."""

import os
import subprocess
import sys

import numpy as np

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(11)


def check(name, text, inputs, expected, terms, extra=()):
    path = os.path.join(folder, name)
    with open(path + ".mlir", "w") as file:
        file.write(text)
    command = [run, path + ".mlir", "--output=" + path, *extra]
    for i, data in enumerate(inputs):
        np.save(f"{path}.in{i}.npy", data.astype(np.float32))
        command.append(f"--input={path}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, name + done.stdout + done.stderr
    actual = np.load(path + ".0.npy")
    assert actual.shape == expected.shape, (name, actual.shape)
    error = np.abs(actual - expected).max(initial=0)
    # (terms + 8) half units: the sum, and the few ops around it.
    assert error <= (terms + 8) * 2.0**-24 * max(np.abs(expected).max(initial=0), 1), (name, error)


def f32(*shapes):
    return [rng.standard_normal(s).astype(np.float32).astype(np.float64) for s in shapes]


a, b = f32((5, 7), (7, 3))
check(
    "matmul_transpose_bias",
    """
func.func @f(%a: tensor<5x7xf32>, %b: tensor<7x3xf32>) -> tensor<3x5xf32> {
  %c1 = arith.constant 1.5 : f32
  %e = tensor.empty() : tensor<5x3xf32>
  %i = linalg.fill ins(%c1 : f32) outs(%e : tensor<5x3xf32>) -> tensor<5x3xf32>
  %m = linalg.matmul ins(%a, %b : tensor<5x7xf32>, tensor<7x3xf32>) outs(%i : tensor<5x3xf32>) -> tensor<5x3xf32>
  %t = tensor.empty() : tensor<3x5xf32>
  %r = linalg.transpose ins(%m : tensor<5x3xf32>) outs(%t : tensor<3x5xf32>) permutation = [1, 0]
  return %r : tensor<3x5xf32>
}""",
    [a, b],
    (a @ b + 1.5).T,
    7,
)

a, b = f32((2, 4, 6), (2, 6, 5))
check(
    "batch_matmul_loop",
    """
func.func @f(%a: tensor<2x4x6xf32>, %b: tensor<2x6x5xf32>) -> tensor<2x4x5xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x4x5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
  %r = scf.for %i = %c0 to %c3 step %c1 iter_args(%s = %z) -> (tensor<2x4x5xf32>) {
    %m = linalg.batch_matmul ins(%a, %b : tensor<2x4x6xf32>, tensor<2x6x5xf32>) outs(%s : tensor<2x4x5xf32>) -> tensor<2x4x5xf32>
    scf.yield %m : tensor<2x4x5xf32>
  }
  return %r : tensor<2x4x5xf32>
}""",
    [a, b],
    3 * (a @ b),
    18,
)

x, w = f32((1, 8, 9, 3), (3, 2, 3, 4))
out = np.zeros((1, 3, 4, 4))
for i in range(3):
    for j in range(2):
        out += np.einsum("nhwc,cf->nhwf", x[:, i : i + 5 : 2, j : j + 8 : 2][:, :3, :4], w[i, j])
check(
    "strided_convolution",
    """
func.func @f(%x: tensor<1x8x9x3xf32>, %w: tensor<3x2x3x4xf32>) -> tensor<1x3x4x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x3x4x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
  %y = linalg.conv_2d_nhwc_hwcf {strides = dense<2> : tensor<2xi64>}
    ins(%x, %w : tensor<1x8x9x3xf32>, tensor<3x2x3x4xf32>) outs(%z : tensor<1x3x4x4xf32>) -> tensor<1x3x4x4xf32>
  return %y : tensor<1x3x4x4xf32>
}""",
    [x, w],
    out,
    18,
)

x = f32((6, 10))[0]
check(
    "layer_norm",
    """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
func.func @f(%x: tensor<6x10xf32>) -> tensor<6x10xf32> {
  %zero = arith.constant 0.0 : f32
  %tenth = arith.constant 0.1 : f32
  %ev = tensor.empty() : tensor<6xf32>
  %em = tensor.empty() : tensor<6x10xf32>
  %z = linalg.fill ins(%zero : f32) outs(%ev : tensor<6xf32>) -> tensor<6xf32>
  %s = linalg.reduce { arith.addf } ins(%x : tensor<6x10xf32>) outs(%z : tensor<6xf32>) dimensions = [1]
  %d = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<6x10xf32>, tensor<6xf32>) outs(%em : tensor<6x10xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %m = arith.mulf %b, %tenth : f32
      %r = arith.subf %a, %m : f32
      linalg.yield %r : f32
  } -> tensor<6x10xf32>
  %v = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%d : tensor<6x10xf32>) outs(%z : tensor<6xf32>) {
    ^bb0(%a: f32, %o: f32):
      %q = arith.mulf %a, %a : f32
      %r = arith.addf %o, %q : f32
      linalg.yield %r : f32
  } -> tensor<6xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%d, %v : tensor<6x10xf32>, tensor<6xf32>) outs(%em : tensor<6x10xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %m = arith.mulf %b, %tenth : f32
      %q = math.sqrt %m : f32
      %r = arith.divf %a, %q : f32
      linalg.yield %r : f32
  } -> tensor<6x10xf32>
  return %y : tensor<6x10xf32>
}""",
    [x],
    (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True),
    20,
)

x = f32((7,))[0] * 1e-4
check(
    "small_arguments",
    """
func.func @f(%x: tensor<7xf32>) -> tensor<7xf32> {
  %k = arith.constant 10000.0 : f32
  %e = tensor.empty() : tensor<7xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<7xf32>) outs(%e : tensor<7xf32>) {
    ^bb0(%a: f32, %o: f32):
      %p = math.expm1 %a : f32
      %q = math.log1p %p : f32
      %r = arith.mulf %q, %k : f32
      linalg.yield %r : f32
  } -> tensor<7xf32>
  return %y : tensor<7xf32>
}""",
    [x],
    x.astype(np.float32).astype(np.float64) * 1e4,
    1,
)
print("ok")
