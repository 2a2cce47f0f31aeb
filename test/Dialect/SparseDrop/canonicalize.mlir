// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(canonicalize)' | FileCheck %s

// A draw of constants is done at compile time: the documented vector of
// (42, 7, "hidden2").

// CHECK-LABEL: func @draw
//   CHECK-DAG: %[[DP:.*]] = arith.constant 3 : index
//   CHECK-DAG: %[[B:.*]] = arith.constant 1 : index
//   CHECK-DAG: %[[N:.*]] = arith.constant 2048 : index
//       CHECK: sparsedrop.make_pattern period(%[[DP]]) bias(%[[B]]) extents(%[[N]]) scale(%{{.*}})
func.func @draw() -> !sparsedrop.pattern<row> {
  %seed = arith.constant 42 : i64
  %step = arith.constant 7 : i64
  %n = arith.constant 2048 : index
  %0 = sparsedrop.sample "hidden2" seed(%seed) step(%step) extents(%n)
      {distribution = array<f64: 0.220725, 0.250654, 0.261510, 0.267111>, rate = 0.5 : f64} : !sparsedrop.pattern<row>
  return %0 : !sparsedrop.pattern<row>
}

// 64 units of period 5 from 2 on: 2, 7, ..., 62.

// CHECK-LABEL: func @count
//   CHECK-DAG: %[[K:.*]] = arith.constant 13 : index
//   CHECK-DAG: %[[S:.*]] = arith.constant 5.000000e+00 : f32
//   CHECK-DAG: %[[N:.*]] = arith.constant 64 : index
//       CHECK: return %[[K]], %[[S]], %[[N]]
func.func @count() -> (index, f32, index) {
  %n = arith.constant 64 : index
  %dp = arith.constant 5 : index
  %b = arith.constant 2 : index
  %p = sparsedrop.make_pattern period(%dp) bias(%b) extents(%n) : !sparsedrop.pattern<row>
  %0 = sparsedrop.kept_count %p : !sparsedrop.pattern<row>
  %1 = sparsedrop.scale %p : !sparsedrop.pattern<row>
  %2 = sparsedrop.extent %p dim(0) : !sparsedrop.pattern<row>
  return %0, %1, %2 : index, f32, index
}

// CHECK-LABEL: func @compact_of_expand
//  CHECK-SAME: %[[X:.*]]: tensor<4x?xf32>
//       CHECK: return %[[X]]
func.func @compact_of_expand(%x: tensor<4x?xf32>, %p: !sparsedrop.pattern<row>) -> tensor<4x?xf32> {
  %0 = sparsedrop.expand %x, %p dim(1) : tensor<4x?xf32>, !sparsedrop.pattern<row> -> tensor<4x8xf32>
  %1 = sparsedrop.compact %0, %p dim(1) : tensor<4x8xf32>, !sparsedrop.pattern<row> -> tensor<4x?xf32>
  return %1 : tensor<4x?xf32>
}

// Another pattern keeps other units.

// CHECK-LABEL: func @other_pattern
//       CHECK: sparsedrop.expand
//       CHECK: sparsedrop.compact
func.func @other_pattern(%x: tensor<4x?xf32>, %p: !sparsedrop.pattern<row>, %q: !sparsedrop.pattern<row>) -> tensor<4x?xf32> {
  %0 = sparsedrop.expand %x, %p dim(1) : tensor<4x?xf32>, !sparsedrop.pattern<row> -> tensor<4x8xf32>
  %1 = sparsedrop.compact %0, %q dim(1) : tensor<4x8xf32>, !sparsedrop.pattern<row> -> tensor<4x?xf32>
  return %1 : tensor<4x?xf32>
}

// CHECK-LABEL: func @dense_pattern
//  CHECK-SAME: %[[X:.*]]: tensor<4x8xf32>
//       CHECK: return %[[X]]
func.func @dense_pattern(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %n = arith.constant 8 : index
  %one = arith.constant 1 : index
  %zero = arith.constant 0 : index
  %p = sparsedrop.make_pattern period(%one) bias(%zero) extents(%n) : !sparsedrop.pattern<row>
  %0 = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<4x8xf32>, !sparsedrop.pattern<row>
  return %0 : tensor<4x8xf32>
}
