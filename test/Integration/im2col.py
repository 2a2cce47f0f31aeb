# RUN: %python %s %root %t

"""Convolutions by matrices of patches have the results, forward and both gradients, that
they have without: both against float64 NumPy on small integers, exact, on the CPU and
on the device, with and without dropped channels."""

import os
import subprocess
import sys

import numpy as np

root, folder = sys.argv[1:3]
sys.path.insert(0, os.path.join(root, "test", "GPU", "Inputs"))
import products
from convolutions import Convolution, find_wrong

os.makedirs(folder, exist_ok=True)
CPU, DEVICE = ("--target=cpu",), ("--target=nvptx", "--device=interp")


def lower(text, im2col, mode="compact"):
    pipeline = f"builtin.module(sparsedrop-pipeline{{mode={mode} im2col={str(im2col).lower()}}})"
    return subprocess.run(["sparsedrop-opt", "-", f"--pass-pipeline={pipeline}"], input=text, capture_output=True, text=True, check=True).stdout


def count_sums(text):
    """Contractions that are left with a convolution's maps."""
    return text.count("linalg.conv_")


CASES = [
    Convolution(2, 6, 7, 8, 8, type_="f32"),
    Convolution(1, 9, 8, 5, 3, stride=(2, 2), pad=(1, 1, 1, 1), type_="f32"),
    Convolution(2, 9, 9, 16, 8, dilation=(2, 2), pad=(2, 0, 1, 1), type_="bf16", out="bf16"),
    Convolution(3, 5, 5, 16, 24, taps=(1, 1), stride=(2, 1), type_="f16", out="f16"),
    Convolution(1, 3, 3, 4, 2, type_="f32"),
]
for number, convolution in enumerate(CASES):
    inputs = convolution.inputs()
    dx, dw = convolution.gradients(*inputs)
    expected = [products.round_to(convolution.forward(*inputs[:2]), convolution.out), products.round_to(dx, convolution.type), products.round_to(dw, convolution.type)]
    for im2col in (False, True):
        text = lower(convolution.text(differentiate=True), im2col)
        assert (count_sums(text) == 0) == im2col, text
        for target in (CPU, DEVICE):
            actual = products.run_all(os.path.join(folder, f"c{number}"), text, inputs, 3, ("--entry=f_grad",), target)
            for name, result, wanted in zip(("y", "dx", "dw"), actual, expected):
                wrong = find_wrong(result, wanted)
                assert not wrong, f"{convolution}, {'im2col, ' if im2col else ''}{target}: {name}: {wrong}"

# Channels are dropped: patches have those that are kept only. The scale, 2, is exact.
DROPOUTS = [
    '#sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "c", granularity = 4, max_period = 2, scale = pattern, distribution = [0.0, 1.0]>',
    '#sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "c", scale = none, multiple = 8>',
]
convolution = Convolution(2, 6, 5, 16, 8, pad=(1, 1, 0, 1), type_="f32")
inputs = convolution.inputs()
for number, dropout in enumerate(DROPOUTS):
    text = convolution.text(differentiate=True, dropout=dropout)
    stem = os.path.join(folder, f"d{number}")
    options = ("--entry=f_grad", "--seed=5", "--step=2")
    results = [
        products.run_all(stem, lower(text, im2col, mode), inputs, 3, options, target)
        for mode in ("masked", "compact")
        for im2col in (False, True)
        for target in (CPU, DEVICE)
    ]
    for result in results[1:]:
        for name, actual, wanted in zip(("y", "dx", "dw"), result, results[0]):
            wrong = find_wrong(actual, wanted)
            assert not wrong, f"{dropout}: {name}: {wrong}"
    assert np.any(results[0][0] != 0) and np.any(results[0][1] == 0)
print("all convolutions are right")
