// A 3 x 3 convolution over padded channels-last images whose input channels
// are dropped, behind a convolution that makes them: both shrink.
//
//   sparsedrop-run convolution.mlir --random=1 --check

func.func @conv(%x: tensor<2x14x14x8xf32>, %w1: tensor<3x3x8x48xf32>,
                %w2: tensor<3x3x48x32xf32>) -> tensor<2x12x12x32xf32> {
  %zero = arith.constant 0.0 : f32
  %e1 = tensor.empty() : tensor<2x12x12x48xf32>
  %z1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<2x12x12x48xf32>) -> tensor<2x12x12x48xf32>
  %c1 = linalg.conv_2d_nhwc_hwcf
      ins(%x, %w1 : tensor<2x14x14x8xf32>, tensor<3x3x8x48xf32>)
      outs(%z1 : tensor<2x12x12x48xf32>) -> tensor<2x12x12x48xf32>
  %a1 = linalg.map { arith.maximumf } ins(%c1, %z1 : tensor<2x12x12x48xf32>, tensor<2x12x12x48xf32>)
                                      outs(%e1 : tensor<2x12x12x48xf32>)
  %p = tensor.pad %a1 low[0, 1, 1, 0] high[0, 1, 1, 0] {
    ^bb0(%i: index, %j: index, %k: index, %l: index):
      tensor.yield %zero : f32
  } : tensor<2x12x12x48xf32> to tensor<2x14x14x48xf32>
  %e2 = tensor.empty() : tensor<2x12x12x32xf32>
  %z2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<2x12x12x32xf32>) -> tensor<2x12x12x32xf32>
  %y = linalg.conv_2d_nhwc_hwcf
      {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "channels", granularity = 4>}
      ins(%p, %w2 : tensor<2x14x14x48xf32>, tensor<3x3x48x32xf32>)
      outs(%z2 : tensor<2x12x12x32xf32>) -> tensor<2x12x12x32xf32>
  return %y : tensor<2x12x12x32xf32>
}
