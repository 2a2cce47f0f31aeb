# RUN: %python %s sparsedrop-ptx

"""Conversions (ISA 9.7.9.21, 9.7.9.22) against exact rationals rounded once."""

import os
import sys
from fractions import Fraction

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import formats
from formats import FORMATS, INF, NAN
from forms import MODES, clamp, exact_or_nan, form, run_all, size_of, to_signed

#
# Conversions (ISA 9.7.9.21)
#

INTEGERS = ("u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64")


def number(kind, bits):
    n = 8 * size_of(kind)
    bits &= (1 << n) - 1
    return to_signed(bits, n) if kind[0] == "s" else bits


def held(kind):
    """The register type that holds 8-bit values here."""
    return {"u8": "u16", "s8": "s16"}.get(kind, kind)


def extended(kind, value):
    return value % (1 << 8 * size_of(held(kind)))


def round_integer(value, mode):
    """A Fraction to an integer."""
    whole, rest = value.numerator // value.denominator, value - value.numerator // value.denominator
    if mode == "rni":
        return whole + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole & 1))
    if mode == "rzi":
        return whole + (value < 0 and rest > 0)
    return whole + (mode == "rpi" and rest > 0)


def to_integer(to, kind, mode, flush):
    f, n = FORMATS[kind], 8 * size_of(to)

    def of_bits(a):
        x = f.decode(f.flush(a) if flush else a)
        if x[1] == NAN:
            wide = n == 64 or kind == "f64"
            return extended(to, number(to, 1 << (n - 1))) if wide else 0
        value = (-(2**70) if x[0] else 2**70) if x[1] == INF else round_integer(formats.signed(x), mode)
        return extended(to, clamp(value, to))

    return of_bits


for to in INTEGERS:
    for source in INTEGERS:
        if to == source:
            continue
        for sat in ("", ".sat"):
            form(f"cvt{sat}.{to}.{source} %D, %A;", f"{held(to)} {held(source)}",
                 lambda a, t=to, s=source, c=sat: extended(t, clamp(number(s, a), t) if c else number(t, number(s, a) % 2**64)))  # fmt: skip
    for k in ("f16", "f32", "f64") + (("bf16",) if to not in ("u8", "s8") else ()):
        for mode in ("rni", "rzi", "rmi", "rpi"):
            form(f"cvt.{mode}.{to}.{k} %D, %A;", f"{held(to)} {k}", to_integer(to, k, mode, False))
        for mode in MODES:
            f = FORMATS[k]
            form(f"cvt.{mode}.{k}.{to} %D, %A;", f"{k} {held(to)}",
                 lambda a, f=f, t=to, m=mode: f.encode(number(t, a) < 0, abs(Fraction(number(t, a))), m))  # fmt: skip
form("cvt.rzi.ftz.s32.f32 %D, %A;", "s32 f32", to_integer("s32", "f32", "rzi", True))
form("cvt.rpi.ftz.u32.f32 %D, %A;", "u32 f32", to_integer("u32", "f32", "rpi", True))
for text in ("cvt.rn.sat.f32.s32", "cvt.rn.sat.f16.u16", "cvt.rz.sat.f64.s64"):
    to, source = text.split(".")[-2:]
    form(f"{text} %D, %A;", f"{to} {source}", lambda a, t=to, s=source: FORMATS[t].encode(False, Fraction(int(number(s, a) > 0))))


def convert(to, kind, mode="rn", sat=False, relu=False, satfinite=False, flush=False, to_int=None):
    f, g = FORMATS[kind], FORMATS[to]

    def of_bits(a):
        negative, x = f.decode(f.flush(a) if flush and kind == "f32" else a)
        if x not in (INF, NAN) and to_int:
            whole = round_integer(-x if negative else x, to_int)
            x = Fraction(abs(whole))
        if relu and negative and x != NAN:
            negative, x = False, Fraction(0)
        if sat:
            negative, x = (False, Fraction(0)) if x == NAN or negative else (False, Fraction(1) if x == INF or x > 1 else x)
        bits = g.encode(negative, x, mode, satfinite)
        return g.flush(bits) if flush and to == "f32" else bits

    return of_bits


