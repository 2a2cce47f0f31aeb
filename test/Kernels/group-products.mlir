// RUN: sparsedrop-opt %s --remarks-filter='sparsedrop-group.*' -o /dev/null --pass-pipeline='builtin.module(sparsedrop-group-products)' --split-input-file 2>&1 | FileCheck %s --check-prefix=REMARK --implicit-check-not='remark:'
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-group-products)' --split-input-file | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-group-products,sparsedrop-choose-kernels,sparsedrop-emit-kernels)' --split-input-file | FileCheck %s --check-prefix=EMIT

#mk = affine_map<(m, n, k) -> (m, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#mn = affine_map<(m, n, k) -> (m, n)>

// Two products of an iteration are two loops. One launch does all iterations: each
// writes a record, and the last one, or the last that there is room for, launches.

// REMARK: remark: {{.*}}the products of all iterations take 2 launches

// CHECK-LABEL: func @two
//       CHECK:   scf.for %[[Q:.*]] = %{{.*}} to %[[N:.*]] step
//       CHECK:     %[[Y:.*]] = memref.subview %arg2[%[[Q]], 0, 0]
//       CHECK:     sparsedrop.contract
//  CHECK-SAME:       outs(%[[Y]] :
//   CHECK-NOT:     sparsedrop.contract
//       CHECK:   } {sparsedrop.disjoint, sparsedrop.grouped}
//       CHECK:   scf.for %[[Q2:.*]] = %{{.*}} to %[[N]] step
//       CHECK:     %[[Z:.*]] = memref.subview %arg3[%[[Q2]], 0, 0]
//       CHECK:     sparsedrop.contract
//  CHECK-SAME:       outs(%[[Z]] :
//       CHECK:   } {sparsedrop.disjoint, sparsedrop.grouped}

// 6 words and the number of blocks are a record of 8 words, 64 of which are 4096 bytes.
// Iterations are shared out evenly among the launches that they take.

