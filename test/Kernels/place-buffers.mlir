// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-place-buffers)' | FileCheck %s

func.func private @sparsedrop_fill(i64)
func.func private @sparsedrop_read(i64)

// Two functions of the host fill a list: the device has it when the last one has returned.

// CHECK-LABEL: func.func private @filled(
//       CHECK:   call @sparsedrop_alloc
//       CHECK:   call @sparsedrop_fill
//   CHECK-NOT:   call @sparsedrop_program_upload
//       CHECK:   call @sparsedrop_fill
//       CHECK:   call @sparsedrop_program_upload
//       CHECK:   linalg.copy
//       CHECK:   call @sparsedrop_fill
//       CHECK:   call @sparsedrop_program_upload
//       CHECK:   call @sparsedrop_free
func.func private @filled(%to: memref<4xindex>) {
  %0 = memref.alloc() : memref<4xindex>
  %1 = memref.extract_aligned_pointer_as_index %0 : memref<4xindex> -> index
  %2 = arith.index_cast %1 : index to i64
  call @sparsedrop_fill(%2) : (i64) -> ()
  call @sparsedrop_fill(%2) : (i64) -> ()
  linalg.copy ins(%0 : memref<4xindex>) outs(%to : memref<4xindex>)
  call @sparsedrop_fill(%2) : (i64) -> ()
  linalg.copy ins(%0 : memref<4xindex>) outs(%to : memref<4xindex>)
  memref.dealloc %0 : memref<4xindex>
  return
}

// One address of an array that the device changes in between, and in a branch: each reader gets
// what is there by then.

// CHECK-LABEL: func.func private @changed(
//       CHECK:   call @sparsedrop_program_download
//       CHECK:   call @sparsedrop_read
//       CHECK:   call @sparsedrop_free
//       CHECK:   linalg.copy
//       CHECK:   scf.if
//       CHECK:     call @sparsedrop_program_download
//       CHECK:     call @sparsedrop_read
//       CHECK:     call @sparsedrop_free
func.func private @changed(%x: memref<4xindex>, %y: memref<4xindex>, %c: i1) {
  %0 = memref.extract_aligned_pointer_as_index %x : memref<4xindex> -> index
  %1 = arith.index_cast %0 : index to i64
  call @sparsedrop_read(%1) : (i64) -> ()
  memref.copy %y, %x : memref<4xindex> to memref<4xindex>
  scf.if %c {
    func.call @sparsedrop_read(%1) : (i64) -> ()
  }
  return
}

// What a loop of the host reads of an array that nothing changes there is fetched once.

// CHECK-LABEL: func.func private @looked_up(
//   CHECK-NOT:   scf.for
//       CHECK:   call @sparsedrop_program_download
//       CHECK:   scf.for
//   CHECK-NOT:     sparsedrop_program_read
//       CHECK:     memref.load
//       CHECK:   call @sparsedrop_free
func.func private @looked_up(%words: memref<16xi32>, %table: memref<32x8xf32>, %x: memref<8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    %0 = memref.load %words[%i] : memref<16xi32>
    %1 = arith.index_cast %0 : i32 to index
    %2 = memref.subview %table[%1, 0] [1, 8] [1, 1] : memref<32x8xf32> to memref<8xf32, strided<[1], offset: ?>>
    linalg.add ins(%2, %x : memref<8xf32, strided<[1], offset: ?>>, memref<8xf32>) outs(%2 : memref<8xf32, strided<[1], offset: ?>>)
  }
  return
}

// Where the loop writes to it, or it is large, it is read element by element.

// CHECK-LABEL: func.func private @changed_in_loop(
//   CHECK-NOT:   sparsedrop_program_download
//       CHECK:   scf.for
//       CHECK:     call @sparsedrop_program_read
//       CHECK:   scf.for
//       CHECK:     call @sparsedrop_program_read
func.func private @changed_in_loop(%x: memref<16xf32>, %large: memref<65537xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    %0 = memref.load %x[%i] : memref<16xf32>
    linalg.fill ins(%0 : f32) outs(%x : memref<16xf32>)
  }
  scf.for %i = %c0 to %n step %c1 {
    %0 = memref.load %large[%i] : memref<65537xf32>
    linalg.fill ins(%0 : f32) outs(%x : memref<16xf32>)
  }
  return
}