for to, source in (("f32", "f16"), ("f32", "bf16"), ("f64", "f32"), ("f64", "f16")):
    form(f"cvt.{to}.{source} %D, %A;", f"{to} {source}", exact_or_nan(to, convert(to, source)))
for to, source in (("f16", "f32"), ("bf16", "f32"), ("f32", "f64"), ("f16", "f64"), ("bf16", "f64")):
    for mode in MODES:
        form(f"cvt.{mode}.{to}.{source} %D, %A;", f"{to} {source}", convert(to, source, mode))
for to in ("f16", "bf16"):
    for mode in ("rn", "rz"):
        form(f"cvt.{mode}.relu.{to}.f32 %D, %A;", f"{to} f32", convert(to, "f32", mode, relu=True))
        for relu in ("", ".relu"):
            one = convert(to, "f32", mode, relu=bool(relu))
            form(f"cvt.{mode}{relu}.{to}x2.f32 %D, %A, %B;", f"{to}x2 f32 f32", lambda a, b, f=one: f(a) << 16 | f(b))
    for mode, relu in (("rn", ""), ("rn", ".relu"), ("rz", "")):
        one = convert(to, "f32", mode, relu=bool(relu), satfinite=True)
        form(f"cvt.{mode}{relu}.satfinite.{to}.f32 %D, %A;", f"{to} f32", one)
        form(f"cvt.{mode}{relu}.satfinite.{to}x2.f32 %D, %A, %B;", f"{to}x2 f32 f32", lambda a, b, f=one: f(a) << 16 | f(b))
for mode in MODES:
    form(f"cvt.{mode}.f16.bf16 %D, %A;", "f16 bf16", convert("f16", "bf16", mode))
    form(f"cvt.{mode}.bf16.f16 %D, %A;", "bf16 f16", convert("bf16", "f16", mode))
form("cvt.f64.bf16 %D, %A;", "f64 bf16", exact_or_nan("f64", convert("f64", "bf16")))
form("cvt.rni.bf16.bf16 %D, %A;", "bf16 bf16", convert("bf16", "bf16", to_int="rni"))
form("cvt.ftz.f32.bf16 %D, %A;", "f32 bf16", convert("f32", "bf16", flush=True))
form("cvt.ftz.sat.f32.f16 %D, %A;", "f32 f16", convert("f32", "f16", sat=True))
form("cvt.rn.ftz.bf16.f32 %D, %A;", "bf16 f32", convert("bf16", "f32", flush=True))
form("cvt.rpi.ftz.sat.f32.f32 %D, %A;", "f32 f32", convert("f32", "f32", sat=True, flush=True, to_int="rpi"))
form("cvt.sat.f64.f64 %D, %A;", "f64 f64", convert("f64", "f64", sat=True))
# Registers wider than the types (ISA 9.4.1): the result is extended by its type.
form("cvt.u8.u32 %D, %A;", "u32 u32", lambda a: a & 0xFF)
form("cvt.s8.u32 %D, %A;", "u32 u32", lambda a: to_signed(a & 0xFF, 8) % 2**32)
form("cvt.s64.s16 %D, %A;", "u64 u32", lambda a: to_signed(a & 0xFFFF, 16) % 2**64)
form("cvt.s16.s64 %D, %A;", "u64 u64", lambda a: to_signed(a & 0xFFFF, 16) % 2**64)
form("cvt.rn.f32.u8 %D, %A;", "f32 u32", lambda a: formats.F32.encode(False, Fraction(a & 0xFF)))
form("cvt.rzi.s16.f32 %D, %A;", "u32 f32", lambda a: number("s16", to_integer("s16", "f32", "rzi", False)(a)) % 2**32)
form("cvt.f32.f16 %D, %A;", "f32 u32", lambda a: convert("f32", "f16")(a & 0xFFFF))
form("cvt.rn.sat.f16.f32 %D, %A;", "f16 f32", convert("f16", "f32", sat=True))
form("cvt.sat.f32.f32 %D, %A;", "f32 f32", convert("f32", "f32", sat=True))
form("cvt.ftz.f32.f32 %D, %A;", "f32 f32", convert("f32", "f32", flush=True))
form("cvt.rn.ftz.f32.f64 %D, %A;", "f32 f64", convert("f32", "f64", flush=True))
for k in ("f32", "f64", "f16"):
    for mode in ("rni", "rzi", "rmi", "rpi"):
        form(f"cvt.{mode}.{k}.{k} %D, %A;", f"{k} {k}", exact_or_nan(k, convert(k, k, to_int=mode)))
