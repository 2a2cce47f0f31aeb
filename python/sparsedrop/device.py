"""Devices that programs run on, and arrays in their memory."""

from __future__ import annotations

import ctypes
import operator
import threading
import weakref
from ctypes import byref
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._arrays import NAMES, STORAGE, int64s, number_alone
from ._floats import NARROW, widen_narrow
from ._dlpack import export
from ._library import CArray, CDeviceInfo, CStatistics, Error, library

KINDS = ("cuda", "interp")
LEGACY_STREAM = 1
"""CUDA's default stream, as DLPack and the CUDA array interface number it."""
# kDLCUDA; the interpreter's memory is none that DLPack knows: kDLExtDev.
DLPACK_DEVICES = {"cuda": 2, "interp": 12}


@dataclass(frozen=True)
class DeviceInfo:
    """What a device is. ``arch`` is the compute capability (90 for 9.0),
    ``chip`` what programs are compiled for, ``max_shared`` bytes of a block."""

    name: str
    arch: int
    chip: str
    processors: int
    max_threads: int
    max_shared: int
    has_clusters: bool
    memory_bytes: int


@dataclass(frozen=True)
class Memory:
    """Bytes: ``total`` of the device, ``in_use`` by results and temporaries of
    programs, ``peak`` of those since the statistics were last reset."""

    total: int
    in_use: int
    peak: int


@dataclass(frozen=True)
class Statistics:
    """What programs did on a device since the last reset: how often they launched
    a kernel, copied, uploaded, waited for the device, and asked it for memory."""

    launches: int
    copies: int
    uploads: int
    synchronizations: int
    allocations: int


_devices: dict[tuple[str, int], Device] = {}
_lock = threading.RLock()  # garbage may be collected inside


class Device:
    """A GPU (``Device("cuda", 1)``), or the interpreter of PTX that stands in for
    one (``Device("interp")``).

    The same arguments give the same object. Devices stay open until the process
    ends, since arrays that other libraries hold may lie on them. Raises ``Error``
    where there is no driver or no such device.
    """

    kind: str
    ordinal: int
    handle: int
    _streams: dict[int, int]

    def __new__(cls, kind: str = "cuda", ordinal: int = 0) -> Device:
        number = operator.index(ordinal)
        if kind not in KINDS:
            raise Error(f"expected a device to be {' or '.join(KINDS)}, but got {kind!r}")
        if not 0 <= number < 2**31:
            raise Error(f"expected the number of a device, but got {number}")
        with _lock:
            if (kind, number) not in _devices:
                handle = library().device_open(kind.encode(), number)
                if not handle:
                    raise library().error()
                device = super().__new__(cls)
                device.kind, device.ordinal, device.handle, device._streams = kind, number, handle, {}
                _devices[kind, number] = device
            return _devices[kind, number]

    def __reduce__(self) -> tuple:
        return Device, (self.kind, self.ordinal)

    def __repr__(self) -> str:
        return f"<sparsedrop device {self.kind}:{self.ordinal}>"

    def describe(self) -> DeviceInfo:
        info = CDeviceInfo()
        _check(library().device_describe(self.handle, byref(info)))
        # What only this chip has, its programs may use.
        chip = f"sm_{info.arch}" + ("a" if info.arch >= 90 else "")
        return DeviceInfo(
            info.name.decode(errors="replace"),
            info.arch,
            chip,
            info.processors,
            info.maxThreads,
            info.maxShared,
            bool(info.hasClusters),
            info.memoryBytes,
        )

    def _read_statistics(self) -> CStatistics:
        statistics = CStatistics()
        library().program_statistics_of(self.handle, byref(statistics))
        return statistics

    def memory(self) -> Memory:
        statistics = self._read_statistics()
        return Memory(self.describe().memory_bytes, statistics.bytesInUse, statistics.bytesPeak)

    def statistics(self) -> Statistics:
        s = self._read_statistics()
        return Statistics(s.launches, s.copies, s.uploads, s.synchronizations, s.allocations)

    def reset_statistics(self) -> None:
        """Begins to count from zero; the peak becomes what is in use."""
        library().program_statistics_reset(self.handle)

    def synchronize(self) -> None:
        """Waits for everything on the device. Raises what failed on it."""
        _check(library().device_synchronize(self.handle))

    def trim(self) -> None:
        """Waits, and gives memory that no array uses back to the device."""
        library().program_trim(self.handle)

    def array(self, values: Any) -> DeviceArray:
        """Copies a NumPy array, or what becomes one, to the device."""
        host = np.asarray(values)
        number = number_alone(host.dtype)
        if number is None:
            raise Error(f"expected an array of a type that programs take, but got {host.dtype}")
        # Copied before it is described: strides may not be multiples of elements.
        host = np.ascontiguousarray(host, host.dtype.newbyteorder("=")).reshape(host.shape)
        return self.upload(CArray(host.ctypes.data, number, host.ndim, int64s(host.shape), None, 0, 0, None))

    def upload(self, array: CArray) -> DeviceArray:
        """An array of the host in the C API's form, on the device."""
        stream = None if self.kind == "interp" else LEGACY_STREAM
        result = CArray()
        _check(library().array_upload(self.handle, self.stream(stream), byref(array), byref(result)))
        return DeviceArray(self, result, stream)

    def stream(self, number: int | None) -> int | None:
        """The library's handle of a CUstream; None for the interpreter's only
        one. The handles stay, since pools of memory belong to them."""
        if number is None:
            return None
        with _lock:
            if number not in self._streams:
                handle = library().stream_wrap(self.handle, number)
                if not handle:
                    raise library().error()
                self._streams[number] = handle
            return self._streams[number]

    def wait(self, stream: int | None, earlier: int | None) -> None:
        """What is enqueued on ``stream`` from now on waits for what is on
        ``earlier`` already."""
        if stream == earlier:
            return
        event = library().event_create(self.handle)
        if not event:
            raise library().error()
        try:
            _check(library().event_record(event, self.stream(earlier)))
            _check(library().stream_wait(self.handle, self.stream(stream), event))
        finally:
            library().event_destroy(event)


