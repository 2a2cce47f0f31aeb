# RUN: %python %s sparsedrop-run %t

"""Bad sizes and lists of convolutions that are known at run time only: one diagnostic
and exit code 1, in each mode; outputs of which padding and dilation leave nothing, too."""

import os
import subprocess
import sys

import numpy as np

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)

CONVOLUTION = """
func.func @f(%x: tensor<1x?x?x4xf32>, %w: tensor<3x3x4x2xf32>) -> tensor<1x?x?x2xf32> {
  %zero = arith.constant 0.0 : f32
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %h = tensor.dim %x, %c1 : tensor<1x?x?x4xf32>
  %v = tensor.dim %x, %c2 : tensor<1x?x?x4xf32>
  %oh = arith.subi %h, %c4 : index
  %ov = arith.subi %v, %c4 : index
  %e = tensor.empty(%oh, %ov) : tensor<1x?x?x2xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<1x?x?x2xf32>) -> tensor<1x?x?x2xf32>
  %y = linalg.conv_2d_nhwc_hwcf {dilations = dense<2> : tensor<2xi64>, sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "m", multiple = 2>}
      ins(%x, %w : tensor<1x?x?x4xf32>, tensor<3x3x4x2xf32>) outs(%i : tensor<1x?x?x2xf32>) -> tensor<1x?x?x2xf32>
  return %y : tensor<1x?x?x2xf32>
}
"""
PAD = """
func.func @f(%x: tensor<1x?x5x4xf32>, %p: tensor<i64>) -> tensor<1x?x5x4xf32> {
  %zero = arith.constant 0.0 : f32
  %q = tensor.extract %p[] : tensor<i64>
  %i = arith.index_cast %q : i64 to index
  %y = tensor.pad %x low[0, 0, 0, 0] high[0, %i, 0, 0] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<1x?x5x4xf32> to tensor<1x?x5x4xf32>
  return %y : tensor<1x?x5x4xf32>
}
"""
STATIC_PAD = PAD.replace("high[0, %i, 0, 0]", "high[0, -1, 0, 0]")
COUNT = """
func.func @f(%x: tensor<5x16xf32>, %m: tensor<i64>, %seed: i64 {sparsedrop.seed}, %step: i64 {sparsedrop.step}) -> tensor<5x16xf32> {
  %c16 = arith.constant 16 : index
  %q = tensor.extract %m[] : tensor<i64>
  %n = arith.index_cast %q : i64 to index
  %p = sparsedrop.sample "q" seed(%seed) step(%step) extents(%c16) count(%n) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>
  %d = sparsedrop.dropout %x, %p dim(1) : tensor<5x16xf32>, !sparsedrop.pattern<channel>
  return %d : tensor<5x16xf32>
}
"""
SENSITIVITY = """
func.func @f(%x: tensor<1x4x4x16xf32>, %w: tensor<1x1x16x2xf32>, %s: tensor<?xf32> {sparsedrop.sensitivity = "m"}) -> tensor<1x4x4x2xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x4x4x2xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  %y = linalg.conv_2d_nhwc_hwcf {sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "m">}
      ins(%x, %w : tensor<1x4x4x16xf32>, tensor<1x1x16x2xf32>) outs(%i : tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  return %y : tensor<1x4x4x2xf32>
}
"""


def execute(text, inputs, mode):
    """(exit code, messages, result)"""
    stem = os.path.join(folder, "p")
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    with open(stem + ".mlir", "w") as file:
        file.write(text)
    command = [run, stem + ".mlir", "--entry=f", f"--mode={mode}", f"--output={stem}"]
    for i, data in enumerate(inputs):
        np.save(f"{stem}.in{i}.npy", data)
        command.append(f"--input={stem}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    path = stem + ".0.npy"
    return done.returncode, done.stderr, np.load(path) if os.path.exists(path) else None


def ones(*shape):
    return np.ones(shape, np.float32)


def with_entry(value):
    data = ones(16)
    data[5] = value
    return data


for mode in ("compact", "masked"):
    for text, inputs, message in (
        *((CONVOLUTION, [ones(1, n, n, 4), ones(3, 3, 4, 2)], "'tensor.empty' op does not fit the sizes it is given: a size is negative") for n in (0, 1, 3)),
        *((CONVOLUTION, [ones(1, h, v, 4), ones(3, 3, 4, 2)], "'linalg.conv_2d_nhwc_hwcf' op does not fit the sizes it is given: padding and dilation leave nothing of its output") for h, v in ((4, 5), (6, 4), (4, 4))),
        *((PAD, [ones(1, 5, 5, 4), np.array(n)], "'tensor.pad' op does not fit the sizes it is given: padding is negative") for n in (-6, -5, -1)),
        (STATIC_PAD, [ones(1, 5, 5, 4), np.array(0)], "'tensor.pad' op expects padding of at least 0, but got -1"),
        *((COUNT, [ones(5, 16), np.array(n)], f"expected to keep between 1 and 16 channels, but got {n}") for n in (0, -1, 17)),
        *((SENSITIVITY, [ones(1, 4, 4, 16), ones(1, 1, 16, 2), ones(n)], "not one sensitivity or importance for each channel") for n in (8, 15, 17)),
        *(
            (SENSITIVITY, [ones(1, 4, 4, 16), ones(1, 1, 16, 2), with_entry(v)], "sensitivity of channel 5 is negative or not finite")
            for v in (np.nan, -1, np.inf)
        ),
    ):
        code, messages, result = execute(text, inputs, mode)
        assert code == 1 and message in messages and messages.count("error:") == 1 and result is None, (mode, message, code, messages)

    # No images are no error.
    code, messages, result = execute(CONVOLUTION.replace("tensor<1x", "tensor<0x"), [ones(0, 6, 5, 4), ones(3, 3, 4, 2)], mode)
    assert code == 0 and result.shape == (0, 2, 1, 2), messages
    code, messages, result = execute(CONVOLUTION, [ones(1, 6, 5, 4), ones(3, 3, 4, 2)], mode)
    # Two of four ones, twice as large, at nine positions.
    assert code == 0 and np.array_equal(result, np.full((1, 2, 1, 2), 36)), messages
    code, messages, result = execute(PAD, [ones(1, 5, 5, 4), np.array(2)], mode)
    assert code == 0 and result.shape == (1, 7, 5, 4) and result.sum() == 100, messages
    code, messages, result = execute(COUNT, [ones(5, 16), np.array(16)], mode)
    assert code == 0 and np.array_equal(result, ones(5, 16)), messages
