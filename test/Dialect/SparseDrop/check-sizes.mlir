// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-check-sizes)' | FileCheck %s

// A place that is known at run time only is asserted, for reading and writing.

// CHECK-LABEL: func @read
// CHECK: cf.assert {{.*}}'tensor.extract_slice' op does not fit
// CHECK: tensor.extract_slice
func.func @read(%x: tensor<4x4xf32>, %i: index) -> tensor<2xf32> {
  %s = tensor.extract_slice %x[%i, 0] [1, 2] [1, 1] : tensor<4x4xf32> to tensor<2xf32>
  return %s : tensor<2xf32>
}

// CHECK-LABEL: func @write
// CHECK: cf.assert {{.*}}'tensor.insert_slice' op does not fit {{.*}}the slice is not within its destination
// CHECK: tensor.insert_slice
func.func @write(%x: tensor<4x4xf32>, %y: tensor<1x4xf32>, %i: index) -> tensor<4x4xf32> {
  %s = tensor.insert_slice %y into %x[%i, 0] [1, 4] [1, 1] : tensor<1x4xf32> into tensor<4x4xf32>
  return %s : tensor<4x4xf32>
}

// What is static has been verified; a loop no longer than the dimension stays
// in it.

// CHECK-LABEL: func @static
// CHECK-NOT: cf.assert
// CHECK: return
func.func @static(%x: tensor<4x4xf32>) -> (tensor<2xf32>, tensor<4xf32>) {
  %s = tensor.extract_slice %x[3, 0] [1, 2] [1, 1] : tensor<4x4xf32> to tensor<2xf32>
  %e = tensor.empty() : tensor<4xf32>
  %d = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%e : tensor<4xf32>) {
    ^bb0(%o: f32):
      %i = linalg.index 0 : index
      %v = tensor.extract %x[%i, %i] : tensor<4x4xf32>
      linalg.yield %v : f32
  } -> tensor<4xf32>
  return %s, %d : tensor<2xf32>, tensor<4xf32>
}

// CHECK-LABEL: func @longer_loop
// CHECK: cf.assert {{.*}}'tensor.extract' op does not fit
func.func @longer_loop(%x: tensor<4x4xf32>) -> tensor<5xf32> {
  %e = tensor.empty() : tensor<5xf32>
  %d = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%e : tensor<5xf32>) {
    ^bb0(%o: f32):
      %i = linalg.index 0 : index
      %v = tensor.extract %x[%i, %i] : tensor<4x4xf32>
      linalg.yield %v : f32
  } -> tensor<5xf32>
  return %d : tensor<5xf32>
}

// CHECK-LABEL: func @operands
// CHECK: cf.assert {{.*}}'linalg.matmul' op does not fit
func.func @operands(%x: tensor<4x?xf32>, %y: tensor<?x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = linalg.matmul ins(%x, %y : tensor<4x?xf32>, tensor<?x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}
