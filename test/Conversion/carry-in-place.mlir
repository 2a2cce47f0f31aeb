// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-carry-in-place)' | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-to-cpu)' -o %t
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-carry-in-place,eliminate-empty-tensors,one-shot-bufferize{bufferize-function-boundaries=1 allow-return-allocs-from-loops=1},canonicalize)' | FileCheck %s --check-prefix=BUFFERS

// The example of the pass's description.

// CHECK-LABEL: func @carried
//       CHECK:   scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}})
//       CHECK:     %[[NEW:.*]] = linalg.exp
//       CHECK:     %[[THERE:.*]] = tensor.insert_slice %[[NEW]] into %[[A]][0] [8] [1]
//       CHECK:     scf.yield %[[THERE]]

func.func @carried(%x: tensor<8xf32>, %e: tensor<8xf32>, %n: index) -> tensor<8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<8xf32>) {
    %1 = linalg.exp ins(%a : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    scf.yield %1 : tensor<8xf32>
  }
  return %0 : tensor<8xf32>
}

// A loop of buffers that carries none and writes there directly.
// CHECK-LABEL: func @directly
//       CHECK:   scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}})
//       CHECK:     %[[NEW:.*]] = linalg.exp {{.*}} outs(%[[A]] :
//       CHECK:     scf.yield %[[NEW]]
// BUFFERS-LABEL: func @directly
//       BUFFERS:   scf.for %{{[^ ]*}} = %{{[^ ]*}} to %{{[^ ]*}} step %{{[^ ]*}} {
//   BUFFERS-NOT:     memref.alloc
//   BUFFERS-NOT:     memref.copy
//       BUFFERS:     }
func.func @directly(%x: tensor<8xf32>, %n: index) -> tensor<8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<8xf32>) {
    %e = tensor.empty() : tensor<8xf32>
    %1 = linalg.exp ins(%a : tensor<8xf32>) outs(%e : tensor<8xf32>) -> tensor<8xf32>
    scf.yield %1 : tensor<8xf32>
  }
  return %0 : tensor<8xf32>
}

// What is read later, or by a view, or along another dimension, is not overwritten.

// CHECK-LABEL: func @read_later
//       CHECK:   scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}}, %[[C:.*]] = %{{.*}})
//       CHECK:     linalg.exp ins(%[[B]] : {{.*}}) outs(%[[E:[0-9]+]] :
//       CHECK:     linalg.exp {{.*}} outs(%[[E]] :
//       CHECK:     linalg.add {{.*}} outs(%[[A]] :
//       CHECK:     tensor.insert_slice %{{.*}} into %[[B]]
//       CHECK:     tensor.insert_slice %{{.*}} into %[[C]]
func.func @read_later(%x: tensor<4x4xf32>, %n: index) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0:3 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %x, %c = %x) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>) {
    %e = tensor.empty() : tensor<4x4xf32>
    %1 = linalg.exp ins(%b : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
    %2 = linalg.transpose ins(%a : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) permutation = [1, 0]
    %v = tensor.extract_slice %c[0, 0] [4, 4] [1, 1] : tensor<4x4xf32> to tensor<4x4xf32>
    %3 = linalg.exp ins(%1 : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
    %4 = linalg.add ins(%b, %v : tensor<4x4xf32>, tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
    scf.yield %4, %1, %3 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>
  }
  return %0#0, %0#1, %0#2 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>
}

// What is stored elsewhere is stored before it is overwritten; transposed, it is
// written at the end.

// CHECK-LABEL: func @stored
//       CHECK:   scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}}, %[[STACK:.*]] = %{{.*}}, %[[T:.*]] = %{{.*}})
//       CHECK:     tensor.insert_slice %[[A]] into %[[STACK]]
//       CHECK:     linalg.exp ins(%[[A]] : {{.*}}) outs(%[[A]] :
//       CHECK:     %[[NEW:.*]] = linalg.transpose ins(%[[T]]
//       CHECK:     tensor.insert_slice %[[NEW]] into %[[T]]
func.func @stored(%x: tensor<4x4xf32>, %s: tensor<9x4x4xf32>, %n: index) -> (tensor<4x4xf32>, tensor<9x4x4xf32>, tensor<4x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0:3 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %s, %t = %x) -> (tensor<4x4xf32>, tensor<9x4x4xf32>, tensor<4x4xf32>) {
    %e = tensor.empty() : tensor<4x4xf32>
    %1 = linalg.exp ins(%a : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) -> tensor<4x4xf32>
    %2 = tensor.insert_slice %a into %b[%i, 0, 0] [1, 4, 4] [1, 1, 1] : tensor<4x4xf32> into tensor<9x4x4xf32>
    %3 = linalg.transpose ins(%t : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) permutation = [1, 0]
    scf.yield %1, %2, %3 : tensor<4x4xf32>, tensor<9x4x4xf32>, tensor<4x4xf32>
  }
  return %0#0, %0#1, %0#2 : tensor<4x4xf32>, tensor<9x4x4xf32>, tensor<4x4xf32>
}

// What another result is written to is no place for this one.

// CHECK-LABEL: func @two_results
//       CHECK:   scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}})
//       CHECK:     %[[NEW:.*]]:2 = linalg.generic {{.*}} outs(%[[A]], %[[E:[0-9]+]] :
//       CHECK:     tensor.insert_slice %[[NEW]]#1 into %[[A]]
//       CHECK:     tensor.insert_slice %[[NEW]]#0 into %[[B]]
#id = affine_map<(i) -> (i)>
func.func @two_results(%x: tensor<8xf32>, %n: index) -> (tensor<8xf32>, tensor<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %x) -> (tensor<8xf32>, tensor<8xf32>) {
    %e = tensor.empty() : tensor<8xf32>
    %1:2 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%b : tensor<8xf32>) outs(%a, %e : tensor<8xf32>, tensor<8xf32>) {
    ^bb0(%p: f32, %o: f32, %q: f32):
      %2 = arith.addf %p, %o : f32
      %3 = arith.subf %p, %o : f32
      linalg.yield %2, %3 : f32, f32
    } -> (tensor<8xf32>, tensor<8xf32>)
    scf.yield %1#1, %1#0 : tensor<8xf32>, tensor<8xf32>
  }
  return %0#0, %0#1 : tensor<8xf32>, tensor<8xf32>
}

