// RUN: sparsedrop-opt %s --split-input-file --verify-diagnostics

// expected-error @below {{expected wgmma, tensor_core, plain, elementwise, transpose, reduce_rows, reduce_columns or serial, but got 'magic'}}
func.func private @family() attributes {k = #sparsedrop.kernel<magic>}

// -----

// expected-error @below {{expected tile, warps, cluster, threads, vector, rows, columns, depth, stages, split, tf32 or pingpong, but got 'size'}}
func.func private @key() attributes {k = #sparsedrop.kernel<plain, size = [1]>}

// -----

// expected-error @below {{expected 3 numbers in 'tile' of family 'plain', but got 2}}
func.func private @count() attributes {k = #sparsedrop.kernel<plain, tile = [64, 64], vector = [1, 1, 1]>}

// -----

// expected-error @below {{expected 'vector' of at least 1, but got 0}}
func.func private @zero() attributes {k = #sparsedrop.kernel<elementwise, threads = [32], vector = [0]>}

// -----

// expected-error @below {{expected 'stages' of at least 1, but got 0}}
func.func private @stages() attributes {k = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [1, 1, 1], stages = 0>}

// -----

func.func @no_kernel(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @below {{expects 'sparsedrop.kernel' to be #sparsedrop.kernel, but got 1 : i64}}
  %0 = linalg.exp {sparsedrop.kernel = 1} ins(%x : tensor<8xf32>) outs(%x : tensor<8xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @maps(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects 3 indexing maps, one for each operand, but got 2}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b]} ins(%x, %x : tensor<8x8xf32>, tensor<8x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (m, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @loops(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects each loop to index two of lhs, rhs and outputs, but loop 2 indexes 1}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %x : tensor<8x8xf32>, tensor<8x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @extents(%x: tensor<8x8xf32>, %w: tensor<9x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects one extent of loop 2, but got 8 and 9}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %w : tensor<8x8xf32>, tensor<9x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>
func.func @sum_type(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects a sum of f32 or f64, but got 'bf16'}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %x : tensor<8x8xf32>, tensor<8x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: bf16, %o: f32):
    sparsedrop.yield %o : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m + n, n)>
func.func @output(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects outputs that are indexed by distinct loops, but operand 2 has the map}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c]} ins(%x, %x : tensor<8x8xf32>, tensor<8x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

// expected-error @below {{expected 'vector' of a power of two, but got 6}}
func.func private @odd_vector() attributes {k = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [8, 8, 6]>}

// -----

// expected-error @below {{expected 'split' of at most 256, but got 1000}}
func.func private @parts() attributes {k = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [4, 4, 4], split = 1000>}

// -----

// expected-error @below {{expected 'cluster' of at least 1 and at most 65536, but got 2305843009213693952}}
func.func private @overflow() attributes {k = #sparsedrop.kernel<wgmma, tile = [128, 128, 64], warps = [8, 1], cluster = [2305843009213693952, 8], vector = [8, 8, 8]>}

// -----

// expected-error @below {{expected 0 numbers in 'cluster' of family 'tensor_core', but got 2}}
func.func private @clusters() attributes {k = #sparsedrop.kernel<tensor_core, tile = [64, 64, 64], warps = [2, 2], cluster = [2, 1], vector = [8, 8, 8], stages = 3>}

// -----

// expected-error @below {{expected 'pingpong' of family 'wgmma', but got it of 'tensor_core'}}
func.func private @turns() attributes {k = #sparsedrop.kernel<tensor_core, tile = [64, 64, 64], warps = [2, 2], vector = [8, 8, 8], stages = 3, pingpong>}

// -----

// expected-error @below {{expected 'rows' with the product 128 as in 'tile', but got 64}}
func.func private @boxes() attributes {k = #sparsedrop.kernel<wgmma, tile = [128, 64, 64], warps = [4, 1], vector = [8, 8, 8], rows = [8, 8]>}

// -----

// expected-error @below {{expected 0 numbers in 'depth' of family 'plain', but got 1}}
func.func private @boxes_of_others() attributes {k = #sparsedrop.kernel<plain, tile = [64, 64, 16], vector = [1, 1, 1], depth = [16]>}

// -----

func.func @no_loop(%x: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error @below {{expects 'sparsedrop.disjoint' on a loop, but got it on 'linalg.exp'}}
  %0 = linalg.exp {sparsedrop.disjoint} ins(%x : tensor<8xf32>) outs(%x : tensor<8xf32>) -> tensor<8xf32>
  return %0 : tensor<8xf32>
}

// -----

func.func @no_product(%n: index) {
  // expected-error @below {{expects 'sparsedrop.grouped' on a loop of one product and no results, but got 0 and 0}}
  scf.for %i = %n to %n step %n {
  } {sparsedrop.grouped}
  return
}

// -----

func.func @more_than_a_product(%x: memref<8xf32>, %n: index) {
  // expected-error @below {{expects 'sparsedrop.grouped' on a loop that does nothing but one product, but got 'memref.dealloc'}}
  scf.for %i = %n to %n step %n {
    memref.dealloc %x : memref<8xf32>
  } {sparsedrop.grouped}
  return
}

// -----

#a = affine_map<(m, g, n, k) -> (m, k)>
#b = affine_map<(m, g, n, k) -> (k, g, n)>
#c = affine_map<(m, g, n, k) -> (m, n)>
func.func @joint_number(%x: tensor<8x8xf32>, %w: tensor<8x2x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects 'joint' to be the number of one of 4 loops, but got 4}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c], joint = 4} ins(%x, %w : tensor<8x8xf32>, tensor<8x2x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: f32, %r: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

#a = affine_map<(m, g, n, k) -> (m, k)>
#b = affine_map<(m, g, n, k) -> (k, g, n)>
#c = affine_map<(m, g, n, k) -> (m, n)>
func.func @joint_extent(%x: tensor<8x8xf32>, %w: tensor<8x9x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects a joint loop of 1 to 8 iterations, but got 9}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c], joint = 1} ins(%x, %w : tensor<8x8xf32>, tensor<8x9x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: f32, %r: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

#a = affine_map<(m, g, n, k) -> (m, k)>
#b = affine_map<(m, g, n, k) -> (k, g, n)>
#c = affine_map<(m, g, n, k) -> (m, n)>
func.func @joint_dynamic(%x: tensor<8x8xf32>, %w: tensor<8x?x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects a joint loop of 1 to 8 iterations, but got an unknown number}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c], joint = 1} ins(%x, %w : tensor<8x8xf32>, tensor<8x?x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: f32, %r: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

#a = affine_map<(m, g, n, k) -> (m, k)>
#b = affine_map<(m, g, n, k) -> (k, g, n)>
#c = affine_map<(m, g, n, k) -> (m, n)>
func.func @joint_sums(%x: tensor<8x8xf32>, %w: tensor<8x3x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects a region of 4 arguments, but got 3}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c], joint = 1} ins(%x, %w : tensor<8x8xf32>, tensor<8x3x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: f32, %r: f32, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

#a = affine_map<(m, g, n, k) -> (m, k)>
#b = affine_map<(m, g, n, k) -> (k, g, n)>
#c = affine_map<(m, g, n, k) -> (m, n)>
func.func @joint_types(%x: tensor<8x8xf32>, %w: tensor<8x2x8xf32>) -> tensor<8x8xf32> {
  // expected-error @below {{expects sums of one type, but got 'f32' and 'f64'}}
  %0 = sparsedrop.contract {indexing_maps = [#a, #b, #c], joint = 1} ins(%x, %w : tensor<8x8xf32>, tensor<8x2x8xf32>) outs(%x : tensor<8x8xf32>) {
  ^bb0(%s: f32, %r: f64, %o: f32):
    sparsedrop.yield %s : f32
  } -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

// expected-error @below {{expected 'columns' with the product 64 as in 'tile', but got 32}}
func.func private @columns() attributes {k = #sparsedrop.kernel<wgmma, tile = [128, 64, 64], warps = [4, 1], vector = [8, 8, 8], columns = [4, 8]>}
