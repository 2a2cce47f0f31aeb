// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-propagate-reshapes,canonicalize,cse)' --split-input-file | FileCheck %s

// Kept granules of both dimensions of a weight: two slices of one expansion, the
// update between them, and no collapse but that of the result.

#id = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-LABEL: @both_sides
// CHECK-DAG: %[[G:.*]] = tensor.expand_shape %arg1 {{\[}}[0, 1], [2, 3]] output_shape [%arg2, 16, 4, 8]
// CHECK-DAG: %[[W:.*]] = tensor.expand_shape %arg0 {{\[}}[0, 1], [2, 3]] output_shape [4, 16, 8, 8]
// CHECK: %[[ROWS:.*]] = tensor.extract_slice %[[W]][%arg3, 0, 0, 0] [%arg2, 16, 8, 8] [2, 1, 1, 1]
// CHECK-NEXT: %[[KEPT:.*]] = tensor.extract_slice %[[ROWS]][0, 0, 1, 0] [%arg2, 16, 4, 8] [1, 1, 2, 1]
// CHECK: %[[NEW:.*]] = linalg.generic
// CHECK-SAME: ins(%[[G]] : tensor<?x16x4x8xf32>) outs(%[[KEPT]] : tensor<?x16x4x8xf32>)
// CHECK: %[[COLUMNS:.*]] = tensor.insert_slice %[[NEW]] into %[[ROWS]][0, 0, 1, 0] [%arg2, 16, 4, 8] [1, 1, 2, 1]
// CHECK: %[[ALL:.*]] = tensor.insert_slice %[[COLUMNS]] into %[[W]][%arg3, 0, 0, 0] [%arg2, 16, 8, 8] [2, 1, 1, 1]
// CHECK: %[[FLAT:.*]] = tensor.collapse_shape %[[ALL]] {{\[}}[0, 1], [2, 3]]
// CHECK: return %[[FLAT]]
func.func @both_sides(%w: tensor<64x64xf32>, %g: tensor<?x32xf32>, %n: index, %bias: index) -> tensor<64x64xf32> {
  %c16 = arith.constant 16 : index
  %rows = arith.muli %n, %c16 : index
  %w1 = tensor.expand_shape %w [[0, 1], [2]] output_shape [4, 16, 64] : tensor<64x64xf32> into tensor<4x16x64xf32>
  %s1 = tensor.extract_slice %w1[%bias, 0, 0] [%n, 16, 64] [2, 1, 1] : tensor<4x16x64xf32> to tensor<?x16x64xf32>
  %f1 = tensor.collapse_shape %s1 [[0, 1], [2]] : tensor<?x16x64xf32> into tensor<?x64xf32>
  %w2 = tensor.expand_shape %f1 [[0], [1, 2]] output_shape [%rows, 8, 8] : tensor<?x64xf32> into tensor<?x8x8xf32>
  %s2 = tensor.extract_slice %w2[0, 1, 0] [%rows, 4, 8] [1, 2, 1] : tensor<?x8x8xf32> to tensor<?x4x8xf32>
  %f2 = tensor.collapse_shape %s2 [[0], [1, 2]] : tensor<?x4x8xf32> into tensor<?x32xf32>
  %new = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%g : tensor<?x32xf32>) outs(%f2 : tensor<?x32xf32>) {
  ^bb0(%d: f32, %old: f32):
    %0 = arith.subf %old, %d : f32
    linalg.yield %0 : f32
  } -> tensor<?x32xf32>
  %e2 = tensor.expand_shape %new [[0], [1, 2]] output_shape [%rows, 4, 8] : tensor<?x32xf32> into tensor<?x4x8xf32>
  %i2 = tensor.insert_slice %e2 into %w2[0, 1, 0] [%rows, 4, 8] [1, 2, 1] : tensor<?x4x8xf32> into tensor<?x8x8xf32>
  %c2 = tensor.collapse_shape %i2 [[0], [1, 2]] : tensor<?x8x8xf32> into tensor<?x64xf32>
  %e1 = tensor.expand_shape %c2 [[0, 1], [2]] output_shape [%n, 16, 64] : tensor<?x64xf32> into tensor<?x16x64xf32>
  %i1 = tensor.insert_slice %e1 into %w1[%bias, 0, 0] [%n, 16, 64] [2, 1, 1] : tensor<?x16x64xf32> into tensor<4x16x64xf32>
  %all = tensor.collapse_shape %i1 [[0, 1], [2]] : tensor<4x16x64xf32> into tensor<64x64xf32>
  return %all : tensor<64x64xf32>
}

// -----

// A slice of a part of what was collapsed stays where it is: granules may be cut.

// CHECK-LABEL: @part
// CHECK: tensor.collapse_shape
// CHECK-NEXT: tensor.extract_slice
func.func @part(%x: tensor<4x16xf32>) -> tensor<20xf32> {
  %flat = tensor.collapse_shape %x [[0, 1]] : tensor<4x16xf32> into tensor<64xf32>
  %part = tensor.extract_slice %flat[3] [20] [1] : tensor<64xf32> to tensor<20xf32>
  return %part : tensor<20xf32>
}

// -----

// A slice that has all of one dimension that is expanded, and a part of another.

// CHECK-LABEL: @one_side
// CHECK: %[[X:.*]] = tensor.expand_shape %arg0 {{\[}}[0, 1], [2]] output_shape [2, 4, 20]
// CHECK: %[[PART:.*]] = tensor.extract_slice %[[X]][0, 0, 0] [2, 4, 16] [1, 1, 1]
// CHECK: %[[Y:.*]] = tensor.expand_shape %[[PART]] {{\[}}[0], [1], [2, 3]] output_shape [2, 4, 2, 8]
// CHECK: return %[[Y]]
func.func @one_side(%x: tensor<8x20xf32>) -> tensor<2x4x2x8xf32> {
  %part = tensor.extract_slice %x[0, 0] [8, 16] [1, 1] : tensor<8x20xf32> to tensor<8x16xf32>
  %y = tensor.expand_shape %part [[0, 1], [2, 3]] output_shape [2, 4, 2, 8] : tensor<8x16xf32> into tensor<2x4x2x8xf32>
  return %y : tensor<2x4x2x8xf32>
}
