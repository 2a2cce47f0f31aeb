// Launches of captured steps are timed beside the steps: two columns more, and
// nothing else changes.
// RUN: sparsedrop-run %s --target=nvptx --device=interp --random=1 --time=2 --graph | FileCheck %s
// RUN: sparsedrop-run %s --target=nvptx --device=interp --random=1 --time=2 | FileCheck %s --check-prefix=PLAIN

// CHECK: mode operations/step total ms median ms temporaries, B graphs, ms median ms
// CHECK-NEXT: compact 480 {{[0-9.]+ [0-9.]+}} 768 {{[0-9.]+ [0-9.]+$}}
// CHECK-NEXT: masked 960 {{[0-9.]+ [0-9.]+ [0-9]+}} {{[0-9.]+ [0-9.]+$}}
// CHECK-NEXT: dense
// CHECK-NEXT: bernoulli
// CHECK: time, masked / compact (summed): {{[0-9.]+$}}
// CHECK-NEXT: time, compact / its graphs (summed): {{[0-9.]+$}}

// PLAIN: temporaries, B{{$}}
// PLAIN-NEXT: compact 480 {{[0-9.]+ [0-9.]+}} 768{{$}}
// PLAIN-NOT: graphs

func.func @f(%x: tensor<8x12xf32>, %w: tensor<12x5xf32>,
             %a: tensor<8x12xf32> {sparsedrop.donate = 1 : i64}) -> (tensor<8x5xf32>, tensor<8x12xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<8x5xf32>) -> tensor<8x5xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
      ins(%x, %w : tensor<8x12xf32>, tensor<12x5xf32>) outs(%z : tensor<8x5xf32>) -> tensor<8x5xf32>
  %b = linalg.add ins(%x, %a : tensor<8x12xf32>, tensor<8x12xf32>) outs(%a : tensor<8x12xf32>) -> tensor<8x12xf32>
  return %y, %b : tensor<8x5xf32>, tensor<8x12xf32>
}
