// RUN: sparsedrop-opt %s --split-input-file --pass-pipeline='builtin.module(sparsedrop-compact,cse)' | FileCheck %s

// Rule C6: how compacts and expands move through ops that only shape tensors.

// CHECK-LABEL: func @transpose_and_cast
//   CHECK-NOT: sparsedrop.expand
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<16x?xf32>, tensor<?x8xf32>)
func.func @transpose_and_cast(%x: tensor<64x16xf32>, %w: tensor<64x8xf32>, %init: tensor<16x8xf32>,
                              %p: !sparsedrop.pattern<row>) -> tensor<16x8xf32> {
  %d = sparsedrop.dropout %x, %p dim(0) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %e = tensor.empty() : tensor<16x64xf32>
  %t = linalg.transpose ins(%d : tensor<64x16xf32>) outs(%e : tensor<16x64xf32>) permutation = [1, 0]
  %c = tensor.cast %t : tensor<16x64xf32> to tensor<?x64xf32>
  %s = tensor.cast %c : tensor<?x64xf32> to tensor<16x64xf32>
  %y = linalg.matmul ins(%s, %w : tensor<16x64xf32>, tensor<64x8xf32>) outs(%init : tensor<16x8xf32>) -> tensor<16x8xf32>
  return %y : tensor<16x8xf32>
}

// -----

// Flattening channels with 3 x 3 positions each: granularity 1 becomes 9.

