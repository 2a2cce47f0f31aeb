// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-materialize,sparsedrop-differentiate)' | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-materialize,sparsedrop-differentiate,sparsedrop-compact,canonicalize,cse)' | FileCheck %s --check-prefix=COMPACT

func.func @f(%x: tensor<2x16x4xf32>, %w: tensor<16x8xf32>, %z: tensor<2x8x4xf32>,
             %s: tensor<16xf32> {sparsedrop.sensitivity = "maps"},
             %i: tensor<16xf32> {sparsedrop.importance = "maps"},
             %r: f32 {sparsedrop.rate = "maps"}) -> tensor<2x8x4xf32>
    attributes {sparsedrop.differentiate = {wrt = [0, 1, 3, 4]}} {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(b, p, f, c) -> (b, c, p)>, affine_map<(b, p, f, c) -> (c, f)>, affine_map<(b, p, f, c) -> (b, f, p)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"],
      sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "maps", scale = energy, temperature = -2.0>}
      ins(%x, %w : tensor<2x16x4xf32>, tensor<16x8xf32>) outs(%z : tensor<2x8x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.mulf %a, %b : f32
    %n = arith.addf %o, %m : f32
    linalg.yield %n : f32
  } -> tensor<2x8x4xf32>
  return %0 : tensor<2x8x4xf32>
}
// CHECK-LABEL: func.func @f(
//       CHECK:   cf.assert %{{.*}}, "expected the rate of site \22maps\22 in [0, 1)"
//       CHECK:   %[[COUNT:.*]] = arith.minsi
//       CHECK:   sparsedrop.sample "maps" {{.*}} sensitivity(%{{.*}}) importance(%{{.*}}) count(%[[COUNT]])
//  CHECK-SAME:     temperature = -2.000000e+00
// CHECK-LABEL: func.func @f_grad(
//  CHECK-SAME:   %[[X:[^:]*]]: tensor<2x16x4xf32>, %[[W:[^:]*]]: tensor<16x8xf32>
//       CHECK:   %[[P:.*]] = sparsedrop.sample
//       CHECK:   sparsedrop.dropout %[[X]], %[[P]] dim(1)
//       CHECK:   %[[DW:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<16x8xf32>) attrs
//       CHECK:   sparsedrop.dropout %{{.*}}, %[[P]] dim(1)

// The sums of x dx are those of w dw, which are fewer.
//       CHECK:   %[[SUMS:.*]] = linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]{{.*}} ins(%[[W]], %[[DW]] :
//       CHECK:     arith.mulf
//       CHECK:   linalg.generic {{.*}}iterator_types = ["parallel"]{{.*}} ins(%[[SUMS]] :
//       CHECK:     math.absf
//       CHECK:   linalg.generic {{.*}}iterator_types = ["reduction", "parallel", "reduction"]{{.*}} ins(%[[X]] :
//       CHECK:     math.absf
//       CHECK:   %[[OLD:.*]] = sparsedrop.compact %{{.*}}, %[[P]] dim(0)
//       CHECK:   %[[NEW:.*]] = sparsedrop.compact %{{.*}}, %[[P]] dim(0)
//       CHECK:   %[[SHARE:.*]] = arith.constant 1.000000e-01 : f32
//       CHECK:   linalg.generic {{.*}} ins(%[[OLD]], %[[NEW]] :
//       CHECK:     arith.mulf %{{.*}}, %[[SHARE]]
//       CHECK:   sparsedrop.insert

// All of it works on the kept channels.
// COMPACT-LABEL: func.func @f_grad(
//       COMPACT:   linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]{{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<?x8xf32>)
//       COMPACT:   linalg.generic {{.*}}iterator_types = ["parallel"]{{.*}} ins(%{{.*}} : tensor<?xf32>)
//       COMPACT:   linalg.generic {{.*}}iterator_types = ["reduction", "parallel", "reduction"]{{.*}} ins(%{{.*}} : tensor<2x?x4xf32>)
//       COMPACT:   sparsedrop.insert %{{.*}} into %{{.*}}, %{{.*}} dim(0) : tensor<?xf32> into tensor<16xf32>

