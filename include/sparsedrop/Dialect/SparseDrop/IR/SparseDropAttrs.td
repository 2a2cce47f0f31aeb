//===- SparseDropAttrs.td - Attributes of the dialect ------*- tablegen -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPATTRS_TD
#define SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPATTRS_TD

include "sparsedrop/Dialect/SparseDrop/IR/SparseDropBase.td"

def SparseDrop_DropoutAttr : AttrDef<SparseDrop_Dialect, "Dropout"> {
  let mnemonic = "dropout";
  let summary = "what a front end writes on a contraction or convolution";
  let description = [{
    Drops one use of one operand. Written as a discardable attribute
    `sparsedrop.dropout`, one or an array with at most one per operand:

    ```mlir
    func.func @two(%x: tensor<8x64xf32>, %w: tensor<64x96xf32>,
                   %init: tensor<8x96xf32>) -> tensor<8x96xf32> {
      %0 = linalg.matmul
          {sparsedrop.dropout = [
            #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "x", granularity = 4>,
            #sparsedrop.dropout<tile, operand = 1, rate = 0.25, site = "w", tile = [16, 16]>]}
          ins(%x, %w : tensor<8x64xf32>, tensor<64x96xf32>)
          outs(%init : tensor<8x96xf32>) -> tensor<8x96xf32>
      return %0 : tensor<8x96xf32>
    }
    ```

    | parameter | kinds | meaning, default |
    |---|---|---|
    | `operand` | all | index of the input that is dropped |
    | `rate` | all | share that is dropped, in [0, 1); 0 means no dropout |
    | `site` | all | name of the draw: the same site gives the same pattern |
    | `dim` | all | dimension of the operand; needed where several qualify |
    | `scale` | all | row, tile: `target` (default) or `pattern`; channel: `inverse` (default), `none`, `energy` |
    | `granularity` | row, channel | neighbouring units dropped together, 1 |
    | `max_period` | row, tile | longest period, by default the smallest N with (N-1)/N >= rate + 0.4 (1 - rate), at most 32 |
    | `distribution` | row, tile | probabilities of periods 1..max_period, filled in by `sparsedrop-search-distribution` |
    | `tile` | tile | tile shape in the (output, contraction) plane, [32, 32] |
    | `order` | tile | `skewed` (default) or `linear` |
    | `multiple` | channel | the kept count is a multiple of it, 8 |
  }];
  let parameters = (ins
    EnumParameter<SparseDrop_PatternKind>:$kind,
    "int64_t":$operand,
    APFloatParameter<"drop rate">:$rate,
    StringRefParameter<"name of the draw">:$site,
    "int64_t":$dim,
    "int64_t":$granularity,
    "int64_t":$maxPeriod,
    ArrayRefParameter<"int64_t">:$tile,
    EnumParameter<SparseDrop_TileOrder>:$order,
    EnumParameter<SparseDrop_ScaleMode>:$scale,
    "int64_t":$multiple,
    "::mlir::DenseF64ArrayAttr":$distribution
  );
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// `dim` where the annotation names none.
    static constexpr int64_t kNoDim = -1;

    double getRateAsDouble() const { return getRate().convertToDouble(); }
    /// Whether a distribution over periods belongs to the kind.
    bool isPeriodic() const { return getKind() != PatternKind::Channel; }
    bool hasDim() const { return getDim() != kNoDim; }
    /// The longest period: as written, or the default of the rate.
    int64_t getEffectiveMaxPeriod() const;
    /// The same annotation with a distribution.
    DropoutAttr withDistribution(ArrayRef<double> probabilities) const;
    /// Whether two annotations of one site describe the same pattern: all is
    /// equal but the operand and the dimension.
    bool sameSite(DropoutAttr other) const;
  }];
}

#endif // SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPATTRS_TD
