# RUN: %python %s sparsedrop-run sparsedrop-opt %examples %t

"""Momentum that leaves dropped units alone, docs/examples/lazy_momentum.mlir:
against float64 NumPy with its own draws in every mode, and nothing of full width
is computed in mode compact."""

import os
import subprocess
import sys

import numpy as np

run, opt, examples, folder = sys.argv[1:5]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Property", "Inputs"))
import reference

os.makedirs(folder, exist_ok=True)
path = os.path.join(examples, "lazy_momentum.mlir")
rng = np.random.default_rng(0)
x, dy, w, m = (rng.standard_normal(s) for s in ((8, 12), (8, 16), (12, 16), (12, 16)))
for i, data in enumerate((x, dy, w, m)):
    np.save(f"{folder}/{i}.npy", data)
inputs = [f"--input={folder}/{i}.npy" for i in range(4)]
site = reference.Site("s", 0.5, 16)
for step in range(8):
    period, bias = reference.draw(3, step, "s", site.millionths)
    kept = reference.row_mask(16, 1, period, bias).astype(bool)
    for mode in ("compact", "masked", "dense"):
        command = [run, path, f"--mode={mode}", "--seed=3", f"--step={step}", f"--output={folder}/out", *inputs]
        subprocess.run(command, check=True)
        new_w, new_m = (np.load(f"{folder}/out.{i}.npy") for i in range(2))
        g = x.T @ (dy if mode == "dense" else site.apply(dy, 1, 3, step))
        touched = np.ones(16, bool) if mode == "dense" else kept
        wanted_m = np.where(touched, 0.9 * m + g, m)
        wanted_w = np.where(touched, w - 0.1 * wanted_m, w)
        for actual, wanted in ((new_w, wanted_w), (new_m, wanted_m)):
            # The searched distribution, and so the scale, is the reference's to
            # 1e-5.
            assert np.abs(actual - wanted).max() <= 4e-5 * np.abs(wanted).max(), (mode, step)
            assert np.array_equal(actual[:, ~touched], (w if actual is new_w else m)[:, ~touched]), (mode, step)

pipeline = "builtin.module(sparsedrop-search-distribution,sparsedrop-compact,canonicalize,cse)"
compact = subprocess.run([opt, path, f"--pass-pipeline={pipeline}"], capture_output=True, text=True, check=True).stdout
computed = [line for line in compact.splitlines() if "linalg." in line]
assert computed and not [line for line in computed if "outs(" in line and "tensor<12x16xf64>" in line.split("outs(")[1]]
print("ok")
