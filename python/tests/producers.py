"""Arrays that are known through DLPack or the CUDA array interface alone."""

import ctypes

from sparsedrop._arrays import DLTensor
from sparsedrop._dlpack import DLManagedTensor

_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_get = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", ctypes.pythonapi))
_set_name = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", ctypes.pythonapi))
_USED = b"used_dltensor"


class Producer:
    """Exports an address. ``dtype`` is DLPack's (code, bits); ``streams`` collects
    what consumers ask for."""

    def __init__(self, address, shape, dtype=(2, 32), device=(2, 0), strides=None, offset=0):
        self.device, self.streams = device, []
        self.shape = (ctypes.c_int64 * len(shape))(*shape)
        self.strides = None if strides is None else (ctypes.c_int64 * len(shape))(*strides)
        tensor = DLTensor(address, *device, len(shape), *dtype, 1, self.shape, self.strides, offset)
        self.managed = DLManagedTensor(tensor, None, None)

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, *, stream="none"):
        self.streams.append(stream)
        return _new(ctypes.addressof(self.managed), b"dltensor", None)


class Interface:
    """Has ``__cuda_array_interface__``, with what a test changes in it."""

    def __init__(self, address, shape, typestr="<f4", **changes):
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": shape,
            "typestr": typestr,
            "data": (address, False),
            "strides": None,
            "stream": None,
            **changes,
        }


class Taken:
    """What a consumer of DLPack makes of a capsule."""

    def __init__(self, capsule):
        self.address = _get(capsule, b"dltensor")
        _set_name(capsule, _USED)
        self.managed = DLManagedTensor.from_address(self.address)
        tensor = self.managed.tensor
        self.data = tensor.data
        self.device = tensor.device_type, tensor.device_id
        self.dtype = tensor.code, tensor.bits, tensor.lanes
        self.shape = tuple(tensor.shape[i] for i in range(tensor.ndim))
        self.strides = tuple(tensor.strides[i] for i in range(tensor.ndim))

    def delete(self):
        _Deleter(self.managed.deleter)(self.address)
