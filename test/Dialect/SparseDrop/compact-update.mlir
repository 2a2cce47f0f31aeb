// RUN: sparsedrop-opt %s --split-input-file --pass-pipeline='builtin.module(sparsedrop-compact)' | FileCheck %s

// Rule C5 where dropped units are not left alone: a dense op sees zeros for what
// is dropped, then the kept slice is updated. No expand is materialized.

#map = affine_map<(m, n) -> (m, n)>

// Momentum: the kept slice adds, and does not read the old value again.

// CHECK-LABEL: func @momentum
//  CHECK-SAME: %[[V:[a-z0-9]+]]: tensor<64x16xf32>, %[[G:[a-z0-9]+]]: tensor<64x16xf32>
//   CHECK-NOT: sparsedrop.expand
//       CHECK: %[[GC:.*]] = sparsedrop.compact %[[G]]
//       CHECK: %[[ALL:.*]] = linalg.generic {{.*}}ins(%[[V]] : tensor<64x16xf32>)
//  CHECK-SAME: sparsedrop.missed = "its kept slice is updated where it lies"
//       CHECK:   arith.mulf
//  CHECK-NEXT:   linalg.yield
//       CHECK: %[[KEPT:.*]] = sparsedrop.compact %[[ALL]]
//       CHECK: %[[SUM:.*]] = linalg.generic {{.*}}ins(%[[GC]] : tensor<?x16xf32>) outs(%[[KEPT]] : tensor<?x16xf32>)
//  CHECK-NEXT: ^bb0(%[[IN:.*]]: f32, %[[OUT:.*]]: f32):
//  CHECK-NEXT:   arith.addf %[[OUT]], %[[IN]]
//  CHECK-NEXT:   linalg.yield
//       CHECK: %[[R:.*]] = sparsedrop.insert %[[SUM]] into %[[ALL]]
//       CHECK: return %[[R]]
func.func @momentum(%v: tensor<64x16xf32>, %g: tensor<64x16xf32>, %p: !sparsedrop.pattern<row>) -> tensor<64x16xf32> {
  %mu = arith.constant 0.9 : f32
  %e = tensor.empty() : tensor<64x16xf32>
  %d = sparsedrop.dropout %g, %p dim(0) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %u = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%v, %d : tensor<64x16xf32>, tensor<64x16xf32>) outs(%e : tensor<64x16xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.mulf %a, %mu : f32
      %r = arith.addf %s, %b : f32
      linalg.yield %r : f32
  } -> tensor<64x16xf32>
  return %u : tensor<64x16xf32>
}

// In destination style both ops work on the one tensor.

// CHECK-LABEL: func @momentum_in_place
//  CHECK-SAME: %[[V:[a-z0-9]+]]: tensor<64x16xf32>
//   CHECK-NOT: sparsedrop.expand
//       CHECK: %[[ALL:.*]] = linalg.generic {{.*}}outs(%[[V]] : tensor<64x16xf32>)
//       CHECK: %[[KEPT:.*]] = sparsedrop.compact %[[ALL]]
//       CHECK: linalg.generic {{.*}}outs(%[[KEPT]] : tensor<?x16xf32>)
//   CHECK-NOT:   arith.mulf
//       CHECK:   arith.addf
//       CHECK: sparsedrop.insert %{{.*}} into %[[ALL]]
func.func @momentum_in_place(%v: tensor<64x16xf32>, %g: tensor<64x16xf32>, %p: !sparsedrop.pattern<row>) -> tensor<64x16xf32> {
  %mu = arith.constant 0.9 : f32
  %d = sparsedrop.dropout %g, %p dim(0) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %u = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%d : tensor<64x16xf32>) outs(%v : tensor<64x16xf32>) {
    ^bb0(%b: f32, %out: f32):
      %s = arith.mulf %out, %mu : f32
      %r = arith.addf %s, %b : f32
      linalg.yield %r : f32
  } -> tensor<64x16xf32>
  return %u : tensor<64x16xf32>
}

// Weight decay, w - lr * (g + decay * w): the part that is linear in g is
// subtracted from the slice.

