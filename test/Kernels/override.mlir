// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline,sparsedrop-to-nvvm)' | FileCheck %s

// What the user chose for a named op is obeyed when it is a generic one by then.

// CHECK: .reqntid 64
func.func @f(%x: tensor<1000xf32>) -> tensor<1000xf32> {
  %e = tensor.empty() : tensor<1000xf32>
  %0 = linalg.exp {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [64], vector = [1]>} ins(%x : tensor<1000xf32>) outs(%e : tensor<1000xf32>) -> tensor<1000xf32>
  return %0 : tensor<1000xf32>
}
