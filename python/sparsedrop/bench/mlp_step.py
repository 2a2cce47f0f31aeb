"""Times the training step of an MLP in all modes, and PyTorch's beside them.

    python -m sparsedrop.bench.mlp_step --steps 200

Modes take turns in blocks of steps, on the same patterns and from the same
weights; figures are sums over all steps, so every drawn pattern counts. PyTorch
(eager, ``nn.Dropout``, plain SGD) takes part where it is installed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Callable

import numpy as np

import sparsedrop
from sparsedrop.models import Dropout, Mlp


def make_inputs(model: Mlp) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """A batch and He-initialised parameters."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((model.batch, model.widths[0])).astype(np.float32)
    target = np.eye(model.widths[-1], dtype=np.float32)[rng.integers(model.widths[-1], size=model.batch)]
    parameters = [
        (rng.standard_normal(s) * np.sqrt(2 / s[0])).astype(np.float32) if len(s) == 2 else np.zeros(s, np.float32)
        for _, s in model.parameters()
    ]
    return x, target, parameters


class Ours:
    """The compiled step in one mode, on parameters of its own."""

    def __init__(self, model: Mlp, mode: str):
        self.function = sparsedrop.compile(model.mlir(), entry="step", mode=mode)
        self.x, self.target, self.parameters = make_inputs(model)
        self.peak = 0

    def __call__(self, step: int) -> None:
        # A small rate: values stay what they are over the steps of a benchmark.
        self.function(self.x, self.target, *self.parameters, np.float32(1e-4), seed=1, step=step)
        self.peak = max(self.peak, self.function.costs.peak_bytes)


class Torch:
    """The same step in PyTorch: eager, with its own dropout."""

    def __init__(self, model: Mlp, rates: list[float], threads: int):
        import torch

        torch.set_num_threads(threads)
        layers: list[torch.nn.Module] = []
        for i, (n, m) in enumerate(zip(model.widths, model.widths[1:])):
            layers.append(torch.nn.Linear(n, m))
            if i < len(rates):
                layers += [torch.nn.ReLU(), torch.nn.Dropout(rates[i])]
        self.network = torch.nn.Sequential(*layers)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1e-4)
        x, target, _ = make_inputs(model)
        self.x, self.labels = torch.from_numpy(x), torch.from_numpy(target.argmax(1))
        self.loss, self.peak = torch.nn.CrossEntropyLoss(), 0

    def __call__(self, step: int) -> None:
        self.optimizer.zero_grad()
        self.loss(self.network(self.x), self.labels).backward()
        self.optimizer.step()


def measure(rivals: dict[str, Callable[[int], None]], steps: int, block: int) -> dict[str, list[float]]:
    """Seconds of each step of each rival. They take turns in blocks, in rotating
    order; two steps that do not count wake a rival's threads and caches, after a
    pause in which those of the one before go to sleep."""
    names, seconds = list(rivals), {name: [] for name in rivals}
    for turn, first in enumerate(range(0, steps, block)):
        for k in range(len(names)):
            name = names[(turn + k) % len(names)]
            time.sleep(0.05)
            for _ in range(2):
                rivals[name](first)
            for step in range(first, min(first + block, steps)):
                start = time.perf_counter()
                rivals[name](step)
                seconds[name].append(time.perf_counter() - start)
    return seconds


def count_operations(model: Mlp, steps: int) -> tuple[float, float, float]:
    """Operations of dense steps over those of the drawn ones, and over those
    expected of a draw; the latter's peak memory is not of interest."""
    function = sparsedrop.compile(model.mlir(), entry="step", instrument=True)
    x, target, parameters = make_inputs(model)
    dense = actual = expected = 0.0
    for step in range(steps):
        result = function.count(x, target, *parameters, np.float32(1e-4), seed=1, step=step)["totals"]
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
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--block", type=int, default=10, help="steps of one turn")
    options = parser.parse_args()
    model = Mlp(options.widths, options.batch, Dropout(options.rate, options.granularity, options.max_period))
    rivals: dict[str, Callable[[int], None]] = {mode: Ours(model, mode) for mode in sparsedrop.MODES}
    try:
        rivals["pytorch"] = Torch(model, [options.rate] * (len(options.widths) - 2), sparsedrop.threads())
    except ImportError:
        print("PyTorch is not installed: without it", file=sys.stderr)
    seconds = measure(rivals, options.steps, options.block)
    dense, actual, expected = count_operations(model, options.steps)
    print(f"MLP {'-'.join(map(str, options.widths))}, batch {options.batch}, rate {options.rate}, "
          f"granularity {options.granularity}, {options.steps} steps, {sparsedrop.threads()} threads")
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
