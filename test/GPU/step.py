# RUN: %python %s sparsedrop-run %root %t

"""The training step of a small MLP on the device layer: twenty steps agree with
the CPU's to rounding, fewer of Adam and of bf16, nothing waits for the device
inside a step, and the report counts what is launched."""

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np

run, root, folder = sys.argv[1:4]
sys.path.insert(0, os.path.join(root, "python"))
from sparsedrop.models import Dropout, Mlp

shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
WIDTHS, BATCH = [96, 160, 128, 10], 32
# What is trained: optimizer, activation, type, granularity, steps, and the most
# launches of a step. Kept granules need no packing.
CASES = [
    ("sgd", "relu", "f32", 1, 20, 14),
    ("adam", "gelu", "f32", 1, 5, 36),
    ("sgd", "tanh", "bf16", 1, 5, 14),
    ("sgd", "tanh", "bf16", 16, 5, 13),
    ("adam", "relu", "f32", 8, 5, 36),
]


def execute(path, step, inputs, options):
    stem = path.removesuffix(".mlir")
    command = [run, path, "--entry=step", "--seed=7", f"--step={step}", f"--output={stem}", *options]
    for i, data in enumerate(inputs):
        np.save(f"{stem}.in{i}.npy", data)
        command.append(f"--input={stem}.in{i}.npy")
    subprocess.run(command, check=True)
    count = len([name for name in os.listdir(folder) if re.fullmatch(rf"{os.path.basename(stem)}\.\d+\.npy", name)])
    return [np.load(f"{stem}.{i}.npy") for i in range(count)]


def train(path, options, inputs):
    """Losses, and what the last step returns."""
    inputs, losses = list(inputs), []
    for step in range(STEPS):
        results = execute(path, step, inputs, options)
        losses.append(float(results[0]))
        inputs[2 : 1 + len(results)] = results[1:]
    return losses, results[1:]


def make_inputs(model, rng):
    """Batch, targets, parameters, state and learning rate, in the order of @step."""
    x = rng.standard_normal((model.batch, model.widths[0]))
    target = np.eye(model.widths[-1])[rng.integers(model.widths[-1], size=model.batch)]
    parameters = [rng.standard_normal(shape) / np.sqrt(shape[0] if len(shape) > 1 else 4) for _, shape in model.parameters()]
    state = [np.zeros(shape) for _, shape in model.state()]
    # Parameters of bf16 do not see small updates.
    rate = np.array(0.001 if model.optimizer == "adam" else 0.05 if model.dtype == "f32" else 0.5)
    return [value.astype(np.float32) for value in (x, target, *parameters, *state, rate)]


rng = np.random.default_rng(1)
for optimizer, activation, dtype, granularity, STEPS, most in CASES:
    dropouts = [Dropout(rate, granularity=granularity) for rate in (0.5, 0.3)]
    model = Mlp(WIDTHS, BATCH, dropouts, activation, optimizer=optimizer, dtype=dtype)
    path = os.path.join(folder, f"{optimizer}_{dtype}_{granularity}.mlir")
    with open(path, "w") as file:
        file.write(model.mlir())
    inputs = make_inputs(model, rng)
    cpu = train(path, (), inputs)
    device = train(path, ("--target=nvptx", "--device=interp"), inputs)
    # f32: sums of at most 160 terms in another order, 6 products deep; each step
    # starts from the one before, and Adam divides by moments that may be small.
    # bf16: such sums are rounded, a few of them to the other neighbour, which is two
    # roundoffs away; parameters may come to two of those, and change by nine and more.
    slack = {"sgd": 1, "adam": 100}[optimizer]
    bound = 4 * 2.0**-24 * np.sqrt(160) * 6 * STEPS * slack if dtype == "f32" else 4 * 2.0**-8
    for name, a, b in [("losses", np.array(cpu[0]), np.array(device[0])), *((f"result {i}", a, b) for i, (a, b) in enumerate(zip(cpu[1], device[1])))]:
        error = np.abs(a.astype(np.float64) - b).max() / np.abs(a).max()
        assert error <= bound, (optimizer, dtype, name, error, bound)
    assert cpu[0][-1] < cpu[0][0], cpu[0]
    command = [run, path, "--entry=step", "--target=nvptx", "--device=interp", "--random=1", "--report"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    launches, waits = map(int, re.search(r"kernels launched: (\d+), times the host waited: (\d+)", report).groups())
    assert waits == 0, report
    report = json.loads(subprocess.run(command[:-1] + ["--report=json"], capture_output=True, text=True, check=True).stdout)
    assert report["launches"] == launches and report["synchronizations"] == 0, report
    assert 0 < report["totals"]["actual"]["bytes"] < report["totals"]["dense"]["bytes"], report["totals"]
    print(f"{optimizer} {dtype} {granularity}: {launches} launches a step")
    assert launches <= most, (optimizer, dtype, granularity, launches)
