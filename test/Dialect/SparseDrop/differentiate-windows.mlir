// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-differentiate,canonicalize,cse)' | FileCheck %s

// Gradients of what is read by windows multiply no zeros that a stride leaves, and
// of what is padded they compute the inside.

func.func @strided(%x: tensor<2x9x3xf32>, %w: tensor<3x3x4xf32>, %z: tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
    attributes {sparsedrop.differentiate = {wrt = [0]}} {
  %0 = linalg.conv_1d_nwc_wcf {strides = dense<2> : vector<1xi64>, dilations = dense<1> : vector<1xi64>}
      ins(%x, %w : tensor<2x9x3xf32>, tensor<3x3x4xf32>) outs(%z : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  return %0 : tensor<2x4x4xf32>
}
// CHECK-LABEL: func.func @strided_grad(
//   CHECK-DAG:   tensor.extract_slice %{{.*}}[0, 0, 0] [2, 3, 4] [2, 1, 1] : tensor<3x3x4xf32>
//   CHECK-DAG:   tensor.extract_slice %{{.*}}[1, 0, 0] [1, 3, 4] [{{[12]}}, 1, 1] : tensor<3x3x4xf32>
//       CHECK:   linalg.generic {{.*}} outs(%{{.*}} : tensor<2x5x3xf32>) attrs = {sparsedrop.product = "dgrad"}
//       CHECK:   tensor.insert_slice %{{.*}} into %{{.*}}[0, 0, 0] [2, 5, 3] [1, 2, 1] : tensor<2x5x3xf32> into tensor<2x9x3xf32>
//       CHECK:   linalg.generic {{.*}} outs(%{{.*}} : tensor<2x4x3xf32>) attrs = {sparsedrop.product = "dgrad"}
//       CHECK:   tensor.insert_slice %{{.*}} into %{{.*}}[0, 1, 0] [2, 4, 3] [1, 2, 1] : tensor<2x4x3xf32> into tensor<2x9x3xf32>

func.func @padded(%x: tensor<2x7x3xf32>, %w: tensor<3x3x4xf32>, %z: tensor<2x7x4xf32>) -> tensor<2x7x4xf32>
    attributes {sparsedrop.differentiate = {wrt = [0]}} {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 1, 0] high[0, 1, 0] {
  ^bb0(%i: index, %j: index, %k: index):
    tensor.yield %zero : f32
  } : tensor<2x7x3xf32> to tensor<2x9x3xf32>
  %0 = linalg.conv_1d_nwc_wcf ins(%p, %w : tensor<2x9x3xf32>, tensor<3x3x4xf32>) outs(%z : tensor<2x7x4xf32>) -> tensor<2x7x4xf32>
  return %0 : tensor<2x7x4xf32>
}
// CHECK-LABEL: func.func @padded_grad(
//       CHECK:   %[[SPREAD:.*]] = tensor.insert_slice %{{.*}} into %{{.*}}[0, 1, 0] [2, 7, 4] [1, 1, 1] : tensor<2x7x4xf32> into tensor<2x9x4xf32>
//   CHECK-NOT:   tensor.extract_slice
//       CHECK:   linalg.generic {{.*}} ins(%[[SPREAD]], {{.*}} : tensor<2x7x3xf32>) attrs = {sparsedrop.product = "dgrad"}
