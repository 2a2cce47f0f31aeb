// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-emit-kernels)' --split-input-file --verify-diagnostics | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

// A producer that copies, consumers that multiply, a map for each operand; the
// host writes maps, in front of the other parameters, and asks for the device's size.

// CHECK-LABEL: func.func @product
// CHECK: call @sparsedrop_program_processors() : () -> i64
// CHECK-COUNT-3: call @sparsedrop_program_map(
// CHECK: call @sparsedrop_program_launch(
// CHECK: llvm.func @wgmma(%{{.*}}: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<16 x i64>, nvvm.grid_constant},
// CHECK-SAME: nvvm.cluster_dim = array<i32: 2, 1, 1>, nvvm.kernel, nvvm.minctasm = 1 : i32, nvvm.reqntid = array<i32: 384, 1, 1>
// CHECK: nvvm.mbarrier.init
// CHECK: nvvm.fence.mbarrier.init
// CHECK: nvvm.cluster.arrive
// CHECK: nvvm.setmaxregister decrease 40
// CHECK: nvvm.elect.sync
// CHECK: nvvm.mbarrier.try_wait.parity
// CHECK: nvvm.mbarrier.arrive.expect_tx
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global {{.*}} multicast_mask
// CHECK: nvvm.setmaxregister increase 232
// CHECK: nvvm.wgmma.fence.aligned
// CHECK-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16
// CHECK: nvvm.wgmma.commit.group.sync.aligned
// CHECK: nvvm.wgmma.wait.group.sync.aligned 1
// CHECK: nvvm.inline_ptx "mbarrier.arrive.shared::cluster.b64
// CHECK: nvvm.stmatrix
// CHECK: nvvm.fence.proxy
// CHECK: nvvm.cp.async.bulk.tensor.global.shared.cta
func.func @product(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xbf16>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [128, 128, 64], warps = [8, 1], cluster = [2, 1], vector = [8, 8, 8], stages = 4>}
      ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

func.func @memory(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xf32>) {
  // expected-error @below {{cannot become the kernel #sparsedrop.kernel<wgmma, tile = [128, 256, 64], warps = [8, 1], vector = [8, 8, 4], stages = 5>: it takes 280656 bytes of shared memory, more than 232448}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [128, 256, 64], warps = [8, 1], vector = [8, 8, 4], stages = 5>}
      ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

func.func @warps(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xf32>) {
  // expected-error @below {{expected a multiple of 4 warps along the rows, but got 2}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [128, 128, 64], warps = [2, 1], vector = [8, 8, 4], stages = 4>}
      ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

func.func @registers(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xf32>) {
  // expected-error @below {{a thread would hold 256 sums, more than 160}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [128, 256, 64], warps = [4, 1], vector = [8, 8, 4], stages = 2>}
      ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

func.func @cluster(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xf32>) {
  // expected-error @below {{expected clusters of at most 8 blocks, but got 16}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [128, 128, 64], warps = [8, 1], cluster = [4, 4], vector = [8, 8, 4], stages = 2>}
      ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

func.func @types(%x: memref<4096x4096xf32>, %w: memref<4096x4096xf32>, %y: memref<4096x4096xf32>) {
  // expected-error @below {{tensor cores multiply f16 or bf16 by the same type, floats of 8 bits, or f32 as tf32}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [128, 128, 32], warps = [8, 1], vector = [4, 4, 4], stages = 2>}
      ins(%x, %w : memref<4096x4096xf32>, memref<4096x4096xf32>) outs(%y : memref<4096x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

func.func @major(%x: memref<4096x4096xf32>, %w: memref<4096x4096xf32>, %y: memref<4096x4096xf32>) {
  // expected-error @below {{operand 1 is not contiguous along the depth, as wgmma wants it for elements that have no 16 bits}}
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [128, 128, 32], warps = [8, 1], vector = [4, 4, 4], stages = 2, tf32>}
      ins(%x, %w : memref<4096x4096xf32>, memref<4096x4096xf32>) outs(%y : memref<4096x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#x = affine_map<(n, h, w, f, i, j, c) -> (n, h * 2 + i - 1, w * 2 + j - 1, c)>
#w = affine_map<(n, h, w, f, i, j, c) -> (i, j, c, f)>
#y = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, f)>

// Boxes of pixels: maps of four dimensions, of which the image's have a step and no
// strides that overlap; coordinates begin at -1.

// CHECK-LABEL: func.func @convolution
// CHECK-DAG: %[[SIZE:.*]] = arith.constant 14 : i64
// CHECK-DAG: %[[LINE:.*]] = arith.constant 128 : i64
// CHECK-DAG: %[[BOX:.*]] = arith.constant 16 : i64
// CHECK-DAG: %[[STEP:.*]] = arith.constant 2 : i64
// CHECK: memref.store %[[SIZE]], %[[MAP:.*]][
// CHECK: memref.store %{{.*}}, %[[MAP]][
// CHECK: memref.store %{{.*}}, %[[MAP]][
// CHECK: call @sparsedrop_program_map({{.*}}) : (i64, i64, i64, i64, i64, i64) -> ()
// CHECK: nvvm.cp.async.bulk.tensor.shared.cluster.global %{{.*}}, %{{.*}}, %{{.*}}, box[%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}]
func.func @convolution(%x: memref<8x14x14x64xbf16>, %w: memref<3x3x64x64xbf16>, %y: memref<8x7x7x64xf32>) {
  sparsedrop.contract {indexing_maps = [#x, #w, #y], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [64, 64, 64], warps = [4, 1], vector = [8, 8, 4], rows = [1, 8, 8], depth = [1, 1, 64], stages = 4>}
      ins(%x, %w : memref<8x14x14x64xbf16>, memref<3x3x64x64xbf16>) outs(%y : memref<8x7x7x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#x = affine_map<(n, h, w, f, i, j, c) -> (n, h + i, w + j, c)>
#w = affine_map<(n, h, w, f, i, j, c) -> (i, j, c, f)>
#y = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, f)>

func.func @no_boxes(%x: memref<8x9x9x64xbf16>, %w: memref<3x3x64x64xbf16>, %y: memref<8x7x7x64xf32>) {
  // expected-error @below {{operand 0 is indexed by a sum of loops, of which tiles are not boxes}}
  sparsedrop.contract {indexing_maps = [#x, #w, #y], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [64, 64, 64], warps = [4, 1], vector = [8, 8, 4], stages = 4>}
      ins(%x, %w : memref<8x9x9x64xbf16>, memref<3x3x64x64xbf16>) outs(%y : memref<8x7x7x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#x = affine_map<(n, h, w, f, i, j, c) -> (n, h + i, w + j, c)>
#w = affine_map<(n, h, w, f, i, j, c) -> (i, j, c, f)>
#y = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, f)>

func.func @two_moves(%x: memref<8x9x9x64xbf16>, %w: memref<3x3x64x64xbf16>, %y: memref<8x7x7x64xf32>) {
  // expected-error @below {{expected 3 numbers in 'rows', one for each loop, but got 2}}
  sparsedrop.contract {indexing_maps = [#x, #w, #y], sparsedrop.kernel = #sparsedrop.kernel<wgmma, tile = [64, 64, 64], warps = [4, 1], vector = [8, 8, 4], rows = [8, 8], depth = [1, 1, 64], stages = 4>}
      ins(%x, %w : memref<8x9x9x64xbf16>, memref<3x3x64x64xbf16>) outs(%y : memref<8x7x7x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}
