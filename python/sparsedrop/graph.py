"""Calls that are recorded once and launched again by one call."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Sequence

from . import _device_calls
from ._arrays import from_c
from ._library import CArray, Error, library
from .device import DeviceArray

if TYPE_CHECKING:
    from .compiler import Function


class Graph:
    """A captured call. Made by ``Function.capture``.

    ``launch()``, or calling it, does what the call would have done: on the same
    arrays, with the same seed, step and numbers. ``results`` are what the call
    would have returned, the same objects each time: a launch overwrites them,
    and before the first one there is nothing in them. An input that the
    program donates is updated in place by each launch, so N launches are N
    steps with one pattern.

    The graph keeps its arrays, and the memory of the program is its own until
    ``destroy()``, the end of a ``with``, or the end of the object. Results stay
    readable after that. Launch it from one thread at a time.
    """

    def __init__(self, function: Function, handle: int, inputs: _device_calls.Inputs, arrays: Sequence[Any], results):
        self.name = function.name
        self.device = inputs.device
        self._handle: int | None = handle
        self._finalize = weakref.finalize(self, library().captured_destroy, handle)
        self._arrays, self._slots, self._keep = tuple(arrays), function.inputs, inputs.keep
        # What the graph works on is ready there.
        self._last = inputs.stream
        self._own: list[DeviceArray] = []
        outputs = tuple(map(self._read, function.results, results))
        self.results: Any = outputs[0] if len(outputs) == 1 else outputs

    def _read(self, slot, result: CArray) -> Any:
        if slot.donation is not None:
            return self._arrays[slot.donation]
        if not result.onDevice:
            return from_c(result, slot)
        self._own.append(DeviceArray(self.device, result, self._last))
        return self._own[-1]

    def __repr__(self) -> str:
        state = "destroyed" if self._handle is None else "captured"
        return f"<sparsedrop graph of {self.name} on {self.device.kind}:{self.device.ordinal}, {state}>"

    def launch(self, stream: int | None = None) -> Any:
        """Enqueues all of the call, and returns ``results``.

        ``stream`` is chosen as a call does it. What was written to the arrays of
        ``DeviceArray`` on other streams is waited for there, by the device; of
        other libraries' arrays only what was on its way when the call was
        captured. Raises ``Error`` after ``destroy()``, and what the device
        refuses; what fails on it is told by what waits for it.
        """
        if self._handle is None:
            raise Error(f"{self.name}: the graph has been destroyed")
        number = _device_calls.choose_stream(self._arrays, stream, self.device, self.name)
        own = [value for value in self._arrays if isinstance(value, DeviceArray)]
        for earlier in dict.fromkeys([self._last, *(value.stream for value in own)]):
            self.device.wait(number, earlier)
        if library().captured_launch(self._handle, self.device.stream(number)):
            raise library().error()
        self._last = number
        _device_calls.note_donations(self._arrays, self._slots, number)
        for result in self._own:
            result.stream = number
        return self.results

    __call__ = launch

    def destroy(self) -> None:
        """Waits until no launch runs, and gives the memory of the program back."""
        self._handle = None
        self._finalize()
        self._arrays, self._keep, self._own = (), [], []

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, *_) -> None:
        self.destroy()
