//===- SparseDropOps.td - Operations of the dialect --------*- tablegen -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPOPS_TD
#define SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPOPS_TD

include "sparsedrop/Dialect/SparseDrop/IR/SparseDropAttrs.td"
include "sparsedrop/Dialect/SparseDrop/IR/SparseDropTypes.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class SparseDrop_Op<string mnemonic, list<Trait> traits = []>
    : Op<SparseDrop_Dialect, mnemonic, !listconcat([Pure], traits)>;

//===----------------------------------------------------------------------===//
// Ops that make patterns
//===----------------------------------------------------------------------===//

def SparseDrop_SampleOp : SparseDrop_Op<"sample", [AttrSizedOperandSegments]> {
  let summary = "draws the pattern of a site";
  let description = [{
    Draws from site, seed, step and, if given, an index (a pattern per time
    step). The same operands give the same pattern on every device, thread
    count, language and machine; docs/sampling.md fixes the bits.

    `extents` are the sizes of the dimensions that the pattern acts on: one for
    row and channel, (output, contraction) for tile. `distribution` holds the
    probabilities of periods 1, 2, ... and is filled in from `rate` by
    `sparsedrop-search-distribution`, in place of `max_period`, the longest
    period that it considers (by default what the rate asks for). The channel
    form draws `count` channels by Gumbel-top-k from their sensitivities, or their
    importances where there are no sensitivities, or uniformly without either;
    `temperature` is that of the noise, below 0 the least sensitive are the likely
    ones. The scale `energy` is the importances of all channels over those of the
    kept ones.

    `sparsedrop-differentiate` measures both in the backward pass: to a function
    argument that a sample reads as sensitivities or importances flows no gradient,
    but what was measured.

    A period that exceeds the number of units is an error, at compile time
    where the extent is static, else at run time.

    ```mlir
    func.func @patterns(%seed: i64, %step: i64, %t: index, %s: tensor<64xf32>)
        -> (!sparsedrop.pattern<row, granularity = 4>, !sparsedrop.pattern<channel>) {
      %n = arith.constant 64 : index
      %k = arith.constant 32 : index
      %0 = sparsedrop.sample "fc" seed(%seed) step(%step) extents(%n) index(%t)
          {distribution = array<f64: 0.5, 0.25, 0.25>, rate = 2.916667e-01 : f64}
          : !sparsedrop.pattern<row, granularity = 4>
      %1 = sparsedrop.sample "conv" seed(%seed) step(%step) extents(%n)
          sensitivity(%s : tensor<64xf32>) count(%k) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<inverse>}
          : !sparsedrop.pattern<channel>
      return %0, %1 : !sparsedrop.pattern<row, granularity = 4>, !sparsedrop.pattern<channel>
    }
    ```
  }];
  let arguments = (ins
    StrAttr:$site,
    I64:$seed,
    I64:$step,
    Variadic<Index>:$extents,
    Optional<Index>:$index,
    Optional<1DTensorOf<[F32]>>:$sensitivity,
    Optional<1DTensorOf<[F32]>>:$importance,
    Optional<Index>:$count,
    F64Attr:$rate,
    OptionalAttr<I64Attr>:$max_period,
    OptionalAttr<DenseF64ArrayAttr>:$distribution,
    DefaultValuedAttr<SparseDrop_ScaleModeAttr,
                      "::mlir::sparsedrop::ScaleMode::Target">:$scale,
    DefaultValuedAttr<F64Attr, "0.5">:$temperature);
  let results = (outs SparseDrop_PatternType:$pattern);
  let assemblyFormat = [{
    $site `seed` `(` $seed `)` `step` `(` $step `)` `extents` `(` $extents `)`
    (`index` `(` $index^ `)`)?
    (`sensitivity` `(` $sensitivity^ `:` type($sensitivity) `)`)?
    (`importance` `(` $importance^ `:` type($importance) `)`)?
    (`count` `(` $count^ `)`)? attr-dict `:` qualified(type($pattern))
  }];
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
}

