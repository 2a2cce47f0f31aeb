//===- Passes.td - Passes of the GPU back end --------------*- tablegen -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_GPU_PASSES_TD
#define SPARSEDROP_GPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def FormKernels : Pass<"sparsedrop-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Contractions become ops with an epilogue";
  let description = [{
    A structured op on tensors that adds products of two operands up becomes
    `sparsedrop.contract`, named or generic, in any transposition, batched, with
    split loops, a convolution. A zero fill that it starts from is absorbed;
    what else it starts from is added in the epilogue.

    Before:

    ```mlir
    func.func @f(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %y: tensor<8x6xf32>) -> tensor<8x6xf32> {
      %zero = arith.constant 0.0 : f32
      %0 = linalg.fill ins(%zero : f32) outs(%y : tensor<8x6xf32>) -> tensor<8x6xf32>
      %1 = linalg.matmul ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) outs(%0 : tensor<8x6xf32>) -> tensor<8x6xf32>
      return %1 : tensor<8x6xf32>
    }
    ```

    After:

    ```mlir
    #lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
    #rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
    #out = affine_map<(d0, d1, d2) -> (d0, d1)>
    func.func @f(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %y: tensor<8x6xf32>) -> tensor<8x6xf32> {
      %0 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out]}
          ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) outs(%y : tensor<8x6xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      } -> tensor<8x6xf32>
      return %0 : tensor<8x6xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::sparsedrop::SparseDropDialect"];
}

def FuseEpilogues : Pass<"sparsedrop-fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "Elementwise users of a contraction join its epilogue";
  let description = [{
    An elementwise op on a result of `sparsedrop.contract` is computed where the
    sum is, in registers: scales, biases, activations and their gradients from
    what was saved, residuals, conversions, updates of a weight. Where the
    result has other users it stays an output. Each fusion, and each that is
    missed with its reason, is a remark.

    Before:

    ```mlir
    #lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
    #rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
    #out = affine_map<(d0, d1, d2) -> (d0, d1)>
    #id = affine_map<(d0, d1) -> (d0, d1)>
    #row = affine_map<(d0, d1) -> (d1)>
    func.func @f(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %b: tensor<6xf32>) -> tensor<8x6xf32> {
      %y = tensor.empty() : tensor<8x6xf32>
      %0 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out]}
          ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) outs(%y : tensor<8x6xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      } -> tensor<8x6xf32>
      %1 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
          ins(%0, %b : tensor<8x6xf32>, tensor<6xf32>) outs(%y : tensor<8x6xf32>) {
      ^bb0(%a: f32, %c: f32, %o: f32):
        %2 = arith.addf %a, %c : f32
        linalg.yield %2 : f32
      } -> tensor<8x6xf32>
      return %1 : tensor<8x6xf32>
    }
    ```

    After:

    ```mlir
    #lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
    #rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
    #bias = affine_map<(d0, d1, d2) -> (d1)>
    #out = affine_map<(d0, d1, d2) -> (d0, d1)>
    func.func @f(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %b: tensor<6xf32>) -> tensor<8x6xf32> {
      %y = tensor.empty() : tensor<8x6xf32>
      %0 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #bias, #out]}
          ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) with(%b : tensor<6xf32>) outs(%y : tensor<8x6xf32>) {
      ^bb0(%sum: f32, %c: f32, %old: f32):
        %1 = arith.addf %sum, %c : f32
        sparsedrop.yield %1 : f32
      } -> tensor<8x6xf32>
      return %0 : tensor<8x6xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::sparsedrop::SparseDropDialect"];
}

def SinkScalars : Pass<"sparsedrop-sink-scalars", "::mlir::ModuleOp"> {
  let summary = "Scalars read from tensors are read where they are used";
  let description = [{
    A scalar that is extracted from a tensor and used in the body of a
    structured op would make the host wait for the device. The tensor, or the
    element's slice of it, becomes an input of the op instead, and what is
    computed from the scalar moves into the body.

    Before:

    ```mlir
    #id = affine_map<(d0) -> (d0)>
    func.func @f(%x: tensor<8xf32>, %rate: tensor<f32>) -> tensor<8xf32> {
      %r = tensor.extract %rate[] : tensor<f32>
      %e = tensor.empty() : tensor<8xf32>
      %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
          ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) {
      ^bb0(%a: f32, %o: f32):
        %1 = arith.mulf %a, %r : f32
        linalg.yield %1 : f32
      } -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    ```

    After:

    ```mlir
    #id = affine_map<(d0) -> (d0)>
    #none = affine_map<(d0) -> ()>
    func.func @f(%x: tensor<8xf32>, %rate: tensor<f32>) -> tensor<8xf32> {
      %e = tensor.empty() : tensor<8xf32>
      %0 = linalg.generic {indexing_maps = [#id, #none, #id], iterator_types = ["parallel"]}
          ins(%x, %rate : tensor<8xf32>, tensor<f32>) outs(%e : tensor<8xf32>) {
      ^bb0(%a: f32, %r: f32, %o: f32):
        %1 = arith.mulf %a, %r : f32
        linalg.yield %1 : f32
      } -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // SPARSEDROP_GPU_PASSES_TD
