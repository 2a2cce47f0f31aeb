# RUN: %python %s %S/Inputs/data-flow.mlir %t

"""Programs whose ops read where others write, on the device against NumPy in float64.
Sums of at most 315 terms of f32, each rounded: 1e-5 of the largest value is 80 ulp."""

import os
import subprocess
import sys

import numpy as np

file, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(5)


def draw(*shape, low=0.5, high=2.0):
    return rng.uniform(low, high, shape).astype(np.float32)


def overwritten(x, total):
    return total, x / total[:, None]


def scalar_in_branch(x, w, n):
    s = x @ w
    return s.sum(1), np.where(s > 0, np.log(np.where(s > 0, s, 1)) * np.log1p(n), s)


def destination(x, w, c):
    s, c = x @ w, np.exp(c)
    return c[0, np.trunc(s).astype(int) & 7] + s + c


def diagonal(x, y, d):
    return np.maximum(x, y[..., None]).sum(2), np.exp(d) + np.diagonal(y)


def of_branch(x, n):
    total = (x / (np.exp(x) if n < 1000000 else np.tanh(x)).T).sum(1)
    return overwritten(np.exp(x), total)


def of_branches(x, n):
    first, second = (np.exp(x), np.tanh(x)) if n < 10 else (np.abs(x), np.exp(x))
    chosen = first if n < 20 else second
    return chosen + second, chosen, second


def reads_transposed(x):
    x = np.exp(x)
    return overwritten(x, (x / x.T).sum(1))


def stored(channel):
    rest = tuple(d for d in range(4) if d != channel)
    return lambda x: (x.sum(rest), np.exp(x), np.exp(x).sum(rest))


def pooled(x):
    views = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (1, 2))[:, ::2, ::2]
    maxima = views.max((4, 5))
    return maxima, views.mean((4, 5)), np.abs(maxima).sum((1, 2))


def pooled_apart(x):
    maxima = np.lib.stride_tricks.sliding_window_view(x, (5, 5), (1, 2)).max((4, 5))
    return maxima, np.abs(maxima).sum((1, 2))


m = lambda low=0.5: draw(64, 64, low=low)
CASES = [
    ("broadcasts", lambda a, b, c: (a + b + c)[:, None].repeat(32, 1), [draw(64), draw(64), draw(64)]),
    ("sum_indexed_by_column", lambda x: x - x.sum(1), [m()]),
    ("reads_transposed", reads_transposed, [m()]),
    ("fill_of_read", lambda x: overwritten(np.full_like(x, 2), np.exp(x).sum(1)), [m()]),
    ("product_read_whole", lambda x, w: x @ w - (x @ w)[0, 0], [draw(32, 16), draw(16, 24)]),
    ("read_in_branch", lambda x, t: np.where(x > 0.5, t, x), [draw(32, 16, low=0), draw(16)]),
    ("diagonal", diagonal, [draw(16, 16, 32), draw(16, 16), draw(16)]),
    ("table_overwritten", lambda x, u: x - np.exp(np.tanh(u))[:64] - x.sum(1)[:, None], [m(), draw(100)]),
    ("scalar_in_branch", scalar_in_branch, [draw(32, 16, low=-2), draw(16, 24), np.array(3)]),
    ("destination_read_elsewhere", destination, [draw(32, 16), draw(16, 24), draw(32, 24)]),
    ("stored_by_columns", stored(3), [draw(9, 5, 7, 70, low=-2)]),
    ("stored_by_rows", stored(1), [draw(9, 7, 5, 13, low=-2)]),
    ("pooled", pooled, [draw(3, 9, 7, 13, low=-2)]),
    ("pooled_apart", pooled_apart, [draw(3, 9, 7, 13, low=-2)]),
    ("assertion_in_branch", lambda x: np.where(x > 0.5, np.log(np.maximum(x, 0.5)), x), [draw(64, low=0)]),
]
CASES += [("buffer_of_branch", of_branch, [m(), np.array(n)]) for n in (5, 2000000)]
CASES += [("buffers_of_branches", of_branches, [draw(70), np.array(n)]) for n in (5, 15, 25)]

failures = 0
for number, (name, reference, inputs) in enumerate(CASES):
    stem = os.path.join(folder, f"c{number}")
    command = ["sparsedrop-run", file, f"--entry={name}", "--target=nvptx", "--device=interp", f"--output={stem}"]
    for i, value in enumerate(inputs):
        np.save(f"{stem}.in{i}.npy", value)
        command.append(f"--input={stem}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        failures += 1
        print(f"{name}: exit code {done.returncode}: {done.stderr[:800]}")
        continue
    expected = reference(*(value.astype(np.float64) if value.ndim else int(value) for value in inputs))
    for i, wanted in enumerate(expected if isinstance(expected, tuple) else (expected,)):
        got = np.load(f"{stem}.{i}.npy").astype(np.float64)
        error = np.abs(got - wanted).max() / np.abs(wanted).max()
        if not error < 1e-5:
            failures += 1
            print(f"{name}: result {i} is off by {error:.2g} of the largest value")
sys.exit(failures != 0)
