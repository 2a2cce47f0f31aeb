// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pack-factors{chip=sm_90a tf32})' --split-input-file --remarks-filter=sparsedrop-pack-factors --remark-policy=all 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pack-factors{chip=sm_80 tf32})' --split-input-file | FileCheck %s --check-prefix=OLDER
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pack-factors{chip=sm_90a})' --split-input-file | FileCheck %s --check-prefix=EXACT
// RUN: not sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pack-factors{chip=sm_70})' --split-input-file 2>&1 | FileCheck %s --check-prefix=CHIP
// CHIP: error: expected a chip from sm_80 on, such as sm_80, sm_86, sm_89 or sm_90a, but got 'sm_70'

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// wgmma wants the depth of tf32 innermost; kept rows go with it.

//   CHECK-DAG: #[[$DEPTH:.*]] = affine_map<(d0, d1, d2) -> (d1, d2)>
// CHECK-LABEL: func.func @turned(
//  CHECK-SAME:   %[[X:.*]]: memref<4096x512xf32>, %[[W:.*]]: memref<512x1024xf32, strided<[2048, 1]>>
//       CHECK:   %[[PACK:.*]] = memref.alloc() : memref<1024x512xf32>
//       CHECK:   linalg.transpose ins(%[[W]] : {{.*}}) outs(%[[PACK]] : memref<1024x512xf32>) permutation = [1, 0]
//       CHECK:   sparsedrop.contract {indexing_maps = [#{{.*}}, #[[$DEPTH]], #{{.*}}]} ins(%[[X]], %[[PACK]] :
//       CHECK:   memref.dealloc %[[PACK]]
//      REMARK: [Passed] Pack | Category:sparsedrop-pack-factors | Function=turned | Remark="operand 1 is not contiguous along the depth, as wgmma wants it, and is packed: blocks read it 32 times"
// OLDER-LABEL: func.func @turned(
//   OLDER-NOT:   memref.alloc
// EXACT-LABEL: func.func @turned(
//   EXACT-NOT:   memref.alloc
func.func @turned(%x: memref<4096x512xf32>, %w: memref<512x1024xf32, strided<[2048, 1]>>, %y: memref<4096x1024xf32>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x512xf32>, memref<512x1024xf32, strided<[2048, 1]>>) outs(%y : memref<4096x1024xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (k, m)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// The gradient of a weight: both have the depth outermost. A second product reads the
// same factor and shares its pack.

// CHECK-LABEL: func.func @both(
//  CHECK-SAME:   %[[X:.*]]: memref<512x1024xf8E4M3FN>, %[[G:.*]]: memref<512x4096xf8E5M2>
//       CHECK:   %[[FIRST:.*]] = memref.alloc() : memref<1024x512xf8E4M3FN>
//       CHECK:   linalg.transpose ins(%[[X]]
//       CHECK:   %[[SECOND:.*]] = memref.alloc() : memref<4096x512xf8E5M2>
//       CHECK:   linalg.transpose ins(%[[G]]
//       CHECK:   sparsedrop.contract {{.*}} ins(%[[FIRST]], %[[SECOND]] :
//   CHECK-NOT:   linalg.transpose
//       CHECK:   sparsedrop.contract {{.*}} ins(%[[FIRST]], %[[FIRST]] :
// OLDER-LABEL: func.func @both(
//   OLDER-NOT:   memref.alloc
// EXACT-LABEL: func.func @both(
// EXACT-COUNT-2: linalg.transpose
func.func @both(%x: memref<512x1024xf8E4M3FN>, %g: memref<512x4096xf8E5M2>, %y: memref<1024x4096xf32>, %z: memref<1024x1024xf32>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %g : memref<512x1024xf8E4M3FN>, memref<512x4096xf8E5M2>) outs(%y : memref<1024x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %x : memref<512x1024xf8E4M3FN>, memref<512x1024xf8E4M3FN>) outs(%z : memref<1024x1024xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// Not for a few lines of the other factor, not where that one cannot be read by bulk
// copies, and not for 16 bits.

// CHECK-LABEL: func.func @as_it_is(
//   CHECK-NOT:   memref.alloc
//      REMARK: [Missed] Pack | Category:sparsedrop-pack-factors | Function=as_it_is | Remark="operand 1 is not contiguous along the depth, as wgmma wants it, and is read as it is: blocks read it 2 times, a pack pays from 8"
func.func @as_it_is(%x: memref<256x512xf32>, %w: memref<512x1024xf32>, %y: memref<256x1024xf32>, %p: memref<4096x511xf8E5M2>, %q: memref<511x1024xf8E5M2>, %r: memref<4096x1024xf32>, %t: memref<4096x512xbf16>, %u: memref<512x1024xbf16>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<256x512xf32>, memref<512x1024xf32>) outs(%y : memref<256x1024xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%p, %q : memref<4096x511xf8E5M2>, memref<511x1024xf8E5M2>) outs(%r : memref<4096x1024xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%t, %u : memref<4096x512xbf16>, memref<512x1024xbf16>) outs(%r : memref<4096x1024xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}
