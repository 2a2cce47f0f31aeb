# RUN: %python %s sparsedrop-run %t
# RUN: %python %s sparsedrop-run %t.wgmma sparsedrop-opt

"""Two layers with dropout between, forward and all gradients, on the device against
masks on the CPU: every type of product kernel, periods 1 to 8, granularity 1 and 8,
odd sizes; with the driver as a third argument only the kernels of wgmma. Both are
equal bit by bit."""

import itertools
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import exact

run, folder = sys.argv[1:3]
opt = sys.argv[3] if len(sys.argv) > 3 else None
os.makedirs(folder, exist_ok=True)


def program(type_, m, k, h, n, period, granularity):
    """relu(x w1), dropped, times w2. Of 8 periods only one has a probability."""
    periods = ", ".join("1.0" if i == period else "0.0" for i in range(1, period + 1))
    rate = 1 - 1 / period
    dropout = f'#sparsedrop.dropout<row, operand = 0, rate = {rate}, site = "h", granularity = {granularity}, max_period = {period}, scale = pattern, distribution = [{periods}]>'
    attribute = f"{{sparsedrop.dropout = {dropout}}}" if period > 1 else ""
    return f"""
#id = affine_map<(i, j) -> (i, j)>
func.func @f(%x: tensor<{m}x{k}x{type_}>, %w1: tensor<{k}x{h}x{type_}>, %w2: tensor<{h}x{n}x{type_}>,
             %seed: i64 {{sparsedrop.seed}}, %step: i64 {{sparsedrop.step}}) -> tensor<{m}x{n}x{type_}> attributes {{sparsedrop.differentiate = {{wrt = [0, 1, 2]}}}} {{
  %zero = arith.constant 0.0 : {type_}
  %e1 = tensor.empty() : tensor<{m}x{h}x{type_}>
  %z1 = linalg.fill ins(%zero : {type_}) outs(%e1 : tensor<{m}x{h}x{type_}>) -> tensor<{m}x{h}x{type_}>
  %a = linalg.matmul ins(%x, %w1 : tensor<{m}x{k}x{type_}>, tensor<{k}x{h}x{type_}>) outs(%z1 : tensor<{m}x{h}x{type_}>) -> tensor<{m}x{h}x{type_}>
  %b = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%a : tensor<{m}x{h}x{type_}>) outs(%e1 : tensor<{m}x{h}x{type_}>) {{
  ^bb0(%s: {type_}, %o: {type_}):
    %r = arith.maximumf %s, %zero : {type_}
    linalg.yield %r : {type_}
  }} -> tensor<{m}x{h}x{type_}>
  %e2 = tensor.empty() : tensor<{m}x{n}x{type_}>
  %z2 = linalg.fill ins(%zero : {type_}) outs(%e2 : tensor<{m}x{n}x{type_}>) -> tensor<{m}x{n}x{type_}>
  %y = linalg.matmul {attribute}
      ins(%b, %w2 : tensor<{m}x{h}x{type_}>, tensor<{h}x{n}x{type_}>) outs(%z2 : tensor<{m}x{n}x{type_}>) -> tensor<{m}x{n}x{type_}>
  return %y : tensor<{m}x{n}x{type_}>
}}
"""


def check_case(case):
    number, ((type_, options), (m, k, h, n), period, granularity) = case
    text = program(type_, m, k, h, n, period, granularity)
    return exact.check(run, folder, number, text, type_, ((m, k), (k, h), (h, n), (m, n)), options)


def find_products(text):
    """The kernels of products that a program has with the family wgmma."""
    pipeline = "builtin.module(sparsedrop-pipeline,sparsedrop-to-nvvm{family=wgmma})"
    done = subprocess.run([opt, "-", f"--pass-pipeline={pipeline}"], input=text, capture_output=True, text=True, check=True)
    return re.findall(r'"((?:wgmma|tensor_core|plain)\w*)"', re.search(r"gpu.binary.*?kernels = \[(.*?)\]", done.stdout).group(1))


TYPES = [("bf16", ()), ("f16", ()), ("f32", ("--tf32",)), ("f32", ()), ("f64", ())]
SIZES = [(33, 40, 72, 24), (7, 13, 61, 5)]
if opt:
    # Rows of 16 bytes, which is what bulk copies need; what is kept of 72 and of 200
    # is odd, too, and less than a tile or more than one.
    OWN = ("--family=wgmma",)
    TYPES = [("bf16", OWN), ("f16", OWN)]
    SIZES = [(40, 136, 200, 24), (130, 24, 72, 264)]
    names = find_products(program("bf16", *SIZES[0], 2, 1))
    # Five of the gradients; the forward pass alone reads columns of a weight, which
    # are no neighbours and not packed for as few rows.
    assert sum(name.startswith("wgmma") for name in names) >= 5, names
    # Blocks of 32, 64 and 128 bytes are a dimension of the tensor map, on both sides of a
    # product: nothing is packed, and no product is another family's.
    for granularity, size in itertools.product((16, 32, 64), ((40, 136, 384, 24), (130, 72, 512, 264))):
        names = find_products(program("bf16", *size, 2, granularity))
        assert names and all(name.startswith("wgmma") for name in names), (granularity, names)
cases = [
    (type_, size, period, granularity)
    for (type_, size) in itertools.product(TYPES, SIZES)
    for period in range(1, 9)
    for granularity in (1, 8)
    # The period is at most the number of blocks; each type has every period and
    # both granularities with one of the sizes.
    if period <= -(-size[2] // granularity) and (size == SIZES[0] or (period + granularity) % 3 == 0)
]
if opt:
    blocks = itertools.product(TYPES, ((40, 136, 384, 24), (130, 72, 512, 264)), (1, 2, 3, 5, 6), (16, 32, 64))
    cases += [(type_, size, period, granularity) for type_, size, period, granularity in blocks if (period + granularity // 16 + size[0]) % 2]
    # What is contiguous along another dimension than the depth is transposed for tf32.
    cases += [(("f32", (*OWN, "--tf32")), size, period, granularity) for size in ((1030, 24, 72, 1032), (40, 72, 136, 24)) for period, granularity in ((2, 1), (3, 8))]
exact.check_all(cases, check_case)
