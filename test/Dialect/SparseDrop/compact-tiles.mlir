// RUN: sparsedrop-opt %s --remarks-filter='sparsedrop.*' -o /dev/null --pass-pipeline='builtin.module(sparsedrop-compact)' --split-input-file 2>&1 | FileCheck %s --check-prefix=REMARK --implicit-check-not='remark:'
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-compact,canonicalize,cse)' --split-input-file | FileCheck %s

// Rows of the weights are outputs: each class computes its own, and together they
// compute all.

// REMARK: remark: {{.*}}linalg.matmul compacted by rule C9

// CHECK-LABEL: func @forward
//  CHECK-SAME:   %[[X:.*]]: tensor<8x64xf32>, %[[W:.*]]: tensor<96x64xf32>, %[[P:.*]]: !sparsedrop
//   CHECK-NOT:   linalg.fill
//       CHECK:   %[[COUNT:.*]] = sparsedrop.class_count %[[P]]
//       CHECK:   %[[EMPTY:.*]] = tensor.empty() : tensor<8x96xf32>
//       CHECK:   %[[Y:.*]] = scf.for %[[Q:.*]] = %{{.*}} to %[[COUNT]] {{.*}} iter_args(%[[ALL:.*]] = %[[EMPTY]])
//   CHECK-DAG:     %[[ROWS:.*]] = sparsedrop.class_pattern %[[P]][%[[Q]]] dim(0) {{.*}} to !sparsedrop.pattern<row, granularity = 32>
//   CHECK-DAG:     %[[COLUMNS:.*]] = sparsedrop.class_pattern %[[P]][%[[Q]]] dim(1) {{.*}} to !sparsedrop.pattern<row, granularity = 16>
//   CHECK-DAG:     %[[XQ:.*]] = sparsedrop.compact %[[X]], %[[COLUMNS]] dim(1)
//   CHECK-DAG:     %[[WR:.*]] = sparsedrop.compact %[[W]], %[[ROWS]] dim(0)
//   CHECK-DAG:     %[[WQ:.*]] = sparsedrop.compact %[[WR]], %[[COLUMNS]] dim(1)
//       CHECK:     %[[PART:.*]] = linalg.matmul {{.*}}ins(%[[XQ]], %[[WQ]] : tensor<8x?xf32>, tensor<?x?xf32>)
//       CHECK:     %[[NEW:.*]] = sparsedrop.insert %[[PART]] into %[[ALL]], %[[ROWS]] dim(1)
//       CHECK:     scf.yield %[[NEW]]
//       CHECK:   } {sparsedrop.disjoint}
//       CHECK:   return %[[Y]]
func.func @forward(%x: tensor<8x64xf32>, %w: tensor<96x64xf32>, %p: !sparsedrop.pattern<tile, tile = [32, 16]>) -> tensor<8x96xf32> {
  %zero = arith.constant 0.0 : f32
  %d = sparsedrop.dropout %w, %p dim(0, 1) unscaled : tensor<96x64xf32>, !sparsedrop.pattern<tile, tile = [32, 16]>
  %e = tensor.empty() : tensor<8x96xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<8x96xf32>) -> tensor<8x96xf32>
  %y = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%x, %d : tensor<8x64xf32>, tensor<96x64xf32>) outs(%z : tensor<8x96xf32>) -> tensor<8x96xf32>
  return %y : tensor<8x96xf32>
}

// -----

// Of the input's gradient there are columns in no class where there are fewer rows
// than the period.

// REMARK: remark: {{.*}}linalg.matmul compacted by rule C9

