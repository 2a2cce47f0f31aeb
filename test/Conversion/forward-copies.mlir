// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-forward-copies)' | FileCheck %s

#id = affine_map<(i) -> (i)>

// The example of the pass's description.

// CHECK-LABEL: func @slices
//  CHECK-SAME:   %[[X:.*]]: memref<4xf32>, %[[ALL:.*]]: memref<8xf32>
//   CHECK-DAG:   %[[FIRST:.*]] = memref.subview %[[ALL]][0] [4] [1]
//   CHECK-DAG:   %[[SECOND:.*]] = memref.subview %[[ALL]][4] [4] [1]
//       CHECK:   linalg.generic {{.*}} outs(%[[FIRST]], %[[SECOND]]
//   CHECK-NOT:   memref.copy
//       CHECK:   return
func.func @slices(%x: memref<4xf32>, %all: memref<8xf32>) {
  %a = memref.alloc() : memref<4xf32>
  %b = memref.alloc() : memref<4xf32>
  linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]}
      ins(%x : memref<4xf32>) outs(%a, %b : memref<4xf32>, memref<4xf32>) {
  ^bb0(%e: f32, %o: f32, %p: f32):
    %0 = math.exp %e : f32
    %1 = math.tanh %e : f32
    linalg.yield %0, %1 : f32, f32
  }
  %first = memref.subview %all[0] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1]>>
  memref.copy %a, %first : memref<4xf32> to memref<4xf32, strided<[1]>>
  %second = memref.subview %all[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
  memref.copy %b, %second : memref<4xf32> to memref<4xf32, strided<[1], offset: 4>>
  return
}

// All that anybody uses of a buffer; what others do to slices that have nothing in
// common with it.

// CHECK-LABEL: func @part
//  CHECK-SAME:   %[[X:.*]]: memref<4xf32>, %[[ALL:.*]]: memref<8xf32>
//   CHECK-NOT:   memref.alloc
//       CHECK:   %[[TARGET:.*]] = memref.subview %[[ALL]][4] [4] [1]
//       CHECK:   linalg.exp ins(%[[X]] : {{.*}}) outs(%[[TARGET]]
//       CHECK:   linalg.log
//   CHECK-NOT:   memref.copy
//       CHECK:   return
func.func @part(%x: memref<4xf32>, %all: memref<8xf32>) {
  %a = memref.alloc() : memref<8xf32>
  %v = memref.subview %a[2] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 2>>
  linalg.exp ins(%x : memref<4xf32>) outs(%v : memref<4xf32, strided<[1], offset: 2>>)
  %other = memref.subview %all[0] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1]>>
  linalg.log ins(%x : memref<4xf32>) outs(%other : memref<4xf32, strided<[1]>>)
  %target = memref.subview %all[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
  memref.copy %v, %target : memref<4xf32, strided<[1], offset: 2>> to memref<4xf32, strided<[1], offset: 4>>
  return
}

// What stays: the slice is read, or written, in between, by the op itself or in a
// branch; a call that knows addresses; a place that is known later; a buffer that is
// read behind the copy.

