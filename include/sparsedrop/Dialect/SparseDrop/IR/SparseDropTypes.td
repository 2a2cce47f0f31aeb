//===- SparseDropTypes.td - Types of the dialect -----------*- tablegen -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPTYPES_TD
#define SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPTYPES_TD

include "sparsedrop/Dialect/SparseDrop/IR/SparseDropBase.td"

def SparseDrop_PatternType : TypeDef<SparseDrop_Dialect, "Pattern"> {
  let mnemonic = "pattern";
  let summary = "one drawn pattern";
  let description = [{
    What was drawn for a site in a step: an SSA value, so that forward, input
    gradient and weight gradient share it by construction. The type carries
    what is fixed before the draw; period and bias, or the list of kept
    channels, are known at run time only.

    ```mlir
    func.func private @patterns(!sparsedrop.pattern<row>,
                                !sparsedrop.pattern<row, granularity = 16>,
                                !sparsedrop.pattern<tile, tile = [32, 64], order = linear>,
                                !sparsedrop.pattern<channel>)
    ```

    - **row**, period dp and bias b, over n units of granularity g: unit j is
      kept iff (j div g) mod dp = b.
    - **tile**, over a weight seen as R x C tiles: tile (r, c) is kept iff
      (r + c) mod dp = b (`skewed`) or (r C + c) mod dp = b (`linear`).
    - **channel**: an ascending list of kept channels.
  }];
  let parameters = (ins
    EnumParameter<SparseDrop_PatternKind>:$kind,
    "int64_t":$granularity,
    ArrayRefParameter<"int64_t">:$tile,
    EnumParameter<SparseDrop_TileOrder>:$order
  );
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let builders = [
    TypeBuilder<(ins "PatternKind":$kind,
                     CArg<"int64_t", "1">:$granularity)>
  ];
  let extraClassDeclaration = [{
    /// Number of tensor dimensions that the pattern acts on.
    int64_t getRank() const { return getKind() == PatternKind::Tile ? 2 : 1; }
  }];
}

class SparseDrop_PatternOf<string kind, string summary> : Type<
    And<[SparseDrop_PatternType.predicate,
         CPred<"::llvm::cast<::mlir::sparsedrop::PatternType>($_self).getKind()"
               " == ::mlir::sparsedrop::PatternKind::" # kind>]>,
    summary, "::mlir::sparsedrop::PatternType">;
def SparseDrop_RowPattern : SparseDrop_PatternOf<"Row", "row pattern">;
def SparseDrop_TilePattern : SparseDrop_PatternOf<"Tile", "tile pattern">;
// What compact and expand take: patterns that keep a subset of one dimension.
def SparseDrop_LinePattern : Type<
    And<[SparseDrop_PatternType.predicate,
         CPred<"::llvm::cast<::mlir::sparsedrop::PatternType>($_self).getRank()"
               " == 1">]>,
    "row or channel pattern", "::mlir::sparsedrop::PatternType">;

#endif // SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPTYPES_TD
