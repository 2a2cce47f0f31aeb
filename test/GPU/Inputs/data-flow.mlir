// Programs in which values are read where, or after, others are written.

#id2 = affine_map<(d0, d1) -> (d0, d1)>
#transposed = affine_map<(d0, d1) -> (d1, d0)>
#rows = affine_map<(d0, d1) -> (d0)>
#id1 = affine_map<(d0) -> (d0)>
#id3 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#outer = affine_map<(d0, d1, d2) -> (d0, d1)>
#twice = affine_map<(d0) -> (d0, d0)>

// Three vectors along rows: vectors of no operand are of full width.
func.func @broadcasts(%a : tensor<64xf32>, %b : tensor<64xf32>, %c : tensor<64xf32>) -> tensor<64x32xf32> {
  %e = tensor.empty() : tensor<64x32xf32>
  %0 = linalg.generic {indexing_maps = [#rows, #rows, #rows, #id2], iterator_types = ["parallel", "parallel"]} ins(%a, %b,%c : tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) outs(%e : tensor<64x32xf32>) {
  ^bb0(%x : f32, %y : f32, %z : f32, %o : f32):
    %1 = arith.addf %x, %y : f32
    %2 = arith.addf %1, %z : f32
    linalg.yield %2 : f32
  } -> tensor<64x32xf32>
  return %0 : tensor<64x32xf32>
}

// Rows' sums are read by their column: no group may read them before all are there.
func.func @sum_indexed_by_column(%x : tensor<64x64xf32>) -> tensor<64x64xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  %s = linalg.generic {indexing_maps = [#id2, #rows], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<64x64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %1 = arith.addf %a, %o : f32
    linalg.yield %1 : f32
  } -> tensor<64xf32>
  %e2 = tensor.empty() : tensor<64x64xf32>
  %y = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<64x64xf32>) outs(%e2 : tensor<64x64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %j = linalg.index 1 : index
    %v = tensor.extract %s[%j] : tensor<64xf32>
    %1 = arith.subf %a, %v : f32
    linalg.yield %1 : f32
  } -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}

// One group reads the matrix transposed and overwrites it.
func.func @reads_transposed(%x0 : tensor<64x64xf32>) -> (tensor<64xf32>, tensor<64x64xf32>) {
  %z = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<64x64xf32>
  %x = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%x0 : tensor<64x64xf32>) outs(%e0 : tensor<64x64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %1 = math.exp %a : f32
    linalg.yield %1 : f32
  } -> tensor<64x64xf32>
  %e = tensor.empty() : tensor<64xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  %s = linalg.generic {indexing_maps = [#id2, #transposed, #rows], iterator_types = ["parallel", "reduction"]} ins(%x, %x : tensor<64x64xf32>, tensor<64x64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%a : f32, %b : f32, %o : f32):
    %q = arith.divf %a, %b : f32
    %1 = arith.addf %q, %o : f32
    linalg.yield %1 : f32
  } -> tensor<64xf32>
  %y = linalg.generic {indexing_maps = [#rows, #id2], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<64xf32>) outs(%x : tensor<64x64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %1 = arith.divf %o, %a : f32
    linalg.yield %1 : f32
  } -> tensor<64x64xf32>
  return %s, %y : tensor<64xf32>, tensor<64x64xf32>
}

// A fill of what a reduction still reads.
func.func @fill_of_read(%x0 : tensor<64x64xf32>) -> (tensor<64xf32>, tensor<64x64xf32>) {
  %z = arith.constant 0.0 : f32
  %two = arith.constant 2.0 : f32
  %e0 = tensor.empty() : tensor<64x64xf32>
  %x = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%x0 : tensor<64x64xf32>) outs(%e0 : tensor<64x64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %1 = math.exp %a : f32
    linalg.yield %1 : f32
  } -> tensor<64x64xf32>
  %e = tensor.empty() : tensor<64xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  %s = linalg.generic {indexing_maps = [#id2, #rows], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<64x64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %1 = arith.addf %a, %o : f32
    linalg.yield %1 : f32
  } -> tensor<64xf32>
  %w = linalg.fill ins(%two : f32) outs(%x : tensor<64x64xf32>) -> tensor<64x64xf32>
  %y = linalg.generic {indexing_maps = [#rows, #id2], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<64xf32>) outs(%w : tensor<64x64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %1 = arith.divf %o, %a : f32
    linalg.yield %1 : f32
  } -> tensor<64x64xf32>
  return %s, %y : tensor<64xf32>, tensor<64x64xf32>
}

// Reads a corner of the product: no epilogue of it.
func.func @product_read_whole(%x : tensor<32x16xf32>, %w : tensor<16x24xf32>) -> tensor<32x24xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<32x24xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<32x24xf32>) -> tensor<32x24xf32>
  %s = linalg.matmul ins(%x, %w : tensor<32x16xf32>, tensor<16x24xf32>) outs(%f : tensor<32x24xf32>) -> tensor<32x24xf32>
  %y = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<32x24xf32>) outs(%e : tensor<32x24xf32>) {
  ^bb0(%a : f32, %o : f32):
    %c = arith.constant 0 : index
    %v = tensor.extract %s[%c, %c] : tensor<32x24xf32>
    %1 = arith.subf %a, %v : f32
    linalg.yield %1 : f32
  } -> tensor<32x24xf32>
  return %y : tensor<32x24xf32>
}

