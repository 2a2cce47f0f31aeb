"""Training an MLP in one mode of dropout, epoch by epoch."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, field
from typing import Any, Callable

import numpy as np

import sparsedrop
from sparsedrop.models import Dropout, Mlp

from .fashion_mnist import CLASSES, Data


@dataclass(frozen=True)
class Setup:
    """What is trained, and how: all that decides the weights besides the mode,
    the seed and the learning rate."""

    hidden: tuple[int, ...] = (2048, 2048)
    rates: tuple[float, ...] = (0.5,)
    batch: int = 256
    optimizer: str = "sgd"
    momentum: float = 0.9
    decay: float = 0.0
    activation: str = "relu"
    granularity: int = 1
    max_period: int | None = None
    scale: str = "target"
    lazy: bool = False

    def model(self, pixels: int) -> Mlp:
        """The model; dropouts of rate 0 are left out."""
        if any(not 1 <= width < 2**31 for width in self.hidden):
            raise sparsedrop.Error(f"expected widths of at least 1, but got {' '.join(map(str, self.hidden))}")
        rates = self.rates * len(self.hidden) if len(self.rates) == 1 else self.rates
        if len(rates) != len(self.hidden):
            raise sparsedrop.Error(f"expected one rate, or {len(self.hidden)} for hidden layers, but got {len(rates)}")
        try:
            dropout = [Dropout(r, self.granularity, self.max_period, self.scale) if r else None for r in rates]
            return Mlp(
                [pixels, *self.hidden, CLASSES], self.batch, dropout, self.activation,
                optimizer=self.optimizer, momentum=self.momentum, decay=self.decay, lazy=self.lazy,
            )
        except ValueError as error:
            raise sparsedrop.Error(str(error)) from error


class Programs:
    """The compiled functions of a model; each mode is compiled once."""

    def __init__(self, model: Mlp):
        self.model = model
        self.text = model.mlir()
        self.predict = sparsedrop.compile(self.text, entry="predict", mode="dense")
        self.steps: dict[str, sparsedrop.Function] = {}

    def step(self, mode: str) -> sparsedrop.Function:
        if mode not in self.steps:
            self.steps[mode] = sparsedrop.compile(self.text, entry="step", mode=mode)
        return self.steps[mode]


def initialize(model: Mlp, seed: int) -> list[np.ndarray]:
    """Weights after He et al. 2015 (variance 2 / inputs), biases 0; then the
    optimizer's state, 0. The same for every mode."""
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
    ``total`` sums them from the first epoch on."""

    epoch: int
    loss: float
    accuracy: float
    seconds: float
    total: float

    def describe(self) -> dict[str, Any]:
        """For JSON, which has no NaN and no infinity: such a loss is null."""
        return {**vars(self), "loss": self.loss if math.isfinite(self.loss) else None}

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Epoch:
        """What ``describe`` gave."""
        return cls(**{**entry, "loss": math.nan if entry["loss"] is None else entry["loss"]})


@dataclass
class Run:
    """One training of a model: in one mode, from one seed, at one rate."""

    programs: Programs
    mode: str
    seed: int
    rate: float
    values: list[np.ndarray] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    steps: int = 0
    diverged: bool = False

    def __post_init__(self) -> None:
        if not self.values:
            self.values = initialize(self.programs.model, self.seed)
        self.function = self.programs.step(self.mode)

    def order(self, count: int) -> np.ndarray:
        """The epoch's order of the images: of the seed and the epoch alone, so
        that modes see the same batches and a resumed run goes on as it would."""
        return np.random.Generator(np.random.PCG64([self.seed, 2, len(self.epochs)])).permutation(count)

    def learning_rate(self) -> float:
        """The rate of the next step: for Adam, with the correction of the moments'
        bias that the program leaves to its caller (Kingma and Ba 2015)."""
        model, number = self.programs.model, self.steps + 1
        if model.optimizer != "adam":
            return self.rate
        first, second = model.betas
        return self.rate * (1 - second**number) ** 0.5 / (1 - first**number)

    def train_epoch(self, data: Data, progress: Callable[[int, int], None] = lambda done, of: None) -> Epoch:
        """One pass over the data; a last batch that is not full is left out."""
        batch = self.programs.model.batch
        order, one_hot = self.order(len(data.labels)), np.eye(CLASSES, dtype=np.float32)
        losses, seconds = [], 0.0
        for start in range(0, len(order) - batch + 1, batch):
            begin = time.perf_counter()
            chosen = order[start : start + batch]
            x, target = data.images[chosen], one_hot[data.labels[chosen]]
            rate = np.float32(self.learning_rate())
            loss = float(self.function(x, target, *self.values, rate, seed=self.seed, step=self.steps)[0])
            seconds += time.perf_counter() - begin
            self.steps += 1
            losses.append(loss)
            progress(start + batch, len(order))
            if not np.isfinite(loss):
                self.diverged = True
                break
        before = self.epochs[-1].total if self.epochs else 0.0
        accuracy = evaluate(self.programs, self.values, data.test_images, data.test_labels)
        mean = float(np.mean(losses)) if losses else float("nan")
        self.epochs.append(Epoch(len(self.epochs) + 1, mean, accuracy, seconds, before + seconds))
        return self.epochs[-1]

    def describe(self) -> dict[str, Any]:
        """For the log and for checkpoints; the arrays are not in it."""
        return {
            "mode": self.mode,
            "seed": self.seed,
            "learning_rate": self.rate,
            "diverged": self.diverged,
            "steps": self.steps,
            "epochs": [epoch.describe() for epoch in self.epochs],
        }


def evaluate(programs: Programs, values: list[np.ndarray], images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose largest output is the label's, without dropout."""
    model, right = programs.model, 0
    parameters = values[: len(model.parameters())]
    for start in range(0, len(labels), model.batch):
        x = images[start : start + model.batch]
        count = len(x)
        if count < model.batch:
            x = np.concatenate([x, np.zeros((model.batch - count, x.shape[1]), np.float32)])
        outputs = programs.predict(x, *parameters)[:count]
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
