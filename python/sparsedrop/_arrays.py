"""Python's arrays as the compiled code takes them: NumPy, DLPack, numbers."""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, c_int32, c_int64, c_uint8, c_uint16, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._floats import NARROW, round_narrow, widen_narrow
from ._library import DYNAMIC, CArray, Error, library

# Number in C, MLIR's name, NumPy's type of the same bits, DLPack's (code, bits).
_TYPES = (
    (0, "f32", "float32", (2, 32)),
    (1, "f64", "float64", (2, 64)),
    (2, "bf16", "uint16", (4, 16)),
    (3, "f16", "float16", (2, 16)),
    (4, "f8E4M3FN", "uint8", (10, 8)),
    (5, "f8E5M2", "uint8", (12, 8)),
    (16, "i1", "bool", (6, 8)),
    (17, "i8", "int8", (0, 8)),
    (18, "i16", "int16", (0, 16)),
    (19, "i32", "int32", (0, 32)),
    (20, "i64", "int64", (0, 64)),
    (21, "index", "int64", (0, 64)),
)
NAMES = {number: name for number, name, _, _ in _TYPES}
STORAGE = {number: np.dtype(storage) for number, _, storage, _ in _TYPES}
_DLPACK = {code: number for number, _, _, code in reversed(_TYPES)}
# ml_dtypes registers these with NumPy under the same bits.
_FOREIGN = {"bfloat16": "bf16", "float8_e4m3fn": "f8E4M3FN", "float8_e5m2": "f8E5M2"}


@dataclass(frozen=True)
class Slot:
    """An input or a result of a compiled function.

    ``type`` is MLIR's name of the element type, ``shape`` has None for extents
    known at run time only. ``donation`` is, of an input, the result that is
    written into it, of a result, the input that it ends in. Tensors lie in the
    memory of the device that a function was compiled for, scalars do not.
    """

    type: str
    shape: tuple[int | None, ...]
    donation: int | None
    number: int
    is_tensor: bool = True

    @classmethod
    def read(cls, slot) -> Slot:
        shape = tuple(None if slot.shape[i] == DYNAMIC else slot.shape[i] for i in range(slot.rank))
        donation = None if slot.donation < 0 else slot.donation
        return cls(NAMES[slot.type], shape, donation, slot.type, bool(slot.isTensor))

    @property
    def dtype(self) -> np.dtype:
        """NumPy's type of the elements; of bf16 and fp8, of their bits."""
        return STORAGE[self.number]

    def __str__(self) -> str:
        return "x".join(["?" if n is None else str(n) for n in self.shape] + [self.type])


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
    ]


_get_capsule = ctypes.pythonapi.PyCapsule_GetPointer
_get_capsule.restype, _get_capsule.argtypes = c_void_p, [ctypes.py_object, ctypes.c_char_p]
_CPU_DEVICES = (1, 3, 13)  # host memory, also page-locked by CUDA


def int64s(values) -> Any:
    return (c_int64 * len(values))(*values)


def _from_dlpack(value: Any, what: str) -> tuple[CArray, Any]:
    """The array behind ``__dlpack__``; the second result keeps it alive."""
    device, _ = value.__dlpack_device__()
    if device not in _CPU_DEVICES:
        raise Error(f"{what}: expected memory of the CPU, but got DLPack device type {int(device)}")
    return read_dlpack(value, what)


def read_dlpack(value: Any, what: str, **options: Any) -> tuple[CArray, Any]:
    """The array behind ``value.__dlpack__(**options)``, wherever it lies."""
    try:
        capsule = value.__dlpack__(**options)
        tensor = DLTensor.from_address(_get_capsule(capsule, b"dltensor"))
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise Error(f"{what}: {error}") from error
    number = _DLPACK.get((tensor.code, tensor.bits))
    if number is None or tensor.lanes != 1:
        raise Error(f"{what}: DLPack's type ({tensor.code}, {tensor.bits}) is not supported")
    data = (tensor.data or 0) + tensor.byte_offset
    return CArray(data, number, tensor.ndim, tensor.shape, tensor.strides, 0, 0, None), (capsule, value)


