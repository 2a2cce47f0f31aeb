"""Writes annotated MLIR for models: an example of what a front end emits.

``mlp`` gives a module with three functions: ``@predict``, from the inputs to the
outputs of the last layer (compiled in mode dense, for evaluation), ``@loss``,
marked for differentiation, and ``@step``, which calls its gradient and updates
the parameters. ``sparsedrop-pipeline`` turns them into smaller programs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Sequence

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
LOSSES = ("cross_entropy", "mse")
OPTIMIZERS = ("sgd", "momentum", "adam")


def number(value: float) -> str:
    """``value`` as MLIR reads it: with a point, and all its digits."""
    text = repr(float(value))
    mantissa, separator, exponent = text.partition("e")
    return text if "." in mantissa else f"{mantissa}.0{separator}{exponent}"


@dataclass(frozen=True)
class Dropout:
    """A row dropout on what a hidden layer hands on.

    ``rate`` is the share of units that is dropped, in [0, 1); ``granularity``
    neighbouring units are dropped together; ``max_period`` and ``scale`` as in
    ``#sparsedrop.dropout``.
    """

    rate: float
    granularity: int = 1
    max_period: int | None = None
    scale: str = "target"

    def annotation(self, site: str) -> str:
        parts = [f"row, operand = 0, rate = {number(self.rate)}", f'site = "{site}"']
        if self.granularity != 1:
            parts.append(f"granularity = {self.granularity}")
        if self.max_period is not None:
            parts.append(f"max_period = {self.max_period}")
        if self.scale != "target":
            parts.append(f"scale = {self.scale}")
        return "{sparsedrop.dropout = #sparsedrop.dropout<" + ", ".join(parts) + ">}"


@dataclass(frozen=True)
class Mlp:
    """A multilayer perceptron and how it is trained.

    ``widths`` are those of the input, the hidden layers and the output.
    ``dropout`` has an entry for each hidden layer (or one for all). The step
    function takes the parameters, the optimizer's state, the batch and the
    learning rate, in the order of ``arguments``.
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
    dtype: str = "f32"
    arguments: list[tuple[str, tuple[int, ...]]] = field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1 or self.batch < 1:
            raise ValueError("expected at least two widths and a batch, all of at least 1")
        for name, value, known in (
            ("activation", self.activation, ACTIVATIONS),
            ("loss", self.loss, LOSSES),
            ("optimizer", self.optimizer, OPTIMIZERS),
        ):
            if value not in known:
                raise ValueError(f"expected {name} to be one of {', '.join(known)}, but got {value!r}")
        hidden = len(self.widths) - 2
        dropout = self.dropout
        if dropout is None or isinstance(dropout, Dropout):
            dropout = [dropout] * hidden
        if len(dropout) != hidden:
            raise ValueError(f"expected {hidden} dropouts, one for each hidden layer, but got {len(dropout)}")
        object.__setattr__(self, "dropout", tuple(dropout))

    def parameters(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of the parameters: weights are (inputs, outputs)."""
        result: list[tuple[str, tuple[int, ...]]] = []
        for i, (n, m) in enumerate(zip(self.widths, self.widths[1:]), 1):
            result.append((f"w{i}", (n, m)))
            if self.bias:
                result.append((f"b{i}", (m,)))
        return result

    def state(self) -> list[tuple[str, tuple[int, ...]]]:
        """Names and shapes of what the optimizer keeps from step to step."""
        kinds = {"sgd": (), "momentum": ("m",), "adam": ("m", "v")}[self.optimizer]
        return [(f"{kind}_{name}", shape) for kind in kinds for name, shape in self.parameters()]

    def mlir(self) -> str:
        """The module's text."""
        return _Writer(self).module()


class _Writer:
    """Lines of MLIR, with names made up on the way."""

    def __init__(self, model: Mlp):
        self.model, self.t = model, model.dtype
        self.lines: list[str] = []
        self.count = 0

    # Text
    def tensor(self, shape: Sequence[int]) -> str:
        return "tensor<" + "".join(f"{n}x" for n in shape) + f"{self.t}>"

    def name(self, hint: str) -> str:
        self.count += 1
        return f"%{hint}{self.count}"

    def emit(self, line: str) -> None:
        self.lines.append("  " + line)

    def constant(self, hint: str, value: float) -> str:
        text = {"f32": "0xFF800000", "f64": "0xFFF0000000000000"}[self.t] if value == float("-inf") else number(value)
        self.emit(f"%{hint} = arith.constant {text} : {self.t}")
        return f"%{hint}"

    def empty(self, shape: Sequence[int]) -> str:
        name = self.name("e")
        self.emit(f"{name} = tensor.empty() : {self.tensor(shape)}")
        return name

    def fill(self, value: str, shape: Sequence[int]) -> str:
        empty, name, t = self.empty(shape), self.name("z"), self.tensor(shape)
        self.emit(f"{name} = linalg.fill ins({value} : {self.t}) outs({empty} : {t}) -> {t}")
        return name

    def generic(
        self,
        hint: str,
        inputs: Sequence[tuple[str, Sequence[int], str]],
        shape: Sequence[int],
        body: Sequence[str],
        init: str | None = None,
        out_map: str | None = None,
        iterators: Sequence[str] | None = None,
    ) -> str:
        """A structured op: inputs are (name, shape, map), the body yields %r."""
        name = self.name(hint)
        identity = "#id" if len(shape) == 2 else "#vector"
        maps = ", ".join([m for _, _, m in inputs] + [out_map or identity])
        kinds = ", ".join(f'"{k}"' for k in (iterators or ["parallel"] * len(shape)))
        names = ", ".join(n for n, _, _ in inputs)
        types = ", ".join(self.tensor(s) for _, s, _ in inputs)
        block = ", ".join(f"%{'abcde'[i]}: {self.t}" for i in range(len(inputs)))
        out = self.tensor(shape)
        reads = f" ins({names} : {types})" if inputs else ""
        self.emit(f"{name} = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{kinds}]}}")
        self.emit(f"   {reads} outs({init or self.empty_before(shape)} : {out}) {{")
        self.emit(f"  ^bb0({block + ', ' if block else ''}%o: {self.t}):")
        for line in body:
            self.emit("    " + line.replace("T", self.t))
        self.emit(f"    linalg.yield %r : {self.t}")
        self.emit(f"}} -> {out}")
        return name

    def empty_before(self, shape: Sequence[int]) -> str:
        """An empty tensor defined above the op that is being written."""
        line = self.lines.pop()
        name = self.empty(shape)
        self.lines.append(line)
        return name

    # Layers
    def activation(self) -> list[str]:
        return {
            "relu": ["%r = arith.maximumf %s, %zero : T"],
            "tanh": ["%r = math.tanh %s : T"],
            "sigmoid": [
                "%n = arith.negf %s : T",
                "%u = math.exp %n : T",
                "%dd = arith.addf %u, %one : T",
                "%r = arith.divf %one, %dd : T",
            ],
            "gelu": [
                "%q = arith.mulf %s, %rsqrt2 : T",
                "%u = math.erf %q : T",
                "%dd = arith.addf %u, %one : T",
                "%hh = arith.mulf %s, %half : T",
                "%r = arith.mulf %hh, %dd : T",
            ],
        }[self.model.activation]

    def layer(self, i: int, x: str) -> str:
        model, last = self.model, len(self.model.widths) - 1
        n, m = model.widths[i - 1], model.widths[i]
        shape = (model.batch, m)
        zeros, product = self.fill("%zero", shape), self.name("p")
        dropout = model.dropout[i - 2] if i > 1 else None
        annotation = " " + dropout.annotation(f"hidden{i - 1}") if dropout else ""
        self.emit(
            f"{product} = linalg.matmul{annotation} ins({x}, %w{i} : {self.tensor((model.batch, n))}, "
            f"{self.tensor((n, m))}) outs({zeros} : {self.tensor(shape)}) -> {self.tensor(shape)}"
        )
        inputs = [(product, shape, "#id"), (f"%b{i}", (m,), "#bias")]
        if i == last:
            return self.generic("y", inputs, shape, ["%r = arith.addf %a, %b : T"]) if model.bias else product
        if model.bias:
            return self.generic("h", inputs, shape, ["%s = arith.addf %a, %b : T", *self.activation()])
        return self.generic("h", inputs[:1], shape, [line.replace("%s", "%a") for line in self.activation()])

    def forward(self) -> str:
        """The outputs of the last layer."""
        value = "%x"
        for i in range(1, len(self.model.widths)):
            value = self.layer(i, value)
        return value

    def reduce(self, hint: str, inputs, shape, body, init: str) -> str:
        return self.generic(hint, inputs, shape, body, init, "#row", ["parallel", "reduction"])

    def mean(self, inputs, size: float, body: Sequence[str]) -> str:
        """The sum of the body over all loops, divided by ``size``."""
        rank = len(inputs[0][1])
        total = self.generic(
            "t", inputs, (), [*body, "%r = arith.addf %q, %o : T"], self.fill("%zero", ()),
            "#all" if rank == 2 else "#none", ["reduction"] * rank,
        )
        scale = self.constant("size", size)
        return self.generic("l", [(total, (), "#scalar")], (), [f"%r = arith.divf %a, {scale} : T"], None, "#scalar", [])

    def loss(self, y: str) -> str:
        model = self.model
        shape, rows = (model.batch, model.widths[-1]), (model.batch,)
        if model.loss == "mse":
            return self.mean(
                [(y, shape, "#id"), ("%target", shape, "#id")],
                float(shape[0] * shape[1]),
                ["%d = arith.subf %a, %b : T", "%q = arith.mulf %d, %d : T"],
            )
        infinity = self.constant("ninf", float("-inf"))
        largest = self.reduce("m", [(y, shape, "#id")], rows, ["%r = arith.maximumf %a, %o : T"], self.fill(infinity, rows))
        total = self.reduce(
            "s",
            [(y, shape, "#id"), (largest, rows, "#row")],
            rows,
            ["%d = arith.subf %a, %b : T", "%u = math.exp %d : T", "%r = arith.addf %u, %o : T"],
            self.fill("%zero", rows),
        )
        # The logarithm of the sum, less the logit of the label.
        label = self.reduce(
            "g",
            [(y, shape, "#id"), ("%target", shape, "#id"), (largest, rows, "#row")],
            rows,
            ["%d = arith.subf %a, %c : T", "%u = arith.mulf %d, %b : T", "%r = arith.addf %u, %o : T"],
            self.fill("%zero", rows),
        )
        return self.mean(
            [(total, rows, "#vector"), (label, rows, "#vector")],
            float(model.batch),
            ["%u = math.log %a : T", "%q = arith.subf %u, %b : T"],
        )

    # Functions
    def signature(self, names: Sequence[tuple[str, Sequence[int]]]) -> str:
        return ", ".join(f"%{n}: {self.tensor(s)}" for n, s in names)

    def batch(self) -> list[tuple[str, tuple[int, ...]]]:
        model = self.model
        return [("x", (model.batch, model.widths[0])), ("target", (model.batch, model.widths[-1]))]

    def constants(self) -> None:
        self.constant("zero", 0)
        self.constant("one", 1)
        if self.model.activation == "gelu":
            self.constant("half", 0.5)
            self.constant("rsqrt2", 0.5**0.5)

    def loss_function(self) -> str:
        parameters, batch = self.model.parameters(), self.batch()
        self.lines = []
        self.constants()
        loss = self.loss(self.forward())
        wrt = ", ".join(str(len(batch) + i) for i in range(len(parameters)))
        return (
            f"func.func @loss({self.signature(batch + parameters)}) -> {self.tensor(())}\n"
            f"    attributes {{sparsedrop.differentiate = {{wrt = [{wrt}]}}}} {{\n"
            + "\n".join(self.lines)
            + f"\n  return {loss} : {self.tensor(())}\n}}\n"
        )

    def predict_function(self) -> str:
        model = self.model
        self.lines = []
        self.constants()
        outputs = self.forward()
        result = self.tensor((model.batch, model.widths[-1]))
        return (
            f"func.func @predict({self.signature(self.batch()[:1] + model.parameters())}) -> {result} {{\n"
            + "\n".join(self.lines)
            + f"\n  return {outputs} : {result}\n}}\n"
        )

    def update(self, name: str, shape, gradient: str) -> list[str]:
        """The new parameter and the new state."""
        model, weight = self.model, f"%{name}"
        same = "#id" if len(shape) == 2 else "#vector"
        grad = (gradient, shape, same)
        if model.optimizer == "sgd":
            keep = ["%k = arith.mulf %o, %shrink : T"] if model.decay else []
            body = [*keep, "%d = arith.mulf %a, %rate : T", f"%r = arith.subf {'%k' if keep else '%o'}, %d : T"]
            return [self.generic("n", [grad], shape, body, weight)]
        if model.optimizer == "momentum":
            moment = self.generic(
                "v", [grad], shape, ["%k = arith.mulf %o, %mu : T", "%r = arith.addf %k, %a : T"], f"%m_{name}"
            )
            body = ["%d = arith.mulf %a, %rate : T", "%r = arith.subf %o, %d : T"]
            return [self.generic("n", [(moment, shape, same)], shape, body, weight), moment]
        first = self.generic(
            "v",
            [grad],
            shape,
            ["%k = arith.mulf %o, %beta1 : T", "%d = arith.mulf %a, %rest1 : T", "%r = arith.addf %k, %d : T"],
            f"%m_{name}",
        )
        second = self.generic(
            "v",
            [grad],
            shape,
            [
                "%k = arith.mulf %o, %beta2 : T",
                "%q = arith.mulf %a, %a : T",
                "%d = arith.mulf %q, %rest2 : T",
                "%r = arith.addf %k, %d : T",
            ],
            f"%v_{name}",
        )
        body = [
            "%q = math.sqrt %b : T",
            "%d = arith.addf %q, %epsilon : T",
            "%u = arith.divf %a, %d : T",
            "%y = arith.mulf %u, %rate : T",
            "%r = arith.subf %o, %y : T",
        ]
        return [self.generic("n", [(first, shape, same), (second, shape, same)], shape, body, weight), first, second]

    def step_function(self) -> str:
        model = self.model
        batch, parameters, state = self.batch(), model.parameters(), model.state()
        donated = parameters + state
        tensors = [self.tensor(s) for _, s in batch + parameters]
        gradients = [self.tensor(s) for _, s in parameters]
        self.lines = []
        self.emit("%rate = tensor.extract %learning_rate[] : " + self.tensor(()))
        if model.optimizer == "sgd" and model.decay:
            one, decay = self.constant("one", 1), self.constant("decay", model.decay)
            self.emit(f"%product = arith.mulf %rate, {decay} : {self.t}")
            self.emit(f"%shrink = arith.subf {one}, %product : {self.t}")
        if model.optimizer == "momentum":
            self.constant("mu", model.momentum)
        if model.optimizer == "adam":
            for i, beta in enumerate(model.betas, 1):
                self.constant(f"beta{i}", beta)
                self.constant(f"rest{i}", 1 - beta)
            self.constant("epsilon", model.epsilon)
        names = ", ".join(f"%{n}" for n, _ in batch + parameters)
        results = ", ".join([self.tensor(())] + gradients)
        self.emit(f"%g:{1 + len(parameters)} = call @loss_grad({names})")
        self.emit(f"    : ({', '.join(tensors)}) -> ({results})")
        new: list[list[str]] = []
        for i, (name, shape) in enumerate(parameters, 1):
            new.append(self.update(name, shape, f"%g#{i}"))
        outputs = ["%g#0"] + [update[k] for k in range(len(new[0])) for update in new]
        types = ", ".join([self.tensor(())] + [self.tensor(s) for _, s in donated])
        self.emit(f"return {', '.join(outputs)} : {types}")
        arguments = [self.signature(batch)]
        arguments += [
            f"%{n}: {self.tensor(s)} {{sparsedrop.donate = {i} : i64}}" for i, (n, s) in enumerate(donated, 1)
        ]
        arguments.append(f"%learning_rate: {self.tensor(())}")
        separator = ",\n    "
        return (
            f"func.func private @loss_grad({', '.join(tensors)}) -> ({results})\n\n"
            f"func.func @step({separator.join(arguments)})\n    -> ({types}) {{\n" + "\n".join(self.lines) + "\n}\n"
        )

    def module(self) -> str:
        maps = {
            "id": "(i, j) -> (i, j)",
            "bias": "(i, j) -> (j)",
            "row": "(i, j) -> (i)",
            "all": "(i, j) -> ()",
            "vector": "(i) -> (i)",
            "none": "(i) -> ()",
            "scalar": "() -> ()",
        }
        head = "".join(f"#{name} = affine_map<{text}>\n" for name, text in maps.items())
        functions = [self.predict_function(), self.loss_function(), self.step_function()]
        return head + "\n" + "\n".join(functions)


def mlp(widths: Sequence[int], batch: int, **options) -> str:
    """The text of an MLP's module; options are the fields of ``Mlp``."""
    return Mlp(widths, batch, **options).mlir()
