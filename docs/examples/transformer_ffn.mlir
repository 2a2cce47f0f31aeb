// The feed-forward block of a transformer, x + W2 gelu(W1 x + b1) + b2, with
// dropout 0.3 on the hidden units in granules of 16.
//
//   sparsedrop-run transformer_ffn.mlir --random=1 --check

#row = affine_map<(m, n) -> (m, n)>
#bias = affine_map<(m, n) -> (n)>

func.func @ffn(%x: tensor<128x256xf32>,
               %w1: tensor<256x1024xf32>, %b1: tensor<1024xf32>,
               %w2: tensor<1024x256xf32>, %b2: tensor<256xf32>) -> tensor<128x256xf32> {
  %zero = arith.constant 0.0 : f32
  %half = arith.constant 0.5 : f32
  %one = arith.constant 1.0 : f32
  %rsqrt2 = arith.constant 0.707106769 : f32
  %eh = tensor.empty() : tensor<128x1024xf32>
  %zh = linalg.fill ins(%zero : f32) outs(%eh : tensor<128x1024xf32>) -> tensor<128x1024xf32>
  %p1 = linalg.matmul ins(%x, %w1 : tensor<128x256xf32>, tensor<256x1024xf32>)
                      outs(%zh : tensor<128x1024xf32>) -> tensor<128x1024xf32>
  %h = linalg.generic {indexing_maps = [#row, #bias, #row], iterator_types = ["parallel", "parallel"]}
      ins(%p1, %b1 : tensor<128x1024xf32>, tensor<1024xf32>) outs(%eh : tensor<128x1024xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %t = arith.mulf %s, %rsqrt2 : f32
      %e = math.erf %t : f32
      %f = arith.addf %e, %one : f32
      %g = arith.mulf %s, %f : f32
      %r = arith.mulf %g, %half : f32
      linalg.yield %r : f32
  } -> tensor<128x1024xf32>
  // The residual is the init of the second product.
  %eo = tensor.empty() : tensor<128x256xf32>
  %res = linalg.generic {indexing_maps = [#row, #bias, #row], iterator_types = ["parallel", "parallel"]}
      ins(%x, %b2 : tensor<128x256xf32>, tensor<256xf32>) outs(%eo : tensor<128x256xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<128x256xf32>
  %y = linalg.matmul
      {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.3, site = "ffn.hidden", granularity = 16>}
      ins(%h, %w2 : tensor<128x1024xf32>, tensor<1024x256xf32>)
      outs(%res : tensor<128x256xf32>) -> tensor<128x256xf32>
  return %y : tensor<128x256xf32>
}
