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
        operands = [*inputs, out]
        maps = ", ".join(f"#{o.map}" for o in operands)
        iterators = ", ".join(f'"{kind}"' for kind in ITERATORS[out.map])
        values = ", ".join(f"%{o.value}" for o in inputs)
        types = ", ".join(self.tensor(o.shape, o.type) for o in inputs)
        result = self.tensor(out.shape, out.type)
        self.emit(f"%{name} = linalg.generic")
        self.emit(f"{{indexing_maps = [{maps}], iterator_types = [{iterators}]}}", 6)
        self.emit(f"ins({values} : {types})", 6)
        self.emit(f"outs(%{out.value} : {result}) {{", 6)
        self.emit("^bb0(" + ", ".join(f"{self.argument(o)}: {o.type}" for o in operands) + "):", 4)
        self.body(operands, body)
        self.emit(f"}} -> {result}")

    def argument(self, operand: Operand) -> str:
        """Of a body: the operand's own name is that of the extended value."""
        return f"%{operand.name}" if operand.type == self.wide else f"%{operand.name}_16"

    def body(self, operands: Sequence[Operand], lines: Sequence[str]) -> None:
        """The lines of a body, with conversions and types; the last operand is the
        result's."""
        last = lines[-1].split(" ")[0] if lines else f"%{operands[0].name}"
        read = re.findall(r"%\w+", " ".join([*lines, last]))
        for o in operands:
            if o.type != self.wide and f"%{o.name}" in read:
                self.emit(f"%{o.name} = arith.extf {self.argument(o)} : {o.type} to {self.wide}", 6)
        for line in lines:
            self.emit(f"{line} : {self.wide}", 6)
        result = operands[-1].type
        if result != self.wide:
            self.emit(f"{last}_16 = arith.truncf {last} : {self.wide} to {result}", 6)
            last += "_16"
        self.emit(f"linalg.yield {last} : {result}", 6)
