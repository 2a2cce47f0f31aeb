// RUN: sparsedrop-opt %s --split-input-file --pass-pipeline='builtin.module(sparsedrop-compact,cse)' | FileCheck %s

// Rule C3: both operands of a product shrink along the contraction.

// CHECK-LABEL: func @contraction
//  CHECK-SAME: %[[X:.*]]: tensor<8x64xf32>, %[[W:.*]]: tensor<64x16xf32>, %[[INIT:.*]]: tensor<8x16xf32>, %[[P:.*]]: !sparsedrop.pattern<row>
//   CHECK-DAG: %[[XC:.*]] = sparsedrop.compact %[[X]], %[[P]] dim(1)
//   CHECK-DAG: %[[WC:.*]] = sparsedrop.compact %[[W]], %[[P]] dim(0)
//       CHECK: %[[Y:.*]] = linalg.matmul ins(%[[XC]], %[[WC]] : tensor<8x?xf32>, tensor<?x16xf32>) outs(%[[INIT]]
//       CHECK: return %[[Y]]
func.func @contraction(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>,
                       %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %0 = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %1 = linalg.matmul ins(%0, %w : tensor<8x64xf32>, tensor<64x16xf32>)
                     outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %1 : tensor<8x16xf32>
}

// -----

// Any transposition, by indexing maps.

#a = affine_map<(m, n, k) -> (k, m)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

