"""The text of a convolutional network: what ``sparsedrop.cnn`` writes."""

from __future__ import annotations

from typing import Sequence

from sparsedrop.cnn_layers import Convolution
from sparsedrop.cnn_layers_text import LayerWriter
from sparsedrop.module_text import Named, Operand, number, wrap


class CnnWriter(LayerWriter):
    """Writes the functions of a model."""

    # Functions
    def attributes(self) -> dict[str, str]:
        """Those of arguments about channels."""
        named = [*self.model.channel_arrays(), *self.model.rates()]
        split = ((name, *name.rsplit("_", 1)) for name, _ in named)
        return {name: f'sparsedrop.{what} = "{site}"' for name, site, what in split}

    def loss_results(self) -> list[Named]:
        """The loss, mean and unbiased variance of the batch in each batch norm."""
        return [("loss", ()), *self.model.statistics()]

    def moved(self) -> list[Named]:
        """What the gradient function gives after these: gradients of parameters, new
        values of channel arrays."""
        return [*self.model.parameters(), *self.model.channel_arrays()]

    def batch_statistics(self) -> list[str]:
        """Their names in @loss."""
        sites = [name.rsplit("_", 1)[0] for name, _ in self.model.statistics()[::2]]
        return [name for site in sites for name in (f"{site}_batch#0", f"{site}_unbiased")]

    def marked_results(self) -> str:
        """Types of what @loss returns; statistics name their running values."""
        names = [name for name, _ in self.model.loss_arguments]
        marks = [f" {{sparsedrop.statistic = {names.index(name)}}}" for name, _ in self.model.statistics()]
        return ", ".join(self.type(named) + mark for named, mark in zip(self.loss_results(), ["", *marks]))

    def loss_function(self) -> str:
        arguments, results = self.model.loss_arguments, self.loss_results()
        self.forward()
        self.cross_entropy()
        if self.model.statistics():
            self.unbias_variances()
        self.emit("return " + ", ".join(f"%{name}" for name in ["loss", *self.batch_statistics()]))
        self.emit(f": {self.types(results)}", 6)
        wanted = [name for name, _ in self.moved()]
        wrt = ", ".join(str(i) for i, (name, _) in enumerate(arguments) if name in wanted)
        head = f"func.func @loss{self.signature(arguments, attributes=self.attributes())}\n"
        head += "\n".join(wrap(f"-> ({self.marked_results()})", 4, "    ")) + "\n"
        of = self.model.sensitivity_of
        more = "" if of == "batch" else f', sensitivity = "{of}"'
        marked = wrap(f"attributes {{sparsedrop.differentiate = {{of = [0], wrt = [{wrt}]{more}}}}}", 4, "    ")
        return self.function(head + "\n".join(marked))

    def predict_function(self) -> str:
        logits = self.tensor(self.target[1])
        self.forward(drops=False, measures=False)
        self.emit(f"return %y : {logits}")
        arguments = [self.x, *self.model.parameters(), *self.model.statistics()]
        return self.function(f"func.func @predict{self.signature(arguments)} -> {logits}")

    def blend(self, value: str, batch: str, shape: tuple[int, ...]) -> str:
        """A running statistic, moved by %blend of the way to the batch's."""
        out = Operand("r", value, shape, "vector", self.wide)
        body = ["%d = arith.subf %b, %r", "%k = arith.mulf %d, %blend", "%n = arith.addf %r, %k"]
        self.generic(f"new_{value}", [Operand("b", batch, shape, "vector", self.wide)], out, body)
        return f"new_{value}"

    def unbias_variances(self) -> None:
        """Those of the batch without their bias: what running ones follow."""
        self.comment("Variances without their bias.")
        for conv in self.model.convolutions():
            name, count, shape = conv.name, self.model.batch * conv.result.height * conv.result.width, (conv.result.channels,)
            if not conv.layer.norm:
                continue
            self.constant(f"{name}_factor", count / (count - 1))
            self.empty(f"{name}_room", shape, self.wide)
            variance = Operand("v", f"{name}_batch#1", shape, "vector", self.wide)
            out = Operand("out", f"{name}_room", shape, "vector", self.wide)
            self.generic(f"{name}_unbiased", [variance], out, [f"%r = arith.mulf %v, %{name}_factor"])

    # Statistics of dropped channels
    def lazy_readers(self) -> dict[str, Convolution]:
        """For each convolution with running statistics, the site whose dropped
        channels leave them as they are."""
        model = self.model
        if not model.lazy_statistics:
            return {}
        normed = [conv.name for conv in model.convolutions() if conv.layer.norm]
        return {name: reader for name, reader in model.sole_readers().items() if name in normed}

    def count_kept(self, conv: Convolution) -> None:
        """%site_count: max(m, m * round((1 - rate) * C / m)), at most C, in the order
        in which @loss computes it."""
        name, channels, multiple = conv.name, conv.source.channels, conv.dropout.multiple
        for what, value in (("channels", channels), ("multiple", multiple)):
            self.emit(f"%{name}_{what} = arith.constant {value} : index")
        if not conv.dropout.scheduled:
            whole = int((1 - conv.dropout.rate) * channels / multiple + 0.5)
            kept = min(channels, max(multiple, whole * multiple))
            self.emit(f"%{name}_count = arith.constant {kept} : index")
            return
        for line in (
            "one = arith.constant 1.0 : f64",
            f"number = arith.constant {number(channels)} : f64",
            f"groups = arith.constant {number(multiple)} : f64",
            "half = arith.constant 0.5 : f64",
            f"dropped = arith.extf %{name}_rate : f32 to f64",
            "share = arith.subf %{name}_one, %{name}_dropped : f64",
            "wanted = arith.mulf %{name}_share, %{name}_number : f64",
            "exact = arith.divf %{name}_wanted, %{name}_groups : f64",
            "above = arith.addf %{name}_exact, %{name}_half : f64",
            "integer = arith.fptosi %{name}_above : f64 to i64",
            "rounded = arith.index_cast %{name}_integer : i64 to index",
            "product = arith.muli %{name}_rounded, %{name}_multiple : index",
            "least = arith.maxsi %{name}_product, %{name}_multiple : index",
            "count = arith.minsi %{name}_least, %{name}_channels : index",
        ):
            self.emit(f"%{name}_{line.replace('{name}', name)}")

    def sample(self, conv: Convolution) -> None:
        """%site_kept: the pattern that @loss draws."""
        name, dropout, channels = conv.name, conv.dropout, conv.source.channels
        self.count_kept(conv)
        self.emit(f'%{name}_kept = sparsedrop.sample "{name}" seed(%seed) step(%step) extents(%{name}_channels)')
        arrays = [f"{what}(%{name}_{what} : tensor<{channels}xf32>)" for what in dropout.arrays()]
        self.emit(" ".join([*arrays, f"count(%{name}_count)"]), 6)
        parts = [f"rate = {number(dropout.rate)} : f64", f"scale = #sparsedrop.scale_mode<{dropout.scale}>"]
        if dropout.noise():
            parts.append(f"temperature = {dropout.noise()} : f64")
        self.emit(f"{{{', '.join(parts)}}} : {dropout.pattern()}", 6)

    def keep_statistics(self, new: Sequence[str]) -> list[str]:
        """The new statistics where channels are kept, the old ones elsewhere."""
        readers, result = self.lazy_readers(), []
        if readers:
            self.comment("Statistics of channels that are dropped everywhere stay as they are.")
        for reader in {conv.name: conv for conv in readers.values()}.values():
            self.sample(reader)
        for (name, shape), value in zip(self.model.statistics(), new):
            reader = readers.get(name.rsplit("_", 1)[0])
            if not reader:
                result.append(value)
                continue
            whole, kept, pattern = self.tensor(shape, self.wide), f"tensor<?x{self.wide}>", reader.dropout.pattern()
            self.emit(f"%kept_{name} = sparsedrop.compact %{value}, %{reader.name}_kept dim(0)")
            self.emit(f": {whole}, {pattern} -> {kept}", 6)
            self.emit(f"%lazy_{name} = sparsedrop.insert %kept_{name} into %{name}, %{reader.name}_kept dim(0)")
            self.emit(f": {kept} into {whole}, {pattern}", 6)
            result.append(f"lazy_{name}")
        return result

    def step_function(self) -> str:
        model = self.model
        kept = model.updated()
        results = [("loss", ()), *kept]
        batch = [f"batch_{name}" for name, _ in model.statistics()]
        arrays = [f"new_{name}" for name, _ in model.channel_arrays()]
        self.comment("The loss, the batch's statistics, gradients, what channels are worth.")
        names = ["loss", *batch, *(f"d{name}" for name, _ in model.parameters()), *arrays]
        self.call_gradient(self.model.loss_arguments, [*self.loss_results(), *self.moved()], names)
        self.comment("Updates in place.")
        self.update_constants()
        new = [self.update(name, shape) for name, shape in model.parameters()]
        self.constant("blend", model.blend)
        moved = [self.blend(name, value, shape) for (name, shape), value in zip(model.statistics(), batch)]
        statistics = self.keep_statistics(moved)
        updated = [values[k] for k in range(len(new[0])) for values in new]
        self.emit("return " + ", ".join(f"%{name}" for name in ["loss", *updated, *statistics, *arrays]))
        self.emit(f": {self.types(results)}", 6)
        draws = bool(self.lazy_readers())
        signature = self.signature(model.arguments, kept, draws, self.attributes())
        return self.function(f"func.func @step{signature}\n" + "\n".join(wrap(f"-> ({self.types(results)})", 4, "    ")))

    def module(self) -> str:
        model = self.model
        functions = [
            self.loss_function(),
            self.predict_function(),
            self.gradient_declaration(self.model.loss_arguments, [*self.loss_results(), *self.moved()]),
            self.step_function(),
        ]
        count = sum(1 for _ in model.convolutions())
        return self.assemble(f"A network of {count} convolutions, {model.layout}: {model.optimizer}.", functions)
