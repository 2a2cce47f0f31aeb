// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-choose-kernels{chip=sm_80})' | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-choose-kernels{chip=sm_80 tf32=true})' | FileCheck %s --check-prefix=TF32
// RUN: not sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-choose-kernels{chip=sm_75})' 2>&1 | FileCheck %s --check-prefix=CHIP
// CHIP: error: expected a chip from sm_80 on, such as sm_80, sm_86, sm_89 or sm_90a, but got 'sm_75'

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// CHECK-LABEL: func.func @products
// CHECK: #sparsedrop.kernel<tensor_core, tile = [128, 128, 32], warps = [2, 2], vector = [8, 8, 8], stages = 4>
// CHECK: #sparsedrop.kernel<plain, tile = [128, 128, 8], vector = [4, 4, 4]>
// TF32: #sparsedrop.kernel<tensor_core, tile = [128, 128, 32], warps = [2, 2], vector = [8, 8, 8], stages = 4>
// TF32: #sparsedrop.kernel<tensor_core, tile = [128, 128, 16], warps = [2, 2], vector = [4, 4, 4], stages = 4, tf32>
// CHECK: #sparsedrop.kernel<tensor_core, tile = [32, 32, 16], warps = [1, 1], vector = [1, 1, 1], stages = 2>
func.func @products(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xbf16>,
                    %p: memref<4096x4096xf32>, %q: memref<4096x4096xf32>, %r: memref<4096x4096xf32>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%p, %q : memref<4096x4096xf32>, memref<4096x4096xf32>) outs(%r : memref<4096x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  // What is there stays.
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<tensor_core, tile = [32, 32, 16], warps = [1, 1], vector = [1, 1, 1], stages = 2>}
      ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%r : memref<4096x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// Few outputs and much depth: blocks share it.

// CHECK-LABEL: func.func @parts
// CHECK: #sparsedrop.kernel<tensor_core, {{.*}}, split = {{[0-9]+}}>
func.func @parts(%x: memref<64x65536xbf16>, %w: memref<65536x64xbf16>, %y: memref<64x64xf32>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<64x65536xbf16>, memref<65536x64xbf16>) outs(%y : memref<64x64xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

// Vectors are as wide as the layout is known to allow.

// CHECK-LABEL: func.func @elementwise
// CHECK: #sparsedrop.kernel<elementwise, threads = [256], vector = [4]>
// CHECK: #sparsedrop.kernel<elementwise, threads = [256], vector = [2]>
// CHECK: #sparsedrop.kernel<elementwise, threads = [256], vector = [1]>
func.func @elementwise(%x: memref<64x64xf32>, %y: memref<64x64xf32>, %z: memref<64x66xf32>, %d: index) {
  linalg.exp ins(%x : memref<64x64xf32>) outs(%y : memref<64x64xf32>)
  linalg.exp ins(%z : memref<64x66xf32>) outs(%z : memref<64x66xf32>)
  %s = memref.subview %x[0, 0] [64, 8] [1, %d] : memref<64x64xf32> to memref<64x8xf32, strided<[64, ?]>>
  linalg.exp ins(%s : memref<64x8xf32, strided<[64, ?]>>) outs(%s : memref<64x8xf32, strided<[64, ?]>>)
  return
}

// CHECK-LABEL: func.func @reductions
// CHECK: #sparsedrop.kernel<reduce_rows, threads = [8, 32], vector = [1]>
// CHECK: #sparsedrop.kernel<reduce_rows, threads = [1, 1024], vector = [1]>
// CHECK: #sparsedrop.kernel<reduce_columns, threads = [32, 32], vector = [1]>
func.func @reductions(%x: memref<4096x128xf32>, %y: memref<4096xf32>, %s: memref<f32>, %z: memref<128xf32>) {
  linalg.reduce { arith.addf } ins(%x : memref<4096x128xf32>) outs(%y : memref<4096xf32>) dimensions = [1]
  linalg.reduce { arith.maximumf } ins(%x : memref<4096x128xf32>) outs(%s : memref<f32>) dimensions = [0, 1]
  linalg.reduce { arith.addf } ins(%x : memref<4096x128xf32>) outs(%z : memref<128xf32>) dimensions = [0]
  return
}
