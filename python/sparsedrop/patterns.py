"""Drawing dropout patterns and searching distributions over them."""

from __future__ import annotations

import ctypes
from ctypes import c_double, c_int32, c_int64
from dataclasses import dataclass
from typing import Sequence

import numpy as np

from ._library import Error, guarded, library

KINDS = ("row", "tile", "channel")
ORDERS = ("skewed", "linear")


@dataclass(frozen=True, eq=False)
class Pattern:
    """A drawn pattern: the same that a compiled program draws.

    ``period`` and ``bias`` tell a row or tile pattern (both 0 for a channel
    pattern), ``scale`` is what kept values are multiplied by, ``mask`` has True
    where a unit (row, channel) or a weight (tile) is kept.
    """

    kind: str
    period: int
    bias: int
    scale: float
    mask: np.ndarray

    @property
    def kept(self) -> np.ndarray:
        """Kept units in ascending order; of a tile pattern, of the flat weight."""
        return np.flatnonzero(self.mask)


def _pointer(array: np.ndarray, kind) -> ctypes.Array:
    return array.ctypes.data_as(ctypes.POINTER(kind))


def search(
    rate: float,
    *,
    max_period: int | None = None,
    periods: Sequence[int] | None = None,
    method: str = "sgd",
) -> np.ndarray:
    """Searches a distribution over periods whose mean drop rate is ``rate``.

    Candidate periods are ``periods`` (ascending) or 1 to ``max_period`` (the
    default depends on the rate). ``method`` is sgd (gradient descent) or maxent
    (closed form). Returns a probability for each candidate. Raises ``Error`` for
    a rate that the candidates cannot reach.
    """
    if method not in ("sgd", "maxent"):
        raise Error(f"expected method to be sgd or maxent, but got {method!r}")
    if periods is None:
        if not 0 <= rate < 1:
            raise Error(f"expected a rate in [0, 1), but got {rate}")
        periods = range(1, (library().default_max_period(rate) if max_period is None else max_period) + 1)
    elif max_period is not None:
        raise Error("expected periods or max_period, but got both")
    candidates = np.asarray(list(periods), np.int64)
    result = np.zeros(len(candidates))
    arguments = [rate, _pointer(candidates, c_int64), len(candidates), _pointer(result, c_double)]
    if method == "sgd":
        status = library().search_sgd_among(*arguments, None)
    else:
        status = library().search_maxent_among(*arguments)
    if status:
        raise library().error()
    return result


def _millionths(distribution: Sequence[float]) -> np.ndarray:
    probability = np.asarray(distribution, np.float64)
    result = np.zeros(len(probability), np.int32)
    if library().round_distribution(_pointer(probability, c_double), len(probability), _pointer(result, c_int32)):
        raise library().error()
    return result


def _hash(site: str, index: int | None) -> int:
    name = site.encode()
    value = library().site_hash(name, len(name))
    return value if index is None else library().site_hash_index(value, index)


def _find_distribution(rate, distribution, max_period, units) -> np.ndarray:
    """Millionths of periods 1, 2, ...: as given, or as the compiler searches them
    for this number of units."""
    if distribution is not None:
        return _millionths(distribution)
    if rate is None:
        raise Error("expected a rate or a distribution")
    if not 0 <= rate < 1:
        raise Error(f"expected a rate in [0, 1), but got {rate}")
    longest = library().default_max_period(rate) if max_period is None else max_period
    return _millionths(search(rate, max_period=max(1, min(longest, units))))


def _draw(site, seed, step, index, millionths, units) -> tuple[int, int]:
    with guarded() as lib:
        drawn = lib.draw(seed, step, _hash(site, index), _pointer(millionths, c_int32), len(millionths), units)
    return drawn & 0xFFFFFFFF, drawn >> 32


def _scale(scale: str, period: int, millionths: np.ndarray) -> float:
    if scale == "pattern":
        return float(period)
    if scale != "target":
        raise Error(f"expected scale to be target or pattern, but got {scale!r}")
    rate = library().mean_rate(_pointer(millionths, c_int32), len(millionths))
    return float(np.float32(1 / (1 - rate)))


