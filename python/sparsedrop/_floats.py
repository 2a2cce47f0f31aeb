"""Element types that NumPy does not have: bf16 and the floats of 8 bits."""

from __future__ import annotations

import numpy as np

# Bits of the mantissa, bias of the exponent, bits of what is too large and of NaN.
_SMALL = {"f8E4M3FN": (3, 7, 0x7F, 0x7F), "f8E5M2": (2, 15, 0x7C, 0x7E)}
NARROW = ("bf16", *_SMALL)


def round_narrow(values: np.ndarray, type_: str) -> np.ndarray:
    """The bits of f32 values rounded to the nearest number of a type of NARROW, ties
    to even; what is too large becomes infinity, or NaN in f8E4M3FN."""
    bits = np.array(values, np.float32, order="C").view(np.uint32)
    if type_ == "bf16":
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        return np.where(np.isnan(values), (bits >> 16) | 0x40, rounded).astype(np.uint16)
    mantissa, bias, overflow, nan = _SMALL[type_]
    magnitude = np.abs(np.array(values, np.float64))
    finite = np.where(np.isfinite(magnitude), magnitude, 0)
    exponent = np.maximum(np.frexp(finite)[1] - 1, 1 - bias)
    # The mantissa may round up to the next exponent, which adding does right.
    fraction = np.round(np.ldexp(finite, mantissa - exponent)).astype(np.int64)
    code = np.minimum(fraction + ((exponent + bias - 1) << mantissa), overflow)
    code = np.where(np.isnan(magnitude), nan, np.where(np.isinf(magnitude), overflow, code))
    return (code | (bits >> 24 & 0x80)).astype(np.uint8)


def widen_narrow(bits: np.ndarray, type_: str) -> np.ndarray:
    """f32 values of the bits of a type of NARROW."""
    if type_ == "bf16":
        # Without the types NumPy 1 makes scalars of rank 0 wider.
        return np.asarray(np.left_shift(bits, 16, dtype=np.uint32)).view(np.float32)
    mantissa, bias, overflow, _ = _SMALL[type_]
    codes = np.arange(128)
    exponent, fraction = codes >> mantissa, codes & ((1 << mantissa) - 1)
    normal = np.ldexp(fraction + 2.0**mantissa, exponent - bias - mantissa)
    table = np.where(exponent == 0, np.ldexp(fraction.astype(np.float64), 1 - bias - mantissa), normal)
    table[overflow:] = np.nan
    if overflow != 0x7F:
        table[overflow] = np.inf
    return np.concatenate([table, -table]).astype(np.float32)[bits]
