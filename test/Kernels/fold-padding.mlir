// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-fold-padding,canonicalize)' --split-input-file | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-fold-padding)' --split-input-file --remarks-filter=sparsedrop-fold-padding 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK

#x = affine_map<(n, h, w, f, i, j, c) -> (n, h * 2 + i, w + j * 3, c)>
#w = affine_map<(n, h, w, f, i, j, c) -> (i, j, c, f)>
#y = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, f)>

// Zeros before and behind: the contraction reads outside.

// REMARK: remark: [Passed] {{.*}}operand 0 is read without a padded copy
// CHECK: affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1 * 2 + d4, d2 + d5 * 3 - 2, d6)>
// CHECK-LABEL: func.func @pad(
// CHECK-SAME: %[[X:.*]]: tensor<2x8x8x16xf32>
// CHECK-NOT: tensor.pad
// CHECK: sparsedrop.contract {{.*}} ins(%[[X]],
func.func @pad(%x: tensor<2x8x8x16xf32>, %w: tensor<3x3x16x32xf32>, %y: tensor<2x4x5x32xf32>) -> tensor<2x4x5x32xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 0, 2, 0] high[0, 1, 1, 0] {
    ^bb0(%a: index, %b: index, %c: index, %d: index):
      tensor.yield %zero : f32
  } : tensor<2x8x8x16xf32> to tensor<2x9x11x16xf32>
  %0 = sparsedrop.contract {indexing_maps = [#x, #w, #y]}
      ins(%p, %w : tensor<2x9x11x16xf32>, tensor<3x3x16x32xf32>) outs(%y : tensor<2x4x5x32xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  } -> tensor<2x4x5x32xf32>
  return %0 : tensor<2x4x5x32xf32>
}

// -----

#x = affine_map<(n, h, w, f, i, j, c) -> (n, h + i, w + j, c)>
#w = affine_map<(n, h, w, f, i, j, c) -> (i, j, c, f)>
#y = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, f)>
#r = affine_map<(i, j, c, f) -> (2 - i, j, c, f)>
#id = affine_map<(i, j, c, f) -> (i, j, c, f)>

// The gradient of a padded image: zeros that are inserted in two steps, taps in the
// other order, and the middle of the result, which is rounded before.

// CHECK-DAG: affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1 + d4 - 1, d2 + d5 - 1, d6)>
// CHECK-DAG: affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (-d4 + 2, d5, d6, d3)>
// CHECK-LABEL: func.func @gradient(
// CHECK-SAME: %[[X:.*]]: tensor<2x6x6x16xf32>, %[[W:.*]]: tensor<3x3x16x32xf32>
// CHECK-NOT: insert_slice
// CHECK: %[[Y:.*]] = sparsedrop.contract {{.*}} ins(%[[X]], %[[W]] : {{.*}} outs({{.*}} : tensor<2x6x6x32xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[Y]] : tensor<2x6x6x32xf32>)
// CHECK-NOT: extract_slice
func.func @gradient(%x: tensor<2x6x6x16xf32>, %w: tensor<3x3x16x32xf32>) -> tensor<2x6x6x32xbf16> {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<2x10x6x16xf32>
  %z0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<2x10x6x16xf32>) -> tensor<2x10x6x16xf32>
  %p0 = tensor.insert_slice %x into %z0[0, 2, 0, 0] [2, 6, 6, 16] [1, 1, 1, 1] : tensor<2x6x6x16xf32> into tensor<2x10x6x16xf32>
  %e1 = tensor.empty() : tensor<2x10x10x16xf32>
  %z1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<2x10x10x16xf32>) -> tensor<2x10x10x16xf32>
  %p1 = tensor.insert_slice %p0 into %z1[0, 0, 2, 0] [2, 10, 6, 16] [1, 1, 1, 1] : tensor<2x10x6x16xf32> into tensor<2x10x10x16xf32>
  %e2 = tensor.empty() : tensor<3x3x16x32xf32>
  %r = linalg.generic {indexing_maps = [#r, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%w : tensor<3x3x16x32xf32>) outs(%e2 : tensor<3x3x16x32xf32>) {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  } -> tensor<3x3x16x32xf32>
  %e3 = tensor.empty() : tensor<2x8x8x32xf32>
  %0 = sparsedrop.contract {indexing_maps = [#x, #w, #y]}
      ins(%p1, %r : tensor<2x10x10x16xf32>, tensor<3x3x16x32xf32>) outs(%e3 : tensor<2x8x8x32xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  } -> tensor<2x8x8x32xf32>
  %e4 = tensor.empty() : tensor<2x8x8x32xbf16>
  %t = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%0 : tensor<2x8x8x32xf32>) outs(%e4 : tensor<2x8x8x32xbf16>) {
  ^bb0(%a: f32, %o: bf16):
    %1 = arith.truncf %a : f32 to bf16
    linalg.yield %1 : bf16
  } -> tensor<2x8x8x32xbf16>
  %s = tensor.extract_slice %t[0, 1, 1, 0] [2, 6, 6, 32] [1, 1, 1, 1] : tensor<2x8x8x32xbf16> to tensor<2x6x6x32xbf16>
  return %s : tensor<2x6x6x32xbf16>
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// A loop has its extent from the padded dimension; a pad that is not zero; elements
// that are apart; a part of a product that others read, too.

// REMARK: remark: [Missed] {{.*}}operand 0 is a padded copy: dimension 1 is indexed by one loop alone
// REMARK: remark: [Missed] {{.*}}operand 1 is a spread-out copy: its elements are some apart
// CHECK-LABEL: func.func @stays(
// CHECK-COUNT-2: tensor.pad
// CHECK: tensor.extract_slice
func.func @stays(%x: tensor<8x6xf32>, %w: tensor<8x16xf32>, %v: tensor<4x16xf32>, %y: tensor<8x16xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>, tensor<4x16xf32>) {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %p = tensor.pad %x low[0, 1] high[0, 1] {
    ^bb0(%a: index, %b: index):
      tensor.yield %zero : f32
  } : tensor<8x6xf32> to tensor<8x8xf32>
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%p, %w : tensor<8x8xf32>, tensor<8x16xf32>) outs(%y : tensor<8x16xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  } -> tensor<8x16xf32>
  %q = tensor.pad %x low[0, 1] high[0, 1] {
    ^bb0(%a: index, %b: index):
      tensor.yield %one : f32
  } : tensor<8x6xf32> to tensor<8x8xf32>
  %e = tensor.empty() : tensor<8x16xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<8x16xf32>) -> tensor<8x16xf32>
  %s = tensor.insert_slice %v into %z[0, 0] [4, 16] [2, 1] : tensor<4x16xf32> into tensor<8x16xf32>
  %1 = sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%q, %s : tensor<8x8xf32>, tensor<8x16xf32>) outs(%y : tensor<8x16xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  } -> tensor<8x16xf32>
  %part = tensor.extract_slice %1[2, 0] [4, 16] [1, 1] : tensor<8x16xf32> to tensor<4x16xf32>
  return %0, %1, %part : tensor<8x16xf32>, tensor<8x16xf32>, tensor<4x16xf32>
}

