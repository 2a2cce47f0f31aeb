// RUN: sparsedrop-run %s --random=1 --output=%t
// RUN: %python -c "import sys, numpy as np; x = np.load(sys.argv[1]); sys.exit(set(np.unique(x)) != {0, 1})" %t.0.npy
// RUN: sparsedrop-run %s --random=1 --target=nvptx --device=interp --check | FileCheck %s
// CHECK: check: ok

// Random booleans are 0 or 1, also in memory: compilers count on it.
func.func @f(%x: tensor<127x131xi1>) -> tensor<131x127xf32> {
  %e = tensor.empty() : tensor<131x127xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<127x131xi1>) outs(%e : tensor<131x127xf32>) {
  ^bb0(%a: i1, %o: f32):
    %b = arith.uitofp %a : i1 to f32
    linalg.yield %b : f32
  } -> tensor<131x127xf32>
  return %r : tensor<131x127xf32>
}