// A table is read only where a branch is taken.
func.func @read_in_branch(%x : tensor<32x16xf32>, %t : tensor<16xf32>) -> tensor<32x16xf32> {
  %z = arith.constant 0.5 : f32
  %e = tensor.empty() : tensor<32x16xf32>
  %y = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%x : tensor<32x16xf32>) outs(%e : tensor<32x16xf32>) {
  ^bb0(%a : f32, %o : f32):
    %c = arith.cmpf ogt, %a, %z : f32
    %i = linalg.index 1 : index
    %r = scf.if %c -> f32 {
      %v = tensor.extract %t[%i] : tensor<16xf32>
      scf.yield %v : f32
    } else {
      scf.yield %a : f32
    }
    linalg.yield %r : f32
  } -> tensor<32x16xf32>
  return %y : tensor<32x16xf32>
}

// Operands that are diagonals.
func.func @diagonal(%x : tensor<16x16x32xf32>, %x2 : tensor<16x16xf32>, %d : tensor<16xf32>) -> (tensor<16x16xf32>, tensor<16xf32>) {
  %z = arith.constant 0.0 : f32
  %e1 = tensor.empty() : tensor<16xf32>
  %dd = linalg.exp ins(%d : tensor<16xf32>) outs(%e1 : tensor<16xf32>) -> tensor<16xf32>
  %e = tensor.empty() : tensor<16x16xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<16x16xf32>) -> tensor<16x16xf32>
  %s = linalg.generic {indexing_maps = [#id3, #outer, #outer], iterator_types = ["parallel", "parallel", "reduction"]} ins(%x, %x2 : tensor<16x16x32xf32>, tensor<16x16xf32>) outs(%f : tensor<16x16xf32>) {
  ^bb0(%a : f32, %b : f32, %o : f32):
    %q = arith.maximumf %a, %b : f32
    %1 = arith.addf %q, %o : f32
    linalg.yield %1 : f32
  } -> tensor<16x16xf32>
  %y = linalg.generic {indexing_maps = [#twice, #id1], iterator_types = ["parallel"]} ins(%x2 : tensor<16x16xf32>) outs(%dd : tensor<16xf32>) {
  ^bb0(%a : f32, %o : f32):
    %1 = arith.addf %o, %a : f32
    linalg.yield %1 : f32
  } -> tensor<16xf32>
  return %s, %y : tensor<16x16xf32>, tensor<16xf32>
}

// A table is overwritten in place before it is read.
func.func @table_overwritten(%x : tensor<64x64xf32>, %u : tensor<100xf32>) -> tensor<64x64xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<64xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  %et = tensor.empty() : tensor<100xf32>
  %t0 = linalg.tanh ins(%u : tensor<100xf32>) outs(%et : tensor<100xf32>) -> tensor<100xf32>
  %s = linalg.generic {indexing_maps = [#id2, #rows], iterator_types = ["parallel", "reduction"]} ins(%x : tensor<64x64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %1 = arith.addf %a, %o : f32
    linalg.yield %1 : f32
  } -> tensor<64xf32>
  %t = linalg.exp ins(%t0 : tensor<100xf32>) outs(%t0 : tensor<100xf32>) -> tensor<100xf32>
  %e2 = tensor.empty() : tensor<64x64xf32>
  %y = linalg.generic {indexing_maps = [#id2, #rows, #id2], iterator_types = ["parallel", "parallel"]} ins(%x, %s : tensor<64x64xf32>, tensor<64xf32>) outs(%e2 : tensor<64x64xf32>) {
  ^bb0(%a : f32, %v0 : f32, %o : f32):
    %j = linalg.index 1 : index
    %v = tensor.extract %t[%j] : tensor<100xf32>
    %1 = arith.subf %a, %v : f32
    %2 = arith.subf %1, %v0 : f32
    linalg.yield %2 : f32
  } -> tensor<64x64xf32>
  return %y : tensor<64x64xf32>
}

// A scalar of the host used in a branch of an epilogue.
func.func @scalar_in_branch(%x : tensor<32x16xf32>, %w : tensor<16x24xf32>, %n : i64) -> (tensor<32xf32>, tensor<32x24xf32>) {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<32x24xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<32x24xf32>) -> tensor<32x24xf32>
  %s = linalg.matmul ins(%x, %w : tensor<32x16xf32>, tensor<16x24xf32>) outs(%f : tensor<32x24xf32>) -> tensor<32x24xf32>
  %er = tensor.empty() : tensor<32xf32>
  %fr = linalg.fill ins(%z : f32) outs(%er : tensor<32xf32>) -> tensor<32xf32>
  %q = linalg.reduce {arith.addf} ins(%s : tensor<32x24xf32>) outs(%fr : tensor<32xf32>) dimensions=[1]
  %v = arith.sitofp %n : i64 to f32
  %v2 = math.log1p %v : f32
  %y = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<32x24xf32>) outs(%e : tensor<32x24xf32>) {
  ^bb0(%a : f32, %o : f32):
    %c = arith.cmpf ogt, %a, %z : f32
    %k = scf.if %c -> f32 {
      %m = math.log %a : f32
      %p = arith.mulf %m, %v2 : f32
      scf.yield %p : f32
    } else {
      scf.yield %a : f32
    }
    linalg.yield %k : f32
  } -> tensor<32x24xf32>
  return %q, %y : tensor<32xf32>, tensor<32x24xf32>
}

