# RUN: %python %s sparsedrop-run %t 30
# RUN: %python %s sparsedrop-run %t.device 4 1000 --target=nvptx --device=interp

"""Random convolutional networks: masked equals compact, forward and all gradients, and
both equal NumPy forward.

Each network is a chain of convolutions of any stride, dilation, padding and form, groups
among them, batch norms, biases, activations, pools, residual sums and concatenations in
both layouts, in one to three dimensions. Before convolutions and wherever else maps are
dropped by row patterns or by lists, some of them shared.

Run by hand: random-networks.py RUN FOLDER COUNT [FIRST [OPTION...]]
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import driver
import numpy as np
from networks import Network


def grow(n, x, known):
    """A value that comes from `x`; `known` are the values so far."""
    rng, shape = n.rng, x[1]
    size, channels = min(shape[a] for a in n.axes), shape[n.channel]
    kind = rng.choice(["conv"] * 4 + ["drop"] * 3 + ["norm", "bias", "relu", "relu", "max", "sum", "add", "concat", "pixels"])
    if kind == "conv":
        dilation, pad = int(rng.choice([1, 1, 2])), int(rng.choice([0, 0, 1]))
        window = int(rng.integers(1, 4))
        if dilation * (window - 1) + 1 > size + 2 * pad:
            window = 1
        filters = int(rng.choice([1, 3, 4, 6, 8, 12]))
        groups = 2 if n.rank == 2 and channels % 2 == 0 and filters % 2 == 0 and rng.random() < 0.25 else 1
        form = str(rng.choice(["named", "generic"]))
        if n.rank == 2 and n.last and window == 1 and pad == 0 and rng.random() < 0.5:
            return n.pointwise(x, filters)
        return n.conv(x, filters, window, int(rng.choice([1, 1, 2])), dilation, pad, form, groups)
    if kind == "drop":
        return drop(n, x)
    if kind in ("max", "sum") and size >= 2:
        form = str(rng.choice(["named", "generic"])) if n.last or n.rank < 3 else "generic"
        return n.pool(x, kind, int(rng.integers(1, 3)), int(rng.integers(1, 3)), form)
    same = [v for v in known if v[1] == shape]
    other = same[int(rng.integers(len(same)))]
    if kind == "add":
        return n.add(x, other)
    if kind == "concat":
        match = [v for v in known if v[1][: n.channel] + v[1][n.channel + 1 :] == shape[: n.channel] + shape[n.channel + 1 :]]
        return n.concat([x, match[int(rng.integers(len(match)))]])
    if kind == "pixels":
        return n.concat([x, other], n.axes[0])
    if kind == "norm" and x[2].size > 2 * channels:
        return n.norm(x)
    return n.bias(x) if kind == "bias" else n.relu(x)


def drop(n, x):
    """By a new site, or one that drops as many channels."""
    channels = x[1][n.channel]
    name = f"s{channels}_{int(n.rng.integers(2))}"
    if channels == 1:
        return x
    rate = float(n.rng.choice([0.3, 0.5])) if channels > 2 else 0.25
    granularity = int(n.rng.choice([1, 1, 2])) if channels >= 6 else 1
    return n.drop(x, name, rate, granularity)


def build(number):
    rng = np.random.default_rng(number)
    rank = int(rng.choice([1, 2, 2, 2, 3]))
    n = Network(rng, bool(rng.random() < 0.5), rank, bool(rng.random() < 0.5), str(rng.choice(["f32", "f32", "f64"])))
    values = [n.image(int(rng.integers(1, 3)), int(rng.integers(2, 5)), int(rng.integers(4, {1: 12, 2: 8, 3: 5}[rank])))]
    for _ in range(int(rng.integers(3, 9))):
        x = values[-1] if rng.random() < 0.85 else values[int(rng.integers(len(values)))]
        if np.abs(x[2]).max() < 100 and x[2].size < 4000:
            values.append(grow(n, x, values))
    results = [n.conv(drop(n, values[-1]), 3, 1)]
    if rng.random() < 0.3:
        results.append(n.mean(values[-1]))
    return n, results


def execute(n, stem, run, entry, extra, *options):
    """The message of a failed run."""
    command = [run, stem + ".mlir", f"--entry={entry}", f"--seed={n.seed}", f"--step={n.step}", *options]
    return driver.execute(command, stem, [*n.inputs, *extra])


def compare_gradients(n, stem, run, extra, options):
    """Compact against masked. The gradient of what a norm takes away again is zero but
    for rounding: errors are relative to the largest gradient, as its terms are."""
    for mode, target in (("compact", options), ("masked", [])):
        problem = execute(n, stem, run, "f_grad", extra, f"--mode={mode}", f"--output={stem}.{mode}", *target)
        if problem:
            return problem
    count = len([name for name in os.listdir(os.path.dirname(stem)) if name.startswith(os.path.basename(stem) + ".masked.")])
    pairs = [[np.load(f"{stem}.{mode}.{i}.npy").astype(np.float64) for mode in ("compact", "masked")] for i in range(count)]
    largest = max(1.0, n.largest, max(np.abs(masked).max(initial=0.0) for _, masked in pairs))
    for i, (compact, masked) in enumerate(pairs):
        error = np.abs(compact - masked).max(initial=0.0)
        if not error <= get_slack(n) * largest:
            return f"{stem}.mlir: gradients: result {i} is off from masked by {error:.3e}, largest value {largest:.3e}"
    return None


def get_slack(n):
    """Up to eight layers of sums of at most 200 terms, forward and back, in the type of
    the network; scales of patterns are f32 in any. What a norm divides by a deviation of
    less than one, 1/32 at the least, it magnifies."""
    roundoff = 2.0**-24 if n.type == "f32" else 2.0**-53
    return (400 * roundoff + 8 * 2.0**-24) * (32 if n.has_norm else 1)


def check(run, folder, number, options):
    """None, or what is wrong with network `number`."""
    n, results = build(number)
    stem = os.path.join(folder, f"n{number}")
    with open(stem + ".mlir", "w") as file:
        file.write(n.text(results))
    problem = execute(n, stem, run, "f", [], "--check", f"--output={stem}", *options)
    if problem:
        return problem
    for i, (_, _, expected) in enumerate(results):
        error = np.abs(np.load(f"{stem}.{i}.npy") - expected).max(initial=0.0)
        if not error <= get_slack(n) * n.largest:
            return f"{stem}.mlir: result {i} is off from NumPy by {error:.3e}, largest value {n.largest:.3e}"
    given = [n.rng.standard_normal(shape).astype(n.inputs[0].dtype) for _, shape, _ in results]
    problem = compare_gradients(n, stem, run, given, options)
    if problem:
        return problem
    for path in os.listdir(folder):
        if path.startswith(f"n{number}."):
            os.unlink(os.path.join(folder, path))
    return None


if __name__ == "__main__":
    sys.exit(driver.run_all(check, "networks"))
