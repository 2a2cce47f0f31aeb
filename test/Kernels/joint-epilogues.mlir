// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-fuse-epilogues{most-joint-rows=16},cse)' --remarks-filter='sparsedrop-fuse-epilogues' --remark-policy=all 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t

// An op that reads equal parts of what a contraction yields has all of their sums.

#lhs = affine_map<(m, n, k) -> (m, k)>
#rhs = affine_map<(m, n, k) -> (k, n)>
#out = affine_map<(m, n, k) -> (m, n)>
#bias = affine_map<(m, n, k) -> (n)>
#id = affine_map<(i, j) -> (i, j)>
#column = affine_map<(i, j) -> (j)>

// What is of all parts is read and written once for each, what is of one part once; the
// whole goes where it is inserted.

// CHECK-DAG: #[[WHOLE:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
// CHECK-DAG: #[[PART:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2)>
// CHECK-DAG: #[[RHS:.*]] = affine_map<(d0, d1, d2, d3) -> (d3, d1, d2)>
// CHECK-LABEL: func.func @gates
// CHECK-SAME: %[[ALL:[a-z0-9]*]]: tensor<5x4x12xbf16>, %[[T:.*]]: index
// CHECK-DAG: %[[W:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]] output_shape [6, 2, 6]
// CHECK-DAG: %[[G:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0, 1]] output_shape [2, 6]
// CHECK-DAG: %[[SLICE:.*]] = tensor.extract_slice %[[ALL]][%[[T]], 0, 0] [1, 4, 12]
// CHECK-DAG: %[[PLACE:.*]] = tensor.expand_shape %[[SLICE]]
// CHECK: %[[R:.*]]:2 = sparsedrop.contract
// CHECK-SAME: joint = 1
// CHECK-SAME: ins(%{{.*}}, %[[W]] : tensor<4x6xbf16>, tensor<6x2x6xbf16>) with(%[[G]], %{{.*}} : tensor<2x6xf32>, tensor<4x6xf32>) outs(%[[PLACE]], %{{.*}} : tensor<4x2x6xbf16>, tensor<4x6xf32>)
// CHECK-NEXT: ^bb0(%[[S0:.*]]: f32, %[[S1:.*]]: f32, %[[B0:.*]]: f32, %[[B1:.*]]: f32, %[[C:.*]]: f32, %{{.*}}: bf16, %{{.*}}: bf16, %{{.*}}: f32):
// CHECK-NEXT: %[[A0:.*]] = arith.addf %[[S0]], %[[B0]]
// CHECK-NEXT: %[[Y0:.*]] = arith.truncf %[[A0]]
// CHECK-NEXT: %[[A1:.*]] = arith.addf %[[S1]], %[[B1]]
// CHECK-NEXT: %[[Y1:.*]] = arith.truncf %[[A1]]
// CHECK-NEXT: %[[E0:.*]] = arith.extf %[[Y0]]
// CHECK-NEXT: %[[E1:.*]] = arith.extf %[[Y1]]
// CHECK-NEXT: %[[M:.*]] = arith.mulf %[[E0]], %[[E1]]
// CHECK-NEXT: %[[V:.*]] = arith.addf %[[M]], %[[C]]
// CHECK-NEXT: sparsedrop.yield %[[Y0]], %[[Y1]], %[[V]]
// CHECK: %[[Y:.*]] = tensor.collapse_shape %[[R]]#0
// CHECK: %[[I:.*]] = tensor.insert_slice %[[Y]] into %[[ALL]]
// CHECK: return %[[I]], %[[R]]#1
// REMARK-DAG: [Passed] Epilogue | {{.*}}Function=gates | Remark="joins the epilogue of a contraction, which has all of the sums that it reads"
func.func @gates(%x: tensor<4x6xbf16>, %w: tensor<6x12xbf16>, %b: tensor<12xf32>, %c: tensor<4x6xf32>, %all: tensor<5x4x12xbf16>, %t: index) -> (tensor<5x4x12xbf16>, tensor<4x6xf32>) {
  %e = tensor.empty() : tensor<4x12xbf16>
  %y = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #bias, #out]}
      ins(%x, %w : tensor<4x6xbf16>, tensor<6x12xbf16>) with(%b : tensor<12xf32>) outs(%e : tensor<4x12xbf16>) {
  ^bb0(%s: f32, %g: f32, %o: bf16):
    %a = arith.addf %s, %g : f32
    %r = arith.truncf %a : f32 to bf16
    sparsedrop.yield %r : bf16
  } -> tensor<4x12xbf16>
  %0 = tensor.extract_slice %y[0, 0] [4, 6] [1, 1] : tensor<4x12xbf16> to tensor<4x6xbf16>
  %1 = tensor.extract_slice %y[0, 6] [4, 6] [1, 1] : tensor<4x12xbf16> to tensor<4x6xbf16>
  %f = tensor.empty() : tensor<4x6xf32>
  %v = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0, %1, %c : tensor<4x6xbf16>, tensor<4x6xbf16>, tensor<4x6xf32>) outs(%f : tensor<4x6xf32>) {
  ^bb0(%p: bf16, %q: bf16, %old: f32, %o: f32):
    %pe = arith.extf %p : bf16 to f32
    %qe = arith.extf %q : bf16 to f32
    %m = arith.mulf %pe, %qe : f32
    %a = arith.addf %m, %old : f32
    linalg.yield %a : f32
  } -> tensor<4x6xf32>
  %i = tensor.insert_slice %y into %all[%t, 0, 0] [1, 4, 12] [1, 1, 1] : tensor<4x12xbf16> into tensor<5x4x12xbf16>
  return %i, %v : tensor<5x4x12xbf16>, tensor<4x6xf32>
}

