# RUN: %python %s 20 > %t.mlir
# RUN: sparsedrop-opt %t.mlir --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=compact})' | FileCheck %s

# CHECK-COUNT-20: linalg.matmul

"""Prints a chain of N annotated matmuls.

By hand, to see that compile time grows linearly:
    compile-time.py 1000 > a.mlir; time sparsedrop-opt a.mlir --sparsedrop-pipeline="mode=compact"
"""

import sys

count = int(sys.argv[1])
print("func.func @chain(%x: tensor<8x32xf32>, %w: tensor<32x32xf32>, %z: tensor<8x32xf32>) -> tensor<8x32xf32> {")
value = "%x"
for i in range(count):
    print(
        f"  %y{i} = linalg.matmul {{sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, "
        f'site = "s{i}">}} ins({value}, %w : tensor<8x32xf32>, tensor<32x32xf32>) outs(%z : tensor<8x32xf32>) -> tensor<8x32xf32>'
    )
    value = f"%y{i}"
print(f"  return {value} : tensor<8x32xf32>\n}}")
