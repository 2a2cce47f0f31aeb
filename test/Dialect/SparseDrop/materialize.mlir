// RUN: sparsedrop-opt %s --split-input-file --pass-pipeline='builtin.module(sparsedrop-materialize)' | FileCheck %s

// One site, one draw; the function gains seed and step; its caller passes them.

// CHECK-LABEL: func private @layer
//  CHECK-SAME: %[[SEED:[a-z0-9]+]]: i64 {sparsedrop.seed}, %[[STEP:[a-z0-9]+]]: i64 {sparsedrop.step})
//       CHECK: %[[P:.*]] = sparsedrop.sample "qkv" seed(%[[SEED]]) step(%[[STEP]])
//   CHECK-NOT: sparsedrop.sample
//       CHECK: sparsedrop.dropout %{{.*}}, %[[P]] dim(1)
//       CHECK: linalg.matmul ins
//       CHECK: sparsedrop.dropout %{{.*}}, %[[P]] dim(1)
//       CHECK: linalg.matmul ins
func.func private @layer(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "qkv">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  %k = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "qkv">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q, %k : tensor<4x4xf32>, tensor<4x4xf32>
}

// CHECK-LABEL: func @caller
//  CHECK-SAME: %[[SEED:[a-z0-9]+]]: i64 {sparsedrop.seed}, %[[STEP:[a-z0-9]+]]: i64 {sparsedrop.step})
//       CHECK: call @layer(%{{.*}}, %{{.*}}, %{{.*}}, %[[SEED]], %[[STEP]])
func.func @caller(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0:2 = call @layer(%x, %w, %c) : (tensor<4x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>)
  return %0#0 : tensor<4x4xf32>
}

// -----

// Marked arguments are used as they are.

// CHECK-LABEL: func @marked
//  CHECK-SAME: (%[[STEP:[a-z0-9]+]]: i64 {sparsedrop.step}, %[[SEED:[a-z0-9]+]]: i64 {sparsedrop.seed}, %{{[a-z0-9]+}}: tensor<4x8xf32>, %{{[a-z0-9]+}}: tensor<8x4xf32>, %{{[a-z0-9]+}}: tensor<4x4xf32>)
//       CHECK: sparsedrop.sample "s" seed(%[[SEED]]) step(%[[STEP]])
func.func @marked(%step: i64 {sparsedrop.step}, %seed: i64 {sparsedrop.seed},
                  %x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}

// -----

// Rate 0 leaves the program as it was, signature included.

// CHECK-LABEL: func @rate_zero
//  CHECK-SAME: (%{{[a-z0-9]+}}: tensor<4x8xf32>, %{{[a-z0-9]+}}: tensor<8x4xf32>, %{{[a-z0-9]+}}: tensor<4x4xf32>) -> tensor<4x4xf32>
//  CHECK-NEXT: linalg.matmul ins
//  CHECK-NEXT: return
func.func @rate_zero(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.0, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}

// -----

// The contraction dimension of each operand, by its indexing map; tile names
// the output dimension first.

// CHECK-LABEL: func @dims
//       CHECK: sparsedrop.sample "channels" {{.*}} sensitivity(%{{.*}}) count(%{{.*}})
//       CHECK: sparsedrop.dropout %{{.*}} dim(2) : tensor<3x4x8xf32>
//       CHECK: sparsedrop.dropout %{{.*}} dim(1, 0) : tensor<64x32xf32>, !sparsedrop.pattern<tile>
//       CHECK: sparsedrop.dropout %{{.*}} dim(1) : tensor<1x16x9x9xf32>, !sparsedrop.pattern<channel>
func.func @dims(%a: tensor<3x4x8xf32>, %b: tensor<3x8x4xf32>, %c: tensor<3x4x4xf32>,
                %x: tensor<4x64xf32>, %w: tensor<64x32xf32>, %y: tensor<4x32xf32>,
                %i: tensor<1x16x9x9xf32>, %f: tensor<8x16x3x3xf32>, %o: tensor<1x8x7x7xf32>,
                %s: tensor<16xf32> {sparsedrop.sensitivity = "channels"})
    -> (tensor<3x4x4xf32>, tensor<4x32xf32>, tensor<1x8x7x7xf32>) {
  %0 = linalg.batch_matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "a">}
    ins(%a, %b : tensor<3x4x8xf32>, tensor<3x8x4xf32>) outs(%c : tensor<3x4x4xf32>) -> tensor<3x4x4xf32>
  %1 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<tile, operand = 1, rate = 0.25, site = "b">}
    ins(%x, %w : tensor<4x64xf32>, tensor<64x32xf32>) outs(%y : tensor<4x32xf32>) -> tensor<4x32xf32>
  %2 = linalg.conv_2d_nchw_fchw {sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "channels">}
    ins(%i, %f : tensor<1x16x9x9xf32>, tensor<8x16x3x3xf32>) outs(%o : tensor<1x8x7x7xf32>) -> tensor<1x8x7x7xf32>
  return %0, %1, %2 : tensor<3x4x4xf32>, tensor<4x32xf32>, tensor<1x8x7x7xf32>
}

// -----

// What zeros are put around is dropped before that, but not along the padding.

// CHECK-LABEL: func @padded(
//  CHECK-SAME:   %[[X:[^:]*]]: tensor<1x7x16xf32>
//       CHECK:   %[[D:.*]] = sparsedrop.dropout %[[X]], %{{.*}} dim(2) : tensor<1x7x16xf32>
//       CHECK:   %[[P:.*]] = tensor.pad %[[D]] low[0, 1, 0] high[0, 1, 0]
//       CHECK:   linalg.conv_1d_nwc_wcf {{.*}}ins(%[[P]],
//       CHECK:   %[[Q:.*]] = tensor.pad %[[X]] low[0, 1, 0] high[0, 1, 2]
//       CHECK:   sparsedrop.dropout %[[Q]], %{{.*}} dim(2) : tensor<1x9x18xf32>
func.func @padded(%x: tensor<1x7x16xf32>, %w: tensor<3x16x4xf32>, %v: tensor<3x18x4xf32>, %z: tensor<1x7x4xf32>) -> tensor<1x7x4xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 1, 0] high[0, 1, 0] {
  ^bb0(%i: index, %j: index, %k: index):
    tensor.yield %zero : f32
  } : tensor<1x7x16xf32> to tensor<1x9x16xf32>
  %0 = linalg.conv_1d_nwc_wcf {sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "p">}
      ins(%p, %w : tensor<1x9x16xf32>, tensor<3x16x4xf32>) outs(%z : tensor<1x7x4xf32>) -> tensor<1x7x4xf32>
  %q = tensor.pad %x low[0, 1, 0] high[0, 1, 2] {
  ^bb0(%i: index, %j: index, %k: index):
    tensor.yield %zero : f32
  } : tensor<1x7x16xf32> to tensor<1x9x18xf32>
  %1 = linalg.conv_1d_nwc_wcf {sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "q">}
      ins(%q, %v : tensor<1x9x18xf32>, tensor<3x18x4xf32>) outs(%0 : tensor<1x7x4xf32>) -> tensor<1x7x4xf32>
  return %1 : tensor<1x7x4xf32>
}
