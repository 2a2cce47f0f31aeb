// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-recalibrate,canonicalize)' | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=compact})' | FileCheck %s --check-prefix=PIPELINE

#matrix = affine_map<(d0, d1) -> (d0, d1)>
#columns = affine_map<(d0, d1) -> (d1)>

func.func private @twice(%x: tensor<8x4xf32>, %z: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %0 = linalg.add ins(%x, %x : tensor<8x4xf32>, tensor<8x4xf32>) outs(%z : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %0 : tensor<8x4xf32>
}

// What is annotated and what is written as ops drops nothing, calls are looked
// into, the result that is no statistic is gone. Arguments stay as they are.
// CHECK-LABEL: func.func @f(
//  CHECK-SAME:   -> (tensor<8x4xf32>, tensor<4xf32>) attributes {sparsedrop.differentiate
//       CHECK:   sparsedrop.dropout
// CHECK-LABEL: func.func @f_recalibrate(
//  CHECK-SAME:   %[[X:.*]]: tensor<8x4xf32>, %[[W:.*]]: tensor<4x4xf32>, %[[OLD:.*]]: tensor<4xf32> {sparsedrop.donate = 0 : i64}
//  CHECK-SAME:   %{{.*}}: i64 {sparsedrop.seed}, %{{.*}}: i64 {sparsedrop.step}, %[[SHARE:.*]]: f64) -> tensor<4xf32> {
//   CHECK-NOT:   sparsedrop
//       CHECK:   %[[PRODUCT:.*]] = linalg.matmul ins(%[[X]], %[[W]]
//       CHECK:   linalg.add ins(%[[PRODUCT]], %[[PRODUCT]]
//       CHECK:   %[[BATCH:.*]] = linalg.generic {{.*}}iterator_types = ["reduction", "parallel"]
//       CHECK:   %[[PART:.*]] = arith.truncf %[[SHARE]]
//       CHECK:   %[[NEW:.*]] = linalg.generic {{.*}} ins(%[[OLD]], %[[BATCH]] :
//       CHECK:     %[[CHANGE:.*]] = arith.subf %{{.*}}, %{{.*}}
//       CHECK:     %[[STEP:.*]] = arith.mulf %[[CHANGE]], %[[PART]]
//       CHECK:     arith.addf %{{.*}}, %[[STEP]]
//       CHECK:   return %[[NEW]] : tensor<4xf32>

// PIPELINE-LABEL: func.func @f_recalibrate(
//   PIPELINE-NOT:   sparsedrop_
//       PIPELINE:   return
func.func @f(%x: tensor<8x4xf32>, %w: tensor<4x4xf32>, %old: tensor<4xf32>,
             %seed: i64 {sparsedrop.seed}, %step: i64 {sparsedrop.step})
    -> (tensor<8x4xf32>, tensor<4xf32> {sparsedrop.statistic = 2})
    attributes {sparsedrop.differentiate = {wrt = [1]}} {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<8x4xf32>) -> tensor<8x4xf32>
  %n = arith.constant 4 : index
  %p = sparsedrop.sample "a" seed(%seed) step(%step) extents(%n) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
  %0 = sparsedrop.dropout %x, %p dim(1) : tensor<8x4xf32>, !sparsedrop.pattern<row>
  %1 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "b">}
      ins(%0, %w : tensor<8x4xf32>, tensor<4x4xf32>) outs(%z : tensor<8x4xf32>) -> tensor<8x4xf32>
  %2 = call @twice(%1, %e) : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %3 = tensor.empty() : tensor<4xf32>
  %4 = linalg.fill ins(%zero : f32) outs(%3 : tensor<4xf32>) -> tensor<4xf32>
  %5 = linalg.generic {indexing_maps = [#matrix, #columns], iterator_types = ["reduction", "parallel"]}
      ins(%2 : tensor<8x4xf32>) outs(%4 : tensor<4xf32>) {
  ^bb0(%a: f32, %sum: f32):
    %6 = arith.addf %sum, %a : f32
    linalg.yield %6 : f32
  } -> tensor<4xf32>
  return %2, %5 : tensor<8x4xf32>, tensor<4xf32>
}

// Statistics of f64 and of unknown sizes; what was donated before is not any more.
// CHECK-LABEL: func.func @g_recalibrate(
//  CHECK-SAME:   %{{.*}}: tensor<?xf64>, %{{.*}}: tensor<?xf64> {sparsedrop.donate = 0 : i64}, %[[SHARE:.*]]: f64)
//   CHECK-NOT:   arith.truncf
//       CHECK:   linalg.generic
//       CHECK:     arith.mulf %{{.*}}, %[[SHARE]]
func.func @g(%x: tensor<?xf64> {sparsedrop.donate = 0}, %old: tensor<?xf64>) -> (tensor<?xf64> {sparsedrop.statistic = 1}) {
  return %x : tensor<?xf64>
}
