// A residual block in which the activation that is dropped is also used
// densely: y = h + relu(h W1) W2, with dropout on what W1 reads and on the
// hidden units. The dense use keeps the first product whole; both products of
// the block shrink.
//
//   sparsedrop-run residual.mlir --random=1 --check --report

#row = affine_map<(m, n) -> (m, n)>

func.func @residual(%x: tensor<64x128xf32>, %w0: tensor<128x512xf32>,
                    %w1: tensor<512x768xf32>, %w2: tensor<768x512xf32>) -> tensor<64x512xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x512xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<64x512xf32>) -> tensor<64x512xf32>
  %eh = tensor.empty() : tensor<64x768xf32>
  %zh = linalg.fill ins(%zero : f32) outs(%eh : tensor<64x768xf32>) -> tensor<64x768xf32>
  %p0 = linalg.matmul ins(%x, %w0 : tensor<64x128xf32>, tensor<128x512xf32>)
                      outs(%z : tensor<64x512xf32>) -> tensor<64x512xf32>
  %h = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]}
      ins(%p0 : tensor<64x512xf32>) outs(%e : tensor<64x512xf32>) {
    ^bb0(%a: f32, %out: f32):
      %r = math.tanh %a : f32
      linalg.yield %r : f32
  } -> tensor<64x512xf32>
  %p1 = linalg.matmul
      {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "block.in">}
      ins(%h, %w1 : tensor<64x512xf32>, tensor<512x768xf32>)
      outs(%zh : tensor<64x768xf32>) -> tensor<64x768xf32>
  %g = linalg.generic {indexing_maps = [#row, #row], iterator_types = ["parallel", "parallel"]}
      ins(%p1 : tensor<64x768xf32>) outs(%eh : tensor<64x768xf32>) {
    ^bb0(%a: f32, %out: f32):
      %r = arith.maximumf %a, %zero : f32
      linalg.yield %r : f32
  } -> tensor<64x768xf32>
  %y = linalg.matmul
      {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.4, site = "block.hidden">}
      ins(%g, %w2 : tensor<64x768xf32>, tensor<768x512xf32>)
      outs(%h : tensor<64x512xf32>) -> tensor<64x512xf32>
  return %y : tensor<64x512xf32>
}