def _check(status: int) -> None:
    if status:
        raise library().error()


class _Lease:
    """The memory of an array. Arrays of DLPack share it in the library."""

    def __init__(self, device: Device, array: CArray):
        self.device, self.array = device, array
        self.is_elsewhere = False

    def release(self) -> None:
        # Nobody says when users of the CUDA array interface are done.
        if self.is_elsewhere:
            library().device_synchronize(self.device.handle)
        library().array_release(byref(self.array))


class DeviceArray:
    """A result in the memory of a device, contiguous, freed when it goes.

    ``numpy()`` copies it to the host. Other libraries take it without a copy:
    ``torch.from_dlpack(result)``, ``cupy.from_dlpack(result)``; work on their
    stream waits for the program's. ``stream`` is the CUstream that it was last
    written on, None on the interpreter. ``type`` is MLIR's name of the elements,
    ``dtype`` NumPy's, of bf16 and fp8 that of their bits.
    """

    def __init__(self, device: Device, array: CArray, stream: int | None):
        self.device = device
        self.array = CArray.from_buffer_copy(array)
        self.shape = tuple(array.shape[i] for i in range(array.rank))
        self.type = NAMES[array.type]
        self.dtype = STORAGE[array.type]
        self.stream = stream
        self._home = stream
        self._lease = _Lease(device, self.array)
        weakref.finalize(self, self._lease.release)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def data(self) -> int:
        """The address; 0 of an array without elements."""
        return self.array.data or 0

    def __repr__(self) -> str:
        extents = "x".join([str(n) for n in self.shape] + [self.type])
        return f"<sparsedrop array {extents} on {self.device.kind}:{self.device.ordinal}>"

    def numpy(self) -> np.ndarray:
        """A copy on the host; waits for the program. Values of bf16 and
        fp8 are widened to f32. Raises what failed on the device."""
        result = np.empty(self.shape, self.dtype)
        host = CArray(result.ctypes.data, self.array.type, self.ndim, int64s(self.shape), None, 0, 0, None)
        device = self.device
        _check(library().array_download(device.handle, device.stream(self.stream), byref(self.array), byref(host)))
        return widen_narrow(result, self.type).reshape(self.shape) if self.type in NARROW else result

    @property
    def __cuda_array_interface__(self) -> dict:
        if self.device.kind != "cuda" or self.type in NARROW:
            raise AttributeError(f"{self!r} has no CUDA array interface; use DLPack or numpy()")
        self._lease.is_elsewhere = True
        return {
            "version": 3,
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.data, False),
            "strides": None,
            "stream": self.stream,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return DLPACK_DEVICES[self.device.kind], self.device.ordinal

    def __dlpack__(
        self, *, stream: int | None = None, max_version: Any = None, dl_device: Any = None, copy: bool | None = None
    ) -> Any:
        """A capsule for ``stream`` of the consumer, which waits for the program:
        None is CUDA's default stream, -1 asks for no waiting."""
        if dl_device is not None and tuple(map(int, dl_device)) != self.__dlpack_device__():
            raise BufferError(f"{self!r} cannot be exported to DLPack device {tuple(map(int, dl_device))}")
        if copy:
            raise BufferError("a copy is not supported")
        if self.device.kind == "interp":
            if stream not in (None, -1):
                raise BufferError(f"the interpreter has no stream {stream}")
            self.device.synchronize()
        elif stream != -1:
            stream = LEGACY_STREAM if stream is None else operator.index(stream)
            if stream < 1:
                raise BufferError(f"expected a stream of 1 or more, or -1, but got {stream}")
            self.device.wait(stream, self.stream)
        elsewhere = self.device.kind == "cuda" and stream != self._home
        return export(self.array, *self.__dlpack_device__(), elsewhere)