// -----

#x = affine_map<(i, j, c, f, n, h, w) -> (n, h + i, w + j, c)>
#dy = affine_map<(i, j, c, f, n, h, w) -> (n, h, w, f)>
#dw = affine_map<(i, j, c, f, n, h, w) -> (i, j, c, f)>

// Kept blocks of channels of a padded image were collapsed: the gradient of the filters
// has a loop for each dimension.

// CHECK-DAG: affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d5, d0 + d6 - 1, d1 + d7 - 1, d2, d3)>
// CHECK-DAG: affine_map<(d0, d1, d2, d3, d4, d5, d6, d7) -> (d0, d1, d2, d3, d4)>
// CHECK-LABEL: func.func @blocks(
// CHECK-SAME: %[[X:.*]]: tensor<2x6x6x?x16xf32>
// CHECK-NOT: collapse_shape
// CHECK: %[[DW:.*]] = sparsedrop.contract {{.*}} ins(%[[X]], %{{.*}} outs(%{{.*}} : tensor<3x3x?x16x8xf32>)
// CHECK: return %[[DW]]
func.func @blocks(%x: tensor<2x6x6x?x16xf32>, %dy: tensor<2x6x6x8xf32>, %n: index, %m: index) -> tensor<3x3x?x16x8xf32> {
  %zero = arith.constant 0.0 : f32
  %p = tensor.pad %x low[0, 1, 1, 0, 0] high[0, 1, 1, 0, 0] {
    ^bb0(%a: index, %b: index, %c: index, %d: index, %e: index):
      tensor.yield %zero : f32
  } : tensor<2x6x6x?x16xf32> to tensor<2x8x8x?x16xf32>
  %q = tensor.collapse_shape %p [[0], [1], [2], [3, 4]] : tensor<2x8x8x?x16xf32> into tensor<2x8x8x?xf32>
  %init = tensor.empty(%m) : tensor<3x3x?x8xf32>
  %0 = sparsedrop.contract {indexing_maps = [#x, #dy, #dw]}
      ins(%q, %dy : tensor<2x8x8x?xf32>, tensor<2x6x6x8xf32>) outs(%init : tensor<3x3x?x8xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  } -> tensor<3x3x?x8xf32>
  %r = tensor.expand_shape %0 [[0], [1], [2, 3], [4]] output_shape [3, 3, %n, 16, 8] : tensor<3x3x?x8xf32> into tensor<3x3x?x16x8xf32>
  return %r : tensor<3x3x?x16x8xf32>
}

// -----

#x = affine_map<(n, h, w, f, i, j, c) -> (n, h + i, w + j, c)>
#w = affine_map<(n, h, w, f, i, j, c) -> (i, j, c, f)>
#y = affine_map<(n, h, w, f, i, j, c) -> (n, h, w, f)>

// A part of a padded image; what is beside a part is not zero, so that of a part of a
// padded part only the part of the padded one folds.

// CHECK: affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1 + d4 - 1, d2 + d5, d6)>
// CHECK-LABEL: func.func @part(
// CHECK-SAME: %[[X:.*]]: tensor<2x8x10x16xf32>
// CHECK: %[[INNER:.*]] = tensor.extract_slice %[[X]][0, 1, 0, 0]
// CHECK: sparsedrop.contract {{.*}} ins(%[[INNER]],
func.func @part(%x: tensor<2x8x10x16xf32>, %w: tensor<3x3x16x32xf32>, %y: tensor<2x6x8x32xf32>) -> tensor<2x6x8x32xf32> {
  %zero = arith.constant 0.0 : f32
  %i = tensor.extract_slice %x[0, 1, 0, 0] [2, 6, 10, 16] [1, 1, 1, 1] : tensor<2x8x10x16xf32> to tensor<2x6x10x16xf32>
  %p = tensor.pad %i low[0, 2, 0, 0] high[0, 2, 0, 0] {
    ^bb0(%a: index, %b: index, %c: index, %d: index):
      tensor.yield %zero : f32
  } : tensor<2x6x10x16xf32> to tensor<2x10x10x16xf32>
  %s = tensor.extract_slice %p[0, 1, 0, 0] [2, 8, 10, 16] [1, 1, 1, 1] : tensor<2x10x10x16xf32> to tensor<2x8x10x16xf32>
  %0 = sparsedrop.contract {indexing_maps = [#x, #w, #y]}
      ins(%s, %w : tensor<2x8x10x16xf32>, tensor<3x3x16x32xf32>) outs(%y : tensor<2x6x8x32xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  } -> tensor<2x6x8x32xf32>
  return %0 : tensor<2x6x8x32xf32>
}
