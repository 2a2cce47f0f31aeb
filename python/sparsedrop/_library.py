"""The shared library behind the package: where it is, what it exports, errors."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

COMPILER_VERSION = 2
RUNTIME_VERSION = 1
DEVICE_VERSION = 1
DYNAMIC = -(2**63)
SEVERITIES = ("note", "warning", "error", "remark")


@dataclass(frozen=True)
class Diagnostic:
    """One message of the compiler. ``severity`` is note, warning, error or
    remark; ``file`` is empty where the place is not known."""

    severity: str
    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}: " if self.file else ""
        return f"{place}{self.severity}: {self.message}"


class Error(Exception):
    """What the compiler, the runtime library or a check of arguments refused.

    ``diagnostics`` holds the compiler's messages, with their places.
    """

    def __init__(self, message: str, diagnostics: list[Diagnostic] | None = None):
        super().__init__(message)
        self.diagnostics = diagnostics or []


class CDiagnostic(ctypes.Structure):
    _fields_ = [
        ("severity", c_int32),
        ("file", c_char_p),
        ("line", c_int32),
        ("column", c_int32),
        ("message", c_char_p),
    ]


class CArray(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("type", c_int32),
        ("rank", c_int32),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("readOnly", c_int32),
        ("onDevice", c_int32),
        ("owner", c_void_p),
    ]


class CSlot(ctypes.Structure):
    _fields_ = [
        ("type", c_int32),
        ("rank", c_int32),
        ("shape", POINTER(c_int64)),
        ("isTensor", c_int32),
        ("donation", c_int64),
    ]


class CCompileOptions(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t),
        ("target", c_char_p),
        ("entry", c_char_p),
        ("mode", c_char_p),
        ("method", c_char_p),
        ("periods", POINTER(c_int64)),
        ("periodCount", c_int64),
        ("instrument", c_int32),
        ("chip", c_char_p),
        ("tf32", c_int32),
        ("kernelTable", c_char_p),
        ("exclude", POINTER(c_char_p)),
        ("excludeCount", c_int64),
    ]


class CSchedule(ctypes.Structure):
    _fields_ = [("rate", c_double), ("warmup", c_int64), ("ramp", c_int64), ("refresh", c_int64)]


class CLayer(ctypes.Structure):
    _fields_ = [("sensitivity", POINTER(ctypes.c_float)), ("channels", c_int64), ("flops", c_double)]


class CDeviceInfo(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char * 128),
        ("arch", c_int32),
        ("processors", c_int32),
        ("maxThreads", c_int32),
        ("maxShared", c_int32),
        ("hasClusters", c_int32),
        ("isInterpreter", c_int32),
        ("memoryBytes", c_uint64),
    ]


class CStatistics(ctypes.Structure):
    _fields_ = [
        ("launches", c_uint64),
        ("copies", c_uint64),
        ("uploads", c_uint64),
        ("synchronizations", c_uint64),
        ("allocations", c_uint64),
        ("bytesInUse", c_uint64),
        ("bytesPeak", c_uint64),
    ]


DiagnosticCallback = ctypes.CFUNCTYPE(None, POINTER(CDiagnostic), c_void_p)
TextCallback = ctypes.CFUNCTYPE(None, c_void_p, c_size_t, c_void_p)

# Name: (result, arguments), as in sparsedrop-c/Compiler.h, Runtime.h, Device.h and
# Program.h.
_SIGNATURES: dict[str, tuple] = {
    "compiler_version": (c_int32, []),
    "compiler_version_text": (c_char_p, []),
    "context_create": (c_void_p, []),
    "context_destroy": (None, [c_void_p]),
    "context_set_callback": (None, [c_void_p, DiagnosticCallback, c_void_p]),
    "context_enable_remarks": (c_int32, [c_void_p, c_char_p]),
    "module_parse": (c_void_p, [c_void_p, c_char_p, c_size_t, c_char_p]),
    "module_load": (c_void_p, [c_void_p, c_char_p]),
    "module_destroy": (None, [c_void_p]),
    "module_run": (c_int32, [c_void_p, c_char_p]),
    "module_print": (c_int32, [c_void_p, c_int32, TextCallback, c_void_p]),
    "array_release": (None, [POINTER(CArray)]),
    "compile": (c_void_p, [c_void_p, POINTER(CCompileOptions)]),
    "executable_destroy": (None, [c_void_p]),
    "executable_name": (c_char_p, [c_void_p]),
    "executable_input_count": (c_int64, [c_void_p]),
    "executable_result_count": (c_int64, [c_void_p]),
    "executable_input": (c_int32, [c_void_p, c_int64, POINTER(CSlot)]),
    "executable_result": (c_int32, [c_void_p, c_int64, POINTER(CSlot)]),
    "executable_call": (
        c_int32,
        [c_void_p, POINTER(CArray), c_int64, c_int64, c_int64, POINTER(CArray), c_int64],
    ),
    "executable_call_on": (
        c_int32,
        [c_void_p, c_void_p, c_void_p, POINTER(CArray), c_int64, c_int64, c_int64, POINTER(CArray), c_int64],
    ),
    "executable_capture": (
        c_void_p,
        [c_void_p, c_void_p, POINTER(CArray), c_int64, c_int64, c_int64, POINTER(CArray), c_int64],
    ),
    "captured_launch": (c_int32, [c_void_p, c_void_p]),
    "captured_destroy": (None, [c_void_p]),
    "array_upload": (c_int32, [c_void_p, c_void_p, POINTER(CArray), POINTER(CArray)]),
    "array_download": (c_int32, [c_void_p, c_void_p, POINTER(CArray), POINTER(CArray)]),
    "array_to_dlpack": (c_void_p, [POINTER(CArray), c_int32, c_int32, c_int32]),
    "device_version": (c_int32, []),
    "device_open": (c_void_p, [c_char_p, c_int32]),
    "device_describe": (c_int32, [c_void_p, POINTER(CDeviceInfo)]),
    "device_synchronize": (c_int32, [c_void_p]),
    "stream_wrap": (c_void_p, [c_void_p, c_void_p]),
    "stream_wait": (c_int32, [c_void_p, c_void_p, c_void_p]),
    "event_create": (c_void_p, [c_void_p]),
    "event_destroy": (None, [c_void_p]),
    "event_record": (c_int32, [c_void_p, c_void_p]),
    "program_trim": (None, [c_void_p]),
    "program_statistics_of": (None, [c_void_p, POINTER(CStatistics)]),
    "program_statistics_reset": (None, [c_void_p]),
    "last_call_costs": (None, [POINTER(c_double), POINTER(c_int64)]),
    "executable_report": (c_int32, [c_void_p, c_int64, c_int64, TextCallback, c_void_p]),
    "runtime_version": (c_int32, []),
    "last_error": (c_char_p, []),
    "enter": (None, []),
    "leave": (c_int32, []),
    "site_hash": (c_uint64, [c_char_p, c_size_t]),
    "site_hash_index": (c_uint64, [c_uint64, c_int64]),
    "round_distribution": (c_int32, [POINTER(c_double), c_int64, POINTER(c_int32)]),
    "draw": (c_int64, [c_int64, c_int64, c_uint64, POINTER(c_int32), c_int64, c_int64]),
    "check_pattern": (c_int64, [c_int64, c_int64, c_int64]),
    "sample_channels": (
        c_int64,
        [c_int64, c_int64, c_uint64, POINTER(ctypes.c_float), c_int64, c_int64, c_int64, c_int64, c_double, POINTER(c_int64)],
    ),
    "channel_count": (c_int64, [c_double, c_int64, c_int64]),
    "scheduled_rate": (c_int32, [POINTER(CSchedule), c_int64, POINTER(c_double)]),
    "layer_rates": (c_int32, [POINTER(CLayer), c_int64, c_double, c_double, POINTER(c_double)]),
    "row_kept_indices": (c_int64, [c_int64, c_int64, c_int64, c_int64, POINTER(c_int64)]),
    "tile_mask": (None, [c_int64] * 4 + [c_int32, c_int64, c_int64, POINTER(ctypes.c_uint8)]),
    "search_sgd_among": (c_int32, [c_double, POINTER(c_int64), c_int64, POINTER(c_double), POINTER(c_int64)]),
    "search_maxent_among": (c_int32, [c_double, POINTER(c_int64), c_int64, POINTER(c_double)]),
    "default_max_period": (c_int64, [c_double]),
    "mean_rate": (c_double, [POINTER(c_int32), c_int64]),
    "threads": (c_int32, []),
    "set_threads": (None, [c_int32]),
    "reset_counts": (None, []),
    "memory_trim": (None, []),
}


def _candidates() -> Iterator[str]:
    """Where the library may be: SPARSEDROP_LIBRARY (a file or a folder) alone if
    it is set; else in the package, in the build of the checkout that the package
    lies in, or where the system's loader looks."""
    name = "libSparseDropC.so.1"
    wanted = os.environ.get("SPARSEDROP_LIBRARY")
    if wanted:
        path = Path(wanted)
        yield str(path / name if path.is_dir() else path)
        return
    here = Path(__file__).resolve().parent
    yield str(here / "lib" / name)
    for preset in ("release", "dev"):
        yield str(here.parent.parent / "build" / preset / "lib" / name)
    yield name


