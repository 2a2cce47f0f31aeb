"""Compiling MLIR and calling what came out."""

from __future__ import annotations

import ctypes
import json
import os
import weakref
from ctypes import byref, c_double, c_int64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from ._arrays import Slot, from_c, to_c
from ._library import (
    SEVERITIES,
    CArray,
    CCompileOptions,
    CSlot,
    Diagnostic,
    DiagnosticCallback,
    Error,
    TextCallback,
    library,
)

MODES = ("compact", "masked", "bernoulli", "dense")


@dataclass(frozen=True)
class Costs:
    """What a call took: ``seconds`` in the compiled code, and the most bytes of
    temporaries and results at once."""

    seconds: float
    peak_bytes: int


class _Text:
    """Collects what the library prints."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.callback = TextCallback(lambda text, length, _: self.pieces.append(ctypes.string_at(text, length)))

    def __str__(self) -> str:
        return b"".join(self.pieces).decode()


class _Context:
    """A context of the compiler that keeps its diagnostics."""

    def __init__(self, remarks: bool = False):
        self.diagnostics: list[Diagnostic] = []
        # The library calls it, so it must live as long as the context.
        self.callback = DiagnosticCallback(self._note)
        self.handle = library().context_create()
        library().context_set_callback(self.handle, self.callback, None)
        if remarks and library().context_enable_remarks(self.handle, b"sparsedrop.*"):
            raise self.error()

    def _note(self, diagnostic, _user) -> None:
        d = diagnostic.contents
        self.diagnostics.append(
            Diagnostic(
                SEVERITIES[d.severity],
                (d.file or b"").decode(errors="replace"),
                d.line,
                d.column,
                (d.message or b"").decode(errors="replace"),
            )
        )

    def error(self) -> Error:
        return library().error(self.diagnostics)

    def parse(self, source: str | bytes | os.PathLike) -> int:
        """A module from text, bytecode or a file."""
        if isinstance(source, bytes) or (isinstance(source, str) and ("\n" in source or "{" in source)):
            text = source if isinstance(source, bytes) else source.encode()
            module = library().module_parse(self.handle, text, len(text), b"<string>")
        else:
            module = library().module_load(self.handle, os.fsencode(source))
        if not module:
            raise self.error()
        return module

    def __enter__(self) -> _Context:
        return self

    def __exit__(self, *_) -> None:
        library().context_set_callback(self.handle, DiagnosticCallback(), None)
        library().context_destroy(self.handle)


class Function:
    """A function compiled for a target in one mode. Made by ``compile``.

    ``inputs`` and ``results`` tell types and shapes, ``remarks`` what was
    compacted and what was not (when asked for), ``costs`` what the last call took.
    May be called from several threads at once.
    """

    def __init__(self, handle: int, mode: str, remarks: Sequence[Diagnostic]):
        lib = library()
        self._handle = handle
        weakref.finalize(self, lib.executable_destroy, handle)
        self.name: str = lib.executable_name(handle).decode()
        self.mode = mode
        self.remarks = tuple(remarks)
        self.inputs = self._read_slots(lib.executable_input_count, lib.executable_input)
        self.results = self._read_slots(lib.executable_result_count, lib.executable_result)
        self.costs = Costs(0.0, 0)

    def _read_slots(self, count, get) -> tuple[Slot, ...]:
        slots = []
        for i in range(count(self._handle)):
            slot = CSlot()
            if get(self._handle, i, byref(slot)):
                raise library().error()
            slots.append(Slot.read(slot))
        return tuple(slots)

    def __repr__(self) -> str:
        inputs = ", ".join(map(str, self.inputs))
        results = ", ".join(map(str, self.results))
        return f"<sparsedrop function {self.name}({inputs}) -> ({results}), {self.mode}>"

    def __call__(self, *arrays: Any, seed: int = 0, step: int = 0) -> Any:
        """Calls the function on NumPy arrays, anything with ``__dlpack__`` in the
        CPU's memory, or numbers.

        ``seed`` and ``step`` choose the dropout patterns. Returns the result, or
        a tuple of several. An input that the program donates
        (``sparsedrop.donate``) is updated in place, and the result that it ends
        in is the very object that was passed. Arrays must have the exact type
        and shape; others raise ``Error`` before anything is written.
        """
        if len(arrays) != len(self.inputs):
            raise Error(f"{self.name}: expected {len(self.inputs)} arrays, but got {len(arrays)}")
        inputs, results = (CArray * len(arrays))(), (CArray * len(self.results))()
        keep = []
        for i, (value, slot) in enumerate(zip(arrays, self.inputs)):
            inputs[i], alive = to_c(value, slot, f"{self.name}: input {i}")
            keep.append(alive)
        lib = library()
        if lib.executable_call(
            self._handle, inputs, len(inputs), _as_int64(seed), _as_int64(step), results, len(results)
        ):
            raise lib.error()
        seconds, peak = c_double(), c_int64()
        lib.last_call_costs(byref(seconds), byref(peak))
        self.costs = Costs(seconds.value, peak.value)
        outputs = tuple(
            arrays[slot.donation] if slot.donation is not None else from_c(results[i], slot)
            for i, slot in enumerate(self.results)
        )
        return outputs[0] if len(outputs) == 1 else outputs

    def count(self, *arrays: Any, seed: int = 0, step: int = 0) -> dict:
        """Calls the function, which must be compiled with ``instrument``, and
        tells what each product of the call cost (see ``report``)."""
        library().reset_counts()
        self(*arrays, seed=seed, step=step)
        text = _Text()
        if library().executable_report(self._handle, _as_int64(seed), _as_int64(step), text.callback, None):
            raise library().error()
        return json.loads(str(text))


def _as_int64(value: int) -> int:
    """Seeds and steps are 64 bits; unsigned ones are taken as they are."""
    value = int(value)
    if not -(2**63) <= value < 2**64:
        raise Error(f"expected a seed or step of 64 bits, but got {value}")
    return value - 2**64 if value >= 2**63 else value


def _make_options(entry, target, mode, method, periods, instrument) -> CCompileOptions:
    options = CCompileOptions(size=ctypes.sizeof(CCompileOptions))
    options.target, options.mode, options.method = target.encode(), mode.encode(), method.encode()
    options.entry = entry.encode() if entry else None
    if periods is not None:
        options.periods = (c_int64 * len(periods))(*periods)
        options.periodCount = len(periods)
    options.instrument = int(instrument)
    return options


def compile(
    source: str | bytes | os.PathLike,
    *,
    entry: str | None = None,
    target: str = "cpu",
    mode: str = "compact",
    method: str = "sgd",
    periods: Sequence[int] | None = None,
    remarks: bool = False,
    instrument: bool = False,
) -> Function:
    """Compiles a function of an MLIR module.

    ``source`` is MLIR text (anything with a line break or a brace), bytecode, or
    a path. ``entry`` names the function; the only public one without it. ``mode``
    is compact, masked, bernoulli or dense. ``method`` (sgd or maxent) and
    ``periods`` (candidate periods, ascending) govern the search of distributions.
    ``remarks`` collects what was compacted and what was not in ``remarks`` of the
    result. Raises ``Error`` with the compiler's messages.
    """
    with _Context(remarks) as context:
        module = context.parse(source)
        options = _make_options(entry, target, mode, method, periods, instrument)
        handle = library().compile(module, byref(options))
        library().module_destroy(module)
        if not handle:
            raise context.error()
        return Function(handle, mode, [d for d in context.diagnostics if d.severity == "remark"])


def opt(source: str | bytes | os.PathLike, pipeline: str) -> str:
    """Runs passes and returns the module's text: what ``sparsedrop-opt`` does.
    ``pipeline`` is in MLIR's form: ``builtin.module(sparsedrop-pipeline)``."""
    text = _Text()
    with _Context() as context:
        module = context.parse(source)
        failed = library().module_run(module, pipeline.encode()) or library().module_print(
            module, 0, text.callback, None
        )
        library().module_destroy(module)
        if failed:
            raise context.error()
    return str(text)


def report(
    source: str | bytes | os.PathLike,
    *arrays: Any,
    entry: str | None = None,
    target: str = "cpu",
    mode: str = "compact",
    seed: int = 0,
    step: int = 0,
) -> dict:
    """Calls a function once, on copies of what it would update, and tells what
    each product cost: the dictionary that ``sparsedrop-run --report=json``
    prints."""
    function = compile(source, entry=entry, target=target, mode=mode, instrument=True)
    copies = [
        np.array(value) if slot.donation is not None else value for value, slot in zip(arrays, function.inputs)
    ]
    return function.count(*copies, *arrays[len(copies) :], seed=seed, step=step)