def number_of(dtype: np.dtype, slot: Slot) -> int | None:
    """The C API's type of NumPy's ``dtype``, where there is one."""
    if dtype.name in _FOREIGN:
        return next(n for n, name in NAMES.items() if name == _FOREIGN[dtype.name])
    if dtype == slot.dtype and slot.type not in _FOREIGN.values():
        return slot.number
    unsigned = {"uint8": 17, "uint16": 18, "uint32": 19, "uint64": 20}
    if dtype.name in unsigned:
        return slot.number if slot.number in (unsigned[dtype.name], unsigned[dtype.name] + 1) else unsigned[dtype.name]
    return next((n for n, storage in STORAGE.items() if storage == dtype and n not in (2, 4, 5)), None)


def number_alone(dtype: np.dtype) -> int | None:
    """The same for an array that is meant for no slot yet."""
    if dtype.name in _FOREIGN:
        return next(n for n, name in NAMES.items() if name == _FOREIGN[dtype.name])
    name = dtype.name.replace("uint", "int")
    return next((n for n, storage in STORAGE.items() if storage.name == name and n not in (2, 4, 5)), None)


def _from_numpy(value: np.ndarray, slot: Slot, what: str) -> tuple[CArray, Any]:
    keep = value
    if slot.type in NARROW and value.dtype == np.float32 and slot.donation is None:
        # As in .npy files: rounded to nearest even.
        value = keep = round_narrow(value, slot.type)
        number: int | None = slot.number
    else:
        if value.dtype.byteorder == (">" if sys.byteorder == "little" else "<"):
            raise Error(f"{what}: expected {slot} in this machine's byte order, but got {value.dtype.str}")
        number = number_of(value.dtype, slot)
    if number is None:
        raise Error(f"{what}: expected {slot}, but got an array of {value.dtype}")
    size = value.dtype.itemsize
    if any(stride % size for stride in value.strides):
        raise Error(f"{what}: strides {value.strides} are not multiples of its elements of {size} bytes")
    shape, strides = int64s(value.shape), None
    if not value.flags.c_contiguous:
        strides = int64s([stride // size for stride in value.strides])
    read_only = 0 if value.flags.writeable else 1
    return CArray(value.ctypes.data, number, value.ndim, shape, strides, read_only, 0, None), (keep, shape, strides)


def to_c(value: Any, slot: Slot, what: str) -> tuple[CArray, Any]:
    """``value`` for ``slot``, without a copy where its memory is addressable;
    the second result must live as long as the first."""
    if isinstance(value, np.ndarray):
        return _from_numpy(value, slot, what)
    if hasattr(value, "__dlpack__") and not isinstance(value, np.generic):
        return _from_dlpack(value, what)
    if slot.donation is not None:
        raise Error(f"{what}: expected an array to update in place, but got {type(value).__name__}")
    try:
        # Numbers and sequences have no type of their own.
        array = np.asarray(value, None if hasattr(value, "__array_interface__") else _plain_type(slot))
    except (TypeError, ValueError) as error:
        raise Error(f"{what}: {error}") from error
    return _from_numpy(array, slot, what)


def _plain_type(slot: Slot) -> np.dtype:
    return np.dtype(np.float32) if slot.type in NARROW else slot.dtype


class _Memory:
    """Memory of the library, released with the last array on it."""

    def __init__(self, array: CArray, dtype: np.dtype):
        self.array = array
        shape = tuple(array.shape[i] for i in range(array.rank))
        # An empty array has no address.
        self.__array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": dtype.str,
            "data": (array.data or 0, False),
        }

    def __del__(self) -> None:
        library().array_release(ctypes.byref(self.array))


def from_c(array: CArray, slot: Slot) -> np.ndarray:
    """A NumPy array on a result's memory; values of bf16 and fp8 are widened to
    f32, as in .npy files."""
    copy = CArray.from_buffer_copy(array)
    shape = tuple(copy.shape[i] for i in range(copy.rank))
    memory = _Memory(copy, slot.dtype)
    result = np.empty(shape, slot.dtype) if 0 in shape else np.asarray(memory)
    return widen_narrow(result, slot.type) if slot.type in NARROW else result
