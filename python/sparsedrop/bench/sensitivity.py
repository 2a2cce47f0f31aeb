"""How well sensitivities tell which feature maps matter.

    python -m sparsedrop.bench.sensitivity --model residual --widths 32 64 --epochs 2

Trains a network on Fashion-MNIST with channel dropout, then takes probe batches of
the test set. For each channel that a convolution can drop, the loss is measured
without it (its weights zeroed: only this convolution's use of the map is gone); the
change is what sensitivities estimate from one backward pass a batch. Printed is Spearman's
rank correlation over the channels of each layer between the change and the
sensitivity, the importance (mean magnitude) and, as the level of chance, random
numbers.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np

import sparsedrop
from sparsedrop.channels import ChannelSchedule
from sparsedrop.cnn import SENSITIVITY_OF, ChannelDropout, Cnn, Convolution, plain, residual
from sparsedrop.examples import fashion_mnist
from sparsedrop.examples.cnn_training import CnnPrograms, Policy
from sparsedrop.examples.training import Run

MODELS = {"plain": plain, "residual": residual}
AVERAGE = 0.9
"""The share of old sensitivities in new ones (``sparsedrop.differentiate``)."""


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values have the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts + 1) / 2)[inverse]


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's; 0 where one of them says nothing."""
    x, y = ranks(a) - (len(a) - 1) / 2, ranks(b) - (len(b) - 1) / 2
    norm = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / norm) if norm else 0.0


class Probe:
    """A trained network and batches to measure it on."""

    def __init__(self, programs: CnnPrograms, run: Run, data: fashion_mnist.Data, batches: int):
        self.model, self.run, self.batches = programs.model, run, []
        one_hot = np.eye(fashion_mnist.CLASSES, dtype=np.float32)
        for i in range(batches):
            chosen = slice(i * self.model.batch, (i + 1) * self.model.batch)
            images = programs.images(data.test_images[chosen])
            self.batches.append((images, one_hot[data.test_labels[chosen]]))
        self.loss = sparsedrop.compile(programs.text, entry="loss", mode="dense")
        self.step = sparsedrop.compile(programs.text, entry="step", mode="dense")
        self.names = [name for name, _ in self.model.updated()]

    def arguments(self) -> list[np.ndarray]:
        """Of ``@loss``, besides the batch."""
        values = dict(zip(self.names, self.run.values))
        return [values.get(name, np.float32(0)) for name, _ in self.model.loss_arguments[2:]]

    def mean_loss(self) -> float:
        values = self.arguments()
        return float(np.mean([self.loss(x, target, *values, seed=0, step=0)[0] for x, target in self.batches]))

    def changes(self, conv: Convolution) -> np.ndarray:
        """|loss without a channel - loss| for each channel that ``conv`` reads."""
        weight = self.run.values[self.names.index(f"{conv.name}_weight")]
        axis = 1 if self.model.layout == "nchw" else 2
        base, result = self.mean_loss(), []
        for channel in range(conv.source.channels):
            index = (slice(None),) * axis + (channel,)
            saved = weight[index].copy()
            weight[index] = 0
            result.append(abs(self.mean_loss() - base))
            weight[index] = saved
        return np.array(result)

    def measured(self) -> dict[str, np.ndarray]:
        """Sensitivities and importances on the probe batches alone."""
        sums: dict[str, np.ndarray] = {}
        arrays = {name for name, _ in self.model.channel_arrays()}
        for x, target in self.batches:
            values = [value.copy() for value in self.run.values]
            for name, value in zip(self.names, values):
                if name in arrays:
                    value[...] = 0
            rates = [np.float32(0)] * len(self.model.rates())
            self.step(x, target, *values, *rates, np.float32(0), seed=0, step=0)
            for name, value in zip(self.names, values):
                if name in arrays:
                    sums[name] = sums.get(name, 0) + value / (1 - AVERAGE)
        return sums


def report(probe: Probe) -> None:
    measured, random = probe.measured(), np.random.default_rng(0)
    print(f"{'layer':<8}{'channels':>9}{'sensitivity':>13}{'importance':>12}{'random':>8}")
    rows = []
    for conv in probe.model.sites():
        changes = probe.changes(conv)
        row = [
            rank_correlation(changes, measured[f"{conv.name}_sensitivity"]),
            rank_correlation(changes, measured[f"{conv.name}_importance"]),
            float(np.mean([rank_correlation(changes, random.random(len(changes))) for _ in range(100)])),
        ]
        rows.append(row)
        print(f"{conv.name:<8}{len(changes):>9}{row[0]:>13.3f}{row[1]:>12.3f}{row[2]:>8.3f}", flush=True)
    mean = np.mean(rows, axis=0)
    print(f"{'mean':<8}{'':>9}{mean[0]:>13.3f}{mean[1]:>12.3f}{mean[2]:>8.3f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="sensitivity", description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=MODELS, default="plain")
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 64, 64])
    parser.add_argument("--blocks", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--limit", type=int, help="use only the first training images")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--channel-rate", type=float, default=0.5)
    parser.add_argument("--probe", type=int, default=2, help="batches to measure on")
    parser.add_argument("--sensitivity-of", choices=SENSITIVITY_OF, default="batch", help="whose loss changes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", type=Path, default=fashion_mnist.DEFAULT_FOLDER)
    options = parser.parse_args()
    data = fashion_mnist.load(options.data, options.limit)
    # Scaled by energy, so that importances are measured, too.
    dropout = ChannelDropout(options.channel_rate, criterion="sensitivity", scale="energy")
    model: Cnn = MODELS[options.model](
        options.widths, options.batch, depth=options.blocks, size=fashion_mnist.SIZE, dropout=dropout,
        optimizer="momentum", sensitivity_of=options.sensitivity_of,
    )
    steps = len(data.labels) // options.batch
    programs = CnnPrograms(model, Policy(ChannelSchedule(options.channel_rate, warmup=steps)))
    run = Run(programs, "compact", options.seed, options.lr)
    # Training is not what is measured: no evaluation in between.
    train = dataclasses.replace(data, test_images=data.test_images[:0], test_labels=data.test_labels[:0])
    for _ in range(options.epochs):
        run.train_epoch(train)
    print(f"{options.model} {'-'.join(map(str, options.widths))}, {options.epochs} epochs of {len(data.labels)} images, "
          f"loss {run.epochs[-1].loss:.4f}, {options.probe} probe batches of {options.batch}")
    report(Probe(programs, run, data, options.probe))
    return 0


if __name__ == "__main__":
    sys.exit(main())
