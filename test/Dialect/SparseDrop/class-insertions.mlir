// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-lower-to-upstream,canonicalize,cse)' --split-input-file | FileCheck %s

// What is put back into compacts along three dimensions is one insertion.

// CHECK-LABEL: func @three
//       CHECK:   %[[ROOM:.*]] = tensor.insert_slice %{{.*}} into %[[T:[a-z0-9]*]][%[[B:.*]], %[[B]], %[[B]]]
//   CHECK-NOT:   tensor.insert_slice
//       CHECK:   scf.yield %[[ROOM]]
func.func @three(%t: tensor<8x8x8xf32>, %s: tensor<?x?x?xf32>, %b: index, %p: index, %m: index) -> tensor<8x8x8xf32> {
  %n = arith.constant 8 : index
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %p0 = sparsedrop.make_pattern period(%p) bias(%b) extents(%n) : !sparsedrop.pattern<row>
  %r = scf.for %q = %c0 to %m step %c1 iter_args(%all = %t) -> tensor<8x8x8xf32> {
    %1 = sparsedrop.compact %all, %p0 dim(0) : tensor<8x8x8xf32>, !sparsedrop.pattern<row> -> tensor<?x8x8xf32>
    %2 = sparsedrop.compact %1, %p0 dim(1) : tensor<?x8x8xf32>, !sparsedrop.pattern<row> -> tensor<?x?x8xf32>
    %3 = sparsedrop.insert %s into %2, %p0 dim(2) : tensor<?x?x?xf32> into tensor<?x?x8xf32>, !sparsedrop.pattern<row>
    %4 = sparsedrop.insert %3 into %1, %p0 dim(1) : tensor<?x?x8xf32> into tensor<?x8x8xf32>, !sparsedrop.pattern<row>
    %5 = sparsedrop.insert %4 into %all, %p0 dim(0) : tensor<?x8x8xf32> into tensor<8x8x8xf32>, !sparsedrop.pattern<row>
    scf.yield %5 : tensor<8x8x8xf32>
  } {sparsedrop.disjoint}
  return %r : tensor<8x8x8xf32>
}

// -----

// Twice along one dimension is one after the other: every fourth granule of what is
// every second row.

// CHECK-LABEL: func @same_dimension
//       CHECK:   %[[OLD:.*]] = tensor.extract_slice %{{.*}}[0, 0] [8, 8] [2, 1]
//       CHECK:   tensor.expand_shape %[[OLD]] {{\[}}[0, 1], [2]] output_shape [4, 2, 8]
//       CHECK:   tensor.insert_slice %{{.*}}[0, 0, 0] [2, 2, 8] [2, 1, 1]
//       CHECK:   tensor.insert_slice %{{.*}}[0, 0] [8, 8] [2, 1]
func.func @same_dimension(%t: tensor<16x8xf32>, %s: tensor<?x8xf32>, %m: index) -> tensor<16x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c8 = arith.constant 8 : index
  %c16 = arith.constant 16 : index
  %a = sparsedrop.make_pattern period(%c2) bias(%c0) extents(%c16) : !sparsedrop.pattern<row>
  %b = sparsedrop.make_pattern period(%c2) bias(%c0) extents(%c8) : !sparsedrop.pattern<row, granularity = 2>
  %r = scf.for %q = %c0 to %m step %c1 iter_args(%all = %t) -> tensor<16x8xf32> {
    %old = sparsedrop.compact %all, %a dim(0) : tensor<16x8xf32>, !sparsedrop.pattern<row> -> tensor<?x8xf32>
    %1 = sparsedrop.insert %s into %old, %b dim(0) : tensor<?x8xf32> into tensor<?x8xf32>, !sparsedrop.pattern<row, granularity = 2>
    %2 = sparsedrop.insert %1 into %all, %a dim(0) : tensor<?x8xf32> into tensor<16x8xf32>, !sparsedrop.pattern<row>
    scf.yield %2 : tensor<16x8xf32>
  } {sparsedrop.disjoint}
  return %r : tensor<16x8xf32>
}

// -----

// An iteration begins from rows of its own, and puts what it computes into others.

#id = affine_map<(i, j) -> (i, j)>

// CHECK-LABEL: func @other_place
//       CHECK:   %[[OLD:.*]] = tensor.extract_slice %{{.*}}[%[[A:[a-z0-9]*]], 0, 0] [%{{.*}}, 2, 8]
//       CHECK:   %[[NEW:.*]] = linalg.generic {{.*}} outs(%[[OLD]] :
//       CHECK:   tensor.insert_slice %[[NEW]] into %{{.*}}[%[[B:[a-z0-9]*]], 0, 0] [%{{.*}}, 2, 8]
func.func @other_place(%t: tensor<16x8xf32>, %x: tensor<?x8xf32>, %i: index, %j: index, %p: index, %m: index) -> tensor<16x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c16 = arith.constant 16 : index
  %a = sparsedrop.make_pattern period(%p) bias(%i) extents(%c16) : !sparsedrop.pattern<row, granularity = 2>
  %b = sparsedrop.make_pattern period(%p) bias(%j) extents(%c16) : !sparsedrop.pattern<row, granularity = 2>
  %r = scf.for %q = %c0 to %m step %c1 iter_args(%all = %t) -> tensor<16x8xf32> {
    %old = sparsedrop.compact %all, %a dim(0) : tensor<16x8xf32>, !sparsedrop.pattern<row, granularity = 2> -> tensor<?x8xf32>
    %new = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<?x8xf32>) outs(%old : tensor<?x8xf32>) {
    ^bb0(%u: f32, %o: f32):
      %s = arith.addf %u, %o : f32
      linalg.yield %s : f32
    } -> tensor<?x8xf32>
    %next = sparsedrop.insert %new into %all, %b dim(0) : tensor<?x8xf32> into tensor<16x8xf32>, !sparsedrop.pattern<row, granularity = 2>
    scf.yield %next : tensor<16x8xf32>
  } {sparsedrop.disjoint}
  return %r : tensor<16x8xf32>
}
