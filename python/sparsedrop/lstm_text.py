"""The text of a language model: what ``sparsedrop.lstm`` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from sparsedrop.models import Dropout
from sparsedrop.module_text import Named, Operand, wrap
from sparsedrop.training_text import TrainingWriter

if TYPE_CHECKING:
    from sparsedrop.lstm import Lstm

GATES = ("in", "forget", "cell", "out")
SIGMOIDS = [
    line.replace("*", gate)
    for gate in ("in", "forget", "out")
    for line in ("%*_n = arith.negf %*", "%*_e = math.exp %*_n", "%*_d = arith.addf %one, %*_e", "%*_s = arith.divf %one, %*_d")
]
CELL = [
    *SIGMOIDS,
    "%new = math.tanh %cell",
    "%kept = arith.mulf %forget_s, %c",
    "%added = arith.mulf %in_s, %new",
    "%next = arith.addf %kept, %added",
    "%shown = math.tanh %next",
    "%y = arith.mulf %out_s, %shown",
]
"""What the gates do: %y is the output, %next the new cell."""


class LstmWriter(TrainingWriter):
    """Writes the functions of a model."""

    def __init__(self, model: Lstm):
        super().__init__(model)
        self.rows = model.steps * model.batch
        self.x = ("x", (model.steps, model.batch, model.embedding))
        self.target = ("target", (self.rows, model.vocabulary))

    # Pieces
    def zeros(self, name: str, shape: Sequence[int]) -> None:
        self.empty(f"{name}_empty", shape)
        self.fill(name, "zero_16" if self.is_narrow else "zero", f"{name}_empty", shape)

    def product(self, name: str, lhs: str, rhs: str, shapes: tuple, init: str, annotation: str = "") -> None:
        """%name = lhs times rhs, added to init; of 16 bits where factors are, so that
        gradients are, too, and their products have kernels for tensor cores."""
        rows, inner, columns = shapes
        out = self.tensor((rows, columns))
        self.emit(f"%{name} = linalg.matmul")
        if annotation:
            self.emit(annotation, 6)
        self.emit(f"ins(%{lhs}, %{rhs} : {self.tensor((rows, inner))}, {self.tensor((inner, columns))})", 6)
        self.emit(f"outs(%{init} : {out}) -> {out}", 6)

    def reshape(self, name: str, value: str, source: tuple, result: tuple) -> None:
        """Joins or splits the first two of three dimensions."""
        types = [self.tensor(source), self.tensor(result)]
        if len(source) > len(result):
            self.emit(f"%{name} = tensor.collapse_shape %{value} [[0, 1], [2]] : {types[0]} into {types[1]}")
        else:
            shape = f"output_shape {list(result)}"
            self.emit(f"%{name} = tensor.expand_shape %{value} [[0, 1], [2]] {shape} : {types[0]} into {types[1]}")

    def row(self, name: str, value: str, index: str, shape: tuple) -> None:
        """One of the first dimension's slices."""
        sizes = ", ".join(map(str, shape[1:]))
        ones = ", ".join("1" for _ in shape)
        offsets = ", ".join([f"%{index}", *("0" for _ in shape[1:])])
        self.emit(f"%{name} = tensor.extract_slice %{value}[{offsets}] [1, {sizes}] [{ones}]")
        self.emit(f": {self.tensor(shape)} to {self.tensor(shape[1:])}", 6)

    def annotation(self, dropout: Dropout | None, site: str, inputs: int, outputs: int) -> str:
        """Of a product; none where each word draws a pattern."""
        if not dropout or not dropout.rate or self.model.per_word and site != "output":
            return ""
        return dropout.fit(outputs, inputs).annotation(site)

    def drop(self, value: str, dropout: Dropout | None, site: str, weight: str) -> tuple[str, str]:
        """What is left of one step's value and of the weight that it is multiplied by
        where each word draws a pattern."""
        if not self.model.per_word or not dropout or not dropout.rate:
            return value, weight
        inputs, outputs = shape = dict(self.model.weights())[weight]
        dropout = dropout.fit(outputs, inputs)
        attributes, pattern = dropout.sample()
        extents = f"%{site}_units"
        self.emit(f"{extents} = arith.constant {inputs} : index")
        if dropout.tile:
            self.emit(f"%{site}_outputs = arith.constant {outputs} : index")
            extents = f"%{site}_outputs, {extents}"
        self.emit(f'%{site}_p = sparsedrop.sample "{site}" seed(%seed) step(%step) extents({extents}) index(%t)')
        self.emit(f"{attributes} : {pattern}", 6)
        dropped, dims = (weight, "1, 0") if dropout.tile else (value, "1")
        shape = shape if dropout.tile else (self.model.batch, inputs)
        self.emit(f"%{site}_x = sparsedrop.dropout %{dropped}, %{site}_p dim({dims}) : {self.tensor(shape)}, {pattern}")
        return (value, f"{site}_x") if dropout.tile else (f"{site}_x", weight)

    # Layers
    def constants(self) -> None:
        self.constant("zero", 0)
        if self.is_narrow:
            self.constant("zero_16", 0, self.t)
        self.constant("one", 1)
        for name, value in (("first", 0), ("second", 1), ("steps", self.model.steps)):
            self.emit(f"%{name} = arith.constant {value} : index")

    def inputs_of_all(self, i: int, value: str) -> None:
        """%gates{i}: the input products of all words, with the bias."""
        model, wide = self.model, 4 * self.model.units
        read = model.inputs(i)
        self.comment(f"Layer {i}: what it reads of all words.")
        self.reshape(f"flat{i}", value, (model.steps, model.batch, read), (self.rows, read))
        self.zeros(f"start{i}", (self.rows, wide))
        note = self.annotation(model.dropout, f"input{i}", read, wide)
        self.product(f"read{i}", f"flat{i}", f"input_weight{i}", (self.rows, read, wide), f"start{i}", note)
        inputs = [Operand("a", f"read{i}", (self.rows, wide), "matrix", self.t)]
        inputs.append(Operand("b", f"bias{i}", (wide,), "columns", self.wide))
        out = Operand("out", f"start{i}_empty", (self.rows, wide), "matrix", self.t)
        self.generic(f"biased{i}", inputs, out, ["%s = arith.addf %a, %b"])
        self.reshape(f"gates{i}", f"biased{i}", (self.rows, wide), (model.steps, model.batch, wide))

    def inputs_of_word(self, i: int, value: str) -> str:
        """The input product of one word, with the bias."""
        model, wide = self.model, 4 * self.model.units
        read = model.inputs(i)
        self.row(f"word{i}", value, "t", (model.steps, model.batch, read))
        word, weight = self.drop(f"word{i}", model.dropout, f"input{i}", f"input_weight{i}")
        shape = (model.batch, wide)
        self.empty(f"start{i}", shape)
        out = Operand("out", f"start{i}", shape, "matrix", self.t)
        self.generic(f"biased{i}", [Operand("b", f"bias{i}", (wide,), "columns", self.wide)], out, [])
        self.product(f"read{i}", word, weight, (model.batch, read, wide), f"biased{i}")
        return f"read{i}"

    def cell(self, i: int, gates: str) -> None:
        """%y{i} and %cells{i}#1: the output of one word and the new cell."""
        model, shape = self.model, (self.model.batch, self.model.units)
        whole = self.tensor((model.batch, 4 * model.units))
        inputs = []
        for k, gate in enumerate(GATES):
            self.emit(f"%{gate}{i} = tensor.extract_slice %{gates}[0, {k * model.units}] {list(shape)} [1, 1]")
            self.emit(f": {whole} to {self.tensor(shape)}", 6)
            inputs.append(Operand(gate, f"{gate}{i}", shape, "matrix", self.t))
        inputs.append(Operand("c", f"c{i}_t", shape, "matrix", self.wide))
        self.empty(f"room{i}", shape, self.wide)
        outs = [Operand(name, f"room{i}", shape, "matrix", self.wide) for name in ("out_y", "out_c")]
        self.structured(f"cells{i}", inputs, outs, CELL, ["%y", "%next"])

    def narrow(self, name: str, value: str, shape: tuple[int, int]) -> str:
        """A value as products read it."""
        if not self.is_narrow:
            return value
        self.empty(f"{name}_room", shape)
        out = Operand("out", f"{name}_room", shape, "matrix", self.t)
        self.generic(name, [Operand("a", value, shape, "matrix", self.wide)], out, [])
        return name

    def layer(self, i: int, value: str) -> str:
        """Layer ``i`` of all words; %layer{i}#0 and #1 is its state behind them."""
        model, units, wide = self.model, self.model.units, 4 * self.model.units
        state, all_of = (model.batch, units), (model.steps, model.batch, units)
        if not model.per_word:
            self.inputs_of_all(i, value)
        self.comment(f"Layer {i}: word after word.")
        self.empty(f"outputs{i}", all_of)
        types = f"{self.tensor(state, self.wide)}, {self.tensor(state, self.wide)}, {self.tensor(all_of)}"
        self.emit(f"%layer{i}:3 = scf.for %t = %first to %steps step %second")
        self.emit(f"iter_args(%h{i}_t = %h{i}, %c{i}_t = %c{i}, %all{i} = %outputs{i}) -> ({types}) {{", 6)
        if model.per_word:
            gates = self.inputs_of_word(i, value)
        else:
            gates = f"gates{i}_t"
            self.row(gates, f"gates{i}", "t", (model.steps, model.batch, wide))
        read = self.narrow(f"read_h{i}", f"h{i}_t", state)
        read, weight = self.drop(read, model.recurrent, f"recurrent{i}", f"recurrent_weight{i}")
        note = self.annotation(model.recurrent, f"recurrent{i}", units, wide)
        self.product(f"sum{i}", read, weight, (model.batch, units, wide), gates, note)
        self.cell(i, f"sum{i}")
        shown = self.narrow(f"shown{i}", f"cells{i}#0", state)
        self.emit(f"%next{i} = tensor.insert_slice %{shown} into %all{i}[%t, 0, 0] {[1, *state]} [1, 1, 1]")
        self.emit(f": {self.tensor(state)} into {self.tensor(all_of)}", 6)
        self.emit(f"scf.yield %cells{i}#0, %cells{i}#1, %next{i} : {types}")
        self.emit("}")
        return f"layer{i}#2"

    def logits(self, value: str) -> None:
        """%y: a row for each word."""
        model, units = self.model, self.model.units
        self.comment("The projection to the vocabulary.")
        self.reshape("flat", value, (model.steps, model.batch, units), (self.rows, units))
        self.zeros("scores_start", self.target[1])
        note = self.annotation(model.dropout, "output", units, model.vocabulary)
        if model.tied:
            out, table = self.tensor(self.target[1]), self.tensor((model.vocabulary, units))
            self.emit("%scores = linalg.generic {indexing_maps = [#lhs, #transposed, #product],")
            self.emit('iterator_types = ["parallel", "parallel", "reduction"]' + (", " + note[1:] if note else "}"), 6)
            self.emit(f"ins(%flat, %embedding : {self.tensor((self.rows, units))}, {table}) outs(%scores_start : {out}) {{", 6)
            self.emit(f"^bb0(%a: {self.t}, %b: {self.t}, %s: {self.t}):", 4)
            self.emit(f"%p = arith.mulf %a, %b : {self.t}", 6)
            self.emit(f"%r = arith.addf %s, %p : {self.t}", 6)
            self.emit(f"linalg.yield %r : {self.t}", 6)
            self.emit(f"}} -> {out}")
        else:
            self.product("scores", "flat", "output_weight", (self.rows, units, model.vocabulary), "scores_start", note)
        inputs = [Operand("a", "scores", self.target[1], "matrix", self.t)]
        inputs.append(Operand("b", "output_bias", self.target[1][1:], "columns", self.wide))
        self.empty("y_empty", self.target[1], self.wide)
        out = Operand("out", "y_empty", self.target[1], "matrix", self.wide)
        self.generic("y", inputs, out, ["%s = arith.addf %a, %b"])

    def forward(self) -> None:
        self.constants()
        value = "x"
        for i in range(1, self.model.layers + 1):
            value = self.layer(i, value)
        self.logits(value)

    # Words
    def check(self, name: str) -> None:
        """Words are below the vocabulary's size; negative ones are large."""
        model = self.model
        words = self.tensor((model.steps, model.batch), "i32")
        self.comment(f"Words of {name} that are not in the vocabulary are an error.")
        self.emit(f"%{name}_zero = arith.constant 0 : i32")
        self.emit(f"%{name}_empty = tensor.empty() : tensor<i32>")
        self.emit(f"%{name}_least = linalg.fill ins(%{name}_zero : i32) outs(%{name}_empty : tensor<i32>) -> tensor<i32>")
        self.emit(f"%{name}_most = linalg.reduce {{ arith.maxui }} ins(%{name} : {words}) outs(%{name}_least : tensor<i32>)")
        self.emit("dimensions = [0, 1]", 6)
        self.emit(f"%{name}_largest = tensor.extract %{name}_most[] : tensor<i32>")
        self.emit(f"%{name}_count = arith.constant {model.vocabulary} : i32")
        self.emit(f"%{name}_good = arith.cmpi ult, %{name}_largest, %{name}_count : i32")
        self.emit(f'cf.assert %{name}_good, "expected {name} in [0, {model.vocabulary})"')

    def embed(self) -> None:
        """%x: the embedded words."""
        shape, words = self.x[1], self.tensor((self.model.steps, self.model.batch), "i32")
        table = self.tensor((self.model.vocabulary, self.model.embedding))
        self.comment("The embedded words.")
        self.empty("x_empty", shape)
        self.emit("%x = linalg.generic {indexing_maps = [#words, #sequence],")
        self.emit('iterator_types = ["parallel", "parallel", "parallel"]}', 6)
        self.emit(f"ins(%tokens : {words}) outs(%x_empty : {self.tensor(shape)}) {{", 6)
        self.emit(f"^bb0(%word: i32, %out: {self.t}):", 4)
        self.emit("%row = arith.index_cast %word : i32 to index", 6)
        self.emit("%column = linalg.index 2 : index", 6)
        self.emit(f"%value = tensor.extract %embedding[%row, %column] : {table}", 6)
        self.emit(f"linalg.yield %value : {self.t}", 6)
        self.emit(f"}} -> {self.tensor(shape)}")

    def gradient(self, name: str) -> str:
        """The value of a parameter's gradient before it is clipped."""
        return f"{'d' if self.model.clip is None else 'g'}{name}"

    def scatter(self) -> None:
        """The embedding's gradient: those of embedded words, added up where words are
        equal."""
        model, row = self.model, (self.model.embedding,)
        shape, flat = (model.vocabulary, *row), (self.rows, *row)
        self.comment("The gradient of the embedding: that of each word is added to its row.")
        self.emit("%first = arith.constant 0 : index")
        self.emit("%second = arith.constant 1 : index")
        self.emit(f"%rows = arith.constant {self.rows} : index")
        start = "of_projection"
        if not model.tied:
            self.constant("zero", 0, self.t)
            self.empty("table", shape)
            self.fill("table_zeros", "zero", "table", shape)
            start = "table_zeros"
        self.reshape("dwords", "dx", self.x[1], flat)
        words = self.tensor((model.steps, model.batch), "i32")
        self.emit(f"%order = tensor.collapse_shape %tokens [[0, 1]] : {words} into tensor<{self.rows}xi32>")
        table = self.tensor(shape)
        self.emit(f"%{self.gradient('embedding')} = scf.for %r = %first to %rows step %second iter_args(%sums = %{start}) -> ({table}) {{")
        self.emit(f"%word = tensor.extract %order[%r] : tensor<{self.rows}xi32>")
        self.emit("%place = arith.index_cast %word : i32 to index")
        self.row("old", "sums", "place", shape)
        self.row("more", "dwords", "r", flat)
        self.generic("new", [Operand("a", "more", row, "vector", self.t)], Operand("b", "old", row, "vector", self.t), ["%s = arith.addf %a, %b"])
        self.emit(f"%summed = tensor.insert_slice %new into %sums[%place, 0] {[1, *row]} [1, 1] : {self.tensor(row)} into {table}")
        self.emit(f"scf.yield %summed : {table}")
        self.emit("}")

    def cross_entropy(self) -> None:
        """%loss: the mean over words of log(sum(exp(y - largest))) - (y - largest) of
        the word that came."""
        t, shape, rows = self.wide, self.target[1], self.target[1][:1]
        self.comment("The mean over words of log(sum(exp(y - largest))) - (y - largest) of the word that came.")
        self.totals(Operand("a", "y", shape, "matrix", t), rows)
        words = self.tensor((self.model.steps, self.model.batch), "i32")
        self.emit(f"%labels = tensor.collapse_shape %target [[0, 1]] : {words} into tensor<{rows[0]}xi32>")
        vector = self.tensor(rows, t)
        self.emit("%label = linalg.generic {indexing_maps = [#matrix, #rows, #rows, #rows],")
        self.emit('iterator_types = ["parallel", "reduction"]}', 6)
        self.emit(f"ins(%y, %labels, %largest : {self.tensor(shape, t)}, tensor<{rows[0]}xi32>, {vector})", 6)
        self.emit(f"outs(%zero_rows : {vector}) {{", 6)
        self.emit(f"^bb0(%a: {t}, %word: i32, %m: {t}, %sum: {t}):", 4)
        for line in (
            f"%d = arith.subf %a, %m : {t}",
            "%column = linalg.index 1 : index",
            "%place = arith.index_cast %word : i32 to index",
            "%is = arith.cmpi eq, %column, %place : index",
            f"%p = arith.select %is, %d, %zero : {t}",
            f"%r = arith.addf %sum, %p : {t}",
            f"linalg.yield %r : {t}",
        ):
            self.emit(line, 6)
        self.emit(f"}} -> {vector}")
        self.mean_of_logs(rows)

    # Functions
    def loss_arguments(self) -> list[Named]:
        model = self.model
        tied = [model.parameters()[0]] * model.tied
        return [self.x, ("target", (model.steps, model.batch)), *tied, *model.weights(), *model.carried()]

    def loss_results(self) -> list[Named]:
        return [("loss", ()), *self.model.carried()]

    def gradients(self) -> list[Named]:
        """What the gradient function gives after these."""
        return [self.x, *[self.model.parameters()[0]] * self.model.tied, *self.model.weights()]

    def new_state(self) -> str:
        return ", ".join(f"%layer{i}#{k}" for i in range(1, self.model.layers + 1) for k in (0, 1))

    def loss_function(self) -> str:
        arguments, results = self.loss_arguments(), self.types(self.loss_results())
        self.forward()
        self.cross_entropy()
        self.emit(f"return %loss, {self.new_state()}")
        self.emit(f": {results}", 6)
        names = [name for name, _ in self.gradients()]
        wrt = ", ".join(str(i) for i, (name, _) in enumerate(arguments) if name in names)
        signature = self.signature(arguments, draws=self.draws())
        head = f"func.func @loss{signature}\n" + "\n".join(wrap(f"-> ({results})", 4, "    ")) + "\n"
        marked = wrap(f"attributes {{sparsedrop.differentiate = {{of = [0], wrt = [{wrt}]}}}}", 4, "    ")
        return self.function(head + "\n".join(marked))

    def draws(self) -> bool:
        """Whether draws are written as ops, which read seed and step."""
        dropouts = (self.model.dropout, self.model.recurrent)
        return self.model.per_word and any(dropout and dropout.rate for dropout in dropouts)

    def declaration(self) -> str:
        """What the compiler defines."""
        arguments, results = self.loss_arguments(), [*self.loss_results(), *self.gradients()]
        if not self.draws():
            return self.gradient_declaration(arguments, results)
        inputs = wrap(f"{self.types(arguments)}, i64 {{sparsedrop.seed}}, i64 {{sparsedrop.step}}", 4, "")
        outputs = wrap(f"-> ({self.types(results)})", 4, "    ")
        return "func.func private @loss_grad(\n" + "\n".join(inputs) + ")\n" + "\n".join(outputs) + "\n"

    def call(self, function: str, results: Sequence[Named], names: Sequence[str]) -> None:
        """A call with the arguments of the loss."""
        arguments, types = [f"%{name}" for name, _ in self.loss_arguments()], self.types(self.loss_arguments())
        if self.draws():
            arguments, types = [*arguments, "%seed", "%step"], f"{types}, i64, i64"
        self.emit(", ".join(f"%{name}" for name in names))
        self.emit(f"= call @{function}({', '.join(arguments)})", 6)
        self.emit(f": ({types})", 6)
        self.emit(f"-> ({self.types(results)})", 6)

    def predict_function(self) -> str:
        model, results = self.model, self.loss_results()
        self.check("tokens")
        self.check("target")
        self.embed()
        names = ["loss", *(f"new_{name}" for name, _ in model.carried())]
        self.call("loss", results, names)
        self.emit("return " + ", ".join(f"%{name}" for name in names))
        self.emit(f": {self.types(results)}", 6)
        arguments = [*model.words(), *model.parameters(), *model.carried()]
        signature = self.signature(arguments, model.carried(), self.draws())
        head = f"func.func @predict{signature}\n"
        return self.function(head + "\n".join(wrap(f"-> ({self.types(results)})", 4, "    ")))

    def clip(self) -> None:
        """%d...: the gradients, with a norm of at most ``clip`` all together."""
        model, t = self.model, self.wide
        self.comment("Gradients of a norm above the largest are scaled down to it.")
        self.constant("nothing_yet", 0)
        self.empty("square_empty", (), t)
        self.fill("square_start", "nothing_yet", "square_empty", (), t)
        total = "square_start"
        for name, shape in model.parameters():
            gradient = Operand("g", self.gradient(name), shape, "matrix" if len(shape) == 2 else "vector", model.type_of(name))
            out = Operand("s", total, (), "all" if len(shape) == 2 else "sum", t)
            total = f"square_{name}"
            self.generic(total, [gradient], out, ["%q = arith.mulf %g, %g", "%r = arith.addf %s, %q"])
        self.emit(f"%square = tensor.extract %{total}[] : {self.tensor((), t)}")
        self.constant("largest_norm", model.clip)
        self.constant("whole", 1)
        self.emit(f"%norm = math.sqrt %square : {t}")
        self.emit(f"%above = arith.maximumf %norm, %largest_norm : {t}")
        self.emit(f"%part = arith.divf %largest_norm, %above : {t}")
        for name, shape in model.parameters():
            same, type = "matrix" if len(shape) == 2 else "vector", model.type_of(name)
            self.empty(f"d{name}_empty", shape, type)
            out = Operand("out", f"d{name}_empty", shape, same, type)
            self.generic(f"d{name}", [Operand("g", self.gradient(name), shape, same, type)], out, ["%r = arith.mulf %g, %part"])

    def step_function(self) -> str:
        model = self.model
        results = [("loss", ()), *model.updated()]
        self.check("tokens")
        self.check("target")
        self.embed()
        self.comment("The loss, the new state, the gradients.")
        carried = [f"new_{name}" for name, _ in model.carried()]
        known = {"embedding": "of_projection", "x": "dx"}
        gradients = [known.get(name) or self.gradient(name) for name, _ in self.gradients()]
        self.call("loss_grad", [*self.loss_results(), *self.gradients()], ["loss", *carried, *gradients])
        self.scatter()
        if model.clip is not None:
            self.clip()
        self.comment("Updates in place.")
        self.update_constants()
        new = [self.update(name, shape) for name, shape in model.parameters()]
        updated = [values[k] for k in range(len(new[0])) for values in new]
        self.emit("return " + ", ".join(f"%{name}" for name in ["loss", *updated, *carried]))
        self.emit(f": {self.types(results)}", 6)
        signature = self.signature(model.arguments, model.updated(), self.draws())
        return self.function(f"func.func @step{signature}\n" + "\n".join(wrap(f"-> ({self.types(results)})", 4, "    ")))

    def module(self) -> str:
        model = self.model
        functions = [self.loss_function(), self.declaration(), self.predict_function(), self.step_function()]
        return self.assemble(f"A language model of {model.layers} LSTMs of {model.units}: {model.optimizer}.", functions)