def sample_row(
    site: str,
    extent: int,
    *,
    seed: int,
    step: int,
    rate: float | None = None,
    distribution: Sequence[float] | None = None,
    granularity: int = 1,
    max_period: int | None = None,
    scale: str = "target",
    index: int | None = None,
) -> Pattern:
    """Draws a row pattern over ``extent`` units in blocks of ``granularity``."""
    if extent < 0 or granularity < 1:
        raise Error(f"expected an extent of at least 0 and a granularity of at least 1, but got {extent}, {granularity}")
    units = -(-extent // granularity)
    millionths = _find_distribution(rate, distribution, max_period, units)
    period, bias = _draw(site, seed, step, index, millionths, units)
    kept = np.zeros(extent, np.int64)
    count = library().row_kept_indices(extent, granularity, period, bias, _pointer(kept, c_int64))
    mask = np.zeros(extent, bool)
    mask[kept[:count]] = True
    return Pattern("row", period, bias, _scale(scale, period, millionths), mask)


def sample_tile(
    site: str,
    shape: tuple[int, int],
    *,
    seed: int,
    step: int,
    rate: float | None = None,
    distribution: Sequence[float] | None = None,
    tile: tuple[int, int] = (32, 32),
    order: str = "skewed",
    max_period: int | None = None,
    scale: str = "target",
    index: int | None = None,
) -> Pattern:
    """Draws a tile pattern over a weight of ``shape``: (outputs, inputs)."""
    if order not in ORDERS:
        raise Error(f"expected order to be skewed or linear, but got {order!r}")
    if min(tile) < 1 or min(shape) < 0:
        raise Error(f"expected tiles of at least 1 and a shape of at least 0, but got {tile}, {shape}")
    rows, columns = (-(-n // t) for n, t in zip(shape, tile))
    units = columns if order == "skewed" else rows * columns
    millionths = _find_distribution(rate, distribution, max_period, units)
    period, bias = _draw(site, seed, step, index, millionths, units)
    mask = np.zeros(shape, np.uint8)
    library().tile_mask(*shape, *tile, ORDERS.index(order), period, bias, _pointer(mask, ctypes.c_uint8))
    return Pattern("tile", period, bias, _scale(scale, period, millionths), mask.astype(bool))


def sample_channel(
    site: str,
    channels: int,
    *,
    seed: int,
    step: int,
    rate: float | None = None,
    count: int | None = None,
    sensitivity: Sequence[float] | np.ndarray | None = None,
    multiple: int = 8,
    granularity: int = 1,
    tau: float = 0.5,
    index: int | None = None,
) -> Pattern:
    """Draws the channels to keep, the more sensitive ones more likely: ``count``
    of them, or as many as ``rate`` and ``multiple`` say."""
    if (rate is None) == (count is None):
        raise Error("expected a rate or a count")
    values = None
    if sensitivity is not None:
        values = np.ascontiguousarray(sensitivity, np.float32)
        if values.shape != (channels,):
            raise Error(f"expected {channels} sensitivities, but got an array of shape {values.shape}")
    if count is None:
        count = library().channel_count(rate, channels, multiple)
    kept = np.zeros(channels, np.int64)
    with guarded() as lib:
        number = lib.sample_channels(
            seed, step, _hash(site, index), None if values is None else _pointer(values, ctypes.c_float),
            1, channels, granularity, count, tau, _pointer(kept, c_int64),
        )
    mask = np.zeros(channels, bool)
    mask[kept[:number]] = True
    return Pattern("channel", 0, 0, channels / number if number else 1.0, mask)


_SAMPLERS = {"row": sample_row, "tile": sample_tile, "channel": sample_channel}


def sample(site: str, extent, *, seed: int, step: int, kind: str = "row", **options) -> Pattern:
    """Draws the pattern of (seed, step, site), the one that compiled programs
    draw. ``extent`` is the number of units (row), the weight's shape (tile) or
    the number of channels; options are those of ``sample_row``, ``sample_tile``
    and ``sample_channel``."""
    if kind not in KINDS:
        raise Error(f"expected kind to be row, tile or channel, but got {kind!r}")
    return _SAMPLERS[kind](site, extent, seed=seed, step=step, **options)