// CHECK-LABEL: func @flatten
//  CHECK-SAME: %[[P:[a-z0-9]+]]: !sparsedrop.pattern<row>
//       CHECK: %[[Q:.*]] = sparsedrop.stretch_pattern %[[P]] by 9 : !sparsedrop.pattern<row> to !sparsedrop.pattern<row, granularity = 9>
//       CHECK: sparsedrop.compact %{{.*}}, %[[Q]] dim(0) : tensor<144x8xf32>
//       CHECK: tensor.collapse_shape %{{.*}} : tensor<2x?x3x3xf32> into tensor<2x?xf32>
//       CHECK: linalg.matmul
func.func @flatten(%x: tensor<2x16x3x3xf32>, %w: tensor<144x8xf32>, %init: tensor<2x8xf32>,
                   %p: !sparsedrop.pattern<row>) -> tensor<2x8xf32> {
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<2x16x3x3xf32>, !sparsedrop.pattern<row>
  %f = tensor.collapse_shape %d [[0], [1, 2, 3]] : tensor<2x16x3x3xf32> into tensor<2x144xf32>
  %y = linalg.matmul ins(%f, %w : tensor<2x144xf32>, tensor<144x8xf32>) outs(%init : tensor<2x8xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// -----

// The other way round: granules of 9 units are whole channels.

// CHECK-LABEL: func @granules_are_channels
//       CHECK: sparsedrop.sample "s" {{.*}} : !sparsedrop.pattern<row, granularity = 9>
//       CHECK: %[[Q:.*]] = sparsedrop.sample "s" {{.*}} : !sparsedrop.pattern<row>
//       CHECK: sparsedrop.compact %{{.*}}, %[[Q]] dim(1) : tensor<2x16x3x3xf32>
//       CHECK: linalg.matmul
func.func @granules_are_channels(%x: tensor<2x16x3x3xf32>, %w: tensor<144x8xf32>, %init: tensor<2x8xf32>,
                                 %seed: i64, %step: i64) -> tensor<2x8xf32> {
  %n = arith.constant 144 : index
  %p = sparsedrop.sample "s" seed(%seed) step(%step) extents(%n)
      {distribution = array<f64: 0.5, 0.5>, rate = 0.25 : f64} : !sparsedrop.pattern<row, granularity = 9>
  %f = tensor.collapse_shape %x [[0], [1, 2, 3]] : tensor<2x16x3x3xf32> into tensor<2x144xf32>
  %d = sparsedrop.dropout %f, %p dim(1) unscaled : tensor<2x144xf32>, !sparsedrop.pattern<row, granularity = 9>
  %y = linalg.matmul ins(%d, %w : tensor<2x144xf32>, tensor<144x8xf32>) outs(%init : tensor<2x8xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// -----

// A pad of other dimensions with zeros keeps dropped channels zero; with
// another value it does not.

// CHECK-LABEL: func @pad_zero
//   CHECK-NOT: sparsedrop.expand
//       CHECK: tensor.pad
//       CHECK: linalg.conv_1d_nwc_wcf
//  CHECK-SAME: tensor<1x12x?xf32>
func.func @pad_zero(%x: tensor<1x10x64xf32>, %w: tensor<3x64x8xf32>, %init: tensor<1x10x8xf32>,
                    %p: !sparsedrop.pattern<row>) -> tensor<1x10x8xf32> {
  %zero = arith.constant 0.0 : f32
  %d = sparsedrop.dropout %x, %p dim(2) unscaled : tensor<1x10x64xf32>, !sparsedrop.pattern<row>
  %pad = tensor.pad %d low[0, 1, 0] high[0, 1, 0] {
    ^bb0(%i: index, %j: index, %k: index):
      tensor.yield %zero : f32
  } : tensor<1x10x64xf32> to tensor<1x12x64xf32>
  %y = linalg.conv_1d_nwc_wcf ins(%pad, %w : tensor<1x12x64xf32>, tensor<3x64x8xf32>)
      outs(%init : tensor<1x10x8xf32>) -> tensor<1x10x8xf32>
  return %y : tensor<1x10x8xf32>
}

// CHECK-LABEL: func @pad_infinity
//       CHECK: %[[E:.*]] = sparsedrop.expand
//       CHECK: tensor.pad %[[E]]
//       CHECK: linalg.pooling_nwc_max
func.func @pad_infinity(%x: tensor<1x10x64xf32>, %window: tensor<3xf32>, %init: tensor<1x10x64xf32>,
                        %p: !sparsedrop.pattern<row>) -> tensor<1x10x64xf32> {
  %inf = arith.constant 0xFF800000 : f32
  %d = sparsedrop.dropout %x, %p dim(2) unscaled : tensor<1x10x64xf32>, !sparsedrop.pattern<row>
  %pad = tensor.pad %d low[0, 1, 0] high[0, 1, 0] {
    ^bb0(%i: index, %j: index, %k: index):
      tensor.yield %inf : f32
  } : tensor<1x10x64xf32> to tensor<1x12x64xf32>
  %y = linalg.pooling_nwc_max ins(%pad, %window : tensor<1x12x64xf32>, tensor<3xf32>)
      outs(%init : tensor<1x10x64xf32>) -> tensor<1x10x64xf32>
  return %y : tensor<1x10x64xf32>
}

// -----

// Slices along the dropped dimension shift the bias; concatenations along it
// hand each part the pattern of its units.

// CHECK-LABEL: func @slice_along
//       CHECK: sparsedrop.slice_pattern
//   CHECK-NOT: sparsedrop.expand
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<8x?xf32>, tensor<?x16xf32>)
func.func @slice_along(%x: tensor<8x64xf32>, %w: tensor<40x16xf32>, %init: tensor<8x16xf32>,
                       %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %s = tensor.extract_slice %d[0, 20] [8, 40] [1, 1] : tensor<8x64xf32> to tensor<8x40xf32>
  %y = linalg.matmul ins(%s, %w : tensor<8x40xf32>, tensor<40x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// CHECK-LABEL: func @concat_along
//       CHECK: sparsedrop.slice_pattern
//       CHECK: tensor.concat dim(1) %{{.*}}, %{{.*}} : (tensor<8x?xf32>, tensor<8x?xf32>) -> tensor<8x?xf32>
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<8x?xf32>, tensor<?x16xf32>)
func.func @concat_along(%x: tensor<8x24xf32>, %y: tensor<8x40xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>,
                        %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %c = tensor.concat dim(1) %x, %y : (tensor<8x24xf32>, tensor<8x40xf32>) -> tensor<8x64xf32>
  %d = sparsedrop.dropout %c, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %m = linalg.matmul ins(%d, %w : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %m : tensor<8x16xf32>
}

// A list of channels is cut anywhere, whatever its granularity.

// CHECK-LABEL: func @concat_along_list
//   CHECK-DAG: %[[N:.*]] = arith.constant 23 : index
//       CHECK: sparsedrop.slice_pattern %{{.*}} offset(%[[N]]) extent(%{{.*}}) : !sparsedrop.pattern<channel, granularity = 4>
//       CHECK: tensor.concat dim(1) %{{.*}}, %{{.*}} : (tensor<8x?xf32>, tensor<8x?xf32>) -> tensor<8x?xf32>
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<8x?xf32>, tensor<?x16xf32>)
func.func @concat_along_list(%x: tensor<8x23xf32>, %y: tensor<8x41xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>,
                             %p: !sparsedrop.pattern<channel, granularity = 4>) -> tensor<8x16xf32> {
  %c = tensor.concat dim(1) %x, %y : (tensor<8x23xf32>, tensor<8x41xf32>) -> tensor<8x64xf32>
  %d = sparsedrop.dropout %c, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<channel, granularity = 4>
  %m = linalg.matmul ins(%d, %w : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %m : tensor<8x16xf32>
}

// -----

// Values of scf.if and scf.for stay compact.

#map = affine_map<(m, n) -> (m, n)>

// CHECK-LABEL: func @branch
//       CHECK: %[[R:.*]] = scf.if {{.*}} -> (tensor<8x?xf32>)
//       CHECK: linalg.matmul ins(%[[R]]
func.func @branch(%x: tensor<8x64xf32>, %y: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>,
                  %c: i1, %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %s = scf.if %c -> (tensor<8x64xf32>) {
    scf.yield %x : tensor<8x64xf32>
  } else {
    %e = tensor.empty() : tensor<8x64xf32>
    %t = linalg.exp ins(%y : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
    scf.yield %t : tensor<8x64xf32>
  }
  %d = sparsedrop.dropout %s, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %m = linalg.matmul ins(%d, %w : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %m : tensor<8x16xf32>
}

// CHECK-LABEL: func @loop_pull
//       CHECK: scf.for {{.*}} -> (tensor<8x?xf32>)
//       CHECK:   linalg.exp ins(%{{.*}} : tensor<8x?xf32>)
//       CHECK: linalg.matmul
func.func @loop_pull(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>, %n: index,
                     %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%h = %x) -> (tensor<8x64xf32>) {
    %e = tensor.empty() : tensor<8x64xf32>
    %t = linalg.exp ins(%h : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
    scf.yield %t : tensor<8x64xf32>
  }
  %d = sparsedrop.dropout %r, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %m = linalg.matmul ins(%d, %w : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %m : tensor<8x16xf32>
}

// CHECK-LABEL: func @loop_push
//       CHECK: scf.for {{.*}} -> (tensor<8x?xf32>)
//       CHECK:   linalg.generic
//  CHECK-SAME:   tensor<8x?xf32>
//       CHECK: sparsedrop.expand
func.func @loop_push(%x: tensor<8x64xf32>, %n: index, %p: !sparsedrop.pattern<row>) -> tensor<8x64xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %two = arith.constant 2.0 : f32
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%h = %d) -> (tensor<8x64xf32>) {
    %e = tensor.empty() : tensor<8x64xf32>
    %t = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
        ins(%h : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) {
      ^bb0(%a: f32, %out: f32):
        %s = arith.mulf %a, %two : f32
        linalg.yield %s : f32
    } -> tensor<8x64xf32>
    scf.yield %t : tensor<8x64xf32>
  }
  return %r : tensor<8x64xf32>
}

// A sigmoid in the body makes dropped values 0.5: the loop stays as it is.

// CHECK-LABEL: func @loop_refused
//       CHECK: sparsedrop.expand
//       CHECK: scf.for {{.*}} -> (tensor<8x64xf32>)
//       CHECK: } {sparsedrop.missed = "a carried value is not compact in every iteration"}
func.func @loop_refused(%x: tensor<8x64xf32>, %n: index, %p: !sparsedrop.pattern<row>) -> tensor<8x64xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%h = %d) -> (tensor<8x64xf32>) {
    %e = tensor.empty() : tensor<8x64xf32>
    %t = linalg.exp ins(%h : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
    scf.yield %t : tensor<8x64xf32>
  }
  return %r : tensor<8x64xf32>
}

// -----

// Spread out into zeros, as gradients of strided convolutions are.

// CHECK-LABEL: func @insert_into_zeros
//  CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<2x3x64xf32>
//       CHECK: %[[K:.*]] = sparsedrop.compact %[[X]], %{{.*}} dim(2)
//       CHECK: %[[Z:.*]] = linalg.fill ins(%{{.*}}) outs(%{{.*}} : tensor<2x5x?xf32>)
//       CHECK: tensor.insert_slice %[[K]] into %[[Z]][0, 0, 0] [2, 3, %{{.*}}] [1, 2, 1] : tensor<2x3x?xf32> into tensor<2x5x?xf32>
//       CHECK: linalg.conv_1d_nwc_wcf ins(%{{.*}}, %{{.*}} : tensor<2x5x?xf32>, tensor<3x?x8xf32>)
func.func @insert_into_zeros(%x: tensor<2x3x64xf32>, %w: tensor<3x64x8xf32>, %init: tensor<2x3x8xf32>,
                             %p: !sparsedrop.pattern<channel>) -> tensor<2x3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %d = sparsedrop.dropout %x, %p dim(2) unscaled : tensor<2x3x64xf32>, !sparsedrop.pattern<channel>
  %e = tensor.empty() : tensor<2x5x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x5x64xf32>) -> tensor<2x5x64xf32>
  %s = tensor.insert_slice %d into %z[0, 0, 0] [2, 3, 64] [1, 2, 1] : tensor<2x3x64xf32> into tensor<2x5x64xf32>
  %y = linalg.conv_1d_nwc_wcf ins(%s, %w : tensor<2x5x64xf32>, tensor<3x64x8xf32>) outs(%init : tensor<2x3x8xf32>) -> tensor<2x3x8xf32>
  return %y : tensor<2x3x8xf32>
}

// -----

// Into something else it is not zero where units are dropped.

// CHECK-LABEL: func @insert_into_values
//       CHECK: sparsedrop.expand
//       CHECK: tensor.insert_slice %{{.*}} into %{{.*}} : tensor<2x3x64xf32> into tensor<2x5x64xf32>
func.func @insert_into_values(%x: tensor<2x3x64xf32>, %y: tensor<2x5x64xf32>, %p: !sparsedrop.pattern<channel>) -> tensor<2x5x64xf32> {
  %d = sparsedrop.dropout %x, %p dim(2) unscaled : tensor<2x3x64xf32>, !sparsedrop.pattern<channel>
  %s = tensor.insert_slice %d into %y[0, 0, 0] [2, 3, 64] [1, 2, 1] : tensor<2x3x64xf32> into tensor<2x5x64xf32>
  return %s : tensor<2x5x64xf32>
}

// -----

// The units that are read of what was put together are computed only.

// CHECK-LABEL: func @insert_pull
//   CHECK-DAG: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<3x7xf32>, tensor<7x?xf32>)
//   CHECK-DAG: sparsedrop.compact %{{.*}}, %{{.*}} dim(1) : tensor<5x64xf32>
//       CHECK: tensor.insert_slice %{{.*}} into %{{.*}}[1, 0] [3, %{{.*}}] [1, 1] : tensor<3x?xf32> into tensor<5x?xf32>
func.func @insert_pull(%a: tensor<3x7xf32>, %b: tensor<7x64xf32>, %i: tensor<3x64xf32>, %into: tensor<5x64xf32>,
                       %w: tensor<64x8xf32>, %init: tensor<5x8xf32>, %p: !sparsedrop.pattern<row>) -> tensor<5x8xf32> {
  %x = linalg.matmul ins(%a, %b : tensor<3x7xf32>, tensor<7x64xf32>) outs(%i : tensor<3x64xf32>) -> tensor<3x64xf32>
  %s = tensor.insert_slice %x into %into[1, 0] [3, 64] [1, 1] : tensor<3x64xf32> into tensor<5x64xf32>
  %d = sparsedrop.dropout %s, %p dim(1) unscaled : tensor<5x64xf32>, !sparsedrop.pattern<row>
  %y = linalg.matmul ins(%d, %w : tensor<5x64xf32>, tensor<64x8xf32>) outs(%init : tensor<5x8xf32>) -> tensor<5x8xf32>
  return %y : tensor<5x8xf32>
}

// -----

// The maximum of a window of zeros is zero, where there is a window: a reduction from a
// constant is followed for two steps.

// CHECK-LABEL: func @max_of_zeros
//       CHECK: linalg.pooling_nwc_max ins(%{{.*}}, %{{.*}} : tensor<1x10x?xf32>, tensor<2xf32>)
//       CHECK: linalg.conv_1d_nwc_wcf ins(%{{.*}}, %{{.*}} : tensor<1x9x?xf32>, tensor<3x?x8xf32>)
func.func @max_of_zeros(%x: tensor<1x10x64xf32>, %w: tensor<3x64x8xf32>, %init: tensor<1x7x8xf32>,
                        %p: !sparsedrop.pattern<row>) -> tensor<1x7x8xf32> {
  %lowest = arith.constant 0xFF800000 : f32
  %d = sparsedrop.dropout %x, %p dim(2) unscaled : tensor<1x10x64xf32>, !sparsedrop.pattern<row>
  %k = tensor.empty() : tensor<2xf32>
  %e = tensor.empty() : tensor<1x9x64xf32>
  %z = linalg.fill ins(%lowest : f32) outs(%e : tensor<1x9x64xf32>) -> tensor<1x9x64xf32>
  %m = linalg.pooling_nwc_max ins(%d, %k : tensor<1x10x64xf32>, tensor<2xf32>) outs(%z : tensor<1x9x64xf32>) -> tensor<1x9x64xf32>
  %y = linalg.conv_1d_nwc_wcf ins(%m, %w : tensor<1x9x64xf32>, tensor<3x64x8xf32>) outs(%init : tensor<1x7x8xf32>) -> tensor<1x7x8xf32>
  return %y : tensor<1x7x8xf32>
}

// -----

// From 1 it is not.

// CHECK-LABEL: func @max_from_one
//       CHECK: sparsedrop.expand
//       CHECK: linalg.pooling_nwc_max {{.*}} ins(%{{.*}}, %{{.*}} : tensor<1x10x64xf32>, tensor<2xf32>)
func.func @max_from_one(%x: tensor<1x10x64xf32>, %p: !sparsedrop.pattern<row>) -> tensor<1x9x64xf32> {
  %one = arith.constant 1.0 : f32
  %d = sparsedrop.dropout %x, %p dim(2) unscaled : tensor<1x10x64xf32>, !sparsedrop.pattern<row>
  %k = tensor.empty() : tensor<2xf32>
  %e = tensor.empty() : tensor<1x9x64xf32>
  %z = linalg.fill ins(%one : f32) outs(%e : tensor<1x9x64xf32>) -> tensor<1x9x64xf32>
  %m = linalg.pooling_nwc_max ins(%d, %k : tensor<1x10x64xf32>, tensor<2xf32>) outs(%z : tensor<1x9x64xf32>) -> tensor<1x9x64xf32>
  return %m : tensor<1x9x64xf32>
}

// -----

// The scale of what is padded with zeros goes behind the product, too.

// CHECK-LABEL: func.func @scaled_inside_of_zeros(
//       CHECK:   %[[X:.*]] = sparsedrop.compact %{{.*}} dim(2)
//       CHECK:   tensor.pad %[[X]]
//       CHECK:   linalg.conv_1d_nwc_wcf
//       CHECK:   linalg.generic
//       CHECK:     arith.mulf
func.func @scaled_inside_of_zeros(%x: tensor<1x7x16xf32>, %w: tensor<3x16x4xf32>, %z: tensor<1x7x4xf32>, %p: !sparsedrop.pattern<row>) -> tensor<1x7x4xf32> {
  %zero = arith.constant 0.0 : f32
  %d = sparsedrop.dropout %x, %p dim(2) : tensor<1x7x16xf32>, !sparsedrop.pattern<row>
  %q = tensor.pad %d low[0, 1, 0] high[0, 1, 0] {
  ^bb0(%i: index, %j: index, %k: index):
    tensor.yield %zero : f32
  } : tensor<1x7x16xf32> to tensor<1x9x16xf32>
  %0 = linalg.conv_1d_nwc_wcf ins(%q, %w : tensor<1x9x16xf32>, tensor<3x16x4xf32>) outs(%z : tensor<1x7x4xf32>) -> tensor<1x7x4xf32>
  return %0 : tensor<1x7x4xf32>
}