// What is updated where it lies stays as it is: slices, destinations, inner loops, and
// branches in which both do.

// CHECK-LABEL: func @in_place
//       CHECK:   tensor.insert_slice
//   CHECK-NOT:   tensor.insert_slice
//       CHECK:   return
func.func @in_place(%x: tensor<8x4xf32>, %y: tensor<4xf32>, %n: index, %c: i1) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %x) -> (tensor<8x4xf32>, tensor<8x4xf32>) {
    %1 = tensor.insert_slice %y into %a[%i, 0] [1, 4] [1, 1] : tensor<4xf32> into tensor<8x4xf32>
    %2 = scf.for %j = %c0 to %n step %c1 iter_args(%d = %1) -> (tensor<8x4xf32>) {
      %3 = linalg.exp ins(%x : tensor<8x4xf32>) outs(%d : tensor<8x4xf32>) -> tensor<8x4xf32>
      scf.yield %3 : tensor<8x4xf32>
    }
    %4 = scf.if %c -> (tensor<8x4xf32>) {
      %5 = linalg.exp ins(%x : tensor<8x4xf32>) outs(%b : tensor<8x4xf32>) -> tensor<8x4xf32>
      scf.yield %5 : tensor<8x4xf32>
    } else {
      scf.yield %b : tensor<8x4xf32>
    }
    scf.yield %2, %4 : tensor<8x4xf32>, tensor<8x4xf32>
  }
  return %0#0, %0#1 : tensor<8x4xf32>, tensor<8x4xf32>
}

// What changes places is copied, whoever is written first.

// CHECK-LABEL: func @swapped
//       CHECK:   tensor.insert_slice %[[B:.*]] into %[[A:.*]][0]
//       CHECK:   tensor.insert_slice %[[A]] into %[[B]][0]
func.func @swapped(%x: tensor<8xf32>, %y: tensor<8xf32>, %n: index) -> (tensor<8xf32>, tensor<8xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %y) -> (tensor<8xf32>, tensor<8xf32>) {
    scf.yield %b, %a : tensor<8xf32>, tensor<8xf32>
  }
  return %0#0, %0#1 : tensor<8xf32>, tensor<8xf32>
}

// CHECK-LABEL: func @scalars
//   CHECK-NOT:   insert_slice
//       CHECK:   return
func.func @scalars(%x: f32, %n: index) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (f32) {
    %1 = arith.addf %a, %a : f32
    scf.yield %1 : f32
  }
  return %0 : f32
}

// What is updated as a view, a class of tiles, is where it was.

// CHECK-LABEL: func @classes
//       CHECK:   scf.for %[[I:.*]] = %{{.*}} iter_args(%[[Y:.*]] = %{{.*}})
//       CHECK:     %[[E:.*]] = tensor.expand_shape %[[Y]]
//       CHECK:     %[[N:.*]] = tensor.insert_slice %{{.*}} into %[[E]]
//       CHECK:     %[[C:.*]] = tensor.collapse_shape %[[N]]
//  CHECK-NEXT:     scf.yield %[[C]]
func.func @classes(%x: tensor<4x2x8xf32>, %y: tensor<4x32xf32>) -> tensor<4x32xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %0 = scf.for %i = %c0 to %c2 step %c1 iter_args(%s = %y) -> (tensor<4x32xf32>) {
    %e = tensor.expand_shape %s [[0], [1, 2]] output_shape [4, 4, 8] : tensor<4x32xf32> into tensor<4x4x8xf32>
    %n = tensor.insert_slice %x into %e[0, %i, 0] [4, 2, 8] [1, 2, 1] : tensor<4x2x8xf32> into tensor<4x4x8xf32>
    %c = tensor.collapse_shape %n [[0], [1, 2]] : tensor<4x4x8xf32> into tensor<4x32xf32>
    scf.yield %c : tensor<4x32xf32>
  }
  return %0 : tensor<4x32xf32>
}
