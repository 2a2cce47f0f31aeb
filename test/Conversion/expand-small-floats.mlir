// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-expand-small-floats)' | FileCheck %s --implicit-check-not=f8E4M3FNUZ

// The upper half of an f16.

// CHECK-LABEL: func @f(
//  CHECK-SAME:   %[[X:.*]]: f8E5M2
//       CHECK:   %[[C8:.*]] = arith.constant 8 : i16
//       CHECK:   %[[HALF:.*]] = arith.shli %{{.*}}, %[[C8]] : i16
//       CHECK:   %[[F16:.*]] = arith.bitcast %[[HALF]] : i16 to f16
//       CHECK:   %[[WIDE:.*]] = arith.extf %[[F16]] : f16 to f32
//       CHECK:   return %[[WIDE]]
func.func @f(%x: f8E5M2) -> f32 {
  %0 = arith.extf %x : f8E5M2 to f32
  return %0 : f32
}

// Its exponent has another bias, and one number is NaN.

// CHECK-LABEL: func @fine(
//       CHECK:   arith.select
//       CHECK:   arith.mulf %{{.*}}, %{{.*}} : f32
//       CHECK:   arith.extf %{{.*}} : f32 to f64
func.func @fine(%x: f8E4M3FN) -> f64 {
  %0 = arith.extf %x : f8E4M3FN to f64
  return %0 : f64
}

// Vectors, too.

// CHECK-LABEL: func @vectors(
//       CHECK:   arith.bitcast %{{.*}} : vector<4xf32> to vector<4xi32>
//       CHECK:   arith.bitcast %{{.*}} : vector<4xi8> to vector<4xf8E4M3FN>
//   CHECK-NOT:   arith.truncf
//       CHECK:   return
func.func @vectors(%x: vector<4xf32>) -> vector<4xf8E4M3FN> {
  %0 = arith.truncf %x : vector<4xf32> to vector<4xf8E4M3FN>
  return %0 : vector<4xf8E4M3FN>
}

// Arithmetic is that of f32; constants, bits and selections stay.

// CHECK-LABEL: func @arithmetic(
//       CHECK:   %[[ONE:.*]] = arith.constant 1.000000e+00 : f8E5M2
//       CHECK:   arith.select %{{.*}}, %{{.*}}, %[[ONE]] : f8E5M2
//       CHECK:   arith.mulf %{{.*}}, %{{.*}} fastmath<contract> : f32
//       CHECK:   math.exp %{{.*}} : f32
//       CHECK:   arith.cmpf olt, %{{.*}}, %{{.*}} : f32
func.func @arithmetic(%c: i1, %x: f8E5M2, %y: f8E5M2) -> (f8E5M2, f8E5M2, i1) {
  %one = arith.constant 1.0 : f8E5M2
  %0 = arith.select %c, %x, %one : f8E5M2
  %1 = arith.mulf %0, %y fastmath<contract> : f8E5M2
  %2 = math.exp %x : f8E5M2
  %3 = arith.cmpf olt, %x, %y : f8E5M2
  return %1, %2, %3 : f8E5M2, f8E5M2, i1
}

// From one format to the other.

// CHECK-LABEL: func @other(
//   CHECK-NOT:   f8E5M2 to f8E4M3FN
//       CHECK:   return %{{.*}} : f8E5M2
func.func @other(%x: f8E4M3FN) -> f8E5M2 {
  %0 = arith.extf %x : f8E4M3FN to f16
  %1 = arith.truncf %0 : f16 to f8E5M2
  return %1 : f8E5M2
}

// Those of other hardware are nobody's.

// CHECK-LABEL: func @foreign(
//       CHECK:   arith.extf %{{.*}} : f8E4M3B11FNUZ to f32
func.func @foreign(%x: f8E4M3B11FNUZ) -> f32 {
  %0 = arith.extf %x : f8E4M3B11FNUZ to f32
  return %0 : f32
}
