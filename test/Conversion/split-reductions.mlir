// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-split-reductions)' --split-input-file | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-split-reductions{least=5})' --split-input-file | FileCheck %s --check-prefix=LEAST

#id = affine_map<(n, i, c) -> (n, i, c)>
#channel = affine_map<(n, i, c) -> (c)>

// CHECK-DAG: #[[$ID:.*]] = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
// CHECK-DAG: #[[$PARTIAL:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[$ALL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[$CHANNEL:.*]] = affine_map<(d0, d1) -> (d1)>

// CHECK-LABEL: func @sum
//  CHECK-SAME:   %[[X:.*]]: tensor<4x100x8xf32>, %[[INIT:.*]]: tensor<8xf32>
//       CHECK:   %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<4x8xf32>
//       CHECK:   %[[PART:.*]] = linalg.generic {indexing_maps = [#[[$ID]], #[[$PARTIAL]]], iterator_types = ["parallel", "reduction", "parallel"]} ins(%[[X]] : tensor<4x100x8xf32>) outs(%[[ZEROS]] : tensor<4x8xf32>)
//       CHECK:   linalg.generic {indexing_maps = [#[[$ALL]], #[[$CHANNEL]]], iterator_types = ["reduction", "parallel"]} ins(%[[PART]] : tensor<4x8xf32>) outs(%[[INIT]] : tensor<8xf32>)
// LEAST-LABEL: func @sum
//       LEAST:   linalg.generic {{.*}}iterator_types = ["reduction", "reduction", "parallel"]}
func.func @sum(%x: tensor<4x100x8xf32>, %init: tensor<8xf32>) -> tensor<8xf32> {
  %0 = linalg.generic {indexing_maps = [#id, #channel], iterator_types = ["reduction", "reduction", "parallel"]}
      ins(%x : tensor<4x100x8xf32>) outs(%init : tensor<8xf32>) {
  ^bb0(%a: f32, %s: f32):
    %1 = arith.addf %s, %a : f32
    linalg.yield %1 : f32
  } -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

// Each result with its own neutral element, and one loop that combines; loops in
// any order, sizes of any kind.

#id = affine_map<(c, n, i) -> (n, i, c)>
#channel = affine_map<(c, n, i) -> (c)>

// CHECK-LABEL: func @two
//   CHECK-DAG:   %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
//   CHECK-DAG:   %[[LOWEST:.*]] = arith.constant 0xFF800000 : f32
//   CHECK-DAG:   linalg.fill ins(%[[ZERO]] : f32) outs(%{{.*}} : tensor<?x?xf32>)
//   CHECK-DAG:   linalg.fill ins(%[[LOWEST]] : f32) outs(%{{.*}} : tensor<?x?xf32>)
//       CHECK:   %[[PART:.*]]:2 = linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]}
//       CHECK:   linalg.generic {{.*}} ins(%[[PART]]#0, %[[PART]]#1
//       CHECK:     ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[S:.*]]: f32, %[[M:.*]]: f32):
//       CHECK:     arith.addf %[[A]], %[[S]]
//       CHECK:     arith.maximumf %[[M]], %[[B]]
func.func @two(%x: tensor<?x100x?xf32>, %s: tensor<?xf32>, %m: tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
  %0:2 = linalg.generic {indexing_maps = [#id, #channel, #channel], iterator_types = ["parallel", "reduction", "reduction"]}
      ins(%x : tensor<?x100x?xf32>) outs(%s, %m : tensor<?xf32>, tensor<?xf32>) {
  ^bb0(%a: f32, %t: f32, %u: f32):
    %1 = arith.addf %a, %t : f32
    %2 = arith.maximumf %u, %a : f32
    linalg.yield %1, %2 : f32, f32
  } -> (tensor<?xf32>, tensor<?xf32>)
  return %0#0, %0#1 : tensor<?xf32>, tensor<?xf32>
}

// -----

// Too few terms to be worth it; a parallel outer loop; no combiner; a product with a
// vector.

#id = affine_map<(n, i, c) -> (n, i, c)>
#channel = affine_map<(n, i, c) -> (c)>
#sample = affine_map<(n, i, c) -> (n)>
#vector = affine_map<(n, i, c) -> (n, i)>

// CHECK-LABEL: func @whole
//       CHECK:   linalg.generic
//       CHECK:   linalg.generic
//       CHECK:   linalg.generic
//       CHECK:   linalg.generic
//   CHECK-NOT:   linalg.generic
func.func @whole(%x: tensor<4x2x8xf32>, %y: tensor<4x100x8xf32>, %v: tensor<4x100xf32>, %c: tensor<8xf32>, %n: tensor<4xf32>)
    -> (tensor<8xf32>, tensor<4xf32>, tensor<8xf32>, tensor<8xf32>) {
  %0 = linalg.generic {indexing_maps = [#id, #channel], iterator_types = ["reduction", "reduction", "parallel"]}
      ins(%x : tensor<4x2x8xf32>) outs(%c : tensor<8xf32>) {
  ^bb0(%a: f32, %s: f32):
    %4 = arith.addf %s, %a : f32
    linalg.yield %4 : f32
  } -> tensor<8xf32>
  %1 = linalg.generic {indexing_maps = [#id, #sample], iterator_types = ["parallel", "reduction", "reduction"]}
      ins(%y : tensor<4x100x8xf32>) outs(%n : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %4 = arith.addf %s, %a : f32
    linalg.yield %4 : f32
  } -> tensor<4xf32>
  %2 = linalg.generic {indexing_maps = [#id, #channel], iterator_types = ["reduction", "reduction", "parallel"]}
      ins(%y : tensor<4x100x8xf32>) outs(%c : tensor<8xf32>) {
  ^bb0(%a: f32, %s: f32):
    %4 = arith.subf %a, %s : f32
    linalg.yield %4 : f32
  } -> tensor<8xf32>
  %3 = linalg.generic {indexing_maps = [#id, #vector, #channel], iterator_types = ["reduction", "reduction", "parallel"]}
      ins(%y, %v : tensor<4x100x8xf32>, tensor<4x100xf32>) outs(%c : tensor<8xf32>) {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %4 = arith.mulf %a, %b : f32
    %5 = arith.addf %s, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<8xf32>
  return %0, %1, %2, %3 : tensor<8xf32>, tensor<4xf32>, tensor<8xf32>, tensor<8xf32>
}
