"""The text of a multilayer perceptron: what ``sparsedrop.models`` writes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Sequence

from sparsedrop.module_text import MAPS, ModuleWriter, Named, Operand, Shape, wrap

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


class MlpWriter(ModuleWriter):
    """Writes the functions of a model."""

    def __init__(self, model: Mlp):
        super().__init__(model.dtype)
        self.model = model
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
            self.emit(dropout.annotation(f"hidden{i - 1}"), 6)
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

    # Losses
    def loss_inputs(self) -> tuple[Operand, Operand]:
        """Logits and target as a loss reads them: %logits is the f32 of a 16-bit %y."""
        shape, value = self.target[1], "y"
        if self.is_narrow:
            self.comment(f"The loss is in {self.wide}.")
            self.empty("logits_empty", shape, self.wide)
            value = "logits"
            out = Operand("out", "logits_empty", shape, "matrix", self.wide)
            self.generic(value, [Operand("a", "y", shape, "matrix", self.t)], out, [])
        return (
            Operand("a", value, shape, "matrix", self.wide),
            Operand("b", "target", shape, "matrix", self.wide),
        )

    def mean(self, inputs: Sequence[Operand], size: int, body: Sequence[str]) -> None:
        """%loss: the sum of the terms %t of the body, each divided by ``size``."""
        self.constant("size", size)
        self.empty("scalar", (), self.wide)
        self.fill("zero_scalar", "zero", "scalar", (), self.wide)
        out = Operand("sum", "zero_scalar", (), "all" if inputs[0].map == "matrix" else "sum", self.wide)
        self.generic("loss", inputs, out, [*body, "%u = arith.divf %t, %size", "%r = arith.addf %u, %sum"])

    def mean_squared_error(self) -> None:
        rows, columns = self.target[1]
        inputs = self.loss_inputs()
        self.comment("The mean of (y - target)^2.")
        self.mean(inputs, rows * columns, ["%d = arith.subf %a, %b", "%t = arith.mulf %d, %d"])

    def cross_entropy(self) -> None:
        t, rows = self.wide, self.target[1][:1]
        y, target = self.loss_inputs()
        largest = Operand("m", "largest", rows, "rows", t)
        self.comment("The mean over the batch of log(sum(exp(y - largest))) - sum(target * (y - largest)).")
        infinity = {"f32": "0xFF800000", "f64": "0xFFF0000000000000"}[t]
        self.emit(f"%minus_infinity = arith.constant {infinity} : {t}")
        self.empty("rows", rows, t)
        self.fill("lowest", "minus_infinity", "rows", rows, t)
        self.generic("largest", [y], Operand("m", "lowest", rows, "rows", t), ["%r = arith.maximumf %a, %m"])
        self.fill("zero_rows", "zero", "rows", rows, t)
        out = Operand("sum", "zero_rows", rows, "rows", t)
        self.generic(
            "total", [y, largest], out, ["%d = arith.subf %a, %m", "%e = math.exp %d", "%r = arith.addf %e, %sum"]
        )
        self.generic(
            "label",
            [y, target, largest],
            out,
            ["%d = arith.subf %a, %m", "%t = arith.mulf %d, %b", "%r = arith.addf %t, %sum"],
        )
        self.mean(
            [Operand("a", "total", rows, "vector", t), Operand("b", "label", rows, "vector", t)],
            self.model.batch,
            ["%l = math.log %a", "%t = arith.subf %l, %b"],
        )

    # Updates
    def update_constants(self) -> None:
        """What the updates read: %rate and the optimizer's parameters."""
        model = self.model
        self.emit(f"%rate = tensor.extract %learning_rate[] : {self.tensor((), self.wide)}")
        if model.decay:
            self.constant("one", 1)
            self.constant("decay", model.decay)
            self.emit(f"%shrink = arith.mulf %rate, %decay : {self.wide}")
            self.emit(f"%keep = arith.subf %one, %shrink : {self.wide}")
        if model.optimizer == "momentum":
            self.constant("momentum", model.momentum)
        if model.optimizer == "adam":
            for i, beta in enumerate(model.betas, 1):
                self.constant(f"beta{i}", beta)
                self.constant(f"rest{i}", 1 - beta)
            self.constant("epsilon", model.epsilon)

    def descend(self, parameter: Operand, inputs: Sequence[Operand], body: Sequence[str], direction: str) -> str:
        """The parameter, shrunk, less the rate times the direction."""
        body = [*body, f"%c = arith.mulf %{direction}, %rate"]
        if self.model.decay:
            body.append("%k = arith.mulf %w, %keep")
        body.append(f"%n = arith.subf %{'k' if self.model.decay else 'w'}, %c")
        self.generic(f"new_{parameter.value}", inputs, parameter, body)
        return f"new_{parameter.value}"

    def moment(self, gradient: Operand, kept: Operand, body: Sequence[str]) -> Operand:
        """What the optimizer keeps, updated in place."""
        self.generic(f"new_{kept.value}", [gradient], kept, body)
        return Operand(kept.name, f"new_{kept.value}", kept.shape, kept.map, kept.type)

    def update(self, name: str, shape: tuple[int, ...]) -> list[str]:
        """Names of the new parameter and of the new state."""
        same = "matrix" if len(shape) == 2 else "vector"
        weight, gradient = Operand("w", name, shape, same, self.t), Operand("g", f"d{name}", shape, same, self.t)
        m, v = (Operand(kind, f"{kind}_{name}", shape, same, self.wide) for kind in "mv")
        if self.model.optimizer == "sgd":
            return [self.descend(weight, [gradient], [], "g")]
        if self.model.optimizer == "momentum":
            m = self.moment(gradient, m, ["%k = arith.mulf %m, %momentum", "%n = arith.addf %k, %g"])
            return [self.descend(weight, [m], [], "m"), m.value]
        m = self.moment(
            gradient, m, ["%k = arith.mulf %m, %beta1", "%c = arith.mulf %g, %rest1", "%n = arith.addf %k, %c"]
        )
        v = self.moment(
            gradient,
            v,
            ["%k = arith.mulf %v, %beta2", "%q = arith.mulf %g, %g", "%c = arith.mulf %q, %rest2", "%n = arith.addf %k, %c"],
        )
        body = ["%s = math.sqrt %v", "%d = arith.addf %s, %epsilon", "%u = arith.divf %m, %d"]
        return [self.descend(weight, [m, v], body, "u"), m.value, v.value]

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
    def types(self, named: Sequence[Named]) -> str:
        """Types of arguments and results of ``@step``."""
        return ", ".join(self.tensor(shape, self.model.type_of(name)) for name, shape in named)

    def signature(self, named: Sequence[Named], donated: Sequence[Named] = (), draws: bool = False) -> str:
        """Arguments, each on a line; result i + 1 may overwrite donated[i]. With
        ``draws``, seed and step come last."""
        lines = []
        for name, shape in named:
            result = [i for i, (other, _) in enumerate(donated, 1) if other == name]
            attribute = f" {{sparsedrop.donate = {result[0]}}}" if result else ""
            lines.append(f"\n    %{name}: {self.tensor(shape, self.model.type_of(name))}{attribute}")
        if draws:
            lines += [f"\n    %{name}: i64 {{sparsedrop.{name}}}" for name in ("seed", "step")]
        return "(" + ",".join(lines) + ")"

    def function(self, head: str) -> str:
        """The lines so far as the body of a function."""
        body, self.lines = "\n".join(self.lines), []
        return f"{head} {{\n{body}\n}}\n"

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

    def gradient_declaration(self) -> str:
        """What the compiler defines: the loss, and its gradient by each parameter."""
        parameters = self.model.parameters()
        arguments = wrap(self.types([self.x, self.target, *parameters]), 4, "")
        results = wrap(f"-> ({self.types([('loss', ()), *parameters])})", 4, "    ")
        return "func.func private @loss_grad(\n" + "\n".join(arguments) + ")\n" + "\n".join(results) + "\n"

    def call_gradient(self) -> None:
        """%loss and a gradient for each parameter: %dw1 of %w1."""
        parameters = self.model.parameters()
        arguments, results = [self.x, self.target, *parameters], [("loss", ()), *parameters]
        self.comment("The loss, and its gradient by each parameter.")
        self.emit(", ".join(["%loss", *(f"%d{name}" for name, _ in parameters)]))
        self.emit("= call @loss_grad(" + ", ".join(f"%{name}" for name, _ in arguments) + ")", 6)
        self.emit(f": ({self.types(arguments)})", 6)
        self.emit(f"-> ({self.types(results)})", 6)

    def step_function(self) -> str:
        parameters, state = self.model.parameters(), self.model.state()
        results = self.types([("loss", ()), *parameters, *state])
        self.call_gradient()
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
        functions = "\n".join(
            [self.loss_function(), self.predict_function(), self.gradient_declaration(), self.step_function()]
        )
        widths = "-".join(map(str, model.widths))
        head = f"// A multilayer perceptron {widths}: {model.activation}, {model.loss}, {model.optimizer}.\n\n"
        used = re.findall(r"#(\w+)", functions)
        aliases = [f"#{name} = affine_map<{text}>\n" for name, text in MAPS.items() if name in used]
        return head + "".join(aliases) + "\n" + functions