// CHECK-LABEL: func @input_gradient
//       CHECK:   %[[ZEROS:.*]] = linalg.fill {{.*}} -> tensor<8x64xf32>
//       CHECK:   scf.for {{.*}} iter_args(%{{.*}} = %[[ZEROS]])
//       CHECK:   } {sparsedrop.disjoint}
func.func @input_gradient(%g: tensor<8x96xf32>, %w: tensor<96x64xf32>, %p: !sparsedrop.pattern<tile>) -> tensor<8x64xf32> {
  %zero = arith.constant 0.0 : f32
  %d = sparsedrop.dropout %w, %p dim(0, 1) unscaled : tensor<96x64xf32>, !sparsedrop.pattern<tile>
  %e = tensor.empty() : tensor<8x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
  %y = linalg.matmul ins(%g, %d : tensor<8x96xf32>, tensor<96x64xf32>) outs(%z : tensor<8x64xf32>) -> tensor<8x64xf32>
  return %y : tensor<8x64xf32>
}

// -----

// A product whose result is dropped: only kept tiles are computed.

// REMARK: remark: {{.*}}linalg.matmul compacted by rule C9

// CHECK-LABEL: func @weight_gradient
//       CHECK:   scf.for
//       CHECK:     %[[PART:.*]] = linalg.matmul {{.*}} -> tensor<?x?xf32>
//       CHECK:     %[[WIDE:.*]] = sparsedrop.insert %[[PART]] into %{{.*}}, %{{.*}} dim(0) : tensor<?x?xf32> into tensor<96x?xf32>
//       CHECK:     sparsedrop.insert %[[WIDE]] into %{{.*}}, %{{.*}} dim(1) : tensor<96x?xf32> into tensor<96x64xf32>
func.func @weight_gradient(%g: tensor<96x8xf32>, %x: tensor<8x64xf32>, %p: !sparsedrop.pattern<tile>) -> tensor<96x64xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<96x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<96x64xf32>) -> tensor<96x64xf32>
  %m = linalg.matmul ins(%g, %x : tensor<96x8xf32>, tensor<8x64xf32>) outs(%z : tensor<96x64xf32>) -> tensor<96x64xf32>
  %d = sparsedrop.dropout %m, %p dim(0, 1) unscaled : tensor<96x64xf32>, !sparsedrop.pattern<tile>
  return %d : tensor<96x64xf32>
}

// -----

// What else reads the weights gets a mask, and a reason.

// REMARK: remark: {{.*}}NotCompacted{{.*}}func.return reads all units of site "": it is not a structured op

// CHECK-LABEL: func @masked
//       CHECK:   sparsedrop.mask
//       CHECK:   linalg.generic
//       CHECK:   return
func.func @masked(%w: tensor<96x64xf32>, %p: !sparsedrop.pattern<tile>) -> tensor<96x64xf32> {
  %d = sparsedrop.dropout %w, %p dim(0, 1) : tensor<96x64xf32>, !sparsedrop.pattern<tile>
  return %d : tensor<96x64xf32>
}

// -----

// A period of 1 drops nothing.

// CHECK-LABEL: func @whole
//   CHECK-NOT:   scf.for
//       CHECK:   linalg.matmul ins(%{{.*}}, %arg1 :
func.func @whole(%x: tensor<8x64xf32>, %w: tensor<64x96xf32>, %z: tensor<8x96xf32>) -> tensor<8x96xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %c96 = arith.constant 96 : index
  %p = sparsedrop.make_pattern period(%c1) bias(%c0) extents(%c64, %c96) : !sparsedrop.pattern<tile>
  %d = sparsedrop.dropout %w, %p dim(0, 1) unscaled : tensor<64x96xf32>, !sparsedrop.pattern<tile>
  %y = linalg.matmul ins(%x, %d : tensor<8x64xf32>, tensor<64x96xf32>) outs(%z : tensor<8x96xf32>) -> tensor<8x96xf32>
  return %y : tensor<8x96xf32>
}

// -----

// What is rounded before it is dropped, and what is updated with it: a class computes
// the product, what is behind it, and the new weights, of its tiles only.

#ij = affine_map<(i, j) -> (i, j)>

