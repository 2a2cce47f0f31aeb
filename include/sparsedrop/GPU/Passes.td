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

def PropagateReshapes : Pass<"sparsedrop-propagate-reshapes", "::mlir::ModuleOp"> {
  let summary = "Ops work on kept granules where they lie";
  let description = [{
    Kept granules of a dimension are a slice of the expanded value. Collapsed
    again they have no single stride, and a buffer of them would be a copy. Here
    `tensor.expand_shape` moves up and `tensor.collapse_shape` down, through
    structured ops, slices and insertions of slices, until both meet and cancel
    each other.

    Before:

    ```mlir
    #id = affine_map<(d0) -> (d0)>
    func.func @f(%w: tensor<64xf32>, %g: tensor<32xf32>) -> tensor<64xf32> {
      %blocks = tensor.expand_shape %w [[0, 1]] output_shape [4, 16] : tensor<64xf32> into tensor<4x16xf32>
      %kept = tensor.extract_slice %blocks[1, 0] [2, 16] [2, 1] : tensor<4x16xf32> to tensor<2x16xf32>
      %flat = tensor.collapse_shape %kept [[0, 1]] : tensor<2x16xf32> into tensor<32xf32>
      %new = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]}
          ins(%g : tensor<32xf32>) outs(%flat : tensor<32xf32>) {
      ^bb0(%d: f32, %old: f32):
        %0 = arith.subf %old, %d : f32
        linalg.yield %0 : f32
      } -> tensor<32xf32>
      %again = tensor.expand_shape %new [[0, 1]] output_shape [2, 16] : tensor<32xf32> into tensor<2x16xf32>
      %updated = tensor.insert_slice %again into %blocks[1, 0] [2, 16] [2, 1] : tensor<2x16xf32> into tensor<4x16xf32>
      %all = tensor.collapse_shape %updated [[0, 1]] : tensor<4x16xf32> into tensor<64xf32>
      return %all : tensor<64xf32>
    }
    ```

    After:

    ```mlir
    #id = affine_map<(d0, d1) -> (d0, d1)>
    func.func @f(%w: tensor<64xf32>, %g: tensor<32xf32>) -> tensor<64xf32> {
      %blocks = tensor.expand_shape %w [[0, 1]] output_shape [4, 16] : tensor<64xf32> into tensor<4x16xf32>
      %kept = tensor.extract_slice %blocks[1, 0] [2, 16] [2, 1] : tensor<4x16xf32> to tensor<2x16xf32>
      %granules = tensor.expand_shape %g [[0, 1]] output_shape [2, 16] : tensor<32xf32> into tensor<2x16xf32>
      %new = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
          ins(%granules : tensor<2x16xf32>) outs(%kept : tensor<2x16xf32>) {
      ^bb0(%d: f32, %old: f32):
        %0 = arith.subf %old, %d : f32
        linalg.yield %0 : f32
      } -> tensor<2x16xf32>
      %updated = tensor.insert_slice %new into %blocks[1, 0] [2, 16] [2, 1] : tensor<2x16xf32> into tensor<4x16xf32>
      %all = tensor.collapse_shape %updated [[0, 1]] : tensor<4x16xf32> into tensor<64xf32>
      return %all : tensor<64xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect",
                           "::mlir::arith::ArithDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def FormKernels : Pass<"sparsedrop-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Contractions become ops with an epilogue";
  let description = [{
    A structured op on tensors that adds products of two operands up becomes
    `sparsedrop.contract`, named or generic, in any transposition, batched, with
    split loops, a convolution. A zero fill that it starts from is absorbed;
    what else it starts from is added in the epilogue.

    Operands of which each element is read once, by all loops, make no product but
    a reduction, unless the sum has 16 bits: other reductions may join it.

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

def FoldPadding : Pass<"sparsedrop-fold-padding", "::mlir::ModuleOp"> {
  let summary = "Padding becomes an index of contractions";
  let description = [{
    A contraction reads zeros outside of its factors. So it reads an image itself
    instead of a copy with zeros around it, and taps of a gradient backwards
    instead of from a reversed copy; of a result of which only a slice is used, as
    of the gradient of a padded image, it computes the slice. Where a factor that
    is read at sums of loops was collapsed, as kept blocks of channels are, it reads
    the parts. Remarks say which copies remain, and why.

    Before:

    ```mlir
    #x = affine_map<(n, h, w, f, i, j, c) -> (n, h + i, w + j, c)>
    #w = affine_map<(n, h, w, f, i, j, c) -> (i, j, c, f)>
    #y = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, f)>
    func.func @f(%x: tensor<2x8x8x16xf32>, %w: tensor<3x3x16x32xf32>, %y: tensor<2x8x8x32xf32>) -> tensor<2x8x8x32xf32> {
      %zero = arith.constant 0.0 : f32
      %p = tensor.pad %x low[0, 1, 1, 0] high[0, 1, 1, 0] {
        ^bb0(%a: index, %b: index, %c: index, %d: index):
          tensor.yield %zero : f32
      } : tensor<2x8x8x16xf32> to tensor<2x10x10x16xf32>
      %0 = sparsedrop.contract {indexing_maps = [#x, #w, #y]}
          ins(%p, %w : tensor<2x10x10x16xf32>, tensor<3x3x16x32xf32>) outs(%y : tensor<2x8x8x32xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      } -> tensor<2x8x8x32xf32>
      return %0 : tensor<2x8x8x32xf32>
    }
    ```

    After:

    ```mlir
    #x = affine_map<(n, h, w, f, i, j, c) -> (n, h + i - 1, w + j - 1, c)>
    #w = affine_map<(n, h, w, f, i, j, c) -> (i, j, c, f)>
    #y = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, f)>
    func.func @f(%x: tensor<2x8x8x16xf32>, %w: tensor<3x3x16x32xf32>, %y: tensor<2x8x8x32xf32>) -> tensor<2x8x8x32xf32> {
      %0 = sparsedrop.contract {indexing_maps = [#x, #w, #y]}
          ins(%x, %w : tensor<2x8x8x16xf32>, tensor<3x3x16x32xf32>) outs(%y : tensor<2x8x8x32xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      } -> tensor<2x8x8x32xf32>
      return %0 : tensor<2x8x8x32xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::sparsedrop::SparseDropDialect",
                           "::mlir::tensor::TensorDialect"];
}

def FuseEpilogues : Pass<"sparsedrop-fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "Elementwise users of a contraction join its epilogue";
  let description = [{
    An elementwise op on a result of `sparsedrop.contract` is computed where the
    sum is, in registers: scales, biases, activations and their gradients from
    what was saved, residuals, conversions, updates of a weight. Where the
    result has other users it stays an output. Each fusion, and each that is
    missed with its reason, is a remark.

    One that reads equal parts of the result, side by side along its last
    dimension, as the cell of an LSTM reads its gates, joins it, too: the loop of
    that dimension is split, and its slow half becomes the joint loop of the
    contraction, whose epilogue sees the sums of all parts. Products with many
    rows are better off with wgmma, which can have a joint loop only if parts of
    a factor begin at multiples of 16 bytes: `most-joint-rows`.

    A copy of what an epilogue reads, of a state that is saved before it is
    overwritten, becomes an output.

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
  let dependentDialects = ["::mlir::sparsedrop::SparseDropDialect",
                           "::mlir::tensor::TensorDialect"];
  let options = [
    Option<"mostJointRows", "most-joint-rows", "int64_t", /*default=*/"0",
           "rows of a product up to which its epilogue may see several sums of "
           "parts that are not aligned to 16 bytes; 0: any number">
  ];
}

def ShareElementwise : Pass<"sparsedrop-share-elementwise", "::mlir::ModuleOp"> {
  let summary = "Reductions read what is computed anyway";
  let description = [{
    Where a reduction computes of its operands what an elementwise op before it
    has computed, as the gradient of a bias does beside that of an activation, it
    reads that op's result: one array instead of several, and no other result of a
    product has to be stored for it.

    Before:

    ```mlir
    #id = affine_map<(d0, d1) -> (d0, d1)>
    #column = affine_map<(d0, d1) -> (d1)>
    func.func @f(%x: tensor<8x4xf32>, %g: tensor<8x4xf32>, %z: tensor<4xf32>) -> (tensor<8x4xf32>, tensor<4xf32>) {
      %e = tensor.empty() : tensor<8x4xf32>
      %0 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
          ins(%x, %g : tensor<8x4xf32>, tensor<8x4xf32>) outs(%e : tensor<8x4xf32>) {
      ^bb0(%a: f32, %b: f32, %o: f32):
        %2 = arith.mulf %a, %b : f32
        linalg.yield %2 : f32
      } -> tensor<8x4xf32>
      %1 = linalg.generic {indexing_maps = [#id, #id, #column], iterator_types = ["reduction", "parallel"]}
          ins(%x, %g : tensor<8x4xf32>, tensor<8x4xf32>) outs(%z : tensor<4xf32>) {
      ^bb0(%a: f32, %b: f32, %o: f32):
        %2 = arith.mulf %a, %b : f32
        %3 = arith.addf %o, %2 : f32
        linalg.yield %3 : f32
      } -> tensor<4xf32>
      return %0, %1 : tensor<8x4xf32>, tensor<4xf32>
    }
    ```

    After:

    ```mlir
    #id = affine_map<(d0, d1) -> (d0, d1)>
    #column = affine_map<(d0, d1) -> (d1)>
    func.func @f(%x: tensor<8x4xf32>, %g: tensor<8x4xf32>, %z: tensor<4xf32>) -> (tensor<8x4xf32>, tensor<4xf32>) {
      %e = tensor.empty() : tensor<8x4xf32>
      %0 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
          ins(%x, %g : tensor<8x4xf32>, tensor<8x4xf32>) outs(%e : tensor<8x4xf32>) {
      ^bb0(%a: f32, %b: f32, %o: f32):
        %2 = arith.mulf %a, %b : f32
        linalg.yield %2 : f32
      } -> tensor<8x4xf32>
      %1 = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
          ins(%0 : tensor<8x4xf32>) outs(%z : tensor<4xf32>) {
      ^bb0(%a: f32, %o: f32):
        %2 = arith.addf %o, %a : f32
        linalg.yield %2 : f32
      } -> tensor<4xf32>
      return %0, %1 : tensor<8x4xf32>, tensor<4xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
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

def GroupProducts : Pass<"sparsedrop-group-products", "::mlir::ModuleOp"> {
  let summary = "Products of a loop's iterations share a launch";
  let description = [{
    A loop that is `sparsedrop.disjoint`, no iteration of which writes what
    another one reads or writes, and that does nothing but contract views of
    buffers, and check their sizes, becomes `sparsedrop.grouped`: one launch computes the products of
    all its iterations, as long as their parameters fit (4096 bytes). Of several
    products each gets a loop of its own. So the classes of a tile pattern
    (design: one class for each period of rows) fill the device together, however
    small each is. What is taken, and what is not with its reason, is a remark.

    Before:

    ```mlir
    #mk = affine_map<(m, n, k) -> (m, k)>
    #kn = affine_map<(m, n, k) -> (k, n)>
    #mn = affine_map<(m, n, k) -> (m, n)>
    func.func @f(%x: memref<4x8x16xf32>, %w: memref<4x16x8xf32>, %y: memref<4x8x8xf32>, %n: index) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      scf.for %q = %c0 to %n step %c1 {
        %a = memref.subview %x[%q, 0, 0] [1, 8, 16] [1, 1, 1] : memref<4x8x16xf32> to memref<8x16xf32, strided<[16, 1], offset: ?>>
        %b = memref.subview %w[%q, 0, 0] [1, 16, 8] [1, 1, 1] : memref<4x16x8xf32> to memref<16x8xf32, strided<[8, 1], offset: ?>>
        %c = memref.subview %y[%q, 0, 0] [1, 8, 8] [1, 1, 1] : memref<4x8x8xf32> to memref<8x8xf32, strided<[8, 1], offset: ?>>
        sparsedrop.contract {indexing_maps = [#mk, #kn, #mn]} ins(%a, %b : memref<8x16xf32, strided<[16, 1], offset: ?>>, memref<16x8xf32, strided<[8, 1], offset: ?>>) outs(%c : memref<8x8xf32, strided<[8, 1], offset: ?>>) {
        ^bb0(%sum: f32, %old: f32):
          sparsedrop.yield %sum : f32
        }
      } {sparsedrop.disjoint}
      return
    }
    ```

    After:

    ```mlir
    #mk = affine_map<(m, n, k) -> (m, k)>
    #kn = affine_map<(m, n, k) -> (k, n)>
    #mn = affine_map<(m, n, k) -> (m, n)>
    func.func @f(%x: memref<4x8x16xf32>, %w: memref<4x16x8xf32>, %y: memref<4x8x8xf32>, %n: index) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      scf.for %q = %c0 to %n step %c1 {
        %a = memref.subview %x[%q, 0, 0] [1, 8, 16] [1, 1, 1] : memref<4x8x16xf32> to memref<8x16xf32, strided<[16, 1], offset: ?>>
        %b = memref.subview %w[%q, 0, 0] [1, 16, 8] [1, 1, 1] : memref<4x16x8xf32> to memref<16x8xf32, strided<[8, 1], offset: ?>>
        %c = memref.subview %y[%q, 0, 0] [1, 8, 8] [1, 1, 1] : memref<4x8x8xf32> to memref<8x8xf32, strided<[8, 1], offset: ?>>
        sparsedrop.contract {indexing_maps = [#mk, #kn, #mn]} ins(%a, %b : memref<8x16xf32, strided<[16, 1], offset: ?>>, memref<16x8xf32, strided<[8, 1], offset: ?>>) outs(%c : memref<8x8xf32, strided<[8, 1], offset: ?>>) {
        ^bb0(%sum: f32, %old: f32):
          sparsedrop.yield %sum : f32
        }
      } {sparsedrop.disjoint, sparsedrop.grouped}
      return
    }
    ```
  }];
}

def ChooseKernels : Pass<"sparsedrop-choose-kernels", "::mlir::ModuleOp"> {
  let summary = "Writes which GPU kernel each op on buffers becomes";
  let description = [{
    Adds `sparsedrop.kernel` to each contraction and structured op on buffers
    that has none, from shapes, strides, element types and the chip.
    `sparsedrop-emit-kernels` obeys; what the attribute says may be overridden by
    writing it before. Products become the kernel that an estimate of cycles
    (waves of tiles, tensor cores, traffic from the L2 cache, epilogues, parts of
    the depth) says is the cheapest. A remark says what limits it, or which
    operand keeps it from a faster family and why.

    A table of kernels that `sparsedrop-tune` has measured goes before the
    estimate. A product is looked up by its signature; where the table has none, a
    remark tells the signature, and where its kernel cannot be obeyed, why.

    Before:

    ```mlir
    func.func @square(%x: memref<64xf32>, %y: memref<64xf32>) {
      linalg.square ins(%x : memref<64xf32>) outs(%y : memref<64xf32>)
      return
    }
    ```

    After:

    ```mlir
    func.func @square(%x: memref<64xf32>, %y: memref<64xf32>) {
      linalg.square {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [256], vector = [4]>}
          ins(%x : memref<64xf32>) outs(%y : memref<64xf32>)
      return
    }
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_90a\"",
           "The GPU: sm_80, sm_86, sm_89, sm_90a ...">,
    Option<"tf32", "tf32", "bool", "false",
           "Round the factors of f32 products to tf32, on tensor cores">,
    Option<"family", "family", "std::string", "\"\"",
           "The family of products where it can be obeyed (wgmma, tensor_core, "
           "plain), instead of the cheapest">,
    Option<"table", "table", "std::string", "\"\"",
           "File of measured kernels, which go before the estimate">];
  let dependentDialects = ["::mlir::sparsedrop::SparseDropDialect"];
}

def GroupKernels : Pass<"sparsedrop-group-kernels", "::mlir::ModuleOp"> {
  let summary = "Ops on the same rows share a launch";
  let description = [{
    A reduction and the ops behind it that reduce or map the same rows, as in a
    softmax, a loss or the update of a bias, get one `sparsedrop.group`: a number,
    and the loops that are the rows. `sparsedrop-emit-kernels` makes one kernel of
    them, in which each row is the business of some threads. Members are moved to
    the first; ops that have nothing to do with them stay behind. Each op that
    joins, and each that does not with its reason, is a remark.

    Before:

    ```mlir
    func.func @f(%x: memref<8x64xf32>, %s: memref<8xf32>, %y: memref<8xf32>) {
      linalg.reduce { arith.addf } ins(%x : memref<8x64xf32>) outs(%s : memref<8xf32>) dimensions = [1] {sparsedrop.kernel = #sparsedrop.kernel<reduce_rows, threads = [8, 32], vector = [1]>}
      linalg.sqrt {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [256], vector = [1]>} ins(%s : memref<8xf32>) outs(%y : memref<8xf32>)
      return
    }
    ```

    After:

    ```mlir
    func.func @f(%x: memref<8x64xf32>, %s: memref<8xf32>, %y: memref<8xf32>) {
      linalg.reduce { arith.addf } ins(%x : memref<8x64xf32>) outs(%s : memref<8xf32>) dimensions = [1] {sparsedrop.kernel = #sparsedrop.kernel<reduce_rows, threads = [8, 32], vector = [1]>, sparsedrop.group = array<i64: 0, 0>}
      linalg.sqrt {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [256], vector = [1]>, sparsedrop.group = array<i64: 0, 0>} ins(%s : memref<8xf32>) outs(%y : memref<8xf32>)
      return
    }
    ```
  }];
}

def EmitKernels : Pass<"sparsedrop-emit-kernels", "::mlir::ModuleOp"> {
  let summary = "Ops on buffers become kernels and their launches";
  let description = [{
    Each contraction and structured op on buffers becomes an `llvm.func` in the
    `gpu.module` sparsedrop_kernels, as its `sparsedrop.kernel` says, and a call
    of `sparsedrop_program_launch` with the kernel's number. Buffers are memory
    of the device. Equal kernels are there once.

    Before (nothing to launch):

    ```mlir
    func.func @f(%x: i64) -> i64 {
      return %x : i64
    }
    ```

    After:

    ```mlir
    func.func @f(%x: i64) -> i64 {
      return %x : i64
    }
    ```
  }];
  let options = [
    Option<"overlap", "overlap", "bool", "false",
           "Kernels may begin before the one before has ended, and wait for it "
           "by griddepcontrol; for sm_90 and later">];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::gpu::GPUDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect",
    "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect"];
}

def LowerKernels : Pass<"sparsedrop-lower-kernels", "::mlir::ModuleOp"> {
  let summary = "Kernels to the LLVM dialect";
  let description = [{
    What is in a `gpu.module` becomes ops of the LLVM and NVVM dialects.

    Before:

    ```mlir
    gpu.module @kernels {
      llvm.func @k(%x: i32) -> i32 {
        %0 = arith.addi %x, %x : i32
        llvm.return %0 : i32
      }
    }
    ```

    After:

    ```mlir
    gpu.module @kernels {
      llvm.func @k(%x: i32) -> i32 {
        %0 = llvm.add %x, %x : i32
        llvm.return %0 : i32
      }
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
    "::mlir::scf::SCFDialect"];
}

def SerializeKernels : Pass<"sparsedrop-serialize-kernels", "::mlir::ModuleOp"> {
  let summary = "Kernels of the LLVM dialect to PTX";
  let description = [{
    Each `gpu.module` becomes a `gpu.binary` that holds its PTX. Kernels with
    wgmma, setmaxnreg and their like want a chip of their own (`sm_90a`).

    Before (no kernels):

    ```mlir
    func.func @f(%x: i64) -> i64 {
      return %x : i64
    }
    ```

    After:

    ```mlir
    func.func @f(%x: i64) -> i64 {
      return %x : i64
    }
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_90a\"",
           "The GPU: sm_80, sm_86, sm_89, sm_90a ...">];
  let dependentDialects = ["::mlir::gpu::GPUDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

def ChooseLayouts : Pass<"sparsedrop-choose-layouts", "::mlir::ModuleOp"> {
  let summary = "The dimension of which products read kept elements is outermost";
  let description = [{
    Where a buffer of the program itself is read by products that keep every so many
    elements of its innermost dimension, that one becomes the outermost: kept elements
    are rows then, whose distance is a stride, and nothing has to be packed. Buffers
    stay as they are where something goes through them together with other arrays,
    or where products drop elements of what would be innermost. Arguments and results
    have the caller's layout. Remarks say what was done, or why not.

    Before:

    ```mlir
    #a = affine_map<(m, n, k) -> (m, k)>
    #b = affine_map<(m, n, k) -> (k, n)>
    #c = affine_map<(m, n, k) -> (m, n)>
    func.func @f(%x: memref<256x64xf32>, %v: memref<64x128xf32>, %w: memref<?x32xf32>, %y: memref<256x32xf32>, %bias: index, %kept: index, %period: index) {
      %h = memref.alloc() : memref<256x128xf32>
      sparsedrop.contract {indexing_maps = [#a, #b, #c]}
          ins(%x, %v : memref<256x64xf32>, memref<64x128xf32>) outs(%h : memref<256x128xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      }
      %s = memref.subview %h[0, %bias] [256, %kept] [1, %period] : memref<256x128xf32> to memref<256x?xf32, strided<[128, ?], offset: ?>>
      sparsedrop.contract {indexing_maps = [#a, #b, #c]}
          ins(%s, %w : memref<256x?xf32, strided<[128, ?], offset: ?>>, memref<?x32xf32>) outs(%y : memref<256x32xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      }
      memref.dealloc %h : memref<256x128xf32>
      return
    }
    ```

    After:

    ```mlir
    #a = affine_map<(m, n, k) -> (m, k)>
    #b = affine_map<(m, n, k) -> (k, n)>
    #c = affine_map<(m, n, k) -> (m, n)>
    #d = affine_map<(m, n, k) -> (n, m)>
    #e = affine_map<(m, n, k) -> (k, m)>
    func.func @f(%x: memref<256x64xf32>, %v: memref<64x128xf32>, %w: memref<?x32xf32>, %y: memref<256x32xf32>, %bias: index, %kept: index, %period: index) {
      %h = memref.alloc() : memref<128x256xf32>
      sparsedrop.contract {indexing_maps = [#a, #b, #d]}
          ins(%x, %v : memref<256x64xf32>, memref<64x128xf32>) outs(%h : memref<128x256xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      }
      %s = memref.subview %h[%bias, 0] [%kept, 256] [%period, 1] : memref<128x256xf32> to memref<?x256xf32, strided<[?, 1], offset: ?>>
      sparsedrop.contract {indexing_maps = [#e, #b, #c]}
          ins(%s, %w : memref<?x256xf32, strided<[?, 1], offset: ?>>, memref<?x32xf32>) outs(%y : memref<256x32xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      }
      memref.dealloc %h : memref<128x256xf32>
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect",
                           "::mlir::memref::MemRefDialect"];
}

def PackFactors : Pass<"sparsedrop-pack-factors", "::mlir::ModuleOp"> {
  let summary = "Factors whose elements are no neighbours are packed";
  let description = [{
    Where the innermost dimension of a weight is compacted, kept elements are some
    apart in memory, and each block of a product would read what is between, too.
    Such a factor is copied without gaps if blocks read it several times; products
    that read the same one share the copy, as long as nothing writes to the weight.
    Remarks give the number of reads.

    wgmma wants the depth of f32 (as tf32) and of floats of 8 bits innermost. On a
    chip that has it, factors of these types that have another dimension there are
    transposed on the way, if the other factor can be read by bulk copies.

    Before:

    ```mlir
    #a = affine_map<(m, n, k) -> (m, k)>
    #b = affine_map<(m, n, k) -> (k, n)>
    #c = affine_map<(m, n, k) -> (m, n)>
    func.func @f(%x: memref<1024x64xf32>, %w: memref<64x32xf32, strided<[64, 2]>>, %y: memref<1024x32xf32>) {
      sparsedrop.contract {indexing_maps = [#a, #b, #c]}
          ins(%x, %w : memref<1024x64xf32>, memref<64x32xf32, strided<[64, 2]>>) outs(%y : memref<1024x32xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      }
      return
    }
    ```

    After:

    ```mlir
    #a = affine_map<(m, n, k) -> (m, k)>
    #b = affine_map<(m, n, k) -> (k, n)>
    #c = affine_map<(m, n, k) -> (m, n)>
    func.func @f(%x: memref<1024x64xf32>, %w: memref<64x32xf32, strided<[64, 2]>>, %y: memref<1024x32xf32>) {
      %0 = memref.alloc() : memref<64x32xf32>
      linalg.copy ins(%w : memref<64x32xf32, strided<[64, 2]>>) outs(%0 : memref<64x32xf32>)
      sparsedrop.contract {indexing_maps = [#a, #b, #c]}
          ins(%x, %0 : memref<1024x64xf32>, memref<64x32xf32>) outs(%y : memref<1024x32xf32>) {
      ^bb0(%sum: f32, %old: f32):
        sparsedrop.yield %sum : f32
      }
      memref.dealloc %0 : memref<64x32xf32>
      return
    }
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_90a\"",
           "The GPU: sm_80, sm_86, sm_89, sm_90a ...">,
    Option<"tf32", "tf32", "bool", "false",
           "Factors of f32 will be rounded to tf32">,
    Option<"family", "family", "std::string", "\"\"",
           "The family that products will have where they can">];
  let dependentDialects = ["::mlir::linalg::LinalgDialect",
                           "::mlir::memref::MemRefDialect"];
}

def PadAllocations : Pass<"sparsedrop-pad-allocations", "::mlir::ModuleOp"> {
  let summary = "Rows of temporaries begin at multiples of 16 bytes";
  let description = [{
    A temporary of several dimensions that only structured ops use gets a leading
    dimension that is a multiple of 16 bytes, so that the number of kept units
    does not decide how fast its rows can be copied. Its extents stay as they
    are; the padding is never read.

    Before:

    ```mlir
    func.func @f(%n: index, %v: f32) {
      %0 = memref.alloc(%n) : memref<8x?xf32>
      linalg.fill ins(%v : f32) outs(%0 : memref<8x?xf32>)
      memref.dealloc %0 : memref<8x?xf32>
      return
    }
    ```

    After:

    ```mlir
    func.func @f(%n: index, %v: f32) {
      %c4 = arith.constant 4 : index
      %0 = arith.ceildivui %n, %c4 : index
      %1 = arith.muli %0, %c4 : index
      %2 = memref.alloc(%1) : memref<8x?xf32>
      %3 = memref.subview %2[0, 0] [8, %n] [1, 1] : memref<8x?xf32> to memref<8x?xf32, strided<[?, 1]>>
      linalg.fill ins(%v : f32) outs(%3 : memref<8x?xf32, strided<[?, 1]>>)
      memref.dealloc %2 : memref<8x?xf32>
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::memref::MemRefDialect"];
}

def PlaceBuffers : Pass<"sparsedrop-place-buffers", "::mlir::ModuleOp"> {
  let summary = "Decides what lies on the host and what on the device";
  let description = [{
    Buffers lie on the device. Constants that kernels read become variables of
    the kernels' module; lists that functions of the host fill are copied to the
    device, and buffers that they read to the host; an element that the host
    reads is fetched (the host waits, which is a missed remark; where a loop reads
    elements of a small array that it does not change, for all of them at once
    before the loop), one that it writes is a fill. Copies become structured ops.

    Before:

    ```mlir
    func.func private @set(%x: memref<8xf32>, %i: index, %v: f32) {
      memref.store %v, %x[%i] : memref<8xf32>
      return
    }
    ```

    After:

    ```mlir
    func.func private @set(%x: memref<8xf32>, %i: index, %v: f32) {
      %0 = memref.subview %x[%i] [1] [1] : memref<8xf32> to memref<f32, strided<[], offset: ?>>
      linalg.fill ins(%v : f32) outs(%0 : memref<f32, strided<[], offset: ?>>)
      return
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::gpu::GPUDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::LLVM::LLVMDialect", "::mlir::memref::MemRefDialect"];
}

def EmbedKernels : Pass<"sparsedrop-embed-kernels", "::mlir::ModuleOp"> {
  let summary = "PTX becomes data of the host's module";
  let description = [{
    The `gpu.binary` of a module becomes `@sparsedrop_image`, which entry points
    hand to the runtime library: a `sparsedrop_program_image` of
    sparsedrop-c/Program.h. Modules without entry points stay as they are.

    Before (no entry point):

    ```mlir
    llvm.func @f(%x: i64) -> i64 {
      llvm.return %x : i64
    }
    ```

    After:

    ```mlir
    llvm.func @f(%x: i64) -> i64 {
      llvm.return %x : i64
    }
    ```
  }];
  let options = [
    Option<"chip", "chip", "std::string", "\"sm_90a\"",
           "What the kernels were compiled for">];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // SPARSEDROP_GPU_PASSES_TD
