// Momentum that leaves dropped units alone: `lazy`, a different optimizer.
//
// The update is written densely; compact takes the kept slice of the new values
// and insert puts it into the old ones. In mode compact the whole update then works
// on the kept slice (rule C2); in the modes dense and bernoulli every unit counts as
// kept, so that it is plain momentum.
#id = affine_map<(i, j) -> (i, j)>
func.func @step(%x: tensor<8x12xf64>, %dy: tensor<8x16xf64>, %w: tensor<12x16xf64> {sparsedrop.donate = 0 : i64}, %m: tensor<12x16xf64> {sparsedrop.donate = 1 : i64}, %seed: i64 {sparsedrop.seed}, %step: i64 {sparsedrop.step}) -> (tensor<12x16xf64>, tensor<12x16xf64>) {
  %c16 = arith.constant 16 : index
  %zero = arith.constant 0.0 : f64
  %mu = arith.constant 0.9 : f64
  %lr = arith.constant 0.1 : f64
  %p = sparsedrop.sample "s" seed(%seed) step(%step) extents(%c16) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
  %d = sparsedrop.dropout %dy, %p dim(1) : tensor<8x16xf64>, !sparsedrop.pattern<row>
  %e = tensor.empty() : tensor<12x16xf64>
  %z = linalg.fill ins(%zero : f64) outs(%e : tensor<12x16xf64>) -> tensor<12x16xf64>
  %g = linalg.matmul indexing_maps = [affine_map<(i, j, k) -> (k, i)>, affine_map<(i, j, k) -> (k, j)>, affine_map<(i, j, k) -> (i, j)>] ins(%x, %d : tensor<8x12xf64>, tensor<8x16xf64>) outs(%z : tensor<12x16xf64>) -> tensor<12x16xf64>
  %v = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%g : tensor<12x16xf64>) outs(%m : tensor<12x16xf64>) {
  ^bb0(%a: f64, %o: f64):
    %k = arith.mulf %o, %mu : f64
    %r = arith.addf %k, %a : f64
    linalg.yield %r : f64
  } -> tensor<12x16xf64>
  %n = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%v : tensor<12x16xf64>) outs(%w : tensor<12x16xf64>) {
  ^bb0(%a: f64, %o: f64):
    %k = arith.mulf %a, %lr : f64
    %r = arith.subf %o, %k : f64
    linalg.yield %r : f64
  } -> tensor<12x16xf64>
  %vc = sparsedrop.compact %v, %p dim(1) : tensor<12x16xf64>, !sparsedrop.pattern<row> -> tensor<12x?xf64>
  %nc = sparsedrop.compact %n, %p dim(1) : tensor<12x16xf64>, !sparsedrop.pattern<row> -> tensor<12x?xf64>
  %vi = sparsedrop.insert %vc into %m, %p dim(1) : tensor<12x?xf64> into tensor<12x16xf64>, !sparsedrop.pattern<row>
  %ni = sparsedrop.insert %nc into %w, %p dim(1) : tensor<12x?xf64> into tensor<12x16xf64>, !sparsedrop.pattern<row>
  return %ni, %vi : tensor<12x16xf64>, tensor<12x16xf64>
}
