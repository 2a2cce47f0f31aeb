// RUN: sparsedrop-opt %s | sparsedrop-opt | FileCheck %s
// RUN: sparsedrop-opt %s --emit-bytecode | sparsedrop-opt | FileCheck %s
// RUN: sparsedrop-opt %s --mlir-print-op-generic | sparsedrop-opt | FileCheck %s

// Annotations print what is not the default, in one order.

// CHECK-LABEL: func @annotations
//       CHECK: #sparsedrop.dropout<row, operand = 0, rate = 5.000000e-01, site = "a", dim = 1, granularity = 4, max_period = 3, scale = pattern>
//       CHECK: #sparsedrop.dropout<tile, operand = 1, rate = 2.500000e-01, site = "b", tile = [2, 4], order = linear>
func.func @annotations(%a: tensor<4x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = linalg.matmul {sparsedrop.dropout = [
      #sparsedrop.dropout<row, scale = pattern, operand = 0, site = "a", rate = 5.0e-1, max_period = 3, granularity = 4, dim = 1>,
      #sparsedrop.dropout<tile, operand = 1, rate = 0.25, site = "b", tile = [2, 4], order = linear>]}
    ins(%a, %b : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// CHECK-LABEL: func @channel
//       CHECK: #sparsedrop.dropout<channel, operand = 0, rate = 5.000000e-01, site = "c", multiple = 4>
func.func @channel(%x: tensor<1x9x9x16xf32>, %w: tensor<3x3x16x8xf32>, %c: tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32> {
  %0 = linalg.conv_2d_nhwc_hwcf
      {sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "c", multiple = 4, granularity = 1>}
      ins(%x, %w : tensor<1x9x9x16xf32>, tensor<3x3x16x8xf32>) outs(%c : tensor<1x7x7x8xf32>) -> tensor<1x7x7x8xf32>
  return %0 : tensor<1x7x7x8xf32>
}

// CHECK-LABEL: func @patterns
func.func @patterns(%seed: i64, %step: i64, %t: index, %s: tensor<16xf32>, %list: tensor<?xindex>, %scale: f32) {
  %n = arith.constant 16 : index
  %k = arith.constant 8 : index
  %b = arith.constant 1 : index
  %dp = arith.constant 3 : index
  // CHECK: sparsedrop.sample "a" seed(%{{.*}}) step(%{{.*}}) extents(%{{.*}}) index(%{{.*}}) {distribution = array<f64: 5.000000e-01, 5.000000e-01>, rate = 2.500000e-01 : f64} : !sparsedrop.pattern<row, granularity = 2>
  %0 = sparsedrop.sample "a" seed(%seed) step(%step) extents(%n) index(%t)
      {distribution = array<f64: 0.5, 0.5>, rate = 0.25 : f64} : !sparsedrop.pattern<row, granularity = 2>
  // CHECK: sparsedrop.sample "b" {{.*}} extents(%{{.*}}, %{{.*}}) {{.*}} : !sparsedrop.pattern<tile, tile = [4, 8], order = linear>
  %1 = sparsedrop.sample "b" seed(%seed) step(%step) extents(%n, %n) {rate = 0.25 : f64}
      : !sparsedrop.pattern<tile, tile = [4, 8], order = linear>
  // CHECK: sparsedrop.sample "c" {{.*}} sensitivity(%{{.*}} : tensor<16xf32>) count(%{{.*}}) {rate = 5.000000e-01 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>
  %2 = sparsedrop.sample "c" seed(%seed) step(%step) extents(%n) sensitivity(%s : tensor<16xf32>) count(%k)
      {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>
  // CHECK: sparsedrop.make_pattern period(%{{.*}}) bias(%{{.*}}) extents(%{{.*}}) scale(%{{.*}}) : !sparsedrop.pattern<row>
  %3 = sparsedrop.make_pattern period(%dp) bias(%b) extents(%n) scale(%scale) : !sparsedrop.pattern<row>
  // CHECK: sparsedrop.make_pattern kept(%{{.*}} : tensor<?xindex>) extents(%{{.*}}) : !sparsedrop.pattern<channel>
  %4 = sparsedrop.make_pattern kept(%list : tensor<?xindex>) extents(%n) : !sparsedrop.pattern<channel>
  return
}
