"""Times the training step of an LSTM language model in all modes, and PyTorch's.

    python -m sparsedrop.bench.lstm_step --units 650 1500 --rates 0.3 0.5 0.7

Vertical connections are dropped, by units or, with ``--tile``, by tiles of weights;
with ``--recurrent`` what a layer reads of its own last step, too. Modes take turns in
blocks of steps, on the same patterns; figures are means over all steps, so every drawn
pattern counts. PyTorch (eager, ``nn.LSTM`` with dropout, plain SGD, clipped gradients)
takes part where it is installed. The paper's speed-ups of an LSTM are 1.24 to 1.85 (on
a GPU, against ordinary dropout there).
"""

from __future__ import annotations

import argparse
import statistics
import sys

import numpy as np

import sparsedrop
from sparsedrop.bench.mlp_step import Ours, Torch, count_operations, measure
from sparsedrop.lstm import Lstm
from sparsedrop.models import Dropout

CLIP = 5.0


def make_arguments(model: Lstm) -> list[np.ndarray]:
    """Of ``@step``: random words, small parameters, a small learning rate: values stay
    what they are over the steps of a benchmark."""
    rng, values = np.random.default_rng(0), []
    for name, shape in model.arguments:
        if model.type_of(name) == "i32":
            values.append(rng.integers(0, model.vocabulary, shape).astype(np.int32))
        elif name == "learning_rate":
            values.append(np.full(shape, 1e-4, np.float32))
        else:
            values.append(rng.uniform(-0.05, 0.05, shape).astype(np.float32))
    return values


def make_rival(model: Lstm) -> Torch:
    """PyTorch's step of a model whose vertical connections are dropped at one rate."""
    names = ("vocabulary", "units", "layers", "batch", "steps", "clip")
    description = {name: getattr(model, name) for name in names}
    return Torch("torch_lstm_step", {**description, "rate": model.dropout.rate, "threads": sparsedrop.threads()})


def compare(model: Lstm, options: argparse.Namespace) -> None:
    """One line: mean milliseconds of each rival, ratios."""
    rivals: dict[str, Ours | Torch] = {mode: Ours(model, mode, make_arguments(model)) for mode in sparsedrop.MODES}
    rival = make_rival(model)
    if rival.version == "missing":
        print("PyTorch is not installed: without it", file=sys.stderr)
    else:
        rivals["pytorch"] = rival
    seconds = measure(rivals, options.steps, options.block)
    mean = {name: 1e3 * statistics.fmean(times) for name, times in seconds.items()}
    dense, actual, _ = count_operations(model, make_arguments(model), options.steps)
    operations = dense / actual
    ratio = mean["masked"] / mean["compact"]
    others = "".join(f"{mean.get(name, float('nan')):>11.1f}" for name in (*sparsedrop.MODES, "pytorch"))
    print(
        f"{model.units:>6}{model.dropout.rate:>6}{others}{ratio:>9.2f}{operations:>12.2f}{ratio / operations:>7.2f}"
        f"{mean['bernoulli'] / mean['compact']:>11.2f}", flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="lstm_step", description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, nargs="+", default=[650, 1500])
    parser.add_argument("--rates", type=float, nargs="+", default=[0.3, 0.5, 0.7])
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=10000)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--words", type=int, default=35, help="of each text in a step")
    parser.add_argument("--tile", type=int, nargs=2, metavar=("OUT", "IN"), help="drop tiles of weights instead of units")
    parser.add_argument("--recurrent", action="store_true", help="recurrent connections, too")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--block", type=int, default=5, help="steps of one turn")
    options = parser.parse_args()
    what = f"tiles {options.tile[0]} x {options.tile[1]}" if options.tile else "units"
    print(f"{options.layers} layers, vocabulary {options.vocabulary}, batch {options.batch}, {options.words} words, {what} dropped"
          f"{', recurrent too' if options.recurrent else ''}, {options.steps} steps, {sparsedrop.threads()} threads; mean ms a step")
    head = "".join(f"{name:>11}" for name in (*sparsedrop.MODES, "pytorch"))
    print(f"{'units':>6}{'rate':>6}{head}{'speed-up':>9}{'operations':>12}{'of it':>7}{'bernoulli':>11}")
    for units in options.units:
        for rate in options.rates:
            dropout = Dropout(rate, tile=tuple(options.tile) if options.tile else None)
            recurrent = dropout if options.recurrent else None
            compare(
                Lstm(options.vocabulary, units, options.batch, options.words, options.layers, dropout=dropout,
                     recurrent=recurrent, clip=CLIP), options,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
