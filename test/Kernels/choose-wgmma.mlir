// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-choose-kernels)' --remarks-filter='sparsedrop-choose-kernels' --remark-policy=all 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-choose-kernels{family=tensor_core})' | FileCheck %s --check-prefix=ASKED
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-choose-kernels{family=wgmma})' | FileCheck %s --check-prefix=SMALL
// RUN: not sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-choose-kernels{family=serial})' 2>&1 | FileCheck %s --check-prefix=FAMILY
// FAMILY: error: expected the family wgmma, tensor_core or plain, but got 'serial'

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>
#d = affine_map<(m, n, k) -> (k, n)>

// Neighbours along the shorter side of the tile share the larger factor.

// CHECK-LABEL: func.func @large
// CHECK: #sparsedrop.kernel<wgmma, tile = [128, 256, 64], warps = [8, 1], cluster = [2, 1], vector = [8, 8, 8], stages = 4>
// ASKED-LABEL: func.func @large
// ASKED: #sparsedrop.kernel<tensor_core,
// REMARK: [Passed] Kernel | Category:sparsedrop-choose-kernels | Function=large | Remark="wgmma: 4 waves of tiles, limited by
func.func @large(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xbf16>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  return
}

// Kept rows of a weight: strides along the lines are the tensor map's.

// CHECK-LABEL: func.func @kept
// CHECK: #sparsedrop.kernel<wgmma,
func.func @kept(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x?xbf16>, %first: index, %period: index, %count: index) {
  %kept = memref.subview %w[%first, 0] [%count, 4096] [%period, 1] : memref<4096x4096xbf16> to memref<?x4096xbf16, strided<[?, 1], offset: ?>>
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %kept : memref<4096x4096xbf16>, memref<?x4096xbf16, strided<[?, 1], offset: ?>>) outs(%y : memref<4096x?xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  return
}

// What bulk copies cannot take falls back, and says why.

// CHECK-LABEL: func.func @misaligned
// CHECK: #sparsedrop.kernel<tensor_core,
// REMARK: [Missed] Kernel | Category:sparsedrop-choose-kernels | Function=misaligned | Remark="tensor_core instead of wgmma: operand 1 is not known to be contiguous with an address and strides that are multiples of 16 bytes"
func.func @misaligned(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16, strided<[4100, 1]>>, %y: memref<4096x4096xbf16>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16, strided<[4100, 1]>>) outs(%y : memref<4096x4096xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  return
}

// mma.sync has smaller tiles; few outputs share their depth.

// CHECK-LABEL: func.func @small
// CHECK: #sparsedrop.kernel<tensor_core,
// CHECK: #sparsedrop.kernel<wgmma, {{.*}}, split = {{[0-9]+}}>
// SMALL-LABEL: func.func @small
// SMALL: #sparsedrop.kernel<wgmma,
func.func @small(%x: memref<64x64xbf16>, %w: memref<64x64xbf16>, %y: memref<64x64xf32>, %p: memref<512x65536xbf16>, %q: memref<512x65536xbf16>, %r: memref<512x512xf32>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<64x64xbf16>, memref<64x64xbf16>) outs(%y : memref<64x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%p, %q : memref<512x65536xbf16>, memref<512x65536xbf16>) outs(%r : memref<512x512xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// Outputs that bulk copies do not store go another way.

// CHECK-LABEL: func.func @indices
// CHECK: #sparsedrop.kernel<wgmma,
func.func @indices(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xindex>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xindex>) {
  ^bb0(%s: f32, %o: index):
    %t = arith.fptosi %s : f32 to i64
    %i = arith.index_cast %t : i64 to index
    sparsedrop.yield %i : index
  }
  return
}

// Floats of 8 bits: 16 of them are 16 bytes, and both factors want the depth.

// CHECK-LABEL: func.func @small_floats
// CHECK: #sparsedrop.kernel<wgmma, tile = [{{[0-9]+}}, {{[0-9]+}}, 128], {{.*}} vector = [16, 16, 8]
// CHECK: #sparsedrop.kernel<plain,
func.func @small_floats(%x: memref<4096x4096xf8E4M3FN>, %w: memref<4096x4096xf8E5M2>, %y: memref<4096x4096xbf16>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x4096xf8E4M3FN>, memref<4096x4096xf8E5M2>) outs(%y : memref<4096x4096xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t0 = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t0 : bf16
  }
  // REMARK: [Missed] Kernel {{.*}} Remark="plain instead of wgmma: operand 1 is not contiguous along the depth, as wgmma wants it for elements that have no 16 bits"
  sparsedrop.contract {indexing_maps = [#a, #d, #c]} ins(%x, %w : memref<4096x4096xf8E4M3FN>, memref<4096x4096xf8E5M2>) outs(%y : memref<4096x4096xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t0 = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t0 : bf16
  }
  return
}

// Kept blocks of 16: the innermost dimension is split, and blocks are some apart. What
// is kept of 256 blocks counts as 128 of them, 2048 columns.

// CHECK-LABEL: func.func @blocks
// CHECK: #sparsedrop.kernel<wgmma,
// REMARK: Function=blocks | Remark="wgmma: 2 waves of tiles, limited by
func.func @blocks(%x: memref<4096x1024xbf16>, %w: memref<1024x4096xbf16>, %y: memref<4096x?x16xbf16>, %period: index, %bias: index, %kept: index) {
  %split = memref.expand_shape %w [[0], [1, 2]] output_shape [1024, 256, 16] : memref<1024x4096xbf16> into memref<1024x256x16xbf16>
  %blocks = memref.subview %split[0, %bias, 0] [1024, %kept, 16] [1, %period, 1] : memref<1024x256x16xbf16> to memref<1024x?x16xbf16, strided<[4096, ?, 1], offset: ?>>
  sparsedrop.contract {indexing_maps = [affine_map<(m, n, b, k) -> (m, k)>, affine_map<(m, n, b, k) -> (k, n, b)>, affine_map<(m, n, b, k) -> (m, n, b)>]} ins(%x, %blocks : memref<4096x1024xbf16>, memref<1024x?x16xbf16, strided<[4096, ?, 1], offset: ?>>) outs(%y : memref<4096x?x16xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  return
}
