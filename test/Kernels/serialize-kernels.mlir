// RUN: not sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-serialize-kernels)' 2>&1 | FileCheck %s

// A kernel that needs what no library has would fail only when it is loaded.

// CHECK: error: cannot compile the kernels: they call 'magic', which no library for devices has
gpu.module @sparsedrop_kernels {
  llvm.func @magic(f32) -> f32
  llvm.func @kernel(%x: !llvm.ptr<1>) attributes {nvvm.kernel} {
    %0 = llvm.load %x : !llvm.ptr<1> -> f32
    %1 = llvm.call @magic(%0) : (f32) -> f32
    llvm.store %1, %x : f32, !llvm.ptr<1>
    llvm.return
  }
}
