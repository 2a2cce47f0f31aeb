//===- Passes.td - Passes of the sparsedrop dialect --------*- tablegen -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Alphabetical. The two programs in a description are a test: the pass turns
// the first into the second.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_PASSES_TD
#define SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def CheckSizes : Pass<"sparsedrop-check-sizes", "::mlir::ModuleOp"> {
  let summary = "Asserts at run time that dynamic sizes fit";
  let description = [{
    Puts upstream's run-time verification, as `cf.assert`, before each op that
    has one and whose sizes, offsets or indices are not all static: operands of a
    structured op must agree on its loops, slices and elements must lie in their
    tensor, for reading and for writing, a dimension that a pattern acts on must
    have the pattern's extent, and sizes that are computed must be a number of
    elements that memory has. What is static has been verified already, but for
    annotated convolutions of which padding and dilation leave nothing: these are
    errors.

    Before:

    ```mlir
    func.func @f(%x: tensor<8xf32>, %y: tensor<8xf32>, %e: tensor<8xf32>) -> tensor<8xf32> {
      %0 = linalg.add ins(%x, %y : tensor<8xf32>, tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    ```

    After (nothing is dynamic; test/Integration/dynamic-sizes.py has what is):

    ```mlir
    func.func @f(%x: tensor<8xf32>, %y: tensor<8xf32>, %e: tensor<8xf32>) -> tensor<8xf32> {
      %0 = linalg.add ins(%x, %y : tensor<8xf32>, tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
    "::mlir::index::IndexDialect", "::mlir::scf::SCFDialect",
    "::mlir::tensor::TensorDialect"];
}

def Compact : Pass<"sparsedrop-compact", "::mlir::ModuleOp"> {
  let summary = "Makes the program around dropouts smaller";
  let description = [{
    Rewrites `dropout` to `expand(compact(x))` with its scale moved behind the
    products it feeds, and lets both ops move through the program until they
    meet or can move no further. The rules are on indexing maps, never on op
    names, and apply along a loop that occurs only as a plain dimension in the
    op's maps:

    - C1: compact after expand is the identity;
    - C2: compact of a result compacts the operands instead, when all users
      agree or the op has no reduction;
    - C3: expands along a reduction loop whose terms fold to nothing when the
      expanded inputs are zero: the loop shrinks;
    - C4: expands along a parallel loop whose result is zero where they are: the
      result is the expand of the smaller op;
    - C5: where the result is another tensor instead, only its kept slice is
      replaced; where it is neither (momentum, decay, a bias), a dense op sees
      zeros and then the kept slice is updated, by a sum where the body is one;
    - C6: both move through casts, reshapes, pads, concatenations, slices and
      structured control flow. Where parts with patterns of their own are
      joined, loops over the joined dimension are split, one for each part; what
      is only taken apart into slices is computed slice by slice.

    Remarks (category `sparsedrop-compact`) say what shrank by which factor, and
    what did not and why. Annotations must have been materialized. Kept channels are
    a list: what cannot move further is a gather, of weights where only they are
    read in part. A product with dropped tiles of weights, and one whose result
    is dropped by tiles, is a loop over the classes of the pattern (see
    `class_pattern`): in each, rows and columns are kept by row patterns. What
    else reads dropped tiles reads a mask.

    Before:

    ```mlir
    func.func @layer(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %zero: tensor<8x16xf32>,
                     %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
      %0 = sparsedrop.dropout %x, %p dim(1) unscaled
          : tensor<8x64xf32>, !sparsedrop.pattern<row>
      %1 = linalg.matmul ins(%0, %w : tensor<8x64xf32>, tensor<64x16xf32>)
                         outs(%zero : tensor<8x16xf32>) -> tensor<8x16xf32>
      return %1 : tensor<8x16xf32>
    }
    ```

    After:

    ```mlir
    func.func @layer(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %zero: tensor<8x16xf32>,
                     %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
      %1 = sparsedrop.compact %w, %p dim(0)
          : tensor<64x16xf32>, !sparsedrop.pattern<row> -> tensor<?x16xf32>
      %0 = sparsedrop.compact %x, %p dim(1)
          : tensor<8x64xf32>, !sparsedrop.pattern<row> -> tensor<8x?xf32>
      %2 = linalg.matmul ins(%0, %1 : tensor<8x?xf32>, tensor<?x16xf32>)
                         outs(%zero : tensor<8x16xf32>) -> tensor<8x16xf32>
      return %2 : tensor<8x16xf32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::sparsedrop::SparseDropDialect", "::mlir::tensor::TensorDialect"];
}

def Differentiate : Pass<"sparsedrop-differentiate", "::mlir::ModuleOp"> {
  let summary = "Adds gradients of functions (reverse mode)";
  let description = [{
    For each function F marked `sparsedrop.differentiate` adds `F_grad`, which
    returns the results of F and then a gradient for each argument that `wrt`
    names (all float arguments without it). What is differentiated is the sum of
    the results that `of` names (all without it): a scalar counts once, a tensor
    by the weights in an argument that `F_grad` gains behind those of F. A
    declaration of `F_grad` gets its body, so that the module may call it
    before.

    The rules work on indexing maps, as compaction does: the gradient of an
    operand of a structured op is one op over the same loops, those of the
    operand parallel and the others reductions. A product gives two permuted
    products, marked `sparsedrop.product = "dgrad"` and `"wgrad"`, a broadcast a
    sum, a window a sum over a spread-out copy. Elementwise bodies are
    differentiated scalar by scalar and read the result where that will do.
    Maxima and minima give to the first that attains them. Loops save what their
    backward loop reads, results of products among it; where the gradient of what
    all iterations read is a sum of their products, it is one product behind the
    loop, over the iterations, too. The gradient of a dropout is a dropout with the
    same pattern, so that compaction finds it. Annotations must have been
    materialized.

    Sensitivities and importances of channels (arguments marked
    `sparsedrop.sensitivity` and `sparsedrop.importance`) have no gradient: what
    stands in its place is the argument updated by what the backward pass measures
    where a draw that reads it drops a value x, whose gradient there is dx. The
    sensitivity of a channel is |the sum over all else of x dx|, to first order the
    change of the loss without it (`sensitivity = "sample"`: the sum over samples,
    dimension 0, of each one's change), its importance the mean of |x|; both go into
    a moving average, `average = 0.9` of which is old, at the channels that were
    kept. Where x is multiplied by weights w alone, and these are fewer, the sum is
    formed of w dw, which is the same. Scales and choices are not differentiated.

    Before:

    ```mlir
    func.func @f(%x: tensor<8xf32>, %e: tensor<8xf32>) -> tensor<8xf32> attributes {sparsedrop.differentiate = {wrt = [0]}} {
      %0 = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    ```

    After:

    ```mlir
    #map = affine_map<(d0) -> (d0)>
    func.func @f(%x: tensor<8xf32>, %e: tensor<8xf32>) -> tensor<8xf32> {
      %0 = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    func.func @f_grad(%x: tensor<8xf32>, %e: tensor<8xf32>, %g: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
      %0 = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      %1 = tensor.empty() : tensor<8xf32>
      %2 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel"]}
          ins(%0, %g : tensor<8xf32>, tensor<8xf32>) outs(%1 : tensor<8xf32>) {
        ^bb0(%y: f32, %dy: f32, %out: f32):
          %3 = arith.mulf %dy, %y : f32
          linalg.yield %3 : f32
      } -> tensor<8xf32>
      return %0, %2 : tensor<8xf32>, tensor<8xf32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::math::MathDialect", "::mlir::scf::SCFDialect",
    "::mlir::sparsedrop::SparseDropDialect", "::mlir::tensor::TensorDialect"];
}

def Recalibrate : Pass<"sparsedrop-recalibrate", "::mlir::ModuleOp"> {
  let summary = "Adds functions that recalibrate running statistics";
  let description = [{
    The statistics that a norm is trained with are those of dropped, scaled values;
    those that it predicts with should be of whole ones. A result marked
    `sparsedrop.statistic = N` is a statistic of the batch, argument N its running
    value. For each function F with such results adds `F_recalibrate`, which takes
    the arguments of F and a share (f64) and returns the running statistics, in
    place and in the order of the results, moved by this share of the way to the
    batch's, with nothing dropped. Called on batches i = 0, 1, ... with the share
    1 / (i + 1) it leaves the means over these batches, whatever was there before.

    To be run first, so that arguments are the same in every mode; whether one is
    still read does not matter (targets, rates, seeds are not). Dropouts are what
    drops: a program's own `sparsedrop.compact` and `insert` stay.

    Before:

    ```mlir
    #map = affine_map<(d0, d1) -> (d0, d1)>
    #row = affine_map<(d0, d1) -> (d0)>
    func.func @f(%x: tensor<8x4xf32>, %old: tensor<8xf32>, %z: tensor<8xf32>) -> (tensor<8xf32> {sparsedrop.statistic = 1}) {
      %0 = linalg.generic {indexing_maps = [#map, #row], iterator_types = ["parallel", "reduction"]}
          ins(%x : tensor<8x4xf32>) outs(%z : tensor<8xf32>) {
        ^bb0(%a: f32, %sum: f32):
          %1 = arith.addf %sum, %a : f32
          linalg.yield %1 : f32
      } -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    ```

    After:

    ```mlir
    #map = affine_map<(d0, d1) -> (d0, d1)>
    #row = affine_map<(d0, d1) -> (d0)>
    #element = affine_map<(d0) -> (d0)>
    func.func @f(%x: tensor<8x4xf32>, %old: tensor<8xf32>, %z: tensor<8xf32>) -> tensor<8xf32> {
      %0 = linalg.generic {indexing_maps = [#map, #row], iterator_types = ["parallel", "reduction"]}
          ins(%x : tensor<8x4xf32>) outs(%z : tensor<8xf32>) {
        ^bb0(%a: f32, %sum: f32):
          %1 = arith.addf %sum, %a : f32
          linalg.yield %1 : f32
      } -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    func.func @f_recalibrate(%x: tensor<8x4xf32>, %old: tensor<8xf32> {sparsedrop.donate = 0}, %z: tensor<8xf32>, %share: f64) -> tensor<8xf32> {
      %0 = linalg.generic {indexing_maps = [#map, #row], iterator_types = ["parallel", "reduction"]}
          ins(%x : tensor<8x4xf32>) outs(%z : tensor<8xf32>) {
        ^bb0(%a: f32, %sum: f32):
          %1 = arith.addf %sum, %a : f32
          linalg.yield %1 : f32
      } -> tensor<8xf32>
      %2 = arith.truncf %share : f64 to f32
      %3 = tensor.empty() : tensor<8xf32>
      %4 = linalg.generic {indexing_maps = [#element, #element, #element], iterator_types = ["parallel"]}
          ins(%old, %0 : tensor<8xf32>, tensor<8xf32>) outs(%3 : tensor<8xf32>) {
        ^bb0(%r: f32, %b: f32, %out: f32):
          %5 = arith.subf %b, %r : f32
          %6 = arith.mulf %5, %2 : f32
          %7 = arith.addf %r, %6 : f32
          linalg.yield %7 : f32
      } -> tensor<8xf32>
      return %4 : tensor<8xf32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
    "::mlir::tensor::TensorDialect"];
}

def ExcludeSites : Pass<"sparsedrop-exclude-sites", "::mlir::ModuleOp"> {
  let summary = "Drops nothing at chosen sites";
  let description = [{
    Replaces the dropouts by draws of the named sites by what they drop of:
    layers that are kept whole, such as the first and the last, or one after the
    other to see which matter. To be run behind sparsedrop-materialize, so that
    signatures stay what they are; sensitivities of these sites stay what they
    are, too. A name at which nothing is dropped is an error.

    Before:

    ```mlir
    func.func @f(%x: tensor<8x64xf32>, %seed: i64, %step: i64) -> tensor<8x64xf32> {
      %n = arith.constant 64 : index
      %p = sparsedrop.sample "a" seed(%seed) step(%step) extents(%n) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
      %0 = sparsedrop.dropout %x, %p dim(1) : tensor<8x64xf32>, !sparsedrop.pattern<row>
      return %0 : tensor<8x64xf32>
    }
    ```

    After `sparsedrop-exclude-sites{sites=a}`:

    ```mlir
    func.func @f(%x: tensor<8x64xf32>, %seed: i64, %step: i64) -> tensor<8x64xf32> {
      %n = arith.constant 64 : index
      %p = sparsedrop.sample "a" seed(%seed) step(%step) extents(%n) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
      return %x : tensor<8x64xf32>
    }
    ```
  }];
  let options = [
    ListOption<"sites", "sites", "std::string",
               "Sites at which nothing is dropped">
  ];
}

def Instrument : Pass<"sparsedrop-instrument", "::mlir::ModuleOp"> {
  let summary = "Counts the work of each product at run time";
  let description = [{
    Puts a call of `sparsedrop_record_product` before each contraction and
    convolution, with its dense, actual and expected operations and bytes, and
    lists the products in the module attribute `sparsedrop.products`. To be run
    before the lowerings, while the sizes still say which pattern they come
    from. A report on a run is made of both.

    Before (no product, so nothing to count; test/Dialect/SparseDrop has a
    matmul):

    ```mlir
    func.func @f(%x: tensor<8xf32>, %e: tensor<8xf32>) -> tensor<8xf32> {
      %0 = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
      return %0 : tensor<8xf32>
    }
    ```

    After:

    ```mlir
    module attributes {sparsedrop.products = []} {
      func.func @f(%x: tensor<8xf32>, %e: tensor<8xf32>) -> tensor<8xf32> {
        %0 = linalg.exp ins(%x : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
        return %0 : tensor<8xf32>
      }
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::memref::MemRefDialect",
    "::mlir::sparsedrop::SparseDropDialect", "::mlir::tensor::TensorDialect"];
}

def LowerToMasked : Pass<"sparsedrop-lower-to-masked", "::mlir::ModuleOp"> {
  let summary = "Dense compute with masks: the reference meaning";
  let description = [{
    Rewrites each `dropout` to a mask and a select, for all kinds of patterns.
    Everything is computed, then dropped values are replaced by zero. As in
    `sparsedrop-compact`, the scale is applied behind the products, in f32, so
    that both agree to rounding. The option `masks=bernoulli` draws each element
    on its own (ordinary dropout), `masks=none` drops nothing; with both, what the
    program itself compacts, expands or inserts by a pattern is whole.

    Before:

    ```mlir
    func.func @drop(%x: tensor<8x64xf32>, %p: !sparsedrop.pattern<row>) -> tensor<8x64xf32> {
      %0 = sparsedrop.dropout %x, %p dim(1) unscaled
          : tensor<8x64xf32>, !sparsedrop.pattern<row>
      return %0 : tensor<8x64xf32>
    }
    ```

    After `sparsedrop-lower-to-masked{masks=none}`:

    ```mlir
    func.func @drop(%x: tensor<8x64xf32>, %p: !sparsedrop.pattern<row>) -> tensor<8x64xf32> {
      return %x : tensor<8x64xf32>
    }
    ```
  }];
  let options = [
    Option<"masks", "masks", "::mlir::sparsedrop::MaskSource",
           /*default=*/"::mlir::sparsedrop::MaskSource::Pattern",
           "Where masks come from",
           [{::llvm::cl::values(
               clEnumValN(::mlir::sparsedrop::MaskSource::Pattern, "pattern",
                          "the drawn patterns"),
               clEnumValN(::mlir::sparsedrop::MaskSource::Bernoulli,
                          "bernoulli", "an independent draw per element"),
               clEnumValN(::mlir::sparsedrop::MaskSource::None, "none",
                          "nothing is dropped"))}]>
  ];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
    "::mlir::linalg::LinalgDialect",
    "::mlir::scf::SCFDialect",
    "::mlir::sparsedrop::SparseDropDialect", "::mlir::tensor::TensorDialect"];
}

def LowerToUpstream : Pass<"sparsedrop-lower-to-upstream", "::mlir::ModuleOp"> {
  let summary = "What is left of the dialect becomes upstream ops";
  let description = [{
    Draws become calls of the runtime library, a `compact` that could move no
    further becomes a strided slice (rule C7), an `expand` an insertion into
    zeros (rule C8). Where units are granules of several neighbours, the loop of
    the op that reads a compact is split into (block, within) and stays split;
    a partial last granule is peeled as a separate small term, so no packed copy
    is made here.

    Before:

    ```mlir
    func.func @keep(%x: tensor<64x8xf32>) -> tensor<?x8xf32> {
      %n = arith.constant 64 : index
      %dp = arith.constant 4 : index
      %b = arith.constant 1 : index
      %p = sparsedrop.make_pattern period(%dp) bias(%b) extents(%n) : !sparsedrop.pattern<row>
      %0 = sparsedrop.compact %x, %p dim(0)
          : tensor<64x8xf32>, !sparsedrop.pattern<row> -> tensor<?x8xf32>
      return %0 : tensor<?x8xf32>
    }
    ```

    After:

    ```mlir
    func.func @keep(%x: tensor<64x8xf32>) -> tensor<?x8xf32> {
      %0 = tensor.extract_slice %x[1, 0] [16, 8] [4, 1] : tensor<64x8xf32> to tensor<16x8xf32>
      %1 = tensor.cast %0 : tensor<16x8xf32> to tensor<?x8xf32>
      return %1 : tensor<?x8xf32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::bufferization::BufferizationDialect",
    "::mlir::cf::ControlFlowDialect", "::mlir::func::FuncDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::sparsedrop::SparseDropDialect",
    "::mlir::tensor::TensorDialect"];
}

def Materialize : Pass<"sparsedrop-materialize", "::mlir::ModuleOp"> {
  let summary = "Turns annotations into sample and dropout ops";
  let description = [{
    A function with an annotation of a rate above 0 gains two last arguments,
    seed and step, unless it has arguments marked `sparsedrop.seed` and
    `sparsedrop.step`; so do its callers in the module, and their calls are
    changed. A function that gains arguments must not be used other than by
    calls. Annotations of one site share one pattern and must agree in all
    parameters and the extent. Annotations of rate 0 vanish. Of a channel site,
    arguments marked `sparsedrop.sensitivity`, `sparsedrop.importance` and
    `sparsedrop.rate` go to the draw; with the last, the number of kept channels is
    computed at run time and the annotation's rate is what reports expect.

    Before:

    ```mlir
    func.func @layer(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>) -> tensor<8x16xf32> {
      %0 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5,
              site = "fc", max_period = 2, distribution = [0.0, 1.0]>}
          ins(%x, %w : tensor<8x64xf32>, tensor<64x16xf32>)
          outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
      return %0 : tensor<8x16xf32>
    }
    ```

    After:

    ```mlir
    func.func @layer(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>,
                     %seed: i64 {sparsedrop.seed}, %step: i64 {sparsedrop.step}) -> tensor<8x16xf32> {
      %n = arith.constant 64 : index
      %p = sparsedrop.sample "fc" seed(%seed) step(%step) extents(%n)
          {distribution = array<f64: 0.0, 1.0>, rate = 0.5 : f64} : !sparsedrop.pattern<row>
      %0 = sparsedrop.dropout %x, %p dim(1) : tensor<8x64xf32>, !sparsedrop.pattern<row>
      %1 = linalg.matmul ins(%0, %w : tensor<8x64xf32>, tensor<64x16xf32>)
          outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
      return %1 : tensor<8x16xf32>
    }
    ```
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
    "::mlir::sparsedrop::SparseDropDialect",
    "::mlir::tensor::TensorDialect"];
}

def SearchDistribution
    : Pass<"sparsedrop-search-distribution", "::mlir::ModuleOp"> {
  let summary = "Finds the distribution over periods for each rate";
  let description = [{
    Fills `distribution` of annotations and samples that have none. Candidate
    periods are 1 to min(max_period, number of units), or those of `periods`
    among them; a rate that they cannot reach is an error.

    Before:

    ```mlir
    func.func @layer(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>) -> tensor<8x16xf32> {
      %0 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.25,
              site = "fc", max_period = 2>}
          ins(%x, %w : tensor<8x64xf32>, tensor<64x16xf32>)
          outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
      return %0 : tensor<8x16xf32>
    }
    ```

    After:

    ```mlir
    func.func @layer(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>) -> tensor<8x16xf32> {
      %0 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.25,
              site = "fc", max_period = 2, distribution = [0.5, 0.5]>}
          ins(%x, %w : tensor<8x64xf32>, tensor<64x16xf32>)
          outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
      return %0 : tensor<8x16xf32>
    }
    ```
  }];
  let options = [
    Option<"method", "method", "::mlir::sparsedrop::SearchMethod",
           /*default=*/"::mlir::sparsedrop::SearchMethod::SGD",
           "How a distribution is found",
           [{::llvm::cl::values(
               clEnumValN(::mlir::sparsedrop::SearchMethod::SGD, "sgd",
                          "gradient descent on softmax logits"),
               clEnumValN(::mlir::sparsedrop::SearchMethod::MaxEnt, "maxent",
                          "maximum entropy, in closed form"))}]>,
    ListOption<"periods", "periods", "int64_t",
               "Candidate periods, ascending; all from 1 without it">
  ];
}

#endif // SPARSEDROP_DIALECT_SPARSEDROP_TRANSFORMS_PASSES_TD
