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

// A loop that was split at a tail: parts that are put together only to be taken
// apart again are two chains; parts that stay together are computed in place, one
// after the other.

// CHECK-LABEL: func @parts
//       CHECK:   %[[MAIN:.*]] = linalg.matmul ins(%arg0, %{{.*}}) outs(%{{.*}} : tensor<4x?xf32>)
//       CHECK:   %[[BOTH:.*]] = linalg.matmul ins(%arg0, %{{.*}}) outs(%[[MAIN]] : tensor<4x?xf32>)
//       CHECK:   %[[DEST:.*]] = tensor.insert_slice %[[BOTH]] into %arg4[0, 0]
//       CHECK:   %[[TAIL:.*]] = linalg.matmul ins(%arg0, %{{.*}}) outs(%{{.*}} : tensor<4x?xf32>)
//       CHECK:   %[[ALL:.*]] = tensor.insert_slice %[[TAIL]] into %[[DEST]]
//       CHECK:   return %[[ALL]]
func.func @parts(%x: tensor<4x4xf32>, %w: tensor<4x?xf32>, %v: tensor<4x?xf32>, %u: tensor<4x?xf32>, %old: tensor<4x64xf32>, %n: index, %t: index) -> tensor<4x64xf32> {
  %zero = arith.constant 0.0 : f32
  %c16 = arith.constant 16 : index
  %whole = arith.muli %n, %c16 : index
  %all = arith.addi %whole, %t : index
  %e = tensor.empty(%all) : tensor<4x?xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4x?xf32>) -> tensor<4x?xf32>
  %z0 = tensor.extract_slice %z[0, 0] [4, %whole] [1, 1] : tensor<4x?xf32> to tensor<4x?xf32>
  %0 = linalg.matmul ins(%x, %w : tensor<4x4xf32>, tensor<4x?xf32>) outs(%z0 : tensor<4x?xf32>) -> tensor<4x?xf32>
  %1 = tensor.insert_slice %0 into %z[0, 0] [4, %whole] [1, 1] : tensor<4x?xf32> into tensor<4x?xf32>
  %z1 = tensor.extract_slice %1[0, %whole] [4, %t] [1, 1] : tensor<4x?xf32> to tensor<4x?xf32>
  %2 = linalg.matmul ins(%x, %v : tensor<4x4xf32>, tensor<4x?xf32>) outs(%z1 : tensor<4x?xf32>) -> tensor<4x?xf32>
  %3 = tensor.insert_slice %2 into %1[0, %whole] [4, %t] [1, 1] : tensor<4x?xf32> into tensor<4x?xf32>
  %z2 = tensor.extract_slice %3[0, 0] [4, %whole] [1, 1] : tensor<4x?xf32> to tensor<4x?xf32>
  %4 = linalg.matmul ins(%x, %u : tensor<4x4xf32>, tensor<4x?xf32>) outs(%z2 : tensor<4x?xf32>) -> tensor<4x?xf32>
  %5 = tensor.insert_slice %4 into %3[0, 0] [4, %whole] [1, 1] : tensor<4x?xf32> into tensor<4x?xf32>
  %6 = tensor.extract_slice %5[0, 0] [4, %whole] [1, 1] : tensor<4x?xf32> to tensor<4x?xf32>
  %7 = tensor.insert_slice %6 into %old[0, 0] [4, %whole] [1, 1] : tensor<4x?xf32> into tensor<4x64xf32>
  %8 = tensor.extract_slice %5[0, %whole] [4, %t] [1, 1] : tensor<4x?xf32> to tensor<4x?xf32>
  %9 = tensor.insert_slice %8 into %7[0, 48] [4, %t] [1, 1] : tensor<4x?xf32> into tensor<4x64xf32>
  return %9 : tensor<4x64xf32>
}

// Somebody sees the whole, or half of each part.

// CHECK-LABEL: func @together
//   CHECK-DAG:   %[[WHOLE:.*]] = tensor.insert_slice %arg1 into %{{.*}}[0, 4]
//   CHECK-DAG:   tensor.extract_slice %[[WHOLE]][0, 0] [2, 4]
//   CHECK-DAG:   %[[OTHER:.*]] = tensor.insert_slice %arg0 into %{{.*}}[0, 4]
//   CHECK-DAG:   tensor.extract_slice %[[OTHER]][0, 2] [2, 4]
func.func @together(%a: tensor<2x4xf32>, %b: tensor<2x4xf32>, %old: tensor<2x8xf32>) -> (tensor<2x8xf32>, tensor<2x4xf32>, tensor<2x4xf32>) {
  %0 = tensor.insert_slice %a into %old[0, 0] [2, 4] [1, 1] : tensor<2x4xf32> into tensor<2x8xf32>
  %1 = tensor.insert_slice %b into %0[0, 4] [2, 4] [1, 1] : tensor<2x4xf32> into tensor<2x8xf32>
  %2 = tensor.extract_slice %1[0, 0] [2, 4] [1, 1] : tensor<2x8xf32> to tensor<2x4xf32>
  %3 = tensor.insert_slice %b into %old[0, 0] [2, 4] [1, 1] : tensor<2x4xf32> into tensor<2x8xf32>
  %4 = tensor.insert_slice %a into %3[0, 4] [2, 4] [1, 1] : tensor<2x4xf32> into tensor<2x8xf32>
  %5 = tensor.extract_slice %4[0, 2] [2, 4] [1, 1] : tensor<2x8xf32> to tensor<2x4xf32>
  return %1, %2, %5 : tensor<2x8xf32>, tensor<2x4xf32>, tensor<2x4xf32>
}