// Two ops, the second of which reads a part and what the first yields; nobody reads the
// whole.

// CHECK-LABEL: func.func @chain
// CHECK: %[[R:.*]] = sparsedrop.contract
// CHECK-SAME: joint = 1
// CHECK-SAME: outs(%{{[a-z0-9]*}} : tensor<4x2xf32>)
// CHECK-NEXT: ^bb0(%[[S0:[a-z0-9]*]]: f32, %[[S1:[a-z0-9]*]]: f32, %[[S2:[a-z0-9]*]]: f32, %{{[a-z0-9]*}}: f32):
// CHECK-NEXT: %[[A:.*]] = arith.mulf %[[S0]], %[[S1]]
// CHECK-NEXT: %[[B:.*]] = arith.addf %[[A]], %[[S2]]
// CHECK-NEXT: sparsedrop.yield %[[B]]
// CHECK-NOT: linalg.generic
// CHECK: return %[[R]]
func.func @chain(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<4x2xf32> {
  %e = tensor.empty() : tensor<4x6xf32>
  %y = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out]}
      ins(%x, %w : tensor<4x8xf32>, tensor<8x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<4x6xf32>
  %0 = tensor.extract_slice %y[0, 0] [4, 2] [1, 1] : tensor<4x6xf32> to tensor<4x2xf32>
  %1 = tensor.extract_slice %y[0, 2] [4, 2] [1, 1] : tensor<4x6xf32> to tensor<4x2xf32>
  %2 = tensor.extract_slice %y[0, 4] [4, 2] [1, 1] : tensor<4x6xf32> to tensor<4x2xf32>
  %f = tensor.empty() : tensor<4x2xf32>
  %g = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0, %1 : tensor<4x2xf32>, tensor<4x2xf32>) outs(%f : tensor<4x2xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %m = arith.mulf %p, %q : f32
    linalg.yield %m : f32
  } -> tensor<4x2xf32>
  %v = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%g, %2 : tensor<4x2xf32>, tensor<4x2xf32>) outs(%f : tensor<4x2xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %m = arith.addf %p, %q : f32
    linalg.yield %m : f32
  } -> tensor<4x2xf32>
  return %v : tensor<4x2xf32>
}

// CHECK-LABEL: func.func @sizes
// CHECK: sparsedrop.contract
// CHECK-NOT: joint
// CHECK: linalg.generic
// REMARK-DAG: [Missed] Epilogue | {{.*}}Function=sizes | Remark="does not join the epilogue of a contraction: its loops are not those of the outputs"
func.func @sizes(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>) -> tensor<4x2xf32> {
  %e = tensor.empty() : tensor<4x6xf32>
  %y = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out]}
      ins(%x, %w : tensor<4x8xf32>, tensor<8x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<4x6xf32>
  %0 = tensor.extract_slice %y[0, 1] [4, 2] [1, 1] : tensor<4x6xf32> to tensor<4x2xf32>
  %f = tensor.empty() : tensor<4x2xf32>
  %v = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<4x2xf32>) outs(%f : tensor<4x2xf32>) {
  ^bb0(%p: f32, %o: f32):
    %m = arith.negf %p : f32
    linalg.yield %m : f32
  } -> tensor<4x2xf32>
  return %v : tensor<4x2xf32>
}

