// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-emit-kernels{overlap=true})' | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-emit-kernels)' | FileCheck %s --check-prefix=NONE
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-to-nvvm)' | FileCheck %s --check-prefix=PTX
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-to-nvvm{chip=sm_80})' | FileCheck %s --check-prefix=NONE
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-to-nvvm{overlap=false})' | FileCheck %s --check-prefix=NONE

// A kernel that begins before the one before has ended waits before it touches
// memory, and lets the next one begin.

// CHECK: gpu.module @sparsedrop_kernels attributes {sparsedrop.overlaps}
// CHECK: llvm.func @elementwise
// CHECK: nvvm.griddepcontrol wait
// CHECK-NEXT: nvvm.griddepcontrol launch_dependents
// CHECK: llvm.load

// PTX: gpu.binary @sparsedrop_kernels {{.*}}sparsedrop.overlaps
// PTX-SAME: griddepcontrol.wait;
// PTX-SAME: griddepcontrol.launch_dependents;

// NONE-NOT: sparsedrop.overlaps
// NONE-NOT: griddepcontrol
func.func @square(%x: memref<64xf32>, %y: memref<64xf32>) {
  linalg.square {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [64], vector = [1]>} ins(%x : memref<64xf32>) outs(%y : memref<64xf32>)
  return
}
