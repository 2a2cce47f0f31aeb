// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-compact,canonicalize,cse)' --split-input-file | FileCheck %s

// A part with a pattern beside a dense one: the product is the sum of theirs.

// CHECK-LABEL: func @reduction
//  CHECK-SAME:   %[[X:.*]]: tensor<8x20xf32>, %[[Y:.*]]: tensor<8x12xf32>, %[[W:.*]]: tensor<32x16xf32>, %[[INIT:.*]]: tensor<8x16xf32>, %[[P:.*]]: !sparsedrop
//   CHECK-DAG:   %[[KEPT:.*]] = sparsedrop.compact %[[X]], %[[P]] dim(1)
//       CHECK:   %[[W0:.*]] = tensor.extract_slice %[[W]][0, 0] [20, 16] [1, 1]
//       CHECK:   %[[W0KEPT:.*]] = sparsedrop.compact %[[W0]], %[[P]] dim(0)
//       CHECK:   %[[SUM:.*]] = linalg.matmul ins(%[[KEPT]], %[[W0KEPT]] : tensor<8x?xf32>, tensor<?x16xf32>) outs(%[[INIT]]
//       CHECK:   %[[W1:.*]] = tensor.extract_slice %[[W]][20, 0] [12, 16] [1, 1]
//       CHECK:   linalg.matmul ins(%[[Y]], %[[W1]] : tensor<8x12xf32>, tensor<12x16xf32>) outs(%[[SUM]]
func.func @reduction(%x: tensor<8x20xf32>, %y: tensor<8x12xf32>, %w: tensor<32x16xf32>, %init: tensor<8x16xf32>,
                     %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x20xf32>, !sparsedrop.pattern<row>
  %c = tensor.concat dim(1) %d, %y : (tensor<8x20xf32>, tensor<8x12xf32>) -> tensor<8x32xf32>
  %m = linalg.matmul ins(%c, %w : tensor<8x32xf32>, tensor<32x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %m : tensor<8x16xf32>
}

// -----

#id = affine_map<(i, j) -> (i, j)>

// Through what is done to each element. Indices are those of the whole.

// CHECK-LABEL: func @index
//   CHECK-NOT:   tensor.concat
//       CHECK:   linalg.generic {{.*}} outs(%{{.*}} : tensor<8x?xf32>)
//       CHECK:     %[[J0:.*]] = linalg.index 1
//       CHECK:     sparsedrop.kept_index %{{.*}}[%[[J0]]]
//       CHECK:   linalg.generic {{.*}} outs(%{{.*}} : tensor<8x12xf32>)
//       CHECK:     %[[J1:.*]] = linalg.index 1
//       CHECK:     arith.addi %[[J1]], %{{.*}} : index
//       CHECK:   linalg.matmul ins(%{{.*}} : tensor<8x?xf32>, tensor<?x16xf32>)
//       CHECK:   linalg.matmul ins(%{{.*}} : tensor<8x12xf32>, tensor<12x16xf32>)
func.func @index(%x: tensor<8x20xf32>, %y: tensor<8x12xf32>, %w: tensor<32x16xf32>, %init: tensor<8x16xf32>,
                 %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x20xf32>, !sparsedrop.pattern<row>
  %c = tensor.concat dim(1) %d, %y : (tensor<8x20xf32>, tensor<8x12xf32>) -> tensor<8x32xf32>
  %e = tensor.empty() : tensor<8x32xf32>
  %g = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%c : tensor<8x32xf32>) outs(%e : tensor<8x32xf32>) {
  ^bb0(%a: f32, %o: f32):
    %j = linalg.index 1 : index
    %k = arith.index_cast %j : index to i32
    %f = arith.sitofp %k : i32 to f32
    %r = arith.mulf %a, %f : f32
    linalg.yield %r : f32
  } -> tensor<8x32xf32>
  %m = linalg.matmul ins(%g, %w : tensor<8x32xf32>, tensor<32x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %m : tensor<8x16xf32>
}

// -----

// What is only taken apart, through a pad with zeros and a join of rows, is computed in
// parts.

// CHECK-LABEL: func @slices
//   CHECK-NOT:   linalg.matmul {{.*}} outs(%{{.*}}x32xf32>)
//       CHECK:   %[[KEPT:.*]] = tensor.insert_slice %{{.*}} : tensor<8x?xf32> into tensor<10x?xf32>
//   CHECK-NOT:   linalg.matmul {{.*}} outs(%{{.*}}x32xf32>)
//       CHECK:   linalg.matmul ins(%[[KEPT]], %{{.*}} : tensor<10x?xf32>, tensor<?x16xf32>)
func.func @slices(%x: tensor<4x16xf32>, %x2: tensor<4x16xf32>, %w: tensor<16x32xf32>, %v: tensor<20x16xf32>,
                  %p: !sparsedrop.pattern<row>) -> (tensor<10x16xf32>, tensor<10x12xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x32xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4x32xf32>) -> tensor<4x32xf32>
  %m = linalg.matmul ins(%x, %w : tensor<4x16xf32>, tensor<16x32xf32>) outs(%z : tensor<4x32xf32>) -> tensor<4x32xf32>
  %m2 = linalg.matmul ins(%x2, %w : tensor<4x16xf32>, tensor<16x32xf32>) outs(%z : tensor<4x32xf32>) -> tensor<4x32xf32>
  %c = tensor.concat dim(0) %m, %m2 : (tensor<4x32xf32>, tensor<4x32xf32>) -> tensor<8x32xf32>
  %padded = tensor.pad %c low[1, 0] high[0, 0] {
  ^bb0(%i: index, %j: index):
    tensor.yield %zero : f32
  } : tensor<8x32xf32> to tensor<9x32xf32>
  %e2 = tensor.empty() : tensor<10x32xf32>
  %z2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<10x32xf32>) -> tensor<10x32xf32>
  %inserted = tensor.insert_slice %padded into %z2[1, 0] [9, 32] [1, 1] : tensor<9x32xf32> into tensor<10x32xf32>
  %s0 = tensor.extract_slice %inserted[0, 12] [10, 20] [1, 1] : tensor<10x32xf32> to tensor<10x20xf32>
  %s1 = tensor.extract_slice %inserted[0, 0] [10, 12] [1, 1] : tensor<10x32xf32> to tensor<10x12xf32>
  %d = sparsedrop.dropout %s0, %p dim(1) unscaled : tensor<10x20xf32>, !sparsedrop.pattern<row>
  %eo = tensor.empty() : tensor<10x16xf32>
  %zo = linalg.fill ins(%zero : f32) outs(%eo : tensor<10x16xf32>) -> tensor<10x16xf32>
  %r = linalg.matmul ins(%d, %v : tensor<10x20xf32>, tensor<20x16xf32>) outs(%zo : tensor<10x16xf32>) -> tensor<10x16xf32>
  return %r, %s1 : tensor<10x16xf32>, tensor<10x12xf32>
}