// CHECK-LABEL: func.func @many_rows
// CHECK-NOT: joint
// CHECK: linalg.generic
// REMARK-DAG: [Missed] Epilogue | {{.*}}Function=many_rows | Remark="does not join the epilogue of a contraction: the contraction has many rows, and bulk copies begin at 16 bytes"
func.func @many_rows(%x: tensor<17x8xbf16>, %w: tensor<8x4xbf16>) -> tensor<17x2xf32> {
  %e = tensor.empty() : tensor<17x4xf32>
  %y = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out]}
      ins(%x, %w : tensor<17x8xbf16>, tensor<8x4xbf16>) outs(%e : tensor<17x4xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<17x4xf32>
  %0 = tensor.extract_slice %y[0, 0] [17, 2] [1, 1] : tensor<17x4xf32> to tensor<17x2xf32>
  %1 = tensor.extract_slice %y[0, 2] [17, 2] [1, 1] : tensor<17x4xf32> to tensor<17x2xf32>
  %f = tensor.empty() : tensor<17x2xf32>
  %v = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0, %1 : tensor<17x2xf32>, tensor<17x2xf32>) outs(%f : tensor<17x2xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %m = arith.addf %p, %q : f32
    linalg.yield %m : f32
  } -> tensor<17x2xf32>
  return %v : tensor<17x2xf32>
}

// A state that is saved, and read where a new one is written.

// CHECK-LABEL: func.func @saved
// CHECK: scf.for %[[T:.*]] = {{.*}} iter_args(%[[C:.*]] = %{{.*}}, %[[ALL:.*]] = %{{.*}})
// CHECK: %[[PLACE:.*]] = tensor.extract_slice %[[ALL]][%[[T]], 0, 0] [1, 4, 6]
// CHECK: %[[R:.*]]:2 = sparsedrop.contract
// CHECK-SAME: with(%[[C]] : tensor<4x6xf32>) outs(%{{.*}}, %[[PLACE]] : tensor<4x6xf32>, tensor<4x6xf32>)
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %[[OLD:.*]]: f32, %{{.*}}: f32, %{{.*}}: f32):
// CHECK-NEXT: %[[N:.*]] = arith.addf %[[S]], %[[OLD]]
// CHECK-NEXT: sparsedrop.yield %[[N]], %[[OLD]]
// CHECK: %[[I:.*]] = tensor.insert_slice %[[R]]#1 into %[[ALL]]
// CHECK: scf.yield %[[R]]#0, %[[I]]
// REMARK-DAG: [Passed] Epilogue | {{.*}}Function=saved | Remark="stores what its epilogue reads where it is copied to"
func.func @saved(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>, %c: tensor<4x6xf32>, %all: tensor<5x4x6xf32>) -> (tensor<4x6xf32>, tensor<5x4x6xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %e = tensor.empty() : tensor<4x6xf32>
  %r:2 = scf.for %t = %c0 to %c5 step %c1 iter_args(%old = %c, %saved = %all) -> (tensor<4x6xf32>, tensor<5x4x6xf32>) {
    %more = tensor.insert_slice %old into %saved[%t, 0, 0] [1, 4, 6] [1, 1, 1] : tensor<4x6xf32> into tensor<5x4x6xf32>
    %new = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out, #out]}
        ins(%x, %w : tensor<4x8xf32>, tensor<8x6xf32>) with(%old : tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
    ^bb0(%s: f32, %g: f32, %o: f32):
      %a = arith.addf %s, %g : f32
      sparsedrop.yield %a : f32
    } -> tensor<4x6xf32>
    scf.yield %new, %more : tensor<4x6xf32>, tensor<5x4x6xf32>
  }
  return %r#0, %r#1 : tensor<4x6xf32>, tensor<5x4x6xf32>
}

// A transposed copy is not at the place that is written, and one that is read before the
// product cannot wait.

