// RUN: sparsedrop-opt %s --emit-bytecode -o %t.mlirbc
// RUN: sparsedrop-opt %t.mlirbc | FileCheck %s
// RUN: not grep -a "dropout<\|pattern<\|scale_mode<" %t.mlirbc

// Attributes and types are encoded, not text inside of bytecode.

// CHECK-LABEL: func @all
//  CHECK-SAME: !sparsedrop.pattern<row, granularity = 16>
//  CHECK-SAME: !sparsedrop.pattern<tile, tile = [8, 16], order = linear>
//  CHECK-SAME: !sparsedrop.pattern<channel>
//       CHECK: #sparsedrop.dropout<row, operand = 0, rate = 5.000000e-01, site = "x", dim = 1, granularity = 2, max_period = 3, scale = pattern, distribution = [2.000000e-01, 2.000000e-01, 6.000000e-01]>
//  CHECK-SAME: #sparsedrop.dropout<tile, operand = 1, rate = 2.500000e-01, site = "w", tile = [4, 4], order = linear>
//       CHECK: #sparsedrop.dropout<channel, operand = 0, rate = 5.000000e-01, site = "maps", scale = energy, multiple = 4, temperature = 2.000000e+00>
//       CHECK: scale = #sparsedrop.scale_mode<pattern>
func.func @all(%x: tensor<8x64xf32>, %w: tensor<64x96xf32>, %init: tensor<8x96xf32>,
               %i: tensor<1x8x8x16xf32>, %f: tensor<3x3x16x4xf32>, %o: tensor<1x6x6x4xf32>,
               %p: !sparsedrop.pattern<row, granularity = 16>,
               %q: !sparsedrop.pattern<tile, tile = [8, 16], order = linear>,
               %r: !sparsedrop.pattern<channel>, %seed: i64, %step: i64) {
  %0 = linalg.matmul
      {sparsedrop.dropout = [
        #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "x", dim = 1, granularity = 2,
                            max_period = 3, scale = pattern, distribution = [0.2, 0.2, 0.6]>,
        #sparsedrop.dropout<tile, operand = 1, rate = 0.25, site = "w", tile = [4, 4], order = linear>]}
      ins(%x, %w : tensor<8x64xf32>, tensor<64x96xf32>) outs(%init : tensor<8x96xf32>) -> tensor<8x96xf32>
  %1 = linalg.conv_2d_nhwc_hwcf
      {sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "maps", scale = energy, multiple = 4, temperature = 2.000000e+00>}
      ins(%i, %f : tensor<1x8x8x16xf32>, tensor<3x3x16x4xf32>) outs(%o : tensor<1x6x6x4xf32>) -> tensor<1x6x6x4xf32>
  %n = arith.constant 64 : index
  %2 = sparsedrop.sample "s" seed(%seed) step(%step) extents(%n)
      {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<pattern>} : !sparsedrop.pattern<row>
  return
}
