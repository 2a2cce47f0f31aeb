// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=compact})' | FileCheck %s

// What a function needs is declared in its own module; a batch of static size 0
// is left as it is.

// CHECK: module @inner
// CHECK-DAG: func.func private @sparsedrop_draw
// CHECK-DAG: memref.global "private" constant @sparsedrop_distribution
// CHECK-LABEL: func.func @f
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<4x?xf32>, tensor<?x8xf32>)
// CHECK-LABEL: func.func @empty
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<0x24xf32>, tensor<24x8xf32>)
module @inner {
  func.func @f(%x: tensor<4x24xf32>, %w: tensor<24x8xf32>, %y: tensor<4x8xf32>) -> tensor<4x8xf32> {
    %o = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
        ins(%x, %w : tensor<4x24xf32>, tensor<24x8xf32>) outs(%y : tensor<4x8xf32>) -> tensor<4x8xf32>
    return %o : tensor<4x8xf32>
  }
  func.func @empty(%x: tensor<0x24xf32>, %w: tensor<24x8xf32>, %y: tensor<0x8xf32>) -> tensor<0x8xf32> {
    %o = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
        ins(%x, %w : tensor<0x24xf32>, tensor<24x8xf32>) outs(%y : tensor<0x8xf32>) -> tensor<0x8xf32>
    return %o : tensor<0x8xf32>
  }
}
