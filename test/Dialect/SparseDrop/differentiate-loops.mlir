// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-differentiate,canonicalize,cse)' | FileCheck %s

// A recurrent product. Saved are the state that each step reads and what its
// product gave, tanh of which has a gradient; the outputs that the loop collects
// are not saved again. Each step has a slice of the inputs and of the outputs of its
// own: what flows to it is not added to what others left, and is the stack of factors,
// too; what flows from it is left as it is. Backwards nothing is multiplied again, and the gradient of
// the weight is one product behind the loop, over the steps (d0), too.

// CHECK-DAG: #[[$LHS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d3, d1)>
// CHECK-DAG: #[[$RHS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
// CHECK-DAG: #[[$OUT:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, d2)>

// CHECK-LABEL: func.func @recurrent_grad(
//  CHECK-SAME:   %[[X:.*]]: tensor<5x2x3xf32>, %[[W:.*]]: tensor<3x3xf32>, %[[H:.*]]: tensor<2x3xf32>
//       CHECK:   %[[FORTH:.*]]:4 = scf.for %[[I:.*]] = %{{.*}} iter_args(%[[STATE:.*]] = %[[H]], %{{.*}} = %{{.*}}, %[[STATES:.*]] = %{{.*}}, %[[PRODUCTS:.*]] = %{{.*}}) -> (tensor<2x3xf32>, tensor<5x2x3xf32>, tensor<5x2x3xf32>, tensor<5x2x3xf32>)
//       CHECK:     %[[PRODUCT:.*]] = linalg.matmul
//       CHECK:     tensor.insert_slice %[[STATE]] into %[[STATES]][%[[I]], 0, 0]
//       CHECK:     tensor.insert_slice %[[PRODUCT]] into %[[PRODUCTS]][%[[I]], 0, 0]
//       CHECK:   %[[BACK:.*]]:2 = scf.for %{{.*}} iter_args(%{{.*}} = %{{.*}}, %[[DX:.*]] = %{{.*}}) ->
//       CHECK:     tensor.extract_slice %[[FORTH]]#3
//   CHECK-NOT:     tensor.extract_slice %[[DX]]
//       CHECK:     linalg.matmul {{.*}}"dgrad"
//   CHECK-NOT:     linalg.matmul
//       CHECK:     tensor.insert_slice %{{.*}} into %[[DX]]
//       CHECK:     scf.yield
//       CHECK:   %[[DW:.*]] = linalg.generic {indexing_maps = [#[[$LHS]], #[[$RHS]], #[[$OUT]]], iterator_types = ["reduction", "parallel", "parallel", "reduction"]} ins(%[[FORTH]]#2, %[[BACK]]#1 : tensor<5x2x3xf32>, tensor<5x2x3xf32>)
//  CHECK-SAME:     attrs = {sparsedrop.product = "wgrad"}
//       CHECK:   return %{{.*}}, %[[BACK]]#1, %[[DW]], %{{.*}}
func.func @recurrent(%x: tensor<5x2x3xf32>, %w: tensor<3x3xf32>, %h: tensor<2x3xf32>) -> tensor<5x2x3xf32>
    attributes {sparsedrop.differentiate} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %all = tensor.empty() : tensor<5x2x3xf32>
  %0:2 = scf.for %i = %c0 to %c5 step %c1 iter_args(%s = %h, %y = %all) -> (tensor<2x3xf32>, tensor<5x2x3xf32>) {
    %xi = tensor.extract_slice %x[%i, 0, 0] [1, 2, 3] [1, 1, 1] : tensor<5x2x3xf32> to tensor<2x3xf32>
    %p = linalg.matmul ins(%s, %w : tensor<2x3xf32>, tensor<3x3xf32>) outs(%xi : tensor<2x3xf32>) -> tensor<2x3xf32>
    %e = tensor.empty() : tensor<2x3xf32>
    %t = linalg.tanh ins(%p : tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
    %n = tensor.insert_slice %t into %y[%i, 0, 0] [1, 2, 3] [1, 1, 1] : tensor<2x3xf32> into tensor<5x2x3xf32>
    scf.yield %t, %n : tensor<2x3xf32>, tensor<5x2x3xf32>
  }
  return %0#1 : tensor<5x2x3xf32>
}

// A pattern of each step: what it keeps differs, so each product stays compact
// in the loop. One that all steps share drops of the stack.