// Reads its destination at another place.
func.func @destination_read_elsewhere(%x : tensor<32x16xf32>, %w : tensor<16x24xf32>, %c0 : tensor<32x24xf32>) -> tensor<32x24xf32> {
  %z = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<32x24xf32>
  %c = linalg.exp ins(%c0 : tensor<32x24xf32>) outs(%e : tensor<32x24xf32>) -> tensor<32x24xf32>
  %e2 = tensor.empty() : tensor<32x24xf32>
  %f = linalg.fill ins(%z : f32) outs(%e2 : tensor<32x24xf32>) -> tensor<32x24xf32>
  %s = linalg.matmul ins(%x, %w : tensor<32x16xf32>, tensor<16x24xf32>) outs(%f : tensor<32x24xf32>) -> tensor<32x24xf32>
  %k = arith.constant 0 : index
  %y = linalg.generic {indexing_maps = [#id2, #id2], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<32x24xf32>) outs(%c : tensor<32x24xf32>) {
  ^bb0(%a : f32, %o : f32):
    %fi = arith.fptosi %a : f32 to i32
    %fj = arith.constant 7 : i32
    %and = arith.andi %fi, %fj : i32
    %j = arith.index_cast %and : i32 to index
    %v = tensor.extract %c[%k, %j] : tensor<32x24xf32>
    %1 = arith.addf %v, %a : f32
    %2 = arith.addf %1, %o : f32
    linalg.yield %2 : f32
  } -> tensor<32x24xf32>
  return %y : tensor<32x24xf32>
}

// An assertion in a branch.
func.func @assertion_in_branch(%x : tensor<64xf32>) -> tensor<64xf32> {
  %z = arith.constant 0.5 : f32
  %e = tensor.empty() : tensor<64xf32>
  %y = linalg.generic {indexing_maps = [#id1, #id1], iterator_types = ["parallel"]} ins(%x : tensor<64xf32>) outs(%e : tensor<64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %c = arith.cmpf ogt, %a, %z : f32
    %k = scf.if %c -> f32 {
      %c2 = arith.cmpf oge, %a, %z : f32
      cf.assert %c2, "no"
      %m = math.log %a : f32
      scf.yield %m : f32
    } else {
      scf.yield %a : f32
    }
    linalg.yield %k : f32
  } -> tensor<64xf32>
  return %y : tensor<64xf32>
}

// Which buffer is overwritten depends on a branch; freeing compares addresses.
func.func @buffer_of_branch(%x0 : tensor<64x64xf32>, %n : i64) -> (tensor<64xf32>, tensor<64x64xf32>) {
  %z = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<64x64xf32>
  %x = linalg.exp ins(%x0 : tensor<64x64xf32>) outs(%e0 : tensor<64x64xf32>) -> tensor<64x64xf32>
  %ten = arith.constant 1000000 : i64
  %cond = arith.cmpi slt, %n, %ten : i64
  %tt = scf.if %cond -> tensor<64x64xf32> {
    scf.yield %x : tensor<64x64xf32>
  } else {
    %e1 = tensor.empty() : tensor<64x64xf32>
    %k = linalg.tanh ins(%x0 : tensor<64x64xf32>) outs(%e1 : tensor<64x64xf32>) -> tensor<64x64xf32>
    scf.yield %k : tensor<64x64xf32>
  }
  %e = tensor.empty() : tensor<64xf32>
  %f = linalg.fill ins(%z : f32) outs(%e : tensor<64xf32>) -> tensor<64xf32>
  %s = linalg.generic {indexing_maps = [#id2, #transposed, #rows], iterator_types = ["parallel", "reduction"]} ins(%x0, %tt : tensor<64x64xf32>, tensor<64x64xf32>) outs(%f : tensor<64xf32>) {
  ^bb0(%a : f32, %b : f32, %o : f32):
    %q = arith.divf %a, %b : f32
    %1 = arith.addf %q, %o : f32
    linalg.yield %1 : f32
  } -> tensor<64xf32>
  %y = linalg.generic {indexing_maps = [#rows, #id2], iterator_types = ["parallel", "parallel"]} ins(%s : tensor<64xf32>) outs(%x : tensor<64x64xf32>) {
  ^bb0(%a : f32, %o : f32):
    %1 = arith.divf %o, %a : f32
    linalg.yield %1 : f32
  } -> tensor<64x64xf32>
  return %s, %y : tensor<64xf32>, tensor<64x64xf32>
}

// Which of several buffers a result is, is known at run time only.
func.func @buffers_of_branches(%x0 : tensor<70xf32>, %n : i64) -> (tensor<70xf32>, tensor<70xf32>, tensor<70xf32>) {
  %e0 = tensor.empty() : tensor<70xf32>
  %x = linalg.exp ins(%x0 : tensor<70xf32>) outs(%e0 : tensor<70xf32>) -> tensor<70xf32>
  %e9 = tensor.empty() : tensor<70xf32>
  %xx = linalg.tanh ins(%x0 : tensor<70xf32>) outs(%e9 : tensor<70xf32>) -> tensor<70xf32>
  %ten = arith.constant 10 : i64
  %cond = arith.cmpi slt, %n, %ten : i64
  %t:2 = scf.if %cond -> (tensor<70xf32>, tensor<70xf32>) {
    scf.yield %x, %xx : tensor<70xf32>, tensor<70xf32>
  } else {
    %e1 = tensor.empty() : tensor<70xf32>
    %k = linalg.abs ins(%x0 : tensor<70xf32>) outs(%e1 : tensor<70xf32>) -> tensor<70xf32>
    scf.yield %k, %x : tensor<70xf32>, tensor<70xf32>
  }
  %c20 = arith.constant 20 : i64
  %cond2 = arith.cmpi slt, %n, %c20 : i64
  %u = scf.if %cond2 -> tensor<70xf32> {
    scf.yield %t#0 : tensor<70xf32>
  } else {
    scf.yield %t#1 : tensor<70xf32>
  }
  %e2 = tensor.empty() : tensor<70xf32>
  %y = linalg.add ins(%u, %t#1: tensor<70xf32>, tensor<70xf32>) outs(%e2 : tensor<70xf32>) -> tensor<70xf32>
  return %y, %u, %t#1 : tensor<70xf32>, tensor<70xf32>, tensor<70xf32>
}

// Sums of samples in parts, which store an elementwise result on their way.
func.func @stored_by_columns(%x: tensor<9x5x7x70xf32>) -> (tensor<70xf32>, tensor<9x5x7x70xf32>, tensor<70xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<70xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<70xf32>) -> tensor<70xf32>
  %sum = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d3)>], iterator_types = ["reduction", "reduction", "reduction", "parallel"]}
      ins(%x : tensor<9x5x7x70xf32>) outs(%zeros : tensor<70xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<70xf32>
  %f = tensor.empty() : tensor<9x5x7x70xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%x : tensor<9x5x7x70xf32>) outs(%f : tensor<9x5x7x70xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = math.exp %a : f32
    linalg.yield %0 : f32
  } -> tensor<9x5x7x70xf32>
  %total = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d3)>], iterator_types = ["reduction", "reduction", "reduction", "parallel"]}
      ins(%y : tensor<9x5x7x70xf32>) outs(%zeros : tensor<70xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<70xf32>
  return %sum, %y, %total : tensor<70xf32>, tensor<9x5x7x70xf32>, tensor<70xf32>
}