// Where the gradient of x alone is computed it is x dx, and so it is where x is
// smaller than w, or where somebody else reads w.
func.func @activations(%x: tensor<2x16x4xf32>, %w: tensor<16x8xf32>, %z: tensor<2x8x4xf32>,
                       %s: tensor<16xf32> {sparsedrop.sensitivity = "maps"}) -> tensor<2x8x4xf32>
    attributes {sparsedrop.differentiate = {wrt = [0, 3]}} {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(b, p, f, c) -> (b, c, p)>, affine_map<(b, p, f, c) -> (c, f)>, affine_map<(b, p, f, c) -> (b, f, p)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"],
      sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "maps">}
      ins(%x, %w : tensor<2x16x4xf32>, tensor<16x8xf32>) outs(%z : tensor<2x8x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.mulf %a, %b : f32
    %n = arith.addf %o, %m : f32
    linalg.yield %n : f32
  } -> tensor<2x8x4xf32>
  return %0 : tensor<2x8x4xf32>
}
// CHECK-LABEL: func.func @activations_grad(
//  CHECK-SAME:   %[[X:[^:]*]]: tensor<2x16x4xf32>
//       CHECK:   sparsedrop.dropout %[[X]]
//       CHECK:   %[[DX:.*]] = sparsedrop.dropout
//       CHECK:   linalg.generic {{.*}}iterator_types = ["reduction", "parallel", "reduction"]{{.*}} ins(%[[X]], %[[DX]] :

func.func @few_activations(%x: tensor<1x16x4xf32>, %w: tensor<16x8xf32>, %z: tensor<1x8x4xf32>,
                           %s: tensor<16xf32> {sparsedrop.sensitivity = "maps"}) -> tensor<1x8x4xf32>
    attributes {sparsedrop.differentiate = {wrt = [1, 3]}} {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(b, p, f, c) -> (b, c, p)>, affine_map<(b, p, f, c) -> (c, f)>, affine_map<(b, p, f, c) -> (b, f, p)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"],
      sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "maps">}
      ins(%x, %w : tensor<1x16x4xf32>, tensor<16x8xf32>) outs(%z : tensor<1x8x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.mulf %a, %b : f32
    %n = arith.addf %o, %m : f32
    linalg.yield %n : f32
  } -> tensor<1x8x4xf32>
  return %0 : tensor<1x8x4xf32>
}
// CHECK-LABEL: func.func @few_activations_grad(
//  CHECK-SAME:   %[[X:[^:]*]]: tensor<1x16x4xf32>
//       CHECK:   linalg.generic {{.*}}iterator_types = ["reduction", "parallel", "reduction"]{{.*}} ins(%[[X]], %{{.*}} :

func.func @shared_weights(%x: tensor<2x16x4xf32>, %w: tensor<16x8xf32>, %z: tensor<2x8x4xf32>,
                          %s: tensor<16xf32> {sparsedrop.sensitivity = "maps"}) -> (tensor<2x8x4xf32>, tensor<16x8xf32>)
    attributes {sparsedrop.differentiate = {wrt = [1, 3], of = [0]}} {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(b, p, f, c) -> (b, c, p)>, affine_map<(b, p, f, c) -> (c, f)>, affine_map<(b, p, f, c) -> (b, f, p)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"],
      sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "maps">}
      ins(%x, %w : tensor<2x16x4xf32>, tensor<16x8xf32>) outs(%z : tensor<2x8x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.mulf %a, %b : f32
    %n = arith.addf %o, %m : f32
    linalg.yield %n : f32
  } -> tensor<2x8x4xf32>
  %1 = linalg.exp ins(%w : tensor<16x8xf32>) outs(%w : tensor<16x8xf32>) -> tensor<16x8xf32>
  return %0, %1 : tensor<2x8x4xf32>, tensor<16x8xf32>
}
// CHECK-LABEL: func.func @shared_weights_grad(
//  CHECK-SAME:   %[[X:[^:]*]]: tensor<2x16x4xf32>
//       CHECK:   linalg.generic {{.*}}iterator_types = ["reduction", "parallel", "reduction"]{{.*}} ins(%[[X]], %{{.*}} :

// Changes of single samples' losses do not cancel.
func.func @apart(%x: tensor<2x16x4xf32>, %w: tensor<16x8xf32>, %z: tensor<2x8x4xf32>,
                 %s: tensor<16xf32> {sparsedrop.sensitivity = "maps"}) -> tensor<2x8x4xf32>
    attributes {sparsedrop.differentiate = {wrt = [3], sensitivity = "sample"}} {
  %0 = linalg.generic {
      indexing_maps = [affine_map<(b, p, f, c) -> (b, c, p)>, affine_map<(b, p, f, c) -> (c, f)>, affine_map<(b, p, f, c) -> (b, f, p)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"],
      sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "maps">}
      ins(%x, %w : tensor<2x16x4xf32>, tensor<16x8xf32>) outs(%z : tensor<2x8x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.mulf %a, %b : f32
    %n = arith.addf %o, %m : f32
    linalg.yield %n : f32
  } -> tensor<2x8x4xf32>
  return %0 : tensor<2x8x4xf32>
}
// CHECK-LABEL: func.func @apart_grad(
//       CHECK:   %[[SUMS:.*]] = linalg.generic {{.*}}iterator_types = ["parallel", "parallel", "reduction"]
//       CHECK:   linalg.generic {{.*}}iterator_types = ["reduction", "parallel"]{{.*}} ins(%[[SUMS]] :
//       CHECK:     math.absf
