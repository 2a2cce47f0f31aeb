//===- SparseDropBase.td - The sparsedrop dialect ----------*- tablegen -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPBASE_TD
#define SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPBASE_TD

include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/AttrTypeBase.td"

def SparseDrop_Dialect : Dialect {
  let name = "sparsedrop";
  let cppNamespace = "::mlir::sparsedrop";
  let summary = "Dropout with regular patterns, which removes work";
  let description = [{
    Ordinary dropout zeroes elements that are drawn one by one: the zeros are
    known too late and lie too irregularly to save anything. This dialect
    bridges the gap between a linalg program that *says* where dropout acts and
    a smaller program that does not compute what is dropped. A **pattern**
    (`!sparsedrop.pattern`) is drawn for a whole batch and is regular: every
    period-th unit, every period-th weight tile, or a list of channels is kept.

    A front end annotates a contraction:

    ```mlir
    func.func @layer(%x: tensor<32x64xf32>, %w: tensor<64x16xf32>,
                     %init: tensor<32x16xf32>) -> tensor<32x16xf32> {
      %0 = linalg.matmul
          {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "fc">}
          ins(%x, %w : tensor<32x64xf32>, tensor<64x16xf32>)
          outs(%init : tensor<32x16xf32>) -> tensor<32x16xf32>
      return %0 : tensor<32x16xf32>
    }
    ```

    `sparsedrop-materialize` turns annotations into `sample` and `dropout` ops,
    `sparsedrop-compact` moves `compact` and `expand` through the program until
    contractions are smaller, `sparsedrop-lower-to-masked` is the reference:
    dense compute with masks of the same patterns. Both agree to rounding, for
    finite operands: the project's first law.

    A dropped value is *absent*: NaN or infinity in a dropped unit has no
    effect, in a kept one it propagates.

    Attributes that the dialect gives to functions and arguments:

    | name | on | meaning |
    |---|---|---|
    | `sparsedrop.dropout` | contraction, convolution | the annotation, or an array with at most one per operand |
    | `sparsedrop.seed`, `sparsedrop.step` | `i64` argument | where draws take their key and their counter from |
    | `sparsedrop.sensitivity = "site"` | `tensor<Cxf32>` argument | sensitivities of a channel site; its gradient is the array updated |
    | `sparsedrop.importance = "site"` | `tensor<Cxf32>` argument | importances of a channel site; likewise |
    | `sparsedrop.rate = "site"` | `f32` argument | the drop rate of a channel site in this step, in [0, 1); 0 keeps all channels |
    | `sparsedrop.donate = N` | argument | tied to result N, may be updated in place |
    | `sparsedrop.statistic = N` | result | a statistic of the batch, whose running value is argument N |
    | `sparsedrop.differentiate = {wrt = [1, 2]}` | function | `sparsedrop-differentiate` adds its gradient; `average = 0.9` is the share of old sensitivities in new ones, `sensitivity = "batch"` or `"sample"` what they are changes of |
    | `sparsedrop.product = "dgrad"` | contraction | what reports call it: forward, dgrad, wgrad or other |
    | `sparsedrop.kernel = #sparsedrop.kernel<...>` | structured op on buffers | the GPU kernel that it becomes |
    | `sparsedrop.disjoint` | loop | no iteration writes an element that another one reads or writes, as the classes of a tile pattern |
    | `sparsedrop.grouped` | `scf.for` over a signed index, on buffers, that does nothing but one contraction | all iterations are one launch |
    | `sparsedrop.group = array<i64: 0, 1>` | structured op on buffers | the number of the launch that it shares, and its loops that are the rows |
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let hasRegionArgAttrVerify = 1;
  let hasRegionResultAttrVerify = 1;
  let hasConstantMaterializer = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

//===----------------------------------------------------------------------===//
// Enumerations
//===----------------------------------------------------------------------===//

class SparseDrop_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::mlir::sparsedrop";
  let genSpecializedAttr = 0;
}

def SparseDrop_PatternKind : SparseDrop_Enum<"PatternKind",
    "what a pattern drops", [
      I32EnumAttrCase<"Row", 0, "row">,
      I32EnumAttrCase<"Tile", 1, "tile">,
      I32EnumAttrCase<"Channel", 2, "channel">]>;

def SparseDrop_TileOrder : SparseDrop_Enum<"TileOrder",
    "the order in which the tiles of a weight are counted", [
      I32EnumAttrCase<"Skewed", 0, "skewed">,
      I32EnumAttrCase<"Linear", 1, "linear">]>;

def SparseDrop_ScaleMode : SparseDrop_Enum<"ScaleMode",
    "what kept values are multiplied by", [
      I32EnumAttrCase<"Target", 0, "target">,
      I32EnumAttrCase<"Pattern", 1, "pattern">,
      I32EnumAttrCase<"None", 2, "none">,
      I32EnumAttrCase<"Inverse", 3, "inverse">,
      I32EnumAttrCase<"Energy", 4, "energy">]>;
def SparseDrop_ScaleModeAttr
    : EnumAttr<SparseDrop_Dialect, SparseDrop_ScaleMode, "scale_mode"> {
  let assemblyFormat = "`<` $value `>`";
}

def SparseDrop_KernelFamily : SparseDrop_Enum<"KernelFamily",
    "how a GPU computes an op", [
      I32EnumAttrCase<"TensorCore", 0, "tensor_core">,
      I32EnumAttrCase<"Plain", 1, "plain">,
      I32EnumAttrCase<"Elementwise", 2, "elementwise">,
      I32EnumAttrCase<"ReduceRows", 3, "reduce_rows">,
      I32EnumAttrCase<"ReduceColumns", 4, "reduce_columns">,
      I32EnumAttrCase<"Serial", 5, "serial">,
      I32EnumAttrCase<"Wgmma", 6, "wgmma">,
      I32EnumAttrCase<"Transpose", 7, "transpose">]>;

#endif // SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPBASE_TD
