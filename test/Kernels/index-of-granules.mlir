// RUN: sparsedrop-run %s --random=1 --target=nvptx --device=interp --check --steps=4 | FileCheck %s
// CHECK: check: ok

// The body knows the index of a dimension that is granules and places in them by the time it is
// a kernel's.
#id = affine_map<(i, j) -> (i, j)>
func.func @f(%x: tensor<5x12xf32>, %w: tensor<12x12xf32>) -> tensor<5x12xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<5x12xf32>
  %twice = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<5x12xf32>) outs(%e : tensor<5x12xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %a, %a : f32
    linalg.yield %r : f32
  } -> tensor<5x12xf32>
  %ramp = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%twice : tensor<5x12xf32>) outs(%e : tensor<5x12xf32>) {
  ^bb0(%a: f32, %o: f32):
    %i = linalg.index 1 : index
    %j = arith.index_cast %i : index to i32
    %f = arith.sitofp %j : i32 to f32
    %r = arith.mulf %a, %f : f32
    linalg.yield %r : f32
  } -> tensor<5x12xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5x12xf32>) -> tensor<5x12xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.7, site = "s", granularity = 3>}
      ins(%ramp, %w : tensor<5x12xf32>, tensor<12x12xf32>) outs(%z : tensor<5x12xf32>) -> tensor<5x12xf32>
  return %y : tensor<5x12xf32>
}
