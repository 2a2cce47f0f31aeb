// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-search-distribution)' | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-search-distribution)' | sparsedrop-opt --pass-pipeline='builtin.module(sparsedrop-search-distribution)' | FileCheck %s

// A sample is searched as an annotation of the same rate and longest period; its
// distribution then says what max_period said, so that equal draws are equal ops.
// CHECK-LABEL: func.func @sample
func.func @sample(%seed: i64, %step: i64, %x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>)
    -> (!sparsedrop.pattern<row>, tensor<8x16xf32>) {
  %n = arith.constant 64 : index
  // CHECK: sparsedrop.sample "fc" seed(%{{.*}}) step(%{{.*}}) extents(%{{.*}}) {distribution = array<f64: 5.000000e-01, 5.000000e-01>, rate = 2.500000e-01 : f64} : !sparsedrop.pattern<row>
  %p = sparsedrop.sample "fc" seed(%seed) step(%step) extents(%n) {max_period = 2 : i64, rate = 0.25 : f64} : !sparsedrop.pattern<row>
  // CHECK: max_period = 2, distribution = [5.000000e-01, 5.000000e-01]
  %0 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.25, site = "fc", max_period = 2>}
      ins(%x, %w : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %p, %0 : !sparsedrop.pattern<row>, tensor<8x16xf32>
}

// Periods that do not fit the units have no share.
// CHECK-LABEL: func.func @few_units
func.func @few_units(%seed: i64, %step: i64) -> !sparsedrop.pattern<row, granularity = 4> {
  %n = arith.constant 8 : index
  // CHECK: distribution = array<f64: 5.000000e-01, 5.000000e-01, 0.000000e+00, 0.000000e+00>
  %p = sparsedrop.sample "fc" seed(%seed) step(%step) extents(%n) {max_period = 4 : i64, rate = 0.25 : f64} : !sparsedrop.pattern<row, granularity = 4>
  return %p : !sparsedrop.pattern<row, granularity = 4>
}