for k in ("e4m3", "e5m2"):
    for relu in ("", ".relu"):
        one = convert(k, "f32", satfinite=True, relu=bool(relu))
        fix = lambda x, k=k: 0x7F if FORMATS[k].decode(x)[1] == NAN else x  # noqa: E731
        form(f"cvt.rn.satfinite{relu}.{k}x2.f32 %D, %A, %B;", f"{k}x2 f32 f32", lambda a, b, f=one, x=fix: x(f(a)) << 8 | x(f(b)))
        half = convert(k, "f16", satfinite=True, relu=bool(relu))
        form(f"cvt.rn.satfinite{relu}.{k}x2.f16x2 %D, %A;", f"{k}x2 f16x2", lambda a, f=half, x=fix: x(f(a & 0xFFFF)) | x(f(a >> 16)) << 8)
        back = convert("f16", k, relu=bool(relu))
        form(f"cvt.rn{relu}.f16x2.{k}x2 %D, %A;", f"f16x2 {k}x2", lambda a, f=back: f(a & 0xFF) | f(a >> 8) << 16)
for bits in (2, 4, 8, 16):
    for sign in "us":
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if sign == "s" else (0, (1 << bits) - 1)
        part = lambda x, low=low, high=high, n=bits: min(max(to_signed(x, 32), low), high) % (1 << n)  # noqa: E731
        if bits == 16:
            form(f"cvt.pack.sat.{sign}16.s32 %D, %A, %B;", "b32 s32 s32", lambda a, b, f=part: f(b) | f(a) << 16)
        else:
            form(f"cvt.pack.sat.{sign}{bits}.s32.b32 %D, %A, %B, %C;", "b32 s32 s32 b32",
                 lambda a, b, c, f=part, n=bits: (f(b) | f(a) << n | c << 2 * n) % 2**32)  # fmt: skip
TF32 = formats.Format(8, 10)
for mode in ("rna", "rn", "rz"):
    def to_tf32(a, m=mode):
        bits = TF32.encode(*formats.F32.decode(a), m)
        return 0x7FFFFFFF if bits == TF32.nan else bits << 13

    form(f"cvt.{mode}.tf32.f32 %D, %A;", "b32 f32", to_tf32)

REFUSED = (
    ("cvt.s32.f32 %D, %A;", "s32 f32", "rounding modifier"),
    ("cvt.rn.s32.f32 %D, %A;", "s32 f32", ".rni"),
    ("cvt.f16.f32 %D, %A;", "f16 f32", "rounding modifier"),
    ("cvt.rni.f32.s32 %D, %A;", "f32 s32", ".rni"),
    ("cvt.rn.f64.f32 %D, %A;", "f64 f32", ".rn"),
    ("cvt.rn.e4m3x2.f32 %D, %A, %B;", "b16 f32 f32", ".satfinite"),
    ("cvt.rm.bf16x2.f32 %D, %A, %B;", "b32 f32 f32", "rounding modifier"),
    ("cvt.rna.relu.tf32.f32 %D, %A;", "b32 f32", ".relu"),
    ("cvt.rn.relu.f64.f32 %D, %A;", "f64 f32", ".r"),
    ("cvt.pack.sat.u8.s32 %D, %A, %B;", "b32 s32 s32", ".b32"),
)

run_all(REFUSED)
