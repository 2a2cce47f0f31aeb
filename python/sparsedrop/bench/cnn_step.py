"""Times the training step of a CNN with channel dropout in all modes, and PyTorch's.

    python -m sparsedrop.bench.cnn_step --model residual --widths 64 128 --steps 40

Modes take turns in blocks of steps, on the same patterns. ``untracked`` is compact
without sensitivities and importances: what the bookkeeping costs. PyTorch (eager,
channels last, ``nn.Dropout2d``) takes part where it is installed. Then the operations
of each kind of product are printed, dense and of these draws.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from typing import Any

import numpy as np

import sparsedrop
from sparsedrop.bench.mlp_step import Ours, Torch, measure
from sparsedrop.channels import kept_channels
from sparsedrop.cnn import Block, ChannelDropout, Cnn, Convolution, plain, residual

MODELS = {"plain": plain, "residual": residual}


def make_arguments(model: Cnn, rate: float) -> list[np.ndarray]:
    """A batch, He-initialised weights, what else a step takes; a small rate, at which
    values stay what they are."""
    rng = np.random.default_rng(0)
    values = []
    for name, shape in model.arguments:
        if name == "x":
            value = rng.standard_normal(shape)
        elif name == "target":
            value = np.eye(model.classes)[rng.integers(model.classes, size=model.batch)]
        elif name.endswith("_weight") and name[:2] != "m_":
            value = rng.standard_normal(shape) * np.sqrt(2 * shape[-1] / np.prod(shape))
        elif name.endswith(("_gamma", "_variance", "_sensitivity", "_importance")) and name[:2] != "m_":
            value = np.ones(shape)
        elif name == "learning_rate":
            value = np.array(1e-4)
        else:
            value = np.full(shape, rate if name.endswith("_rate") else 0.0)
        values.append(value.astype(np.float32))
    return values


def describe(conv: Convolution) -> dict[str, Any]:
    layer, rate = conv.layer, conv.dropout.rate if conv.dropout else 0
    return {
        "kind": "convolution", "source": conv.source.channels, "channels": layer.channels, "kernel": layer.kernel,
        "stride": layer.stride, "padding": layer.padding, "relu": layer.relu, "rate": rate,
    }


def describe_model(model: Cnn) -> dict[str, Any]:
    """What ``torch_cnn_step`` builds."""
    places: list[dict[str, Any]] = []
    for place in model.places:
        if isinstance(place, Convolution):
            places.append(describe(place))
        elif isinstance(place, Block):
            projection = describe(place.projection) if place.projection else None
            places.append({"kind": "block", "convolutions": list(map(describe, place.convolutions)), "projection": projection})
        else:
            layer = place.layer
            places.append({"kind": "pool", "pool": layer.kind, "size": layer.size, "stride": layer.stride, "padding": layer.padding})
    return {
        "places": places, "features": model.features.channels, "classes": model.classes, "batch": model.batch,
        "channels": model.channels, "size": list(model.size), "threads": sparsedrop.threads(),
    }


def count_operations(model: Cnn, steps: int, rate: float) -> dict[str, list[float]]:
    """Dense and actual operations of each kind of product, over all steps."""
    function = sparsedrop.compile(model.mlir(), entry="step", instrument=True)
    values, sums = make_arguments(model, rate), {}
    for step in range(steps):
        for op in function.count(*values, seed=1, step=step)["ops"]:
            for kind in (op["product"], "all"):
                total = sums.setdefault(kind, [0.0, 0.0])
                total[0] += op["dense"]["flops"]
                total[1] += op["actual"]["flops"]
    return sums


def ideal_shares(model: Cnn, rate: float) -> dict[str, float]:
    """The share of each kind of product that is left when every convolution computes
    only with the maps that it keeps, and makes only those that its one reader keeps.
    The first convolution has no input gradient; the classifier stays whole."""

    def kept(conv: Convolution | None) -> float:
        if conv is None or conv.dropout is None:
            return 1.0
        return kept_channels(rate, conv.source.channels, conv.dropout.multiple) / conv.source.channels

    readers, classifier = model.sole_readers(), model.features.channels * model.classes
    whole, left = dict.fromkeys(("forward", "dgrad", "wgrad"), classifier), dict.fromkeys(("forward", "dgrad", "wgrad"), classifier)
    for number, conv in enumerate(model.convolutions()):
        share = kept(conv) * kept(readers.get(conv.name))
        for kind in whole:
            if kind != "dgrad" or number:
                whole[kind] += conv.operations()
                left[kind] += conv.operations() * share
    whole["all"], left["all"] = sum(whole.values()), sum(left.values())
    return {kind: left[kind] / whole[kind] for kind in whole}


def main() -> int:
    parser = argparse.ArgumentParser(prog="cnn_step", description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=MODELS, default="residual")
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, nargs=2, default=[28, 28])
    parser.add_argument("--layout", choices=("nhwc", "nchw"), default="nhwc")
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--granularity", type=int, default=1)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--block", type=int, default=5, help="steps of one turn")
    options = parser.parse_args()
    dropout = ChannelDropout(options.rate, granularity=options.granularity)
    model = MODELS[options.model](
        options.widths, options.batch, depth=options.blocks, size=tuple(options.size), layout=options.layout,
        dropout=dropout, optimizer="momentum",
    )
    untracked = dataclasses.replace(model, dropout=dataclasses.replace(dropout, criterion="uniform", scale="inverse"))
    rivals: dict[str, Ours | Torch] = {mode: Ours(model, mode, make_arguments(model, options.rate)) for mode in sparsedrop.MODES}
    rivals["untracked"] = Ours(untracked, "compact", make_arguments(untracked, options.rate))
    rival = Torch("torch_cnn_step", describe_model(model))
    if rival.version == "missing":
        print("PyTorch is not installed: without it", file=sys.stderr)
    else:
        rivals["pytorch"] = rival
    seconds = measure(rivals, options.steps, options.block)
    operations = count_operations(model, min(options.steps, 5), options.rate)
    print(f"{options.model} {'-'.join(map(str, options.widths))} {options.layout}, {options.blocks} a stage, images of "
          f"{options.size[0]}x{options.size[1]}, batch {options.batch}, rate {options.rate}, granularity "
          f"{options.granularity}, {options.steps} steps, {sparsedrop.threads()} threads")
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"{'':<12}{'total s':>9}{'median ms':>11}{'x compact':>11}")
    for name, times in seconds.items():
        print(f"{name:<12}{sum(times):>9.3f}{1e3 * medians[name]:>11.3f}{medians[name] / medians['compact']:>11.3f}")
    ideal = ideal_shares(model, options.rate)
    print(f"{'products':<12}{'dense GFLOP':>13}{'of these draws':>16}{'ideal':>8}")
    for kind in ("forward", "dgrad", "wgrad", "all"):
        dense, actual = operations.get(kind, (0.0, 0.0))
        if dense:
            print(f"{kind:<12}{dense / 1e9 / min(options.steps, 5):>13.3f}{actual / dense:>16.3f}{ideal[kind]:>8.3f}")
    dense, actual = operations["all"]
    ratio = medians["masked"] / medians["compact"]
    print(f"time, masked / compact: {ratio:.3f}, {ratio / (dense / actual):.3f} of the operation ratio {dense / actual:.3f}")
    print(f"bookkeeping: {100 * (1 - medians['untracked'] / medians['compact']):.1f} % of a compact step")
    return 0


if __name__ == "__main__":
    sys.exit(main())