// CHECK-LABEL: func.func @patterns_grad(
//       CHECK:   %[[P:.*]] = sparsedrop.sample "all"
//       CHECK:   %[[FORTH:.*]]:2 = scf.for
//       CHECK:   %[[BACK:.*]]:3 = scf.for
//       CHECK:     sparsedrop.sample "each"
//       CHECK:     linalg.matmul {{.*}}"wgrad"
//       CHECK:     scf.yield
//       CHECK:   %[[DROPPED:.*]] = sparsedrop.dropout %[[FORTH]]#1, %[[P]] dim(2) : tensor<4x2x6xf32>
//       CHECK:   linalg.generic {{.*}} ins(%[[DROPPED]], %[[BACK]]#2 :
func.func @patterns(%w: tensor<6x6xf32>, %v: tensor<6x6xf32>, %h: tensor<2x6xf32>, %seed: i64, %step: i64) -> tensor<2x6xf32>
    attributes {sparsedrop.differentiate = {wrt = [0, 1]}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c6 = arith.constant 6 : index
  %zero = arith.constant 0.0 : f32
  %p = sparsedrop.sample "all" seed(%seed) step(%step) extents(%c6) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
  %0 = scf.for %i = %c0 to %c4 step %c1 iter_args(%s = %h) -> (tensor<2x6xf32>) {
    %e = tensor.empty() : tensor<2x6xf32>
    %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x6xf32>) -> tensor<2x6xf32>
    %d = sparsedrop.dropout %s, %p dim(1) : tensor<2x6xf32>, !sparsedrop.pattern<row>
    %a = linalg.matmul ins(%d, %w : tensor<2x6xf32>, tensor<6x6xf32>) outs(%z : tensor<2x6xf32>) -> tensor<2x6xf32>
    %q = sparsedrop.sample "each" seed(%seed) step(%step) extents(%c6) index(%i) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
    %f = sparsedrop.dropout %s, %q dim(1) : tensor<2x6xf32>, !sparsedrop.pattern<row>
    %b = linalg.matmul ins(%f, %v : tensor<2x6xf32>, tensor<6x6xf32>) outs(%a : tensor<2x6xf32>) -> tensor<2x6xf32>
    scf.yield %b : tensor<2x6xf32>
  }
  return %0 : tensor<2x6xf32>
}

// Products of 16 bits are formed in f32 and rounded before they are added; over all
// steps that is one product, rounded once, and not one in each step.

// CHECK-LABEL: func.func @narrow_grad(
//       CHECK:   scf.for
//       CHECK:   scf.for
//   CHECK-NOT:     "wgrad"
//       CHECK:     scf.yield
//       CHECK:   %[[WIDE:.*]] = linalg.generic {{.*}}iterator_types = ["reduction", "parallel", "parallel", "reduction"]{{.*}} ins(%{{.*}}, %{{.*}} : tensor<5x2x3xbf16>, tensor<5x2x3xbf16>) outs(%{{.*}} : tensor<3x3xf32>) attrs = {sparsedrop.product = "wgrad"}
//       CHECK:   %[[ROUNDED:.*]] = linalg.generic {{.*}} ins(%[[WIDE]] : tensor<3x3xf32>) outs(%{{.*}} : tensor<3x3xbf16>)
//       CHECK:     arith.truncf
//       CHECK:   linalg.add ins(%{{.*}}, %[[ROUNDED]] :
func.func @narrow(%x: tensor<5x2x3xbf16>, %w: tensor<3x3xbf16>, %h: tensor<2x3xbf16>) -> tensor<2x3xbf16>
    attributes {sparsedrop.differentiate = {wrt = [1]}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %0 = scf.for %i = %c0 to %c5 step %c1 iter_args(%s = %h) -> (tensor<2x3xbf16>) {
    %xi = tensor.extract_slice %x[%i, 0, 0] [1, 2, 3] [1, 1, 1] : tensor<5x2x3xbf16> to tensor<2x3xbf16>
    %p = linalg.matmul ins(%s, %w : tensor<2x3xbf16>, tensor<3x3xbf16>) outs(%xi : tensor<2x3xbf16>) -> tensor<2x3xbf16>
    scf.yield %p : tensor<2x3xbf16>
  }
  return %0 : tensor<2x3xbf16>
}

// Slices that are read in more than one step, or at another place: what flows to them
// is added.

