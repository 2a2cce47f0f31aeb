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

def ApproximateMath : Pass<"sparsedrop-approximate-math", "::mlir::ModuleOp"> {
  let summary = "Functions of f32 become polynomials that loops can vectorise";
  let description = [{
    exp, tanh and erf on f32 and on 16-bit types become upstream's polynomial
    approximations: a call of the C library for each element would keep a loop
    from being vectorised. The largest errors are 1, 5 and 5 units in the last
    place of f32 (test/Integration/math-accuracy.py measures them). Other
    functions, and those of f64, stay with the C library. Square roots, roundings and
    others that are instructions become LLVM's intrinsics.

    Before (no function of f32):

    ```mlir
    func.func @f(%x: f64) -> f64 {
      %0 = math.exp %x : f64
      return %0 : f64
    }
    ```

    After:

    ```mlir
    func.func @f(%x: f64) -> f64 {
      %0 = math.exp %x : f64
      return %0 : f64
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect"];
}

def AssertsToRuntime
    : Pass<"sparsedrop-asserts-to-runtime", "::mlir::ModuleOp"> {
  let summary = "Failed assertions end a function with an error";
  let description = [{
    An assertion in a function of the LLVM dialect calls `sparsedrop_fail` with
    its message and returns, instead of aborting the process: the entry point
    then gives status 1.

    Before:

    ```mlir
    llvm.func @f(%c: i1) {
      cf.assert %c, "bad"
      llvm.return
    }
    ```

    After:

    ```mlir
    llvm.mlir.global private constant @sparsedrop_message_0("bad\00") {addr_space = 0 : i32}
    llvm.func @sparsedrop_fail(!llvm.ptr)
    llvm.func @f(%c: i1) {
      %0 = llvm.mlir.addressof @sparsedrop_message_0 : !llvm.ptr
      llvm.cond_br %c, ^bb1, ^bb2
    ^bb1:
      llvm.return
    ^bb2:
      %1 = llvm.getelementptr %0[0, 0] : (!llvm.ptr) -> !llvm.ptr, !llvm.array<4 x i8>
      llvm.call @sparsedrop_fail(%1) : (!llvm.ptr) -> ()
      llvm.return
    }
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def CarryInPlace : Pass<"sparsedrop-carry-in-place", "::mlir::ModuleOp"> {
  let summary = "Loops write the tensors that they carry to where these lie";
  let description = [{
    What an iteration of an `scf.for` computes into a tensor of its own and hands on
    is written to the tensor that it was handed: directly if the op that computes it
    has an empty destination and is the last to read what was there, or at the end
    of the iteration. As buffers the loop then carries none: no iteration allocates
    and frees, nobody has to keep book at run time of who owns what, which on a
    device means to wait for it. To be run before `eliminate-empty-tensors` and after
    the last canonicalization before bufferization, which would take the slices for
    nothing.

    Before:

    ```mlir
    func.func @f(%x: tensor<8xf32>, %e: tensor<8xf32>, %n: index) -> tensor<8xf32> {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<8xf32>) {
        %1 = linalg.exp ins(%a : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
        scf.yield %1 : tensor<8xf32>
      }
      return %0 : tensor<8xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<8xf32>, %e: tensor<8xf32>, %n: index) -> tensor<8xf32> {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<8xf32>) {
        %1 = linalg.exp ins(%a : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
        %2 = tensor.insert_slice %1 into %a[0] [8] [1] : tensor<8xf32> into tensor<8xf32>
        scf.yield %2 : tensor<8xf32>
      }
      return %0 : tensor<8xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
}

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

def ConvolutionsToIm2Col
    : Pass<"sparsedrop-convolutions-to-im2col", "::mlir::ModuleOp"> {
  let summary = "Convolutions by matrices of patches";
  let description = [{
    A product that reads an operand at sums of loops, named or generic, a
    convolution or one of its gradients, reads a copy of it that has an element for
    each pixel, tap and channel: im2col. This is how the papers compute
    convolutions, and what others are compared with: the products of both back
    ends read images as they are.

    Before:

    ```mlir
    func.func @f(%x: tensor<2x8x8x4xf32>, %w: tensor<3x3x4x6xf32>, %y: tensor<2x6x6x6xf32>) -> tensor<2x6x6x6xf32> {
      %0 = linalg.conv_2d_nhwc_hwcf ins(%x, %w : tensor<2x8x8x4xf32>, tensor<3x3x4x6xf32>) outs(%y : tensor<2x6x6x6xf32>) -> tensor<2x6x6x6xf32>
      return %0 : tensor<2x6x6x6xf32>
    }
    ```

    After:

    ```mlir
    #image = affine_map<(n, h, w, i, j, c) -> (n, h + i, w + j, c)>
    #id = affine_map<(n, h, w, i, j, c) -> (n, h, w, i, j, c)>
    #patches = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, i, j, c)>
    #filters = affine_map<(n, h, w, f, i, j, c) -> (i, j, c, f)>
    #out = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, f)>
    func.func @f(%x: tensor<2x8x8x4xf32>, %w: tensor<3x3x4x6xf32>, %y: tensor<2x6x6x6xf32>) -> tensor<2x6x6x6xf32> {
      %e = tensor.empty() : tensor<2x6x6x3x3x4xf32>
      %p = linalg.generic {indexing_maps = [#image, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "parallel"]}
          ins(%x : tensor<2x8x8x4xf32>) outs(%e : tensor<2x6x6x3x3x4xf32>) {
      ^bb0(%a: f32, %o: f32):
        linalg.yield %a : f32
      } -> tensor<2x6x6x3x3x4xf32>
      %0 = linalg.generic {indexing_maps = [#patches, #filters, #out], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
          ins(%p, %w : tensor<2x6x6x3x3x4xf32>, tensor<3x3x4x6xf32>) outs(%y : tensor<2x6x6x6xf32>) {
      ^bb0(%a: f32, %b: f32, %o: f32):
        %1 = arith.mulf %a, %b : f32
        %2 = arith.addf %o, %1 : f32
        linalg.yield %2 : f32
      } -> tensor<2x6x6x6xf32>
      return %0 : tensor<2x6x6x6xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
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

    Allocations go to the runtime library; without memory of the host a function
    returns at once. An op that nothing has lowered is an error that names it.

    With `device`, entry points are `i32 sparsedrop_invoke_F(ptr device, ptr
    stream, ptr)`: handles of sparsedrop-c/Device.h, null for the default stream.
    Arrays and tensor results are memory of the device; the call returns before
    the device is done.

    Before:

    ```mlir
    llvm.func @f(%x: f32) -> f32 {
      llvm.return %x : f32
    }
    llvm.func @_mlir_ciface_f(%x: f32) -> f32 {
      %0 = llvm.call @f(%x) : (f32) -> f32
      llvm.return %0 : f32
    }
    ```

    After:

    ```mlir
    llvm.func @sparsedrop_leave() -> i32
    llvm.func @sparsedrop_enter()
    llvm.func @f(%arg0: f32) -> f32 {
      llvm.return %arg0 : f32
    }
    llvm.func @_mlir_ciface_f(%arg0: f32) -> f32 {
      %0 = llvm.call @f(%arg0) : (f32) -> f32
      llvm.return %0 : f32
    }
    llvm.func @sparsedrop_invoke_f(%arg0: !llvm.ptr) -> i32 {
      llvm.call @sparsedrop_enter() : () -> ()
      %0 = llvm.getelementptr %arg0[1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
      %1 = llvm.load %0 : !llvm.ptr -> !llvm.ptr
      %2 = llvm.load %1 : !llvm.ptr -> f32
      %3 = llvm.call @_mlir_ciface_f(%2) : (f32) -> f32
      %4 = llvm.load %arg0 : !llvm.ptr -> !llvm.ptr
      llvm.store %3, %4 : f32, !llvm.ptr
      %5 = llvm.call @sparsedrop_leave() : () -> i32
      llvm.return %5 : i32
    }
    ```
  }];
  let options = [Option<"device", "device", "bool", "false",
                        "Programs run on a device">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def ExpandSmallFloats
    : Pass<"sparsedrop-expand-small-floats", "::mlir::ModuleOp"> {
  let summary = "Floats of 8 bits are computed with in f32";
  let description = [{
    f8E4M3FN and f8E5M2 are for storage. Ops of arith and math on them become
    ops on f32 between conversions, and conversions become integer arithmetic,
    the same on every processor: to the nearest, ties to even. What is too large
    becomes infinity in f8E5M2 and NaN in f8E4M3FN, which has no infinity. From
    f64 there is one rounding. Loads, stores and selections stay as they are.
    Products of such factors have become calls of the runtime or kernels of
    tensor cores before.

    Before:

    ```mlir
    func.func @f(%x: f8E5M2) -> f32 {
      %0 = arith.extf %x : f8E5M2 to f32
      return %0 : f32
    }
    ```

    After, the upper half of an f16:

    ```mlir
    func.func @f(%x: f8E5M2) -> f32 {
      %c8 = arith.constant 8 : i16
      %0 = arith.bitcast %x : f8E5M2 to i8
      %1 = arith.extui %0 : i8 to i16
      %2 = arith.shli %1, %c8 : i16
      %3 = arith.bitcast %2 : i16 to f16
      %4 = arith.extf %3 : f16 to f32
      return %4 : f32
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def ExtendLifetimes : Pass<"sparsedrop-extend-lifetimes", "::mlir::ModuleOp"> {
  let summary = "Memory lives as long as calls may know its address";
  let description = [{
    Upstream frees a buffer after the last op that has it as an operand. Calls of the
    runtime library have its address, a number. A deallocation in front of an op that
    uses such a number, or what is computed from it, moves behind that op.

    Before:

    ```mlir
    func.func private @sparsedrop_use(i64)
    func.func @f() {
      %0 = memref.alloc() : memref<4xindex>
      %1 = memref.extract_aligned_pointer_as_index %0 : memref<4xindex> -> index
      memref.dealloc %0 : memref<4xindex>
      %2 = arith.index_cast %1 : index to i64
      call @sparsedrop_use(%2) : (i64) -> ()
      return
    }
    ```

    After:

    ```mlir
    func.func private @sparsedrop_use(i64)
    func.func @f() {
      %0 = memref.alloc() : memref<4xindex>
      %1 = memref.extract_aligned_pointer_as_index %0 : memref<4xindex> -> index
      %2 = arith.index_cast %1 : index to i64
      call @sparsedrop_use(%2) : (i64) -> ()
      memref.dealloc %0 : memref<4xindex>
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

def ForwardCopies : Pass<"sparsedrop-forward-copies", "::mlir::ModuleOp"> {
  let summary = "Buffers are written where they are copied to";
  let description = [{
    A buffer that structured ops write, and that is copied to a slice of another
    buffer then, gives way to that slice, if nobody else may read or write it from
    the first of these ops to the copy: others use other buffers, or slices that have
    no element in common with it. Upstream's elimination of empty tensors does that
    for single results; of several the second would be put into what the first has
    made. To be run before buffers are freed.

    Before:

    ```mlir
    #id = affine_map<(i) -> (i)>
    func.func @f(%x: memref<4xf32>, %all: memref<8xf32>) {
      %a = memref.alloc() : memref<4xf32>
      %b = memref.alloc() : memref<4xf32>
      linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
          ins(%x : memref<4xf32>) outs(%a, %b : memref<4xf32>, memref<4xf32>) {
      ^bb0(%e: f32, %o: f32, %p: f32):
        %0 = math.exp %e : f32
        %1 = math.tanh %e : f32
        linalg.yield %0, %1 : f32, f32
      }
      %first = memref.subview %all[0] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1]>>
      memref.copy %a, %first : memref<4xf32> to memref<4xf32, strided<[1]>>
      %second = memref.subview %all[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
      memref.copy %b, %second : memref<4xf32> to memref<4xf32, strided<[1], offset: 4>>
      return
    }
    ```

    After:

    ```mlir
    #id = affine_map<(i) -> (i)>
    func.func @f(%x: memref<4xf32>, %all: memref<8xf32>) {
      %first = memref.subview %all[0] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1]>>
      %second = memref.subview %all[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
      linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
          ins(%x : memref<4xf32>) outs(%first, %second : memref<4xf32, strided<[1]>>, memref<4xf32, strided<[1], offset: 4>>) {
      ^bb0(%e: f32, %o: f32, %p: f32):
        %0 = math.exp %e : f32
        %1 = math.tanh %e : f32
        linalg.yield %0, %1 : f32, f32
      }
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

def FuseSiblings : Pass<"sparsedrop-fuse-siblings", "::mlir::ModuleOp"> {
  let summary = "Reductions and elementwise ops over one array share a loop";
  let description = [{
    Generic ops on tensors that run over all elements of the same array, or of
    an array that one of them writes and the other reads, become one op with the
    results of both, if all reductions keep the same loops, and the later one needs
    nothing that is computed in between, or nobody there needs the earlier one, a
    reduction. Two elementwise ops do where neither reads a product or another
    reduction, in whose kernel it may run, and they have no more than 16 operands
    together.
    Each element is read once then: the sums of a batch norm's gradient, the
    gradient itself and the sensitivities of channels are one pass over the
    activations. A result that is read by nothing else is not written.

    A result that has an element for each iteration of a reduction loop is what
    `sparsedrop-linalg-to-loops` and the kernels of a GPU know; other lowerings may
    not. With `which=alike` only reductions to the same elements join each other,
    sums and maxima that several threads can share. With `which=readers` elementwise
    ops join them only where they read an array in common: one that reads the result
    of the other may be better off with what makes its own operands, a product. What
    is computed of windows is not, and joins a reduction that reads it.

    Before:

    ```mlir
    #id = affine_map<(i, j) -> (i, j)>
    #row = affine_map<(i, j) -> (i)>
    func.func @f(%x: tensor<4x8xf32>) -> (tensor<4xf32>, tensor<4x8xf32>) {
      %c0 = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<4xf32>
      %zeros = linalg.fill ins(%c0 : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
      %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
          ins(%x : tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
      ^bb0(%a: f32, %s: f32):
        %0 = arith.addf %s, %a : f32
        linalg.yield %0 : f32
      } -> tensor<4xf32>
      %f = tensor.empty() : tensor<4x8xf32>
      %square = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
          ins(%x : tensor<4x8xf32>) outs(%f : tensor<4x8xf32>) {
      ^bb0(%a: f32, %o: f32):
        %0 = arith.mulf %a, %a : f32
        linalg.yield %0 : f32
      } -> tensor<4x8xf32>
      return %sum, %square : tensor<4xf32>, tensor<4x8xf32>
    }
    ```

    After:

    ```mlir
    #id = affine_map<(i, j) -> (i, j)>
    #row = affine_map<(i, j) -> (i)>
    func.func @f(%x: tensor<4x8xf32>) -> (tensor<4xf32>, tensor<4x8xf32>) {
      %c0 = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<4xf32>
      %zeros = linalg.fill ins(%c0 : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
      %f = tensor.empty() : tensor<4x8xf32>
      %both:2 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "reduction"]}
          ins(%x : tensor<4x8xf32>) outs(%zeros, %f : tensor<4xf32>, tensor<4x8xf32>) {
      ^bb0(%a: f32, %s: f32, %o: f32):
        %0 = arith.addf %s, %a : f32
        %1 = arith.mulf %a, %a : f32
        linalg.yield %0, %1 : f32, f32
      } -> (tensor<4xf32>, tensor<4x8xf32>)
      return %both#0, %both#1 : tensor<4xf32>, tensor<4x8xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
  let options = [
    Option<"which", "which", "::mlir::sparsedrop::SiblingsToFuse",
           "::mlir::sparsedrop::SiblingsToFuse::All", "Which ops are joined",
           [{::llvm::cl::values(
             clEnumValN(::mlir::sparsedrop::SiblingsToFuse::All, "all",
                        "All that can be"),
             clEnumValN(::mlir::sparsedrop::SiblingsToFuse::Alike, "alike",
                        "Reductions that several threads can share and whose "
                        "results have the same indexing map"),
             clEnumValN(::mlir::sparsedrop::SiblingsToFuse::Readers, "readers",
                        "Reductions that several threads can share, and "
                        "elementwise ops that read the same array")
           )}]>
  ];
}

def LinalgToLoops : Pass<"sparsedrop-linalg-to-loops", "::mlir::ModuleOp"> {
  let summary = "Linalg on buffers as parallel loops that vectorize";
  let description = [{
    Parallel loops become one `scf.parallel`, reductions `scf.for` inside of it
    that carry the partial results in registers. Where a reduction would walk
    memory with large strides because a parallel loop is the contiguous one (a
    column sum), blocks of that loop are parallel and it is innermost. A result
    with an element for each step of a reduction is stored in it. Sums get
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
    "::mlir::LLVM::LLVMDialect",
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

    Before:

    ```mlir
    func.func @double(%x: memref<1048576xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %n = arith.constant 1048576 : index
      scf.parallel (%i) = (%c0) to (%n) step (%c1) {
        %0 = memref.load %x[%i] : memref<1048576xf32>
        %1 = arith.addf %0, %0 : f32
        memref.store %1, %x[%i] : memref<1048576xf32>
        scf.reduce
      }
      return
    }
    ```

    After:

    ```mlir
    func.func private @sparsedrop_parallel_for(i64, i64, i64, !llvm.ptr, !llvm.ptr)
    func.func @double(%arg0: memref<1048576xf32>) {
      %c1048576_i64 = arith.constant 1048576 : i64
      %0 = llvm.mlir.constant(16384 : i64) : i64
      %1 = llvm.mlir.constant(0 : i64) : i64
      %f = constant @sparsedrop_loop_0 : (i64, i64, !llvm.ptr) -> ()
      %2 = llvm.mlir.constant(1 : i64) : i64
      %3 = llvm.alloca %2 x !llvm.struct<(struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>)> {alignment = 8 : i64} : (i64) -> !llvm.ptr
      %4 = builtin.unrealized_conversion_cast %arg0 : memref<1048576xf32> to !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
      %5 = llvm.getelementptr %3[0, 0] : (!llvm.ptr) -> !llvm.ptr, !llvm.struct<(struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>)>
      llvm.store %4, %5 : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>, !llvm.ptr
      %6 = builtin.unrealized_conversion_cast %f : (i64, i64, !llvm.ptr) -> () to !llvm.ptr
      call @sparsedrop_parallel_for(%1, %c1048576_i64, %0, %6, %3) : (i64, i64, i64, !llvm.ptr, !llvm.ptr) -> ()
      return
    }
    func.func private @sparsedrop_loop_0(%arg0: i64, %arg1: i64, %arg2: !llvm.ptr) {
      %c1 = arith.constant 1 : index
      %0 = llvm.getelementptr %arg2[0, 0] : (!llvm.ptr) -> !llvm.ptr, !llvm.struct<(struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>)>
      %1 = llvm.load %0 : !llvm.ptr -> !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
      %2 = builtin.unrealized_conversion_cast %1 : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)> to memref<1048576xf32>
      %3 = arith.index_cast %arg0 : i64 to index
      %4 = arith.index_cast %arg1 : i64 to index
      scf.for %arg3 = %3 to %4 step %c1 {
        %5 = memref.load %2[%arg3] : memref<1048576xf32>
        %6 = arith.addf %5, %5 : f32
        memref.store %6, %2[%arg3] : memref<1048576xf32>
      }
      return
    }
    ```
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
    they are donated, and asks for a C interface of each public function. What
    cannot run on the CPU is an error that names the op: ops on tensors that
    nothing lowers, floats of fewer than 8 or more than 64 bits or of 8 that are
    not f8E4M3FN or f8E5M2, results that a
    reduction loop indexes, annotations that have not been materialized.

    An elementwise op is fused into its only user when both have the same loops:
    then nothing is computed twice. What has fewer loops (a mask vector, a bias)
    stays an operand.
    What slices cover entirely is not filled before.

    Before:

    ```mlir
    func.func @f(%x: tensor<8xf32>) -> tensor<8xf32> {
      %e = tensor.empty() : tensor<8xf32>
      %0 = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      %1 = linalg.negf ins(%0 : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %1 : tensor<8xf32>
    }
    ```

    After:

    ```mlir
    #map = affine_map<(d0) -> (d0)>
    func.func @f(%arg0: tensor<8xf32> {bufferization.writable = false}) -> tensor<8xf32> attributes {llvm.emit_c_interface} {
      %0 = tensor.empty() : tensor<8xf32>
      %1 = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel"]} ins(%arg0 : tensor<8xf32>) outs(%0 : tensor<8xf32>) {
      ^bb0(%in: f32, %out: f32):
        %2 = math.exp %in : f32
        %3 = arith.negf %2 : f32
        linalg.yield %3 : f32
      } -> tensor<8xf32>
      return %1 : tensor<8xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::bufferization::BufferizationDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect",
                           "::mlir::tensor::TensorDialect"];
}

def SeparateInits : Pass<"sparsedrop-separate-inits", "::mlir::ModuleOp"> {
  let summary = "Gives each result an initial value of its own";
  let description = [{
    Fills and empty tensors that several ops start from, as they do after common
    values have been merged, are repeated before each of them. Bufferization
    would give all but the last a copy, and a product could not take a fill of
    zeros for its start. So are empty tensors from outside of a loop that hold
    what the loop inserts somewhere. An elementwise update of a slice begins in
    that slice. What a function returns twice, whole or in part, is copied:
    callers free each result. To be run right before bufferization.

    Before:

    ```mlir
    func.func @f(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
      %e = tensor.empty() : tensor<8xf32>
      %0 = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      %1 = linalg.log ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %0, %1 : tensor<8xf32>, tensor<8xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
      %e = tensor.empty() : tensor<8xf32>
      %0 = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      %1 = linalg.log ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %0, %1 : tensor<8xf32>, tensor<8xf32>
    }
    ```

    (The test of this example merges common values again.)
  }];
  let dependentDialects = ["::mlir::bufferization::BufferizationDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def SplitReductions : Pass<"sparsedrop-split-reductions", "::mlir::ModuleOp"> {
  let summary = "Reductions along the outermost dimension run in parallel";
  let description = [{
    A generic reduction of more than one dimension whose outermost one is
    reduced, too, becomes a reduction of the others, for each element of the
    outermost one, and a small one of those: threads can share the first, and it
    is one loop with what else is done to each sample. The combiner must have a
    neutral element (sum, product, maximum, ...). With fewer than `least` elements
    of the outermost dimension a reduction stays as it is.

    Before:

    ```mlir
    #id = affine_map<(n, i, c) -> (n, i, c)>
    #channel = affine_map<(n, i, c) -> (c)>
    func.func @f(%x: tensor<4x100x8xf32>, %init: tensor<8xf32>) -> tensor<8xf32> {
      %0 = linalg.generic {indexing_maps = [#id, #channel], iterator_types = ["reduction", "reduction", "parallel"]}
          ins(%x : tensor<4x100x8xf32>) outs(%init : tensor<8xf32>) {
      ^bb0(%a: f32, %s: f32):
        %1 = arith.addf %s, %a : f32
        linalg.yield %1 : f32
      } -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    ```

    After:

    ```mlir
    #id = affine_map<(n, i, c) -> (n, i, c)>
    #partial = affine_map<(n, i, c) -> (n, c)>
    #all = affine_map<(n, c) -> (n, c)>
    #channel = affine_map<(n, c) -> (c)>
    func.func @f(%x: tensor<4x100x8xf32>, %init: tensor<8xf32>) -> tensor<8xf32> {
      %zero = arith.constant 0.0 : f32
      %e = tensor.empty() : tensor<4x8xf32>
      %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<4x8xf32>) -> tensor<4x8xf32>
      %0 = linalg.generic {indexing_maps = [#id, #partial], iterator_types = ["parallel", "reduction", "parallel"]}
          ins(%x : tensor<4x100x8xf32>) outs(%zeros : tensor<4x8xf32>) {
      ^bb0(%a: f32, %s: f32):
        %2 = arith.addf %s, %a : f32
        linalg.yield %2 : f32
      } -> tensor<4x8xf32>
      %1 = linalg.generic {indexing_maps = [#all, #channel], iterator_types = ["reduction", "parallel"]}
          ins(%0 : tensor<4x8xf32>) outs(%init : tensor<8xf32>) {
      ^bb0(%a: f32, %s: f32):
        %2 = arith.addf %s, %a : f32
        linalg.yield %2 : f32
      } -> tensor<8xf32>
      return %1 : tensor<8xf32>
    }
    ```
  }];
  let options = [
    Option<"least", "least", "int64_t", "2",
           "Least size of an outermost dimension that is worth it">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def TieDonated : Pass<"sparsedrop-tie-donated", "::mlir::ModuleOp"> {
  let summary = "Results lie in the buffers of donated arguments";
  let description = [{
    After bufferization: result N of a function with an argument marked
    `sparsedrop.donate = N` ends in that argument's buffer and is returned no
    more; callers use what they passed. Where bufferization computed it
    elsewhere, it is copied at the end, with a missed remark. Only donated
    arguments are ever written.

    Before:

    ```mlir
    func.func @f(%x: memref<8xf32> {sparsedrop.donate = 0 : i64}, %y: memref<8xf32>) -> (memref<8xf32>, memref<8xf32>) {
      linalg.add ins(%x, %y : memref<8xf32>, memref<8xf32>) outs(%x : memref<8xf32>)
      return %x, %y : memref<8xf32>, memref<8xf32>
    }
    ```

    After:

    ```mlir
    func.func @f(%x: memref<8xf32>, %y: memref<8xf32>) -> memref<8xf32> {
      linalg.add ins(%x, %y : memref<8xf32>, memref<8xf32>) outs(%x : memref<8xf32>)
      return %y : memref<8xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

def UnrollWindows : Pass<"sparsedrop-unroll-windows", "::mlir::ModuleOp"> {
  let summary = "Reductions of a few elements become elementwise";
  let description = [{
    A structured op on tensors that reduces at most `most` elements for each of its
    results, as pooling does, becomes an elementwise op that reads each of them as an
    operand of its own, at a constant place of the window. Products, reductions of
    rows, which a warp reads together, and kernels that the user has chosen stay as
    they are. On a GPU a thread then takes several neighbouring results at a
    time, and what follows, up to a sum over all of them, runs in the same kernel.

    Elementwise ops are fused into their only reader where both have the same loops;
    one that reads windows also where its reader has more loops, of at most
    `repetitions` steps: the place of a maximum is found again for each element of its window
    instead of being stored.

    Before:

    ```mlir
    #windows = affine_map<(i, c, w) -> (i * 2 + w, c)>
    #shape = affine_map<(i, c, w) -> (w)>
    #result = affine_map<(i, c, w) -> (i, c)>
    func.func @f(%x: tensor<8x16xf32>) -> tensor<4x16xf32> {
      %low = arith.constant 0xFF800000 : f32
      %window = tensor.empty() : tensor<2xf32>
      %e = tensor.empty() : tensor<4x16xf32>
      %init = linalg.fill ins(%low : f32) outs(%e : tensor<4x16xf32>) -> tensor<4x16xf32>
      %0 = linalg.generic {indexing_maps = [#windows, #shape, #result],
                           iterator_types = ["parallel", "parallel", "reduction"]}
          ins(%x, %window : tensor<8x16xf32>, tensor<2xf32>) outs(%init : tensor<4x16xf32>) {
      ^bb0(%a: f32, %s: f32, %m: f32):
        %1 = arith.maximumf %m, %a : f32
        linalg.yield %1 : f32
      } -> tensor<4x16xf32>
      return %0 : tensor<4x16xf32>
    }
    ```

    After:

    ```mlir
    #first = affine_map<(i, c) -> (i * 2, c)>
    #second = affine_map<(i, c) -> (i * 2 + 1, c)>
    #result = affine_map<(i, c) -> (i, c)>
    func.func @f(%x: tensor<8x16xf32>) -> tensor<4x16xf32> {
      %e = tensor.empty() : tensor<4x16xf32>
      %0 = linalg.generic {indexing_maps = [#first, #second, #result],
                           iterator_types = ["parallel", "parallel"]}
          ins(%x, %x : tensor<8x16xf32>, tensor<8x16xf32>) outs(%e : tensor<4x16xf32>) {
      ^bb0(%a: f32, %b: f32, %out: f32):
        %1 = arith.maximumf %a, %b : f32
        linalg.yield %1 : f32
      } -> tensor<4x16xf32>
      return %0 : tensor<4x16xf32>
    }
    ```
  }];
  let options = [
    Option<"most", "most", "int64_t", "25",
           "Most elements of a window">,
    Option<"repetitions", "repetitions", "int64_t", "9",
           "Most times that what reads a window is computed for a reader">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

#endif // SPARSEDROP_CONVERSION_PASSES_TD
