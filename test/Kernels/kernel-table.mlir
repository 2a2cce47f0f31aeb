// RUN: rm -rf %t && split-file %s %t
// RUN: sparsedrop-opt %t/products.mlir --pass-pipeline='builtin.module(sparsedrop-choose-kernels{table=%t/table.json})' --remarks-filter='sparsedrop-choose-kernels' --remark-policy=all 2>%t/remarks | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t/remarks
// RUN: sparsedrop-opt %t/products.mlir --pass-pipeline='builtin.module(sparsedrop-choose-kernels{table=%t/table.json family=wgmma})' --remarks-filter='sparsedrop-choose-kernels' --remark-policy=all 2>&1 | FileCheck %s --check-prefix=FAMILY
// RUN: sparsedrop-opt %t/products.mlir --pass-pipeline='builtin.module(sparsedrop-choose-kernels{table=%t/table.json chip=sm_80})' --remarks-filter='sparsedrop-choose-kernels' --remark-policy=all 2>&1 | FileCheck %s --check-prefix=CHIP

// What a table of measured kernels says goes before the estimate, what the program
// says before both.

//--- products.mlir
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

// CHECK-LABEL: func.func @hit
// CHECK: sparsedrop.contract {{.*}}sparsedrop.kernel = #sparsedrop.kernel<tensor_core, tile = [64, 64, 64], warps = [2, 2], vector = [8, 8, 8], stages = 3>
// REMARK: [Passed] Kernel | Category:sparsedrop-choose-kernels | Function=hit | Remark="measured: 12.3 us a step, 1.5 us less than with the estimate's choice (a GPU, 2026-01-31)"
// REMARK-NOT: Function=hit
// FAMILY: [Missed] Kernel | {{.*}} | Function=hit | Remark="the measured #sparsedrop.kernel<tensor_core, tile = [64, 64, 64], warps = [2, 2], vector = [8, 8, 8], stages = 3> cannot be obeyed: it is of family tensor_core, but wgmma is asked for"
// FAMILY: [Passed] Kernel | {{.*}} | Function=hit | Remark="wgmma:
// CHIP: [Missed] Kernel | {{.*}} | Function=hit | Remark="not measured: sm_80 bf16*bf16+f32
func.func @hit(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xbf16>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  return
}

// CHECK-LABEL: func.func @named
// CHECK: sparsedrop.contract {{.*}}sparsedrop.kernel = #sparsedrop.kernel<tensor_core, tile = [32, 32, 16], warps = [1, 1], vector = [1, 1, 1], stages = 2>
// REMARK-NOT: Function=named
func.func @named(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16>, %y: memref<4096x4096xbf16>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c], sparsedrop.kernel = #sparsedrop.kernel<tensor_core, tile = [32, 32, 16], warps = [1, 1], vector = [1, 1, 1], stages = 2>}
      ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16>) outs(%y : memref<4096x4096xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  return
}

// CHECK-LABEL: func.func @miss
// CHECK: sparsedrop.contract {{.*}}sparsedrop.kernel = #sparsedrop.kernel<wgmma,
// REMARK: [Missed] Kernel | Category:sparsedrop-choose-kernels | Function=miss | Remark="not measured: sm_90a bf16*bf16+f32 batch=1 rows=4096 columns=8192 depth=4096 first=depth/8 second=depth/8 with=none outs=bf16:rows.columns/8"
// REMARK: [Passed] Kernel | Category:sparsedrop-choose-kernels | Function=miss | Remark="wgmma:
func.func @miss(%x: memref<4096x4096xbf16>, %w: memref<8192x4096xbf16>, %y: memref<4096x8192xbf16>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x4096xbf16>, memref<8192x4096xbf16>) outs(%y : memref<4096x8192xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  return
}

// Operand 1 is read element by element: no bulk copy.

