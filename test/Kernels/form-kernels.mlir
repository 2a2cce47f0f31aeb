// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-form-kernels)' | FileCheck %s

// CHECK: affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1 * 2 + d4, d2 * 2 + d5, d6)>

// Whatever the op is called, its maps say what it is.

// CHECK-LABEL: func.func @batched
// CHECK: sparsedrop.contract
// CHECK-SAME: ins(%{{.*}}, %{{.*}} : tensor<3x8x4xbf16>, tensor<3x4x6xbf16>) outs(%{{.*}} : tensor<3x8x6xbf16>)
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32, %{{.*}}: bf16):
// CHECK-NEXT: %[[R:.*]] = arith.truncf %[[SUM]] : f32 to bf16
// CHECK-NEXT: sparsedrop.yield %[[R]]
func.func @batched(%x: tensor<3x8x4xbf16>, %w: tensor<3x4x6xbf16>, %y: tensor<3x8x6xbf16>) -> tensor<3x8x6xbf16> {
  %zero = arith.constant 0.0 : bf16
  %0 = linalg.fill ins(%zero : bf16) outs(%y : tensor<3x8x6xbf16>) -> tensor<3x8x6xbf16>
  %1 = linalg.batch_matmul ins(%x, %w : tensor<3x8x4xbf16>, tensor<3x4x6xbf16>) outs(%0 : tensor<3x8x6xbf16>) -> tensor<3x8x6xbf16>
  return %1 : tensor<3x8x6xbf16>
}

// What it starts from is added in the epilogue.

// CHECK-LABEL: func.func @accumulate
// CHECK: sparsedrop.contract
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f64, %[[OLD:.*]]: f64):
// CHECK-NEXT: %[[R:.*]] = arith.addf %[[OLD]], %[[SUM]] : f64
// CHECK-NEXT: sparsedrop.yield %[[R]]
func.func @accumulate(%x: tensor<8x4xf64>, %w: tensor<4x6xf64>, %y: tensor<8x6xf64>) -> tensor<8x6xf64> {
  %1 = linalg.matmul ins(%x, %w : tensor<8x4xf64>, tensor<4x6xf64>) outs(%y : tensor<8x6xf64>) -> tensor<8x6xf64>
  return %1 : tensor<8x6xf64>
}

// CHECK-LABEL: func.func @convolution
// CHECK: sparsedrop.contract
func.func @convolution(%x: tensor<1x9x9x4xf32>, %w: tensor<3x3x4x8xf32>, %y: tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32> {
  %1 = linalg.conv_2d_nhwc_hwcf {strides = dense<2> : tensor<2xi64>}
    ins(%x, %w : tensor<1x9x9x4xf32>, tensor<3x3x4x8xf32>) outs(%y : tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
  return %1 : tensor<1x4x4x8xf32>
}

// CHECK-LABEL: func.func @other
// CHECK-NOT: sparsedrop.contract
// CHECK: linalg.reduce
// CHECK: linalg.matmul
func.func @other(%x: tensor<8x4xf32>, %y: tensor<8xf32>, %i: tensor<8x4xi32>, %j: tensor<4x8xi32>, %k: tensor<8x8xi32>) -> (tensor<8xf32>, tensor<8x8xi32>) {
  %0 = linalg.reduce { arith.addf } ins(%x : tensor<8x4xf32>) outs(%y : tensor<8xf32>) dimensions = [1]
  %1 = linalg.matmul ins(%i, %j : tensor<8x4xi32>, tensor<4x8xi32>) outs(%k : tensor<8x8xi32>) -> tensor<8x8xi32>
  return %0, %1 : tensor<8xf32>, tensor<8x8xi32>
}

// Nothing is read twice: a reduction, unless it would add up in 16 bits.

// CHECK-LABEL: func.func @pairs
// CHECK-NOT: sparsedrop.contract
// CHECK: linalg.generic
// CHECK: sparsedrop.contract {{.*}}tensor<5x7xbf16>
func.func @pairs(%x: tensor<5x7xf32>, %y: tensor<5x7xf32>, %s: tensor<7xf32>, %u: tensor<5x7xbf16>, %v: tensor<7xbf16>)
    -> (tensor<7xf32>, tensor<7xbf16>) {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>],
      iterator_types = ["reduction", "parallel"]} ins(%x, %y : tensor<5x7xf32>, tensor<5x7xf32>) outs(%s : tensor<7xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %p = arith.mulf %a, %b : f32
    %q = arith.addf %sum, %p : f32
    linalg.yield %q : f32
  } -> tensor<7xf32>
  %1 = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>],
      iterator_types = ["reduction", "parallel"]} ins(%u, %u : tensor<5x7xbf16>, tensor<5x7xbf16>) outs(%v : tensor<7xbf16>) {
  ^bb0(%a: bf16, %b: bf16, %sum: bf16):
    %p = arith.mulf %a, %b : bf16
    %q = arith.addf %sum, %p : bf16
    linalg.yield %q : bf16
  } -> tensor<7xbf16>
  return %0, %1 : tensor<7xf32>, tensor<7xbf16>
}

// What a loop only reads is not what a product adds to in place.

// CHECK-LABEL: func.func @in_loop
// CHECK: %[[X:.*]] = tensor.extract_slice
// CHECK: %[[E:.*]] = tensor.empty() : tensor<2x3xbf16>
// CHECK: sparsedrop.contract {{.*}} with(%[[X]] : tensor<2x3xbf16>) outs(%[[E]] : tensor<2x3xbf16>)
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32, %[[OLD:.*]]: bf16, %{{.*}}: bf16):
// CHECK: %[[WIDE:.*]] = arith.extf %[[OLD]]
// CHECK: arith.addf %[[WIDE]], %[[SUM]]
// CHECK: sparsedrop.contract {{.*}} outs(%{{.*}} : tensor<2x3xbf16>)
func.func @in_loop(%x: tensor<5x2x3xbf16>, %w: tensor<3x3xbf16>, %h: tensor<2x3xbf16>) -> tensor<2x3xbf16> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %0 = scf.for %i = %c0 to %c5 step %c1 iter_args(%s = %h) -> (tensor<2x3xbf16>) {
    %xi = tensor.extract_slice %x[%i, 0, 0] [1, 2, 3] [1, 1, 1] : tensor<5x2x3xbf16> to tensor<2x3xbf16>
    %p = linalg.matmul ins(%s, %w : tensor<2x3xbf16>, tensor<3x3xbf16>) outs(%xi : tensor<2x3xbf16>) -> tensor<2x3xbf16>
    %q = linalg.matmul ins(%p, %w : tensor<2x3xbf16>, tensor<3x3xbf16>) outs(%s : tensor<2x3xbf16>) -> tensor<2x3xbf16>
    scf.yield %q : tensor<2x3xbf16>
  }
  return %0 : tensor<2x3xbf16>
}
