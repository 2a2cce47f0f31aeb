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

def LinalgToLoops : Pass<"sparsedrop-linalg-to-loops", "::mlir::ModuleOp"> {
  let summary = "Linalg on buffers as parallel loops that vectorize";
  let description = [{
    Parallel loops become one `scf.parallel`, reductions `scf.for` inside of it
    that carry the partial results in registers. Where a reduction would walk
    memory with large strides because a parallel loop is the contiguous one (a
    column sum), blocks of that loop are parallel and it is innermost. Sums get
    the `reassoc` flag, without which LLVM cannot vectorize them: their result
    depends on the vector width, not on the number of threads. Copies between
    buffers become loops too.

    Before:

    ```mlir
    func.func @sum(%x: memref<4x8xf32>, %y: memref<4xf32>) {
      linalg.reduce ins(%x : memref<4x8xf32>) outs(%y : memref<4xf32>) dimensions = [1]
        (%a: f32, %s: f32) {
          %0 = arith.addf %a, %s : f32
          linalg.yield %0 : f32
        }
      return
    }
    ```

    After:

    ```mlir
    func.func @sum(%x: memref<4x8xf32>, %y: memref<4xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      %c8 = arith.constant 8 : index
      scf.parallel (%i) = (%c0) to (%c4) step (%c1) {
        %0 = memref.load %y[%i] : memref<4xf32>
        %1 = scf.for %j = %c0 to %c8 step %c1 iter_args(%s = %0) -> (f32) {
          %2 = memref.load %x[%i, %j] : memref<4x8xf32>
          %3 = arith.addf %2, %s fastmath<reassoc> : f32
          scf.yield %3 : f32
        }
        memref.store %1, %y[%i] : memref<4xf32>
        scf.reduce
      }
      return
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect"];
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