// CHECK-LABEL: func.func @neighbours_grad(
//       CHECK:   scf.for %{{.*}} iter_args(%[[DX:.*]] = %{{.*}})
//       CHECK:     %[[OLD:.*]] = tensor.extract_slice %[[DX]]
//       CHECK:     %[[SUM:.*]] = linalg.add ins(%[[OLD]],
//       CHECK:     %[[ONE:.*]] = tensor.insert_slice %[[SUM]] into %[[DX]]
//       CHECK:     %[[OTHER:.*]] = tensor.extract_slice %[[ONE]]
//       CHECK:     linalg.add ins(%[[OTHER]],
func.func @neighbours(%x: tensor<6x3xf32>) -> tensor<3xf32> attributes {sparsedrop.differentiate} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<3xf32>) -> tensor<3xf32>
  %0 = scf.for %i = %c0 to %c5 step %c1 iter_args(%s = %z) -> (tensor<3xf32>) {
    %next = arith.addi %i, %c1 : index
    %a = tensor.extract_slice %x[%i, 0] [1, 3] [1, 1] : tensor<6x3xf32> to tensor<3xf32>
    %b = tensor.extract_slice %x[%next, 0] [1, 3] [1, 1] : tensor<6x3xf32> to tensor<3xf32>
    %p = linalg.mul ins(%a, %b : tensor<3xf32>, tensor<3xf32>) outs(%e : tensor<3xf32>) -> tensor<3xf32>
    %t = linalg.add ins(%s, %p : tensor<3xf32>, tensor<3xf32>) outs(%e : tensor<3xf32>) -> tensor<3xf32>
    scf.yield %t : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}

// What is carried and active at first: the slices that are overwritten have no
// gradient.

// CHECK-LABEL: func.func @overwritten_grad(
//       CHECK:   %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<3xf32>
//       CHECK:   scf.for %{{.*}} iter_args(%{{.*}} = %{{.*}}, %[[DY:.*]] = %{{.*}})
//       CHECK:     tensor.insert_slice %[[ZEROS]] into %[[DY]]
func.func @overwritten(%s: tensor<3xf32>, %y: tensor<6x3xf32>) -> tensor<6x3xf32> attributes {sparsedrop.differentiate} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %e = tensor.empty() : tensor<3xf32>
  %0:2 = scf.for %i = %c0 to %c5 step %c1 iter_args(%t = %s, %z = %y) -> (tensor<3xf32>, tensor<6x3xf32>) {
    %u = linalg.mul ins(%t, %t : tensor<3xf32>, tensor<3xf32>) outs(%e : tensor<3xf32>) -> tensor<3xf32>
    %n = tensor.insert_slice %u into %z[%i, 0] [1, 3] [1, 1] : tensor<3xf32> into tensor<6x3xf32>
    scf.yield %u, %n : tensor<3xf32>, tensor<6x3xf32>
  }
  return %0#1 : tensor<6x3xf32>
}

// Slices beside each other, the gates of an LSTM: nothing is added. Those that have
// elements in common are.

// CHECK-LABEL: func.func @gates_grad(
//       CHECK:   %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<2x6xf32>
//       CHECK:   %[[ONE:.*]] = tensor.insert_slice %{{.*}} into %[[ZEROS]][0, 3] [2, 3] [1, 1]
//       CHECK:   %[[TWO:.*]] = tensor.insert_slice %{{.*}} into %[[ONE]][0, 0] [2, 3] [1, 1]
//       CHECK:   tensor.extract_slice %[[TWO]][0, 2] [2, 3] [1, 1]
func.func @gates(%x: tensor<2x6xf32>) -> tensor<2x3xf32> attributes {sparsedrop.differentiate} {
  %e = tensor.empty() : tensor<2x3xf32>
  %m = tensor.extract_slice %x[0, 2] [2, 3] [1, 1] : tensor<2x6xf32> to tensor<2x3xf32>
  %a = tensor.extract_slice %x[0, 0] [2, 3] [1, 1] : tensor<2x6xf32> to tensor<2x3xf32>
  %b = tensor.extract_slice %x[0, 3] [2, 3] [1, 1] : tensor<2x6xf32> to tensor<2x3xf32>
  %0 = linalg.mul ins(%a, %b : tensor<2x3xf32>, tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  %1 = linalg.mul ins(%0, %m : tensor<2x3xf32>, tensor<2x3xf32>) outs(%e : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}

// Slices that go down may overlap where their ends do not show it.

// CHECK-LABEL: func.func @down_grad(
//       CHECK:   linalg.add
func.func @down(%x: tensor<8xf32>) -> (tensor<4xf32>, tensor<2xf32>) attributes {sparsedrop.differentiate} {
  %a = tensor.extract_slice %x[3] [4] [-1] : tensor<8xf32> to tensor<4xf32>
  %b = tensor.extract_slice %x[0] [2] [1] : tensor<8xf32> to tensor<2xf32>
  return %a, %b : tensor<4xf32>, tensor<2xf32>
}

// Two slices of one step that have elements in common: the second is added.

// CHECK-LABEL: func.func @twice_grad(
//       CHECK:   scf.for %{{.*}} iter_args(%[[DX:.*]] = %{{.*}})
//       CHECK:     %[[ONE:.*]] = tensor.insert_slice %{{.*}} into %[[DX]]
//       CHECK:     %[[OLD:.*]] = tensor.extract_slice %[[ONE]]
//       CHECK:     linalg.add ins(%[[OLD]],
func.func @twice(%x: tensor<5x4xf32>) -> tensor<3xf32> attributes {sparsedrop.differentiate} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<3xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<3xf32>) -> tensor<3xf32>
  %0 = scf.for %i = %c0 to %c5 step %c1 iter_args(%s = %z) -> (tensor<3xf32>) {
    %a = tensor.extract_slice %x[%i, 0] [1, 3] [1, 1] : tensor<5x4xf32> to tensor<3xf32>
    %b = tensor.extract_slice %x[%i, 1] [1, 3] [1, 1] : tensor<5x4xf32> to tensor<3xf32>
    %p = linalg.mul ins(%a, %b : tensor<3xf32>, tensor<3xf32>) outs(%e : tensor<3xf32>) -> tensor<3xf32>
    %t = linalg.add ins(%s, %p : tensor<3xf32>, tensor<3xf32>) outs(%e : tensor<3xf32>) -> tensor<3xf32>
    scf.yield %t : tensor<3xf32>
  }
  return %0 : tensor<3xf32>
}

