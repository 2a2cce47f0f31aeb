// RUN: not sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=compact})' 2>&1 | FileCheck %s
// RUN: not sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=masked})' 2>&1 | FileCheck %s

// One site in two functions: after inlining they meet, and disagree.

// CHECK: error: 'sparsedrop.sample' op uses site "s" with other parameters than before
// CHECK: note: first used here

func.func private @a(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>, %c: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x8xf32>) outs(%c : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %q : tensor<4x8xf32>
}
func.func @b(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>, %c: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %y = call @a(%x, %w, %c) : (tensor<4x8xf32>, tensor<8x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.3, site = "s">}
    ins(%y, %w : tensor<4x8xf32>, tensor<8x8xf32>) outs(%c : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %q : tensor<4x8xf32>
}
