// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-separate-inits)' | FileCheck %s

// What is returned twice, whole or as a view of its buffer, is copied: callers free each
// result.

// CHECK-LABEL: func.func @returned_twice(
//       CHECK:   %[[Y:.*]] = linalg.exp
//       CHECK:   %[[FLAT:.*]] = tensor.collapse_shape %[[Y]]
//       CHECK:   %[[ROW:.*]] = tensor.extract_slice %[[Y]]
//       CHECK:   %[[OTHER:.*]] = linalg.log
//       CHECK:   %[[A:.*]] = bufferization.alloc_tensor() copy(%[[Y]]) : tensor<2x3xf32>
//       CHECK:   %[[B:.*]] = bufferization.alloc_tensor() copy(%[[FLAT]]) : tensor<6xf32>
//       CHECK:   %[[C:.*]] = bufferization.alloc_tensor() copy(%[[ROW]]) : tensor<3xf32>
//       CHECK:   return %[[Y]], %[[A]], %[[OTHER]], %[[B]], %[[C]] :
func.func @returned_twice(%x: tensor<2x3xf32>) -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<6xf32>, tensor<3xf32>) {
  %e = tensor.empty() : tensor<2x3xf32>
  %y = linalg.exp ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  %flat = tensor.collapse_shape %y [[0, 1]] : tensor<2x3xf32> into tensor<6xf32>
  %row = tensor.extract_slice %y[1, 0] [1, 3] [1, 1] : tensor<2x3xf32> to tensor<3xf32>
  %other = linalg.log ins(%x : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %y, %y, %other, %flat, %row : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<6xf32>, tensor<3xf32>
}

// What a loop inserts is computed where it goes: its empty tensor is the loop's. One of a
// temporary stays outside.

// CHECK-LABEL: func.func @inserted_in_loop(
//       CHECK:   %[[OUTSIDE:.*]] = tensor.empty
//       CHECK:   scf.for
//       CHECK:     %[[T:.*]] = linalg.exp {{.*}} outs(%[[OUTSIDE]] :
//       CHECK:     %[[INSIDE:.*]] = tensor.empty
//       CHECK:     %[[Y:.*]] = linalg.log ins(%[[T]] : {{.*}}) outs(%[[INSIDE]] :
//       CHECK:     tensor.insert_slice %[[Y]]
func.func @inserted_in_loop(%x: tensor<8xf32>, %all: tensor<4x8xf32>) -> tensor<4x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %f = tensor.empty() : tensor<8xf32>
  %e = tensor.empty() : tensor<8xf32>
  %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%a = %all) -> (tensor<4x8xf32>) {
    %t = linalg.exp ins(%x : tensor<8xf32>) outs(%f : tensor<8xf32>) -> tensor<8xf32>
    %y = linalg.log ins(%t : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    %n = tensor.insert_slice %y into %a[%i, 0] [1, 8] [1, 1] : tensor<8xf32> into tensor<4x8xf32>
    scf.yield %n : tensor<4x8xf32>
  }
  return %r : tensor<4x8xf32>
}

// An update begins in the slice that it reads, unless it reads it elsewhere or writes
// another one.

// CHECK-LABEL: func.func @updated(
//       CHECK:   %[[E:.*]] = tensor.empty
//       CHECK:   %[[F:.*]] = tensor.empty
//       CHECK:   %[[G:.*]] = tensor.empty
//       CHECK:   %[[S:.*]] = tensor.extract_slice
//       CHECK:   linalg.add ins(%[[S]], %{{.*}} : {{.*}}) outs(%[[S]] :
//       CHECK:   %[[T:.*]] = tensor.extract_slice
//       CHECK:   linalg.add ins(%[[T]], %{{.*}} : {{.*}}) outs(%[[F]] :
//       CHECK:   %[[U:.*]] = tensor.extract_slice
//       CHECK:   linalg.generic {{.*}} ins(%[[U]] : {{.*}}) outs(%[[G]] :
func.func @updated(%x: tensor<4x4xf32>, %all: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %e = tensor.empty() : tensor<4x4xf32>
  %f = tensor.empty() : tensor<4x4xf32>
  %g = tensor.empty() : tensor<4x4xf32>
  %s = tensor.extract_slice %all[0, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
  %0 = linalg.add ins(%s, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = tensor.insert_slice %0 into %all[0, 0] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<8x4xf32>
  %t = tensor.extract_slice %1[0, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
  %2 = linalg.add ins(%t, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%f : tensor<4x4xf32>) -> tensor<4x4xf32>
  %3 = tensor.insert_slice %2 into %1[4, 0] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<8x4xf32>
  %u = tensor.extract_slice %3[0, 0] [4, 4] [1, 1] : tensor<8x4xf32> to tensor<4x4xf32>
  %4 = linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      ins(%u : tensor<4x4xf32>) outs(%g : tensor<4x4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %n = arith.negf %a : f32
    linalg.yield %n : f32
  } -> tensor<4x4xf32>
  %5 = tensor.insert_slice %4 into %3[0, 0] [4, 4] [1, 1] : tensor<4x4xf32> into tensor<8x4xf32>
  return %5 : tensor<8x4xf32>
}
