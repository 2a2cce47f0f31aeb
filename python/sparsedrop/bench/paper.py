"""The paper's tables: speed-ups and accuracies of MLPs and LSTMs, rows and tiles.

    python -m sparsedrop.bench.paper
    python -m sparsedrop.bench.paper --mlp 2048-2048 --lstm --rates 0.5 --epochs 15 --seeds 0 1 2

For each network, size and rate a line for rows (units dropped) and one for tiles (of
weights, narrower than asked for where a layer is too narrow): the time of a training step with ordinary dropout over that of the compact
one, means over steps and so over patterns drawn, which take turns; the same with
PyTorch's step where it is installed; the operations that are left, dense over compact;
what was published; and what the network reaches on data that it was not trained on
after ``--epochs``, compact and with ordinary dropout, means over ``--seeds``. MLPs learn
Fashion-MNIST (accuracy in per cent), LSTMs the King James Bible (perplexity of books
that they have not read).

Published: MLP 1.18 to 2.16, LSTM 1.24 to 1.85 for drop rates of 0.3 to 0.7 (arXiv
2203.05705, abstract), on a GPU that the readable part does not name, against ordinary
dropout there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np

import sparsedrop
from sparsedrop._library import library
from sparsedrop.bench import lstm_step, mlp_step
from sparsedrop.bench.mlp_step import Ours, Torch, count_operations, measure
from sparsedrop.examples import fashion_mnist, verses
from sparsedrop.examples.fashion_mnist import CLASSES
from sparsedrop.examples.train_lstm import LstmPrograms
from sparsedrop.examples.training import Programs, Run
from sparsedrop.lstm import Lstm
from sparsedrop.models import Dropout, Mlp

PIXELS = 28 * 28
KINDS = ("row", "tile")
#: What rows and tiles are compared with.
ORDINARY = "bernoulli"


@dataclass(frozen=True)
class Network:
    """A network of the tables: how it is built for a size and a dropout, fed and
    trained; ``published`` are the speed-ups at the lowest and the highest rate."""

    name: str
    published: tuple[float, float]
    score: str
    build: Callable[[Any, Dropout], Any]
    arguments: Callable[[Any], list[np.ndarray]]
    rival: Callable[[Any], Torch]
    programs: Callable[[Any], Programs]
    data: Callable[[], Any]
    learning_rate: float


def make_mlp(options: argparse.Namespace) -> Network:
    return Network(
        "MLP", (1.18, 2.16), "accuracy",
        lambda size, dropout: Mlp([PIXELS, *size, CLASSES], options.mlp_batch, dropout),
        mlp_step.make_arguments, mlp_step.make_rival, Programs,
        lambda: fashion_mnist.load(options.images, options.limit), options.mlp_lr,
    )


def make_lstm(options: argparse.Namespace) -> Network:
    def build(units: int, dropout: Dropout) -> Lstm:
        sizes = options.vocabulary, units, options.lstm_batch, options.words, options.layers
        return Lstm(*sizes, dropout=dropout, clip=options.clip)

    return Network(
        "LSTM", (1.24, 1.85), "perplexity", build, lstm_step.make_arguments, lstm_step.make_rival, LstmPrograms,
        lambda: verses.load(options.verses, options.limit, options.vocabulary), options.lstm_lr,
    )


def time_steps(network: Network, models: dict[str, Any], ordinary: Any, options: argparse.Namespace) -> dict[str, float]:
    """Mean milliseconds of a step: of each kind, of ordinary dropout, of PyTorch."""
    rivals: dict[str, Ours | Torch] = {
        kind: Ours(model, "compact", network.arguments(model)) for kind, model in models.items()
    }
    rivals[ORDINARY] = Ours(ordinary, ORDINARY, network.arguments(ordinary))
    rival = network.rival(ordinary)
    if rival.version != "missing":
        rivals["pytorch"] = rival
    seconds = measure(rivals, options.steps, options.block)
    return {name: 1e3 * statistics.fmean(times) for name, times in seconds.items()}


def train(network: Network, programs: Programs, mode: str, data: Any, options: argparse.Namespace) -> list[float]:
    """What each seed reaches."""
    scores = []
    for seed in options.seeds:
        run = Run(programs, mode, seed, network.learning_rate)
        while len(run.epochs) < options.epochs and not run.diverged:
            run.train_epoch(data)
        scores.append(programs.metric.factor * run.epochs[-1].score)
    return scores


def describe_score(scores: list[float] | None) -> str:
    """The mean, and the spread of several seeds."""
    if not scores:
        return "-"
    spread = f" ({min(scores):.2f} to {max(scores):.2f})" if len(scores) > 1 else ""
    return f"{statistics.fmean(scores):.2f}{spread}"


def fit_tile(tile: list[int], size: Any, rate: float) -> tuple[int, int]:
    """A tile no wider than leaves each layer as many columns of tiles as the longest
    period needs."""
    narrowest = min(size) if isinstance(size, list) else size
    return tile[0], max(1, min(tile[1], narrowest // library().default_max_period(rate)))


def name_of(size: Any) -> str:
    return "-".join(map(str, size)) if isinstance(size, list) else str(size)


def fill(network: Network, size: Any, rate: float, is_trained: bool, data: Any, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The lines of one network of one size at one rate."""
    dropouts = {"row": Dropout(rate), "tile": Dropout(rate, tile=fit_tile(options.tile, size, rate))}
    models = {kind: network.build(size, dropouts[kind]) for kind in options.kinds}
    ordinary = network.build(size, dropouts["row"])
    times = time_steps(network, models, ordinary, options)
    expected = train(network, network.programs(ordinary), ORDINARY, data, options) if is_trained else None
    lines = []
    for kind, model in models.items():
        dense, actual, _ = count_operations(model, network.arguments(model), options.steps)
        lines.append({
            "network": network.name, "size": name_of(size), "rate": rate, "kind": kind, "milliseconds": times,
            "speed_up": times[ORDINARY] / times[kind], "operations": dense / actual, "published": network.published,
            "over_pytorch": times["pytorch"] / times[kind] if "pytorch" in times else None, "score": network.score,
            "compact": train(network, network.programs(model), "compact", data, options) if is_trained else None,
            ORDINARY: expected,
        })
    return lines


