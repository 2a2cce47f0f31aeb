// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-emit-kernels)' --split-input-file --verify-diagnostics | FileCheck %s

// One kernel for two equal ops; what the host knows is a constant in it.

// CHECK-LABEL: func.func @twice
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : i64
// CHECK: call @sparsedrop_program_launch
// CHECK: call @sparsedrop_program_launch
// CHECK: gpu.module @sparsedrop_kernels
// CHECK: llvm.func @elementwise(%{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1>) attributes {nvvm.kernel, nvvm.reqntid = array<i32: 128, 1, 1>}
// CHECK: llvm.load {{.*}} {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
// CHECK-NOT: llvm.func
func.func @twice(%x: memref<64xf32>, %y: memref<64xf32>, %z: memref<64xf32>) {
  linalg.exp {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [128], vector = [4]>} ins(%x : memref<64xf32>) outs(%y : memref<64xf32>)
  linalg.exp {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [128], vector = [4]>} ins(%y : memref<64xf32>) outs(%z : memref<64xf32>)
  return
}

// -----

// A fill becomes part of the reduction that begins from it.

// CHECK-LABEL: func.func @sum
// CHECK-COUNT-1: call @sparsedrop_program_launch
// CHECK-NOT: call @sparsedrop_program_launch
// CHECK: llvm.func @reduce_rows
// CHECK: nvvm.shfl.sync bfly
func.func @sum(%x: memref<64x64xf32>) -> memref<64xf32> {
  %zero = arith.constant 0.0 : f32
  %y = memref.alloc() : memref<64xf32>
  linalg.fill {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [128], vector = [1]>} ins(%zero : f32) outs(%y : memref<64xf32>)
  linalg.reduce { arith.addf } ins(%x : memref<64x64xf32>) outs(%y : memref<64xf32>) dimensions = [1] {sparsedrop.kernel = #sparsedrop.kernel<reduce_rows, threads = [4, 32], vector = [1]>}
  return %y : memref<64xf32>
}

// -----

func.func @nothing_chosen(%x: memref<64xf32>) {
  // expected-error @below {{has no 'sparsedrop.kernel'; run sparsedrop-choose-kernels first}}
  linalg.exp ins(%x : memref<64xf32>) outs(%x : memref<64xf32>)
  return
}

// -----

func.func @wrong_family(%x: memref<64xf32>) {
  // expected-error @below {{cannot become a kernel of family 'plain'}}
  linalg.exp {sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [1, 1, 1]>} ins(%x : memref<64xf32>) outs(%x : memref<64xf32>)
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @wrong_tile(%x: memref<64x64xf32>) {
  // expected-error @below {{cannot become the kernel #sparsedrop.kernel<plain, tile = [48, 64, 16], vector = [1, 1, 1]>: expected rows and columns of 16, 32, 64 or a multiple of 64, and at least 256 elements of each factor}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [48, 64, 16], vector = [1, 1, 1]>}
      ins(%x, %x : memref<64x64xf32>, memref<64x64xf32>) outs(%x : memref<64x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
// 256 sums a thread: more than it has registers.
func.func @many_sums(%x: memref<64x64xf32>) {
  // expected-error @below {{its sums take 256 registers of a thread, more than 128}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [256, 256, 16], vector = [1, 1, 1]>}
      ins(%x, %x : memref<64x64xf32>, memref<64x64xf32>) outs(%x : memref<64x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @long_slices(%x: memref<64x64xf32>) {
  // expected-error @below {{its slices take 278528 bytes of shared memory, more than 163840}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [64, 64, 256], vector = [1, 1, 1]>}
      ins(%x, %x : memref<64x64xf32>, memref<64x64xf32>) outs(%x : memref<64x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @wrong_type(%x: memref<64x64xf32>) {
  // expected-error @below {{tensor cores multiply f16 or bf16 by the same type, floats of 8 bits, or f32 as tf32}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<tensor_core, tile = [64, 64, 32], warps = [2, 2], vector = [1, 1, 1], stages = 3>}
      ins(%x, %x : memref<64x64xf32>, memref<64x64xf32>) outs(%x : memref<64x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @small_floats(%x: memref<64x64xf8E5M2>, %y: memref<64x64xf32>) {
  // expected-error @below {{only wgmma multiplies floats of 8 bits}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<tensor_core, tile = [64, 64, 32], warps = [2, 2], vector = [1, 1, 1], stages = 3>}
      ins(%x, %x : memref<64x64xf8E5M2>, memref<64x64xf8E5M2>) outs(%y : memref<64x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @too_large(%x: memref<64x64xbf16>, %y: memref<64x64xf32>) {
  // expected-error @below {{its stages take 262144 bytes of shared memory, more than 163840}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<tensor_core, tile = [256, 256, 64], warps = [4, 2], vector = [8, 8, 1], stages = 4>}
      ins(%x, %x : memref<64x64xbf16>, memref<64x64xbf16>) outs(%y : memref<64x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

func.func @too_long(%x: memref<3000000000xf32>) {
  // expected-error @below {{cannot become a kernel: it has 3000000000 iterations in a row, expected fewer than 2113929216}}
  linalg.exp {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [128], vector = [4]>} ins(%x : memref<3000000000xf32>) outs(%x : memref<3000000000xf32>)
  return
}

// -----

// What only the call knows, it checks.

// CHECK-LABEL: func.func @dynamic
// CHECK: call @sparsedrop_program_check_extent
// CHECK: call @sparsedrop_program_launch
func.func @dynamic(%x: memref<?xf32>) {
  linalg.exp {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [128], vector = [1]>} ins(%x : memref<?xf32>) outs(%x : memref<?xf32>)
  return
}

// -----

#a = affine_map<(m, g, n, k) -> (m, k)>
#b = affine_map<(m, g, n, k) -> (k, g, n)>
#c = affine_map<(m, g, n, k) -> (m, n)>
func.func @joint_without_boxes(%x: memref<64x64xf32>, %w: memref<64x3x64xf32>, %y: memref<64x64xf32>) {
  // expected-error @below {{cannot become the kernel #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [4, 4, 4]>: expected 'columns', boxes with all of the joint loop}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], joint = 1, sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [4, 4, 4]>}
      ins(%x, %w : memref<64x64xf32>, memref<64x3x64xf32>) outs(%y : memref<64x64xf32>) {
  ^bb0(%s: f32, %t: f32, %u: f32, %o: f32):
    sparsedrop.yield %t : f32
  }
  return
}

// -----

#a = affine_map<(m, g, n, k) -> (m, k)>
#b = affine_map<(m, g, n, k) -> (k, g, n)>
#c = affine_map<(m, g, n, k) -> (m, n)>
func.func @joint_cut(%x: memref<64x64xf32>, %w: memref<64x3x64xf32>, %y: memref<64x64xf32>) {
  // expected-error @below {{expected boxes of 3 iterations of the joint loop, but got 2}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], joint = 1, sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [4, 4, 4], columns = [2, 32]>}
      ins(%x, %w : memref<64x64xf32>, memref<64x3x64xf32>) outs(%y : memref<64x64xf32>) {
  ^bb0(%s: f32, %t: f32, %u: f32, %o: f32):
    sparsedrop.yield %t : f32
  }
  return
}

// -----

#a = affine_map<(m, g, n, k) -> (m, g, k)>
#b = affine_map<(m, g, n, k) -> (k, n)>
#c = affine_map<(m, g, n, k) -> (m, n)>
func.func @joint_rows(%x: memref<64x3x64xf32>, %w: memref<64x64xf32>, %y: memref<64x64xf32>) {
  // expected-error @below {{expected a joint loop that indexes the same factor as the contiguous loop of the outputs, which is another one}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], joint = 1, sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [4, 4, 4]>}
      ins(%x, %w : memref<64x3x64xf32>, memref<64x64xf32>) outs(%y : memref<64x64xf32>) {
  ^bb0(%s: f32, %t: f32, %u: f32, %o: f32):
    sparsedrop.yield %t : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @columns_without_joint(%x: memref<64x64xf32>) {
  // expected-error @below {{only joint loops need boxes of columns}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [1, 1, 1], columns = [64]>}
      ins(%x, %x : memref<64x64xf32>, memref<64x64xf32>) outs(%x : memref<64x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}
