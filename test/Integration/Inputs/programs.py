"""Running programs with sparsedrop-run, for tests that write many."""

import os
import subprocess

import numpy as np


def execute(run, folder, text, inputs, *options):
    """Runs the program in a folder that holds nothing else, so that what it leaves there
    is its own: arrays as inputs, options as of sparsedrop-run."""
    os.makedirs(folder, exist_ok=True)
    stem = os.path.join(folder, "p")
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))
    with open(stem + ".mlir", "w") as file:
        file.write(text)
    command = [run, stem + ".mlir", *options]
    for i, data in enumerate(inputs):
        np.save(f"{stem}.in{i}.npy", data)
        command.append(f"--input={stem}.in{i}.npy")
    return subprocess.run(command, capture_output=True, text=True, timeout=120)
