# RUN: %python %s sparsedrop-run sparsedrop-opt %t

"""Products of which tiles of a weight are dropped, with all gradients, on the device against
masks on the CPU: every family of product kernels, whole and ragged tiles, more classes
than one launch has room for. Each product of a class loop is one launch for all classes,
whatever the family. Both are equal bit by bit."""

import itertools
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import exact

run, opt, folder = sys.argv[1:4]
os.makedirs(folder, exist_ok=True)


def program(type_, m, k, n, period, tile, order):
    """x times w', of which tiles are dropped. Only one period has a probability."""
    periods = ", ".join("1.0" if i == period else "0.0" for i in range(1, period + 1))
    dropout = f'#sparsedrop.dropout<tile, operand = 1, rate = {1 - 1 / period}, site = "w", tile = [{tile}, {tile}], order = {order}, max_period = {period}, scale = pattern, distribution = [{periods}]>'
    return f"""
func.func @f(%x: tensor<{m}x{k}x{type_}>, %w: tensor<{n}x{k}x{type_}>, %seed: i64 {{sparsedrop.seed}}, %step: i64 {{sparsedrop.step}})
    -> tensor<{m}x{n}x{type_}> attributes {{sparsedrop.differentiate = {{wrt = [0, 1]}}}} {{
  %zero = arith.constant 0.0 : {type_}
  %e = tensor.empty() : tensor<{m}x{n}x{type_}>
  %z = linalg.fill ins(%zero : {type_}) outs(%e : tensor<{m}x{n}x{type_}>) -> tensor<{m}x{n}x{type_}>
  %y = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      {{sparsedrop.dropout = {dropout}}}
      ins(%x, %w : tensor<{m}x{k}x{type_}>, tensor<{n}x{k}x{type_}>) outs(%z : tensor<{m}x{n}x{type_}>) -> tensor<{m}x{n}x{type_}>
  return %y : tensor<{m}x{n}x{type_}>
}}
"""


def check_launches(text, options):
    """The loops over classes: each has one launch, which is that of all of them."""
    done = subprocess.run([opt, "-", f"--pass-pipeline=builtin.module(sparsedrop-pipeline,sparsedrop-to-nvvm{{{options}}})", "--mlir-print-ir-after=sparsedrop-choose-kernels"], input=text, capture_output=True, text=True, check=True)
    loops = re.findall(r"scf\.for [^\n]*\{\n(.*?)\n    \}([^\n]*)", done.stderr, re.S)
    for body, attributes in loops:
        assert body.count("sparsedrop.contract") == 1 and "grouped" in attributes, body
    return loops


TYPES = [("bf16", ""), ("bf16", "family=wgmma"), ("f16", "family=tensor_core"), ("f32", "tf32"), ("f32", ""), ("f64", "")]
WHOLE = ((24, 128, 96), (130, 256, 160))
RAGGED = ((24, 136, 104), (9, 61, 45))


def flags(options):
    return tuple("--" + option for option in options.split() if option)


cases = []
for (type_, options), size, (period, tile, order) in itertools.product(
    TYPES, WHOLE + RAGGED, ((1, 16, "skewed"), (2, 32, "skewed"), (3, 16, "linear"), (8, 16, "skewed"), (6, 8, "linear"))
):
    m, k, n = size
    most = -(-k // tile) if order == "skewed" else -(-k // tile) * -(-n // tile)
    if period <= most:
        cases.append((type_, options, size, period, tile, order))

# Whole tiles: the forward pass, again in the gradient, and both gradients. Ragged ones: each
# of them for whole tiles and for what is cut off, of both dimensions.
for (type_, options), (sizes, count) in itertools.product(TYPES, ((WHOLE, 4), (RAGGED, 16))):
    for size in sizes:
        for period in (2, 8) if sizes is WHOLE else (2,):
            found = check_launches(program(type_, *size, period, 16, "skewed"), options.replace("tf32", "tf32=true"))
            assert len(found) == count, (type_, options, size, len(found))
            if sizes is WHOLE and "wgmma" in options:
                assert all("kernel<wgmma" in body for body, _ in found), size


def check_case(case):
    number, (type_, options, (m, k, n), *dropout) = case
    return exact.check(run, folder, number, program(type_, m, k, n, *dropout), type_, ((m, k), (n, k), (m, n)), flags(options))


exact.check_all(cases, check_case)
