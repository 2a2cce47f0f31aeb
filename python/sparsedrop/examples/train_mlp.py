"""Trains an MLP on Fashion-MNIST with dropout that removes work, and without.

    python -m sparsedrop.examples.train_mlp --mode compact bernoulli dense \\
        --seeds 0 1 2 --epochs 15 --lr 0.1 --log log.json --plot accuracy.png

Modes take turns epoch by epoch, so that what else the machine does hits all of
them. They see the same batches in the same order and start from the same weights.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any, Sequence

import sparsedrop

from . import checkpoint, fashion_mnist, plot, summary
from .training import Epoch, Programs, Progress, Run, Setup

LOG_VERSION = 1
#: Options that may differ between a checkpoint and the run that resumes it.
FREE = {"epochs", "checkpoint", "checkpoint_every", "resume", "log", "plot", "threads", "quiet", "debug", "data"}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train_mlp", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, default=fashion_mnist.DEFAULT_FOLDER, help="folder of the data set")
    add("--limit", type=int, help="use only the first N training images")
    add("--hidden", type=int, nargs="+", default=[2048, 2048], help="widths of the hidden layers")
    add("--rate", type=float, nargs="+", default=[0.5], help="drop rates, one for all hidden layers or one each")
    add("--mode", nargs="+", choices=sparsedrop.MODES, default=["compact"])
    add("--seeds", type=int, nargs="+", default=[0])
    add("--epochs", type=int, default=15)
    add("--batch", type=int, default=256)
    add("--lr", nargs="+", default=["0.1"], help="learning rate, or one for each mode: compact=0.1 dense=0.05")
    add("--lr-grid", type=float, nargs="+", help="choose each mode's rate among these, on held-out images")
    add("--held-out", type=int, default=6000, help="images of the training set that choose the rate")
    add("--grid-epochs", type=int, default=5, help="epochs for each rate of the grid")
    add("--grid-seed", type=int, default=1000, help="seed of the grid's runs")
    add("--optimizer", choices=("sgd", "momentum", "adam"), default="sgd")
    add("--momentum", type=float, default=0.9)
    add("--decay", type=float, default=0.0, help="weight decay (sgd)")
    add("--activation", choices=("relu", "tanh", "sigmoid", "gelu"), default="relu")
    add("--granularity", type=int, default=1, help="neighbouring units that are dropped together")
    add("--max-period", type=int, help="longest period (default: depends on the rate)")
    add("--scale", choices=("target", "pattern"), default="target")
    add("--threads", type=int, help="threads (default: all processors)")
    add("--checkpoint", type=Path, help="file to save to")
    add("--checkpoint-every", type=int, default=1, metavar="N", help="save after every N epochs")
    add("--resume", type=Path, help="checkpoint to go on from")
    add("--log", type=Path, help="JSON file of everything that was measured")
    add("--plot", type=Path, help="PNG of test accuracy against time")
    add("--quiet", action="store_true", help="print the summary only")
    add("--debug", action="store_true", help="show where an error came from")
    return parser


def check_options(options: argparse.Namespace) -> None:
    for name in ("epochs", "batch", "checkpoint_every", "grid_epochs", "granularity"):
        if getattr(options, name) < 1:
            raise sparsedrop.Error(f"expected --{name.replace('_', '-')} to be at least 1, but got {getattr(options, name)}")
    for name in ("limit", "threads", "max_period"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise sparsedrop.Error(f"expected --{name.replace('_', '-')} to be at least 1, but got {value}")
    for rate in options.rate:
        if not 0 <= rate < 1:
            raise sparsedrop.Error(f"expected --rate in [0, 1), but got {rate}")
    for what in ("mode", "seeds"):
        if len(set(getattr(options, what))) < len(getattr(options, what)):
            raise sparsedrop.Error(f"expected different values in --{what}")
    if options.plot:
        plot.check_available()


def read_rates(options: argparse.Namespace) -> dict[str, float]:
    """The learning rate of each mode, from --lr."""
    rates: dict[str, float] = {}
    for item in options.lr:
        mode, separator, text = item.rpartition("=")
        try:
            value = float(text)
        except ValueError:
            raise sparsedrop.Error(f"expected a learning rate or MODE=RATE in --lr, but got '{item}'") from None
        if separator and mode not in options.mode:
            raise sparsedrop.Error(f"--lr names the mode '{mode}', which is not trained")
        rates.update({mode: value} if separator else dict.fromkeys(options.mode, value))
    missing = [mode for mode in options.mode if mode not in rates]
    if missing:
        raise sparsedrop.Error(f"--lr has no rate for the mode {missing[0]}")
    return rates


class Trainer:
    """The whole job: the grid, the runs of all seeds and modes, files."""

    def __init__(self, options: argparse.Namespace, command: Sequence[str]):
        self.options, self.command = options, command
        self.data = fashion_mnist.load(options.data, options.limit)
        if len(self.data.labels) < options.batch:
            raise sparsedrop.Error(f"{len(self.data.labels)} training images are fewer than a batch of {options.batch}")
        setup = Setup(
            tuple(options.hidden), tuple(options.rate), options.batch, options.optimizer, options.momentum,
            options.decay, options.activation, options.granularity, options.max_period, options.scale,
        )
        self.programs = Programs(setup.model(self.data.images.shape[1]))
        self.rates = read_rates(options)
        self.grid: list[dict[str, Any]] = []
        self.runs: list[Run] = []

    def say(self, text: str) -> None:
        if not self.options.quiet:
            print(text, flush=True)

    def train(self, run: Run, data: fashion_mnist.Data) -> Epoch:
        progress = Progress(f"{run.mode} seed {run.seed} epoch {len(run.epochs) + 1}", not self.options.quiet)
        try:
            epoch = run.train_epoch(data, progress)
        finally:
            progress.clear()
        self.say(summary.epoch_line(run, epoch))
        return epoch

    def search_rates(self) -> None:
        """Each mode's best rate by the accuracy on held-out training images."""
        options = self.options
        data = self.data.split(options.held_out)
        self.say(f"learning rates, on {options.held_out} held-out training images\n{summary.HEADER}")
        for mode in options.mode:
            best = (-1.0, 0.0)
            for rate in options.lr_grid:
                run = Run(self.programs, mode, options.grid_seed, rate)
                while len(run.epochs) < options.grid_epochs and not run.diverged:
                    epoch = self.train(run, data)
                self.grid.append({"mode": mode, "learning_rate": rate, "accuracy": epoch.accuracy, "diverged": run.diverged})
                best = max(best, (epoch.accuracy, rate))
            self.rates[mode] = best[1]
            self.say(f"{mode}: rate {best[1]:g}, held-out accuracy {100 * best[0]:.2f} %")

    def run_all(self) -> None:
        """Every seed in turn; within a seed, modes take turns epoch by epoch."""
        options = self.options
        self.say(summary.HEADER)
        for seed in options.seeds:
            of_seed = [self.find_run(mode, seed) for mode in options.mode]
            for number in range(1, options.epochs + 1):
                ready = [run for run in of_seed if len(run.epochs) < number and not run.diverged]
                for run in ready:
                    self.train(run, self.data)
                if ready:
                    self.save(number)

    def find_run(self, mode: str, seed: int) -> Run:
        for run in self.runs:
            if (run.mode, run.seed) == (mode, seed):
                return run
        self.runs.append(Run(self.programs, mode, seed, self.rates[mode]))
        return self.runs[-1]

    # Files
    def save(self, epoch: int) -> None:
        options = self.options
        if options.log:
            checkpoint.write_atomically(options.log, (json.dumps(self.describe(), indent=1) + "\n").encode())
        if options.checkpoint and (epoch % options.checkpoint_every == 0 or epoch == options.epochs):
            arrays = {f"{i}:{k}": value for i, run in enumerate(self.runs) for k, value in enumerate(run.values)}
            checkpoint.save(options.checkpoint, self.describe(), arrays)

    def describe(self) -> dict[str, Any]:
        return {
            "version": LOG_VERSION,
            "command": " ".join(map(shlex.quote, self.command)),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": processor(),
            "threads": sparsedrop.threads(),
            "sparsedrop": sparsedrop.version(),
            "options": plain_options(self.options),
            "grid": self.grid,
            "learning_rates": self.rates,
            "runs": [run.describe() for run in self.runs],
            "summary": summary.summarize(self.runs),
        }

    def resume(self) -> None:
        """Goes on where a checkpoint was written."""
        path = self.options.resume
        meta, arrays = checkpoint.load(path)
        if meta.get("version") != LOG_VERSION:
            raise sparsedrop.Error(f"{path}: expected version {LOG_VERSION}, but got {meta.get('version')}")
        wanted = plain_options(self.options)
        for name, value in meta["options"].items():
            if name not in FREE and wanted.get(name) != value:
                raise sparsedrop.Error(f"{path}: was made with {name} = {value}, not {wanted.get(name)}")
        self.grid, self.rates = meta["grid"], meta["learning_rates"]
        for i, entry in enumerate(meta["runs"]):
            epochs = [Epoch(**epoch) for epoch in entry["epochs"]]
            values = [arrays[f"{i}:{k}"] for k in range(len(self.programs.model.parameters() + self.programs.model.state()))]
            self.runs.append(
                Run(self.programs, entry["mode"], entry["seed"], entry["learning_rate"], values, epochs,
                    entry["steps"], entry["diverged"])
            )


def plain_options(options: argparse.Namespace) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}


def processor() -> str:
    """The processor's name and how many the process may use."""
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{name}, {len(os.sched_getaffinity(0))} processors"


def run(options: argparse.Namespace, command: Sequence[str]) -> int:
    check_options(options)
    if options.threads:
        sparsedrop.set_threads(options.threads)
    trainer = Trainer(options, command)
    interrupted = False
    try:
        if options.resume:
            trainer.resume()
        elif options.lr_grid:
            trainer.search_rates()
        trainer.run_all()
    except KeyboardInterrupt:
        interrupted = True
        print("\ninterrupted: what follows is of the epochs that were completed", file=sys.stderr)
    print(summary.summary_table(summary.summarize(trainer.runs)), flush=True)
    if options.plot and trainer.runs:
        title = f"MLP {'-'.join(map(str, options.hidden))}, rate {', '.join(map(str, options.rate))}, {len(options.seeds)} seeds"
        plot.plot(trainer.runs, options.plot, title)
    return 130 if interrupted else 0


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = make_parser().parse_args(arguments)
    try:
        return run(options, ["python", "-m", "sparsedrop.examples.train_mlp", *arguments])
    except sparsedrop.Error as error:
        if options.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
