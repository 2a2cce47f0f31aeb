"""The text of a multilayer perceptron: what ``sparsedrop.models`` writes."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence, Tuple, Union

if TYPE_CHECKING:
    from sparsedrop.models import Mlp

Named = Tuple[str, Tuple[int, ...]]
"""A name and a shape."""

Shape = Tuple[Union[int, str], ...]
"""Extents; "?" for those that a pattern decides."""

LINE = 110
"""Columns of the text; longer lines are wrapped."""


def number(value: float) -> str:
    """``value`` as MLIR reads it: with a point, and all its digits."""
    text = repr(float(value))
    mantissa, separator, exponent = text.partition("e")
    return text if "." in mantissa else f"{mantissa}.0{separator}{exponent}"


def wrap(line: str, indent: int, hanging: str) -> list[str]:
    """Lines of at most ``LINE`` columns, if there are spaces to break at."""
    return textwrap.wrap(
        line,
        LINE,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent + hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


MAPS = {
    "matrix": "(i, j) -> (i, j)",
    "columns": "(i, j) -> (j)",
    "rows": "(i, j) -> (i)",
    "all": "(i, j) -> ()",
    "vector": "(i) -> (i)",
    "sum": "(i) -> ()",
}
"""Indexing maps, by the name of their alias. A structured op's iterators follow
from the map of its result: loops that it leaves out are reductions."""

ITERATORS = {
    "matrix": ("parallel", "parallel"),
    "rows": ("parallel", "reduction"),
    "all": ("reduction", "reduction"),
    "vector": ("parallel",),
    "sum": ("reduction",),
}

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


@dataclass(frozen=True)
class Operand:
    """Of a structured op: name in the body, value, shape, indexing map."""

    name: str
    value: str
    shape: tuple[int, ...]
    map: str


class MlpWriter:
    """Writes a module line by line."""

    def __init__(self, model: Mlp):
        self.model, self.t = model, model.dtype
        self.lines: list[str] = []
        self.x = ("x", (model.batch, model.widths[0]))
        self.target = ("target", (model.batch, model.widths[-1]))

    # Text
    def emit(self, line: str, indent: int = 2, hanging: str = "    ") -> None:
        """Adds a line of a function, wrapped if it is long."""
        self.lines += wrap(line, indent, hanging)

    def comment(self, text: str) -> None:
        """Starts a paragraph of a function."""
        if self.lines:
            self.lines.append("")
        self.emit(f"// {text}", hanging="// ")

    def tensor(self, shape: Shape) -> str:
        return "tensor<" + "".join(f"{n}x" for n in shape) + f"{self.t}>"

    def types(self, named: Sequence[Named]) -> str:
        return ", ".join(self.tensor(shape) for _, shape in named)

    # Ops
    def constant(self, name: str, value: float) -> None:
        self.emit(f"%{name} = arith.constant {number(value)} : {self.t}")

    def empty(self, name: str, shape: Sequence[int]) -> None:
        self.emit(f"%{name} = tensor.empty() : {self.tensor(shape)}")

    def fill(self, name: str, value: str, empty: str, shape: Sequence[int]) -> None:
        t = self.tensor(shape)
        self.emit(f"%{name} = linalg.fill ins(%{value} : {self.t}) outs(%{empty} : {t}) -> {t}")

    def generic(self, name: str, inputs: Sequence[Operand], out: Operand, body: Sequence[str]) -> None:
        """A structured op; lines of the body lack their type, the last value is
        the result."""
        operands = [*inputs, out]
        maps = ", ".join(f"#{o.map}" for o in operands)
        iterators = ", ".join(f'"{kind}"' for kind in ITERATORS[out.map])
        values = ", ".join(f"%{o.value}" for o in inputs)
        types = ", ".join(self.tensor(o.shape) for o in inputs)
        result = self.tensor(out.shape)
        self.emit(f"%{name} = linalg.generic")
        self.emit(f"{{indexing_maps = [{maps}], iterator_types = [{iterators}]}}", 6)
        self.emit(f"ins({values} : {types})", 6)
        self.emit(f"outs(%{out.value} : {result}) {{", 6)
        self.emit("^bb0(" + ", ".join(f"%{o.name}: {self.t}" for o in operands) + "):", 4)
        for line in body:
            self.emit(f"{line} : {self.t}", 6)
        self.emit(f"linalg.yield {body[-1].split(' ')[0]} : {self.t}", 6)
        self.emit(f"}} -> {result}")

    # Layers
    def constants(self) -> None:
        """What the layers read."""
        self.constant("zero", 0)
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
        self.fill(f"zeros{i}", "zero", f"empty{i}", (model.batch, m))
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
        inputs, body = [Operand("s", f"p{i}", shape, "matrix")], []
        if model.bias:
            inputs = [Operand("p", f"p{i}", shape, "matrix"), Operand("b", f"b{i}", shape[1:], "columns")]
            body = ["%s = arith.addf %p, %b"]
        if not last:
            body = body + ACTIVATION_BODIES[model.activation]
        self.generic(name, inputs, Operand("out", f"empty{i}", shape, "matrix"), body)
        return name

    def forward(self) -> None:
        """All layers: the logits are %y."""
        value = "x"
        self.constants()
        for i in range(1, len(self.model.widths)):
            value = self.layer(i, value)

    # Losses
    def mean(self, inputs: Sequence[Operand], size: int, body: Sequence[str]) -> None:
        """%loss: the sum of the terms %t of the body, each divided by ``size``."""
        self.constant("size", size)
        self.empty("scalar", ())
        self.fill("zero_scalar", "zero", "scalar", ())
        out = Operand("sum", "zero_scalar", (), "all" if inputs[0].map == "matrix" else "sum")
        self.generic("loss", inputs, out, [*body, "%u = arith.divf %t, %size", "%r = arith.addf %u, %sum"])

    def mean_squared_error(self) -> None:
        shape = self.target[1]
        self.comment("The mean of (y - target)^2.")
        self.mean(
            [Operand("a", "y", shape, "matrix"), Operand("b", "target", shape, "matrix")],
            shape[0] * shape[1],
            ["%d = arith.subf %a, %b", "%t = arith.mulf %d, %d"],
        )

    def cross_entropy(self) -> None:
        shape, rows = self.target[1], self.target[1][:1]
        y, target = Operand("a", "y", shape, "matrix"), Operand("b", "target", shape, "matrix")
        largest = Operand("m", "largest", rows, "rows")
        self.comment("The mean over the batch of log(sum(exp(y - largest))) - sum(target * (y - largest)).")
        infinity = {"f32": "0xFF800000", "f64": "0xFFF0000000000000"}[self.t]
        self.emit(f"%minus_infinity = arith.constant {infinity} : {self.t}")
        self.empty("rows", rows)
        self.fill("lowest", "minus_infinity", "rows", rows)
        self.generic("largest", [y], Operand("m", "lowest", rows, "rows"), ["%r = arith.maximumf %a, %m"])
        self.fill("zero_rows", "zero", "rows", rows)
        out = Operand("sum", "zero_rows", rows, "rows")
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
            [Operand("a", "total", rows, "vector"), Operand("b", "label", rows, "vector")],
            self.model.batch,
            ["%l = math.log %a", "%t = arith.subf %l, %b"],
        )

    # Updates
    def update_constants(self) -> None:
        """What the updates read: %rate and the optimizer's parameters."""
        model = self.model
        self.emit(f"%rate = tensor.extract %learning_rate[] : {self.tensor(())}")
        if model.decay:
            self.constant("one", 1)
            self.constant("decay", model.decay)
            self.emit(f"%shrink = arith.mulf %rate, %decay : {self.t}")
            self.emit(f"%keep = arith.subf %one, %shrink : {self.t}")
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
        return Operand(kept.name, f"new_{kept.value}", kept.shape, kept.map)

    def update(self, name: str, shape: tuple[int, ...]) -> list[str]:
        """Names of the new parameter and of the new state."""
        same = "matrix" if len(shape) == 2 else "vector"
        weight, gradient = Operand("w", name, shape, same), Operand("g", f"d{name}", shape, same)
        m, v = (Operand(kind, f"{kind}_{name}", shape, same) for kind in "mv")
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

    def compact(self, name: str, value: str, shape: Shape, dim: int, layer: int) -> Shape:
        """The kept units of a value; returns their shape."""
        kept = tuple("?" if i == dim else n for i, n in enumerate(shape))
        pattern = self.model.dropout[layer - 1].pattern()
        self.sparse("compact", name, f"%{value}", layer, dim, f"{self.tensor(shape)}, {pattern} -> {self.tensor(kept)}")
        return kept

    def keep_dropped(self, new: str, old: str, shape: Shape, dropped: Sequence[tuple[int, int]]) -> str:
        """%new where all of the layers keep a unit, %old elsewhere."""
        if not dropped:
            return new
        (dim, layer), *others = dropped
        kept = self.compact(f"{new}_{layer}", new, shape, dim, layer)
        value = f"{new}_{layer}"
        if others:
            self.compact(f"{old}_{layer}", old, shape, dim, layer)
            value = self.keep_dropped(value, f"{old}_{layer}", kept, others)
        types = f"{self.tensor(kept)} into {self.tensor(shape)}, {self.model.dropout[layer - 1].pattern()}"
        self.sparse("insert", f"lazy_{old}", f"%{value} into %{old}", layer, dim, types)
        return f"lazy_{old}"

    def lazy_update(self, name: str, shape: tuple[int, ...]) -> list[str]:
        """As ``update``, where nothing is dropped."""
        state = [other for other, _ in self.model.state() if other[2:] == name]
        dropped = self.model.dropout_of(name)
        return [
            self.keep_dropped(new, old, shape, dropped)
            for new, old in zip(self.update(name, shape), [name, *state])
        ]

    # Functions
    def signature(self, named: Sequence[Named], donated: Sequence[Named] = (), draws: bool = False) -> str:
        """Arguments, each on a line; result i + 1 may overwrite donated[i]. With
        ``draws``, seed and step come last."""
        lines = []
        for name, shape in named:
            result = [i for i, (other, _) in enumerate(donated, 1) if other == name]
            attribute = f" {{sparsedrop.donate = {result[0]}}}" if result else ""
            lines.append(f"\n    %{name}: {self.tensor(shape)}{attribute}")
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
        self.emit(f"return %loss : {self.tensor(())}")
        wrt = ", ".join(str(i) for i in range(2, len(arguments)))
        return self.function(
            f"func.func @loss{self.signature(arguments)} -> {self.tensor(())}\n"
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
