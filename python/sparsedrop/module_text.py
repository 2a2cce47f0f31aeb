"""Text of MLIR modules: what models are written with."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import Sequence, Tuple, Union

WIDE = {"f32": "f32", "f64": "f64", "bf16": "f32", "f16": "f32"}
"""Element types, and the types that values of theirs are computed in."""

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
    "lhs": "(i, j, k) -> (i, k)",
    "transposed": "(i, j, k) -> (j, k)",
    "product": "(i, j, k) -> (i, j)",
    "words": "(t, b, e) -> (t, b)",
    "sequence": "(t, b, e) -> (t, b, e)",
    "weight": "(a, b, c, d) -> (a, b, c, d)",
    "nhwc": "(n, h, w, c) -> (n, h, w, c)",
    "nhwc_c": "(n, h, w, c) -> (c)",
    "nhwc_nc": "(n, h, w, c) -> (n, c)",
    "nhwc_windows": "(n, h, i, w, j, c) -> (n, h, i, w, j, c)",
    "nhwc_pooled": "(n, h, i, w, j, c) -> (n, h, w, c)",
    "nchw": "(n, c, h, w) -> (n, c, h, w)",
    "nchw_c": "(n, c, h, w) -> (c)",
    "nchw_nc": "(n, c, h, w) -> (n, c)",
    "nchw_windows": "(n, c, h, i, w, j) -> (n, c, h, i, w, j)",
    "nchw_pooled": "(n, c, h, i, w, j) -> (n, c, h, w)",
}
"""Indexing maps, by the name of their alias. A structured op's iterators follow
from the map of its result: loops that it leaves out are reductions."""

def iterators(text: str) -> tuple[str, ...]:
    """Those of a result with this map."""
    loops, results = (re.findall(r"\w+", part) for part in text.split("->"))
    return tuple("parallel" if loop in results else "reduction" for loop in loops)


ITERATORS = {name: iterators(text) for name, text in MAPS.items()}

@dataclass(frozen=True)
class Operand:
    """Of a structured op: name in the body, value, shape, indexing map, element type."""

    name: str
    value: str
    shape: tuple[int, ...]
    map: str
    type: str


class ModuleWriter:
    """Writes functions line by line. Tensors are of the element type ``t``; bodies
    compute in ``wide``, which is f32 for a ``t`` of 16 bits."""

    def __init__(self, t: str):
        self.t, self.wide = t, WIDE[t]
        self.is_narrow = self.t != self.wide
        self.lines: list[str] = []

    # Text
    def emit(self, line: str, indent: int = 2, hanging: str = "    ") -> None:
        """Adds a line of a function, wrapped if it is long."""
        self.lines += wrap(line, indent, hanging)

    def comment(self, text: str) -> None:
        """Starts a paragraph of a function."""
        if self.lines:
            self.lines.append("")
        self.emit(f"// {text}", hanging="// ")

    def tensor(self, shape: Shape, t: str | None = None) -> str:
        return "tensor<" + "".join(f"{n}x" for n in shape) + f"{t or self.t}>"

    # Ops
    def constant(self, name: str, value: float, t: str | None = None) -> None:
        """A number of type ``t``, by default what bodies compute in."""
        self.emit(f"%{name} = arith.constant {number(value)} : {t or self.wide}")

    def empty(self, name: str, shape: Sequence[int], t: str | None = None) -> None:
        self.emit(f"%{name} = tensor.empty() : {self.tensor(shape, t)}")

    def fill(self, name: str, value: str, empty: str, shape: Sequence[int], t: str | None = None) -> None:
        result = self.tensor(shape, t)
        self.emit(f"%{name} = linalg.fill ins(%{value} : {t or self.t}) outs(%{empty} : {result}) -> {result}")

    def generic(self, name: str, inputs: Sequence[Operand], out: Operand, body: Sequence[str]) -> None:
        """A structured op; lines of the body lack their type, the last value is
        the result, or the first operand where there are no lines. What is read in
        16 bits is extended first, a result of 16 bits is rounded once."""
        last = body[-1].split(" ")[0] if body else f"%{[*inputs, out][0].name}"
        self.structured(name, inputs, [out], body, [last])

    def structured(
        self, name: str, inputs: Sequence[Operand], outs: Sequence[Operand], body: Sequence[str], results: Sequence[str]
    ) -> None:
        """As ``generic``, with values of the body for any number of results:
        ``name#0`` is the first of several."""
        operands = [*inputs, *outs]
        maps = ", ".join(f"#{o.map}" for o in operands)
        iterators = ", ".join(f'"{kind}"' for kind in ITERATORS[outs[0].map])
        values, types = self.listed(inputs)
        inits, made = self.listed(outs)
        self.emit(f"%{name}{f':{len(outs)}' if len(outs) > 1 else ''} = linalg.generic")
        self.emit(f"{{indexing_maps = [{maps}], iterator_types = [{iterators}]}}", 6)
        self.emit(f"ins({values} : {types})", 6)
        self.emit(f"outs({inits} : {made}) {{", 6)
        self.emit("^bb0(" + ", ".join(f"{self.argument(o)}: {o.type}" for o in operands) + "):", 4)
        self.body(operands, body, results)
        self.emit(f"}} -> {made}" if len(outs) == 1 else f"}} -> ({made})")

    def listed(self, operands: Sequence[Operand]) -> tuple[str, str]:
        """Values and types of operands."""
        types = ", ".join(self.tensor(o.shape, o.type) for o in operands)
        return ", ".join(f"%{o.value}" for o in operands), types

    def argument(self, operand: Operand) -> str:
        """Of a body: the operand's own name is that of the extended value."""
        return f"%{operand.name}" if operand.type == self.wide else f"%{operand.name}_16"

    def body(self, operands: Sequence[Operand], lines: Sequence[str], results: Sequence[str]) -> None:
        """The lines of a body, with conversions and types; the last operands are the
        results'."""
        read = re.findall(r"%\w+", " ".join([*lines, *results]))
        for o in operands:
            if o.type != self.wide and f"%{o.name}" in read:
                self.emit(f"%{o.name} = arith.extf {self.argument(o)} : {o.type} to {self.wide}", 6)
        for line in lines:
            self.emit(f"{line} : {self.wide}", 6)
        yielded = []
        types = [o.type for o in operands[len(operands) - len(results) :]]
        for value, type in zip(results, types):
            if type != self.wide:
                self.emit(f"{value}_16 = arith.truncf {value} : {self.wide} to {type}", 6)
                value += "_16"
            yielded.append(value)
        self.emit(f"linalg.yield {', '.join(yielded)} : {', '.join(types)}", 6)
