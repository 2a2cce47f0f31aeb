// RUN: sparsedrop-run %s --entry=loop --random=1 --check --steps=12 | FileCheck %s
// RUN: sparsedrop-run %s --entry=branch --random=1 --check --steps=12 | FileCheck %s
// RUN: sparsedrop-run %s --entry=flatten --random=1 --check --steps=12 | FileCheck %s
// RUN: sparsedrop-run %s --entry=pad_and_pool --random=1 --check --steps=12 | FileCheck %s
// RUN: sparsedrop-run %s --entry=slices --random=1 --check --steps=12 | FileCheck %s
// RUN: sparsedrop-run %s --entry=slice_of_product --random=1 --check --steps=12 | FileCheck %s
// RUN: sparsedrop-run %s --entry=tiles_twice --random=1 --check --steps=1 | FileCheck %s
// RUN: sparsedrop-run %s --entry=accumulate --random=1 --check --steps=12 | FileCheck %s
// RUN: sparsedrop-run %s --entry=index --random=1 --check --steps=12 | FileCheck %s
// RUN: sparsedrop-run %s --entry=calls --random=1 --check --steps=12 | FileCheck %s
// RUN: sparsedrop-run %s --entry=mean_and_max --random=1 --check --steps=12 | FileCheck %s
// CHECK: check: ok

// The soundness traps, run: compact equals masked.

#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (i)>

// A recurrence whose state is dropped at its end.
func.func @loop(%x: tensor<4x24xf32>, %w: tensor<24x8xf32>) -> tensor<4x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %r = scf.for %i = %c0 to %c3 step %c1 iter_args(%h = %x) -> (tensor<4x24xf32>) {
    %e = tensor.empty() : tensor<4x24xf32>
    %t = linalg.tanh ins(%h : tensor<4x24xf32>) outs(%e : tensor<4x24xf32>) -> tensor<4x24xf32>
    %s = linalg.add ins(%t, %x : tensor<4x24xf32>, tensor<4x24xf32>) outs(%e : tensor<4x24xf32>) -> tensor<4x24xf32>
    scf.yield %s : tensor<4x24xf32>
  }
  %eo = tensor.empty() : tensor<4x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%eo : tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "state">}
    ins(%r, %w : tensor<4x24xf32>, tensor<24x8xf32>) outs(%z : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

func.func @branch(%x: tensor<4x24xf32>, %w: tensor<24x8xf32>, %n: i32) -> tensor<4x8xf32> {
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1 : i32
  %c = arith.cmpi sge, %n, %one : i32
  %s = scf.if %c -> (tensor<4x24xf32>) {
    scf.yield %x : tensor<4x24xf32>
  } else {
    %e = tensor.empty() : tensor<4x24xf32>
    %t = linalg.exp ins(%x : tensor<4x24xf32>) outs(%e : tensor<4x24xf32>) -> tensor<4x24xf32>
    scf.yield %t : tensor<4x24xf32>
  }
  %eo = tensor.empty() : tensor<4x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%eo : tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "branch", granularity = 5>}
    ins(%s, %w : tensor<4x24xf32>, tensor<24x8xf32>) outs(%z : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// A convolution, its channels flattened with their positions, a product whose
// granules are whole channels.
func.func @flatten(%x: tensor<2x3x5x5xf32>, %f: tensor<16x3x3x3xf32>, %w: tensor<144x8xf32>) -> tensor<2x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x16x3x3xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x16x3x3xf32>) -> tensor<2x16x3x3xf32>
  %c = linalg.conv_2d_nchw_fchw ins(%x, %f : tensor<2x3x5x5xf32>, tensor<16x3x3x3xf32>)
    outs(%z : tensor<2x16x3x3xf32>) -> tensor<2x16x3x3xf32>
  %v = tensor.collapse_shape %c [[0], [1, 2, 3]] : tensor<2x16x3x3xf32> into tensor<2x144xf32>
  %eo = tensor.empty() : tensor<2x8xf32>
  %zo = linalg.fill ins(%zero : f32) outs(%eo : tensor<2x8xf32>) -> tensor<2x8xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "flat", granularity = 9>}
    ins(%v, %w : tensor<2x144xf32>, tensor<144x8xf32>) outs(%zo : tensor<2x8xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// Padding with -inf before a max pooling, whose result is dropped.
func.func @pad_and_pool(%x: tensor<1x10x24xf32>, %w: tensor<3x24x8xf32>) -> tensor<1x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %inf = arith.constant 0xFF800000 : f32
  %pad = tensor.pad %x low[0, 1, 0] high[0, 1, 0] {
    ^bb0(%i: index, %j: index, %k: index):
      tensor.yield %inf : f32
  } : tensor<1x10x24xf32> to tensor<1x12x24xf32>
  %e = tensor.empty() : tensor<1x10x24xf32>
  %start = linalg.fill ins(%inf : f32) outs(%e : tensor<1x10x24xf32>) -> tensor<1x10x24xf32>
  %window = tensor.empty() : tensor<3xf32>
  %p = linalg.pooling_nwc_max ins(%pad, %window : tensor<1x12x24xf32>, tensor<3xf32>)
    outs(%start : tensor<1x10x24xf32>) -> tensor<1x10x24xf32>
  %eo = tensor.empty() : tensor<1x8x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%eo : tensor<1x8x8xf32>) -> tensor<1x8x8xf32>
  %y = linalg.conv_1d_nwc_wcf {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "pool">}
    ins(%p, %w : tensor<1x10x24xf32>, tensor<3x24x8xf32>) outs(%z : tensor<1x8x8xf32>) -> tensor<1x8x8xf32>
  return %y : tensor<1x8x8xf32>
}

