// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-place-buffers)' --split-input-file --verify-diagnostics

func.func @complex() {
  // expected-error @below {{'memref.alloc' op cannot run on a device: expected an array of floats, index or integers without sign of 1, 8, 16, 32 or 64 bits, but got elements of type 'complex<f32>'}}
  %0 = memref.alloc() : memref<4xcomplex<f32>>
  memref.dealloc %0 : memref<4xcomplex<f32>>
  return
}

// -----

// Twelve bits take two bytes in LLVM's arrays, but not in its vectors.
func.func @twelve() {
  // expected-error @below {{but got elements of type 'i12'}}
  %0 = memref.alloc() : memref<4xi12>
  memref.dealloc %0 : memref<4xi12>
  return
}

// -----

func.func @signed(%x: memref<4xsi32>, %y: memref<4xsi32>) {
  // expected-error @below {{but got elements of type 'si32'}}
  memref.copy %x, %y : memref<4xsi32> to memref<4xsi32>
  return
}

// -----

memref.global "private" @counter : memref<4xf32> = dense<0.0>
func.func @changes(%y: memref<4xf32>) {
  // expected-error @below {{'memref.get_global' op cannot run on a device: expected a constant with a value, but got 'counter'}}
  %0 = memref.get_global @counter : memref<4xf32>
  memref.copy %0, %y : memref<4xf32> to memref<4xf32>
  return
}
