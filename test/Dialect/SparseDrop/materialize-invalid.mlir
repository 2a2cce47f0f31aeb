// RUN: sparsedrop-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(sparsedrop-search-distribution,sparsedrop-materialize)'

func.func @site(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  // expected-note @below {{first used here}}
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  // expected-error @below {{uses site "s" with other parameters than before}}
  %k = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.4, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q, %k : tensor<4x4xf32>, tensor<4x4xf32>
}

// -----

func.func @unreachable(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{has a drop rate that its patterns cannot reach: rate 0.8 is not below 0.75, the largest that periods 1 to 4 reach}}
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.8, site = "s", max_period = 4>}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}

// -----

func.func @narrow(%x: tensor<4x2xf32>, %w: tensor<2x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{rate 0.7 is not below 0.5, the largest that periods 1 to 2 reach; a period is at most the number of granules, or of columns of tiles, which is 2}}
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.7, site = "s">}
    ins(%x, %w : tensor<4x2xf32>, tensor<2x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}

// -----

func.func @granularity(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{expects a granularity no larger than the extent 8, but got 9}}
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", granularity = 9>}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}

// -----

func.func @tile(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{expects a tile no larger than the extent 4, but got 32}}
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<tile, operand = 1, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}

// -----

#map = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
func.func @no_contraction_dim(%x: tensor<4xf32>, %w: tensor<4x8xf32>, %c: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{expects a dropout of a contraction operand, but operand 0 has no contraction dimension}}
  %q = linalg.generic {indexing_maps = [#row, #map, #row], iterator_types = ["parallel", "reduction"],
      sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
      ins(%x, %w : tensor<4xf32>, tensor<4x8xf32>) outs(%c : tensor<4xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %m = arith.mulf %a, %b : f32
      %s = arith.addf %o, %m : f32
      linalg.yield %s : f32
  } -> tensor<4xf32>
  return %q : tensor<4xf32>
}

// -----

func.func private @layer(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}
func.func @indirect() {
  // expected-error @below {{uses function 'layer' other than by a call, but it gains seed and step arguments}}
  %f = constant @layer : (tensor<4x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return
}

// -----

// A use at rate 0 is a use.
func.func @rate_zero(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  // expected-note @below {{first used here}}
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  // expected-error @below {{uses site "s" with other parameters than before}}
  %r = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.0, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q, %r : tensor<4x4xf32>, tensor<4x4xf32>
}

// -----

func.func @depthwise(%x: tensor<1x5x5x16xf32>, %w: tensor<3x3x16x2xf32>, %o: tensor<1x3x3x16x2xf32>) -> tensor<1x3x3x16x2xf32> {
  // expected-error @below {{operand 0 has no contraction dimension: each output channel reads one input channel, so nothing is summed over channels}}
  %y = linalg.depthwise_conv_2d_nhwc_hwcm {sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<1x5x5x16xf32>, tensor<3x3x16x2xf32>) outs(%o : tensor<1x3x3x16x2xf32>) -> tensor<1x3x3x16x2xf32>
  return %y : tensor<1x3x3x16x2xf32>
}

// -----

func.func @depthwise_of_rows(%x: tensor<1x16x5xf32>, %w: tensor<16x3xf32>, %o: tensor<1x16x3xf32>) -> tensor<1x16x3xf32> {
  // expected-error @below {{each output channel reads one input channel, so nothing is summed over channels}}
  %y = linalg.depthwise_conv_1d_ncw_cw {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<1x16x5xf32>, tensor<16x3xf32>) outs(%o : tensor<1x16x3xf32>) -> tensor<1x16x3xf32>
  return %y : tensor<1x16x3xf32>
}

// -----

// All seven channels would be kept.
func.func @few_channels(%x: tensor<4x7xf32>, %w: tensor<7x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{expects a multiple no larger than the extent 7, but got 8}}
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<4x7xf32>, tensor<7x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}