// CHECK-LABEL: func @read
//       CHECK:   memref.copy
func.func @read(%all: memref<8xf32>) {
  %a = memref.alloc() : memref<4xf32>
  %same = memref.subview %all[2] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 2>>
  linalg.exp ins(%same : memref<4xf32, strided<[1], offset: 2>>) outs(%a : memref<4xf32>)
  %target = memref.subview %all[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
  memref.copy %a, %target : memref<4xf32> to memref<4xf32, strided<[1], offset: 4>>
  return
}

// CHECK-LABEL: func @written
//       CHECK:   memref.copy
func.func @written(%x: memref<4xf32>, %y: f32, %all: memref<8xf32>, %c: i1) {
  %a = memref.alloc() : memref<4xf32>
  linalg.exp ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
  scf.if %c {
    linalg.fill ins(%y : f32) outs(%all : memref<8xf32>)
  }
  %target = memref.subview %all[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
  memref.copy %a, %target : memref<4xf32> to memref<4xf32, strided<[1], offset: 4>>
  return
}

func.func private @callee()

// CHECK-LABEL: func @call
//       CHECK:   memref.copy
func.func @call(%x: memref<4xf32>, %all: memref<8xf32>) {
  %a = memref.alloc() : memref<4xf32>
  linalg.exp ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
  func.call @callee() : () -> ()
  %target = memref.subview %all[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
  memref.copy %a, %target : memref<4xf32> to memref<4xf32, strided<[1], offset: 4>>
  return
}

// CHECK-LABEL: func @later
//       CHECK:   memref.copy
func.func @later(%x: memref<4xf32>, %all: memref<8xf32>, %at: memref<index>) {
  %a = memref.alloc() : memref<4xf32>
  linalg.exp ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
  %i = memref.load %at[] : memref<index>
  %target = memref.subview %all[%i] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: ?>>
  memref.copy %a, %target : memref<4xf32> to memref<4xf32, strided<[1], offset: ?>>
  return
}

// CHECK-LABEL: func @behind
//       CHECK:   memref.copy
func.func @behind(%x: memref<4xf32>, %all: memref<8xf32>, %out: memref<4xf32>) {
  %a = memref.alloc() : memref<4xf32>
  linalg.exp ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
  %target = memref.subview %all[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
  memref.copy %a, %target : memref<4xf32> to memref<4xf32, strided<[1], offset: 4>>
  linalg.exp ins(%a : memref<4xf32>) outs(%out : memref<4xf32>)
  return
}

// Carried buffers may be any.

// CHECK-LABEL: func @carried
//       CHECK:   memref.copy
func.func @carried(%x: memref<4xf32>, %y: memref<8xf32>, %z: memref<8xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0:2 = scf.for %i = %c0 to %n step %c1 iter_args(%s = %y, %t = %z) -> (memref<8xf32>, memref<8xf32>) {
    %a = memref.alloc() : memref<4xf32>
    %source = memref.subview %s[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
    linalg.exp ins(%source : memref<4xf32, strided<[1], offset: 4>>) outs(%a : memref<4xf32>)
    %target = memref.subview %t[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>
    memref.copy %a, %target : memref<4xf32> to memref<4xf32, strided<[1], offset: 4>>
    scf.yield %t, %s : memref<8xf32>, memref<8xf32>
  }
  return
}

// A buffer from before the loop, which an iteration adds to.

// CHECK-LABEL: func @kept
//       CHECK:   memref.copy
func.func @kept(%x: memref<4xf32>, %all: memref<8x4xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0.0 : f32
  %a = memref.alloc() : memref<4xf32>
  linalg.fill ins(%zero : f32) outs(%a : memref<4xf32>)
  scf.for %i = %c0 to %c8 step %c1 {
    linalg.add ins(%x, %a : memref<4xf32>, memref<4xf32>) outs(%a : memref<4xf32>)
    %target = memref.subview %all[%i, 0] [1, 4] [1, 1] : memref<8x4xf32> to memref<4xf32, strided<[1], offset: ?>>
    memref.copy %a, %target : memref<4xf32> to memref<4xf32, strided<[1], offset: ?>>
  }
  return
}

// Slices that go down; an argument of a block, which may be the buffer.

// CHECK-LABEL: func @down
//       CHECK:   memref.copy
func.func @down(%all: memref<8xf32>, %out: memref<2xf32>, %x: memref<4xf32>) {
  %a = memref.alloc() : memref<4xf32>
  linalg.exp ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
  %low = memref.subview %all[0] [2] [1] : memref<8xf32> to memref<2xf32, strided<[1]>>
  linalg.tanh ins(%low : memref<2xf32, strided<[1]>>) outs(%out : memref<2xf32>)
  %target = memref.subview %all[3] [4] [-1] : memref<8xf32> to memref<4xf32, strided<[-1], offset: 3>>
  memref.copy %a, %target : memref<4xf32> to memref<4xf32, strided<[-1], offset: 3>>
  return
}

// CHECK-LABEL: func @block_argument
//       CHECK:   memref.copy
func.func @block_argument(%x: memref<4xf32>, %y: memref<8xf32>, %out: memref<8xf32>) -> memref<8xf32> {
  %all = memref.alloc() : memref<8xf32>
  linalg.tanh ins(%y : memref<8xf32>) outs(%all : memref<8xf32>)
  cf.br ^bb1(%all : memref<8xf32>)
^bb1(%p: memref<8xf32>):
  %a = memref.alloc() : memref<4xf32>
  linalg.exp ins(%x : memref<4xf32>) outs(%a : memref<4xf32>)
  linalg.tanh ins(%p : memref<8xf32>) outs(%out : memref<8xf32>)
  %target = memref.subview %all[0] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1]>>
  memref.copy %a, %target : memref<4xf32> to memref<4xf32, strided<[1]>>
  return %all : memref<8xf32>
}