// Sums of samples in parts, which store an elementwise result on their way.
func.func @stored_by_rows(%x: tensor<9x7x5x13xf32>) -> (tensor<7xf32>, tensor<9x7x5x13xf32>, tensor<7xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<7xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<7xf32>) -> tensor<7xf32>
  %sum = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d1)>], iterator_types = ["reduction", "parallel", "reduction", "reduction"]}
      ins(%x : tensor<9x7x5x13xf32>) outs(%zeros : tensor<7xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<7xf32>
  %f = tensor.empty() : tensor<9x7x5x13xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%x : tensor<9x7x5x13xf32>) outs(%f : tensor<9x7x5x13xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = math.exp %a : f32
    linalg.yield %0 : f32
  } -> tensor<9x7x5x13xf32>
  %total = linalg.generic {indexing_maps = [affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>, affine_map<(d0, d1, d2, d3) -> (d1)>], iterator_types = ["reduction", "parallel", "reduction", "reduction"]}
      ins(%y : tensor<9x7x5x13xf32>) outs(%zeros : tensor<7xf32>) {
  ^bb0(%a: f32, %s: f32):
    %0 = arith.addf %s, %a : f32
    linalg.yield %0 : f32
  } -> tensor<7xf32>
  return %sum, %y, %total : tensor<7xf32>, tensor<9x7x5x13xf32>, tensor<7xf32>
}

