//===- Passes.td - Passes of the CPU back end --------------*- tablegen -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_CONVERSION_PASSES_TD
#define SPARSEDROP_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ContractionsToRuntime
    : Pass<"sparsedrop-contractions-to-runtime", "::mlir::ModuleOp"> {
  let summary = "Contractions on buffers become calls of the runtime library";
  let description = [{
    A structured op with two inputs and the body `init + a * b`, whose indexing
    maps are linear in its loops, is a product of loops with strides: a matmul
    in any transposition, a batch, a split loop over granules, a convolution
    with stride and dilation (an overlapping view). It becomes one call of
    `sparsedrop_contract`, which takes the extent of each loop and the stride of
    each operand along it. A zero fill right before is absorbed. Other ops stay.

    Before:

    ```mlir
    func.func @no_product(%a: memref<8xf32>, %b: memref<8xf32>, %c: memref<f32>) {
      linalg.reduce { arith.maximumf } ins(%a : memref<8xf32>) outs(%c : memref<f32>) dimensions = [0]
      return
    }
    ```

    After:

    ```mlir
    func.func @no_product(%a: memref<8xf32>, %b: memref<8xf32>, %c: memref<f32>) {
      linalg.reduce { arith.maximumf } ins(%a : memref<8xf32>) outs(%c : memref<f32>) dimensions = [0]
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
}

def CopiesToLinalg : Pass<"sparsedrop-copies-to-linalg", "::mlir::func::FuncOp"> {
  let summary = "Copies of strided buffers become structured ops";
  let description = [{
    So that they run on all threads and need no library call. Copies between
    contiguous buffers stay: they become a memcpy.

    Before:

    ```mlir
    func.func @copy(%a: memref<8x8xf32, strided<[32, 2]>>, %b: memref<8x8xf32>) {
      memref.copy %a, %b : memref<8x8xf32, strided<[32, 2]>> to memref<8x8xf32>
      return
    }
    ```

    After:

    ```mlir
    func.func @copy(%a: memref<8x8xf32, strided<[32, 2]>>, %b: memref<8x8xf32>) {
      linalg.copy ins(%a : memref<8x8xf32, strided<[32, 2]>>) outs(%b : memref<8x8xf32>)
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
}

def EmitEntryPoints
    : Pass<"sparsedrop-emit-entry-points", "::mlir::ModuleOp"> {
  let summary = "Adds guarded entry points with one signature";
  let description = [{
    For each function F with a C interface: `i32 sparsedrop_invoke_F(ptr)`. The
    argument points to an array of pointers: first, if F has results, one to
    storage for them (the struct that the C interface fills: memref descriptors
    and scalars in order), then one per argument, to its memref descriptor or
    its value. The call is a guarded section of the runtime library: the status
    is 0, or 1 when something failed, with the text in
    `sparsedrop_last_error()`. After a failure the results are valid memory
    without meaning.

    Allocations go to the runtime library. An op that nothing has lowered is an
    error that names it.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def ParallelLoopsToRuntime
    : Pass<"sparsedrop-parallel-loops-to-runtime", "::mlir::ModuleOp"> {
  let summary = "Outermost parallel loops run on the runtime's threads";
  let description = [{
    The body of an outermost `scf.parallel` becomes a function that
    `sparsedrop_parallel_for` calls on ranges of one loop; what it captures is
    passed through a struct on the stack. The loop that is cut is the outermost
    one of more than one iteration, the others become `scf.for`. Loops with
    little work in all stay where they are.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect",
                           "::mlir::arith::ArithDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::scf::SCFDialect"];
}

def PrepareForCPU : Pass<"sparsedrop-prepare-for-cpu", "::mlir::ModuleOp"> {
  let summary = "Makes tensor programs ready for bufferization";
  let description = [{
    Decomposes aggregate ops (softmax) and concatenations, brings elementwise
    ops to generic form and fuses them, marks arguments as not writable unless
    they are donated, and asks for a C interface of each public function.

    An elementwise op is fused into its only user when both have the same loops:
    then nothing is computed twice. What has fewer loops (a mask vector, a bias)
    stays an operand.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::bufferization::BufferizationDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // SPARSEDROP_CONVERSION_PASSES_TD
