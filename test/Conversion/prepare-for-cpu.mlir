// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-prepare-for-cpu)' | FileCheck %s

// What slices cover entirely is not filled before.

// CHECK-LABEL: func @covered
//   CHECK-NOT:   linalg.fill
//       CHECK:   %[[E:.*]] = tensor.empty() : tensor<2x6xf32>
//       CHECK:   tensor.insert_slice %{{.*}} into %[[E]][0, 3]
func.func @covered(%a: tensor<2x3xf32>, %b: tensor<2x3xf32>) -> tensor<2x6xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x6xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x6xf32>) -> tensor<2x6xf32>
  %0 = tensor.insert_slice %a into %z[0, 3] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x6xf32>
  %1 = tensor.insert_slice %b into %0[0, 0] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x6xf32>
  return %1 : tensor<2x6xf32>
}

// A gap, half of another dimension, steps, somebody who reads what is in between.

// CHECK-LABEL: func @seen
// CHECK-COUNT-4: linalg.fill
//       CHECK:   return
func.func @seen(%a: tensor<2x3xf32>, %b: tensor<2x2xf32>, %c: tensor<1x3xf32>)
    -> (tensor<2x6xf32>, tensor<2x6xf32>, tensor<2x6xf32>, tensor<2x6xf32>, tensor<2x6xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x6xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x6xf32>) -> tensor<2x6xf32>
  %0 = tensor.insert_slice %a into %z[0, 3] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x6xf32>
  %1 = tensor.insert_slice %b into %0[0, 0] [2, 2] [1, 1] : tensor<2x2xf32> into tensor<2x6xf32>
  %f = tensor.empty() : tensor<2x6xf32>
  %y = linalg.fill ins(%zero : f32) outs(%f : tensor<2x6xf32>) -> tensor<2x6xf32>
  %2 = tensor.insert_slice %a into %y[0, 3] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x6xf32>
  %3 = tensor.insert_slice %c into %2[0, 0] [1, 3] [1, 1] : tensor<1x3xf32> into tensor<2x6xf32>
  %g = tensor.empty() : tensor<2x6xf32>
  %x = linalg.fill ins(%zero : f32) outs(%g : tensor<2x6xf32>) -> tensor<2x6xf32>
  %4 = tensor.insert_slice %a into %x[0, 0] [2, 3] [1, 2] : tensor<2x3xf32> into tensor<2x6xf32>
  %5 = tensor.insert_slice %a into %4[0, 3] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x6xf32>
  %h = tensor.empty() : tensor<2x6xf32>
  %w = linalg.fill ins(%zero : f32) outs(%h : tensor<2x6xf32>) -> tensor<2x6xf32>
  %6 = tensor.insert_slice %a into %w[0, 3] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x6xf32>
  %7 = tensor.insert_slice %a into %6[0, 0] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x6xf32>
  return %1, %3, %5, %6, %7 : tensor<2x6xf32>, tensor<2x6xf32>, tensor<2x6xf32>, tensor<2x6xf32>, tensor<2x6xf32>
}

// A kernel that the user has chosen is that of this op.

// CHECK-LABEL: func @chosen
// CHECK-COUNT-2: sparsedrop.kernel
func.func @chosen(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %e = tensor.empty() : tensor<4x8xf32>
  %0 = linalg.exp {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [64], vector = [1]>} ins(%x : tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = linalg.tanh {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [64], vector = [1]>} ins(%0 : tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}
