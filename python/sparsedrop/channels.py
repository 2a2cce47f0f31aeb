"""When channels are dropped, and how many of each layer: the host's side of
``sparsedrop.cnn.ChannelDropout``.

    schedule = ChannelSchedule(0.5, warmup=500, ramp=1000, refresh=50)
    rate = schedule.rate_at(step)                      # of every layer, or
    rates = layer_rates(sensitivities, operations, rate)  # one for each
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_double, c_float, c_int64
from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ._library import CLayer, CSchedule, Error, library

LARGEST_RATE = 0.75
"""Of one layer under a global budget."""


@dataclass(frozen=True)
class ChannelSchedule:
    """The drop rate of each step. The first ``warmup`` steps keep all channels and
    so does every ``refresh``-th (0: none does): they renew what is known of dropped
    ones. Before step ``ramp`` the rate grows linearly, from 0 at the first.
    Numbers that make no sense raise ``Error``."""

    rate: float
    warmup: int = 0
    ramp: int = 0
    refresh: int = 50

    def __post_init__(self) -> None:
        self.rate_at(0)

    def rate_at(self, step: int) -> float:
        """The rate of a step, counted from 0."""
        schedule, rate = CSchedule(self.rate, self.warmup, self.ramp, self.refresh), c_double()
        if library().scheduled_rate(byref(schedule), step, byref(rate)):
            raise library().error()
        return rate.value


def kept_channels(rate: float, channels: int, multiple: int = 8) -> int:
    """How many channels are kept at a drop rate: a multiple of ``multiple``, or all."""
    return library().channel_count(rate, channels, multiple)


def layer_rates(
    sensitivities: Sequence[np.ndarray], operations: Sequence[float], rate: float, largest: float = LARGEST_RATE
) -> np.ndarray:
    """One drop rate for each layer, of which those with many insensitive channels
    drop more: their mean, weighted by the layers' ``operations``, is ``rate``, and
    none is above ``largest``. Raises ``Error`` for what cannot be."""
    if len(sensitivities) != len(operations):
        raise Error(f"expected operations of {len(sensitivities)} layers, but got {len(operations)}")
    arrays = [np.ascontiguousarray(array, np.float32) for array in sensitivities]
    layers = (CLayer * len(arrays))()
    for layer, array, count in zip(layers, arrays, operations):
        if array.ndim != 1:
            raise Error(f"expected sensitivities of one dimension, but got {array.ndim}")
        layer.sensitivity = array.ctypes.data_as(POINTER(c_float))
        layer.channels, layer.flops = len(array), count
    rates = (c_double * len(arrays))()
    if library().layer_rates(layers, c_int64(len(arrays)), rate, largest, ctypes.cast(rates, POINTER(c_double))):
        raise library().error()
    return np.array(rates)
