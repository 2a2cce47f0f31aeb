"""What NumPy and Python say that some programs compute."""

import numpy as np


def ackermann(m, n):
    return n + 1 if m == 0 else [None, n + 2, 2 * n + 3][m]


def interpret(thread, code):
    value = thread
    for c in code:
        c = int(c) ^ (thread & 1)
        s = lambda v: (v + 2**31) % 2**32 - 2**31  # noqa: E731
        value = s([lambda v: v + 3, lambda v: v * 5, lambda v: v ^ 0x55, lambda v: v - 7, lambda v: -v, lambda v: v << 1, lambda v: v >> 2,
                   lambda v: v | 9, lambda v: v * v, lambda v: v ^ (v >> 5)][min(c, 9)](value))  # fmt: skip
    return value


def run_machine(thread, code):
    stack, top, below, at, steps = [0] * 8, thread, 1, thread % 4, 0
    while at < len(code) and steps < 100:
        c, place = code[at], top & 7
        pushed, popped = below, stack[place]
        at += {6: 2 * (top & 1), 9: len(code)}.get(c, 0)
        stack[0] += top if c == 4 else 0
        stack[7] ^= top if c == 7 else 0
        below = {1: top, 3: popped}.get(c, below)
        top += {0: pushed, 5: 2 * top + 1, 8: bin(top).count("1") - top}.get(c, -1 if c > 9 else 0)
        if c == 2:
            stack[place] = pushed
        top, stack[0] = top % 2**32, stack[0] % 2**32
        at, steps = at + 1, steps + 1
    return stack, (top * 7 + below + steps) % 2**32


def bit_tricks(x):
    x = int(x)
    swapped = int.from_bytes(x.to_bytes(4, "little"), "big")
    signed = lambda v: v - 256 if v > 127 else v  # noqa: E731
    dot = 7 + sum(signed(x >> s & 255) * signed(swapped >> s & 255) for s in (0, 8, 16, 24))
    shifted = ((swapped << 32 | x) << (x & 31) >> 32) & 0xFFFFFFFF
    first = (x & -x).bit_length()
    return [int(f"{x:032b}"[::-1], 2) ^ swapped, bin(x).count("1") * 1000 + (32 - x.bit_length()) * 32 + first, dot % 2**32,
            ((x & shifted) | (~x & 0xFFFFFFFF & swapped)) ^ (x >> 3)]  # fmt: skip


def philox(i, seed):
    c, key = [i, 0, 0, 0], [seed, ~seed & 0xFFFFFFFF]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [q >> 32 ^ c[1] ^ key[0], q & 0xFFFFFFFF, p >> 32 ^ c[3] ^ key[1], p & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) % 2**32, (key[1] + 0xBB67AE85) % 2**32]
    return c


def bfloat(v):
    bits = np.asarray(v, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def unbfloat(v):
    return (v.astype(np.uint32) << 16).view(np.float32)


def to_fp8(values, table):
    """Pairs of codes: the nearest finite value, of two the even one (ISA 9.7.9.21,
    .satfinite); the first of a pair is in the low byte."""
    positive = table[:128][np.isfinite(table[:128])]
    distance = np.abs(np.abs(values)[..., None].clip(max=positive[-1]).astype(np.float64) - positive)
    nearest = distance == distance.min(-1, keepdims=True)
    even = np.arange(positive.size) % 2 == 0
    code = np.where(nearest.sum(-1) > 1, (nearest & even).argmax(-1), nearest.argmax(-1))
    code = np.where(np.isnan(values), 0x7F, code | np.signbit(values) * 128)
    return (code[:, 0] | code[:, 1] << 8).astype(np.uint16)


def fp8_values():
    """What the 256 codes of e4m3 and of e5m2 mean."""
    codes = np.arange(256, dtype=np.uint8)
    sign = np.where(codes & 128, -1.0, 1.0)
    exponent, mantissa = (codes >> 3 & 15).astype(int), codes & 7
    e4m3 = np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7)) * sign
    e4m3[[0x7F, 0xFF]] = np.nan
    exponent, mantissa = (codes >> 2 & 31).astype(int), codes & 3
    e5m2 = np.where(exponent == 0, mantissa / 4 * 2.0**-14, (1 + mantissa / 4) * 2.0 ** (exponent - 15)) * sign
    e5m2[exponent == 31] = np.where(mantissa == 0, np.inf * sign, np.nan)[exponent == 31]
    return e4m3, e5m2
