// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-fuse-siblings)' --split-input-file | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-fuse-siblings{which=alike})' --split-input-file | FileCheck %s --check-prefix=ALIKE
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-fuse-siblings{which=readers})' --split-input-file | FileCheck %s --check-prefix=READERS

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// The example of the pass's description.

// CHECK-LABEL: func @both
//  CHECK-SAME:   %[[X:.*]]: tensor<4x8xf32>
//       CHECK:   %[[ZEROS:.*]] = linalg.fill
//       CHECK:   %[[F:.*]] = tensor.empty() : tensor<4x8xf32>
//       CHECK:   %[[BOTH:.*]]:2 = linalg.generic {indexing_maps = [#[[ID:.*]], #[[ROW:.*]], #[[ID]]], iterator_types = ["parallel", "reduction"]}
//  CHECK-SAME:     ins(%[[X]] : tensor<4x8xf32>) outs(%[[ZEROS]], %[[F]] : tensor<4xf32>, tensor<4x8xf32>)
//       CHECK:     linalg.yield %{{.*}}, %{{.*}} : f32, f32
//       CHECK:   return %[[BOTH]]#0, %[[BOTH]]#1
// READERS-LABEL: func @both
//       READERS:   :2 = linalg.generic
func.func @both(%x: tensor<4x8xf32>) -> (tensor<4xf32>, tensor<4x8xf32>) {
  %c0 = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %zeros = linalg.fill ins(%c0 : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  %f = tensor.empty() : tensor<4x8xf32>
  %square = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%f : tensor<4x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %a, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4x8xf32>
  return %sum, %square : tensor<4xf32>, tensor<4x8xf32>
}

// -----

// What only the sum reads is not written. Loops in another order are the same loops.

#id = affine_map<(i, j) -> (i, j)>
#swapped = affine_map<(j, i) -> (i, j)>
#row = affine_map<(j, i) -> (i)>

// CHECK-LABEL: func @only_reader
//       CHECK:   %[[SUM:.*]] = linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]} ins(%{{.*}} : tensor<4x8xf32>) outs(%{{.*}} : tensor<4xf32>)
//       CHECK:     %[[I:.*]] = linalg.index 1
//       CHECK:   return %[[SUM]]
// READERS-LABEL: func @only_reader
//       READERS:   linalg.generic {{.*}} outs(%{{.*}} : tensor<4x8xf32>)
//       READERS:   linalg.generic {{.*}} outs(%{{.*}} : tensor<4xf32>)
func.func @only_reader(%x: tensor<4x8xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0.0 : f32
  %f = tensor.empty() : tensor<4x8xf32>
  %square = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%f : tensor<4x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %a, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4x8xf32>
  %e = tensor.empty() : tensor<4xf32>
  %zeros = linalg.fill ins(%c0 : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.generic {indexing_maps = [#swapped, #row], iterator_types = ["reduction", "parallel"]}
      ins(%square : tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %j = linalg.index 0 : index
    %k = arith.index_cast %j : index to i32
    %w = arith.sitofp %k : i32 to f32
    %p = arith.mulf %a, %w : f32
    %0 = arith.addf %s, %p : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  return %sum : tensor<4xf32>
}

// -----

// What needs the whole sum is another loop; so is what would leave the threads nothing.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
#column = affine_map<(i, j) -> (j)>

// CHECK-LABEL: func @apart
//       CHECK:   linalg.generic {{.*}} outs(%{{.*}} : tensor<4xf32>)
//       CHECK:   linalg.generic {{.*}} outs(%{{.*}} : tensor<4x8xf32>)
//       CHECK:   linalg.generic {{.*}} outs(%{{.*}} : tensor<8xf32>)
func.func @apart(%x: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<8xf32>) {
  %c0 = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %zeros = linalg.fill ins(%c0 : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  %f = tensor.empty() : tensor<4x8xf32>
  %shares = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : tensor<4x8xf32>, tensor<4xf32>) outs(%f : tensor<4x8xf32>) {
  ^bb0(%a: f32, %s: f32, %o: f32):
    %0 = arith.divf %a, %s : f32
    linalg.yield %0 : f32
  } -> tensor<4x8xf32>
  %e8 = tensor.empty() : tensor<8xf32>
  %zeros8 = linalg.fill ins(%c0 : f32) outs(%e8 : tensor<8xf32>) -> tensor<8xf32>
  %columns = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%shares : tensor<4x8xf32>) outs(%zeros8 : tensor<8xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<8xf32>
  return %shares, %columns : tensor<4x8xf32>, tensor<8xf32>
}

// -----

// Two elementwise ops, a product, and what accumulates in place stay as they are.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// CHECK-LABEL: func @alone
//  CHECK-NOT:   :2 = linalg.generic
//       CHECK:   return
func.func @alone(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>, %old: tensor<4xf32>)
    -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4xf32>) {
  %f = tensor.empty() : tensor<4x8xf32>
  %square = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%f : tensor<4x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %a, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4x8xf32>
  %total = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%y : tensor<4x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.addf %a, %o : f32
    linalg.yield %0 : f32
  } -> tensor<4x8xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x8xf32>) outs(%old : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  return %square, %total, %sum : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4xf32>
}

// -----

// Alike are reductions to the same elements: the third adds up rows.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>
#column = affine_map<(i, j) -> (j)>

// ALIKE-LABEL: func @sums
//       ALIKE:   %[[BOTH:.*]]:2 = linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]} ins(%{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<4x8xf32>)
//       ALIKE:   %[[COLUMNS:.*]] = linalg.generic
//       ALIKE:   %[[SQUARE:.*]] = linalg.generic
//       ALIKE:   return %[[BOTH]]#0, %[[BOTH]]#1, %[[COLUMNS]], %[[SQUARE]]
func.func @sums(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<8xf32>, tensor<4x8xf32>) {
  %c0 = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %zeros = linalg.fill ins(%c0 : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %f = tensor.empty() : tensor<8xf32>
  %wide = linalg.fill ins(%c0 : f32) outs(%f : tensor<8xf32>) -> tensor<8xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  %columns = linalg.generic {indexing_maps = [#id, #column], iterator_types = ["reduction", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%wide : tensor<8xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<8xf32>
  %dot = linalg.generic {indexing_maps = [#id, #id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x, %y : tensor<4x8xf32>, tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %m = arith.mulf %a, %b : f32
    %0 = arith.addf %s, %m : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  %g = tensor.empty() : tensor<4x8xf32>
  %square = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%g : tensor<4x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.mulf %a, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4x8xf32>
  return %sum, %dot, %columns, %square : tensor<4xf32>, tensor<4xf32>, tensor<8xf32>, tensor<4x8xf32>
}

// -----

// The first sum goes to the second one, which needs what is computed in between;
// not where somebody needs it there.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// CHECK-LABEL: func @sinks
//  CHECK-SAME:   %[[X:.*]]: tensor<4x8xf32>, %[[Y:.*]]: tensor<4x8xf32>
//       CHECK:   %[[Z:.*]] = linalg.matmul
//       CHECK:   %[[BOTH:.*]]:2 = linalg.generic {{.*}} ins(%[[X]], %[[Z]] : tensor<4x8xf32>, tensor<4x8xf32>)
//       CHECK:   return %[[BOTH]]#0, %[[BOTH]]#1
// ALIKE-LABEL: func @sinks
//       ALIKE:   linalg.matmul
//       ALIKE:   :2 = linalg.generic
func.func @sinks(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c0 = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %zeros = linalg.fill ins(%c0 : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  %z = linalg.matmul ins(%y, %w : tensor<4x8xf32>, tensor<8x8xf32>) outs(%y : tensor<4x8xf32>) -> tensor<4x8xf32>
  %products = linalg.generic {indexing_maps = [#id, #id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x, %z : tensor<4x8xf32>, tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %s, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<4xf32>
  return %sum, %products : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func @stays
//   CHECK-NOT:   :2 = linalg.generic
//       CHECK:   return
func.func @stays(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c0 = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4xf32>
  %zeros = linalg.fill ins(%c0 : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  %shifted = linalg.broadcast ins(%sum : tensor<4xf32>) outs(%y : tensor<4x8xf32>) dimensions = [1]
  %z = linalg.matmul ins(%shifted, %w : tensor<4x8xf32>, tensor<8x8xf32>) outs(%y : tensor<4x8xf32>) -> tensor<4x8xf32>
  %products = linalg.generic {indexing_maps = [#id, #id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x, %z : tensor<4x8xf32>, tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32, %s: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %s, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<4xf32>
  return %sum, %products : tensor<4xf32>, tensor<4xf32>
}

// -----

// What is read in the body is as little there as what is an operand.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// CHECK-LABEL: func @read_in_body
//   CHECK-NOT:   :2 = linalg.generic
//       CHECK:   return
func.func @read_in_body(%x: tensor<4x8xf32>) -> (tensor<4xf32>, tensor<4x8xf32>) {
  %c0 = arith.constant 0.0 : f32
  %i = arith.constant 1 : index
  %e = tensor.empty() : tensor<4xf32>
  %zeros = linalg.fill ins(%c0 : f32) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  %f = tensor.empty() : tensor<4x8xf32>
  %shifted = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%f : tensor<4x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %v = tensor.extract %sum[%i] : tensor<4xf32>
    %0 = arith.subf %a, %v : f32
    linalg.yield %0 : f32
  } -> tensor<4x8xf32>
  return %sum, %shifted : tensor<4xf32>, tensor<4x8xf32>
}

// -----

// What is computed of windows runs where it is read: no product makes it.

#left = affine_map<(i, j) -> (i * 2, j)>
#right = affine_map<(i, j) -> (i * 2 + 1, j)>
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// READERS-LABEL: func @windows
//       READERS:   :2 = linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]}
//       READERS:     %[[MAX:.*]] = arith.maximumf
//       READERS:     %[[SUM:.*]] = arith.addf %{{.*}}, %[[MAX]]
//       READERS:     linalg.yield %[[MAX]], %[[SUM]]
//   READERS-NOT:   linalg.generic
// ALIKE-LABEL: func @windows
//   ALIKE-NOT:   :2 = linalg.generic
//       ALIKE:   return
func.func @windows(%x: tensor<8x8xf32>) -> (tensor<4x8xf32>, tensor<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x8xf32>
  %f = tensor.empty() : tensor<4xf32>
  %max = linalg.generic {indexing_maps = [#left, #right, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %x : tensor<8x8xf32>, tensor<8x8xf32>) outs(%e : tensor<4x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.maximumf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<4x8xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%f : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%max : tensor<4x8xf32>) outs(%zeros : tensor<4xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<4xf32>
  return %max, %sum : tensor<4x8xf32>, tensor<4xf32>
}

// -----

// Elementwise ops that read the same arrays, and each other, as gates do; but not what
// a product may do in passing.

#id = affine_map<(i, j) -> (i, j)>

// CHECK-LABEL: func @gates
//       CHECK:   %[[ALL:.*]]:3 = linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]}
//   CHECK-NOT:   linalg.generic
//       CHECK:   return %[[ALL]]#0, %[[ALL]]#1, %[[ALL]]#2
// READERS-LABEL: func @gates
//       READERS:   :3 = linalg.generic
// ALIKE-LABEL: func @gates
//   ALIKE-NOT:   :2 = linalg.generic
//       ALIKE:   return
func.func @gates(%x: tensor<4x8xf32>, %y: tensor<4x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>) {
  %e = tensor.empty() : tensor<4x8xf32>
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = math.tanh %a : f32
    linalg.yield %t : f32
  } -> tensor<4x8xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0, %y : tensor<4x8xf32>, tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.mulf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<4x8xf32>
  %2 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %y : tensor<4x8xf32>, tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.addf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<4x8xf32>
  return %0, %1, %2 : tensor<4x8xf32>, tensor<4x8xf32>, tensor<4x8xf32>
}

// CHECK-LABEL: func @epilogue
//   CHECK-NOT:   :2 = linalg.generic
//       CHECK:   return
func.func @epilogue(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %e = tensor.empty() : tensor<4x8xf32>
  %p = linalg.matmul ins(%x, %w : tensor<4x8xf32>, tensor<8x8xf32>) outs(%x : tensor<4x8xf32>) -> tensor<4x8xf32>
  %0 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p, %x : tensor<4x8xf32>, tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %t = arith.mulf %a, %b : f32
    linalg.yield %t : f32
  } -> tensor<4x8xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x8xf32>) outs(%e : tensor<4x8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %t = math.tanh %a : f32
    linalg.yield %t : f32
  } -> tensor<4x8xf32>
  return %0, %1 : tensor<4x8xf32>, tensor<4x8xf32>
}
