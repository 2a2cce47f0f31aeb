"""The text of a multilayer perceptron: what ``sparsedrop.models`` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from sparsedrop.module_text import Named, Operand, Shape, wrap
from sparsedrop.training_text import TrainingWriter

if TYPE_CHECKING:
    from sparsedrop.models import Mlp

ACTIVATION_BODIES = {
    "relu": ["%f = arith.maximumf %s, %zero"],
    "tanh": ["%f = math.tanh %s"],
    "sigmoid": [
        "%n = arith.negf %s",
        "%e = math.exp %n",
        "%d = arith.addf %e, %one",
        "%f = arith.divf %one, %d",
    ],
    "gelu": [
        "%q = arith.mulf %s, %rsqrt2",
        "%e = math.erf %q",
        "%d = arith.addf %e, %one",
        "%c = arith.mulf %s, %half",
        "%f = arith.mulf %c, %d",
    ],
}
"""What a hidden layer does to %s: the last value is the result."""


class MlpWriter(TrainingWriter):
    """Writes the functions of a model."""

    def __init__(self, model: Mlp):
        super().__init__(model)
        self.x = ("x", (model.batch, model.widths[0]))
        self.target = ("target", (model.batch, model.widths[-1]))

    # Layers
    def constants(self) -> None:
        """What the layers read."""
        self.constant("zero", 0)
        if self.is_narrow:
            self.constant("zero_16", 0, self.t)
        if self.model.activation in ("sigmoid", "gelu"):
            self.constant("one", 1)
        if self.model.activation == "gelu":
            self.constant("half", 0.5)
            self.constant("rsqrt2", 0.5**0.5)

    def product(self, i: int, name: str, x: str) -> None:
        """The product of layer ``i``, with the dropout of what it reads."""
        model = self.model
        n, m = model.widths[i - 1 : i + 1]
        out = self.tensor((model.batch, m))
        dropout = model.dropout[i - 2] if i > 1 else None
        self.empty(f"empty{i}", (model.batch, m))
        self.fill(f"zeros{i}", "zero_16" if self.is_narrow else "zero", f"empty{i}", (model.batch, m))
        self.emit(f"%{name} = linalg.matmul")
        if dropout:
            self.emit(dropout.fit(m, n).annotation(f"hidden{i - 1}"), 6)
        self.emit(f"ins(%{x}, %w{i} : {self.tensor((model.batch, n))}, {self.tensor((n, m))})", 6)
        self.emit(f"outs(%zeros{i} : {out}) -> {out}", 6)

    def layer(self, i: int, x: str) -> str:
        """Layer ``i`` of value ``x``; returns the name of its result."""
        model, last = self.model, i == len(self.model.widths) - 1
        shape = (model.batch, model.widths[i])
        name = "y" if last else f"h{i}"
        self.comment("The output layer." if last else f"Hidden layer {i}.")
        if last and not model.bias:
            self.product(i, name, x)
            return name
        self.product(i, f"p{i}", x)
        inputs, body = [Operand("s", f"p{i}", shape, "matrix", self.t)], []
        if model.bias:
            product = Operand("p", f"p{i}", shape, "matrix", self.t)
            inputs = [product, Operand("b", f"b{i}", shape[1:], "columns", self.t)]
            body = ["%s = arith.addf %p, %b"]
        if not last:
            body = body + ACTIVATION_BODIES[model.activation]
        self.generic(name, inputs, Operand("out", f"empty{i}", shape, "matrix", self.t), body)
        return name

    def forward(self) -> None:
        """All layers: the logits are %y."""
        value = "x"
        self.constants()
        for i in range(1, len(self.model.widths)):
            value = self.layer(i, value)

    # Lazy updates
    def sample_patterns(self) -> None:
        """The pattern of each hidden layer, %p1 of the first, as @loss draws it."""
        layers = [i for i in range(1, len(self.model.widths) - 1) if self.model.drops(i)]
        self.comment("Parameters and state of dropped units stay as they are.")
        for i in layers:
            attributes, pattern = self.model.dropout[i - 1].sample()
            self.emit(f"%units{i} = arith.constant {self.model.widths[i]} : index")
            self.emit(f'%p{i} = sparsedrop.sample "hidden{i}" seed(%seed) step(%step) extents(%units{i})')
            self.emit(f"{attributes} : {pattern}", 6)

    def sparse(self, op: str, name: str, text: str, layer: int, dim: int, types: str) -> None:
        """Compact or insert by the pattern of a layer."""
        self.emit(f"%{name} = sparsedrop.{op} {text}, %p{layer} dim({dim})")
        self.emit(f": {types}", 6)

    def compact(self, name: str, value: str, shape: Shape, t: str, dim: int, layer: int) -> Shape:
        """The kept units of a value; returns their shape."""
        kept = tuple("?" if i == dim else n for i, n in enumerate(shape))
        pattern = self.model.dropout[layer - 1].pattern()
        types = f"{self.tensor(shape, t)}, {pattern} -> {self.tensor(kept, t)}"
        self.sparse("compact", name, f"%{value}", layer, dim, types)
        return kept

    def keep_dropped(self, new: str, old: str, shape: Shape, t: str, dropped: Sequence[tuple[int, int]]) -> str:
        """%new where all of the layers keep a unit, %old elsewhere."""
        if not dropped:
            return new
        (dim, layer), *others = dropped
        kept = self.compact(f"{new}_{layer}", new, shape, t, dim, layer)
        value = f"{new}_{layer}"
        if others:
            self.compact(f"{old}_{layer}", old, shape, t, dim, layer)
            value = self.keep_dropped(value, f"{old}_{layer}", kept, t, others)
        types = f"{self.tensor(kept, t)} into {self.tensor(shape, t)}, {self.model.dropout[layer - 1].pattern()}"
        self.sparse("insert", f"lazy_{old}", f"%{value} into %{old}", layer, dim, types)
        return f"lazy_{old}"

    def lazy_update(self, name: str, shape: tuple[int, ...]) -> list[str]:
        """As ``update``, where nothing is dropped."""
        state = [other for other, _ in self.model.state() if other[2:] == name]
        dropped = self.model.dropout_of(name)
        return [
            self.keep_dropped(new, old, shape, self.model.type_of(old), dropped)
            for new, old in zip(self.update(name, shape), [name, *state])
        ]

    # Functions
    def loss_function(self) -> str:
        arguments = [self.x, self.target, *self.model.parameters()]
        self.forward()
        {"cross_entropy": self.cross_entropy, "mse": self.mean_squared_error}[self.model.loss]()
        loss = self.tensor((), self.wide)
        self.emit(f"return %loss : {loss}")
        wrt = ", ".join(str(i) for i in range(2, len(arguments)))
        return self.function(
            f"func.func @loss{self.signature(arguments)} -> {loss}\n"
            f"    attributes {{sparsedrop.differentiate = {{wrt = [{wrt}]}}}}"
        )

    def predict_function(self) -> str:
        logits = self.tensor(self.target[1])
        self.forward()
        self.emit(f"return %y : {logits}")
        return self.function(f"func.func @predict{self.signature([self.x, *self.model.parameters()])} -> {logits}")

    def gradient(self) -> tuple[list[Named], list[Named]]:
        """Arguments and results of ``@loss_grad``: the loss, then a gradient for each
        parameter."""
        parameters = self.model.parameters()
        return [self.x, self.target, *parameters], [("loss", ()), *parameters]

    def step_function(self) -> str:
        parameters, state = self.model.parameters(), self.model.state()
        results = self.types([("loss", ()), *parameters, *state])
        self.comment("The loss, and its gradient by each parameter.")
        self.call_gradient(*self.gradient(), ["loss", *(f"d{name}" for name, _ in parameters)])
        self.comment("Updates in place.")
        self.update_constants()
        lazy = self.model.lazy and any(self.model.dropout_of(name) for name, _ in parameters)
        if lazy:
            self.sample_patterns()
        update = self.lazy_update if lazy else self.update
        new = [update(name, shape) for name, shape in parameters]
        outputs = ["loss", *(values[k] for k in range(len(new[0])) for values in new)]
        self.emit("return " + ", ".join(f"%{name}" for name in outputs))
        self.emit(f": {results}", 6)
        signature = self.signature(self.model.arguments, [*parameters, *state], lazy)
        return self.function(f"func.func @step{signature}\n" + "\n".join(wrap(f"-> ({results})", 4, "    ")))

    def module(self) -> str:
        model = self.model
        functions = [
            self.loss_function(),
            self.predict_function(),
            self.gradient_declaration(*self.gradient()),
            self.step_function(),
        ]
        widths = "-".join(map(str, model.widths))
        comment = f"A multilayer perceptron {widths}: {model.activation}, {model.loss}, {model.optimizer}."
        return self.assemble(comment, functions)
