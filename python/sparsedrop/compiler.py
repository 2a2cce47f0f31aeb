"""Compiling MLIR and calling what came out."""

from __future__ import annotations

import ctypes
import json
import os
import weakref
from ctypes import byref, c_char_p, c_double, c_int64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from . import _device_calls
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
from .device import KINDS, Device, DeviceArray
from .graph import Graph

MODES = ("compact", "masked", "bernoulli", "dense")


@dataclass(frozen=True)
class Costs:
    """What a call took: ``seconds`` in the compiled code, and the most bytes of
    temporaries and results at once. Of a call on a device: until it returned,
    which is before the device is done, and of the host (``Device.memory``)."""

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

    def __init__(
        self, handle: int, mode: str, remarks: Sequence[Diagnostic], target: str = "cpu", device: Device | None = None
    ):
        lib = library()
        self.target = target
        self._device = device
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
        return f"<sparsedrop function {self.name}({inputs}) -> ({results}), {self.mode}, {self.target}>"

    @property
    def device(self) -> Device | None:
        """Where it runs; None for the host. Opens the device."""
        if self._device is None and self.target != "cpu":
            self._device = Device(self.target)
        return self._device

    def __call__(self, *arrays: Any, seed: int = 0, step: int = 0, stream: int | None = None) -> Any:
        """Calls the function on NumPy arrays, anything with ``__dlpack__`` in the
        CPU's memory, or numbers; on a GPU on anything with ``__dlpack__`` or
        ``__cuda_array_interface__`` there; on the interpreter on
        ``Device.array``'s, or on the host's, which are copied.

        ``seed`` and ``step`` choose the dropout patterns. Returns the result, or
        a tuple of several. An input that the program donates
        (``sparsedrop.donate``) is updated in place, and the result that it ends
        in is the very object that was passed. Arrays must have the exact type
        and shape; others raise ``Error`` before anything is written.

        On a GPU the call returns before the device is done. Its work is on
        ``stream`` (the number of a CUstream); without it on PyTorch's current
        one if a tensor of PyTorch's is among the arrays, else on the one that
        the first array with a CUDA array interface names, else on CUDA's default
        one. Results are ``DeviceArray``; an array of the host is a ``TypeError``.
        """
        self._check_count(arrays)
        results = (CArray * len(self.results))()
        if self.target != "cpu":
            return self._finish(arrays, results, *self._call_on(arrays, seed, step, stream, results))
        if stream is not None:
            raise Error(f"{self.name}: was compiled for the host, which has no streams")
        inputs = (CArray * len(arrays))()
        keep = []
        for i, (value, slot) in enumerate(zip(arrays, self.inputs)):
            inputs[i], alive = to_c(value, slot, f"{self.name}: input {i}")
            keep.append(alive)
        lib = library()
        if lib.executable_call(
            self._handle, inputs, len(inputs), _as_int64(seed), _as_int64(step), results, len(results)
        ):
            raise lib.error()
        return self._finish(arrays, results)

    def capture(self, *arrays: Any, seed: int = 0, step: int = 0) -> Graph:
        """Records a call on a device instead of making it: ``graph.launch()``
        does all of its work again, for as many steps as share one pattern.

        Fixed are ``seed`` and ``step``, and so the patterns, numbers, sizes, and
        the arrays, which must be on the device; what is in them is read by each
        launch. Nothing else may wait for the device meanwhile. Raises ``Error``
        as a call does, and for a function whose host part needs a value that is
        computed on the device. An array of the host is a ``TypeError``.
        """
        self._check_count(arrays)
        if self.target == "cpu":
            raise Error(f"{self.name}: was compiled for the host, where there are no graphs")
        _device_calls.refuse_host_in_graph(arrays, self.inputs, self.name)
        number = _device_calls.choose_stream(arrays, None, self.device, self.name)
        inputs = _device_calls.Inputs(self.device, number, self.name)
        converted = inputs.read(arrays, self.inputs)
        results = (CArray * len(self.results))()
        lib = library()
        sizes = len(converted), _as_int64(seed), _as_int64(step)
        handle = lib.executable_capture(self._handle, self.device.handle, converted, *sizes, results, len(results))
        if not handle:
            raise lib.error()
        return Graph(self, handle, inputs, arrays, results)

    def _check_count(self, arrays) -> None:
        if len(arrays) != len(self.inputs):
            raise Error(f"{self.name}: expected {len(self.inputs)} arrays, but got {len(arrays)}")

    def _call_on(self, arrays, seed: int, step: int, stream, results) -> tuple[Device, int | None]:
        """Calls it on its device; that and the stream."""
        _device_calls.refuse_host(arrays, self.inputs, self.target, self.name)
        device = self.device
        number = _device_calls.choose_stream(arrays, stream, device, self.name)
        inputs = _device_calls.Inputs(device, number, self.name)
        converted = inputs.read(arrays, self.inputs)
        lib = library()
        handle, on = device.handle, device.stream(number)
        sizes = len(converted), _as_int64(seed), _as_int64(step)
        if lib.executable_call_on(self._handle, handle, on, converted, *sizes, results, len(results)):
            raise lib.error()
        _device_calls.note_donations(arrays, self.inputs, number)
        inputs.copy_back()
        return device, number

    def _finish(self, arrays, results, device: Device | None = None, stream: int | None = None) -> Any:
        """What a call returns."""
        seconds, peak = c_double(), c_int64()
        library().last_call_costs(byref(seconds), byref(peak))
        self.costs = Costs(seconds.value, peak.value)

        def read(slot: Slot, result: CArray) -> Any:
            if slot.donation is not None:
                return arrays[slot.donation]
            return DeviceArray(device, result, stream) if result.onDevice else from_c(result, slot)

        outputs = tuple(map(read, self.results, results))
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