// CHECK-LABEL: func.func @elsewhere
// CHECK: sparsedrop.contract
// CHECK-SAME: outs(%{{[a-z0-9_]*}} : tensor<4x6xf32>)
// CHECK: sparsedrop.contract
// CHECK-SAME: outs(%{{[a-z0-9_]*}} : tensor<4x6xf32>)
func.func @elsewhere(%x: tensor<4x8xf32>, %w: tensor<8x6xf32>, %c: tensor<6x4xf32>, %d: tensor<4x6xf32>, %all: tensor<5x6x4xf32>, %more: tensor<5x4x6xf32>) -> (tensor<4x6xf32>, tensor<5x6x4xf32>, tensor<4x6xf32>, tensor<5x4x6xf32>) {
  %e = tensor.empty() : tensor<4x6xf32>
  %i = tensor.insert_slice %c into %all[0, 0, 0] [1, 6, 4] [1, 1, 1] : tensor<6x4xf32> into tensor<5x6x4xf32>
  %0 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, affine_map<(m, n, k) -> (n, m)>, #out]}
      ins(%x, %w : tensor<4x8xf32>, tensor<8x6xf32>) with(%c : tensor<6x4xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%s: f32, %g: f32, %o: f32):
    %a = arith.addf %s, %g : f32
    sparsedrop.yield %a : f32
  } -> tensor<4x6xf32>
  %j = tensor.insert_slice %d into %more[0, 0, 0] [1, 4, 6] [1, 1, 1] : tensor<4x6xf32> into tensor<5x4x6xf32>
  %k = tensor.extract_slice %j[1, 0, 0] [1, 4, 6] [1, 1, 1] : tensor<5x4x6xf32> to tensor<4x6xf32>
  %1 = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out, #out, #out]}
      ins(%x, %w : tensor<4x8xf32>, tensor<8x6xf32>) with(%d, %k : tensor<4x6xf32>, tensor<4x6xf32>) outs(%e : tensor<4x6xf32>) {
  ^bb0(%s: f32, %g: f32, %h: f32, %o: f32):
    %a = arith.addf %s, %g : f32
    %b = arith.addf %a, %h : f32
    sparsedrop.yield %b : f32
  } -> tensor<4x6xf32>
  return %0, %i, %1, %j : tensor<4x6xf32>, tensor<5x6x4xf32>, tensor<4x6xf32>, tensor<5x4x6xf32>
}

// Slices of something else that has as many parts: of a state, flattened.

// CHECK-LABEL: func.func @flattened
// CHECK: sparsedrop.contract
// CHECK-SAME: joint = 1
// CHECK: linalg.generic
// CHECK-NOT: sparsedrop.contract
// REMARK-DAG: [Missed] Epilogue | {{.*}}Function=flattened | Remark="does not join the epilogue of a contraction: its loops are not those of the outputs"
func.func @flattened(%x: tensor<2x8xf32>, %w: tensor<8x8xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<2x8xf32>
  %y = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out]}
      ins(%x, %w : tensor<2x8xf32>, tensor<8x8xf32>) outs(%e : tensor<2x8xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<2x8xf32>
  %0 = tensor.extract_slice %y[0, 0] [2, 4] [1, 1] : tensor<2x8xf32> to tensor<2x4xf32>
  %1 = tensor.extract_slice %y[0, 4] [2, 4] [1, 1] : tensor<2x8xf32> to tensor<2x4xf32>
  %f = tensor.empty() : tensor<2x4xf32>
  %v = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0, %1 : tensor<2x4xf32>, tensor<2x4xf32>) outs(%f : tensor<2x4xf32>) {
  ^bb0(%p: f32, %q: f32, %o: f32):
    %m = arith.mulf %p, %q : f32
    linalg.yield %m : f32
  } -> tensor<2x4xf32>
  %flat = tensor.collapse_shape %v [[0, 1]] : tensor<2x4xf32> into tensor<8xf32>
  %2 = tensor.extract_slice %flat[0] [4] [1] : tensor<8xf32> to tensor<4xf32>
  %g = tensor.empty() : tensor<4xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%2 : tensor<4xf32>) outs(%g : tensor<4xf32>) {
  ^bb0(%p: f32, %o: f32):
    %m = arith.negf %p : f32
    linalg.yield %m : f32
  } -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// A kernel that somebody has chosen is obeyed.

// CHECK-LABEL: func.func @chosen
// CHECK-NOT: joint
// CHECK: linalg.generic
// REMARK-DAG: [Missed] Epilogue | {{.*}}Function=chosen | Remark="does not join the epilogue of a contraction: its kernel has been chosen, without 'columns'"
func.func @chosen(%x: tensor<2x8xf32>, %w: tensor<8x8xf32>) -> tensor<2x4xf32> {
  %e = tensor.empty() : tensor<2x8xf32>
  %y = sparsedrop.contract {indexing_maps = [#lhs, #rhs, #out], sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [1, 1, 1]>}
      ins(%x, %w : tensor<2x8xf32>, tensor<8x8xf32>) outs(%e : tensor<2x8xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<2x8xf32>
  %0 = tensor.extract_slice %y[0, 0] [2, 4] [1, 1] : tensor<2x8xf32> to tensor<2x4xf32>
  %f = tensor.empty() : tensor<2x4xf32>
  %v = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<2x4xf32>) outs(%f : tensor<2x4xf32>) {
  ^bb0(%p: f32, %o: f32):
    %m = arith.negf %p : f32
    linalg.yield %m : f32
  } -> tensor<2x4xf32>
  return %v : tensor<2x4xf32>
}