// What the loop begins with and reads as well has both gradients.

// CHECK-LABEL: func.func @begins_grad(
//  CHECK-SAME:   %{{.*}}: tensor<4xf32>, %[[G:.*]]: tensor<4xf32>
//       CHECK:   %[[READ:.*]] = scf.for
//       CHECK:   %[[SUM:.*]] = linalg.add ins(%{{.*}}, %[[G]] :
//       CHECK:   return %{{.*}}, %[[SUM]]
func.func @begins(%x: tensor<4xf32>) -> tensor<4xf32> attributes {sparsedrop.differentiate} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %e = tensor.empty() : tensor<4xf32>
  %0 = scf.for %i = %c0 to %c3 step %c1 iter_args(%s = %x) -> (tensor<4xf32>) {
    %n = linalg.add ins(%s, %x : tensor<4xf32>, tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
    scf.yield %n : tensor<4xf32>
  }
  return %0 : tensor<4xf32>
}

// What has been rounded is saved as that, and not what it was.

// CHECK-LABEL: func.func @rounded_grad(
//       CHECK:   scf.for
//       CHECK:     %[[NARROW:.*]] = linalg.generic
//       CHECK:       arith.truncf
//       CHECK:     tensor.insert_slice %[[NARROW]] into %{{.*}} : tensor<2x3xbf16> into tensor<5x2x3xbf16>
//       CHECK:   scf.for
//   CHECK-NOT:     tensor<5x2x3xf32>
//       CHECK:   return
func.func @rounded(%h: tensor<2x3xf32>, %w: tensor<2x3xbf16>) -> tensor<2x3xf32> attributes {sparsedrop.differentiate = {wrt = [1]}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %0 = scf.for %i = %c0 to %c5 step %c1 iter_args(%s = %h) -> (tensor<2x3xf32>) {
    %e = tensor.empty() : tensor<2x3xbf16>
    %f = tensor.empty() : tensor<2x3xf32>
    %n = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
        ins(%s : tensor<2x3xf32>) outs(%e : tensor<2x3xbf16>) {
    ^bb0(%a: f32, %o: bf16):
      %t = arith.truncf %a : f32 to bf16
      linalg.yield %t : bf16
    } -> tensor<2x3xbf16>
    %p = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
        ins(%n, %w : tensor<2x3xbf16>, tensor<2x3xbf16>) outs(%f : tensor<2x3xf32>) {
    ^bb0(%a: bf16, %b: bf16, %o: f32):
      %t = arith.extf %a : bf16 to f32
      %u = arith.extf %b : bf16 to f32
      %v = arith.mulf %t, %u : f32
      linalg.yield %v : f32
    } -> tensor<2x3xf32>
    scf.yield %p : tensor<2x3xf32>
  }
  return %0 : tensor<2x3xf32>
}
