// The multilayer perceptron 784-2048-2048-10 of the README: two hidden layers
// with relu, dropout 0.5 on what each of them hands on, a batch of 256.
//
//   sparsedrop-run mlp.mlir --mode=compact --random=1 --check

#row = affine_map<(m, n) -> (m, n)>
#bias = affine_map<(m, n) -> (n)>

func.func @mlp(%x: tensor<256x784xf32>,
               %w1: tensor<784x2048xf32>, %b1: tensor<2048xf32>,
               %w2: tensor<2048x2048xf32>, %b2: tensor<2048xf32>,
               %w3: tensor<2048x10xf32>, %b3: tensor<10xf32>) -> tensor<256x10xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<256x2048xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<256x2048xf32>) -> tensor<256x2048xf32>
  %eo = tensor.empty() : tensor<256x10xf32>
  %zo = linalg.fill ins(%zero : f32) outs(%eo : tensor<256x10xf32>) -> tensor<256x10xf32>

  %p1 = linalg.matmul ins(%x, %w1 : tensor<256x784xf32>, tensor<784x2048xf32>)
                      outs(%z : tensor<256x2048xf32>) -> tensor<256x2048xf32>
  %h1 = linalg.generic {indexing_maps = [#row, #bias, #row], iterator_types = ["parallel", "parallel"]}
      ins(%p1, %b1 : tensor<256x2048xf32>, tensor<2048xf32>) outs(%e : tensor<256x2048xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %r = arith.maximumf %s, %zero : f32
      linalg.yield %r : f32
  } -> tensor<256x2048xf32>

  %p2 = linalg.matmul
      {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "hidden1">}
      ins(%h1, %w2 : tensor<256x2048xf32>, tensor<2048x2048xf32>)
      outs(%z : tensor<256x2048xf32>) -> tensor<256x2048xf32>
  %h2 = linalg.generic {indexing_maps = [#row, #bias, #row], iterator_types = ["parallel", "parallel"]}
      ins(%p2, %b2 : tensor<256x2048xf32>, tensor<2048xf32>) outs(%e : tensor<256x2048xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %r = arith.maximumf %s, %zero : f32
      linalg.yield %r : f32
  } -> tensor<256x2048xf32>

  %p3 = linalg.matmul
      {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "hidden2">}
      ins(%h2, %w3 : tensor<256x2048xf32>, tensor<2048x10xf32>)
      outs(%zo : tensor<256x10xf32>) -> tensor<256x10xf32>
  %y = linalg.generic {indexing_maps = [#row, #bias, #row], iterator_types = ["parallel", "parallel"]}
      ins(%p3, %b3 : tensor<256x10xf32>, tensor<10xf32>) outs(%eo : tensor<256x10xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      linalg.yield %s : f32
  } -> tensor<256x10xf32>
  return %y : tensor<256x10xf32>
}
