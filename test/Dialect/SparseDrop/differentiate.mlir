// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-differentiate,canonicalize,cse)' | FileCheck %s

// The gradients of a product are products over the same loops, of their own
// names, and a dropout's is the dropout with the same pattern.

// CHECK-DAG: #[[$DY:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[$W:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func @layer_grad(
// CHECK-SAME: %[[X:.*]]: tensor<8x64xf32>, %[[WEIGHT:.*]]: tensor<64x16xf32>, %{{.*}}: tensor<8x16xf32>,
// CHECK-SAME: %[[P:.*]]: !sparsedrop.pattern<row>, %[[SEED:.*]]: tensor<8x16xf32>)
// CHECK-SAME: -> (tensor<8x16xf32>, tensor<8x64xf32>, tensor<64x16xf32>)
// CHECK: %[[D:.*]] = sparsedrop.dropout %[[X]], %[[P]] dim(1)
// CHECK: %[[Y:.*]] = linalg.matmul ins(%[[D]], %[[WEIGHT]]
// CHECK: %[[DD:.*]] = linalg.matmul indexing_maps = [#[[$DY]], #[[$W]], #{{.*}}] {sparsedrop.product = "dgrad"} ins(%[[SEED]], %[[WEIGHT]]
// CHECK: %[[DW:.*]] = linalg.matmul {{.*}} {sparsedrop.product = "wgrad"} ins(%[[D]], %[[SEED]]
// CHECK: %[[DX:.*]] = sparsedrop.dropout %[[DD]], %[[P]] dim(1)
// CHECK: return %[[Y]], %[[DX]], %[[DW]]
func.func @layer(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %zero: tensor<8x16xf32>, %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> attributes {sparsedrop.differentiate = {wrt = [0, 1]}} {
  %d = sparsedrop.dropout %x, %p dim(1) : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %y = linalg.matmul ins(%d, %w : tensor<8x64xf32>, tensor<64x16xf32>) outs(%zero : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// The derivative of tanh is made of its value, which is kept.

// CHECK-LABEL: func @activation_grad(
// CHECK: %[[VALUE:.*]] = linalg.generic
// CHECK: math.tanh
// CHECK: linalg.generic {{.*}} ins(%[[VALUE]], %{{.*}}
// CHECK-NOT: math.tanh
// CHECK: arith.mulf
// CHECK: arith.subf
// CHECK: arith.mulf
func.func @activation(%x: tensor<8xf32>) -> tensor<8xf32> attributes {sparsedrop.differentiate} {
  %e = tensor.empty() : tensor<8xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]} ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) {
    ^bb0(%a: f32, %o: f32):
      %t = math.tanh %a : f32
      linalg.yield %t : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}
