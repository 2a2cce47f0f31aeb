// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-compact,sparsedrop-instrument)' | FileCheck %s

// One call for the product: dense and actual operations differ by the kept
// count, which is known at run time only; expected ones are a constant.

//       CHECK: sparsedrop.products = [{function = "f", id = 0 : i64, kind = "row", loc = "{{.*}}instrument.mlir:{{.*}}", product = "dgrad", reason = "", shape = "4x16x8", site = "s"}]
// CHECK-LABEL: func @f
//   CHECK-DAG: %[[ID:.*]] = arith.constant 0 : i64
//   CHECK-DAG: %[[DENSE:.*]] = arith.constant 1.024000e+03 : f64
//   CHECK-DAG: %[[EXPECTED:.*]] = arith.constant 7.680000e+02 : f64
//       CHECK: call @sparsedrop_record_product(%[[ID]], %[[DENSE]], %{{.*}}, %{{.*}}, %{{.*}}, %[[EXPECTED]])
//  CHECK-NEXT: linalg.matmul
func.func @f(%x: tensor<4x8xf32>, %w: tensor<8x16xf32>, %z: tensor<4x16xf32>, %seed: i64, %step: i64) -> tensor<4x16xf32> {
  %n = arith.constant 8 : index
  %p = sparsedrop.sample "s" seed(%seed) step(%step) extents(%n)
      {distribution = array<f64: 0.5, 0.5>, rate = 0.25 : f64} : !sparsedrop.pattern<row>
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<4x8xf32>, !sparsedrop.pattern<row>
  %0 = linalg.matmul {sparsedrop.product = "dgrad"} ins(%d, %w : tensor<4x8xf32>, tensor<8x16xf32>)
      outs(%z : tensor<4x16xf32>) -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}
