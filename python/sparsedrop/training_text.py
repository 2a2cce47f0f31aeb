"""Text of training: losses, updates and functions, of any model."""

from __future__ import annotations

import re
from typing import Any, Mapping, Sequence

from sparsedrop.module_text import MAPS, ModuleWriter, Named, Operand, wrap

SAME = {1: "vector", 2: "matrix", 4: "weight"}
"""Indexing map of an elementwise op on parameters, by their rank."""


class TrainingWriter(ModuleWriter):
    """Writes functions of a model, which has a batch, an optimizer with its
    options, and ``type_of`` for the names of arguments; ``target`` is the name and
    the shape of what the outputs are compared with."""

    target: Named

    def __init__(self, model: Any):
        super().__init__(model.dtype)
        self.model = model

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

    def totals(self, y: Operand, rows: tuple[int, ...]) -> Operand:
        """%total, the sum of exp(y - %largest) of each row; returns the operand of these."""
        t = self.wide
        infinity = {"f32": "0xFF800000", "f64": "0xFFF0000000000000"}[t]
        self.emit(f"%minus_infinity = arith.constant {infinity} : {t}")
        self.empty("rows", rows, t)
        self.fill("lowest", "minus_infinity", "rows", rows, t)
        self.generic("largest", [y], Operand("m", "lowest", rows, "rows", t), ["%r = arith.maximumf %a, %m"])
        self.fill("zero_rows", "zero", "rows", rows, t)
        largest = Operand("m", "largest", rows, "rows", t)
        out = Operand("sum", "zero_rows", rows, "rows", t)
        self.generic(
            "total", [y, largest], out, ["%d = arith.subf %a, %m", "%e = math.exp %d", "%r = arith.addf %e, %sum"]
        )
        return largest

    def mean_of_logs(self, rows: tuple[int, ...]) -> None:
        """%loss: the mean over rows of log(%total) - %label."""
        self.mean(
            [Operand("a", "total", rows, "vector", self.wide), Operand("b", "label", rows, "vector", self.wide)],
            rows[0],
            ["%l = math.log %a", "%t = arith.subf %l, %b"],
        )

    def cross_entropy(self) -> None:
        rows = self.target[1][:1]
        y, target = self.loss_inputs()
        self.comment("The mean over the batch of log(sum(exp(y - largest))) - sum(target * (y - largest)).")
        largest = self.totals(y, rows)
        self.generic(
            "label",
            [y, target, largest],
            Operand("sum", "zero_rows", rows, "rows", self.wide),
            ["%d = arith.subf %a, %m", "%t = arith.mulf %d, %b", "%r = arith.addf %t, %sum"],
        )
        self.mean_of_logs(rows)

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
        same = SAME[len(shape)]
        t = self.model.type_of(name)
        weight, gradient = Operand("w", name, shape, same, t), Operand("g", f"d{name}", shape, same, t)
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

    # Functions
    def types(self, named: Sequence[Named]) -> str:
        """Types of arguments and results of ``@step``."""
        return ", ".join(map(self.type, named))

    def type(self, named: Named) -> str:
        """The type of an argument."""
        name, shape = named
        return self.tensor(shape, self.model.type_of(name))

    def signature(
        self,
        named: Sequence[Named],
        donated: Sequence[Named] = (),
        draws: bool = False,
        attributes: Mapping[str, str] = {},
        first: int = 1,
    ) -> str:
        """Arguments, each on a line, with their ``attributes``; result i + first may
        overwrite donated[i]. With ``draws``, seed and step come last."""
        lines = []
        for name, shape in named:
            parts = [f"sparsedrop.donate = {i}" for i, (other, _) in enumerate(donated, first) if other == name]
            parts += [attributes[name]] if name in attributes else []
            attribute = f" {{{', '.join(parts)}}}" if parts else ""
            lines.append(f"\n    %{name}: {self.type((name, shape))}{attribute}")
        if draws:
            lines += [f"\n    %{name}: i64 {{sparsedrop.{name}}}" for name in ("seed", "step")]
        return "(" + ",".join(lines) + ")"

    def function(self, head: str) -> str:
        """The lines so far as the body of a function."""
        body, self.lines = "\n".join(self.lines), []
        return f"{head} {{\n{body}\n}}\n"

    # Whole modules
    def gradient_declaration(self, arguments: Sequence[Named], results: Sequence[Named]) -> str:
        """What the compiler defines."""
        inputs = wrap(self.types(arguments), 4, "")
        outputs = wrap(f"-> ({self.types(results)})", 4, "    ")
        return "func.func private @loss_grad(\n" + "\n".join(inputs) + ")\n" + "\n".join(outputs) + "\n"

    def call_gradient(self, arguments: Sequence[Named], results: Sequence[Named], names: Sequence[str]) -> None:
        """Its results by ``names``."""
        self.emit(", ".join(f"%{name}" for name in names))
        self.emit("= call @loss_grad(" + ", ".join(f"%{name}" for name, _ in arguments) + ")", 6)
        self.emit(f": ({self.types(arguments)})", 6)
        self.emit(f"-> ({self.types(results)})", 6)

    def assemble(self, comment: str, functions: Sequence[str]) -> str:
        """The module, with the maps that its functions use."""
        body = "\n".join(functions)
        used = re.findall(r"#(\w+)", body)
        aliases = [f"#{name} = affine_map<{text}>\n" for name, text in MAPS.items() if name in used]
        return f"// {comment}\n\n" + "".join(aliases) + "\n" + body
