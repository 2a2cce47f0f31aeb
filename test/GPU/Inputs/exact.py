"""Programs on the device against masks on the CPU, bit by bit: all values are small
integers, so that sums are exact in every order and each result is rounded once."""

import concurrent.futures
import os
import subprocess
import sys

import numpy as np


def check(run, folder, number, text, type_, shapes, options=(), entry="f_grad"):
    """What is wrong with a function, such as the gradient of f, of inputs of these shapes; None: nothing."""
    stem = os.path.join(folder, f"c{number}")
    with open(stem + ".mlir", "w") as file:
        file.write(text)
    rng = np.random.default_rng(number)
    command = [run, stem + ".mlir", f"--entry={entry}", "--target=nvptx", "--device=interp", "--check", "--tolerance=0", "--steps=3", f"--seed={number}", *options]
    for i, shape in enumerate(shapes):
        np.save(f"{stem}.in{i}.npy", rng.integers(-1, 2, shape).astype(np.float64 if type_ == "f64" else np.float32))
        command.append(f"--input={stem}.in{i}.npy")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return f"{stem}.mlir: still running after two minutes"
    if done.returncode != 0:
        return f"{stem}.mlir: {done.stdout}{done.stderr}"
    for path in os.listdir(folder):
        if path.startswith(f"c{number}."):
            os.unlink(os.path.join(folder, path))
    return None


def check_all(cases, check_case):
    """Checks cases in parallel, tells, and ends the program."""
    os.environ["SPARSEDROP_NUM_THREADS"] = "1"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        failures = [f for f in pool.map(check_case, enumerate(cases)) if f]
    print("\n".join(failures[:5]))
    print(f"{len(cases) - len(failures)} of {len(cases)} cases are equal")
    sys.exit(1 if failures else 0)
