"""What a call on a device takes: whose memory it is, and on which stream.

Arrays come as ``DeviceArray``, through DLPack or through the CUDA array
interface. Work of a call goes to one stream, the caller's; what other streams
still do to its arrays is waited for there, by the device and not by the host.
"""

from __future__ import annotations

import operator
import sys
from ctypes import byref
from typing import Any, Sequence

import numpy as np

from ._arrays import Slot, int64s, number_of, read_dlpack, to_c
from ._library import CArray, Error, library
from .device import LEGACY_STREAM, Device, DeviceArray

_CUDA_MANAGED = 13
HOST_DEVICES = (1, 3)  # kDLCPU, kDLCUDAHost
# DLPack's devices whose memory a kind of device takes.
_TAKEN = {"cuda": (2, _CUDA_MANAGED), "interp": (12,)}


def cuda_array_interface(value: Any, what: str) -> dict | None:
    """What ``__cuda_array_interface__`` says, or None without it."""
    if isinstance(value, DeviceArray):
        return None
    try:
        interface = value.__cuda_array_interface__
    except AttributeError:
        return None
    except Exception as error:  # of any library
        raise Error(f"{what}: {error}") from error
    if not isinstance(interface, dict):
        raise Error(f"{what}: expected __cuda_array_interface__ to be a dict, but got {type(interface).__name__}")
    return interface


def _stream_in(interface: dict, what: str) -> int | None:
    stream = interface.get("stream")
    if stream is None:
        return None
    # 0 is ambiguous by the interface's specification.
    if isinstance(stream, bool) or not isinstance(stream, int) or stream < 1:
        raise Error(f"{what}: expected stream of __cuda_array_interface__ to be 1 or more, but got {stream!r}")
    return stream


def _torch_stream(values: Sequence[Any], device: Device) -> int | None:
    """PyTorch's current stream, if one of the values is a tensor of its."""
    torch = sys.modules.get("torch")
    tensor = getattr(torch, "Tensor", None)
    if tensor is None or not any(isinstance(value, tensor) for value in values):
        return None
    return torch.cuda.current_stream(device.ordinal).cuda_stream or LEGACY_STREAM


def choose_stream(values: Sequence[Any], stream: Any, device: Device, name: str) -> int | None:
    """The stream of a call: the one that was given, PyTorch's current one, that of
    the first array that names one, CUDA's default one. None on the interpreter."""
    if device.kind == "interp":
        if stream is not None:
            raise Error(f"{name}: the interpreter takes no stream of the caller's, but got {stream!r}")
        return None
    if stream is not None:
        try:
            number = operator.index(stream)
        except TypeError:
            raise Error(f"{name}: expected stream to be the number of a CUstream, but got {stream!r}") from None
        if not 0 <= number < 2**64:
            raise Error(f"{name}: expected stream to be the number of a CUstream, but got {number}")
        return number or LEGACY_STREAM
    found = _torch_stream(values, device)
    for i, value in enumerate(values):
        if found is None and isinstance(value, DeviceArray):
            found = value.stream
        elif found is None and (interface := cuda_array_interface(value, f"{name}: input {i}")):
            found = _stream_in(interface, f"{name}: input {i}")
    return LEGACY_STREAM if found is None else found


def _need(interface: dict, key: str, kind: Any, what: str) -> Any:
    value = interface.get(key)
    if not isinstance(value, kind):
        raise Error(f"{what}: expected {key} of __cuda_array_interface__, but got {value!r}")
    return value


def _int_tuple(interface: dict, key: str, what: str) -> tuple[int, ...]:
    values = _need(interface, key, tuple, what)
    try:
        numbers = tuple(map(operator.index, values))
    except TypeError:
        numbers = (2**63,)
    if not all(-(2**63) <= n < 2**63 for n in numbers):
        raise Error(f"{what}: expected {key} of __cuda_array_interface__ to hold integers, but got {values!r}")
    return numbers


