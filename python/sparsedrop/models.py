"""Writes annotated MLIR for models: an example of what a front end emits.

``mlp`` gives a module with three functions: ``@loss``, marked for
differentiation; ``@step``, which calls its gradient and updates the parameters;
``@predict``, the forward pass, for evaluation in mode ``dense``.
``sparsedrop-pipeline`` turns them into smaller programs.

``sparsedrop/Models/MLP.h`` builds the same program in C++; a test holds the two
together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Sequence

from sparsedrop.mlp_text import MlpWriter
from sparsedrop.module_text import WIDE, Named, number

if TYPE_CHECKING:
    from sparsedrop.cnn import Cnn

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
LOSSES = ("cross_entropy", "mse")
OPTIMIZERS = ("sgd", "momentum", "adam")
SCALES = ("target", "pattern")
ORDERS = ("skewed", "linear")
DTYPES = tuple(WIDE)

LONGEST_PERIOD = 1024
"""The longest ``max_period`` that the dialect takes."""


def expect(condition: bool, expected: str, value: object) -> None:
    """Raises a ``ValueError`` that says what was expected and what came."""
    if not condition:
        raise ValueError(f"expected {expected}, but got {value!r}")


def expect_keyword(name: str, value: str, known: Sequence[str]) -> None:
    expect(value in known, f"{name} to be one of {', '.join(known)}", value)


def expect_training(model: Mlp | Cnn) -> None:
    """Checks how a model is trained."""
    expect_keyword("optimizer", model.optimizer, OPTIMIZERS)
    expect_keyword("dtype", model.dtype, DTYPES)
    expect(0 <= model.momentum < 1, "momentum in [0, 1)", model.momentum)
    expect(0 <= model.decay < 1, "decay in [0, 1)", model.decay)
    expect(len(model.betas) == 2, "two betas", len(model.betas))
    for beta in model.betas:
        expect(0 <= beta < 1, "betas in [0, 1)", beta)
    expect(0 < model.epsilon <= 1, "epsilon in (0, 1]", model.epsilon)


@dataclass(frozen=True)
class Dropout:
    """A dropout where a layer reads what a hidden layer hands on.

    ``rate`` is the share of units that is dropped, in [0, 1); ``granularity``
    neighbouring units are dropped together; ``max_period`` and ``scale`` as in
    ``#sparsedrop.dropout``. With a ``tile``, (outputs, inputs), tiles of the weights
    are dropped instead of units, in ``order`` skewed or linear; where a layer has fewer
    outputs or inputs, so has the tile. Other values raise a ``ValueError``.
    """

    rate: float
    granularity: int = 1
    max_period: int | None = None
    scale: str = "target"
    tile: tuple[int, int] | None = None
    order: str = "skewed"

    def __post_init__(self) -> None:
        expect_keyword("order", self.order, ORDERS)
        if self.tile is not None:
            expect(len(self.tile) == 2 and min(self.tile) >= 1, "a tile of two sizes of at least 1", self.tile)
            expect(self.granularity == 1, "a granularity of 1 with tiles", self.granularity)
        expect(0 <= self.rate < 1, "a rate in [0, 1)", self.rate)
        expect(self.granularity >= 1, "a granularity of at least 1", self.granularity)
        if self.max_period is not None:
            expect(self.max_period >= 1, "max_period of at least 1", self.max_period)
            expect(self.max_period <= LONGEST_PERIOD, f"max_period of at most {LONGEST_PERIOD}", self.max_period)
        expect_keyword("scale", self.scale, SCALES)

    def fit(self, outputs: int, inputs: int) -> Dropout:
        """The dropout with a tile no larger than the weights."""
        if self.tile is None:
            return self
        return replace(self, tile=(min(self.tile[0], outputs), min(self.tile[1], inputs)))

    def annotation(self, site: str) -> str:
        """The attribute of the product that reads the dropped activation."""
        kind = "tile, operand = 1" if self.tile else "row, operand = 0"
        parts = [f"{kind}, rate = {number(self.rate)}", f'site = "{site}"']
        if self.granularity != 1:
            parts.append(f"granularity = {self.granularity}")
        if self.max_period is not None:
            parts.append(f"max_period = {self.max_period}")
        if self.tile:
            parts.append(f"tile = [{self.tile[0]}, {self.tile[1]}], order = {self.order}")
        if self.scale != "target":
            parts.append(f"scale = {self.scale}")
        return "{sparsedrop.dropout = #sparsedrop.dropout<" + ", ".join(parts) + ">}"

    def sample(self) -> tuple[str, str]:
        """Attributes and type of the op that draws the same pattern."""
        parts = [] if self.max_period is None else [f"max_period = {self.max_period} : i64"]
        parts.append(f"rate = {number(self.rate)} : f64")
        if self.scale != "target":
            parts.append(f"scale = #sparsedrop.scale_mode<{self.scale}>")
        return "{" + ", ".join(parts) + "}", self.pattern()

    def pattern(self) -> str:
        """The type of its patterns."""
        if self.tile:
            order = f", order = {self.order}" if self.order != "skewed" else ""
            return f"!sparsedrop.pattern<tile, tile = [{self.tile[0]}, {self.tile[1]}]{order}>"
        granularity = f", granularity = {self.granularity}" if self.granularity != 1 else ""
        return f"!sparsedrop.pattern<row{granularity}>"


@dataclass(frozen=True)
class Mlp:
    """A multilayer perceptron and how it is trained.

    ``widths`` are those of the input, the hidden layers and the output.
    ``dropout`` has an entry for each hidden layer (or one for all); site
    ``hidden1`` is that of the first. ``@step`` takes ``arguments`` and returns
    the loss, the new parameters and the new state. Bad options raise a
    ``ValueError``.

    ``decay`` is decoupled: each step multiplies the parameters by 1 - learning
    rate * decay. Adam does not correct the bias of its first steps: the caller
    knows the number of the step, and can put the correction into the learning
    rate.

    ``lazy`` leaves the parameters and the state of dropped units as they are:
    momentum does not carry them on, nothing decays. With momentum, decay or Adam
    this is a different optimizer, which touches the kept slice only.

    With a ``dtype`` of 16 bits, "bf16" or "f16", so are the input, the parameters,
    the activations and the gradients, each rounded once; what ``type_of`` says is
    f32, and so is the arithmetic of biases, activations and updates. Nothing scales
    the loss: gradients of f16 below 6e-8 are zero.
    """

    widths: Sequence[int]
    batch: int
    dropout: Sequence[Dropout | None] | Dropout | None = None
    activation: str = "relu"
    loss: str = "cross_entropy"
    optimizer: str = "sgd"
    bias: bool = True
    momentum: float = 0.9
    decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    lazy: bool = False
    dtype: str = "f32"

    def __post_init__(self) -> None:
        expect(len(self.widths) >= 2, "at least two widths", len(self.widths))
        for width in self.widths:
            expect(1 <= width < 2**31, f"widths in [1, {2**31})", width)
        expect(1 <= self.batch < 2**31, f"a batch in [1, {2**31})", self.batch)
        expect_keyword("activation", self.activation, ACTIVATIONS)
        expect_keyword("loss", self.loss, LOSSES)
        expect_training(self)
        hidden = len(self.widths) - 2
        dropout = self.dropout
        if dropout is None or isinstance(dropout, Dropout):
            dropout = [dropout] * hidden
        expect(len(dropout) == hidden, f"{hidden} dropouts, one for each hidden layer", len(dropout))
        object.__setattr__(self, "dropout", tuple(dropout))

    def parameters(self) -> list[Named]:
        """Names and shapes of the parameters: weights are (inputs, outputs)."""
        result: list[Named] = []
        for i, (n, m) in enumerate(zip(self.widths, self.widths[1:]), 1):
            result.append((f"w{i}", (n, m)))
            if self.bias:
                result.append((f"b{i}", (m,)))
        return result

    def state(self) -> list[Named]:
        """Names and shapes of what the optimizer keeps from step to step."""
        kinds = {"sgd": (), "momentum": ("m",), "adam": ("m", "v")}[self.optimizer]
        return [(f"{kind}_{name}", shape) for kind in kinds for name, shape in self.parameters()]

    def updated(self) -> list[Named]:
        """Names and shapes of what ``@step`` updates: its results after the loss."""
        return [*self.parameters(), *self.state()]

    def type_of(self, name: str) -> str:
        """The element type of an argument or result of ``@step``: where ``dtype``
        has 16 bits, f32 for target, loss, state and learning rate."""
        is_narrow = name == "x" or any(name == parameter for parameter, _ in self.parameters())
        return self.dtype if is_narrow else WIDE[self.dtype]

    def dropout_of(self, name: str) -> list[tuple[int, int]]:
        """(dimension, hidden layer) for each dimension of a parameter along which
        a layer's dropout leaves gradients zero."""
        layer, last = int(name[1:]), len(self.widths) - 1
        along = [(0, layer - 1), (1, layer)] if name[0] == "w" else [(0, layer)]
        return [(d, i) for d, i in along if 0 < i < last and self.drops(i)]

    def drops(self, layer: int) -> bool:
        """Whether units of hidden layer ``layer`` (from 1) are dropped."""
        dropout = self.dropout[layer - 1]
        return dropout is not None and dropout.rate > 0 and dropout.tile is None

    @property
    def arguments(self) -> list[Named]:
        """Names and shapes of the arguments of ``@step``, besides seed and step."""
        batch = [("x", (self.batch, self.widths[0])), ("target", (self.batch, self.widths[-1]))]
        return [*batch, *self.updated(), ("learning_rate", ())]

    def mlir(self) -> str:
        """The module's text."""
        return MlpWriter(self).module()


def mlp(widths: Sequence[int], batch: int, **options) -> str:
    """The text of an MLP's module; options are the fields of ``Mlp``."""
    return Mlp(widths, batch, **options).mlir()
