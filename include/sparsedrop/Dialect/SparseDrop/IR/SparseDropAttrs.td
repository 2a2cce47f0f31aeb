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
    | `scale` | all | row, tile: `target` (default) or `pattern`; channel: `inverse` (default), `none`, `energy` (needs importances) |
    | `granularity` | row, channel | neighbouring units dropped together, 1 |
    | `max_period` | row, tile | longest period, by default the smallest N with (N-1)/N >= rate + 0.4 (1 - rate), at most 32 |
    | `distribution` | row, tile | probabilities of periods 1..max_period, filled in by `sparsedrop-search-distribution` |
    | `tile` | tile | tile shape in the (output, contraction) plane, [32, 32] |
    | `order` | tile | `skewed` (default) or `linear` |
    | `multiple` | channel | the kept count is a multiple of it; it or the granularity divides the other. 8, or the granularity where 8 does not fit it |
    | `temperature` | channel | of the noise on the logarithms of the sensitivities, 0.5; near 0 the most sensitive are kept, below 0 the least |

    Of a channel site, arguments of the function can give the sensitivities and
    importances of its channels and the rate of the step, in the place of `rate`:
    `sparsedrop.sensitivity`, `sparsedrop.importance` and `sparsedrop.rate`.
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
    APFloatParameter<"temperature">:$temperature,
    "::mlir::DenseF64ArrayAttr":$distribution
  );
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// `dim` where the annotation names none.
    static constexpr int64_t kNoDim = -1;

    /// `temperature` where the annotation names none.
    static constexpr double kDefaultTemperature = 0.5;

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

def SparseDrop_KernelAttr : AttrDef<SparseDrop_Dialect, "Kernel"> {
  let mnemonic = "kernel";
  let summary = "the GPU kernel that an op becomes";
  let description = [{
    Written by `sparsedrop-choose-kernels` as the discardable attribute
    `sparsedrop.kernel`, unless it is there already, and obeyed by
    `sparsedrop-emit-kernels`.

    | parameter | families | meaning |
    |---|---|---|
    | `tile` | wgmma, tensor_core, plain | rows, columns and depth that a block computes at a time |
    | `tile` | transpose | elements along what is contiguous in the input and in the output |
    | `warps` | wgmma, tensor_core | warps of a block along rows and columns; for wgmma those that multiply, four along the rows at a time |
    | `stages` | wgmma, tensor_core | tiles of depth in shared memory |
    | `split` | wgmma, tensor_core, plain | blocks that share the depth of one tile; their sums are added in a second kernel |
    | `cluster` | wgmma | blocks along rows and columns that share factors: each copies its part of them to all that need it |
    | `threads` | others | threads of a block; for reductions those along the outputs and along the reduction |
    | `vector` | all | elements that a thread moves at a time: of the left operand, the right one and the outputs for products, of all operands for others |
    | `tf32` | wgmma, tensor_core | f32 operands are rounded to tf32 |
    | `pingpong` | wgmma | two sets of warps take turns: one multiplies for its tile while the other brings its outputs to memory |
    | `rows`, `depth` | wgmma | how many iterations of each loop, from slow to fast, the rows or the depth of a tile are; without it they are numbered through. For convolutions: a tile is a box of pixels then |
    | `columns` | wgmma, tensor_core, plain | the same for columns, of contractions with a joint loop: a tile has all iterations of that one |

    ```mlir
    func.func @square(%x: memref<64xf32>, %y: memref<64xf32>) {
      linalg.square {sparsedrop.kernel = #sparsedrop.kernel<elementwise, threads = [128], vector = [4]>}
          ins(%x : memref<64xf32>) outs(%y : memref<64xf32>)
      return
    }
    ```
  }];
  let parameters = (ins
    EnumParameter<SparseDrop_KernelFamily>:$family,
    OptionalArrayRefParameter<"int64_t">:$tile,
    OptionalArrayRefParameter<"int64_t">:$warps,
    OptionalArrayRefParameter<"int64_t">:$cluster,
    OptionalArrayRefParameter<"int64_t">:$threads,
    OptionalArrayRefParameter<"int64_t">:$vector,
    DefaultValuedParameter<"int64_t", "1">:$stages,
    DefaultValuedParameter<"int64_t", "1">:$split,
    DefaultValuedParameter<"bool", "false">:$tf32,
    DefaultValuedParameter<"bool", "false">:$pingpong,
    OptionalArrayRefParameter<"int64_t">:$rows,
    OptionalArrayRefParameter<"int64_t">:$depth,
    OptionalArrayRefParameter<"int64_t">:$columns
  );
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif // SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPATTRS_TD