// REMARK: remark: {{.*}}linalg.matmul compacted by rule C9
// REMARK: remark: {{.*}}linalg.generic compacted by rule C9

// CHECK-LABEL: func @rounded_update
//   CHECK-NOT:   linalg
//       CHECK:   scf.for {{.*}} iter_args(%[[W:.*]] = %arg2)
//       CHECK:     %[[PART:.*]] = linalg.matmul {{.*}} -> tensor<?x?xf32>
//       CHECK:     %[[ROUNDED:.*]] = linalg.generic {{.*}} ins(%[[PART]] : tensor<?x?xf32>)
//       CHECK:       arith.truncf
//       CHECK:     %[[NEW:.*]] = linalg.generic {{.*}} ins(%[[ROUNDED]] : tensor<?x?xbf16>)
//       CHECK:       arith.subf
//       CHECK:     sparsedrop.insert %[[NEW]] into
//       CHECK:   } {sparsedrop.disjoint}
//   CHECK-NOT:   linalg
//       CHECK:   return
func.func @rounded_update(%g: tensor<96x8xbf16>, %x: tensor<8x64xbf16>, %w: tensor<96x64xbf16>, %p: !sparsedrop.pattern<tile>) -> tensor<96x64xbf16> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<96x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<96x64xf32>) -> tensor<96x64xf32>
  %m = linalg.matmul ins(%g, %x : tensor<96x8xbf16>, tensor<8x64xbf16>) outs(%z : tensor<96x64xf32>) -> tensor<96x64xf32>
  %f = tensor.empty() : tensor<96x64xbf16>
  %r = linalg.generic {indexing_maps = [#ij, #ij], iterator_types = ["parallel", "parallel"]}
      ins(%m : tensor<96x64xf32>) outs(%f : tensor<96x64xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %0 = arith.truncf %a : f32 to bf16
    linalg.yield %0 : bf16
  } -> tensor<96x64xbf16>
  %d = sparsedrop.dropout %r, %p dim(0, 1) unscaled : tensor<96x64xbf16>, !sparsedrop.pattern<tile>
  %new = linalg.generic {indexing_maps = [#ij, #ij], iterator_types = ["parallel", "parallel"]}
      ins(%d : tensor<96x64xbf16>) outs(%w : tensor<96x64xbf16>) {
  ^bb0(%a: bf16, %o: bf16):
    %0 = arith.extf %a : bf16 to f32
    %1 = arith.extf %o : bf16 to f32
    %2 = arith.subf %1, %0 : f32
    %3 = arith.truncf %2 : f32 to bf16
    linalg.yield %3 : bf16
  } -> tensor<96x64xbf16>
  return %new : tensor<96x64xbf16>
}

// -----

// A product that does not begin from zeros is no part of a class; the other one is.

#ii = affine_map<(i, j) -> (i, j)>

// REMARK: remark: {{.*}}linalg.matmul compacted by rule C9
// REMARK: remark: {{.*}}NotCompacted{{.*}}linalg.matmul computes all units

// CHECK-LABEL: func @two_products
//       CHECK:   %[[WHOLE:.*]] = linalg.matmul {{.*}}outs(%{{.*}} : tensor<96x64xf32>)
//       CHECK:   scf.for
//       CHECK:     linalg.matmul {{.*}} -> tensor<?x?xf32>
//       CHECK:     sparsedrop.compact %[[WHOLE]], %{{.*}} dim(0)
//       CHECK:     arith.mulf
func.func @two_products(%g: tensor<96x8xf32>, %x: tensor<8x64xf32>, %c: tensor<96x64xf32>, %p: !sparsedrop.pattern<tile>) -> tensor<96x64xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<96x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<96x64xf32>) -> tensor<96x64xf32>
  %0 = linalg.matmul ins(%g, %x : tensor<96x8xf32>, tensor<8x64xf32>) outs(%c : tensor<96x64xf32>) -> tensor<96x64xf32>
  %1 = linalg.matmul ins(%g, %x : tensor<96x8xf32>, tensor<8x64xf32>) outs(%z : tensor<96x64xf32>) -> tensor<96x64xf32>
  %r = linalg.generic {indexing_maps = [#ii, #ii, #ii], iterator_types = ["parallel", "parallel"]}
      ins(%0, %1 : tensor<96x64xf32>, tensor<96x64xf32>) outs(%e : tensor<96x64xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %2 = arith.mulf %a, %b : f32
    linalg.yield %2 : f32
  } -> tensor<96x64xf32>
  %d = sparsedrop.dropout %r, %p dim(0, 1) unscaled : tensor<96x64xf32>, !sparsedrop.pattern<tile>
  return %d : tensor<96x64xf32>
}

// -----

// What is not zero where nothing is dropped keeps its other columns; what is read is
// scaled.

#id = affine_map<(i, j) -> (i, j)>

// REMARK: remark: {{.*}}linalg.generic compacted by rule C9

// CHECK-LABEL: func @update
//  CHECK-SAME:   %[[OLD:.*]]: tensor<96x64xf32>, %[[W:.*]]: tensor<96x64xf32>
//       CHECK:   scf.for {{.*}} iter_args(%[[ALL:.*]] = %[[OLD]])
//       CHECK:     %[[SCALED:.*]] = linalg.generic
//       CHECK:       arith.mulf
//       CHECK:     %[[PART:.*]] = linalg.generic {{.*}} ins(%[[SCALED]] : tensor<?x?xf32>)
//       CHECK:       arith.subf
//       CHECK:     %[[COLUMNS:.*]] = sparsedrop.insert %[[PART]] into %{{.*}}, %{{.*}} dim(0) : tensor<?x?xf32> into tensor<96x?xf32>
//       CHECK:     sparsedrop.insert %[[COLUMNS]] into %[[ALL]], %{{.*}} dim(1) : tensor<96x?xf32> into tensor<96x64xf32>
func.func @update(%old: tensor<96x64xf32>, %w: tensor<96x64xf32>, %p: !sparsedrop.pattern<tile>) -> tensor<96x64xf32> {
  %d = sparsedrop.dropout %w, %p dim(0, 1) : tensor<96x64xf32>, !sparsedrop.pattern<tile>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%d : tensor<96x64xf32>) outs(%old : tensor<96x64xf32>) {
  ^bb0(%e: f32, %o: f32):
    %0 = arith.subf %o, %e : f32
    linalg.yield %0 : f32
  } -> tensor<96x64xf32>
  return %y : tensor<96x64xf32>
}

// -----

// The other operand is a mask.

// REMARK: remark: {{.*}}linalg.matmul compacted by rule C9
// REMARK: remark: {{.*}}NotCompacted{{.*}}sparsedrop.compact reads all units
// REMARK: remark: {{.*}}NotCompacted{{.*}}linalg.generic computes all units

// CHECK-LABEL: func @twice
//       CHECK:   sparsedrop.mask
//       CHECK:   %[[MASKED:.*]] = linalg.generic
//       CHECK:   scf.for
//       CHECK:     sparsedrop.compact %[[MASKED]]
//       CHECK:     linalg.matmul {{.*}} -> tensor<?x96xf32>
func.func @twice(%w: tensor<96x64xf32>, %p: !sparsedrop.pattern<tile>) -> tensor<96x96xf32> {
  %zero = arith.constant 0.0 : f32
  %d = sparsedrop.dropout %w, %p dim(0, 1) unscaled : tensor<96x64xf32>, !sparsedrop.pattern<tile>
  %e = tensor.empty() : tensor<96x96xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<96x96xf32>) -> tensor<96x96xf32>
  %y = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%d, %d : tensor<96x64xf32>, tensor<96x64xf32>) outs(%z : tensor<96x96xf32>) -> tensor<96x96xf32>
  return %y : tensor<96x96xf32>
}