def _make_options(entry, chip, tf32, kernel_table, mode, method, periods, exclude, instrument) -> CCompileOptions:
    options = CCompileOptions(size=ctypes.sizeof(CCompileOptions))
    options.mode, options.method = mode.encode(), method.encode()
    options.chip, options.tf32 = chip.encode() if chip else None, int(tf32)
    options.kernelTable = os.fsencode(kernel_table) if kernel_table else None
    options.entry = entry.encode() if entry else None
    if periods is not None:
        options.periods = (c_int64 * len(periods))(*periods)
        options.periodCount = len(periods)
    options.exclude = (c_char_p * len(exclude))(*(site.encode() for site in exclude))
    options.excludeCount = len(exclude)
    options.instrument = int(instrument)
    return options


def _choose_target(
    target: str | Device, chip: str | None, tf32: bool, kernel_table
) -> tuple[str, Device | None, str | None]:
    """The kind of device, the device if it is needed already, and the chip."""
    device = target if isinstance(target, Device) else None
    kind = device.kind if device else target
    if kind == "cpu":
        if chip or tf32 or kernel_table:
            raise Error("chip, tf32 and kernel_table belong to the targets cuda and interp, but the target is cpu")
        return kind, None, None
    if kind not in KINDS:
        raise Error(f"expected target to be cpu, cuda, interp or a Device, but got {target!r}")
    if not chip:
        device = device or Device(kind)
        chip = device.describe().chip
    return kind, device, chip


def compile(
    source: str | bytes | os.PathLike,
    *,
    entry: str | None = None,
    target: str | Device = "cpu",
    chip: str | None = None,
    tf32: bool = False,
    kernel_table: str | os.PathLike | None = None,
    mode: str = "compact",
    method: str = "sgd",
    periods: Sequence[int] | None = None,
    exclude: Sequence[str] = (),
    remarks: bool = False,
    instrument: bool = False,
) -> Function:
    """Compiles a function of an MLIR module.

    ``source`` is MLIR text (anything with a line break or a brace), bytecode, or
    a path. ``entry`` names the function; the only public one without it.
    ``target`` is cpu, cuda (a GPU), interp (the interpreter of PTX that stands in
    for one) or a ``Device``; ``chip`` is the GPU to compile for, the device's own
    without it (``sm_80``, ``sm_90a``: then none is needed to compile). ``tf32``
    lets products of f32 round their factors to tf32 on a GPU. ``kernel_table`` is a
    file of measured kernels, which ``sparsedrop-tune`` writes. ``mode`` is compact,
    masked, bernoulli or dense. ``method`` (sgd or maxent) and ``periods`` (candidate
    periods, ascending) govern the search of distributions. Nothing is dropped at the
    sites in ``exclude``.
    ``remarks`` collects what was compacted and what was not in ``remarks`` of the
    result. Raises ``Error`` with the compiler's messages.
    """
    kind, device, chip = _choose_target(target, chip, tf32, kernel_table)
    with _Context(remarks) as context:
        module = context.parse(source)
        options = _make_options(entry, chip, tf32, kernel_table, mode, method, periods, exclude, instrument)
        handle = library().compile(module, byref(options))
        library().module_destroy(module)
        if not handle:
            raise context.error()
        found = [d for d in context.diagnostics if d.severity == "remark"]
        return Function(handle, mode, found, kind, device)


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
    prints. ``target`` is cpu or interp."""
    function = compile(source, entry=entry, target=target, mode=mode, instrument=True)
    copies = [
        np.array(value) if slot.donation is not None else value for value, slot in zip(arrays, function.inputs)
    ]
    return function.count(*copies, *arrays[len(copies) :], seed=seed, step=step)
