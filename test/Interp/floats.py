# RUN: %python %s sparsedrop-ptx

"""Arithmetic of floats (ISA 9.7.3, 9.7.4) against exact rationals rounded once, and
functions within the bounds of the ISA."""

import os
import sys
from fractions import Fraction

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import formats
from formats import FORMATS, INF, NAN
from forms import MODES, exact_or_nan, form, pairs, run_all

#
# Floats: exact, rounded once (ISA 9.7.3, 9.7.4)
#


def rounded(kind, function, mode="rn", flush=False, sat=False, relu=False):
    """A function of decoded values, as one of bits."""
    f = FORMATS[kind]

    def of_bits(*operands):
        exact = function(*(f.decode(f.flush(x) if flush else x) for x in operands))
        bits = f.encode(*exact, mode)
        bits = f.flush(bits) if flush else bits
        if sat:
            negative, value = f.decode(bits)
            one = f.encode(False, Fraction(1))
            bits = 0 if value == NAN or negative else one if value == INF or value > 1 else bits
        if relu and bits != f.nan and (bits & f.sign):
            bits = 0
        return bits

    return of_bits


def fma(mode):
    return lambda a, b, c: formats.add(formats.mul(a, b), c, mode)


ONE = (False, Fraction(1))

for k in ("f32", "f64"):
    for mode in MODES:
        operations = {
            "add": (2, lambda a, b, m=mode: formats.add(a, b, m)),
            "sub": (2, lambda a, b, m=mode: formats.add(a, (not b[0], b[1]), m)),
            "mul": (2, formats.mul),
            "div": (2, formats.div),
            "fma": (3, fma(mode)),
            "rcp": (1, lambda a: formats.div(ONE, a)),
            "sqrt": (1, formats.sqrt),
        }
        for op, (count, f) in operations.items():
            operands = ", ".join(["%D", "%A", "%B", "%C"][: count + 1])
            for ftz in ("", ".ftz") if k == "f32" else ("",):
                for sat in ("", ".sat") if k == "f32" and op in ("add", "sub", "mul", "fma") else ("",):
                    form(f"{op}.{mode}{ftz}{sat}.{k} {operands};", " ".join([k] * (count + 1)),
                         exact_or_nan(k, rounded(k, f, mode, bool(ftz), bool(sat))))  # fmt: skip
    form(f"add.{k} %D, %A, %B;", f"{k} {k} {k}", exact_or_nan(k, rounded(k, formats.add)))
    form(f"neg.{k} %D, %A;", f"{k} {k}", lambda a, f=FORMATS[k]: a ^ f.sign)
    form(f"abs.{k} %D, %A;", f"{k} {k}", lambda a, f=FORMATS[k]: a & ~f.sign)
    form(f"copysign.{k} %D, %A, %B;", f"{k} {k} {k}", lambda a, b, f=FORMATS[k]: b & ~f.sign | a & f.sign)
    for test, holds in {
        "finite": lambda f, x: f.decode(x)[1] not in (INF, NAN), "infinite": lambda f, x: f.decode(x)[1] == INF,
        "number": lambda f, x: f.decode(x)[1] != NAN, "notanumber": lambda f, x: f.decode(x)[1] == NAN,
        "normal": lambda f, x: f.decode(x)[1] not in (INF, NAN, 0) and not f.is_subnormal(x), "subnormal": lambda f, x: bool(f.is_subnormal(x)),
    }.items():  # fmt: skip
        form(f"testp.{test}.{k} %D, %A;", f"pred {k}", lambda a, h=holds, f=FORMATS[k]: int(h(f, a)))
form("neg.ftz.f32 %D, %A;", "f32 f32", lambda a: formats.F32.flush(a) ^ 2**31)
form("abs.ftz.f32 %D, %A;", "f32 f32", lambda a: formats.F32.flush(a) & 2**31 - 1)


def extreme(kind, largest, keeps=False, xorsign=False, flush=False):
    f = FORMATS[kind]

    def of_bits(a, b):
        if flush:
            a, b = f.flush(a), f.flush(b)
        sign = (a ^ b) & f.sign
        if xorsign:
            a, b = a & ~f.sign, b & ~f.sign
        nans = [f.decode(x)[1] == NAN for x in (a, b)]
        if all(nans) or (any(nans) and keeps):
            return f.nan
        if any(nans):
            pick = b if nans[0] else a
        else:
            order = lambda x: -(x & ~f.sign) - 1 if x & f.sign else x  # noqa: E731
            pick = (max if largest else min)(a, b, key=order)
        return pick | sign if xorsign else pick

    return of_bits


