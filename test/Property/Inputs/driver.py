"""The command line of random tests: RUN FOLDER COUNT [FIRST [OPTION...]]."""

import concurrent.futures
import glob
import os
import subprocess
import sys

import numpy as np


def execute(command, stem, inputs, timeout=300):
    """Runs a command with arrays as inputs; "" or what is wrong. Its results, to be at
    STEM.N.npy, are its own: older ones are gone before."""
    for path in glob.glob(f"{stem}.[0-9]*.npy"):
        os.unlink(path)
    command = list(command)
    for i, data in enumerate(inputs):
        np.save(f"{stem}.in{i}.npy", data)
        command.append(f"--input={stem}.in{i}.npy")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return f"{' '.join(command)}: still runs after {timeout} seconds"
    return "" if done.returncode == 0 else f"{stem}.mlir: {done.stdout}{done.stderr}"


def run_all(check, what):
    """Runs check(RUN, FOLDER, number, OPTIONS) for COUNT numbers from FIRST on, which
    gives None or what is wrong. Returns the exit code."""
    run, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    os.makedirs(folder, exist_ok=True)
    # The programs are small: one thread each, two at a time.
    os.environ["SPARSEDROP_NUM_THREADS"] = "1"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        failures = [f for f in pool.map(lambda n: check(run, folder, n, sys.argv[5:]), range(first, first + count)) if f]
    for failure in failures[:10]:
        print(failure[:3000])
    print(f"{count - len(failures)} of {count} {what} agree")
    return 1 if failures else 0
