// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-carry-in-place)' | FileCheck %s

// The epilogue of a contraction may write where it reads an extra at the same place, but
// neither where it reads a factor nor where an extra is read at another place.

#lhs = affine_map<(m, n, k) -> (m, k)>
#rhs = affine_map<(m, n, k) -> (k, n)>
#out = affine_map<(m, n, k) -> (m, n)>
#transposed = affine_map<(m, n, k) -> (n, m)>

// CHECK-LABEL: func @extra
//       CHECK:   scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}})
//       CHECK:     %[[NEW:.*]] = sparsedrop.contract {{.*}} outs(%[[A]] :
//       CHECK:     scf.yield %[[NEW]]
func.func @extra(%x: tensor<4x4xf32>, %c: tensor<4x4xf32>, %n: index) -> tensor<4x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %c) -> (tensor<4x4xf32>) {
    %e = tensor.empty() : tensor<4x4xf32>
    %1 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out, #out]}
        ins(%x, %x : tensor<4x4xf32>, tensor<4x4xf32>) with(%a : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) {
    ^bb0(%s: f32, %g: f32, %o: f32):
      %2 = arith.addf %s, %g : f32
      sparsedrop.yield %2 : f32
    } -> tensor<4x4xf32>
    scf.yield %1 : tensor<4x4xf32>
  }
  return %0 : tensor<4x4xf32>
}

// CHECK-LABEL: func @transposed
//       CHECK:   scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}})
//       CHECK:     %[[E:.*]] = tensor.empty
//       CHECK:     %[[NEW:.*]] = sparsedrop.contract {{.*}} outs(%[[E]] :
//       CHECK:     tensor.insert_slice %[[NEW]] into %[[A]]
func.func @transposed(%x: tensor<4x4xf32>, %c: tensor<4x4xf32>, %n: index) -> tensor<4x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %c) -> (tensor<4x4xf32>) {
    %e = tensor.empty() : tensor<4x4xf32>
    %1 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #transposed, #out]}
        ins(%x, %x : tensor<4x4xf32>, tensor<4x4xf32>) with(%a : tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) {
    ^bb0(%s: f32, %g: f32, %o: f32):
      %2 = arith.addf %s, %g : f32
      sparsedrop.yield %2 : f32
    } -> tensor<4x4xf32>
    scf.yield %1 : tensor<4x4xf32>
  }
  return %0 : tensor<4x4xf32>
}

// CHECK-LABEL: func @factor
//       CHECK:   scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}})
//       CHECK:     %[[E:.*]] = tensor.empty
//       CHECK:     %[[NEW:.*]] = sparsedrop.contract {{.*}} outs(%[[E]] :
//       CHECK:     tensor.insert_slice %[[NEW]] into %[[A]]
func.func @factor(%x: tensor<4x4xf32>, %c: tensor<4x4xf32>, %n: index) -> tensor<4x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %c) -> (tensor<4x4xf32>) {
    %e = tensor.empty() : tensor<4x4xf32>
    %1 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out]}
        ins(%a, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%e : tensor<4x4xf32>) {
    ^bb0(%s: f32, %o: f32):
      sparsedrop.yield %s : f32
    } -> tensor<4x4xf32>
    scf.yield %1 : tensor<4x4xf32>
  }
  return %0 : tensor<4x4xf32>
}

// No two outputs begin in one array.

// CHECK-LABEL: func @two_outputs
//       CHECK:   scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}})
//       CHECK:     %[[E:.*]] = tensor.empty
//       CHECK:     sparsedrop.contract {{.*}} outs(%[[A]], %[[E]] :
func.func @two_outputs(%x: tensor<4x4xf32>, %c: tensor<4x4xf32>, %d: tensor<4x4xf32>, %n: index) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0:2 = scf.for %i = %c0 to %n step %c1 iter_args(%a = %c, %b = %d) -> (tensor<4x4xf32>, tensor<4x4xf32>) {
    %e = tensor.empty() : tensor<4x4xf32>
    %1:2 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out, #out]}
        ins(%x, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%a, %e : tensor<4x4xf32>, tensor<4x4xf32>) {
    ^bb0(%s: f32, %o: f32, %p: f32):
      %2 = arith.addf %s, %o : f32
      sparsedrop.yield %2, %s : f32, f32
    } -> tensor<4x4xf32>, tensor<4x4xf32>
    scf.yield %1#1, %1#0 : tensor<4x4xf32>, tensor<4x4xf32>
  }
  return %0#0, %0#1 : tensor<4x4xf32>, tensor<4x4xf32>
}
