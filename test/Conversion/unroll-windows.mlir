// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-unroll-windows)' --split-input-file | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-unroll-windows{most=1})' --split-input-file | FileCheck %s --check-prefix=MOST

// The example of the pass's description.

#windows = affine_map<(i, c, w) -> (i * 2 + w, c)>
#shape = affine_map<(i, c, w) -> (w)>
#result = affine_map<(i, c, w) -> (i, c)>

// CHECK-DAG: #[[$FIRST:.*]] = affine_map<(d0, d1) -> (d0 * 2, d1)>
// CHECK-DAG: #[[$SECOND:.*]] = affine_map<(d0, d1) -> (d0 * 2 + 1, d1)>
// CHECK-DAG: #[[$RESULT:.*]] = affine_map<(d0, d1) -> (d0, d1)>

// CHECK-LABEL: func @pool
//  CHECK-SAME:   %[[X:.*]]: tensor<8x16xf32>
//       CHECK:   %[[E:.*]] = tensor.empty() : tensor<4x16xf32>
//       CHECK:   linalg.generic {indexing_maps = [#[[$FIRST]], #[[$SECOND]], #[[$RESULT]]], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[X]] : {{.*}}) outs(%[[E]] : tensor<4x16xf32>)
//       CHECK:     ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %{{.*}}: f32):
//       CHECK:     arith.maximumf %[[A]], %[[B]]
// MOST-LABEL: func @pool
//       MOST:   iterator_types = ["parallel", "parallel", "reduction"]
func.func @pool(%x: tensor<8x16xf32>) -> tensor<4x16xf32> {
  %low = arith.constant 0xFF800000 : f32
  %window = tensor.empty() : tensor<2xf32>
  %e = tensor.empty() : tensor<4x16xf32>
  %init = linalg.fill ins(%low : f32) outs(%e : tensor<4x16xf32>) -> tensor<4x16xf32>
  %0 = linalg.generic {indexing_maps = [#windows, #shape, #result], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %window : tensor<8x16xf32>, tensor<2xf32>) outs(%init : tensor<4x16xf32>) {
  ^bb0(%a: f32, %s: f32, %m: f32):
    %1 = arith.maximumf %m, %a : f32
    linalg.yield %1 : f32
  } -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

// Named ops, results of any order, an init that has been computed, sizes that are
// not known.

// CHECK-DAG: #[[$A:.*]] = affine_map<(d0, d1, d2) -> (0, d0, d1, d2)>
// CHECK-DAG: #[[$C:.*]] = affine_map<(d0, d1, d2) -> (2, d0, d1, d2)>
// CHECK-LABEL: func @reduce
//  CHECK-SAME:   %[[X:.*]]: tensor<3x?x4x?xf32>, %[[INIT:.*]]: tensor<?x4x?xf32>
//       CHECK:   linalg.generic {indexing_maps = [#[[$A]], #{{.*}}, #[[$C]], #{{.*}}], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[X]], %[[X]], %[[X]] : {{.*}}) outs(%[[INIT]] : tensor<?x4x?xf32>)
//       CHECK:     ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[C:.*]]: f32, %[[OUT:.*]]: f32):
//       CHECK:     %[[S:.*]] = arith.addf %[[OUT]], %[[A]]
//       CHECK:     %[[T:.*]] = arith.addf %[[S]], %[[B]]
//       CHECK:     arith.addf %[[T]], %[[C]]
func.func @reduce(%x: tensor<3x?x4x?xf32>, %init: tensor<?x4x?xf32>) -> tensor<?x4x?xf32> {
  %0 = linalg.reduce {arith.addf} ins(%x : tensor<3x?x4x?xf32>) outs(%init : tensor<?x4x?xf32>) dimensions = [0]
  return %0 : tensor<?x4x?xf32>
}

// -----

// Windows beside each other are read from what was expanded, in nchw, too; of a loop
// that is unrolled, the index is a number.

#all = affine_map<(c, h, a, w, b) -> (c, h, a, w, b)>
#pooled = affine_map<(c, h, a, w, b) -> (w, c, h)>

// CHECK-DAG: #[[$LAST:.*]] = affine_map<(d0, d1, d2) -> (d0, d1 * 2 + 1, d2 * 2 + 1)>
// CHECK-LABEL: func @nchw
//  CHECK-SAME:   %[[X:.*]]: tensor<8x16x32xf32>
//   CHECK-NOT:   expand_shape
//       CHECK:   linalg.generic {indexing_maps = [{{.*}}, {{.*}}, {{.*}}, #[[$LAST]], {{.*}}], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[X]], %[[X]], %[[X]], %[[X]]
//       CHECK:     linalg.index 1 : index
//       CHECK:     linalg.index 2 : index
//   CHECK-NOT:     linalg.index 4
//       CHECK:   return
func.func @nchw(%x: tensor<8x16x32xf32>) -> tensor<16x8x8xindex> {
  %expanded = tensor.expand_shape %x [[0], [1, 2], [3, 4]] output_shape [8, 8, 2, 16, 2] : tensor<8x16x32xf32> into tensor<8x8x2x16x2xf32>
  %zero = arith.constant 0 : index
  %e = tensor.empty() : tensor<16x8x8xindex>
  %init = linalg.fill ins(%zero : index) outs(%e : tensor<16x8x8xindex>) -> tensor<16x8x8xindex>
  %0 = linalg.generic {indexing_maps = [#all, #pooled], iterator_types = ["parallel", "parallel", "reduction", "parallel", "reduction"]}
      ins(%expanded : tensor<8x8x2x16x2xf32>) outs(%init : tensor<16x8x8xindex>) {
  ^bb0(%a: f32, %m: index):
    %h = linalg.index 1 : index
    %w = linalg.index 3 : index
    %b = linalg.index 4 : index
    %place = arith.addi %h, %w : index
    %more = arith.addi %place, %b : index
    %big = arith.constant 1.0 : f32
    %is = arith.cmpf ogt, %a, %big : f32
    %1 = arith.select %is, %more, %m : index
    linalg.yield %1 : index
  } -> tensor<16x8x8xindex>
  return %0 : tensor<16x8x8xindex>
}

// -----

// The place of a maximum, what it selects, and what masks that, behind a reshape, are
// one op: the gradient of pooling.

#all = affine_map<(c, h, a) -> (c, h, a)>
#window = affine_map<(c, h, a) -> (c, h)>
#id = affine_map<(c, h) -> (c, h)>

// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[$WHOLE:.*]] = affine_map<(d0, d1, d2) -> (d0, d1 * 2 + d2)>
// CHECK-DAG: #[[$OF:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-DAG: #[[$BEGIN:.*]] = affine_map<(d0, d1, d2) -> (d0, d1 * 2)>
// CHECK-DAG: #[[$END:.*]] = affine_map<(d0, d1, d2) -> (d0, d1 * 2 + 1)>
// CHECK-LABEL: func @gradient
//  CHECK-SAME:   %[[Y:.*]]: tensor<8x16xf32>, %[[D:.*]]: tensor<8x8xf32>
//       CHECK:   %[[ONE:.*]] = linalg.generic {indexing_maps = [#[[$WHOLE]], #[[$OF]], #[[$BEGIN]], #[[$END]], #[[$ALL]]], iterator_types = ["parallel", "parallel", "parallel"]} ins(%[[Y]], %[[D]], %[[Y]], %[[Y]]
//   CHECK-NOT:   linalg.generic
//       CHECK:   tensor.collapse_shape %[[ONE]]
func.func @gradient(%y: tensor<8x16xf32>, %d: tensor<8x8xf32>) -> tensor<8x16xf32> {
  %low = arith.constant 0xFF800000 : f32
  %none = arith.constant -1 : i64
  %zero = arith.constant 0.0 : f32
  %windows = tensor.expand_shape %y [[0], [1, 2]] output_shape [8, 8, 2] : tensor<8x16xf32> into tensor<8x8x2xf32>
  %e = tensor.empty() : tensor<8x8xf32>
  %f = tensor.empty() : tensor<8x8xi64>
  %g = tensor.empty() : tensor<8x8x2xf32>
  %k = tensor.empty() : tensor<8x16xf32>
  %lows = linalg.fill ins(%low : f32) outs(%e : tensor<8x8xf32>) -> tensor<8x8xf32>
  %nones = linalg.fill ins(%none : i64) outs(%f : tensor<8x8xi64>) -> tensor<8x8xi64>
  %place:2 = linalg.generic {indexing_maps = [#all, #window, #window], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%windows : tensor<8x8x2xf32>) outs(%lows, %nones : tensor<8x8xf32>, tensor<8x8xi64>) {
  ^bb0(%a: f32, %m: f32, %p: i64):
    %0 = arith.cmpf ogt, %a, %m : f32
    %1 = linalg.index 2 : index
    %2 = arith.index_cast %1 : index to i64
    %3 = arith.select %0, %a, %m : f32
    %4 = arith.select %0, %2, %p : i64
    linalg.yield %3, %4 : f32, i64
  } -> (tensor<8x8xf32>, tensor<8x8xi64>)
  %selected = linalg.generic {indexing_maps = [#window, #window, #all], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%d, %place#1 : tensor<8x8xf32>, tensor<8x8xi64>) outs(%g : tensor<8x8x2xf32>) {
  ^bb0(%a: f32, %p: i64, %o: f32):
    %0 = linalg.index 2 : index
    %1 = arith.index_cast %0 : index to i64
    %2 = arith.cmpi eq, %p, %1 : i64
    %3 = arith.select %2, %a, %zero : f32
    linalg.yield %3 : f32
  } -> tensor<8x8x2xf32>
  %flat = tensor.collapse_shape %selected [[0], [1, 2]] : tensor<8x8x2xf32> into tensor<8x16xf32>
  %masked = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%y, %flat : tensor<8x16xf32>, tensor<8x16xf32>) outs(%k : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.cmpf ogt, %a, %zero : f32
    %1 = arith.select %0, %b, %zero : f32
    linalg.yield %1 : f32
  } -> tensor<8x16xf32>
  return %masked : tensor<8x16xf32>
}

// -----

// Windows one apart: a loop that is alone in a dimension takes as much of it as it has.

#apart = affine_map<(i, c, w) -> (i + w, c)>
#window = affine_map<(i, c, w) -> (w)>
#result = affine_map<(i, c, w) -> (i, c)>

// CHECK-DAG: #[[$SAME:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$NEXT:.*]] = affine_map<(d0, d1) -> (d0 + 1, d1)>
// CHECK-LABEL: func @one_apart
//  CHECK-SAME:   %[[X:.*]]: tensor<9x16xf32>
//       CHECK:   %[[BEGIN:.*]] = tensor.extract_slice %[[X]][0, 0] [8, 16] [1, 1]
//       CHECK:   linalg.generic {indexing_maps = [#[[$SAME]], #[[$NEXT]], #[[$SAME]]], iterator_types = ["parallel", "parallel"]} ins(%[[BEGIN]], %[[X]]
func.func @one_apart(%x: tensor<9x16xf32>, %init: tensor<8x16xf32>, %w: tensor<2xf32>) -> tensor<8x16xf32> {
  %0 = linalg.generic {indexing_maps = [#apart, #window, #result], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<9x16xf32>, tensor<2xf32>) outs(%init : tensor<8x16xf32>) {
  ^bb0(%a: f32, %s: f32, %m: f32):
    %1 = arith.maximumf %m, %a : f32
    linalg.yield %1 : f32
  } -> tensor<8x16xf32>
  return %0 : tensor<8x16xf32>
}

// -----

// What stays: windows one apart where nobody knows how many; rows, products, windows of sizes that are not known, a kernel that has
// been chosen, results along a reduction, a single sum; a reader that would compute
// a window again too often.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
#column = affine_map<(i, j) -> (j)>
#none = affine_map<(i) -> ()>
#vector = affine_map<(i) -> (i)>

#apart = affine_map<(i, c, w) -> (i + w, c)>
#result = affine_map<(i, c, w) -> (i, c)>

// CHECK-LABEL: func @unknown
//       CHECK:   iterator_types = ["parallel", "parallel", "reduction"]
func.func @unknown(%x: tensor<?x16xf32>, %init: tensor<?x16xf32>, %w: tensor<2xf32>) -> tensor<?x16xf32> {
  %0 = linalg.generic {indexing_maps = [#apart, affine_map<(i, c, w) -> (w)>, #result], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<?x16xf32>, tensor<2xf32>) outs(%init : tensor<?x16xf32>) {
  ^bb0(%a: f32, %s: f32, %m: f32):
    %1 = arith.maximumf %m, %a : f32
    linalg.yield %1 : f32
  } -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}

// CHECK-LABEL: func @none
//       CHECK:   "reduction"
func.func @none(%x: tensor<0x16xf32>, %init: tensor<16xf32>) -> tensor<16xf32> {
  %0 = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<0x16xf32>) outs(%init : tensor<16xf32>) {
  ^bb0(%a: f32, %m: f32):
    %1 = arith.maximumf %m, %a : f32
    linalg.yield %1 : f32
  } -> tensor<16xf32>
  return %0 : tensor<16xf32>
}

// CHECK-LABEL: func @stays
//       CHECK:   linalg.reduce
// CHECK-COUNT-5:   "reduction"
//       CHECK:   return
func.func @stays(%x: tensor<16x4xf32>, %y: tensor<4x16xf32>, %z: tensor<?x16xf32>, %v: tensor<4xf32>,
                 %rows: tensor<16xf32>, %s: tensor<f32>)
    -> (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<4x16xf32>, tensor<f32>) {
  %0 = linalg.reduce {arith.addf} ins(%x : tensor<16x4xf32>) outs(%rows : tensor<16xf32>) dimensions = [1]
  %1 = linalg.generic {indexing_maps = [#id, #row, #column], iterator_types = ["reduction", "parallel"]}
      ins(%y, %v : tensor<4x16xf32>, tensor<4xf32>) outs(%rows : tensor<16xf32>) {
  ^bb0(%a: f32, %b: f32, %t: f32):
    %p = arith.mulf %a, %b : f32
    %q = arith.addf %p, %t : f32
    linalg.yield %q : f32
  } -> tensor<16xf32>
  %2 = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%z : tensor<?x16xf32>) outs(%rows : tensor<16xf32>) {
  ^bb0(%a: f32, %t: f32):
    %q = arith.addf %a, %t : f32
    linalg.yield %q : f32
  } -> tensor<16xf32>
  %3 = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%y : tensor<4x16xf32>) outs(%rows : tensor<16xf32>)
      attrs = {sparsedrop.kernel = #sparsedrop.kernel<reduce_columns, threads = [32, 8], vector = [1]>} {
  ^bb0(%a: f32, %t: f32):
    %q = arith.addf %a, %t : f32
    linalg.yield %q : f32
  } -> tensor<16xf32>
  %4 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["reduction", "parallel"]}
      ins(%y : tensor<4x16xf32>) outs(%y : tensor<4x16xf32>) {
  ^bb0(%a: f32, %t: f32):
    %q = arith.addf %a, %t : f32
    linalg.yield %q : f32
  } -> tensor<4x16xf32>
  %5 = linalg.generic {indexing_maps = [#vector, #none], iterator_types = ["reduction"]}
      ins(%v : tensor<4xf32>) outs(%s : tensor<f32>) {
  ^bb0(%a: f32, %t: f32):
    %q = arith.addf %a, %t : f32
    linalg.yield %q : f32
  } -> tensor<f32>
  return %0, %1, %2, %3, %4, %5 : tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<16xf32>, tensor<4x16xf32>, tensor<f32>
}

// -----

#id = affine_map<(i, j) -> (i, j)>
#column = affine_map<(i, j) -> (j)>

// CHECK-LABEL: func @too_often
//       CHECK:   %[[MEAN:.*]] = linalg.generic {{.*}} iterator_types = ["parallel"]}
//       CHECK:   linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]} ins(%{{.*}}, %[[MEAN]]
func.func @too_often(%x: tensor<4x16xf32>, %y: tensor<100x16xf32>) -> tensor<100x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<16xf32>
  %f = tensor.empty() : tensor<100x16xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<16xf32>) -> tensor<16xf32>
  %sum = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<4x16xf32>) outs(%zeros : tensor<16xf32>) {
  ^bb0(%a: f32, %t: f32):
    %q = arith.addf %a, %t : f32
    linalg.yield %q : f32
  } -> tensor<16xf32>
  %shifted = linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel"]}
      ins(%y, %sum : tensor<100x16xf32>, tensor<16xf32>) outs(%f : tensor<100x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %q = arith.subf %a, %b : f32
    linalg.yield %q : f32
  } -> tensor<100x16xf32>
  return %shifted : tensor<100x16xf32>
}

// -----

// The outer part of a group is a window: its first step is not the whole dimension.

#diagonal = affine_map<(i, w) -> (i + w, i)>
#vector = affine_map<(i, w) -> (i)>

// CHECK-DAG: #[[$BEGIN:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$MIDDLE:.*]] = affine_map<(d0, d1) -> (d0 + 32, d1)>
// CHECK-DAG: #[[$END:.*]] = affine_map<(d0, d1) -> (d0 + 64, d1)>
// CHECK-DAG: #[[$DIAGONAL:.*]] = affine_map<(d0) -> (d0, d0)>
// CHECK-LABEL: func @outer
//  CHECK-SAME:   %[[X:.*]]: tensor<96x64xf32>
//       CHECK:   %[[Y:.*]] = tensor.extract_slice %[[X]][0, 0] [32, 64] [1, 1]
//       CHECK:   linalg.generic {indexing_maps = [#[[$BEGIN]], #[[$MIDDLE]], #[[$END]], {{.*}}], iterator_types = ["parallel", "parallel"]} ins(%[[Y]], %[[X]], %[[X]]
func.func @outer(%x: tensor<96x64xf32>, %init: tensor<32x64xf32>) -> tensor<32x64xf32> {
  %y = tensor.expand_shape %x [[0, 1], [2]] output_shape [3, 32, 64] : tensor<96x64xf32> into tensor<3x32x64xf32>
  %0 = linalg.reduce {arith.addf} ins(%y : tensor<3x32x64xf32>) outs(%init : tensor<32x64xf32>) dimensions = [0]
  return %0 : tensor<32x64xf32>
}

// CHECK-LABEL: func @diagonal
//  CHECK-SAME:   %[[X:.*]]: tensor<5x4xf32>
//       CHECK:   %[[BEGIN:.*]] = tensor.extract_slice %[[X]][0, 0] [4, 4] [1, 1]
//       CHECK:   linalg.generic {indexing_maps = [#[[$DIAGONAL]], {{.*}}], iterator_types = ["parallel"]} ins(%[[BEGIN]], %[[X]]
func.func @diagonal(%x: tensor<5x4xf32>, %init: tensor<4xf32>, %w: tensor<2xf32>) -> tensor<4xf32> {
  %0 = linalg.generic {indexing_maps = [#diagonal, affine_map<(i, w) -> (w)>, #vector], iterator_types = ["parallel", "reduction"]}
      ins(%x, %w : tensor<5x4xf32>, tensor<2xf32>) outs(%init : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32, %m: f32):
    %1 = arith.maximumf %m, %a : f32
    linalg.yield %1 : f32
  } -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// What is outside of a loop stays there.

#windows = affine_map<(i, c, w) -> (i * 2 + w, c)>
#result = affine_map<(i, c, w) -> (i, c)>
#id = affine_map<(i, c) -> (i, c)>

// CHECK-LABEL: func @loop
//       CHECK:   arith.addf
//       CHECK:   scf.for
//       CHECK:     arith.mulf
func.func @loop(%x: tensor<8x16xf32>, %init: tensor<4x16xf32>, %y: tensor<4x16xf32>, %n: index, %s: tensor<2xf32>) -> tensor<4x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4x16xf32>
  %0 = linalg.generic {indexing_maps = [#windows, affine_map<(i, c, w) -> (w)>, #result], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %s : tensor<8x16xf32>, tensor<2xf32>) outs(%init : tensor<4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %m: f32):
    %1 = arith.addf %m, %a : f32
    linalg.yield %1 : f32
  } -> tensor<4x16xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%t = %y) -> tensor<4x16xf32> {
    %1 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
        ins(%0, %t : tensor<4x16xf32>, tensor<4x16xf32>) outs(%e : tensor<4x16xf32>) {
    ^bb0(%a: f32, %b: f32, %o: f32):
      %2 = arith.mulf %a, %b : f32
      linalg.yield %2 : f32
    } -> tensor<4x16xf32>
    scf.yield %1 : tensor<4x16xf32>
  }
  return %r : tensor<4x16xf32>
}