def _load() -> ctypes.CDLL:
    tried = []
    for path in _candidates():
        if os.sep in path and not os.path.exists(path):
            tried.append(f"{path}: no such file")
            continue
        try:
            # Not global: other libraries may hold an LLVM of their own.
            return ctypes.CDLL(path)
        except OSError as error:
            tried.append(f"{path}: {error}")
    raise Error(
        "cannot load libSparseDropC.so; build it (tools/test.sh) or set SPARSEDROP_LIBRARY to its folder. Tried: "
        + "; ".join(tried)
    )


class Library:
    """Functions of the C API without their prefix: ``library.draw(...)``."""

    def __init__(self) -> None:
        loaded = _load()
        for name, (result, arguments) in _SIGNATURES.items():
            try:
                function = getattr(loaded, "sparsedrop_" + name)
            except AttributeError:
                raise Error(f"{loaded._name} lacks sparsedrop_{name}: it is of another version") from None
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)
        versions = {"compiler": COMPILER_VERSION, "runtime": RUNTIME_VERSION, "device": DEVICE_VERSION}
        for what, expected in versions.items():
            found = getattr(self, what + "_version")()
            if found != expected:
                raise Error(f"expected version {expected} of the {what}'s API, but got {found} in {loaded._name}")

    def __getattr__(self, name: str):  # for type checkers: functions are set above
        raise AttributeError(name)

    def error(self, diagnostics: list[Diagnostic] | None = None) -> Error:
        """The calling thread's last failure as an exception."""
        return Error(self.last_error().decode(errors="replace"), diagnostics)


_library: Library | None = None


def library() -> Library:
    """The library, loaded at the first call."""
    global _library
    if _library is None:
        _library = Library()
    return _library


class guarded:
    """Failures of functions that have no status become exceptions:
    ``with guarded(): library().draw(...)``."""

    def __enter__(self) -> Library:
        library().enter()
        return library()

    def __exit__(self, kind, *_) -> None:
        if library().leave() and kind is None:
            raise library().error()


def set_threads(count: int) -> None:
    """Number of threads of products and loops, 1 or more."""
    if count < 1:
        raise Error(f"expected at least 1 thread, but got {count}")
    library().set_threads(count)


def threads() -> int:
    """Number of threads of products and loops: the processors that the process
    may run on, unless SPARSEDROP_NUM_THREADS or ``set_threads`` says otherwise."""
    return library().threads()
