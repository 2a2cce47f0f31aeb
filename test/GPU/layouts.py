# RUN: %python %s sparsedrop-run sparsedrop-opt %t

"""An activation that one product reads whole and another with dropout, forward and
gradients, on the device against masks on the CPU: the program stores it with its units
outermost, so that what is kept are rows, and packs nothing. Small integers, exact."""

import itertools
import os
import re
import subprocess
import sys

import numpy as np

run, opt, folder = sys.argv[1:4]
os.makedirs(folder, exist_ok=True)


def program(type_, m, k, h, n, period, granularity):
    """y = (x w1) w2 + dropout(x w1) w3."""
    periods = ", ".join("1.0" if i == period else "0.0" for i in range(1, period + 1))
    dropout = f'#sparsedrop.dropout<row, operand = 0, rate = {1 - 1 / period}, site = "h", granularity = {granularity}, max_period = {period}, scale = pattern, distribution = [{periods}]>'
    t = lambda *extents: f"tensor<{'x'.join(map(str, extents))}x{type_}>"
    return f"""
func.func @f(%x: {t(m, k)}, %w1: {t(k, h)}, %w2: {t(h, n)}, %w3: {t(h, n)}, %seed: i64 {{sparsedrop.seed}}, %step: i64 {{sparsedrop.step}}) -> {t(m, n)}
    attributes {{sparsedrop.differentiate = {{wrt = [0, 1, 2, 3]}}}} {{
  %zero = arith.constant 0.0 : {type_}
  %e = tensor.empty() : {t(m, h)}
  %z = linalg.fill ins(%zero : {type_}) outs(%e : {t(m, h)}) -> {t(m, h)}
  %h = linalg.matmul ins(%x, %w1 : {t(m, k)}, {t(k, h)}) outs(%z : {t(m, h)}) -> {t(m, h)}
  %e2 = tensor.empty() : {t(m, n)}
  %z2 = linalg.fill ins(%zero : {type_}) outs(%e2 : {t(m, n)}) -> {t(m, n)}
  %y = linalg.matmul ins(%h, %w2 : {t(m, h)}, {t(h, n)}) outs(%z2 : {t(m, n)}) -> {t(m, n)}
  %r = linalg.matmul {{sparsedrop.dropout = {dropout}}} ins(%h, %w3 : {t(m, h)}, {t(h, n)}) outs(%y : {t(m, n)}) -> {t(m, n)}
  return %r : {t(m, n)}
}}
"""


def find_remarks(text):
    pipeline = "builtin.module(sparsedrop-pipeline,sparsedrop-to-nvvm)"
    done = subprocess.run([opt, "-", f"--pass-pipeline={pipeline}", "--remarks-filter=sparsedrop-(choose-layouts|pack-factors)"], input=text, capture_output=True, text=True, check=True)
    return re.findall(r"Category:sparsedrop-([\w-]+) \| Function=(\w+)", done.stderr)


# Six blocks of rows: a pack would pay.
remarks = find_remarks(program("bf16", 768, 64, 256, 64, 2, 1))
assert ("choose-layouts", "f") in remarks and ("pack-factors", "f") not in remarks, remarks
count = 0
for (type_, options), (m, k, h, n), (period, granularity) in itertools.product(
    (("bf16", ()), ("bf16", ("--family=wgmma",)), ("f32", ())), ((72, 40, 136, 24), (7, 5, 13, 3)), ((2, 1), (3, 1), (4, 8))
):
    if period > -(-h // granularity):
        continue
    path = os.path.join(folder, "p.mlir")
    with open(path, "w") as file:
        file.write(program(type_, m, k, h, n, period, granularity))
    rng = np.random.default_rng([m, period])
    command = [run, path, "--entry=f_grad", "--target=nvptx", "--device=interp", "--check", "--tolerance=0", "--steps=3", *options]
    for i, shape in enumerate(((m, k), (k, h), (h, n), (h, n), (m, n))):
        np.save(os.path.join(folder, f"in{i}.npy"), rng.integers(-1, 2, shape).astype(np.float32))
        command.append(f"--input={folder}/in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (type_, m, period, granularity, done.stdout + done.stderr)
    count += 1
print(f"{count} programs are equal")
