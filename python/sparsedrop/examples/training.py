"""Training a model in one mode of dropout, epoch by epoch."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator

import numpy as np

import sparsedrop

from .fashion_mnist import CLASSES, Data


@dataclass(frozen=True)
class Metric:
    """What a model is measured by on data that it was not trained on: its ``name`` in
    logs, what it is multiplied by and called in tables and plots, whether more is better."""

    name: str
    factor: float
    title: str
    label: str
    unit: str
    grows: bool

    def order(self, value: float) -> float:
        """A number that is larger for the better of two."""
        return value if self.grows else -value


ACCURACY = Metric("accuracy", 100, "test %", "test accuracy, %", " %", True)
PERPLEXITY = Metric("perplexity", 1, "test ppl", "test perplexity", "", False)


class Programs:
    """The compiled functions of a model; each mode is compiled once. Says how a
    model is fed and measured: this one takes images as rows, as an MLP does."""

    metric = ACCURACY

    def __init__(self, model: Any):
        self.model = model
        self.text = model.mlir()
        self.predict = sparsedrop.compile(self.text, entry="predict", mode="dense")
        self.steps: dict[str, sparsedrop.Function] = {}

    def step(self, mode: str) -> sparsedrop.Function:
        if mode not in self.steps:
            self.steps[mode] = sparsedrop.compile(self.text, entry="step", mode=mode)
        return self.steps[mode]

    def initialize(self, seed: int) -> list[np.ndarray]:
        """What ``@step`` updates, at the start. The same for every mode."""
        return initialize(self.model, seed)

    def images(self, rows: np.ndarray) -> np.ndarray:
        """Images as the model takes them."""
        return rows

    def step_arguments(self, run: Run) -> list[np.ndarray]:
        """What ``@step`` takes for the run's next step before the learning rate."""
        return []

    def evaluated(self, run: Run, data: Data) -> list[np.ndarray]:
        """What ``@predict`` takes besides the images, to evaluate a run."""
        return run.values[: len(self.model.parameters())]

    def count_steps(self, data: Data) -> int:
        """Steps of an epoch; a last batch that is not full is left out."""
        return len(data.labels) // self.model.batch

    def feed(self, run: Run, data: Data) -> Iterator[list[np.ndarray]]:
        """What ``@step`` takes first, step by step of the run's next epoch."""
        batch, one_hot = self.model.batch, np.eye(CLASSES, dtype=np.float32)
        order = run.order(len(data.labels))
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            yield [self.images(data.images[chosen]), one_hot[data.labels[chosen]]]

    def measure(self, run: Run, data: Data) -> float:
        """The metric of a run on the test set."""
        return evaluate(self, self.evaluated(run, data), data.test_images, data.test_labels)


def initialize(model: Any, seed: int) -> list[np.ndarray]:
    """Weights after He et al. 2015 (variance 2 / inputs), biases 0; then the
    optimizer's state, 0."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    values = []
    for _, shape in model.parameters():
        weight = len(shape) == 2
        values.append(
            (rng.standard_normal(shape) * np.sqrt(2 / shape[0])).astype(np.float32)
            if weight
            else np.zeros(shape, np.float32)
        )
    return values + [np.zeros(shape, np.float32) for _, shape in model.state()]


@dataclass
class Epoch:
    """``seconds`` are those of the training steps, with gathering the batches;
    ``total`` sums them from the first epoch on; ``score`` is the model's metric."""

    epoch: int
    loss: float
    score: float
    seconds: float
    total: float

    def describe(self, metric: Metric) -> dict[str, Any]:
        """For JSON, which has no NaN and no infinity: such a number is null."""
        names = {"score": metric.name}
        finite = {name: value if math.isfinite(value) else None for name, value in vars(self).items()}
        return {names.get(name, name): value for name, value in finite.items()}

    @classmethod
    def read(cls, entry: dict[str, Any], metric: Metric) -> Epoch:
        """What ``describe`` gave."""
        names = {metric.name: "score"}
        return cls(**{names.get(name, name): math.nan if value is None else value for name, value in entry.items()})


