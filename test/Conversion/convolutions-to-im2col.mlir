// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-convolutions-to-im2col,cse)' --split-input-file | FileCheck %s

// Channels stay innermost, and the gradient of the filters reads the same patches.

// CHECK: #[[$IMAGE:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1 * 2 + d3, d2 * 2 + d4 * 3, d5)>
// CHECK-LABEL: func.func @shared(
// CHECK-SAME: %[[X:.*]]: tensor<2x9x11x4xf32>
// CHECK: %[[P:.*]] = linalg.generic {indexing_maps = [#[[$IMAGE]], #{{.*}}]{{.*}}} ins(%[[X]] : {{.*}}) outs(%{{.*}} : tensor<2x4x3x3x3x4xf32>)
// CHECK: linalg.generic {{.*}}"reduction", "reduction", "reduction"]} ins(%[[P]], %{{.*}} : tensor<2x4x3x3x3x4xf32>, tensor<3x3x4x6xf32>)
// CHECK: linalg.generic {{.*}}"reduction", "reduction", "reduction"]} ins(%[[P]], %{{.*}} : tensor<2x4x3x3x3x4xf32>, tensor<2x4x3x6xf32>)
#x = affine_map<(i, j, c, f, n, h, w) -> (n, h * 2 + i, w * 2 + j * 3, c)>
#dy = affine_map<(i, j, c, f, n, h, w) -> (n, h, w, f)>
#dw = affine_map<(i, j, c, f, n, h, w) -> (i, j, c, f)>
func.func @shared(%x: tensor<2x9x11x4xf32>, %w: tensor<3x3x4x6xf32>, %y: tensor<2x4x3x6xf32>, %dw: tensor<3x3x4x6xf32>) -> (tensor<2x4x3x6xf32>, tensor<3x3x4x6xf32>) {
  %0 = linalg.conv_2d_nhwc_hwcf {strides = dense<2> : tensor<2xi64>, dilations = dense<[1, 3]> : tensor<2xi64>}
      ins(%x, %w : tensor<2x9x11x4xf32>, tensor<3x3x4x6xf32>) outs(%y : tensor<2x4x3x6xf32>) -> tensor<2x4x3x6xf32>
  %1 = linalg.generic {indexing_maps = [#x, #dy, #dw], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%x, %y : tensor<2x9x11x4xf32>, tensor<2x4x3x6xf32>) outs(%dw : tensor<3x3x4x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %2 = arith.mulf %a, %b : f32
    %3 = arith.addf %o, %2 : f32
    linalg.yield %3 : f32
  } -> tensor<3x3x4x6xf32>
  return %0, %1 : tensor<2x4x3x6xf32>, tensor<3x3x4x6xf32>
}

// -----

// A product without sums, and a window that is no product, stay.

// CHECK-LABEL: func.func @others(
// CHECK: linalg.matmul
// CHECK: linalg.pooling_nhwc_max
func.func @others(%x: tensor<4x8xf32>, %w: tensor<8x3xf32>, %y: tensor<4x3xf32>, %i: tensor<1x4x4x2xf32>, %k: tensor<2x2xf32>, %o: tensor<1x3x3x2xf32>) -> (tensor<4x3xf32>, tensor<1x3x3x2xf32>) {
  %0 = linalg.matmul ins(%x, %w : tensor<4x8xf32>, tensor<8x3xf32>) outs(%y : tensor<4x3xf32>) -> tensor<4x3xf32>
  %1 = linalg.pooling_nhwc_max ins(%i, %k : tensor<1x4x4x2xf32>, tensor<2x2xf32>) outs(%o : tensor<1x3x3x2xf32>) -> tensor<1x3x3x2xf32>
  return %0, %1 : tensor<4x3xf32>, tensor<1x3x3x2xf32>
}

// -----

// Sizes that are known at run time only.

// CHECK-LABEL: func.func @dynamic(
// CHECK: %[[E:.*]] = tensor.empty(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) : tensor<?x?x?x3x3x?xf32>
// CHECK: linalg.generic {{.*}} outs(%[[E]] : tensor<?x?x?x3x3x?xf32>)
func.func @dynamic(%x: tensor<?x?x?x?xf32>, %w: tensor<3x3x?x?xf32>, %y: tensor<?x?x?x?xf32>) -> tensor<?x?x?x?xf32> {
  %0 = linalg.conv_2d_nhwc_hwcf {product = "forward"} ins(%x, %w : tensor<?x?x?x?xf32>, tensor<3x3x?x?xf32>) outs(%y : tensor<?x?x?x?xf32>) -> tensor<?x?x?x?xf32>
  return %0 : tensor<?x?x?x?xf32>
}