def _strides_in(interface: dict, rank: int, size: int, what: str) -> Any:
    """Strides in elements, None for contiguous memory."""
    if interface.get("strides") is None:
        return None
    strides = _int_tuple(interface, "strides", what)
    if len(strides) != rank:
        raise Error(f"{what}: expected {rank} strides in __cuda_array_interface__, but got {len(strides)}")
    if any(stride % size for stride in strides):
        raise Error(f"{what}: strides {strides} are not multiples of its elements of {size} bytes")
    return int64s([stride // size for stride in strides])


def read_interface(interface: dict, slot: Slot, what: str) -> tuple[CArray, Any]:
    """The array that a CUDA array interface describes; the second result must
    live as long as the first."""
    version = _need(interface, "version", int, what)
    if version < 2:
        raise Error(f"{what}: expected version 2 or later of __cuda_array_interface__, but got {version}")
    if interface.get("mask") is not None:
        raise Error(f"{what}: masked arrays are not supported")
    shape = _int_tuple(interface, "shape", what)
    data = _need(interface, "data", tuple, what)
    if len(data) != 2 or not isinstance(data[0], int) or not 0 <= data[0] < 2**64:
        raise Error(f"{what}: expected data of __cuda_array_interface__ to be (address, read-only), but got {data!r}")
    try:
        dtype = np.dtype(_need(interface, "typestr", str, what))
    except TypeError as error:
        raise Error(f"{what}: {error}") from error
    number = number_of(dtype, slot) if dtype.isnative else None
    if number is None:
        raise Error(f"{what}: expected {slot}, but got an array of {dtype.str}")
    extents, strides = int64s(shape), _strides_in(interface, len(shape), dtype.itemsize, what)
    return CArray(data[0], number, len(shape), extents, strides, int(bool(data[1])), 1, None), (extents, strides)


def _is_host(value: Any, what: str) -> bool:
    """Whether a value is not in the memory of any device."""
    if isinstance(value, DeviceArray):
        return False
    if isinstance(value, (np.ndarray, np.generic)):
        return True
    if hasattr(value, "__dlpack_device__"):
        return int(value.__dlpack_device__()[0]) in HOST_DEVICES
    return cuda_array_interface(value, what) is None


def refuse_host(values: Sequence[Any], slots: Sequence[Slot], target: str, name: str) -> None:
    """Arrays of the host are no inputs of a GPU; said before one is opened."""
    for i, (value, slot) in enumerate(zip(values, slots)):
        if target == "cuda" and slot.is_tensor and _is_host(value, f"{name}: input {i}"):
            raise TypeError(
                f"{name}: input {i}: expected an array in the memory of a GPU, but got {type(value).__name__} "
                "in that of the host"
            )


def refuse_host_in_graph(values: Sequence[Any], slots: Sequence[Slot], name: str) -> None:
    """A graph works on the arrays themselves, so on no copy of the host's."""
    for i, (value, slot) in enumerate(zip(values, slots)):
        if slot.is_tensor and _is_host(value, f"{name}: input {i}"):
            raise TypeError(
                f"{name}: input {i}: expected an array on the device, which a graph reads at each launch, but got "
                f"{type(value).__name__} in the memory of the host"
            )


def note_donations(values: Sequence[Any], slots: Sequence[Slot], stream: int | None) -> None:
    """Arrays of ours that a program wrote to on a stream."""
    for value, slot in zip(values, slots):
        if isinstance(value, DeviceArray) and slot.donation is not None:
            value.stream = stream


class Inputs:
    """The arguments of one call."""

    def __init__(self, device: Device, stream: int | None, name: str):
        self.device, self.stream, self.name = device, stream, name
        self.keep: list[Any] = []
        self.waited = {stream}
        self.uploaded: list[tuple[DeviceArray, CArray]] = []

    def read(self, values: Sequence[Any], slots: Sequence[Slot]) -> Any:
        """An array of the C API for each value."""
        arrays = (CArray * len(values))()
        for i, (value, slot) in enumerate(zip(values, slots)):
            arrays[i] = self._read_one(value, slot, f"{self.name}: input {i}")
        return arrays

    def _read_one(self, value: Any, slot: Slot, what: str) -> CArray:
        if not slot.is_tensor:
            array, alive = to_c(value, slot, what)
        elif isinstance(value, DeviceArray):
            array, alive = self._read_own(value, what), value
        elif _is_host(value, what):
            array, alive = self._upload(value, slot, what)
        elif hasattr(value, "__dlpack_device__"):
            array, alive = self._read_dlpack(value, what)
        else:
            array, alive = self._read_interface(value, slot, what)
        self.keep.append(alive)
        return array

    def _wait(self, earlier: int | None) -> None:
        """What the call does comes after what is on another stream."""
        if earlier not in self.waited:
            self.device.wait(self.stream, earlier)
            self.waited.add(earlier)

    def _read_own(self, value: DeviceArray, what: str) -> CArray:
        if value.device is not self.device:
            raise Error(f"{what}: expected memory of {self.device!r}, but got {value!r}")
        self._wait(value.stream)
        return value.array

    def _read_dlpack(self, value: Any, what: str) -> tuple[CArray, Any]:
        kind, ordinal = map(int, value.__dlpack_device__())
        if kind not in _TAKEN[self.device.kind]:
            raise Error(f"{what}: expected memory of {self.device!r}, but got DLPack device type {kind}")
        if kind != _CUDA_MANAGED and ordinal != self.device.ordinal:
            raise Error(f"{what}: expected memory of {self.device!r}, but got that of device {ordinal}")
        options = {} if self.stream is None else {"stream": self.stream}
        array, alive = read_dlpack(value, what, **options)
        array.onDevice = 1
        return array, alive

    def _read_interface(self, value: Any, slot: Slot, what: str) -> tuple[CArray, Any]:
        if self.device.kind != "cuda":
            raise Error(f"{what}: expected memory of {self.device!r}, but got that of a GPU")
        interface = cuda_array_interface(value, what) or {}
        array, alive = read_interface(interface, slot, what)
        earlier = _stream_in(interface, what)
        if earlier is not None:
            self._wait(earlier)
        return array, alive

    def _upload(self, value: Any, slot: Slot, what: str) -> tuple[CArray, Any]:
        host, alive = to_c(value, slot, what)
        # The program sees a copy, so that the library cannot tell.
        if slot.donation is not None and host.readOnly:
            raise Error(f"{what}: is read-only, but the call writes to it")
        array = self.device.upload(host)
        if slot.donation is not None:
            self.uploaded.append((array, host))
        return array.array, (array, alive)

    def copy_back(self) -> None:
        """What the program updated, to the arrays of the host that it came from."""
        for array, host in self.uploaded:
            stream = self.device.stream(array.stream)
            if library().array_download(self.device.handle, stream, byref(array.array), byref(host)):
                raise library().error()
