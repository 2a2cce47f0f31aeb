"""Writes annotated MLIR for language models of stacked LSTMs.

``Lstm`` has a module with four functions: ``@loss``, marked for differentiation;
``@step``, which looks words up, calls the gradient and updates parameters and state
in place; ``@predict``, the mean loss of a batch and the new state, for perplexity in
mode ``dense``. Truncated backpropagation: the state that one call returns is what the
next one starts from, and no gradient flows through it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sparsedrop.lstm_text import LstmWriter
from sparsedrop.models import Dropout, expect, expect_training
from sparsedrop.module_text import WIDE, Named

LARGEST = 2**31
INTEGERS = ("tokens", "target")


@dataclass(frozen=True)
class Lstm:
    """A word-level language model and how it is trained.

    Words of a ``vocabulary`` are embedded in ``embedding`` numbers (by default
    ``units``), read by ``layers`` LSTMs of ``units`` and projected to the vocabulary;
    with ``tied`` weights the projection is the embedding, transposed. A step reads
    ``steps`` words of each of ``batch`` texts: ``tokens`` and, as ``target``, the words
    behind them, both (steps, batch) of i32.

    ``dropout`` is that of the vertical connections, of what each layer and the
    projection read (sites ``input1``, ``input2``, ..., ``output``), ``recurrent`` that
    of what a layer reads of its own last step (``recurrent1``, ...). One pattern holds
    for all words of a step (paper, section A.4); with ``per_word`` each word has its
    own in the layers (Structured in Space, Randomized in Time). Zaremba et al. 2014 have
    the first kind alone, as ``torch.nn.LSTM`` between layers.

    Gates are in the order of PyTorch: input, forget, cell, output; weights are
    (inputs, 4 units). Gradients are scaled so that their norm is at most ``clip``.
    Optimizers, ``decay`` and ``dtype`` are those of ``Mlp``; state and biases are f32
    where ``dtype`` has 16 bits. Bad options raise a ``ValueError``; words that are not
    in the vocabulary stop a call.
    """

    vocabulary: int
    units: int
    batch: int
    steps: int
    layers: int = 2
    embedding: int | None = None
    dropout: Dropout | None = None
    recurrent: Dropout | None = None
    per_word: bool = False
    tied: bool = False
    clip: float | None = None
    optimizer: str = "sgd"
    momentum: float = 0.9
    decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    dtype: str = "f32"

    def __post_init__(self) -> None:
        if self.embedding is None:
            object.__setattr__(self, "embedding", self.units)
        for name in ("vocabulary", "units", "batch", "steps", "layers", "embedding"):
            value = getattr(self, name)
            expect(1 <= value < LARGEST, f"{name} in [1, {LARGEST})", value)
        if self.tied:
            expect(self.embedding == self.units, f"an embedding of {self.units} units with tied weights", self.embedding)
        if self.clip is not None:
            expect(0 < self.clip < float("inf"), "a clip above 0", self.clip)
        expect_training(self)

    def inputs(self, layer: int) -> int:
        """How many numbers layer ``layer`` (from 1) reads from below."""
        return self.embedding if layer == 1 else self.units

    def weights(self) -> list[Named]:
        """Names and shapes of what ``@loss`` is differentiated by, besides words."""
        result: list[Named] = []
        for i in range(1, self.layers + 1):
            result.append((f"input_weight{i}", (self.inputs(i), 4 * self.units)))
            result.append((f"recurrent_weight{i}", (self.units, 4 * self.units)))
            result.append((f"bias{i}", (4 * self.units,)))
        if not self.tied:
            result.append(("output_weight", (self.units, self.vocabulary)))
        return [*result, ("output_bias", (self.vocabulary,))]

    def parameters(self) -> list[Named]:
        """Names and shapes of the parameters."""
        return [("embedding", (self.vocabulary, self.embedding)), *self.weights()]

    def state(self) -> list[Named]:
        """Names and shapes of what the optimizer keeps from step to step."""
        kinds = {"sgd": (), "momentum": ("m",), "adam": ("m", "v")}[self.optimizer]
        return [(f"{kind}_{name}", shape) for kind in kinds for name, shape in self.parameters()]

    def carried(self) -> list[Named]:
        """Names and shapes of the state of the layers: outputs and cells."""
        shape = (self.batch, self.units)
        return [(f"{what}{i}", shape) for i in range(1, self.layers + 1) for what in ("h", "c")]

    def updated(self) -> list[Named]:
        """Names and shapes of what ``@step`` updates: its results after the loss."""
        return [*self.parameters(), *self.state(), *self.carried()]

    def words(self) -> list[Named]:
        """Names and shapes of the words."""
        return [(name, (self.steps, self.batch)) for name in INTEGERS]

    def type_of(self, name: str) -> str:
        """The element type of an argument or result of ``@step``."""
        if name in INTEGERS:
            return "i32"
        is_weight = "_weight" in name and name[:2] not in ("m_", "v_")
        is_narrow = is_weight or name in ("x", "embedding")
        return self.dtype if is_narrow else WIDE[self.dtype]

    @property
    def arguments(self) -> list[Named]:
        """Names and shapes of the arguments of ``@step``, besides seed and step."""
        return [*self.words(), *self.updated(), ("learning_rate", ())]

    def mlir(self) -> str:
        """The module's text."""
        return LstmWriter(self).module()
