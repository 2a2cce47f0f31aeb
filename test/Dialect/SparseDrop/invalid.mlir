// RUN: sparsedrop-opt %s --split-input-file --verify-diagnostics

func.func @rate_of_one(%a: tensor<4x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{expected a rate in [0, 1), but got 1.0}}
  %0 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 1.0, site = "s">}
    ins(%a, %b : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// -----

// expected-error @below {{expected a rate in [0, 1), but got nan}}
#nan = #sparsedrop.dropout<row, operand = 0, rate = 0x7FF8000000000000, site = "s">

// -----

// expected-error @below {{expected 'row', 'tile' or 'channel', but got 'column'}}
#kind = #sparsedrop.dropout<column, operand = 0, rate = 0.5, site = "s">

// -----

// expected-error @below {{unknown parameter 'rat' of a dropout annotation}}
#parameter = #sparsedrop.dropout<row, operand = 0, rat = 0.5, site = "s">

// -----

// expected-error @below {{a dropout annotation needs 'site'}}
#site = #sparsedrop.dropout<row, operand = 0, rate = 0.5>

// -----

// expected-error @below {{parameter 'rate' given twice}}
#twice = #sparsedrop.dropout<row, operand = 0, rate = 0.5, rate = 0.5, site = "s">

// -----

// expected-error @below {{'tile' is not a parameter of kind 'row'}}
#foreign = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", tile = [8, 8]>

// -----

// expected-error @below {{expected a granularity of at least 1, but got 0}}
#granularity = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", granularity = 0>

// -----

// expected-error @below {{expected a tile of two sizes of at least 1, but got [0, 8]}}
#tile = #sparsedrop.dropout<tile, operand = 1, rate = 0.5, site = "s", tile = [0, 8]>

// -----

// expected-error @below {{expected max_period of at least 1, but got 0}}
#period = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", max_period = 0>

// -----

// expected-error @below {{expected max_period of at most 1024, but got 100000000000}}
#long = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", max_period = 100000000000>

// -----

// expected-error @below {{scale 'energy' does not belong to kind 'row'}}
#scale = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", scale = energy>

// -----

// expected-error @below {{expected a distribution of 4 entries (max_period), but got 2}}
#length = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", distribution = [0.0, 1.0]>

// -----

// expected-error @below {{expected probabilities of at least 0, but entry 0 of the distribution is -5.000000e-01}}
#negative = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", max_period = 2, distribution = [-0.5, 1.5]>

// -----

// expected-error @below {{expected a distribution that sums to 1, but got 9.000000e-01}}
#sum = #sparsedrop.dropout<row, operand = 0, rate = 0.45, site = "s", max_period = 2, distribution = [0.0, 0.9]>

// -----

// expected-error @below {{expected a distribution whose mean drop rate is 3.000000e-01, but got 5.000000e-01}}
#mean = #sparsedrop.dropout<row, operand = 0, rate = 0.3, site = "s", max_period = 2, distribution = [0.0, 1.0]>

// -----

func.func @no_such_operand(%a: tensor<4x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{expects a dropout of one of its 2 inputs, but got operand = 2}}
  %0 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 2, rate = 0.5, site = "s">}
    ins(%a, %b : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// -----

func.func @no_contraction(%a: tensor<4x8xf32>, %c: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // expected-error @below {{expects a dropout on a contraction or a convolution}}
  %0 = linalg.exp {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%a : tensor<4x8xf32>) outs(%c : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @two_for_one(%a: tensor<4x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{expects at most one dropout per operand, but got two for operand 0}}
  %0 = linalg.matmul {sparsedrop.dropout = [
      #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">,
      #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "t">]}
    ins(%a, %b : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// -----

func.func @integers(%a: tensor<4x8xi32>, %b: tensor<8x4xi32>, %c: tensor<4x4xi32>) -> tensor<4x4xi32> {
  // expected-error @below {{expects a dropped operand of floating-point elements of at most 64 bits, but got 'tensor<4x8xi32>'}}
  %0 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%a, %b : tensor<4x8xi32>, tensor<8x4xi32>) outs(%c : tensor<4x4xi32>) -> tensor<4x4xi32>
  return %0 : tensor<4x4xi32>
}

// -----

func.func @not_an_annotation(%a: tensor<4x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @below {{expects 'sparsedrop.dropout' to be #sparsedrop.dropout or an array of it, but got 5.000000e-01 : f64}}
  %0 = linalg.matmul {sparsedrop.dropout = 0.5}
    ins(%a, %b : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// -----

// expected-error @below {{carries an unknown attribute 'sparsedrop.dropuot'}}
func.func private @misspelt() attributes {sparsedrop.dropuot}

// -----

// expected-error @below {{expects 'sparsedrop.seed' on an i64 argument, but got 'i32'}}
func.func @seed(%s: i32 {sparsedrop.seed}) {
  return
}

// -----

func.func @period_too_long(%b: index) {
  %n = arith.constant 4 : index
  %dp = arith.constant 5 : index
  // expected-error @below {{expects a period of at most 4, the number of units, but got 5}}
  %0 = sparsedrop.make_pattern period(%dp) bias(%b) extents(%n) : !sparsedrop.pattern<row>
  return
}

// -----

func.func @bias_too_large() {
  %n = arith.constant 4 : index
  %dp = arith.constant 2 : index
  // expected-error @below {{expects a bias of at least 0 and less than the period, but got 2}}
  %0 = sparsedrop.make_pattern period(%dp) bias(%dp) extents(%n) : !sparsedrop.pattern<row>
  return
}

// -----

func.func @missing_list() {
  %n = arith.constant 4 : index
  // expected-error @below {{expects a list of kept channels, and neither period nor bias, for kind 'channel'}}
  %0 = sparsedrop.make_pattern extents(%n) : !sparsedrop.pattern<channel>
  return
}

// -----

func.func @sample_period(%s: i64) {
  %n = arith.constant 2 : index
  // expected-error @below {{expects periods of at most 2, the number of units, but the distribution gives period 3 a probability of 1.0}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) {distribution = array<f64: 0.0, 0.0, 1.0>, rate = 0.6666667 : f64} : !sparsedrop.pattern<row>
  return
}

// -----

func.func @dims(%x: tensor<4x8xf32>, %p: !sparsedrop.pattern<row>) {
  // expected-error @below {{expects dimensions in [0, 2), but got 2}}
  %0 = sparsedrop.dropout %x, %p dim(2) : tensor<4x8xf32>, !sparsedrop.pattern<row>
  return
}

// -----

func.func @tile_dims(%x: tensor<4x8xf32>, %p: !sparsedrop.pattern<tile>) {
  // expected-error @below {{expects 2 dimensions for '!sparsedrop.pattern<tile>', but got 1}}
  %0 = sparsedrop.dropout %x, %p dim(1) : tensor<4x8xf32>, !sparsedrop.pattern<tile>
  return
}

// -----

func.func @extent(%x: tensor<4x8xf32>, %b: index) {
  %n = arith.constant 9 : index
  %dp = arith.constant 2 : index
  %p = sparsedrop.make_pattern period(%dp) bias(%b) extents(%n) : !sparsedrop.pattern<row>
  // expected-error @below {{expects a dimension of the pattern's extent 9, but got 8}}
  %0 = sparsedrop.compact %x, %p dim(1) : tensor<4x8xf32>, !sparsedrop.pattern<row> -> tensor<4x?xf32>
  return
}

// -----

func.func @shapes(%x: tensor<4x?xf32>, %p: !sparsedrop.pattern<row>) {
  // expected-error @below {{expects equal sizes but along dimension 1, but got 5 and 4 along 0}}
  %0 = sparsedrop.expand %x, %p dim(1) : tensor<4x?xf32>, !sparsedrop.pattern<row> -> tensor<5x8xf32>
  return
}

// -----

func.func @slice(%p: !sparsedrop.pattern<row, granularity = 4>) {
  %n = arith.constant 6 : index
  // expected-error @below {{expects an offset that granularity 4 divides, but got 6}}
  %0 = sparsedrop.slice_pattern %p offset(%n) extent(%n) : !sparsedrop.pattern<row, granularity = 4>
  return
}

// -----

func.func @stretch(%p: !sparsedrop.pattern<row>) {
  // expected-error @below {{expects a granularity of 3, but got 2}}
  %0 = sparsedrop.stretch_pattern %p by 3 : !sparsedrop.pattern<row> to !sparsedrop.pattern<row, granularity = 2>
  return
}

// -----

func.func @sample_sensitivities(%s: i64, %t: tensor<6xf32>) {
  %n = arith.constant 8 : index
  // expected-error @below {{expects sensitivities of 8 channels, but got 6}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) sensitivity(%t : tensor<6xf32>) count(%n) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>
  return
}

// -----

func.func @sample_scale(%s: i64) {
  %n = arith.constant 8 : index
  // expected-error @below {{expects a scale of kind 'row', but got 'energy'}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<energy>} : !sparsedrop.pattern<row>
  return
}

// -----

func.func @sample_max_period(%s: i64, %n: index) {
  // expected-error @+1 {{'sparsedrop.sample' op expects max_period in [1, 1024], but got 1025}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) {max_period = 1025 : i64, rate = 0.3 : f64} : !sparsedrop.pattern<row>
  return
}

// -----

func.func @sample_max_period_and_distribution(%s: i64, %n: index) {
  // expected-error @+1 {{'sparsedrop.sample' op expects max_period or a distribution, but got both}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) {max_period = 2 : i64, rate = 0.5 : f64, distribution = array<f64: 0.0, 1.0>} : !sparsedrop.pattern<row>
  return
}

// -----

func.func @sample_max_period_channel(%s: i64, %n: index) {
  // expected-error @+1 {{'sparsedrop.sample' op expects max_period for periodic kinds only}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) count(%n) {max_period = 2 : i64, rate = 0.5 : f64, scale = #sparsedrop.scale_mode<inverse>} : !sparsedrop.pattern<channel>
  return
}

// -----

func.func @sample_mean(%s: i64, %n: index) {
  // expected-error @below {{expects a distribution with the mean rate 3.000000e-01, but got one with 5.000000e-01}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) {distribution = array<f64: 0.0, 1.0>, rate = 0.3 : f64} : !sparsedrop.pattern<row>
  return
}

// -----

// A maximum adds no products up: there is nothing to scale.
func.func @no_sum_of_products(%x: tensor<4x8xf32>, %c: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{expects a dropout on a contraction or a convolution}}
  %q = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i)>],
      iterator_types = ["parallel", "reduction"],
      sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
      ins(%x : tensor<4x8xf32>) outs(%c : tensor<4xf32>) {
    ^bb0(%a: f32, %o: f32):
      %s = arith.maximumf %o, %a : f32
      linalg.yield %s : f32
  } -> tensor<4xf32>
  return %q : tensor<4xf32>
}

// -----

func.func @wide_float(%x: tensor<4x8xf128>, %w: tensor<8x4xf128>, %c: tensor<4x4xf128>) -> tensor<4x4xf128> {
  // expected-error @below {{expects a dropped operand of floating-point elements of at most 64 bits, but got 'tensor<4x8xf128>'}}
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<4x8xf128>, tensor<8x4xf128>) outs(%c : tensor<4x4xf128>) -> tensor<4x4xf128>
  return %q : tensor<4x4xf128>
}

// -----

func.func @sample_kept(%s: i64) {
  %n = arith.constant 8 : index
  %k = arith.constant 9 : index
  // expected-error @below {{expects to keep between 1 and 8 channels, but got 9}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) count(%k) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>
  return
}

// -----

func.func @sample_none(%s: i64) {
  %n = arith.constant 8 : index
  %k = arith.constant 0 : index
  // expected-error @below {{expects to keep between 1 and 8 channels, but got 0}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) count(%k) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>
  return
}

// -----

func.func @sample_energy(%s: i64, %n: index) {
  // expected-error @below {{expects importances for scale 'energy'}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) count(%n) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<energy>} : !sparsedrop.pattern<channel>
  return
}

// -----

func.func @sample_length(%s: i64, %v: tensor<7xf32>) {
  %n = arith.constant 8 : index
  // expected-error @below {{expects importances of 8 channels, but got 7}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) importance(%v : tensor<7xf32>) count(%n) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>
  return
}

// -----

func.func @sample_temperature(%s: i64, %n: index) {
  // expected-error @below {{expects a temperature other than 0, but got 0}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) count(%n) {rate = 0.5 : f64, temperature = 0.0 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>
  return
}

// -----

func.func @row_importance(%s: i64, %n: index, %v: tensor<7xf32>) {
  // expected-error @below {{expects importances for kind 'channel' only}}
  %0 = sparsedrop.sample "s" seed(%s) step(%s) extents(%n) importance(%v : tensor<7xf32>) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
  return
}

// -----

// expected-error @below {{expected a temperature other than 0, but got 0}}
func.func private @f() attributes {a = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "s", temperature = 0.0>}

// -----

// expected-error @below {{'temperature' is not a parameter of kind 'row'}}
func.func private @f() attributes {a = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s", temperature = 1.0>}

// -----

// expected-error @below {{expects 'sparsedrop.rate' on an f32 argument, but got 'tensor<f32>'}}
func.func @rate(%r: tensor<f32> {sparsedrop.rate = "s"}) {
  return
}

// -----

// expected-error @below {{expects 'sparsedrop.importance' on a tensor<Cxf32> argument, but got 'tensor<4x4xf32>'}}
func.func @importance(%r: tensor<4x4xf32> {sparsedrop.importance = "s"}) {
  return
}

// -----

// expected-error @below {{expects 'sparsedrop.importance' of site "s" on one argument, but got it on 0 and 2}}
func.func @twice(%a: tensor<4xf32> {sparsedrop.importance = "s"}, %b: tensor<4xf32> {sparsedrop.sensitivity = "s"}, %c: tensor<4xf32> {sparsedrop.importance = "s"}) {
  return
}

// -----

// expected-error @below {{expects 'sensitivity' to be "batch" or "sample", but got "pixel"}}
func.func private @change(tensor<f32>) attributes {sparsedrop.differentiate = {sensitivity = "pixel"}}

// -----

// expected-error @below {{expects 'average' to be a float in [0, 1), but got 1.000000e+00 : f64}}
func.func private @average(tensor<f32>) attributes {sparsedrop.differentiate = {average = 1.0 : f64}}

// -----

// expected-error @below {{expected a multiple and a granularity of which one divides the other, but got 8 and 3}}
func.func private @f() attributes {a = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "s", multiple = 8, granularity = 3>}

// -----

func.func @class_dim(%p: !sparsedrop.pattern<tile>, %q: index) -> !sparsedrop.pattern<row, granularity = 32> {
  // expected-error @below {{expects dim 0 (rows) or 1 (columns), but got 2}}
  %0 = sparsedrop.class_pattern %p[%q] dim(2) : !sparsedrop.pattern<tile> to !sparsedrop.pattern<row, granularity = 32>
  return %0 : !sparsedrop.pattern<row, granularity = 32>
}

// -----

func.func @class_granularity(%p: !sparsedrop.pattern<tile, tile = [16, 32]>, %q: index) -> !sparsedrop.pattern<row, granularity = 32> {
  // expected-error @below {{expects the granularity 16 of the tile, but got 32}}
  %0 = sparsedrop.class_pattern %p[%q] dim(0) : !sparsedrop.pattern<tile, tile = [16, 32]> to !sparsedrop.pattern<row, granularity = 32>
  return %0 : !sparsedrop.pattern<row, granularity = 32>
}