// Windows that overlap, their maxima and means, and the sums of these: the maxima are
// stored by the kernel that adds them.
#windows = affine_map<(n, h, w, c, i, j) -> (n, h * 2 + i, w * 2 + j, c)>
#window = affine_map<(n, h, w, c, i, j) -> (i, j)>
#pooled = affine_map<(n, h, w, c, i, j) -> (n, h, w, c)>
#image = affine_map<(n, h, w, c) -> (n, h, w, c)>
#samples = affine_map<(n, h, w, c) -> (n, c)>
func.func @pooled(%x: tensor<3x9x7x13xf32>) -> (tensor<3x4x3x13xf32>, tensor<3x4x3x13xf32>, tensor<3x13xf32>) {
  %low = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %count = arith.constant 9.0 : f32
  %shape = tensor.empty() : tensor<3x3xf32>
  %e = tensor.empty() : tensor<3x4x3x13xf32>
  %f = tensor.empty() : tensor<3x13xf32>
  %lows = linalg.fill ins(%low : f32) outs(%e : tensor<3x4x3x13xf32>) -> tensor<3x4x3x13xf32>
  %zeros = linalg.fill ins(%zero : f32) outs(%e : tensor<3x4x3x13xf32>) -> tensor<3x4x3x13xf32>
  %none = linalg.fill ins(%zero : f32) outs(%f : tensor<3x13xf32>) -> tensor<3x13xf32>
  %max = linalg.generic {indexing_maps = [#windows, #window, #pooled],
                         iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %shape : tensor<3x9x7x13xf32>, tensor<3x3xf32>) outs(%lows : tensor<3x4x3x13xf32>) {
  ^bb0(%a: f32, %s: f32, %m: f32):
    %0 = arith.maximumf %m, %a : f32
    linalg.yield %0 : f32
  } -> tensor<3x4x3x13xf32>
  %total = linalg.generic {indexing_maps = [#windows, #window, #pooled],
                           iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %shape : tensor<3x9x7x13xf32>, tensor<3x3xf32>) outs(%zeros : tensor<3x4x3x13xf32>) {
  ^bb0(%a: f32, %s: f32, %m: f32):
    %0 = arith.addf %m, %a : f32
    linalg.yield %0 : f32
  } -> tensor<3x4x3x13xf32>
  %mean = linalg.generic {indexing_maps = [#image, #image], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%total : tensor<3x4x3x13xf32>) outs(%e : tensor<3x4x3x13xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.divf %a, %count : f32
    linalg.yield %0 : f32
  } -> tensor<3x4x3x13xf32>
  %sums = linalg.generic {indexing_maps = [#image, #samples], iterator_types = ["parallel", "reduction", "reduction", "parallel"]}
      ins(%max : tensor<3x4x3x13xf32>) outs(%none : tensor<3x13xf32>) {
  ^bb0(%a: f32, %t: f32):
    %0 = math.absf %a : f32
    %1 = arith.addf %t, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<3x13xf32>
  return %max, %mean, %sums : tensor<3x4x3x13xf32>, tensor<3x4x3x13xf32>, tensor<3x13xf32>
}

// Windows of 25 elements, one apart: each slides over the whole image.
#apart = affine_map<(n, h, w, c, i, j) -> (n, h + i, w + j, c)>
func.func @pooled_apart(%x: tensor<3x9x7x13xf32>) -> (tensor<3x5x3x13xf32>, tensor<3x13xf32>) {
  %low = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %shape = tensor.empty() : tensor<5x5xf32>
  %e = tensor.empty() : tensor<3x5x3x13xf32>
  %f = tensor.empty() : tensor<3x13xf32>
  %lows = linalg.fill ins(%low : f32) outs(%e : tensor<3x5x3x13xf32>) -> tensor<3x5x3x13xf32>
  %none = linalg.fill ins(%zero : f32) outs(%f : tensor<3x13xf32>) -> tensor<3x13xf32>
  %max = linalg.generic {indexing_maps = [#apart, #window, #pooled],
                         iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %shape : tensor<3x9x7x13xf32>, tensor<5x5xf32>) outs(%lows : tensor<3x5x3x13xf32>) {
  ^bb0(%a: f32, %s: f32, %m: f32):
    %0 = arith.maximumf %m, %a : f32
    linalg.yield %0 : f32
  } -> tensor<3x5x3x13xf32>
  %sums = linalg.generic {indexing_maps = [#image, #samples], iterator_types = ["parallel", "reduction", "reduction", "parallel"]}
      ins(%max : tensor<3x5x3x13xf32>) outs(%none : tensor<3x13xf32>) {
  ^bb0(%a: f32, %t: f32):
    %0 = math.absf %a : f32
    %1 = arith.addf %t, %0 : f32
    linalg.yield %1 : f32
  } -> tensor<3x13xf32>
  return %max, %sums : tensor<3x5x3x13xf32>, tensor<3x13xf32>
}