// Two parts of one dropped value; a slice may keep nothing.
func.func @slices(%x: tensor<4x8xf32>, %w0: tensor<8x24xf32>, %w: tensor<24x8xf32>) -> tensor<4x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x24xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4x24xf32>) -> tensor<4x24xf32>
  %h = linalg.matmul ins(%x, %w0 : tensor<4x8xf32>, tensor<8x24xf32>) outs(%z : tensor<4x24xf32>) -> tensor<4x24xf32>
  %a = tensor.extract_slice %h[0, 0] [4, 3] [1, 1] : tensor<4x24xf32> to tensor<4x3xf32>
  %b = tensor.extract_slice %h[0, 3] [4, 21] [1, 1] : tensor<4x24xf32> to tensor<4x21xf32>
  %c = tensor.concat dim(1) %b, %a : (tensor<4x21xf32>, tensor<4x3xf32>) -> tensor<4x24xf32>
  %eo = tensor.empty() : tensor<4x8xf32>
  %zo = linalg.fill ins(%zero : f32) outs(%eo : tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.6, site = "slices", granularity = 3>}
    ins(%c, %w : tensor<4x24xf32>, tensor<24x8xf32>) outs(%zo : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// Accumulation into an init that is not zero, of a product with dropped rows.
func.func @accumulate(%x: tensor<24x6xf32>, %w: tensor<6x8xf32>, %v: tensor<24x8xf32>, %init: tensor<24x8xf32>) -> (tensor<24x8xf32>, tensor<6x8xf32>) {
  %zero = arith.constant 0.0 : f32
  %a = linalg.matmul ins(%x, %w : tensor<24x6xf32>, tensor<6x8xf32>) outs(%init : tensor<24x8xf32>) -> tensor<24x8xf32>
  %e = tensor.empty() : tensor<6x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<6x8xf32>) -> tensor<6x8xf32>
  %y = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
    {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 1, rate = 0.5, site = "rows">}
    ins(%x, %a : tensor<24x6xf32>, tensor<24x8xf32>) outs(%z : tensor<6x8xf32>) -> tensor<6x8xf32>
  return %v, %y : tensor<24x8xf32>, tensor<6x8xf32>
}

func.func @index(%x: tensor<4x23xf32>, %w: tensor<23x8xf32>) -> tensor<4x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x23xf32>
  %h = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<4x23xf32>) outs(%e : tensor<4x23xf32>) {
    ^bb0(%a: f32, %o: f32):
      %i = linalg.index 1 : index
      %j = arith.index_cast %i : index to i32
      %f = arith.sitofp %j : i32 to f32
      %r = arith.mulf %a, %f : f32
      linalg.yield %r : f32
  } -> tensor<4x23xf32>
  %eo = tensor.empty() : tensor<4x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%eo : tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "index", granularity = 4>}
    ins(%h, %w : tensor<4x23xf32>, tensor<23x8xf32>) outs(%z : tensor<4x8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// The same layer twice: one site, one pattern, through calls.
func.func private @layer(%x: tensor<4x24xf32>, %w: tensor<24x24xf32>) -> tensor<4x24xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<4x24xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4x24xf32>) -> tensor<4x24xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "layer">}
    ins(%x, %w : tensor<4x24xf32>, tensor<24x24xf32>) outs(%z : tensor<4x24xf32>) -> tensor<4x24xf32>
  return %y : tensor<4x24xf32>
}
func.func @calls(%x: tensor<4x24xf32>, %w: tensor<24x24xf32>) -> tensor<4x24xf32> {
  %a = call @layer(%x, %w) : (tensor<4x24xf32>, tensor<24x24xf32>) -> tensor<4x24xf32>
  %b = call @layer(%a, %w) : (tensor<4x24xf32>, tensor<24x24xf32>) -> tensor<4x24xf32>
  return %b : tensor<4x24xf32>
}

