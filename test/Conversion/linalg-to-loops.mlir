// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-linalg-to-loops,canonicalize)' --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @sum
// CHECK:         scf.parallel (%[[I:.*]]) =
// CHECK:           %[[INIT:.*]] = memref.load
// CHECK:           %[[SUM:.*]] = scf.for %[[J:.*]] = {{.*}} iter_args(%[[S:.*]] = %[[INIT]])
// CHECK:             %[[V:.*]] = memref.load %{{.*}}[%[[I]], %[[J]]]
// CHECK:             %[[T:.*]] = arith.addf %[[V]], %[[S]] fastmath<reassoc>
// CHECK:             scf.yield %[[T]]
// CHECK:           memref.store %[[SUM]], %{{.*}}[%[[I]]]
func.func @sum(%x: memref<4x8xf32>, %y: memref<4xf32>) {
  linalg.reduce ins(%x : memref<4x8xf32>) outs(%y : memref<4xf32>) dimensions = [1]
    (%a: f32, %s: f32) {
      %0 = arith.addf %a, %s : f32
      linalg.yield %0 : f32
    }
  return
}

// -----

// A sum over rows: blocks of columns are parallel, columns are innermost, and
// the last block ends with the buffer.

// CHECK-LABEL: func.func @columns
// CHECK:         scf.parallel (%[[B:.*]]) = (%{{.*}}) to (%[[N:.*]]) step
// CHECK:           %[[END:.*]] = arith.addi %[[B]]
// CHECK:           %[[LAST:.*]] = arith.minsi %[[END]], %[[N]]
// CHECK:           scf.for %[[I:.*]] =
// CHECK:             scf.for %[[J:.*]] = %[[B]] to %[[LAST]]
// CHECK:               memref.load %{{.*}}[%[[J]]]
// CHECK:               memref.load %{{.*}}[%[[I]], %[[J]]]
func.func @columns(%x: memref<?x?xf32>, %y: memref<?xf32>) {
  linalg.reduce { arith.addf } ins(%x : memref<?x?xf32>) outs(%y : memref<?xf32>) dimensions = [0]
  return
}

// -----

// The old value of an output that is not used is not read; other reductions
// keep their order; copies are loops; linalg.index is the loop.

// CHECK-LABEL: func.func @fill
// CHECK-NOT:     memref.load
// CHECK:         memref.store
// CHECK-LABEL: func.func @product
// CHECK:         arith.mulf %{{.*}}, %{{.*}} : f32
// CHECK-LABEL: func.func @copy
// CHECK:         scf.parallel
// CHECK:           memref.load
// CHECK:           memref.store
// CHECK-LABEL: func.func @iota
// CHECK:         scf.parallel (%[[I:.*]]) =
// CHECK:           memref.store %[[I]]
func.func @fill(%x: memref<4xf32>, %v: f32) {
  linalg.fill ins(%v : f32) outs(%x : memref<4xf32>)
  return
}
func.func @product(%x: memref<4x8xf32>, %y: memref<4xf32>) {
  linalg.reduce { arith.mulf } ins(%x : memref<4x8xf32>) outs(%y : memref<4xf32>) dimensions = [1]
  return
}
func.func @copy(%x: memref<8xf32, strided<[2]>>, %y: memref<8xf32>) {
  memref.copy %x, %y : memref<8xf32, strided<[2]>> to memref<8xf32>
  return
}
func.func @iota(%x: memref<8xindex>) {
  linalg.generic {indexing_maps = [affine_map<(i) -> (i)>], iterator_types = ["parallel"]} outs(%x : memref<8xindex>) {
    ^bb0(%out: index):
      %i = linalg.index 0 : index
      linalg.yield %i : index
  }
  return
}

// -----

// A result with an element for each step of the reduction is stored there; the sum is
// carried.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// CHECK-LABEL: func @sum_and_squares
//       CHECK:   scf.parallel (%[[I:.*]]) =
//       CHECK:     %[[OLD:.*]] = memref.load %{{.*}}[%[[I]]]
//       CHECK:     %[[SUM:.*]] = scf.for %[[J:.*]] = {{.*}} iter_args(%{{.*}} = %[[OLD]])
//   CHECK-NOT:       memref.load %arg2
//       CHECK:       memref.store %{{.*}}, %arg2[%[[I]], %[[J]]]
//       CHECK:       scf.yield
//       CHECK:     memref.store %[[SUM]], %arg1[%[[I]]]
func.func @sum_and_squares(%x: memref<4x8xf32>, %s: memref<4xf32>, %y: memref<4x8xf32>) {
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<4x8xf32>) outs(%s, %y : memref<4xf32>, memref<4x8xf32>) {
  ^bb0(%a: f32, %t: f32, %o: f32):
    %0 = arith.addf %t, %a : f32
    %1 = arith.mulf %a, %a : f32
    linalg.yield %0, %1 : f32, f32
  }
  return
}

// -----

// The same where the columns are innermost, which asks for vectors.

#id = affine_map<(i, j) -> (i, j)>
#column = affine_map<(i, j) -> (j)>

// CHECK-LABEL: func @columns_and_squares
//       CHECK:     scf.for %[[I:.*]] =
//       CHECK:       scf.for %[[J:.*]] =
//   CHECK-NOT:         memref.load %arg2
//       CHECK:         memref.store %{{.*}}, %arg2[%[[I]], %[[J]]]
//       CHECK:         memref.store %{{.*}}, %arg1[%[[J]]]
//       CHECK:       } {llvm.loop_annotation = #
func.func @columns_and_squares(%x: memref<4x8xf32>, %s: memref<8xf32>, %y: memref<4x8xf32>) {
  linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["reduction", "parallel"]}
      ins(%x : memref<4x8xf32>) outs(%s, %y : memref<8xf32>, memref<4x8xf32>) {
  ^bb0(%a: f32, %t: f32, %o: f32):
    %0 = arith.addf %t, %a : f32
    %1 = arith.mulf %a, %a : f32
    linalg.yield %0, %1 : f32, f32
  }
  return
}