// -----

// Slices that share units would be computed twice; without a pattern nothing is gained.

// CHECK-LABEL: func @overlapping
//       CHECK:   linalg.matmul {{.*}} outs(%{{.*}} : tensor<8x32xf32>)
func.func @overlapping(%x: tensor<8x16xf32>, %w: tensor<16x32xf32>, %z: tensor<8x32xf32>, %v: tensor<20x16xf32>,
                       %zo: tensor<8x16xf32>, %p: !sparsedrop.pattern<row>) -> (tensor<8x16xf32>, tensor<8x13xf32>) {
  %m = linalg.matmul ins(%x, %w : tensor<8x16xf32>, tensor<16x32xf32>) outs(%z : tensor<8x32xf32>) -> tensor<8x32xf32>
  %s0 = tensor.extract_slice %m[0, 12] [8, 20] [1, 1] : tensor<8x32xf32> to tensor<8x20xf32>
  %s1 = tensor.extract_slice %m[0, 0] [8, 13] [1, 1] : tensor<8x32xf32> to tensor<8x13xf32>
  %d = sparsedrop.dropout %s0, %p dim(1) unscaled : tensor<8x20xf32>, !sparsedrop.pattern<row>
  %r = linalg.matmul ins(%d, %v : tensor<8x20xf32>, tensor<20x16xf32>) outs(%zo : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %r, %s1 : tensor<8x16xf32>, tensor<8x13xf32>
}

// -----

// CHECK-LABEL: func @dense
//       CHECK:   linalg.matmul {{.*}} outs(%{{.*}} : tensor<8x32xf32>)
func.func @dense(%x: tensor<8x16xf32>, %w: tensor<16x32xf32>, %z: tensor<8x32xf32>) -> (tensor<8x20xf32>, tensor<8x12xf32>) {
  %m = linalg.matmul ins(%x, %w : tensor<8x16xf32>, tensor<16x32xf32>) outs(%z : tensor<8x32xf32>) -> tensor<8x32xf32>
  %s0 = tensor.extract_slice %m[0, 12] [8, 20] [1, 1] : tensor<8x32xf32> to tensor<8x20xf32>
  %s1 = tensor.extract_slice %m[0, 0] [8, 12] [1, 1] : tensor<8x32xf32> to tensor<8x12xf32>
  return %s0, %s1 : tensor<8x20xf32>, tensor<8x12xf32>
}

// -----

// Parts of unknown size are read as a whole.

// CHECK-LABEL: func @unknown
//       CHECK:   tensor.concat {{.*}} {sparsedrop.missed = "the sizes of the parts are not known"}
func.func @unknown(%x: tensor<8x20xf32>, %y: tensor<8x?xf32>, %w: tensor<?x16xf32>, %init: tensor<8x16xf32>,
                   %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x20xf32>, !sparsedrop.pattern<row>
  %c = tensor.concat dim(1) %d, %y : (tensor<8x20xf32>, tensor<8x?xf32>) -> tensor<8x?xf32>
  %m = linalg.matmul ins(%c, %w : tensor<8x?xf32>, tensor<?x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %m : tensor<8x16xf32>
}