def SparseDrop_MakePatternOp
    : SparseDrop_Op<"make_pattern", [AttrSizedOperandSegments]> {
  let summary = "a pattern from explicit period and bias, or an index list";
  let description = [{
    For tests and replay. Row and tile take a period and a bias with
    1 <= period <= units and 0 <= bias < period, checked at compile time where
    all is constant and at run time otherwise; channel takes the ascending list
    of kept channels. Without `scale` kept values are multiplied by the period,
    respectively by the number of channels over the number kept.

    ```mlir
    func.func @every_third(%bias: index) -> !sparsedrop.pattern<row> {
      %n = arith.constant 2048 : index
      %dp = arith.constant 3 : index
      %one = arith.constant 1.0 : f32
      %0 = sparsedrop.make_pattern period(%dp) bias(%bias) extents(%n) scale(%one)
          : !sparsedrop.pattern<row>
      return %0 : !sparsedrop.pattern<row>
    }
    ```
  }];
  let arguments = (ins
    Optional<Index>:$period,
    Optional<Index>:$bias,
    Optional<1DTensorOf<[Index]>>:$kept,
    Variadic<Index>:$extents,
    Optional<F32>:$scale);
  let results = (outs SparseDrop_PatternType:$pattern);
  let assemblyFormat = [{
    (`period` `(` $period^ `)`)? (`bias` `(` $bias^ `)`)?
    (`kept` `(` $kept^ `:` type($kept) `)`)? `extents` `(` $extents `)`
    (`scale` `(` $scale^ `)`)? attr-dict `:` qualified(type($pattern))
  }];
  let hasVerifier = 1;
}

def SparseDrop_SlicePatternOp : SparseDrop_Op<"slice_pattern",
    [AllTypesMatch<["source", "pattern"]>]> {
  let summary = "the part of a pattern that falls into a slice";
  let description = [{
    The pattern over units [offset, offset + extent) of the operand's units. The
    granularity of a row pattern must divide the offset; a list of channels is
    cut anywhere. A slice may keep nothing, which is why this is not a
    `make_pattern`.

    ```mlir
    func.func @upper_half(%p: !sparsedrop.pattern<row>) -> !sparsedrop.pattern<row> {
      %n = arith.constant 512 : index
      %0 = sparsedrop.slice_pattern %p offset(%n) extent(%n) : !sparsedrop.pattern<row>
      return %0 : !sparsedrop.pattern<row>
    }
    ```
  }];
  let arguments = (ins SparseDrop_LinePattern:$source, Index:$offset,
                       Index:$extent);
  let results = (outs SparseDrop_LinePattern:$pattern);
  let assemblyFormat = [{
    $source `offset` `(` $offset `)` `extent` `(` $extent `)` attr-dict `:`
    qualified(type($pattern))
  }];
  let hasVerifier = 1;
}

def SparseDrop_StretchPatternOp : SparseDrop_Op<"stretch_pattern"> {
  let summary = "a row pattern with each unit repeated";
  let description = [{
    The pattern of a dimension in which each unit of the operand's has become
    `factor` neighbours: flattening (channel, H, W) stretches a pattern of
    channels by H * W, which multiplies its granularity.

    ```mlir
    func.func @flatten(%p: !sparsedrop.pattern<row>)
        -> !sparsedrop.pattern<row, granularity = 49> {
      %0 = sparsedrop.stretch_pattern %p by 49
          : !sparsedrop.pattern<row> to !sparsedrop.pattern<row, granularity = 49>
      return %0 : !sparsedrop.pattern<row, granularity = 49>
    }
    ```
  }];
  let arguments = (ins SparseDrop_RowPattern:$source, I64Attr:$factor);
  let results = (outs SparseDrop_RowPattern:$pattern);
  let assemblyFormat = [{
    $source `by` $factor attr-dict `:` qualified(type($source)) `to` qualified(type($pattern))
  }];
  let hasVerifier = 1;
}

