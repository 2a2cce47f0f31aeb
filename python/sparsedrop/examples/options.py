"""The command lines of the training programs: options, and what is wrong with them."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any, NoReturn, Sequence

import sparsedrop

from . import fashion_mnist, plot

#: Options that may differ between a checkpoint and the run that resumes it.
FREE = {"epochs", "checkpoint", "checkpoint_every", "resume", "log", "plot", "threads", "quiet", "debug", "data"}


class Parser(argparse.ArgumentParser):
    """Refuses like the rest of the program: an ``Error``, not the usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise sparsedrop.Error(f"{message} (--help lists the options)")


def make_parser(
    program: str, description: str, data: Path | None = fashion_mnist.DEFAULT_FOLDER, about: str = "folder of Fashion-MNIST"
) -> argparse.ArgumentParser:
    """The options that all programs share; ``data`` is where the data set is by default."""
    parser = Parser(prog=program, description=description)
    add = parser.add_argument
    add("--data", type=Path, default=data, help=about)
    add("--limit", type=int, help="use only so much of the training data")
    add("--mode", nargs="+", choices=sparsedrop.MODES, default=["compact"])
    add("--seeds", type=int, nargs="+", default=[0])
    add("--epochs", type=int, default=15)
    add("--batch", type=int, default=256)
    add("--lr", nargs="+", default=["0.1"], help="learning rate, or one for each mode: compact=0.1 dense=0.05")
    add("--lr-decay", type=float, default=1.0, metavar="FACTOR", help="divide the rate by this after each epoch")
    add("--lr-decay-after", type=int, default=1, metavar="EPOCH", help="the first epoch after which it is divided")
    add("--lr-grid", type=float, nargs="+", help="choose each mode's rate among these, on held-out data")
    add("--held-out", type=int, default=6000, help="how much of the training set chooses the rate")
    add("--grid-epochs", type=int, default=5, help="epochs for each rate of the grid")
    add("--grid-seed", type=int, default=1000, help="seed of the grid's runs")
    add("--optimizer", choices=("sgd", "momentum", "adam"), default="sgd")
    add("--momentum", type=float, default=0.9)
    add("--decay", type=float, default=0.0, help="weight decay: each step shrinks parameters by learning rate * decay")
    add("--threads", type=int, help="threads (default: all processors)")
    add("--checkpoint", type=Path, help="file to save to")
    add("--checkpoint-every", type=int, default=1, metavar="N", help="save after every N epochs")
    add("--resume", type=Path, help="checkpoint to go on from")
    add("--log", type=Path, help="JSON file of everything that was measured")
    add("--plot", type=Path, help="PNG of the test set's figures against time")
    add("--quiet", action="store_true", help="print the summary only")
    add("--debug", action="store_true", help="show where an error came from")
    return parser


def add_mlp_options(parser: argparse.ArgumentParser) -> None:
    """Those of ``train_mlp``."""
    add = parser.add_argument
    add("--hidden", type=int, nargs="+", default=[2048, 2048], help="widths of the hidden layers")
    add("--rate", type=float, nargs="+", default=[0.5], help="drop rates, one for all hidden layers or one each")
    add("--lazy", action="store_true", help="leave parameters and state of dropped units as they are")
    add("--activation", choices=("relu", "tanh", "sigmoid", "gelu"), default="relu")
    add("--granularity", type=int, default=1, help="neighbouring units that are dropped together")
    add("--tile", type=int, nargs=2, metavar=("OUT", "IN"), help="drop tiles of weights instead of units")
    add("--order", choices=("skewed", "linear"), default="skewed", help="order of the tiles")
    add("--max-period", type=int, help="longest period (default: depends on the rate)")
    add("--scale", choices=("target", "pattern"), default="target")


def expect(condition: bool, expected: str, value: Any) -> None:
    """Raises an ``Error`` that says what was expected and what came."""
    if not condition:
        raise sparsedrop.Error(f"expected {expected}, but got {value}")


def check_numbers(options: argparse.Namespace, names: Sequence[str], least: int = 1) -> None:
    """Raises ``Error`` for options that are given and less than ``least``."""
    for name in names:
        value = getattr(options, name)
        expect(value is None or value >= least, f"--{name.replace('_', '-')} to be at least {least}", value)


def check_options(options: argparse.Namespace) -> None:
    """Raises ``Error`` for what can be known to be wrong before any work."""
    check_numbers(options, ("epochs", "batch", "checkpoint_every", "grid_epochs", "held_out", "limit", "threads"))
    check_numbers(options, ("lr_decay_after",))
    expect(1 <= options.lr_decay < math.inf, "--lr-decay of at least 1", options.lr_decay)
    for seed in [*options.seeds, options.grid_seed]:
        expect(0 <= seed < 2**63, "seeds in [0, 2^63)", seed)
    for rate in options.lr_grid or []:
        expect(rate > 0 and math.isfinite(rate), "rates above 0 in --lr-grid", rate)
    for what in ("mode", "seeds"):
        if len(set(getattr(options, what))) < len(getattr(options, what)):
            raise sparsedrop.Error(f"expected different values in --{what}")
    check_files(options)
    if options.plot:
        plot.check_available(options.plot)


def check_mlp_options(options: argparse.Namespace) -> None:
    """Those of ``train_mlp``."""
    check_numbers(options, ("granularity", "max_period"))
    for rate in options.rate:
        expect(0 <= rate < 1, "--rate in [0, 1)", rate)


def check_files(options: argparse.Namespace) -> None:
    """Files to write must have a folder and be different: hours later is too late."""
    paths: dict[Path, str] = {}
    for name in ("checkpoint", "log", "plot"):
        path = getattr(options, name)
        if path is None:
            continue
        if path.is_dir() or not path.parent.is_dir():
            wrong = "is a folder" if path.is_dir() else "its folder does not exist"
            raise sparsedrop.Error(f"--{name} {path}: {wrong}")
        other = paths.setdefault(path.resolve(), name)
        if other != name:
            raise sparsedrop.Error(f"--{other} and --{name} name the same file, {path}")


def read_rates(options: argparse.Namespace) -> dict[str, float]:
    """The learning rate of each mode, from --lr."""
    rates: dict[str, float] = {}
    for item in options.lr:
        mode, separator, text = item.rpartition("=")
        try:
            value = float(text)
        except ValueError:
            raise sparsedrop.Error(f"expected a learning rate or MODE=RATE in --lr, but got '{item}'") from None
        expect(value > 0 and math.isfinite(value), "rates above 0 in --lr", item)
        if separator and mode not in options.mode:
            raise sparsedrop.Error(f"--lr names the mode '{mode}', which is not trained")
        rates.update({mode: value} if separator else dict.fromkeys(options.mode, value))
    missing = [mode for mode in options.mode if mode not in rates]
    if missing:
        raise sparsedrop.Error(f"--lr has no rate for the mode {missing[0]}")
    return rates


def plain_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options as JSON has them."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
