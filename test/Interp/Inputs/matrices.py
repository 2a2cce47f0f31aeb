"""Matrices of narrow numbers: what the tests of matrix instructions share.

Numbers are codes (unsigned integers) of a format; `decode` gives their values
as float64, from the definitions of the formats (PTX ISA 5.2.3), without the
interpreter."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Format:
    name: str
    bits: int
    exponent: int = 0  # bits of it; 0: an integer
    mantissa: int = 0
    signed: bool = True

    @property
    def is_integer(self):
        return self.exponent == 0

    def decode(self, codes):
        codes = np.asarray(codes).astype(np.uint64)
        if self.is_integer:
            values = codes.astype(np.int64)
            if self.signed:
                values = np.where(values >= 1 << (self.bits - 1), values - (1 << self.bits), values)
            return values.astype(np.float64)
        if self.name == "f64":
            return codes.view(np.float64)
        sign = np.where(codes >> np.uint64(self.bits - 1) & np.uint64(1), -1.0, 1.0)
        width = self.bits - 1 - self.exponent  # of the mantissa as it is stored
        ignored = width - self.mantissa
        mantissa = (codes & np.uint64((1 << width) - 1)) >> np.uint64(ignored)
        exponent = (codes >> np.uint64(width) & np.uint64((1 << self.exponent) - 1)).astype(np.int64)
        bias = (1 << (self.exponent - 1)) - 1
        fraction = mantissa.astype(np.float64) / (1 << self.mantissa)
        normal = exponent > 0
        magnitude = np.ldexp(normal + fraction, np.where(normal, exponent, 1) - bias)
        top = exponent == (1 << self.exponent) - 1
        if self.name == "e4m3":
            special = top & (mantissa == 7)
            magnitude = np.where(special, np.nan, magnitude)
        else:
            magnitude = np.where(top, np.where(mantissa == 0, np.inf, np.nan), magnitude)
        return sign * magnitude

    def random(self, rng, shape, spread=3):
        """Codes of any sign; floats within 2^-spread .. 2^spread, and some zeros
        and subnormals where a sum can see them."""
        if self.is_integer:
            return rng.integers(0, 1 << self.bits, shape, dtype=np.uint64)
        if self.name == "f64":
            return rng.standard_normal(shape).view(np.uint64)
        codes = rng.integers(0, 1 << self.bits, shape, dtype=np.uint64)
        width = self.bits - 1 - self.exponent
        bias = (1 << (self.exponent - 1)) - 1
        low = max(0, bias - spread) if self.exponent > 5 else max(0, bias - 2 * spread)
        high = min((1 << self.exponent) - 2, bias + spread)
        exponent = rng.integers(low, high + 1, shape, dtype=np.uint64)
        clear = np.uint64(~(((1 << self.exponent) - 1) << width) & ((1 << self.bits) - 1))
        codes = codes & clear | exponent << np.uint64(width)
        return np.where(rng.random(shape) < 0.05, np.uint64(0), codes)


F16 = Format("f16", 16, 5, 10)
BF16 = Format("bf16", 16, 8, 7)
TF32 = Format("tf32", 32, 8, 10)  # in 32 bits, of which the low 13 are ignored
F32 = Format("f32", 32, 8, 23)
F64 = Format("f64", 64, 11, 52)
E4M3 = Format("e4m3", 8, 4, 3)
E5M2 = Format("e5m2", 8, 5, 2)
S8 = Format("s8", 8)
U8 = Format("u8", 8, signed=False)
S4 = Format("s4", 4)
U4 = Format("u4", 4, signed=False)
S32 = Format("s32", 32)


def pack(codes, fmt, word=32):
    """Codes along the last axis into words, the first in the low bits."""
    per_word = word // fmt.bits
    if per_word == 1:
        return codes.astype(np.uint64 if word == 64 else np.uint32)
    groups = codes.reshape(*codes.shape[:-1], -1, per_word).astype(np.uint64)
    shifts = np.arange(per_word, dtype=np.uint64) * np.uint64(fmt.bits)
    return (groups << shifts).sum(axis=-1, dtype=np.uint64).astype(np.uint32)


def unpack(words, fmt):
    """The opposite of `pack`, for formats of 8 bits and more."""
    return words.view({8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}[fmt.bits])


def to_bytes(codes, fmt):
    """A row-major matrix of codes as bytes."""
    return codes.astype({8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}[fmt.bits]).view(np.uint8)


def difference(got, a, b, c, fmt, saturating=False, steps=1):
    """What is wrong with `got`, codes of c + a b in `fmt`, or None. a, b and c are
    values. Integers are exact; floats are within the bound that the order of the
    sums leaves: each of the k sums rounds by at most half an ulp of what has been
    added so far, so the error is at most k u (|c| + sum |a b|), u = 2^-24 for f32
    and 2^-53 for f64. A result in f16 is rounded once more by each of the `steps`
    that the sum takes."""
    exact = c + a @ b
    if fmt.is_integer:
        if saturating:
            exact = np.clip(exact, -(2.0**31), 2.0**31 - 1)
        want = exact.astype(np.int64) & 0xFFFFFFFF
        wrong = want != got.astype(np.int64)
        value = got
    else:
        value = fmt.decode(got)
        unit = 2.0**-53 if fmt.name == "f64" else 2.0**-24
        bound = (a.shape[1] + 1) * unit * (np.abs(c) + np.abs(a) @ np.abs(b)) * 1.01
        if fmt.name == "f16":
            bound += steps * (np.abs(c) + np.abs(a) @ np.abs(b)) * 2.0**-11 + steps * 2.0**-25
        wrong = ~(np.abs(value - exact) <= bound)
        want = exact
    if not wrong.any():
        return None
    at = tuple(np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {wrong.size} differ, first at {at}: {value[at]}, expected {want[at]}"


#
# Sparse matrices (PTX ISA 9.7.14.6.1 and the figures of 9.7.14.6.2)
#

# (bits, k) of A: what a thread t of group g holds with selector s, as (row, first
# column, lowest bit). A chunk of columns has four bits.
METADATA = {
    (16, 16): lambda g, t, s: [(g, 0, 0), (g + 8, 0, 16)] if t == s else [],
    (16, 32): lambda g, t, s: [(g, 16 * (t % 2), 0), (g + 8, 16 * (t % 2), 16)] if t // 2 == s else [],
    (32, 8): lambda g, t, s: [(g, 0, 0), (g + 8, 0, 16)] if t == s else [],
    (32, 16): lambda g, t, s: [(g, 8 * (t % 2), 0), (g + 8, 8 * (t % 2), 16)] if t // 2 == s else [],
    (8, 32): lambda g, t, s: [(g + 8 * (t % 2), 0, 0)] if t // 2 == s else [],
    (8, 64): lambda g, t, s: [(g + 8 * (t % 2), 32 * (t // 2), 0)],
    (4, 64): lambda g, t, s: [(g + 8 * (t % 2), 0, 0)] if t // 2 == s else [],
    (4, 128): lambda g, t, s: [(g + 8 * (t % 2), 64 * (t // 2), 0)],
}
SEGMENT_BITS = {16: 16, 32: 16, 8: 32, 4: 32}
CHUNKS = {16: 4, 32: 2, 8: 4, 4: 8}


class Sparse:
    """A sparse m x k matrix: `stored` has half of its columns, `whole` all."""

    def __init__(self, rng, fmt, m, k, selector=0, ordered=True):
        bits, chunk = fmt.bits, CHUNKS[fmt.bits]
        self.stored = fmt.random(rng, (m, k // 2))
        self.whole = np.zeros((m, k), np.uint64)
        indices = np.zeros((m, k // chunk), np.uint64)
        for row in range(m):
            for i in range(k // chunk):
                old = self.stored[row, i * chunk // 2 : (i + 1) * chunk // 2]
                new = self.whole[row, i * chunk : (i + 1) * chunk]
                if bits == 32:  # one of two
                    place = rng.integers(2)
                    new[place] = old[0]
                    indices[row, i] = (0b0100, 0b1110)[place]
                    continue
                # Two of four, or two pairs of four.
                places = rng.permutation(4)[:2]
                places = np.sort(places) if ordered else places
                run = chunk // 4
                for n, place in enumerate(places):
                    new[place * run : (place + 1) * run] = old[n * run : (n + 1) * run]
                indices[row, i] = places[0] | places[1] << 2
        self.words = np.full(m * 2, 0xFFFFFFFF, np.uint32)  # of lanes; warps have 16 rows
        for thread in range(m * 2):
            warp, lane = divmod(thread, 32)
            segments = METADATA[bits, k](lane // 4, lane % 4, selector)
            if segments:
                self.words[thread] = 0
            for row, column, shift in segments:
                for i in range(SEGMENT_BITS[bits] // 4):
                    index = indices[16 * warp + row, column // chunk + i]
                    self.words[thread] |= np.uint32(int(index) << (shift + 4 * i))