// The mean and the maximum of what a product with a dropped operand gives, and
// of the dropped value itself through a product with ones.
func.func @mean_and_max(%x: tensor<4x24xf32>, %w: tensor<24x8xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %eighth = arith.constant 0.125 : f32
  %inf = arith.constant 0xFF800000 : f32
  %e = tensor.empty() : tensor<4x8xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4x8xf32>) -> tensor<4x8xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "reduced">}
    ins(%x, %w : tensor<4x24xf32>, tensor<24x8xf32>) outs(%z : tensor<4x8xf32>) -> tensor<4x8xf32>
  %ev = tensor.empty() : tensor<4xf32>
  %zv = linalg.fill ins(%zero : f32) outs(%ev : tensor<4xf32>) -> tensor<4xf32>
  %iv = linalg.fill ins(%inf : f32) outs(%ev : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.reduce { arith.addf } ins(%y : tensor<4x8xf32>) outs(%zv : tensor<4xf32>) dimensions = [1]
  %max = linalg.reduce { arith.maximumf } ins(%y : tensor<4x8xf32>) outs(%iv : tensor<4xf32>) dimensions = [1]
  %mean = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%sum : tensor<4xf32>) outs(%ev : tensor<4xf32>) {
    ^bb0(%a: f32, %o: f32):
      %r = arith.mulf %a, %eighth : f32
      linalg.yield %r : f32
  } -> tensor<4xf32>
  return %mean, %max : tensor<4xf32>, tensor<4xf32>
}

// Granules of both dimensions of a slice of weights, which is no loop to be split: they are
// copied.
func.func @slice_of_product(%x: tensor<3x5xf32>, %w: tensor<5x48xf32>, %v: tensor<26x12xf32>) -> tensor<3x12xf32> {
  %zero = arith.constant 0.0 : f32
  %ew = tensor.empty() : tensor<5x48xf32>
  %t = linalg.tanh ins(%w : tensor<5x48xf32>) outs(%ew : tensor<5x48xf32>) -> tensor<5x48xf32>
  %e = tensor.empty() : tensor<3x48xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<3x48xf32>) -> tensor<3x48xf32>
  %m = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "rows", granularity = 2>}
    ins(%x, %t : tensor<3x5xf32>, tensor<5x48xf32>) outs(%z : tensor<3x48xf32>) -> tensor<3x48xf32>
  %s = tensor.extract_slice %m[0, 19] [3, 26] [1, 1] : tensor<3x48xf32> to tensor<3x26xf32>
  %eo = tensor.empty() : tensor<3x12xf32>
  %zo = linalg.fill ins(%zero : f32) outs(%eo : tensor<3x12xf32>) -> tensor<3x12xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "columns", granularity = 4>}
    ins(%s, %v : tensor<3x26xf32>, tensor<26x12xf32>) outs(%zo : tensor<3x12xf32>) -> tensor<3x12xf32>
  return %y : tensor<3x12xf32>
}

// A product of weights with themselves: both factors drop the same tiles.
func.func @tiles_twice(%w: tensor<70x45xf32>) -> tensor<70x70xf32> {
  %zero = arith.constant 0.0 : f32
  %n = arith.constant 70 : index
  %k = arith.constant 45 : index
  %dp = arith.constant 3 : index
  %b = arith.constant 1 : index
  %p = sparsedrop.make_pattern period(%dp) bias(%b) extents(%n, %k) : !sparsedrop.pattern<tile, tile = [16, 8]>
  %d = sparsedrop.dropout %w, %p dim(0, 1) : tensor<70x45xf32>, !sparsedrop.pattern<tile, tile = [16, 8]>
  %e = tensor.empty() : tensor<70x70xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<70x70xf32>) -> tensor<70x70xf32>
  %y = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%d, %d : tensor<70x45xf32>, tensor<70x45xf32>) outs(%z : tensor<70x70xf32>) -> tensor<70x70xf32>
  return %y : tensor<70x70xf32>
}