def SparseDrop_ClassPatternOp : SparseDrop_Op<"class_pattern"> {
  let summary = "rows or columns of one class of a tile pattern";
  let description = [{
    In skewed order the tile rows r with r mod dp = q keep the same tile columns
    c, those with c mod dp = (b - q) mod dp. So the kept tiles are the union, over
    classes q, of the rows of a class (`dim(0)`) times its columns (`dim(1)`): both
    are row patterns whose granularity is the tile's size. In linear order, with
    C tile columns, the rows of a class have the period dp / gcd(C, dp), and its
    columns the bias (b - q C) mod dp. No two classes have a row or a column in
    common. Either may keep nothing.

    ```mlir
    func.func @first_class(%p: !sparsedrop.pattern<tile, tile = [16, 64]>)
        -> (!sparsedrop.pattern<row, granularity = 16>, !sparsedrop.pattern<row, granularity = 64>) {
      %q = arith.constant 0 : index
      %rows = sparsedrop.class_pattern %p[%q] dim(0)
          : !sparsedrop.pattern<tile, tile = [16, 64]> to !sparsedrop.pattern<row, granularity = 16>
      %columns = sparsedrop.class_pattern %p[%q] dim(1)
          : !sparsedrop.pattern<tile, tile = [16, 64]> to !sparsedrop.pattern<row, granularity = 64>
      return %rows, %columns : !sparsedrop.pattern<row, granularity = 16>, !sparsedrop.pattern<row, granularity = 64>
    }
    ```
  }];
  let arguments = (ins SparseDrop_TilePattern:$source, Index:$number,
                       I64Attr:$dim);
  let results = (outs SparseDrop_RowPattern:$pattern);
  let assemblyFormat = [{
    $source `[` $number `]` `dim` `(` $dim `)` attr-dict `:`
    qualified(type($source)) `to` qualified(type($pattern))
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Ops that read patterns
//===----------------------------------------------------------------------===//

def SparseDrop_ClassCountOp : SparseDrop_Op<"class_count"> {
  let summary = "number of classes of a tile pattern that have rows";
  let description = [{
    See `class_pattern`.

    ```mlir
    func.func @classes(%p: !sparsedrop.pattern<tile>) -> index {
      %0 = sparsedrop.class_count %p : !sparsedrop.pattern<tile>
      return %0 : index
    }
    ```
  }];
  let arguments = (ins SparseDrop_TilePattern:$pattern);
  let results = (outs Index:$count);
  let assemblyFormat = "$pattern attr-dict `:` qualified(type($pattern))";
}

def SparseDrop_KeptCountOp : SparseDrop_Op<"kept_count"> {
  let summary = "number of kept units";
  let description = [{
    ```mlir
    func.func @count(%p: !sparsedrop.pattern<row>) -> index {
      %0 = sparsedrop.kept_count %p : !sparsedrop.pattern<row>
      return %0 : index
    }
    ```
  }];
  let arguments = (ins SparseDrop_LinePattern:$pattern);
  let results = (outs Index:$count);
  let assemblyFormat = "$pattern attr-dict `:` qualified(type($pattern))";
  let hasFolder = 1;
}

def SparseDrop_KeptIndexOp : SparseDrop_Op<"kept_index"> {
  let summary = "original index of the i-th kept unit";
  let description = [{
    ```mlir
    func.func @original(%p: !sparsedrop.pattern<row>, %i: index) -> index {
      %0 = sparsedrop.kept_index %p[%i] : !sparsedrop.pattern<row>
      return %0 : index
    }
    ```
  }];
  let arguments = (ins SparseDrop_LinePattern:$pattern, Index:$position);
  let results = (outs Index:$index);
  let assemblyFormat = "$pattern `[` $position `]` attr-dict `:` qualified(type($pattern))";
}

def SparseDrop_ExtentOp : SparseDrop_Op<"extent"> {
  let summary = "extent that a pattern was made for";
  let description = [{
    The size of the full dimension; `dim(1)` is the second one of a tile
    pattern.

    ```mlir
    func.func @full(%p: !sparsedrop.pattern<row>) -> index {
      %0 = sparsedrop.extent %p dim(0) : !sparsedrop.pattern<row>
      return %0 : index
    }
    ```
  }];
  let arguments = (ins SparseDrop_PatternType:$pattern, I64Attr:$dim);
  let results = (outs Index:$extent);
  let assemblyFormat = [{
    $pattern `dim` `(` $dim `)` attr-dict `:` qualified(type($pattern))
  }];
  let hasFolder = 1;
  let hasVerifier = 1;
}

def SparseDrop_MaskOp : SparseDrop_Op<"mask"> {
  let summary = "true where a pattern keeps";
  let description = [{
    One dimension for row and channel, (output, contraction) for tile.

    ```mlir
    func.func @mask(%p: !sparsedrop.pattern<row>) -> tensor<64xi1> {
      %0 = sparsedrop.mask %p : !sparsedrop.pattern<row> -> tensor<64xi1>
      return %0 : tensor<64xi1>
    }
    ```
  }];
  let arguments = (ins SparseDrop_PatternType:$pattern);
  let results = (outs TensorRankOf<[I1], [1, 2]>:$mask);
  let assemblyFormat = "$pattern attr-dict `:` qualified(type($pattern)) `->` type($mask)";
  let hasVerifier = 1;
}

def SparseDrop_ScaleOp : SparseDrop_Op<"scale"> {
  let summary = "what kept values are multiplied by";
  let description = [{
    `target`: one over the mean keep rate of the distribution; `pattern`: the
    drawn period; `none`: one; `inverse`: channels over kept channels.

    ```mlir
    func.func @factor(%p: !sparsedrop.pattern<row>) -> f32 {
      %0 = sparsedrop.scale %p : !sparsedrop.pattern<row>
      return %0 : f32
    }
    ```
  }];
  let arguments = (ins SparseDrop_PatternType:$pattern);
  let results = (outs F32:$scale);
  let assemblyFormat = "$pattern attr-dict `:` qualified(type($pattern))";
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Ops that apply patterns
//===----------------------------------------------------------------------===//

class SparseDrop_TensorOp<string mnemonic, list<Trait> traits = []>
    : SparseDrop_Op<mnemonic, !listconcat(traits, [
        DeclareOpInterfaceMethods<ReifyRankedShapedTypeOpInterface,
                                  ["reifyResultShapes"]>])>;

// The custom directive reads and writes dim(1) and dim(0, 1), where the array
// attribute's own syntax would want brackets.
def SparseDrop_DropoutOp : SparseDrop_TensorOp<"dropout",
    [AllTypesMatch<["source", "result"]>]> {
  let summary = "zeroes what a pattern drops, and scales the rest";
  let description = [{
    `select(mask, scale * source, 0)`, the product in f32 (f64 for f64 tensors)
    and rounded once. With `unscaled` the factor is 1: passes write it once they
    have moved the factor behind a contraction. The tile form names the
    weight's output and contraction dimension, in this order.

    ```mlir
    func.func @drop(%x: tensor<32x64xf32>, %w: tensor<64x16xf32>,
                    %p: !sparsedrop.pattern<row>, %q: !sparsedrop.pattern<tile>)
        -> (tensor<32x64xf32>, tensor<64x16xf32>) {
      %0 = sparsedrop.dropout %x, %p dim(1)
          : tensor<32x64xf32>, !sparsedrop.pattern<row>
      %1 = sparsedrop.dropout %w, %q dim(1, 0) unscaled
          : tensor<64x16xf32>, !sparsedrop.pattern<tile>
      return %0, %1 : tensor<32x64xf32>, tensor<64x16xf32>
    }
    ```
  }];
  let arguments = (ins AnyRankedTensor:$source, SparseDrop_PatternType:$pattern,
                       DenseI64ArrayAttr:$dims, UnitAttr:$unscaled);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $source `,` $pattern `dim` `(` custom<Dims>($dims) `)`
    (`unscaled` $unscaled^)? attr-dict `:` type($source) `,` qualified(type($pattern))
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def SparseDrop_CompactOp : SparseDrop_TensorOp<"compact"> {
  let summary = "keeps the kept indices of one dimension, in order";
  let description = [{
    Never scales. The size of the dimension is the pattern's `kept_count`.

    ```mlir
    func.func @keep(%x: tensor<32x64xf32>, %p: !sparsedrop.pattern<row>) -> tensor<32x?xf32> {
      %0 = sparsedrop.compact %x, %p dim(1)
          : tensor<32x64xf32>, !sparsedrop.pattern<row> -> tensor<32x?xf32>
      return %0 : tensor<32x?xf32>
    }
    ```
  }];
  let arguments = (ins AnyRankedTensor:$source, SparseDrop_LinePattern:$pattern,
                       DenseI64ArrayAttr:$dims);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $source `,` $pattern `dim` `(` custom<Dims>($dims) `)`
    attr-dict `:` type($source) `,` qualified(type($pattern)) `->` type($result)
  }];
  let builders = [OpBuilder<(ins "Value":$source, "Value":$pattern,
                                 "int64_t":$dim)>];
  let extraClassDeclaration = [{
    int64_t getDim() { return getDims().front(); }
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def SparseDrop_ExpandOp : SparseDrop_TensorOp<"expand"> {
  let summary = "the inverse of compact: zeros elsewhere";
  let description = [{
    Never scales. The size of the dimension is the pattern's `extent`.

    ```mlir
    func.func @spread(%y: tensor<32x?xf32>, %p: !sparsedrop.pattern<row>) -> tensor<32x64xf32> {
      %0 = sparsedrop.expand %y, %p dim(1)
          : tensor<32x?xf32>, !sparsedrop.pattern<row> -> tensor<32x64xf32>
      return %0 : tensor<32x64xf32>
    }
    ```
  }];
  let arguments = (ins AnyRankedTensor:$source, SparseDrop_LinePattern:$pattern,
                       DenseI64ArrayAttr:$dims);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $source `,` $pattern `dim` `(` custom<Dims>($dims) `)`
    attr-dict `:` type($source) `,` qualified(type($pattern)) `->` type($result)
  }];
  let extraClassDeclaration = [{
    int64_t getDim() { return getDims().front(); }
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def SparseDrop_InsertOp : SparseDrop_TensorOp<"insert",
    [AllTypesMatch<["dest", "result"]>]> {
  let summary = "replaces the kept indices of one dimension";
  let description = [{
    The destination with its kept indices taken from `source`; `expand` is this
    op on a destination of zeros. What a pass writes when only the kept slice
    of a tensor changes (an update of weights, an accumulation).

    ```mlir
    func.func @update(%y: tensor<?x64xf32>, %w: tensor<32x64xf32>,
                      %p: !sparsedrop.pattern<row>) -> tensor<32x64xf32> {
      %0 = sparsedrop.insert %y into %w, %p dim(0)
          : tensor<?x64xf32> into tensor<32x64xf32>, !sparsedrop.pattern<row>
      return %0 : tensor<32x64xf32>
    }
    ```
  }];
  let arguments = (ins AnyRankedTensor:$source, AnyRankedTensor:$dest,
                       SparseDrop_LinePattern:$pattern,
                       DenseI64ArrayAttr:$dims);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = [{
    $source `into` $dest `,` $pattern `dim` `(` custom<Dims>($dims) `)`
    attr-dict `:` type($source) `into` type($dest) `,` qualified(type($pattern))
  }];
  let extraClassDeclaration = [{
    int64_t getDim() { return getDims().front(); }
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

def SparseDrop_ContractOp : Op<SparseDrop_Dialect, "contract",
    [AttrSizedOperandSegments, DestinationStyleOpInterface,
     SingleBlock,
     DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "a contraction with an epilogue";
  let description = [{
    One kernel: the sum of `lhs * rhs` over all loops that index no output,
    formed in f32 (f64 where an operand is f64), then for each element of the
    outputs the region: its arguments are the sum, the elements of `extras` and
    the elements that the outputs hold before; it yields the new ones.

    `indexing_maps` has a map from the loops to each operand, in order. Those of
    `lhs`, `rhs` and `extras` are sums of multiples of loops (a convolution is a
    contraction too), those of the outputs permutations of the loops that index
    them. To sums of `lhs` and `rhs` a constant may be added, and they may lead
    outside of the array, where elements are zero: padding. Each loop indexes at least two of `lhs`, `rhs` and the outputs. What
    the region takes from outside is scalar.

    The region may see several sums at once: all those along the loop number
    `joint`, of at most 8 iterations that types tell, such as the gates of a
    cell. It has that many arguments and values then for the sum and for each
    extra and output that the loop indexes, one for the others; such a loop
    need not index all outputs, and is no reduction. Kernels take one that
    indexes the same factor as the last dimension of the first output, which is
    along another loop.

    Formed by `sparsedrop-form-kernels`; joint loops by
    `sparsedrop-fuse-epilogues`.

    ```mlir
    #lhs = affine_map<(m, n, k) -> (m, k)>
    #rhs = affine_map<(m, n, k) -> (k, n)>
    #bias = affine_map<(m, n, k) -> (n)>
    #out = affine_map<(m, n, k) -> (m, n)>
    func.func @layer(%x: tensor<32x64xbf16>, %w: tensor<64x16xbf16>, %b: tensor<16xf32>,
                     %y: tensor<32x16xbf16>) -> tensor<32x16xbf16> {
      %zero = arith.constant 0.0 : f32
      %0 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #bias, #out]}
          ins(%x, %w : tensor<32x64xbf16>, tensor<64x16xbf16>)
          with(%b : tensor<16xf32>) outs(%y : tensor<32x16xbf16>) {
      ^bb0(%sum: f32, %bias: f32, %old: bf16):
        %1 = arith.addf %sum, %bias : f32
        %2 = arith.maximumf %1, %zero : f32
        %3 = arith.truncf %2 : f32 to bf16
        sparsedrop.yield %3 : bf16
      } -> tensor<32x16xbf16>
      return %0 : tensor<32x16xbf16>
    }
    ```
  }];
  let arguments = (ins AnyShaped:$lhs, AnyShaped:$rhs,
                       Variadic<AnyShaped>:$extras, Variadic<AnyShaped>:$inits,
                       AffineMapArrayAttr:$indexing_maps,
                       OptionalAttr<I64Attr>:$joint);
  let results = (outs Variadic<AnyRankedTensor>:$outputs);
  let regions = (region SizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    attr-dict `ins` `(` $lhs `,` $rhs `:` type($lhs) `,` type($rhs) `)`
    (`with` `(` $extras^ `:` type($extras) `)`)?
    `outs` `(` $inits `:` type($inits) `)` $epilogue (`->` type($outputs)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Iterations of a joint loop: a tile, and registers, have room for all.
    static constexpr int64_t kMostJoint = 8;

    MutableOperandRange getDpsInitsMutable() { return getInitsMutable(); }

    unsigned getNumLoops() { return getMap(0).getNumDims(); }
    /// The map of an operand, by its number.
    AffineMap getMap(unsigned operand) {
      return cast<AffineMapAttr>(getIndexingMaps()[operand]).getValue();
    }
    /// Number of the first output among the operands.
    unsigned getFirstInit() { return 2 + getExtras().size(); }
    AffineMap getInitMap(unsigned i = 0) { return getMap(getFirstInit() + i); }
    /// Whether sums are formed along a loop.
    bool isReduction(unsigned loop) {
      return loop != getJoint() && !getInitMap().isFunctionOfDim(loop);
    }
    Block *getBody() { return &getEpilogue().front(); }
    /// The sum, or the first one.
    BlockArgument getSum() { return getBody()->getArgument(0); }
    /// Sums that the region sees at once: the extent of the joint loop, or 1.
    unsigned countSums();
    /// Elements of operand `operand` that it sees at once.
    unsigned countElements(unsigned operand);
    /// Its arguments: the sums (of operand 0), elements of an extra, or what an
    /// output holds before.
    MutableArrayRef<BlockArgument> getElements(unsigned operand);
    /// The values that it yields for output `i`.
    OperandRange getYielded(unsigned i);
    /// Whether it uses what output `i` holds before.
    bool readsOld(unsigned i);
  }];
}

def SparseDrop_YieldOp : Op<SparseDrop_Dialect, "yield",
    [Pure, Terminator, ReturnLike, HasParent<"ContractOp">]> {
  let summary = "the new elements of the outputs of a kernel";
  let description = [{
    Terminates the region of `sparsedrop.contract`.
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

#endif // SPARSEDROP_DIALECT_SPARSEDROP_IR_SPARSEDROPOPS_TD
