// RUN: rm -rf %t && split-file %s %t
// RUN: sparsedrop-opt %t/products.mlir --pass-pipeline='builtin.module(sparsedrop-choose-kernels{table=%t/empty.json})' --remarks-filter='sparsedrop-choose-kernels' --remark-policy=all 2>&1 | grep 'not measured' >%t/signatures
// RUN: sed 's/.*Remark="//' %t/signatures | FileCheck %s --match-full-lines --strict-whitespace
// RUN: sparsedrop-opt %t/products.mlir --pass-pipeline='builtin.module(sparsedrop-choose-kernels{table=%t/empty.json chip=sm_80 tf32=true})' --remarks-filter='sparsedrop-choose-kernels' --remark-policy=all 2>&1 | FileCheck %s --check-prefix=TF32
// TF32: not measured: sm_80 bf16*bf16+f32 batch=1
// TF32: not measured: sm_80 tf32 f32*f32+f32 batch=1

// Signatures are the names of tables that people keep: whoever changes one raises
// the version of the table.

//--- products.mlir
#mk = affine_map<(m, n, k) -> (m, k)>
#km = affine_map<(m, n, k) -> (k, m)>
#kn = affine_map<(m, n, k) -> (k, n)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>
#nm = affine_map<(m, n, k) -> (n, m)>
#m = affine_map<(m, n, k) -> (m)>
#n = affine_map<(m, n, k) -> (n)>
#none = affine_map<(m, n, k) -> ()>

// Majors, what is broadcast, and what is read before it is written.
//      CHECK:not measured: sm_90a bf16*bf16+f32 batch=1 rows=256 columns=512 depth=128 first=rows/8 second=columns/8 with=f32:columns/4,f32:rows,f32:scalar,bf16:rows.columns/8 outs=bf16:rows.columns/8,f32:rows.columns/4:old"
func.func @epilogue(%x: memref<128x256xbf16>, %w: memref<128x512xbf16>, %b: memref<512xf32>, %c: memref<256xf32>, %d: memref<f32>, %e: memref<256x512xbf16>, %y: memref<256x512xbf16>, %z: memref<256x512xf32>) {
  sparsedrop.contract {indexing_maps = [#km, #kn, #n, #m, #none, #mn, #mn, #mn]} ins(%x, %w : memref<128x256xbf16>, memref<128x512xbf16>)
      with(%b, %c, %d, %e : memref<512xf32>, memref<256xf32>, memref<f32>, memref<256x512xbf16>) outs(%y, %z : memref<256x512xbf16>, memref<256x512xf32>) {
  ^bb0(%s: f32, %0: f32, %1: f32, %2: f32, %3: bf16, %old: bf16, %sum: f32):
    %t = arith.truncf %s : f32 to bf16
    %u = arith.addf %sum, %s : f32
    sparsedrop.yield %t, %u : bf16, f32
  }
  return
}

// The columns are those of the output in memory: this is the product above, turned.
// CHECK-NEXT:not measured: sm_90a f16*bf16+f32 batch=1 rows=512 columns=256 depth=128 first=rows/8 second=columns/8 with=none outs=f32:rows.columns/4"
func.func @turned(%x: memref<128x256xbf16>, %w: memref<128x512xf16>, %y: memref<512x256xf32>) {
  sparsedrop.contract {indexing_maps = [#km, #kn, #nm]} ins(%x, %w : memref<128x256xbf16>, memref<128x512xf16>) outs(%y : memref<512x256xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// Kept units, by a period that the program does not know; what is not aligned.
// CHECK-NEXT:not measured: sm_90a f32*f32+f32 batch=1 rows=64 columns=? depth=96 first=depth/2 second=strided with=none outs=f32:rows.columns/1"
func.func @kept(%x: memref<64x98xf32>, %w: memref<96x512xf32>, %y: memref<64x?xf32>, %period: index, %count: index) {
  %0 = memref.subview %x[0, 0] [64, 96] [1, 1] : memref<64x98xf32> to memref<64x96xf32, strided<[98, 1]>>
  %1 = memref.subview %w[0, 0] [96, %count] [1, %period] : memref<96x512xf32> to memref<96x?xf32, strided<[512, ?]>>
  sparsedrop.contract {indexing_maps = [#mk, #kn, #mn]} ins(%0, %1 : memref<64x96xf32, strided<[98, 1]>>, memref<96x?xf32, strided<[512, ?]>>) outs(%y : memref<64x?xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// A batch, loops of one role, and those of one iteration, which do not count.
// CHECK-NEXT:not measured: sm_90a f64*f64+f64 batch=3 rows=8 columns=4x16 depth=?x16 first=depth/2 second=columns/2 with=none outs=f64:batch.rows.columns/2"
func.func @loops(%x: memref<3x1x8x?x16xf64>, %w: memref<3x?x16x4x16xf64>, %y: memref<3x1x8x4x16xf64>) {
  sparsedrop.contract {indexing_maps = [affine_map<(b, u, m, n0, n1, k0, k1) -> (b, u, m, k0, k1)>, affine_map<(b, u, m, n0, n1, k0, k1) -> (b, k0, k1, n0, n1)>, affine_map<(b, u, m, n0, n1, k0, k1) -> (b, u, m, n0, n1)>]}
      ins(%x, %w : memref<3x1x8x?x16xf64>, memref<3x?x16x4x16xf64>) outs(%y : memref<3x1x8x4x16xf64>) {
  ^bb0(%s: f64, %o: f64):
    sparsedrop.yield %s : f64
  }
  return
}
//  CHECK-NOT:not measured
//--- empty.json
{"version": 1, "entries": []}
