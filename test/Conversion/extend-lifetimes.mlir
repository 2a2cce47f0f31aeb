// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-extend-lifetimes)' | FileCheck %s

func.func private @sparsedrop_use(i64)

// Through views, arithmetic and branches.

// CHECK-LABEL: func.func @f(
//       CHECK:   %[[A:.*]] = memref.alloc() : memref<8xindex>
//   CHECK-NOT:   memref.dealloc
//       CHECK:   scf.if
//       CHECK:     call @sparsedrop_use
//       CHECK:   }
//  CHECK-NEXT:   memref.dealloc %[[A]]
//       CHECK:   call @sparsedrop_use
func.func @f(%c: i1, %other: i64) {
  %c8 = arith.constant 8 : i64
  %0 = memref.alloc() : memref<8xindex>
  %1 = memref.subview %0[2] [4] [1] : memref<8xindex> to memref<4xindex, strided<[1], offset: 2>>
  %2 = memref.extract_aligned_pointer_as_index %1 : memref<4xindex, strided<[1], offset: 2>> -> index
  memref.dealloc %0 : memref<8xindex>
  %3 = arith.index_cast %2 : index to i64
  %4 = arith.addi %3, %c8 : i64
  scf.if %c {
    func.call @sparsedrop_use(%4) : (i64) -> ()
  }
  call @sparsedrop_use(%other) : (i64) -> ()
  return
}

// What nobody knows the address of is freed where it was.

// CHECK-LABEL: func.func @g(
//       CHECK:   memref.dealloc
//  CHECK-NEXT:   call @sparsedrop_use
func.func @g(%other: i64) {
  %0 = memref.alloc() : memref<8xindex>
  memref.dealloc %0 : memref<8xindex>
  call @sparsedrop_use(%other) : (i64) -> ()
  return
}

// Where the address is that of one of two buffers, both live on; so does what a loop
// carries.

// CHECK-LABEL: func.func @either(
//   CHECK-NOT:   memref.dealloc
//       CHECK:   call @sparsedrop_use
//  CHECK-NEXT:   memref.dealloc
//  CHECK-NEXT:   memref.dealloc
func.func @either(%c: i1) {
  %0 = memref.alloc() : memref<8xindex>
  %1 = memref.alloc() : memref<8xindex>
  %2 = arith.select %c, %0, %1 : memref<8xindex>
  %3 = memref.extract_aligned_pointer_as_index %2 : memref<8xindex> -> index
  memref.dealloc %0 : memref<8xindex>
  memref.dealloc %1 : memref<8xindex>
  %4 = arith.index_cast %3 : index to i64
  call @sparsedrop_use(%4) : (i64) -> ()
  return
}

// CHECK-LABEL: func.func @carried(
//   CHECK-NOT:   memref.dealloc
//       CHECK:   call @sparsedrop_use
//  CHECK-NEXT:   memref.dealloc
func.func @carried(%other: memref<8xindex>, %from: index, %to: index, %step: index) {
  %0 = memref.alloc() : memref<8xindex>
  %1:2 = scf.for %i = %from to %to step %step iter_args(%a = %0, %b = %other) -> (memref<8xindex>, memref<8xindex>) {
    scf.yield %b, %a : memref<8xindex>, memref<8xindex>
  }
  %2 = memref.extract_aligned_pointer_as_index %1#1 : memref<8xindex> -> index
  memref.dealloc %0 : memref<8xindex>
  %3 = arith.index_cast %2 : index to i64
  call @sparsedrop_use(%3) : (i64) -> ()
  return
}
