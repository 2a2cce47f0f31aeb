"""Times the training step of an MLP in all modes, and PyTorch's beside them.

    python -m sparsedrop.bench.mlp_step --steps 200

Modes take turns in blocks of steps, on the same patterns and from the same
weights; figures are sums over all steps, so every drawn pattern counts. PyTorch
(eager, ``nn.Dropout``, plain SGD) takes part where it is installed and the
optimizer is plain SGD. With another one, ``lazy`` updates run beside them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np

import sparsedrop
from sparsedrop.models import Dropout, Mlp


def make_arguments(model: Mlp) -> list[np.ndarray]:
    """A batch, He-initialised parameters, a state of zeros and a small rate: values stay
    what they are over the steps of a benchmark."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((model.batch, model.widths[0])).astype(np.float32)
    target = np.eye(model.widths[-1], dtype=np.float32)[rng.integers(model.widths[-1], size=model.batch)]
    parameters = [
        (rng.standard_normal(s) * np.sqrt(2 / s[0])).astype(np.float32) if len(s) == 2 else np.zeros(s, np.float32)
        for _, s in model.parameters()
    ]
    parameters += [np.zeros(s, np.float32) for _, s in model.state()]
    return [x, target, *parameters, np.full((), 1e-4, np.float32)]


class Ours:
    """The compiled step of a model in one mode, on arrays of its own."""

    def __init__(self, model: Any, mode: str, arguments: list[np.ndarray]):
        self.function = sparsedrop.compile(model.mlir(), entry="step", mode=mode)
        self.arguments, self.peak = arguments, 0

    def block(self, first: int, count: int) -> list[float]:
        """Seconds of steps ``first`` and on."""
        seconds = []
        for step in range(first, first + count):
            start = time.perf_counter()
            self.function(*self.arguments, seed=1, step=step)
            seconds.append(time.perf_counter() - start)
            self.peak = max(self.peak, self.function.costs.peak_bytes)
        return seconds


class Torch:
    """The same step in PyTorch, in a process of its own (see ``torch_step``):
    ``program`` builds what ``description``, as JSON, says."""

    def __init__(self, program: str, description: Any):
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"sparsedrop.bench.{program}", json.dumps(description)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        self.version, self.peak = self.process.stdout.readline().strip(), 0

    def block(self, first: int, count: int) -> list[float]:
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def make_rival(model: Mlp) -> Torch:
    """PyTorch's step of a model whose hidden layers are dropped at one rate."""
    rate = next((dropout.rate for dropout in model.dropout if dropout), 0.0)
    return Torch("torch_step", [list(model.widths), model.batch, rate, sparsedrop.threads()])


def measure(rivals: dict[str, Ours | Torch], steps: int, block: int) -> dict[str, list[float]]:
    """Seconds of each step of each rival. They take turns in blocks, in rotating
    order; two steps that do not count wake a rival's threads and caches, after a
    pause in which those of the one before go to sleep."""
    names, seconds = list(rivals), {name: [] for name in rivals}
    for turn, first in enumerate(range(0, steps, block)):
        for k in range(len(names)):
            name = names[(turn + k) % len(names)]
            time.sleep(0.05)
            rivals[name].block(first, 2)
            seconds[name] += rivals[name].block(first, min(block, steps - first))
    return seconds


def count_operations(model: Any, arguments: list[np.ndarray], steps: int) -> tuple[float, float, float]:
    """Operations of all steps: dense, of the patterns drawn, expected of a draw."""
    function = sparsedrop.compile(model.mlir(), entry="step", instrument=True)
    dense = actual = expected = 0.0
    for step in range(steps):
        result = function.count(*arguments, seed=1, step=step)["totals"]
        dense, actual = dense + result["dense"]["flops"], actual + result["actual"]["flops"]
        expected += result["expected_flops"]
    return dense, actual, expected


def main() -> int:
    parser = argparse.ArgumentParser(prog="mlp_step", description=__doc__.split("\n")[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[784, 2048, 2048, 10])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--granularity", type=int, default=1)
    parser.add_argument("--max-period", type=int)
    parser.add_argument("--tile", type=int, nargs=2, metavar=("OUT", "IN"), help="drop tiles of weights instead of units")
    parser.add_argument("--optimizer", choices=("sgd", "momentum", "adam"), default="sgd")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--block", type=int, default=10, help="steps of one turn")
    options = parser.parse_args()
    tile = tuple(options.tile) if options.tile else None
    dropout = Dropout(options.rate, options.granularity, options.max_period, tile=tile)
    model = Mlp(options.widths, options.batch, dropout, optimizer=options.optimizer)
    rivals: dict[str, Ours | Torch] = {mode: Ours(model, mode, make_arguments(model)) for mode in sparsedrop.MODES}
    if options.optimizer != "sgd":
        rivals["lazy"] = Ours(dataclasses.replace(model, lazy=True), "compact", make_arguments(model))
    elif (rival := make_rival(model)).version == "missing":
        print("PyTorch is not installed: without it", file=sys.stderr)
    else:
        rivals["pytorch"] = rival
    seconds = measure(rivals, options.steps, options.block)
    dense, actual, expected = count_operations(model, make_arguments(model), options.steps)
    print(f"MLP {'-'.join(map(str, options.widths))}, batch {options.batch}, rate {options.rate}, "
          f"{f'tiles {tile[0]} x {tile[1]}' if tile else f'granularity {options.granularity}'}, {options.optimizer}, {options.steps} steps, {sparsedrop.threads()} threads")
    compact = sum(seconds["compact"])
    print(f"{'':<12}{'total s':>9}{'median ms':>11}{'x compact':>11}{'peak MB':>9}")
    for name, times in seconds.items():
        peak = f"{rivals[name].peak / 1e6:>9.1f}" if name != "pytorch" else f"{'':>9}"
        print(f"{name:<12}{sum(times):>9.3f}{1e3 * statistics.median(times):>11.3f}{sum(times) / compact:>11.3f}{peak}")
    ratio = sum(seconds["masked"]) / compact
    print(f"operations, dense / compact: {dense / actual:.3f} on these draws, {dense / expected:.3f} expected over all draws")
    print(f"time, masked / compact: {ratio:.3f}, {ratio / (dense / actual):.3f} of the operation ratio of these draws")
    return 0


if __name__ == "__main__":
    sys.exit(main())
