// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-approximate-math)' | FileCheck %s

// No function of f32 and no instruction stays a call.

// CHECK-LABEL: func @f32
//   CHECK-NOT: math.
//       CHECK: llvm.intr.fma
//   CHECK-NOT: math.
//       CHECK: llvm.intr.sqrt
//   CHECK-NOT: math.
func.func @f32(%x: f32) -> (f32, f32, f32, f32) {
  %0 = math.exp %x : f32
  %1 = math.tanh %x : f32
  %2 = math.erf %x : f32
  %3 = math.sqrt %x : f32
  return %0, %1, %2, %3 : f32, f32, f32, f32
}

// 16-bit types go through f32.

// CHECK-LABEL: func @bf16
//       CHECK: arith.extf %{{.*}} : bf16 to f32
//   CHECK-NOT: math.
//       CHECK: arith.truncf %{{.*}} : f32 to bf16
func.func @bf16(%x: bf16) -> bf16 {
  %0 = math.tanh %x : bf16
  return %0 : bf16
}

// What would lose accuracy stays.

// CHECK-LABEL: func @others
//       CHECK: math.exp %{{.*}} : f64
//       CHECK: math.log %{{.*}} : f32
//       CHECK: math.log1p %{{.*}} : f32
//       CHECK: math.expm1 %{{.*}} : f32
func.func @others(%x: f64, %y: f32) -> (f64, f32, f32, f32) {
  %0 = math.exp %x : f64
  %1 = math.log %y : f32
  %2 = math.log1p %y : f32
  %3 = math.expm1 %y : f32
  return %0, %1, %2, %3 : f64, f32, f32, f32
}