// CHECK-LABEL: func @decay
//   CHECK-NOT: sparsedrop.expand
//       CHECK: linalg.generic {{.*}}ins(%{{.*}} : tensor<64x16xf32>) outs(%{{.*}} : tensor<64x16xf32>)
//       CHECK:   %[[A:.*]] = arith.mulf
//  CHECK-NEXT:   %[[B:.*]] = arith.mulf %[[A]]
//  CHECK-NEXT:   arith.subf %{{.*}}, %[[B]]
//       CHECK: linalg.generic {{.*}}ins(%{{.*}} : tensor<?x16xf32>) outs(%{{.*}} : tensor<?x16xf32>)
//  CHECK-NEXT: ^bb0(%[[IN:.*]]: f32, %[[OUT:.*]]: f32):
//  CHECK-NEXT:   %[[T:.*]] = arith.mulf %[[IN]]
//  CHECK-NEXT:   arith.subf %[[OUT]], %[[T]]
//  CHECK-NEXT:   linalg.yield
func.func @decay(%w: tensor<64x16xf32>, %g: tensor<64x16xf32>, %p: !sparsedrop.pattern<row>) -> tensor<64x16xf32> {
  %lr = arith.constant 0.1 : f32
  %wd = arith.constant 0.01 : f32
  %e = tensor.empty() : tensor<64x16xf32>
  %d = sparsedrop.dropout %g, %p dim(0) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %u = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%w, %d : tensor<64x16xf32>, tensor<64x16xf32>) outs(%e : tensor<64x16xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.mulf %a, %wd : f32
      %t = arith.addf %b, %s : f32
      %m = arith.mulf %t, %lr : f32
      %r = arith.subf %a, %m : f32
      linalg.yield %r : f32
  } -> tensor<64x16xf32>
  return %u : tensor<64x16xf32>
}

// -----

// No sum of terms: the kept values are computed anew and written over.

#map = affine_map<(m, n) -> (m, n)>
#bias = affine_map<(m, n) -> (n)>

// CHECK-LABEL: func @relu_of_bias
//  CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<64x16xf32>, %[[B:[a-z0-9]+]]: tensor<16xf32>
//   CHECK-NOT: sparsedrop.expand
//       CHECK: %[[ALL:.*]] = linalg.generic {{.*}}ins(%[[B]] : tensor<16xf32>) outs(%{{.*}} : tensor<64x16xf32>)
//   CHECK-NOT:   arith.addf
//       CHECK:   arith.maximumf
//       CHECK: %[[KEPT:.*]] = sparsedrop.compact %[[ALL]]
//       CHECK: linalg.generic {{.*}}ins(%{{.*}}, %[[B]] : tensor<?x16xf32>, tensor<16xf32>) outs(%[[KEPT]] : tensor<?x16xf32>)
//       CHECK:   arith.addf
//       CHECK:   arith.maximumf
//       CHECK: sparsedrop.insert %{{.*}} into %[[ALL]]
func.func @relu_of_bias(%x: tensor<64x16xf32>, %b: tensor<16xf32>, %p: !sparsedrop.pattern<row>) -> tensor<64x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x16xf32>
  %d = sparsedrop.dropout %x, %p dim(0) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %u = linalg.generic {indexing_maps = [#map, #bias, #map], iterator_types = ["parallel", "parallel"]}
      ins(%d, %b : tensor<64x16xf32>, tensor<16xf32>) outs(%e : tensor<64x16xf32>) {
    ^bb0(%a: f32, %c: f32, %out: f32):
      %s = arith.addf %a, %c : f32
      %r = arith.maximumf %s, %zero : f32
      linalg.yield %r : f32
  } -> tensor<64x16xf32>
  return %u : tensor<64x16xf32>
}

// The square of a sum is one of terms, but they cancel where the sum is small:
// computed anew.

// CHECK-LABEL: func @square
//   CHECK-NOT: sparsedrop.expand
//       CHECK: linalg.generic {{.*}}ins(%{{.*}} : tensor<64x16xf32>)
//       CHECK: linalg.generic {{.*}}ins(%{{.*}}, %{{.*}} : tensor<?x16xf32>, tensor<?x16xf32>)
func.func @square(%w: tensor<64x16xf32>, %g: tensor<64x16xf32>, %p: !sparsedrop.pattern<row>) -> tensor<64x16xf32> {
  %e = tensor.empty() : tensor<64x16xf32>
  %d = sparsedrop.dropout %g, %p dim(0) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %u = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%w, %d : tensor<64x16xf32>, tensor<64x16xf32>) outs(%e : tensor<64x16xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.addf %a, %b : f32
      %r = arith.mulf %s, %s : f32
      linalg.yield %r : f32
  } -> tensor<64x16xf32>
  return %u : tensor<64x16xf32>
}