HEAD = (f"{'network':<8}{'size':>12}{'rate':>6} {'kind':<5}{'ms':>9}{'ordinary':>10}{'speed-up':>10}{'published':>14}"
        f"{'operations':>12}{'PyTorch':>9}  {'compact':<26}{'ordinary dropout':<26}")


def describe(line: dict[str, Any]) -> str:
    times, torch = line["milliseconds"], line["over_pytorch"]
    low, high = line["published"]
    return (
        f"{line['network']:<8}{line['size']:>12}{line['rate']:>6} {line['kind']:<5}{times[line['kind']]:>9.2f}"
        f"{times[ORDINARY]:>10.2f}{line['speed_up']:>10.2f}{f'{low} to {high}':>14}{line['operations']:>12.2f}"
        f"{'-' if torch is None else f'{torch:.2f}':>9}  {describe_score(line['compact']):<26}"
        f"{describe_score(line[ORDINARY]):<26}"
    )


def widths(text: str) -> list[int]:
    """Widths of hidden layers: 2048-2048."""
    return [int(width) for width in text.split("-")]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="paper", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--mlp", type=widths, nargs="*", default=[[1024, 64], [1024, 1024], [2048, 2048]], help="widths of hidden layers")
    add("--lstm", type=int, nargs="*", default=[200, 650, 1500], help="units of both layers")
    add("--lstm-trained", type=int, nargs="*", default=[200], help="those of them whose perplexity is measured")
    add("--rates", type=float, nargs="+", default=[0.3, 0.5, 0.7])
    add("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    add("--tile", type=int, nargs=2, default=[32, 32], metavar=("OUT", "IN"))
    add("--steps", type=int, default=40, help="that are timed")
    add("--block", type=int, default=5, help="steps of one turn")
    add("--epochs", type=int, default=3, help="of training; 0: none")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--limit", type=int, help="use only so much of the training data")
    add("--images", type=Path, default=fashion_mnist.DEFAULT_FOLDER, help="folder of Fashion-MNIST")
    add("--verses", type=Path, help="text of verses (default: what Debian's 'bible' prints)")
    add("--mlp-batch", type=int, default=256)
    add("--lstm-batch", type=int, default=20)
    add("--layers", type=int, default=2, help="of the LSTM")
    add("--clip", type=float, default=0.1, help="largest norm of the LSTM's gradients")
    add("--mlp-lr", type=float, default=0.1)
    add("--lstm-lr", type=float, default=20.0)
    add("--vocabulary", type=int, default=10000)
    add("--words", type=int, default=35, help="of each text in a step")
    add("--log", type=Path, help="JSON file of everything that was measured")
    return parser.parse_args()


def run(options: argparse.Namespace) -> None:
    networks = [(make_mlp(options), options.mlp, options.mlp), (make_lstm(options), options.lstm, options.lstm_trained)]
    print(f"{options.steps} steps in turns of {options.block}, {sparsedrop.threads()} threads; scores after {options.epochs} epochs, "
          f"seeds {' '.join(map(str, options.seeds))}; tiles of {options.tile[0]} x {options.tile[1]}\n{HEAD}", flush=True)
    lines: list[dict[str, Any]] = []
    for network, sizes, trained in networks:
        trained = trained if options.epochs else []
        data = network.data() if any(size in trained for size in sizes) else None
        for size in sizes:
            for rate in options.rates:
                for line in fill(network, size, rate, size in trained, data, options):
                    lines.append(line)
                    print(describe(line), flush=True)
                    if options.log:
                        options.log.write_text(json.dumps(lines, indent=1) + "\n")


def main() -> int:
    try:
        run(parse())
    except (sparsedrop.Error, ValueError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