// EMIT-LABEL: func @two
//       EMIT:   memref.alloca() : memref<512xi64>
//       EMIT:   %[[ARRAY:.*]] = memref.alloca() : memref<512xi64>
//       EMIT:   scf.for %[[Q:.*]] = %[[BEGIN:.*]] to %[[END:.*]] step %[[STEP:.*]] {
//       EMIT:     %[[BEHIND:.*]] = arith.subi %[[Q]], %[[BEGIN]]
//       EMIT:     %[[I:.*]] = arith.divui %[[BEHIND]], %[[STEP]]
//       EMIT:     %[[GROUP:.*]] = arith.remui %[[I]], %[[SHARE:[^ ]*]]
//       EMIT:     %[[FIRST:.*]] = arith.muli %[[GROUP]], %c8
//       EMIT:     memref.store %{{.*}}, %[[ARRAY]]
//       EMIT:     %[[NEXT:.*]] = arith.addi %[[Q]], %[[STEP]]
//       EMIT:     %[[ISEND:.*]] = arith.cmpi sge, %[[NEXT]], %[[END]]
//       EMIT:     %[[GROUPS:.*]] = arith.addi %[[GROUP]], %c1
//       EMIT:     %[[ISFULL:.*]] = arith.cmpi eq, %[[GROUPS]], %[[SHARE]]
//       EMIT:     %[[ISLAST:.*]] = arith.ori %[[ISEND]], %[[ISFULL]]
//       EMIT:     scf.if %[[ISLAST]] {
//       EMIT:       func.call @sparsedrop_program_launch_groups
//       EMIT:   scf.for
//       EMIT:       func.call @sparsedrop_program_launch_groups
// Blocks behind the last one of their group end at once.
//       EMIT: llvm.func @plain(%[[RECORDS:.*]]: !llvm.ptr {llvm.align = 64 : i64, llvm.byval = !llvm.array<512 x i64>, nvvm.grid_constant}) attributes {nvvm.kernel
//       EMIT:   nvvm.read.ptx.sreg.ctaid.z
//       EMIT:   %[[RECORD:.*]] = llvm.getelementptr %[[RECORDS]]
//       EMIT:   llvm.getelementptr %[[RECORD]]
//       EMIT:   llvm.cond_br %{{.*}}, ^[[BODY:.*]], ^[[DONE:.*]]
//       EMIT: ^[[DONE]]:
//  EMIT-NEXT:   llvm.return
func.func @two(%x: memref<4x8x16xf32>, %w: memref<4x16x?xf32>, %y: memref<4x8x?xf32>, %z: memref<4x8x?xf32>, %n: index, %m: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %q = %c0 to %n step %c1 {
    %a = memref.subview %x[%q, 0, 0] [1, 8, 16] [1, 1, 1] : memref<4x8x16xf32> to memref<8x16xf32, strided<[16, 1], offset: ?>>
    %b = memref.subview %w[%q, 0, 0] [1, 16, %m] [1, 1, 1] : memref<4x16x?xf32> to memref<16x?xf32, strided<[?, 1], offset: ?>>
    %c = memref.subview %y[%q, 0, 0] [1, 8, %m] [1, 1, 1] : memref<4x8x?xf32> to memref<8x?xf32, strided<[?, 1], offset: ?>>
    %d = memref.subview %z[%q, 0, 0] [1, 8, %m] [1, 1, 1] : memref<4x8x?xf32> to memref<8x?xf32, strided<[?, 1], offset: ?>>
    sparsedrop.contract {indexing_maps = [#mk, #kn, #mn]} ins(%a, %b : memref<8x16xf32, strided<[16, 1], offset: ?>>, memref<16x?xf32, strided<[?, 1], offset: ?>>) outs(%c : memref<8x?xf32, strided<[?, 1], offset: ?>>) {
    ^bb0(%sum: f32, %old: f32):
      sparsedrop.yield %sum : f32
    }
    sparsedrop.contract {indexing_maps = [#mk, #kn, #mn]} ins(%a, %b : memref<8x16xf32, strided<[16, 1], offset: ?>>, memref<16x?xf32, strided<[?, 1], offset: ?>>) outs(%d : memref<8x?xf32, strided<[?, 1], offset: ?>>) {
    ^bb0(%sum: f32, %old: f32):
      sparsedrop.yield %sum : f32
    }
  } {sparsedrop.disjoint}
  return
}

// -----

// A loop that does not say so may need what it has computed before.

// CHECK-LABEL: func @unmarked
//   CHECK-NOT:   sparsedrop.grouped
// EMIT-LABEL: func @unmarked
//       EMIT:   call @sparsedrop_program_launch(
func.func @unmarked(%x: memref<8x8xf32>, %y: memref<8x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %q = %c0 to %n step %c1 {
    sparsedrop.contract {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]} ins(%x, %x : memref<8x8xf32>, memref<8x8xf32>) outs(%y : memref<8x8xf32>) {
    ^bb0(%sum: f32, %old: f32):
      %0 = arith.addf %sum, %old : f32
      sparsedrop.yield %0 : f32
    }
  }
  return
}

// -----

// REMARK: remark: {{.*}}the products of a loop are launched one by one: iterations do more than multiply: 'memref.alloc'

// CHECK-LABEL: func @more
//   CHECK-NOT:   sparsedrop.grouped
// EMIT-LABEL: func @more
//   EMIT-NOT:   launch
//       EMIT:   return
func.func @more(%x: memref<8x8xf32>, %y: memref<8x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %q = %c0 to %n step %c1 {
    %0 = memref.alloc() : memref<8xf32>
    memref.dealloc %0 : memref<8xf32>
  } {sparsedrop.disjoint}
  return
}

// -----

// What was chosen is obeyed.

// REMARK: remark: {{.*}}launched one by one: parts of the depth, which were chosen, take a second launch

// CHECK-LABEL: func @parts
//   CHECK-NOT:   sparsedrop.grouped
// EMIT-LABEL: func @parts
//   EMIT-NOT:   launch_groups
//       EMIT:   call @sparsedrop_program_launch(
//   EMIT-NOT:   launch_groups
func.func @parts(%x: memref<8x8xf32>, %y: memref<8x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %q = %c0 to %n step %c1 {
    sparsedrop.contract {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>], sparsedrop.kernel = #sparsedrop.kernel<plain, tile = [16, 16, 16], vector = [4, 4, 4], split = 2>} ins(%x, %x : memref<8x8xf32>, memref<8x8xf32>) outs(%y : memref<8x8xf32>) {
    ^bb0(%sum: f32, %old: f32):
      sparsedrop.yield %sum : f32
    }
  } {sparsedrop.disjoint}
  return
}

// -----

// REMARK: remark: {{.*}}launched one by one: iterations are not counted by a signed index

// CHECK-LABEL: func @unsigned
//   CHECK-NOT:   sparsedrop.grouped
// EMIT-LABEL: func @unsigned
func.func @unsigned(%x: memref<8x8xf32>, %y: memref<8x8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for unsigned %q = %c0 to %n step %c1 {
    sparsedrop.contract {indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]} ins(%x, %x : memref<8x8xf32>, memref<8x8xf32>) outs(%y : memref<8x8xf32>) {
    ^bb0(%sum: f32, %old: f32):
      sparsedrop.yield %sum : f32
    }
  } {sparsedrop.disjoint}
  return
}
