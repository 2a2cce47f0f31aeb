// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-separate-inits)' | FileCheck %s

// What is returned twice, whole or as a view of its buffer, is copied: callers free each
// result.

// CHECK-LABEL: func.func @returned_twice(
//       CHECK:   %[[Y:.*]] = linalg.exp
//       CHECK:   %[[FLAT:.*]] = tensor.collapse_shape %[[Y]]
//       CHECK:   %[[ROW:.*]] = tensor.extract_slice %[[Y]]
//       CHECK:   %[[OTHER:.*]] = linalg.log
//       CHECK:   %[[A:.*]] = bufferization.alloc_tensor() copy(%[[Y]]) : tensor<2x3xf32>
//       CHECK:   %[[B:.*]] = bufferization.alloc_tensor() copy(%[[FLAT]]) : tensor<6xf32>
//       CHECK:   %[[C:.*]] = bufferization.alloc_tensor() copy(%[[ROW]]) : tensor<3xf32>
//       CHECK:   return %[[Y]], %[[A]], %[[OTHER]], %[[B]], %[[C]] :
func.func @returned_twice(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<6xf32>, tensor<3xf32>) {
  %e = tensor.empty() : tensor<2x3xf32>
  %y = linalg.exp ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  %flat = tensor.collapse_shape %y [[0, 1]] : tensor<2x3xf32> into tensor<6xf32>
  %row = tensor.extract_slice %y[1, 0] [1, 3] [1, 1] : tensor<2x3xf32> to tensor<3xf32>
  %other = linalg.log ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %y, %y, %other, %flat, %row : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<6xf32>, tensor<3xf32>
}
