// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-lower-kernels)' --split-input-file --verify-diagnostics | FileCheck %s

// What is an instruction becomes one, and f32 exp a polynomial; others are calls.

gpu.module @f32 {
  // CHECK-LABEL: gpu.module @f32
  //       CHECK: llvm.func @_Z3logf(f32) -> f32
  // CHECK-LABEL: llvm.func @f
  //   CHECK-NOT: llvm.call
  //   CHECK-DAG: llvm.intr.fma
  //   CHECK-DAG: llvm.intr.sqrt
  //       CHECK: llvm.call @_Z3logf
  //   CHECK-NOT: math.
  llvm.func @f(%x: f32) -> f32 {
    %0 = math.exp %x : f32
    %1 = math.sqrt %0 : f32
    %2 = math.log %1 : f32
    llvm.return %2 : f32
  }
}

// -----

// 16-bit types go through f32, and round once.

gpu.module @bf16 {
  // CHECK-LABEL: llvm.func @f
  //       CHECK: llvm.fpext %{{.*}} : bf16 to f32
  //       CHECK: llvm.call @_Z3logf
  //       CHECK: llvm.fptrunc %{{.*}} : f32 to bf16
  //       CHECK: llvm.fpext %{{.*}} : bf16 to f32
  //       CHECK: llvm.intr.sqrt(%{{.*}}) : (f32) -> f32
  //       CHECK: llvm.fdiv {{.*}} : f32
  //       CHECK: llvm.fptrunc %{{.*}} : f32 to bf16
  //   CHECK-NOT: math.
  llvm.func @f(%x: bf16) -> bf16 {
    %0 = math.log %x : bf16
    %1 = math.rsqrt %0 : bf16
    llvm.return %1 : bf16
  }
}

// -----

// Zeros keep their sign where the library's functions lose it.

gpu.module @zeros {
  // CHECK-LABEL: llvm.func @f
  //  CHECK-SAME: (%[[X:.*]]: f64)
  //       CHECK: %[[SIN:.*]] = llvm.call @_Z3sind(%[[X]])
  //       CHECK: %[[ZERO:.*]] = llvm.fcmp "oeq" %[[X]], %{{.*}} : f64
  //       CHECK: %[[R:.*]] = llvm.select %[[ZERO]], %[[X]], %[[SIN]]
  //       CHECK: llvm.return %[[R]]
  llvm.func @f(%x: f64) -> f64 {
    %0 = math.sin %x : f64
    llvm.return %0 : f64
  }
}

// -----

// An exponent of 32 bits is exact in f64 only, and so is a sign.

gpu.module @powers {
  // CHECK-LABEL: llvm.func @unknown
  //       CHECK: llvm.sitofp %{{.*}} : i32 to f64
  //       CHECK: llvm.call @_Z3powdd
  llvm.func @unknown(%x: f32, %n: i32) -> f32 {
    %0 = math.fpowi %x, %n : f32, i32
    llvm.return %0 : f32
  }
  // CHECK-LABEL: llvm.func @known
  //       CHECK: llvm.call @_Z3powff
  llvm.func @known(%x: f32) -> f32 {
    %n = arith.constant 5 : i32
    %0 = math.fpowi %x, %n : f32, i32
    llvm.return %0 : f32
  }
}

// -----

// No op of the math dialect need be there for a remainder.

gpu.module @remainder {
  // CHECK-LABEL: llvm.func @f
  //   CHECK-NOT: llvm.frem
  //       CHECK: llvm.urem
  //       CHECK: llvm.cond_br
  //       CHECK: llvm.intr.copysign
  //   CHECK-NOT: llvm.frem
  //       CHECK: llvm.return
  llvm.func @f(%x: f32, %y: f32) -> f32 {
    %0 = arith.remf %x, %y : f32
    llvm.return %0 : f32
  }
}

// -----

// Two results, and results of another type than the operand.

gpu.module @others {
  // CHECK-LABEL: llvm.func @f
  //   CHECK-DAG: llvm.call @_Z3sinf
  //   CHECK-DAG: llvm.call @_Z3cosf
  //   CHECK-DAG: llvm.intr.is.fpclass"(%{{.*}}) <{bit = 516 : i32}>
  //   CHECK-NOT: math.
  llvm.func @f(%x: f32) -> !llvm.struct<(f32, f32, i1)> {
    %s, %c = math.sincos %x : f32
    %i = math.isinf %x : f32
    %u = llvm.mlir.undef : !llvm.struct<(f32, f32, i1)>
    %0 = llvm.insertvalue %s, %u[0] : !llvm.struct<(f32, f32, i1)>
    %1 = llvm.insertvalue %c, %0[1] : !llvm.struct<(f32, f32, i1)>
    %2 = llvm.insertvalue %i, %1[2] : !llvm.struct<(f32, f32, i1)>
    llvm.return %2 : !llvm.struct<(f32, f32, i1)>
  }
}

// -----

gpu.module @wide {
  llvm.func @f(%x: f80) -> f80 {
    // expected-error @below {{cannot run on the device: nothing expands 'math.log' on 'f80'}}
    %0 = math.log %x : f80
    llvm.return %0 : f80
  }
}
