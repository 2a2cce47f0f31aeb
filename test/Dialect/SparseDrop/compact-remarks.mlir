// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-search-distribution,sparsedrop-materialize,sparsedrop-compact)' --remarks-filter='sparsedrop.*' -o /dev/null 2>&1 | FileCheck %s

// CHECK-DAG: Compacted{{.*}}ExpectedKeep=5.000000e-01, Remark="linalg.matmul compacted by rule C3 at site "s""
// CHECK-DAG: NotCompacted{{.*}}linalg.reduce reads all units of site "s": the reduction's terms do not vanish where the dropped values are zero
func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>, %m: tensor<4xf32>,
             %seed: i64, %step: i64) -> (tensor<4x4xf32>, tensor<4xf32>) {
  %n = arith.constant 8 : index
  %p = sparsedrop.sample "s" seed(%seed) step(%step) extents(%n) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<4x8xf32>, !sparsedrop.pattern<row>
  %q = linalg.matmul ins(%d, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  %r = linalg.reduce { arith.maximumf } ins(%d : tensor<4x8xf32>) outs(%m : tensor<4xf32>) dimensions = [1]
  return %q, %r : tensor<4x4xf32>, tensor<4xf32>
}
