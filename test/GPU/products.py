# RUN: %python %s %t

"""Every family of product kernels on the interpreter with all its checks, exact:
types, majors of both factors, ragged sizes, tiles that the user chooses, and parts
of the depth."""

import concurrent.futures
import itertools
import os
import sys

folder = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import numpy as np
import products

os.makedirs(folder, exist_ok=True)
SIZES = [(1, 1, 1), (7, 13, 5), (64, 64, 64), (33, 120, 17), (129, 65, 100)]
TYPES = [("bf16", "f32", ()), ("bf16", "bf16", ()), ("f16", "f16", ()), ("f32", "f32", ("--tf32",)), ("f32", "f32", ()), ("f64", "f64", ())]
MAJORS = list(itertools.product(("mk", "km"), ("kn", "nk")))

cases = [
    dict(m=m, n=n, k=k, lhs=lhs, rhs=rhs, type_=type_, out=out, options=options)
    for type_, out, options in TYPES
    for m, n, k in SIZES
    for lhs, rhs in MAJORS
]
TENSOR_CORE = "#sparsedrop.kernel<tensor_core, tile = [{}, {}, {}], warps = [{}, {}], vector = [8, 8, 8], stages = {}, split = {}>"
PLAIN = "#sparsedrop.kernel<plain, tile = [{}, {}, {}], vector = [4, 4, 4], split = {}>"
for tile in ((32, 32, 16, 1, 1), (64, 32, 32, 4, 2), (128, 128, 64, 2, 4), (16, 16, 64, 1, 1), (32, 128, 128, 2, 2), (256, 64, 32, 4, 1)):
    for stages in (2, 3, 4):
        cases.append(dict(m=65, n=70, k=150, kernel=TENSOR_CORE.format(*tile, stages, 1)))
for tile in ((16, 16, 16), (32, 64, 16), (128, 64, 8), (128, 128, 8), (64, 16, 32)):
    cases.append(dict(m=65, n=70, k=150, type_="f32", kernel=PLAIN.format(*tile, 1)))
for split in (2, 3, 7):
    for m, n, k in ((64, 64, 300), (7, 13, 5), (16, 16, 1)):
        for lhs, rhs in (("mk", "nk"), ("km", "kn")):
            cases.append(dict(m=m, n=n, k=k, lhs=lhs, rhs=rhs, kernel=TENSOR_CORE.format(64, 64, 64, 2, 2, 3, split)))
            cases.append(dict(m=m, n=n, k=k, lhs=lhs, rhs=rhs, type_="f32", kernel=PLAIN.format(64, 64, 16, split)))

BATCHED = """
func.func @f(%x: tensor<{b}x{m}x{k}x{t}>, %w: tensor<{b}x{k}x{n}x{t}>) -> tensor<{b}x{m}x{n}xf32> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<{b}x{m}x{n}xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<{b}x{m}x{n}xf32>) -> tensor<{b}x{m}x{n}xf32>
  %r = linalg.batch_matmul ins(%x, %w : tensor<{b}x{m}x{k}x{t}>, tensor<{b}x{k}x{n}x{t}>) outs(%i : tensor<{b}x{m}x{n}xf32>) -> tensor<{b}x{m}x{n}xf32>
  return %r : tensor<{b}x{m}x{n}xf32>
}}
"""


def check_batch(number, b, m, n, k, type_):
    rng = np.random.default_rng(number)
    x, w = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((b, m, k), (b, k, n)))
    actual = products.run(os.path.join(folder, f"b{number}"), BATCHED.format(b=b, m=m, n=n, k=k, t=type_), [x, w])
    assert np.array_equal(actual, x.astype(np.float64) @ w), (b, m, n, k, type_)


# The last one shares the depth, too.
for number, (type_, size) in enumerate(itertools.product(("bf16", "f32"), ((1, 33, 17, 40), (3, 40, 72, 16), (5, 7, 13, 61), (2, 16, 16, 2048)))):
    check_batch(number, *size, type_)

with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    results = list(pool.map(lambda item: products.check(os.path.join(folder, f"p{item[0]}"), **item[1]), enumerate(cases)))
failures = [result for result in results if result]
print("\n".join(failures[:10]))
print(f"{len(cases) - len(failures)} of {len(cases)} products are right")
sys.exit(1 if failures else 0)
