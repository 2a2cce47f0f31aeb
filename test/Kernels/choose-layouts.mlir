// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-choose-layouts)' --split-input-file --remarks-filter=sparsedrop-choose-layouts --remark-policy=all 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK --input-file=%t

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>

// All users see the new order: a product that writes it, an elementwise op in place, a
// reduction, and two products that read it, whole and in part.

//   CHECK-DAG: #[[$TURNED:.*]] = affine_map<(d0, d1) -> (d1, d0)>
//   CHECK-DAG: #[[$ROW:.*]] = affine_map<(d0, d1) -> (d1)>
//   CHECK-DAG: #[[$OUT:.*]] = affine_map<(d0, d1, d2) -> (d1, d0)>
//   CHECK-DAG: #[[$IN:.*]] = affine_map<(d0, d1, d2) -> (d2, d0)>
// CHECK-LABEL: func.func @temporary(
//       CHECK:   %[[H:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<128x?xf32>
//       CHECK:   linalg.fill ins(%{{.*}}) outs(%[[H]] : memref<128x?xf32>)
//       CHECK:   %[[C1:.*]] = arith.constant 1 : index
//       CHECK:   %[[M:.*]] = memref.dim %[[H]], %[[C1]]
//       CHECK:   sparsedrop.contract {indexing_maps = [#{{.*}}, #{{.*}}, #[[$OUT]]]} {{.*}} outs(%[[H]]
//       CHECK:   linalg.generic {indexing_maps = [#[[$TURNED]]], {{.*}} outs(%[[H]] :
//       CHECK:   linalg.generic {indexing_maps = [#[[$TURNED]], #[[$ROW]]], {{.*}} ins(%[[H]] :
//       CHECK:   sparsedrop.contract {indexing_maps = [#[[$IN]], #{{.*}}, #{{.*}}]} ins(%[[H]],
//       CHECK:   %[[KEPT:.*]] = memref.subview %[[H]][%{{.*}}, 0] [%{{.*}}, %[[M]]] [%{{.*}}, 1]
//       CHECK:   sparsedrop.contract {indexing_maps = [#[[$IN]], #{{.*}}, #{{.*}}]} ins(%[[KEPT]],
//       CHECK:   memref.dealloc %[[H]]
//      REMARK: [Passed] Layout | Category:sparsedrop-choose-layouts | Function=temporary | Remark="the dimension of which kept elements are read becomes the outermost: nothing has to be packed"
func.func @temporary(%x: memref<?x64xf32>, %v: memref<64x128xf32>, %w: memref<?x32xf32>, %u: memref<128x32xf32>, %y: memref<?x32xf32>, %z: memref<?x32xf32>, %s: memref<128xf32>, %bias: index, %kept: index, %period: index, %rows: index) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %h = memref.alloc(%rows) {alignment = 64 : i64} : memref<?x128xf32>
  linalg.fill ins(%zero : f32) outs(%h : memref<?x128xf32>)
  %m = memref.dim %h, %c0 : memref<?x128xf32>
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %v : memref<?x64xf32>, memref<64x128xf32>) outs(%h : memref<?x128xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  }
  linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} outs(%h : memref<?x128xf32>) {
  ^bb0(%o: f32):
    %0 = arith.maximumf %o, %zero : f32
    linalg.yield %0 : f32
  }
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["reduction", "parallel"]} ins(%h : memref<?x128xf32>) outs(%s : memref<128xf32>) {
  ^bb0(%i: f32, %o: f32):
    %0 = arith.addf %i, %o : f32
    linalg.yield %0 : f32
  }
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%h, %u : memref<?x128xf32>, memref<128x32xf32>) outs(%z : memref<?x32xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  }
  %part = memref.subview %h[0, %bias] [%m, %kept] [1, %period] : memref<?x128xf32> to memref<?x?xf32, strided<[128, ?], offset: ?>>
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%part, %w : memref<?x?xf32, strided<[128, ?], offset: ?>>, memref<?x32xf32>) outs(%y : memref<?x32xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  }
  memref.dealloc %h : memref<?x128xf32>
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
#id = affine_map<(i, j) -> (i, j)>

// An op that reads it with an argument would read one of both across.

// CHECK-LABEL: func.func @together(
//       CHECK:   memref.alloc() : memref<256x128xf32>
//      REMARK: [Missed] Layout | Category:sparsedrop-choose-layouts | Function=together | Remark="the dimension of which kept elements are read stays innermost: it is read or written together with other arrays"
func.func @together(%x: memref<256x128xf32>, %w: memref<?x32xf32>, %y: memref<256x32xf32>, %bias: index, %kept: index, %period: index) {
  %h = memref.alloc() : memref<256x128xf32>
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]} ins(%x : memref<256x128xf32>) outs(%h : memref<256x128xf32>) {
  ^bb0(%i: f32, %o: f32):
    linalg.yield %i : f32
  }
  %part = memref.subview %h[0, %bias] [256, %kept] [1, %period] : memref<256x128xf32> to memref<256x?xf32, strided<[128, ?], offset: ?>>
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%part, %w : memref<256x?xf32, strided<[128, ?], offset: ?>>, memref<?x32xf32>) outs(%y : memref<256x32xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  }
  memref.dealloc %h : memref<256x128xf32>
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// Results have the caller's layout; both dimensions cannot be outermost.

// CHECK-LABEL: func.func @result(
//       CHECK:   memref.alloc() : memref<256x128xf32>
//      REMARK: Function=result | Remark="the dimension of which kept elements are read stays innermost: something else than products and loops uses it"
func.func @result(%w: memref<?x32xf32>, %y: memref<256x32xf32>, %bias: index, %kept: index, %period: index) -> memref<256x128xf32> {
  %h = memref.alloc() : memref<256x128xf32>
  %part = memref.subview %h[0, %bias] [256, %kept] [1, %period] : memref<256x128xf32> to memref<256x?xf32, strided<[128, ?], offset: ?>>
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%part, %w : memref<256x?xf32, strided<[128, ?], offset: ?>>, memref<?x32xf32>) outs(%y : memref<256x32xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  }
  return %h : memref<256x128xf32>
}

// CHECK-LABEL: func.func @both(
//       CHECK:   memref.alloc() : memref<256x128xf32>
//      REMARK: Function=both | Remark="the dimension of which kept elements are read stays innermost: another product drops elements of another dimension"
func.func @both(%w: memref<?x32xf32>, %y: memref<?x32xf32>, %bias: index, %kept: index, %period: index, %rows: index) {
  %h = memref.alloc() : memref<256x128xf32>
  %part = memref.subview %h[%bias, %bias] [%rows, %kept] [%period, %period] : memref<256x128xf32> to memref<?x?xf32, strided<[?, ?], offset: ?>>
  sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%part, %w : memref<?x?xf32, strided<[?, ?], offset: ?>>, memref<?x32xf32>) outs(%y : memref<?x32xf32>) {
  ^bb0(%sum: f32, %old: f32):
    sparsedrop.yield %sum : f32
  }
  memref.dealloc %h : memref<256x128xf32>
  return
}
