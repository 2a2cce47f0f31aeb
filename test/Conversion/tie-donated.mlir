// RUN: sparsedrop-opt %s --split-input-file --pass-pipeline='builtin.module(sparsedrop-tie-donated)' --remarks-filter='sparsedrop.*' 2>%t | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t

// What lies where a copy will go is moved out of the way first.

// REMARK-DAG: Copied{{.*}}result 0 is copied to the donated argument 0
// REMARK-DAG: Copied{{.*}}result 1 is copied to the donated argument 1

// CHECK-LABEL: func @swap
//  CHECK-SAME: (%[[A:.*]]: memref<3xf32>, %[[B:.*]]: memref<3xf32>) -> memref<3xf32>
//       CHECK: memref.copy %[[B]], %[[X:.*]] :
//       CHECK: memref.copy %[[A]], %[[Y:.*]] :
//       CHECK: memref.copy %[[A]], %[[Z:.*]] :
//   CHECK-DAG: memref.copy %[[X]], %[[A]]
//   CHECK-DAG: memref.copy %[[Y]], %[[B]]
//       CHECK: return %[[Z]]
func.func @swap(%a: memref<3xf32> {sparsedrop.donate = 0 : i64}, %b: memref<3xf32> {sparsedrop.donate = 1 : i64})
    -> (memref<3xf32>, memref<3xf32>, memref<3xf32>) {
  return %b, %a, %a : memref<3xf32>, memref<3xf32>, memref<3xf32>
}

// -----

// A caller uses what it gave away.

// CHECK-LABEL: func @callee
//  CHECK-SAME: (%{{.*}}: memref<3xf32>) {
//       CHECK: return
// CHECK-LABEL: func @caller
//  CHECK-SAME: (%[[X:.*]]: memref<3xf32>)
//       CHECK: call @callee(%[[X]]) : (memref<3xf32>) -> ()
//       CHECK: return %[[X]]
func.func @callee(%a: memref<3xf32> {sparsedrop.donate = 0 : i64}) -> memref<3xf32> {
  return %a : memref<3xf32>
}
func.func @caller(%x: memref<3xf32>) -> memref<3xf32> {
  %0 = call @callee(%x) : (memref<3xf32>) -> memref<3xf32>
  return %0 : memref<3xf32>
}
