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

// What is extended comes back rounded, and the other way round. A sum of 16-bit
// gradients is one of f32, rounded once: it takes terms as they were before they
// were rounded.

// CHECK-LABEL: func @conversions_grad(
// CHECK-SAME: %[[X:.*]]: tensor<8x5xbf16>, %[[B:.*]]: tensor<5xbf16>, %[[SEED:.*]]: tensor<8x5xbf16>)
// CHECK-SAME: -> (tensor<8x5xbf16>, tensor<8x5xbf16>, tensor<5xbf16>)
// CHECK: math.tanh
// CHECK: arith.truncf
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]} ins({{.*}}%[[SEED]]{{.*}} outs(%{{.*}} : tensor<8x5xbf16>)
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: arith.subf
// CHECK-NEXT: %[[TERM:.*]] = arith.mulf %{{.*}} : f32
// CHECK-NEXT: %[[ROUNDED:.*]] = arith.truncf %[[TERM]] : f32 to bf16
// CHECK-NEXT: linalg.yield %[[ROUNDED]] : bf16
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins({{.*}}%[[SEED]]{{.*}} outs(%{{.*}} : tensor<5xf32>)
// CHECK: arith.subf
// CHECK-NEXT: %[[TERM:.*]] = arith.mulf %{{.*}} : f32
// CHECK-NEXT: %[[SUM:.*]] = arith.addf %{{.*}}, %[[TERM]] : f32
// CHECK-NEXT: linalg.yield %[[SUM]] : f32
// CHECK: arith.truncf
// CHECK-NEXT: linalg.yield %{{.*}} : bf16
func.func @conversions(%x: tensor<8x5xbf16>, %b: tensor<5xbf16>) -> tensor<8x5xbf16> attributes {sparsedrop.differentiate = {wrt = [0, 1]}} {
  %e = tensor.empty() : tensor<8x5xbf16>
  %y = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]} ins(%x, %b : tensor<8x5xbf16>, tensor<5xbf16>) outs(%e : tensor<8x5xbf16>) {
    ^bb0(%p: bf16, %q: bf16, %o: bf16):
      %r = arith.extf %p : bf16 to f32
      %s = arith.extf %q : bf16 to f32
      %t = arith.addf %r, %s : f32
      %f = math.tanh %t : f32
      %g = arith.truncf %f : f32 to bf16
      linalg.yield %g : bf16
  } -> tensor<8x5xbf16>
  return %y : tensor<8x5xbf16>
}

// The gradients of a 16-bit product are products with f32 sums.

// CHECK-LABEL: func @narrow_layer_grad(
// CHECK: linalg.matmul {{.*}} {sparsedrop.product = "dgrad"} ins(%{{.*}} : tensor<8x16xf16>, tensor<64x16xf16>) outs(%{{.*}} : tensor<8x64xf32>)
// CHECK: linalg.generic
// CHECK: arith.truncf %{{.*}} : f32 to f16
// CHECK: linalg.matmul {{.*}} {sparsedrop.product = "wgrad"} ins(%{{.*}} : tensor<8x64xf16>, tensor<8x16xf16>) outs(%{{.*}} : tensor<64x16xf32>)
// CHECK: linalg.generic
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @narrow_layer(%x: tensor<8x64xf16>, %w: tensor<64x16xf16>, %zero: tensor<8x16xf16>) -> tensor<8x16xf16> attributes {sparsedrop.differentiate = {wrt = [0, 1]}} {
  %y = linalg.matmul ins(%x, %w : tensor<8x64xf16>, tensor<64x16xf16>) outs(%zero : tensor<8x16xf16>) -> tensor<8x16xf16>
  return %y : tensor<8x16xf16>
}
