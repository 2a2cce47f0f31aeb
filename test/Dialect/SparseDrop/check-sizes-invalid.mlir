// RUN: sparsedrop-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(sparsedrop-check-sizes)'

func.func @dilation(%x: tensor<4x8x8x32xf32>, %w: tensor<3x3x32x16xf32>, %y: tensor<4x2x0x16xf32>) -> tensor<4x2x0x16xf32> {
  // expected-error @below {{expects windows that fit at least once, but padding and dilation leave nothing of output dimension 2}}
  %0 = linalg.conv_2d_nhwc_hwcf {dilations = dense<[3, 4]> : vector<2xi64>, sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "c">}
      ins(%x, %w : tensor<4x8x8x32xf32>, tensor<3x3x32x16xf32>) outs(%y : tensor<4x2x0x16xf32>) -> tensor<4x2x0x16xf32>
  return %0 : tensor<4x2x0x16xf32>
}

// -----

// Images, channels and plain products may be none.

func.func @none(%x: tensor<0x8x8x32xf32>, %w: tensor<3x3x32x16xf32>, %y: tensor<0x6x6x16xf32>, %a: tensor<0x8xf32>, %b: tensor<8x4xf32>, %c: tensor<0x4xf32>)
    -> (tensor<0x6x6x16xf32>, tensor<0x4xf32>) {
  %0 = linalg.conv_2d_nhwc_hwcf {sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "c">}
      ins(%x, %w : tensor<0x8x8x32xf32>, tensor<3x3x32x16xf32>) outs(%y : tensor<0x6x6x16xf32>) -> tensor<0x6x6x16xf32>
  %1 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "m">}
      ins(%a, %b : tensor<0x8xf32>, tensor<8x4xf32>) outs(%c : tensor<0x4xf32>) -> tensor<0x4xf32>
  return %0, %1 : tensor<0x6x6x16xf32>, tensor<0x4xf32>
}