// Two results: one is zero where values are dropped, the other is not. Adam's
// second moment squares the gradient.

// CHECK-LABEL: func @two_results
//       CHECK: %[[ALL:.*]] = linalg.generic {{.*}}ins(%{{.*}} : tensor<64x16xf32>) outs(%{{.*}} : tensor<64x16xf32>)
//       CHECK: %[[K:.*]]:2 = linalg.generic {{.*}}ins(%{{.*}} : tensor<?x16xf32>) outs(%{{.*}}, %{{.*}} : tensor<?x16xf32>, tensor<?x16xf32>)
//       CHECK:   arith.mulf
//       CHECK: sparsedrop.insert %[[K]]#1 into %[[ALL]]
func.func @two_results(%v: tensor<64x16xf32>, %g: tensor<64x16xf32>, %p: !sparsedrop.pattern<row>)
    -> (tensor<64x16xf32>, tensor<64x16xf32>) {
  %c = arith.constant 0.9 : f32
  %e = tensor.empty() : tensor<64x16xf32>
  %d = sparsedrop.dropout %g, %p dim(0) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %u:2 = linalg.generic {indexing_maps = [#map, #map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%v, %d : tensor<64x16xf32>, tensor<64x16xf32>) outs(%e, %e : tensor<64x16xf32>, tensor<64x16xf32>) {
    ^bb0(%a: f32, %b: f32, %o0: f32, %o1: f32):
      %m = arith.mulf %b, %c : f32
      %s = arith.mulf %a, %c : f32
      %q = arith.mulf %b, %b : f32
      %r = arith.addf %s, %q : f32
      linalg.yield %m, %r : f32, f32
  } -> (tensor<64x16xf32>, tensor<64x16xf32>)
  return %u#0, %u#1 : tensor<64x16xf32>, tensor<64x16xf32>
}

// -----

// A reduction whose steps are not the identity for zeros has no dense form that
// leaves a slice to update.

#in = affine_map<(m, k) -> (m, k)>
#out = affine_map<(m, k) -> (m)>

// CHECK-LABEL: func @sum_of_exp
//       CHECK: %[[E:.*]] = sparsedrop.expand
//       CHECK: linalg.generic {{.*}}ins(%[[E]] : tensor<64x16xf32>)
//  CHECK-SAME: sparsedrop.missed = "its result is not zero where the dropped values are zero"
func.func @sum_of_exp(%x: tensor<64x16xf32>, %init: tensor<64xf32>, %p: !sparsedrop.pattern<row>) -> tensor<64xf32> {
  %d = sparsedrop.dropout %x, %p dim(0) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %r = linalg.generic {indexing_maps = [#in, #out], iterator_types = ["parallel", "reduction"]}
      ins(%d : tensor<64x16xf32>) outs(%init : tensor<64xf32>) {
    ^bb0(%a: f32, %out: f32):
      %y = math.exp %a : f32
      %s = arith.addf %y, %out : f32
      linalg.yield %s : f32
  } -> tensor<64xf32>
  return %r : tensor<64xf32>
}

// -----

// A body with branches is not repeated.

#map = affine_map<(m, n) -> (m, n)>

// CHECK-LABEL: func @branch
//       CHECK: %[[E:.*]] = sparsedrop.expand
//       CHECK: linalg.generic {{.*}}ins(%[[E]], %{{.*}} : tensor<64x16xf32>, tensor<64x16xf32>)
//       CHECK: scf.if
func.func @branch(%x: tensor<64x16xf32>, %y: tensor<64x16xf32>, %p: !sparsedrop.pattern<row>) -> tensor<64x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64x16xf32>
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %u = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%d, %y : tensor<64x16xf32>, tensor<64x16xf32>) outs(%e : tensor<64x16xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %c = arith.cmpf ogt, %b, %zero : f32
      %r = scf.if %c -> f32 {
        scf.yield %a : f32
      } else {
        %w = arith.mulf %a, %b : f32
        scf.yield %w : f32
      }
      linalg.yield %r : f32
  } -> tensor<64x16xf32>
  return %u : tensor<64x16xf32>
}
