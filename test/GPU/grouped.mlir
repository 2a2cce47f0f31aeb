// RUN: sparsedrop-run %s --entry=f --target=nvptx --device=interp --random=3 --check
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline,sparsedrop-to-nvvm)' --mlir-print-ir-after=sparsedrop-group-products -o /dev/null 2>&1 | FileCheck %s

// A loop that begins at 1, takes steps of 2 and lies in another one.

// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     sparsedrop.contract
// CHECK:   } {sparsedrop.disjoint, sparsedrop.grouped}

func.func @f(%x: tensor<9x8x16xf32>, %w: tensor<16x12xf32>, %y: tensor<3x9x8x12xf32>) -> tensor<3x9x8x12xf32> {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c8 = arith.constant 8 : index
  %all = scf.for %i = %c0 to %c3 step %c1 iter_args(%old = %y) -> (tensor<3x9x8x12xf32>) {
    %new = scf.for %q = %c1 to %c8 step %c2 iter_args(%total = %old) -> (tensor<3x9x8x12xf32>) {
      %a = tensor.extract_slice %x[%q, 0, 0] [1, 5, 16] [1, 1, 1] : tensor<9x8x16xf32> to tensor<5x16xf32>
      %e = tensor.empty() : tensor<5x12xf32>
      %z = linalg.fill ins(%zero : f32) outs(%e : tensor<5x12xf32>) -> tensor<5x12xf32>
      %p = linalg.matmul ins(%a, %w : tensor<5x16xf32>, tensor<16x12xf32>) outs(%z : tensor<5x12xf32>) -> tensor<5x12xf32>
      %u = tensor.insert_slice %p into %total[%i, %q, 2, 0] [1, 1, 5, 12] [1, 1, 1, 1] : tensor<5x12xf32> into tensor<3x9x8x12xf32>
      scf.yield %u : tensor<3x9x8x12xf32>
    } {sparsedrop.disjoint}
    scf.yield %new : tensor<3x9x8x12xf32>
  }
  return %all : tensor<3x9x8x12xf32>
}
