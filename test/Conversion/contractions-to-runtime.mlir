// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-contractions-to-runtime)' | FileCheck %s

// A matmul on strided views: three loops; the zero fill right before is
// absorbed.

//       CHECK: func.func private @sparsedrop_contract(i64, i64, i32, i32, i32, i64, i64, i64, i32)
// CHECK-LABEL: func @strided
//   CHECK-DAG:   memref.alloca() : memref<3x5xi64>
//   CHECK-NOT:   linalg.fill
//       CHECK:   call @sparsedrop_contract
//   CHECK-NOT:   linalg
//       CHECK:   return
func.func @strided(%a: memref<4x?xf32, strided<[64, 3], offset: ?>>, %b: memref<?x8xf32, strided<[24, 1], offset: 5>>,
                   %c: memref<4x8xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%c : memref<4x8xf32>)
  linalg.matmul ins(%a, %b : memref<4x?xf32, strided<[64, 3], offset: ?>>, memref<?x8xf32, strided<[24, 1], offset: 5>>)
                outs(%c : memref<4x8xf32>)
  return
}

// A convolution is a product of seven loops.

// CHECK-LABEL: func @convolution
//       CHECK:   memref.alloca() : memref<7x5xi64>
//       CHECK:   call @sparsedrop_contract
func.func @convolution(%x: memref<1x9x9x4xbf16>, %w: memref<3x3x4x8xbf16>, %y: memref<1x4x4x8xf32>) {
  linalg.conv_2d_nhwc_hwcf {strides = dense<2> : tensor<2xi64>}
      ins(%x, %w : memref<1x9x9x4xbf16>, memref<3x3x4x8xbf16>) outs(%y : memref<1x4x4x8xf32>)
  return
}

// Integers, other bodies and reads of the filled buffer in between are not.

// CHECK-LABEL: func @others
//       CHECK:   linalg.matmul
//       CHECK:   linalg.generic
func.func @others(%a: memref<4x4xi32>, %c: memref<4x4xi32>, %x: memref<4xf32>, %y: memref<f32>) {
  linalg.matmul ins(%a, %a : memref<4x4xi32>, memref<4x4xi32>) outs(%c : memref<4x4xi32>)
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>, affine_map<(i) -> ()>],
                  iterator_types = ["reduction"]} ins(%x, %x : memref<4xf32>, memref<4xf32>) outs(%y : memref<f32>) {
    ^bb0(%p: f32, %q: f32, %o: f32):
      %m = arith.mulf %p, %q : f32
      %s = arith.maximumf %o, %m : f32
      linalg.yield %s : f32
  }
  return
}

// CHECK-LABEL: func @seen
//       CHECK:   linalg.fill
//       CHECK:   memref.load
//       CHECK:   call @sparsedrop_contract
func.func @seen(%a: memref<4x4xf32>, %c: memref<4x4xf32>, %i: index) -> f32 {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%c : memref<4x4xf32>)
  %v = memref.load %c[%i, %i] : memref<4x4xf32>
  linalg.matmul ins(%a, %a : memref<4x4xf32>, memref<4x4xf32>) outs(%c : memref<4x4xf32>)
  return %v : f32
}

// Each output has factors of its own: no product for BLAS.

// CHECK-LABEL: func.func @sums_of_pairs(
//   CHECK-NOT:   call @sparsedrop_contract
//       CHECK:   linalg.generic
func.func @sums_of_pairs(%a: memref<2x5x3xf32>, %b: memref<2x5x3xf32>, %c: memref<2x3xf32>) {
  linalg.generic {indexing_maps = [affine_map<(n, p, c) -> (n, p, c)>, affine_map<(n, p, c) -> (n, p, c)>, affine_map<(n, p, c) -> (n, c)>],
      iterator_types = ["parallel", "reduction", "parallel"]}
      ins(%a, %b : memref<2x5x3xf32>, memref<2x5x3xf32>) outs(%c : memref<2x3xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %m = arith.mulf %x, %y : f32
    %s = arith.addf %o, %m : f32
    linalg.yield %s : f32
  }
  return
}