// CHECK-LABEL: func @transposed
//  CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<64x8xf32>, %[[W:[a-z0-9]+]]: tensor<16x64xf32>
//   CHECK-DAG: %[[XC:.*]] = sparsedrop.compact %[[X]], %{{.*}} dim(0)
//   CHECK-DAG: %[[WC:.*]] = sparsedrop.compact %[[W]], %{{.*}} dim(1)
//       CHECK: linalg.matmul indexing_maps = {{.*}} ins(%[[XC]], %[[WC]] : tensor<?x8xf32>, tensor<16x?xf32>)
func.func @transposed(%x: tensor<64x8xf32>, %w: tensor<16x64xf32>, %init: tensor<8x16xf32>,
                      %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %0 = sparsedrop.dropout %x, %p dim(0) unscaled : tensor<64x8xf32>, !sparsedrop.pattern<row>
  %1 = linalg.matmul indexing_maps = [#a, #b, #c]
      ins(%0, %w : tensor<64x8xf32>, tensor<16x64xf32>)
      outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %1 : tensor<8x16xf32>
}

// -----

// CHECK-LABEL: func @batch_and_vector
//       CHECK: linalg.batch_matmul ins(%{{.*}}, %{{.*}} : tensor<3x8x?xf32>, tensor<3x?x16xf32>)
//       CHECK: linalg.matvec ins(%{{.*}}, %{{.*}} : tensor<16x?xf32>, tensor<?xf32>)
func.func @batch_and_vector(%x: tensor<3x8x64xf32>, %w: tensor<3x64x16xf32>, %init: tensor<3x8x16xf32>,
                            %m: tensor<16x64xf32>, %v: tensor<64xf32>, %vi: tensor<16xf32>,
                            %p: !sparsedrop.pattern<row>) -> (tensor<3x8x16xf32>, tensor<16xf32>) {
  %0 = sparsedrop.dropout %x, %p dim(2) unscaled : tensor<3x8x64xf32>, !sparsedrop.pattern<row>
  %1 = linalg.batch_matmul ins(%0, %w : tensor<3x8x64xf32>, tensor<3x64x16xf32>)
                           outs(%init : tensor<3x8x16xf32>) -> tensor<3x8x16xf32>
  %2 = sparsedrop.dropout %v, %p dim(0) unscaled : tensor<64xf32>, !sparsedrop.pattern<row>
  %3 = linalg.matvec ins(%m, %2 : tensor<16x64xf32>, tensor<64xf32>) outs(%vi : tensor<16xf32>) -> tensor<16xf32>
  return %1, %3 : tensor<3x8x16xf32>, tensor<16xf32>
}

// -----

// The channel loop of a convolution is a plain reduction loop.

// CHECK-LABEL: func @convolution
//       CHECK: linalg.conv_2d_nhwc_hwcf {{.*}}ins(%{{.*}}, %{{.*}} : tensor<1x9x9x?xf32>, tensor<3x3x?x8xf32>)
func.func @convolution(%x: tensor<1x9x9x64xf32>, %w: tensor<3x3x64x8xf32>, %init: tensor<1x4x4x8xf32>,
                       %p: !sparsedrop.pattern<row>) -> tensor<1x4x4x8xf32> {
  %0 = sparsedrop.dropout %x, %p dim(3) unscaled : tensor<1x9x9x64xf32>, !sparsedrop.pattern<row>
  %1 = linalg.conv_2d_nhwc_hwcf {strides = dense<2> : tensor<2xi64>}
      ins(%0, %w : tensor<1x9x9x64xf32>, tensor<3x3x64x8xf32>)
      outs(%init : tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
  return %1 : tensor<1x4x4x8xf32>
}

// -----

// A window loop occurs in a compound expression: no rule, and a copy that is
// full of zeros.

// CHECK-LABEL: func @window
//       CHECK: %[[E:.*]] = sparsedrop.expand
//       CHECK: linalg.conv_1d
//  CHECK-SAME: sparsedrop.missed = "the loop occurs in a compound index expression"
//  CHECK-SAME: ins(%{{.*}}, %[[E]]
func.func @window(%x: tensor<16xf32>, %w: tensor<3xf32>, %init: tensor<14xf32>,
                  %p: !sparsedrop.pattern<row>) -> tensor<14xf32> {
  %0 = sparsedrop.dropout %w, %p dim(0) unscaled : tensor<3xf32>, !sparsedrop.pattern<row>
  %1 = linalg.conv_1d ins(%x, %0 : tensor<16xf32>, tensor<3xf32>) outs(%init : tensor<14xf32>) -> tensor<14xf32>
  return %1 : tensor<14xf32>
}

// -----

// Rule C2 through an elementwise op and the product before it: all users agree.

#map = affine_map<(m, n) -> (m, n)>
#bias = affine_map<(m, n) -> (n)>

// CHECK-LABEL: func @producer
//  CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<8x32xf32>, %[[W1:[a-z0-9]+]]: tensor<32x64xf32>, %[[B:[a-z0-9]+]]: tensor<64xf32>
//   CHECK-NOT: tensor<8x64xf32>
//   CHECK-DAG: %[[W1C:.*]] = sparsedrop.compact %[[W1]], %{{.*}} dim(1)
//   CHECK-DAG: %[[BC:.*]] = sparsedrop.compact %[[B]], %{{.*}} dim(0)
//       CHECK: linalg.matmul ins(%[[X]], %[[W1C]] : tensor<8x32xf32>, tensor<32x?xf32>)
//       CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[BC]] : tensor<8x?xf32>, tensor<?xf32>)
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<8x?xf32>, tensor<?x16xf32>)
//   CHECK-NOT: tensor<8x64xf32>
//       CHECK: return
func.func @producer(%x: tensor<8x32xf32>, %w1: tensor<32x64xf32>, %b: tensor<64xf32>,
                    %w2: tensor<64x16xf32>, %init: tensor<8x16xf32>,
                    %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x64xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
  %m = linalg.matmul ins(%x, %w1 : tensor<8x32xf32>, tensor<32x64xf32>) outs(%z : tensor<8x64xf32>) -> tensor<8x64xf32>
  // exp(0) is not 0: what is dropped is dropped after it.
  %h = linalg.generic {indexing_maps = [#map, #bias, #map], iterator_types = ["parallel", "parallel"]}
      ins(%m, %b : tensor<8x64xf32>, tensor<64xf32>) outs(%e : tensor<8x64xf32>) {
    ^bb0(%a: f32, %c: f32, %out: f32):
      %s = arith.addf %a, %c : f32
      %r = math.exp %s : f32
      linalg.yield %r : f32
  } -> tensor<8x64xf32>
  %d = sparsedrop.dropout %h, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %y = linalg.matmul ins(%d, %w2 : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// -----

// What has a user that needs all units is computed whole, and the kept ones are
// copied.

#map = affine_map<(m, n) -> (m, n)>

// CHECK-LABEL: func @disagreeing
//       CHECK: %[[M:.*]] = linalg.matmul {{.*}}sparsedrop.missed = "not all users of the product agree
//  CHECK-SAME: -> tensor<8x64xf32>
//       CHECK: %[[H:.*]] = linalg.exp {sparsedrop.missed = "not all of its users agree on the units they keep"} ins(%[[M]] : tensor<8x64xf32>)
//       CHECK: %[[C:.*]] = sparsedrop.compact %[[H]]
//       CHECK: linalg.matmul ins(%[[C]]
//       CHECK: return %{{.*}}, %[[H]]
func.func @disagreeing(%x: tensor<8x32xf32>, %w1: tensor<32x64xf32>, %w2: tensor<64x16xf32>,
                       %z: tensor<8x64xf32>, %init: tensor<8x16xf32>,
                       %p: !sparsedrop.pattern<row>) -> (tensor<8x16xf32>, tensor<8x64xf32>) {
  %e = tensor.empty() : tensor<8x64xf32>
  %m = linalg.matmul ins(%x, %w1 : tensor<8x32xf32>, tensor<32x64xf32>) outs(%z : tensor<8x64xf32>) -> tensor<8x64xf32>
  %h = linalg.exp ins(%m : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
  %d = sparsedrop.dropout %h, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %y = linalg.matmul ins(%d, %w2 : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y, %h : tensor<8x16xf32>, tensor<8x64xf32>
}

// -----

// Rule C4: relu(0) = 0, so the expand moves behind it ...

#map = affine_map<(m, n) -> (m, n)>

// CHECK-LABEL: func @relu_after
//       CHECK: %[[C:.*]] = sparsedrop.compact
//       CHECK: %[[R:.*]] = linalg.generic {{.*}} ins(%[[C]] : tensor<8x?xf32>)
//       CHECK: %[[E:.*]] = sparsedrop.expand %[[R]]
//       CHECK: return {{.*}}%[[E]]
func.func @relu_after(%x: tensor<8x64xf32>, %p: !sparsedrop.pattern<row>) -> tensor<8x64xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x64xf32>
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %h = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%d : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) {
    ^bb0(%a: f32, %out: f32):
      %r = arith.maximumf %a, %zero : f32
      linalg.yield %r : f32
  } -> tensor<8x64xf32>
  return %h : tensor<8x64xf32>
}

// -----

// ... but not behind a sigmoid, which is 0.5 at 0: only the kept slice is written.

#map = affine_map<(m, n) -> (m, n)>

// CHECK-LABEL: func @sigmoid_after
//  CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<8x64xf32>
//   CHECK-NOT: sparsedrop.expand
//   CHECK-DAG: %[[HALF:.*]] = arith.constant 5.000000e-01 : f32
//   CHECK-DAG: %[[XC:.*]] = sparsedrop.compact %[[X]]
//   CHECK-DAG: %[[ALL:.*]] = linalg.fill {{.*}}ins(%[[HALF]] : f32)
//       CHECK: %[[S:.*]] = linalg.generic {{.*}}ins(%[[XC]] : tensor<8x?xf32>)
//       CHECK: sparsedrop.insert %[[S]] into %[[ALL]]
func.func @sigmoid_after(%x: tensor<8x64xf32>, %p: !sparsedrop.pattern<row>) -> tensor<8x64xf32> {
  %one = arith.constant 1.0 : f32
  %e = tensor.empty() : tensor<8x64xf32>
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %h = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%d : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) {
    ^bb0(%a: f32, %out: f32):
      %n = arith.negf %a : f32
      %x1 = math.exp %n : f32
      %s = arith.addf %x1, %one : f32
      %r = arith.divf %one, %s : f32
      linalg.yield %r : f32
  } -> tensor<8x64xf32>
  return %h : tensor<8x64xf32>
}

// -----

// A maximum over dropped values sees their zeros: no rule.

// CHECK-LABEL: func @max_reduction
//       CHECK: %[[E:.*]] = sparsedrop.expand
//       CHECK: linalg.reduce
//  CHECK-SAME: ins(%[[E]] : tensor<8x64xf32>)
func.func @max_reduction(%x: tensor<8x64xf32>, %init: tensor<8xf32>, %p: !sparsedrop.pattern<row>) -> tensor<8xf32> {
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %r = linalg.reduce { arith.maximumf } ins(%d : tensor<8x64xf32>) outs(%init : tensor<8xf32>) dimensions = [1]
  return %r : tensor<8xf32>
}

// -----

// A sum needs the kept ones only; dividing it by the full number makes a mean.

// CHECK-LABEL: func @sum_reduction
//       CHECK: %[[C:.*]] = sparsedrop.compact
//       CHECK: linalg.reduce {{.*}}ins(%[[C]] : tensor<8x?xf32>)
func.func @sum_reduction(%x: tensor<8x64xf32>, %init: tensor<8xf32>, %p: !sparsedrop.pattern<row>) -> tensor<8xf32> {
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %r = linalg.reduce { arith.addf } ins(%d : tensor<8x64xf32>) outs(%init : tensor<8xf32>) dimensions = [1]
  return %r : tensor<8xf32>
}

// -----

// Rule C5: an accumulation into rows that are dropped leaves them alone.

// CHECK-LABEL: func @accumulate_rows
//  CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<64x8xf32>, %[[W:[a-z0-9]+]]: tensor<8x16xf32>, %[[INIT:[a-z0-9]+]]: tensor<64x16xf32>
//   CHECK-DAG: %[[XC:.*]] = sparsedrop.compact %[[X]]
//   CHECK-DAG: %[[IC:.*]] = sparsedrop.compact %[[INIT]]
//       CHECK: %[[M:.*]] = linalg.matmul ins(%[[XC]], %[[W]] : tensor<?x8xf32>, tensor<8x16xf32>) outs(%[[IC]]
//       CHECK: %[[R:.*]] = sparsedrop.insert %[[M]] into %[[INIT]]
//       CHECK: return %[[R]]
func.func @accumulate_rows(%x: tensor<64x8xf32>, %w: tensor<8x16xf32>, %init: tensor<64x16xf32>,
                           %p: !sparsedrop.pattern<row>) -> tensor<64x16xf32> {
  %d = sparsedrop.dropout %x, %p dim(0) unscaled : tensor<64x8xf32>, !sparsedrop.pattern<row>
  %m = linalg.matmul ins(%d, %w : tensor<64x8xf32>, tensor<8x16xf32>) outs(%init : tensor<64x16xf32>) -> tensor<64x16xf32>
  return %m : tensor<64x16xf32>
}

// -----

// w - lr * g with g dropped: only the kept slice of the weight changes.

#map = affine_map<(m, n) -> (m, n)>

// CHECK-LABEL: func @update
//  CHECK-SAME: %[[W:[a-z0-9]+]]: tensor<64x16xf32>, %[[G:[a-z0-9]+]]: tensor<64x16xf32>
//       CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x16xf32>, tensor<?x16xf32>)
//       CHECK: sparsedrop.insert %{{.*}} into %[[W]]
func.func @update(%w: tensor<64x16xf32>, %g: tensor<64x16xf32>, %p: !sparsedrop.pattern<row>) -> tensor<64x16xf32> {
  %lr = arith.constant 0.1 : f32
  %e = tensor.empty() : tensor<64x16xf32>
  %d = sparsedrop.dropout %g, %p dim(0) unscaled : tensor<64x16xf32>, !sparsedrop.pattern<row>
  %u = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%w, %d : tensor<64x16xf32>, tensor<64x16xf32>) outs(%e : tensor<64x16xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %s = arith.mulf %b, %lr : f32
      %r = arith.subf %a, %s : f32
      linalg.yield %r : f32
  } -> tensor<64x16xf32>
  return %u : tensor<64x16xf32>
}

// -----

// linalg.index becomes the original index of the kept unit.

#map = affine_map<(m, n) -> (m, n)>

// CHECK-LABEL: func @index
//       CHECK: linalg.generic
//       CHECK: %[[I:.*]] = linalg.index 1
//       CHECK: sparsedrop.kept_index %{{.*}}[%[[I]]]
func.func @index(%x: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>,
                 %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %e = tensor.empty() : tensor<8x64xf32>
  %h = linalg.generic {indexing_maps = [#map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) {
    ^bb0(%a: f32, %out: f32):
      %i = linalg.index 1 : index
      %j = arith.index_cast %i : index to i64
      %f = arith.sitofp %j : i64 to f32
      %r = arith.mulf %a, %f : f32
      linalg.yield %r : f32
  } -> tensor<8x64xf32>
  %d = sparsedrop.dropout %h, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %y = linalg.matmul ins(%d, %w : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %y : tensor<8x16xf32>
}

// -----

// Sums of dropped values: with one pattern all is compact, with two one of them
// is materialized.

#map = affine_map<(m, n) -> (m, n)>

// CHECK-LABEL: func @same_pattern
//   CHECK-NOT: sparsedrop.expand
//       CHECK: linalg.add ins(%{{.*}} : tensor<8x?xf32>, tensor<8x?xf32>)
//   CHECK-NOT: sparsedrop.expand
//       CHECK: return
func.func @same_pattern(%x: tensor<8x64xf32>, %y: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>,
                        %p: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %e = tensor.empty() : tensor<8x64xf32>
  %a = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %b = sparsedrop.dropout %y, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %s = linalg.add ins(%a, %b : tensor<8x64xf32>, tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
  %r = linalg.matmul ins(%s, %w : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// CHECK-LABEL: func @two_patterns
//  CHECK-SAME: %[[P:[a-z0-9]+]]: !sparsedrop.pattern<row>, %[[Q:[a-z0-9]+]]: !sparsedrop.pattern<row>
//       CHECK: sparsedrop.expand %{{.*}}, %[[Q]]
//       CHECK: linalg.add
//       CHECK: sparsedrop.insert %{{.*}}, %[[P]]
//       CHECK: linalg.matmul ins(%{{.*}} : tensor<8x64xf32>, tensor<64x16xf32>)
func.func @two_patterns(%x: tensor<8x64xf32>, %y: tensor<8x64xf32>, %w: tensor<64x16xf32>, %init: tensor<8x16xf32>,
                        %p: !sparsedrop.pattern<row>, %q: !sparsedrop.pattern<row>) -> tensor<8x16xf32> {
  %e = tensor.empty() : tensor<8x64xf32>
  %a = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %b = sparsedrop.dropout %y, %q dim(1) unscaled : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %s = linalg.add ins(%a, %b : tensor<8x64xf32>, tensor<8x64xf32>) outs(%e : tensor<8x64xf32>) -> tensor<8x64xf32>
  %r = linalg.matmul ins(%s, %w : tensor<8x64xf32>, tensor<64x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  return %r : tensor<8x16xf32>
}

// -----

// What a pad puts beside the dropped dimension may depend on the original unit.

// CHECK-LABEL: func @pad_by_index
//       CHECK: tensor.pad
//       CHECK: ^bb0(%{{.*}}: index, %[[J:.*]]: index):
//       CHECK:   %[[K:.*]] = sparsedrop.kept_index %{{.*}}[%[[J]]]
//       CHECK:   arith.index_cast %[[K]]
func.func @pad_by_index(%x: tensor<4x24xf32>, %w: tensor<24x8xf32>, %init: tensor<6x8xf32>,
                        %p: !sparsedrop.pattern<row>) -> tensor<6x8xf32> {
  %h = tensor.pad %x low[1, 0] high[1, 0] {
    ^bb0(%i: index, %j: index):
      %c = arith.index_cast %j : index to i32
      %f = arith.sitofp %c : i32 to f32
      tensor.yield %f : f32
  } : tensor<4x24xf32> to tensor<6x24xf32>
  %d = sparsedrop.dropout %h, %p dim(1) unscaled : tensor<6x24xf32>, !sparsedrop.pattern<row>
  %y = linalg.matmul ins(%d, %w : tensor<6x24xf32>, tensor<24x8xf32>) outs(%init : tensor<6x8xf32>) -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}

// -----

// An operand dropped along both of its dimensions: the product shrinks in both,
// and so does what reads its result.

// CHECK-LABEL: func @both_dimensions
//   CHECK-NOT: sparsedrop.expand
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<4x?xf32>, tensor<?x?xf32>)
//       CHECK: linalg.tanh ins(%{{.*}} : tensor<4x?xf32>)
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<4x?xf32>, tensor<?x8xf32>)
func.func @both_dimensions(%x: tensor<4x24xf32>, %w: tensor<24x16xf32>, %v: tensor<16x8xf32>,
                           %p: !sparsedrop.pattern<row>, %q: !sparsedrop.pattern<row>) -> tensor<4x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x16xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4x16xf32>) -> tensor<4x16xf32>
  %ye = tensor.empty() : tensor<4x8xf32>
  %yz = linalg.fill ins(%zero : f32) outs(%ye : tensor<4x8xf32>) -> tensor<4x8xf32>
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<4x24xf32>, !sparsedrop.pattern<row>
  %wd = sparsedrop.dropout %w, %q dim(1) unscaled : tensor<24x16xf32>, !sparsedrop.pattern<row>
  %h = linalg.matmul ins(%d, %wd : tensor<4x24xf32>, tensor<24x16xf32>) outs(%z : tensor<4x16xf32>) -> tensor<4x16xf32>
  %r = linalg.tanh ins(%h : tensor<4x16xf32>) outs(%e : tensor<4x16xf32>) -> tensor<4x16xf32>
  %y = linalg.matmul ins(%r, %v : tensor<4x16xf32>, tensor<16x8xf32>) outs(%yz : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// The gradient of relu is zero where its result is dropped, wherever the
// constant stands.

#map = affine_map<(m, n) -> (m, n)>

// CHECK-LABEL: func @relu_gradient
//   CHECK-NOT: sparsedrop.insert
//       CHECK: linalg.generic {{.*}}ins(%{{.*}}, %{{.*}} : tensor<4x?xf32>, tensor<4x?xf32>)
//       CHECK: linalg.matmul ins(%{{.*}}, %{{.*}} : tensor<4x?xf32>, tensor<?x8xf32>)
func.func @relu_gradient(%g: tensor<4x24xf32>, %h: tensor<4x24xf32>, %w: tensor<24x8xf32>, %init: tensor<4x8xf32>,
                         %p: !sparsedrop.pattern<row>) -> tensor<4x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x24xf32>
  %d = sparsedrop.dropout %g, %p dim(1) unscaled : tensor<4x24xf32>, !sparsedrop.pattern<row>
  %r = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel", "parallel"]}
      ins(%d, %h : tensor<4x24xf32>, tensor<4x24xf32>) outs(%e : tensor<4x24xf32>) {
    ^bb0(%a: f32, %b: f32, %out: f32):
      %c = arith.cmpf ogt, %b, %zero : f32
      %s = arith.select %c, %a, %zero : f32
      linalg.yield %s : f32
  } -> tensor<4x24xf32>
  %y = linalg.matmul ins(%r, %w : tensor<4x24xf32>, tensor<24x8xf32>) outs(%init : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Each iteration of a reduction loop that indexes the result has an element of
// its own: the loop does not shrink.

// CHECK-LABEL: func @result_along_reduction
// CHECK: linalg.generic
// CHECK-SAME: ins({{.*}} : tensor<5x23xf32>)
// CHECK: return {{.*}} : tensor<5x23xf32>
func.func @result_along_reduction(%x: tensor<5x23xf32>, %c: tensor<5x23xf32>, %p: !sparsedrop.pattern<row>) -> tensor<5x23xf32> {
  %d = sparsedrop.dropout %x, %p dim(1) unscaled : tensor<5x23xf32>, !sparsedrop.pattern<row>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "reduction"]} ins(%d : tensor<5x23xf32>) outs(%c : tensor<5x23xf32>) {
    ^bb0(%a: f32, %o: f32):
      %s = arith.addf %o, %a : f32
      linalg.yield %s : f32
  } -> tensor<5x23xf32>
  return %r : tensor<5x23xf32>
}

// -----

// A sum whose array is read whole behind it stays whole, too: one loop may serve
// both. Without such a reader it shrinks.

// CHECK-LABEL: func @read_whole
//  CHECK-SAME:   %[[X:[^:]*]]: tensor<5x24xf32>
//       CHECK:   %[[SUM:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<5x24xf32>)
//       CHECK:   sparsedrop.compact %[[SUM]]
// CHECK-LABEL: func @read_alone
//       CHECK:   linalg.generic {{.*}} ins(%{{.*}} : tensor<5x?xf32>) outs(%{{.*}} : tensor<?xf32>)
func.func @read_whole(%x: tensor<5x24xf32>, %z: tensor<24xf32>, %e: tensor<5x24xf32>,
                      %p: !sparsedrop.pattern<row>) -> (tensor<?xf32>, tensor<5x24xf32>) {
  %s = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>],
      iterator_types = ["reduction", "parallel"]} ins(%x : tensor<5x24xf32>) outs(%z : tensor<24xf32>) {
    ^bb0(%a: f32, %o: f32):
      %t = arith.addf %o, %a : f32
      linalg.yield %t : f32
  } -> tensor<24xf32>
  %c = sparsedrop.compact %s, %p dim(0) : tensor<24xf32>, !sparsedrop.pattern<row> -> tensor<?xf32>
  %y = linalg.exp ins(%x : tensor<5x24xf32>) outs(%e : tensor<5x24xf32>) -> tensor<5x24xf32>
  return %c, %y : tensor<?xf32>, tensor<5x24xf32>
}
func.func @read_alone(%x: tensor<5x24xf32>, %z: tensor<24xf32>, %p: !sparsedrop.pattern<row>) -> tensor<?xf32> {
  %s = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>],
      iterator_types = ["reduction", "parallel"]} ins(%x : tensor<5x24xf32>) outs(%z : tensor<24xf32>) {
    ^bb0(%a: f32, %o: f32):
      %t = arith.addf %o, %a : f32
      linalg.yield %t : f32
  } -> tensor<24xf32>
  %c = sparsedrop.compact %s, %p dim(0) : tensor<24xf32>, !sparsedrop.pattern<row> -> tensor<?xf32>
  return %c : tensor<?xf32>
}