@dataclass(frozen=True)
class Schedule:
    """How the learning rate falls: divided by ``factor`` after each epoch from epoch
    ``after`` on, the first being 1 (Zaremba et al. 2014 divide by 1.2 from epoch 6 on)."""

    factor: float = 1.0
    after: int = 1

    def share(self, done: int) -> float:
        """What is left of the rate when ``done`` epochs are complete."""
        return self.factor ** -max(done - self.after + 1, 0)


@dataclass
class Run:
    """One training of a model: in one mode, from one seed, at one rate, which
    falls by the schedule.

    ``values`` are what ``@step`` updates, ``notes`` what else the programs keep for
    a run from step to step, as JSON has it.
    """

    programs: Programs
    mode: str
    seed: int
    rate: float
    values: list[np.ndarray] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    steps: int = 0
    diverged: bool = False
    notes: dict[str, Any] = field(default_factory=dict)
    schedule: Schedule = Schedule()

    def __post_init__(self) -> None:
        if not self.values:
            self.values = self.programs.initialize(self.seed)
        self.function = self.programs.step(self.mode)

    def order(self, count: int) -> np.ndarray:
        """The epoch's order of the images: of the seed and the epoch alone, so
        that modes see the same batches and a resumed run goes on as it would."""
        return np.random.Generator(np.random.PCG64([self.seed, 2, len(self.epochs)])).permutation(count)

    def learning_rate(self) -> float:
        """The rate of the next step: for Adam, with the correction of the moments'
        bias that the program leaves to its caller (Kingma and Ba 2015)."""
        model, number = self.programs.model, self.steps + 1
        rate = self.rate * self.schedule.share(len(self.epochs))
        if model.optimizer != "adam":
            return rate
        first, second = model.betas
        return rate * (1 - second**number) ** 0.5 / (1 - first**number)

    def train_epoch(self, data: Data, progress: Callable[[int, int], None] = lambda done, of: None) -> Epoch:
        """One pass over the data."""
        losses, seconds, count = [], 0.0, self.programs.count_steps(data)
        feed = self.programs.feed(self, data)
        for done in range(1, count + 1):
            begin = time.perf_counter()
            inputs = next(feed)
            more = [*self.programs.step_arguments(self), np.float32(self.learning_rate())]
            loss = float(self.function(*inputs, *self.values, *more, seed=self.seed, step=self.steps)[0])
            seconds += time.perf_counter() - begin
            self.steps += 1
            losses.append(loss)
            progress(done, count)
            if not np.isfinite(loss):
                self.diverged = True
                break
        before = self.epochs[-1].total if self.epochs else 0.0
        score = self.programs.measure(self, data)
        mean = float(np.mean(losses)) if losses else float("nan")
        self.epochs.append(Epoch(len(self.epochs) + 1, mean, score, seconds, before + seconds))
        return self.epochs[-1]

    def describe(self) -> dict[str, Any]:
        """For the log and for checkpoints; the arrays are not in it."""
        return {
            "mode": self.mode,
            "seed": self.seed,
            "learning_rate": self.rate,
            "diverged": self.diverged,
            "steps": self.steps,
            "notes": self.notes,
            "epochs": [epoch.describe(self.programs.metric) for epoch in self.epochs],
        }


def evaluate(programs: Programs, values: list[np.ndarray], images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose largest output is the label's, without dropout;
    ``values`` are what ``@predict`` takes besides them."""
    model, right = programs.model, 0
    for start in range(0, len(labels), model.batch):
        x = images[start : start + model.batch]
        count = len(x)
        if count < model.batch:
            x = np.concatenate([x, np.zeros((model.batch - count, x.shape[1]), np.float32)])
        outputs = programs.predict(programs.images(x), *values)[:count]
        right += int((outputs.argmax(1) == labels[start : start + count]).sum())
    return right / max(len(labels), 1)


class Progress:
    """A bar on the terminal, and nothing elsewhere."""

    def __init__(self, label: str, enabled: bool):
        self.label, self.enabled, self.last = label, enabled and sys.stderr.isatty(), 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if not self.enabled or now - self.last < 0.1:
            return
        self.last = now
        filled = 30 * done // max(total, 1)
        sys.stderr.write(f"\r{self.label} [{'#' * filled}{'.' * (30 - filled)}] {done}/{total}")
        sys.stderr.flush()

    def clear(self) -> None:
        if self.enabled:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