// CHECK-LABEL: func.func @refused
// CHECK: sparsedrop.contract {{.*}}sparsedrop.kernel = #sparsedrop.kernel<tensor_core,
// REMARK: [Missed] Kernel | Category:sparsedrop-choose-kernels | Function=refused | Remark="the measured #sparsedrop.kernel<wgmma, tile = [128, 128, 64], warps = [8, 1], vector = [8, 8, 8], stages = 4> cannot be obeyed: operand 1 is not known to be contiguous
// REMARK: [Missed] Kernel | Category:sparsedrop-choose-kernels | Function=refused | Remark="tensor_core instead of wgmma: operand 1
func.func @refused(%x: memref<4096x4096xbf16>, %w: memref<4096x4096xbf16, strided<[4100, 1]>>, %y: memref<4096x4096xbf16>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x4096xbf16>, memref<4096x4096xbf16, strided<[4100, 1]>>) outs(%y : memref<4096x4096xbf16>) {
  ^bb0(%s: f32, %o: bf16):
    %t = arith.truncf %s : f32 to bf16
    sparsedrop.yield %t : bf16
  }
  return
}

// Nothing is rounded to tf32 unasked, and tiles are checked.

// CHECK-LABEL: func.func @exact
// CHECK-COUNT-2: sparsedrop.contract {{.*}}sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [128, 128, 8],
// REMARK: Function=exact | Remark="the measured {{.*}} cannot be obeyed: it rounds to tf32, which is not asked for"
// REMARK: Function=exact | Remark="plain:
// REMARK: Function=exact | Remark="the measured {{.*}} cannot be obeyed: expected rows and columns of 16, 32, 64 or a multiple of 64, and at least 256 elements of each factor"
// REMARK: Function=exact | Remark="plain:
func.func @exact(%x: memref<4096x4096xf32>, %w: memref<4096x4096xf32>, %v: memref<2048x4096xf32>, %y: memref<4096x4096xf32>, %z: memref<4096x2048xf32>) {
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : memref<4096x4096xf32>, memref<4096x4096xf32>) outs(%y : memref<4096x4096xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %v : memref<4096x4096xf32>, memref<2048x4096xf32>) outs(%z : memref<4096x2048xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  }
  return
}

//--- table.json
{
  "version": 1,
  "entries": [
    {
      "signature": "sm_90a bf16*bf16+f32 batch=1 rows=4096 columns=4096 depth=4096 first=depth/8 second=depth/8 with=none outs=bf16:rows.columns/8",
      "kernel": "#sparsedrop.kernel<tensor_core, tile = [64, 64, 64], warps = [2, 2], vector = [8, 8, 8], stages = 3>",
      "step_us": 12.3, "estimate_step_us": 13.8, "saved_us": 1.5, "device": "a GPU", "date": "2026-01-31"
    },
    {
      "signature": "sm_90a bf16*bf16+f32 batch=1 rows=4096 columns=4096 depth=4096 first=depth/8 second=depth/1 with=none outs=bf16:rows.columns/8",
      "kernel": "#sparsedrop.kernel<wgmma, tile = [128, 128, 64], warps = [8, 1], vector = [8, 8, 8], stages = 4>",
      "step_us": 1, "estimate_step_us": 2, "saved_us": 1, "device": "a GPU", "date": "2026-01-31"
    },
    {
      "signature": "sm_90a f32*f32+f32 batch=1 rows=4096 columns=4096 depth=4096 first=depth/4 second=depth/4 with=none outs=f32:rows.columns/4",
      "kernel": "#sparsedrop.kernel<tensor_core, tile = [64, 64, 32], warps = [2, 2], vector = [4, 4, 4], stages = 3, tf32>",
      "step_us": 1, "estimate_step_us": 2, "saved_us": 1, "device": "a GPU", "date": "2026-01-31"
    },
    {
      "signature": "sm_90a f32*f32+f32 batch=1 rows=4096 columns=2048 depth=4096 first=depth/4 second=depth/4 with=none outs=f32:rows.columns/4",
      "kernel": "#sparsedrop.kernel<plain, tile = [48, 64, 16], vector = [4, 4, 4]>",
      "step_us": 1, "estimate_step_us": 2, "saved_us": 1, "device": "a GPU", "date": "2026-01-31"
    }
  ]
}
