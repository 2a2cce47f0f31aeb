"""Capsules of DLPack on memory of the library."""

from __future__ import annotations

import ctypes
import sys
import threading
from ctypes import byref, c_char_p, c_int, c_void_p, py_object
from typing import Any

from ._arrays import DLTensor
from ._library import CArray, library


class DLManagedTensor(ctypes.Structure):
    _fields_ = [("tensor", DLTensor), ("context", c_void_p), ("deleter", c_void_p)]


def _declare(name: str, result: Any, *arguments: Any) -> Any:
    # A prototype of our own: others may have set types of pythonapi's.
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


_new = _declare("PyCapsule_New", py_object, c_void_p, c_char_p, c_void_p)
_is_valid = _declare("PyCapsule_IsValid", c_int, py_object, c_char_p)
_get = _declare("PyCapsule_GetPointer", c_void_p, py_object, c_char_p)
_NAME = b"dltensor"  # a capsule does not copy its name

# Capsules that may not have been taken yet. A destructor would run Python code in
# the middle of whatever drops a capsule, perhaps while an exception is on its way;
# so the next export looks after them. Taken ones are destroyed by the library.
_waiting: list[Any] = []
_lock = threading.Lock()


def destroy(address: int) -> None:
    """Calls the deleter of the DLManagedTensor at an address."""
    deleter = DLManagedTensor.from_address(address).deleter
    if deleter:
        ctypes.CFUNCTYPE(None, c_void_p)(deleter)(address)


def _look_after() -> None:
    """Forgets capsules that were taken, and frees those that nobody can take."""
    for i in reversed(range(len(_waiting))):
        if not _is_valid(_waiting[i], _NAME):
            del _waiting[i]
        elif sys.getrefcount(_waiting[i]) == 2:  # the list's and the call's own
            destroy(_get(_waiting[i], _NAME))
            del _waiting[i]


def export(array: CArray, device_type: int, device_id: int, elsewhere: bool) -> Any:
    """A capsule that shares the memory of an array of the library.
    ``elsewhere``: work on other streams than the array's may use it."""
    with _lock:
        _look_after()
        address = library().array_to_dlpack(byref(array), device_type, device_id, int(elsewhere))
        if not address:
            raise library().error()
        capsule = _new(address, _NAME, None)
        _waiting.append(capsule)
        return capsule
