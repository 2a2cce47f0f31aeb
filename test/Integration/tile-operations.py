# RUN: %python %s sparsedrop-run %t

"""By count, products with dropped tiles cost 1 / period of the dense ones: the forward pass,
and both gradients, for each type. The period divides the tiles of both dimensions, so that
each class has as many."""

import itertools
import os
import re
import subprocess
import sys

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
M, N, K, TILE = 24, 192, 384, 16

PROGRAM = """
func.func @f(%x: tensor<{m}x{k}x{t}>, %w: tensor<{n}x{k}x{t}>, %seed: i64 {{sparsedrop.seed}}, %step: i64 {{sparsedrop.step}})
    -> tensor<{m}x{n}x{t}> attributes {{sparsedrop.differentiate = {{wrt = [0, 1]}}}} {{
  %zero = arith.constant 0.0 : {t}
  %e = tensor.empty() : tensor<{m}x{n}x{t}>
  %z = linalg.fill ins(%zero : {t}) outs(%e : tensor<{m}x{n}x{t}>) -> tensor<{m}x{n}x{t}>
  %y = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      {{sparsedrop.dropout = #sparsedrop.dropout<tile, operand = 1, rate = {rate}, site = "w", tile = [{tile}, {tile}], order = {order}, max_period = {period}, distribution = [{periods}]>}}
      ins(%x, %w : tensor<{m}x{k}x{t}>, tensor<{n}x{k}x{t}>) outs(%z : tensor<{m}x{n}x{t}>) -> tensor<{m}x{n}x{t}>
  return %y : tensor<{m}x{n}x{t}>
}}
"""

for type_, period, order in itertools.product(("f64", "f32", "f16", "bf16"), (2, 3, 4, 6), ("skewed", "linear")):
    path = os.path.join(folder, f"{type_}_{period}_{order}.mlir")
    with open(path, "w") as file:
        file.write(PROGRAM.format(
            m=M, n=N, k=K, t=type_, tile=TILE, order=order, period=period, rate=1 - 1 / period,
            periods=", ".join("1.0" if i == period else "0.0" for i in range(1, period + 1))))
    done = subprocess.run([run, path, "--entry=f_grad", "--random=1", "--seed=3", "--step=5", "--report"], capture_output=True, text=True, check=True)
    counts = {product: (int(dense), int(actual)) for product, dense, actual in re.findall(r" (forward|dgrad|wgrad) +w +\S+ +(\d+) +(\d+)", done.stdout)}
    dense = 2 * M * N * K
    assert counts == dict.fromkeys(("forward", "dgrad", "wgrad"), (dense, dense // period)), (path, counts, dense)
print("all products cost their share")
