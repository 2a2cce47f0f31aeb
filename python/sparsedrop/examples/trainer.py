"""The whole job of a training program: the grid, runs of all seeds and modes, files.

Modes take turns epoch by epoch, so that what else the machine does hits all of
them. They see the same batches in the same order and start from the same weights.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Sequence

import numpy as np

import sparsedrop

from . import checkpoint, fashion_mnist, plot, summary
from .options import FREE, check_options, plain_options, read_rates
from .training import Epoch, Programs, Progress, Run, Schedule

LOG_VERSION = 3

#: Options that checkpoints of this version may lack, and what was done then.
LATER = {"lr_decay": 1.0, "lr_decay_after": 1}

MakePrograms = Callable[[argparse.Namespace, Any, Dict[str, Any]], Programs]
"""Makes the programs of a model from the options, the data, and the options of the
training that is resumed."""

Load = Callable[[argparse.Namespace], Any]
"""Reads the data: an object with ``describe``, ``split``, ``check`` and ``unit``, as
``fashion_mnist.Data`` has them."""


def load_images(options: argparse.Namespace) -> fashion_mnist.Data:
    return fashion_mnist.load(options.data, options.limit)


class Trainer:
    """The whole job: the grid, the runs of all seeds and modes, files."""

    def __init__(self, options: argparse.Namespace, command: Sequence[str], make_programs: MakePrograms, load: Load):
        self.options, self.command = options, command
        self.data = load(options)
        self.data.check(options.batch, options.held_out if options.lr_grid else 0)
        self.resumed = checkpoint.load(options.resume) if options.resume else None
        stored = self.resumed[0].get("options") if self.resumed else None
        self.programs = make_programs(options, self.data, stored if isinstance(stored, dict) else {})
        self.rates = read_rates(options)
        self.schedule = Schedule(options.lr_decay, options.lr_decay_after)
        self.grid: list[dict[str, Any]] = []
        self.runs: list[Run] = []

    def say(self, text: str) -> None:
        if not self.options.quiet:
            print(text, flush=True)

    def train(self, run: Run, data: Any) -> Epoch:
        progress = Progress(f"{run.mode} seed {run.seed} epoch {len(run.epochs) + 1}", not self.options.quiet)
        try:
            epoch = run.train_epoch(data, progress)
        finally:
            progress.clear()
        self.say(summary.epoch_line(run, epoch))
        if run.diverged:
            print(
                f"warning: {run.mode} seed {run.seed} rate {run.rate:g}: the loss is not finite after {run.steps} "
                "steps; this run stops and counts as diverged",
                file=sys.stderr, flush=True,
            )
        return epoch

    def search_rates(self) -> None:
        """Each mode's best rate by the metric on held-out training data."""
        options, metric = self.options, self.programs.metric
        data = self.data.split(options.held_out)
        self.say(f"learning rates, on {options.held_out} held-out training {data.unit}\n{summary.header(metric)}")
        for mode in options.mode:
            best = (-math.inf, 0.0)
            for rate in options.lr_grid:
                run = Run(self.programs, mode, options.grid_seed, rate, schedule=self.schedule)
                while len(run.epochs) < options.grid_epochs and not run.diverged:
                    epoch = self.train(run, data)
                self.grid.append(
                    {"mode": mode, "learning_rate": rate, "diverged": run.diverged,
                     metric.name: epoch.score if math.isfinite(epoch.score) else None}
                )
                self.write_log()
                if math.isfinite(epoch.score):
                    best = max(best, (metric.order(epoch.score), rate))
            self.rates[mode] = best[1] or options.lr_grid[0]
            found = metric.factor * abs(best[0])
            self.say(f"{mode}: rate {self.rates[mode]:g}, held-out {metric.name} {found:.2f}{metric.unit}")

    def run_all(self) -> None:
        """Every seed in turn; within a seed, modes take turns epoch by epoch."""
        options = self.options
        self.say(summary.header(self.programs.metric))
        for seed in options.seeds:
            of_seed = [self.find_run(mode, seed) for mode in options.mode]
            for number in range(1, options.epochs + 1):
                ready = [run for run in of_seed if len(run.epochs) < number and not run.diverged]
                for run in ready:
                    self.train(run, self.data)
                    self.write_log()
                if ready:
                    self.save(number)

    def find_run(self, mode: str, seed: int) -> Run:
        for run in self.runs:
            if (run.mode, run.seed) == (mode, seed):
                return run
        self.runs.append(Run(self.programs, mode, seed, self.rates[mode], schedule=self.schedule))
        return self.runs[-1]

    # Files
    def write_log(self) -> None:
        if self.options.log:
            text = json.dumps(self.describe(), indent=1, allow_nan=False)
            checkpoint.write_atomically(self.options.log, (text + "\n").encode())

    def save(self, epoch: int) -> None:
        options = self.options
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
            "data": self.data.describe(),
            "grid": self.grid,
            "learning_rates": self.rates,
            "runs": [run.describe() for run in self.runs],
            "summary": without_nan(summary.summarize(self.runs, self.programs.metric)),
        }

    def resume(self) -> None:
        """Goes on where a checkpoint was written. The order of the images needs no
        state: it follows from the seed and the number of the epoch."""
        path = self.options.resume
        meta, arrays = self.resumed
        try:
            self.check_same(path, meta)
            self.restore(meta, arrays)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise sparsedrop.Error(f"{path}: not a checkpoint of this program: {error!r}") from error

    def check_same(self, path: Path, meta: dict[str, Any]) -> None:
        """Raises ``Error`` if the checkpoint is of another training than this."""
        if meta.get("version") != LOG_VERSION:
            raise sparsedrop.Error(f"{path}: expected version {LOG_VERSION}, but got {meta.get('version')}")
        wanted = plain_options(self.options)
        for name, value in {**LATER, **meta["options"]}.items():
            if name not in FREE and wanted.get(name) != value:
                raise sparsedrop.Error(f"{path}: was made with {name} = {value}, not {wanted.get(name)}")
        if meta["data"] != self.data.describe():
            raise sparsedrop.Error(f"{path}: was made with other data than that of {self.options.data}")

    def restore(self, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Takes over what a checkpoint holds."""
        named = self.programs.model.updated()
        for i, entry in enumerate(meta["runs"]):
            epochs = [Epoch.read(epoch, self.programs.metric) for epoch in entry["epochs"]]
            values = [arrays[f"{i}:{k}"] for k in range(len(named))]
            for (name, shape), value in zip(named, values):
                if value.shape != shape or value.dtype != np.float32:
                    raise ValueError(f"{name} is {value.shape} of {value.dtype}")
            self.runs.append(
                Run(self.programs, entry["mode"], entry["seed"], entry["learning_rate"], values, epochs,
                    entry["steps"], entry["diverged"], entry["notes"], self.schedule)
            )
        self.grid, self.rates = meta["grid"], meta["learning_rates"]


def without_nan(value: Any) -> Any:
    """For JSON: what is not finite is null."""
    if isinstance(value, dict):
        return {name: without_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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


def run(options: argparse.Namespace, command: Sequence[str], make_programs: MakePrograms, title: str,
        load: Load) -> int:
    check_options(options)
    if options.threads:
        sparsedrop.set_threads(options.threads)
    trainer = Trainer(options, command, make_programs, load)
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
    trainer.write_log()
    metric = trainer.programs.metric
    print(summary.summary_table(summary.summarize(trainer.runs, metric), metric), flush=True)
    if options.plot and trainer.runs:
        plot.plot(trainer.runs, options.plot, f"{title}, {len(options.seeds)} seeds", metric)
    return 130 if interrupted else 0


def run_guarded(
    program: str, arguments: Sequence[str], parse: Callable[[], argparse.Namespace],
    make_programs: MakePrograms, title: Callable[[argparse.Namespace], str], load: Load = load_images,
) -> int:
    """Runs the program; what goes wrong is one line on stderr and a status."""
    try:
        options = parse()
        command = ["python", "-m", f"sparsedrop.examples.{program}", *arguments]
        return run(options, command, make_programs, title(options), load)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    except (sparsedrop.Error, OSError, MemoryError) as error:
        if "--debug" in arguments:
            raise
        text = " ".join(str(error).split())  # the compiler's messages have several lines
        print(f"error: {text or type(error).__name__}", file=sys.stderr)
        return 1
