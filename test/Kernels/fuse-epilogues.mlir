// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-form-kernels,sparsedrop-fuse-epilogues)' --remarks-filter='sparsedrop-fuse-epilogues' --remark-policy=all 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t

#id = affine_map<(i, j) -> (i, j)>
#t = affine_map<(i, j) -> (j, i)>
#row = affine_map<(i, j) -> (j)>
#one = affine_map<(i, j) -> (i)>

// A transposition, a bias along its rows, and a conversion.

// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1, d2) -> (d1, d0)>
// CHECK-LABEL: func.func @transposed
// CHECK: sparsedrop.contract
// CHECK-SAME: with(%{{.*}} : tensor<8xf32>) outs(%{{.*}} : tensor<6x8xf16>)
// CHECK-NEXT: ^bb0(%[[SUM:.*]]: f32, %[[B:.*]]: f32, %{{.*}}: f16):
// CHECK-NEXT: %[[A:.*]] = arith.addf %[[SUM]], %[[B]] : f32
// CHECK-NEXT: %[[R:.*]] = arith.truncf %[[A]] : f32 to f16
// CHECK-NEXT: sparsedrop.yield %[[R]]
// CHECK-NOT: linalg.generic
// REMARK: [Passed] Epilogue | {{.*}}Function=transposed | Remark="joins the epilogue of a contraction"
func.func @transposed(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %b: tensor<8xf32>) -> tensor<6x8xf16> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x6xf32>
  %0 = linalg.fill ins(%zero : f32) outs(%e : tensor<8x6xf32>) -> tensor<8x6xf32>
  %1 = linalg.matmul ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) outs(%0 : tensor<8x6xf32>) -> tensor<8x6xf32>
  %f = tensor.empty() : tensor<6x8xf16>
  %2 = linalg.generic {indexing_maps = [#t, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%1, %b : tensor<8x6xf32>, tensor<8xf32>) outs(%f : tensor<6x8xf16>) {
  ^bb0(%a: f32, %c: f32, %o: f16):
    %s = arith.addf %a, %c : f32
    %r = arith.truncf %s : f32 to f16
    linalg.yield %r : f16
  } -> tensor<6x8xf16>
  return %2 : tensor<6x8xf16>
}

// What others read stays an output, and an update begins from a result.

// CHECK-LABEL: func.func @two
// CHECK: %[[R:.*]]:2 = sparsedrop.contract
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @two(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %y: tensor<8x6xf32>) -> (tensor<8x6xf32>, tensor<8x6xf32>) {
  %e = tensor.empty() : tensor<8x6xf32>
  %1 = linalg.matmul ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) outs(%y : tensor<8x6xf32>) -> tensor<8x6xf32>
  %2 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%1 : tensor<8x6xf32>) outs(%1 : tensor<8x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.mulf %a, %o : f32
    linalg.yield %s : f32
  } -> tensor<8x6xf32>
  return %1, %2 : tensor<8x6xf32>, tensor<8x6xf32>
}

// CHECK-LABEL: func.func @missed
// CHECK: sparsedrop.contract
// CHECK: linalg.generic
// CHECK: linalg.generic
// REMARK: [Missed] Epilogue | {{.*}}Function=missed | Remark="does not join the epilogue of a contraction: it {{reduces|depends on indices}}"
// REMARK: [Missed] Epilogue | {{.*}}Function=missed | Remark="does not join the epilogue of a contraction: it {{reduces|depends on indices}}"
func.func @missed(%x: tensor<8x4xf32>, %w: tensor<4x6xf32>, %y: tensor<8x6xf32>, %z: tensor<8xf32>) -> (tensor<8xf32>, tensor<8x6xf32>) {
  %1 = linalg.matmul ins(%x, %w : tensor<8x4xf32>, tensor<4x6xf32>) outs(%y : tensor<8x6xf32>) -> tensor<8x6xf32>
  %2 = linalg.generic {indexing_maps = [#id, #one], iterator_types = ["parallel", "reduction"]}
      ins(%1 : tensor<8x6xf32>) outs(%z : tensor<8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %a, %o : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  %3 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%1 : tensor<8x6xf32>) outs(%y : tensor<8x6xf32>) {
  ^bb0(%a: f32, %o: f32):
    %i = linalg.index 0 : index
    %j = arith.index_cast %i : index to i32
    %k = arith.sitofp %j : i32 to f32
    %s = arith.addf %a, %k : f32
    linalg.yield %s : f32
  } -> tensor<8x6xf32>
  return %2, %3 : tensor<8xf32>, tensor<8x6xf32>
}