for op in ("min", "max"):
    for nan in ("", ".NaN"):
        for xorsign in ("", ".xorsign.abs"):
            for k in ("f32", "f16", "bf16"):
                for ftz in ("", ".ftz") if k != "bf16" else ("",):
                    f = extreme(k, op == "max", bool(nan), bool(xorsign), bool(ftz))
                    form(f"{op}{ftz}{nan}{xorsign}.{k} %D, %A, %B;", f"{k} {k} {k}", f)
                    if k != "f32":
                        form(f"{op}{ftz}{nan}{xorsign}.{k}x2 %D, %A, %B;", f"{k}x2 {k}x2 {k}x2", pairs(k, f))
    form(f"{op}.f64 %D, %A, %B;", "f64 f64 f64", exact_or_nan("f64", extreme("f64", op == "max")))
for k in ("f16", "bf16"):
    for ftz in ("", ".ftz") if k == "f16" else ("",):
        for after in ("", ".sat", ".relu"):
            for op, count, f in (
                ("add", 2, formats.add), ("sub", 2, lambda a, b: formats.add(a, (not b[0], b[1]))), ("mul", 2, formats.mul), ("fma", 3, fma("rn")),
            ):  # fmt: skip
                if (after == ".relu" and op != "fma") or (k == "bf16" and after == ".sat"):
                    continue
                f = rounded(k, f, "rn", bool(ftz), after == ".sat", after == ".relu")
                operands = ", ".join(["%D", "%A", "%B", "%C"][: count + 1])
                form(f"{op}.rn{ftz}{after}.{k} {operands};", " ".join([k] * (count + 1)), f)
                form(f"{op}.rn{ftz}{after}.{k}x2 {operands};", " ".join([k + "x2"] * (count + 1)), pairs(k, f))
    for op, f in (("neg", lambda a: a ^ 0x8000), ("abs", lambda a: a & 0x7FFF)):
        form(f"{op}.{k} %D, %A;", f"{k} {k}", f)
        form(f"{op}.{k}x2 %D, %A;", f"{k}x2 {k}x2", pairs(k, f))

#
# Functions: within the ISA's bound (9.7.3). NumPy's are of float64.
#


def value_of(kind, bits):
    negative, magnitude = FORMATS[kind].decode(bits)
    number = np.nan if magnitude == NAN else np.inf if magnitude == INF else float(magnitude)
    return np.float64(-number if negative else number)


def near(kind, function, relative=0.0, absolute=0.0, flush=False, ranges=None):
    """Within a relative or an absolute error of a function of float64, or both
    subnormal results away from 0 where .ftz may flush."""
    f = FORMATS[kind]
    least = 2.0 ** (f.least + f.m)

    def of_bits(*operands):
        x = [value_of(kind, f.flush(b) if flush else b) for b in operands]
        if ranges and not all(np.isnan(v) or np.isinf(v) or abs(v) <= ranges for v in x):
            return None
        with np.errstate(all="ignore"):
            want = function(*x)

        def check(got):
            value = value_of(kind, got)
            if np.isnan(want) or np.isnan(value):
                return np.isnan(want) and np.isnan(value)
            limit = float(f.decode(f.infinity - 1)[1])
            if abs(want) > limit or np.isinf(value):
                return np.isinf(value) and np.sign(value) == np.sign(want) and abs(want) > limit * (1 - 2 * relative - 1e-3)
            if flush and abs(want) < least:
                return abs(value) <= least
            return abs(value - want) <= relative * abs(want) + absolute + 2.0**f.least

        return check

    return of_bits


def divide_approx(a, b):
    """ISA 9.7.3.8: 0, or NaN of infinity, where the divisor is above 2^126."""
    return a * np.copysign(0, b) if 2.0**126 < abs(b) < np.inf else np.divide(a, b)


for ftz in ("", ".ftz"):
    flush = bool(ftz)
    form(f"rcp.approx{ftz}.f32 %D, %A;", "f32 f32", near("f32", lambda a: np.divide(1, a), 2**-23, flush=flush))
    form(f"sqrt.approx{ftz}.f32 %D, %A;", "f32 f32", near("f32", np.sqrt, 2**-23, flush=flush))
    form(f"rsqrt.approx{ftz}.f32 %D, %A;", "f32 f32", near("f32", lambda a: np.divide(1, np.sqrt(a)), 2**-22.9, flush=flush))
    form(f"ex2.approx{ftz}.f32 %D, %A;", "f32 f32", near("f32", np.exp2, 2**-22, flush=flush))
    form(f"lg2.approx{ftz}.f32 %D, %A;", "f32 f32", near("f32", np.log2, 2**-22, 2**-22, flush=flush))
    form(f"sin.approx{ftz}.f32 %D, %A;", "f32 f32", near("f32", np.sin, 0, 2**-20.5, flush=flush, ranges=np.pi))
    form(f"cos.approx{ftz}.f32 %D, %A;", "f32 f32", near("f32", np.cos, 0, 2**-20.5, flush=flush, ranges=np.pi))
    form(f"div.approx{ftz}.f32 %D, %A, %B;", "f32 f32 f32", near("f32", divide_approx, 2**-22, flush=flush))
    form(f"div.full{ftz}.f32 %D, %A, %B;", "f32 f32 f32", near("f32", np.divide, 2**-22, flush=flush))
form("tanh.approx.f32 %D, %A;", "f32 f32", near("f32", np.tanh, 2**-11))
form("rsqrt.approx.f64 %D, %A;", "f64 f64", near("f64", lambda a: np.divide(1, np.sqrt(a)), 2**-50))
for op, f in (("rcp", lambda a: np.divide(1, a)), ("rsqrt", lambda a: np.divide(1, np.sqrt(a)))):
    form(f"{op}.approx.ftz.f64 %D, %A;", "f64 f64", near("f64", f, 2**-20, flush=True))
    form(f"{op}.approx.ftz.f64 %D, %A;", "f64 f64", lambda a: lambda got: got % 2**32 == 0)
for k, error in (("f16", 2**-9.9), ("bf16", 2**-7)):
    ftz = ".ftz" if k == "bf16" else ""
    form(f"ex2.approx{ftz}.{k} %D, %A;", f"{k} {k}", near(k, np.exp2, error, flush=bool(ftz)))
    form(f"tanh.approx.{k} %D, %A;", f"{k} {k}", near(k, np.tanh, 2**-8 if k == "bf16" else 2**-10.987))
    for op, f in ((f"ex2.approx{ftz}", near(k, np.exp2, error, flush=bool(ftz))), ("tanh.approx", near(k, np.tanh, 2**-8 if k == "bf16" else 2**-10.987))):
        form(f"{op}.{k}x2 %D, %A;", f"{k}x2 {k}x2", lambda a, f=f: lambda got: f(a & 0xFFFF)(got & 0xFFFF) and f(a >> 16)(got >> 16))

REFUSED = (
    ("add.rz.f16 %D, %A, %B;", "b16 b16 b16", ".rz"),
    ("add.relu.f16 %D, %A, %B;", "b16 b16 b16", ".relu"),
    ("add.sat.bf16 %D, %A, %B;", "b16 b16 b16", ".sat"),
    ("fma.rn.ftz.bf16x2 %D, %A, %B, %C;", "b32 b32 b32 b32", ".ftz"),
    ("fma.rn.oob.f16 %D, %A, %B, %C;", "b16 b16 b16 b16", ".oob"),
    ("neg.sat.f16 %D, %A;", "b16 b16", ".sat"),
    ("tanh.f16 %D, %A;", "b16 b16", "expected .approx"),
    ("min.rn.f32 %D, %A, %B;", "f32 f32 f32", ".rn"),
    ("add.approx.f32 %D, %A, %B;", "f32 f32 f32", ".approx"),
    ("add.sat.f64 %D, %A, %B;", "f64 f64 f64", ".sat"),
    ("div.full.f64 %D, %A, %B;", "f64 f64 f64", "no form of this type"),
    ("div.f32 %D, %A, %B;", "f32 f32 f32", "rounding mode"),
    ("sqrt.f32 %D, %A;", "f32 f32", "rounding mode"),
    ("sin.f32 %D, %A;", "f32 f32", "expected .approx"),
)

run_all(REFUSED)
