# RUN: %python %s sparsedrop-ptx

"""Comparisons and selections (ISA 9.3.1, 9.7.6, 9.7.7)."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import formats
from formats import FORMATS, INF, NAN
from forms import LOGIC, form, run_all, size_of, to_signed

COMPARE = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
}  # fmt: skip


def compare_floats(op, f, a, b, flush=False):
    a, b = (f.decode(f.flush(x) if flush else x) for x in (a, b))
    unordered = NAN in (a[1], b[1])
    if op in ("num", "nan"):
        return unordered == (op == "nan")
    if unordered:
        return len(op) == 3
    key = lambda x: (1 if x[1] == INF else 0, 0 if x[1] == INF else x[1])  # noqa: E731
    order = [tuple(-v for v in key(x)) if x[0] else key(x) for x in (a, b)]
    return COMPARE[op[:2]](*order)

#
# Comparisons (ISA 9.3.1, 9.7.6, 9.7.7)
#

for k in ("u16", "s16", "u32", "s32", "u64", "s64", "b16", "b32", "b64"):
    n = 8 * size_of(k)
    read = (lambda x, n=n: to_signed(x, n)) if k[0] == "s" else (lambda x: x)
    for op, f in COMPARE.items():
        if k[0] == "b" and op not in ("eq", "ne"):
            continue
        form(f"setp.{op}.{k} %D, %A, %B;", f"pred {k} {k}", lambda a, b, f=f, r=read: int(f(r(a), r(b))))
    if k[0] == "u":
        for op, same in (("lo", "lt"), ("ls", "le"), ("hi", "gt"), ("hs", "ge")):
            form(f"setp.{op}.{k} %D, %A, %B;", f"pred {k} {k}", lambda a, b, f=COMPARE[same]: int(f(a, b)))

for k in ("f16", "bf16", "f32", "f64"):
    for op in (*COMPARE, *(o + "u" for o in COMPARE), "num", "nan"):
        form(f"setp.{op}.{k} %D, %A, %B;", f"pred {k} {k}", lambda a, b, o=op, f=FORMATS[k]: int(compare_floats(o, f, a, b)))
form("setp.lt.ftz.f32 %D, %A, %B;", "pred f32 f32", lambda a, b: int(compare_floats("lt", formats.F32, a, b, True)))
form("setp.eq.ftz.f16 %D, %A, %B;", "pred f16 f16", lambda a, b: int(compare_floats("eq", formats.F16, a, b, True)))
for combine, g in LOGIC.items():
    for bang in ("", "!"):
        form(f"setp.gt.s32 %p1, %C, 0; setp.lt.{combine}.s32 %D|%p2, %A, %B, {bang}%p1;", "pred s32 s32 s32",
             lambda a, b, c, g=g, n=bang: int(g(to_signed(a, 32) < to_signed(b, 32), (0 < c < 2**31) != bool(n))))  # fmt: skip
        form(f"setp.gt.s32 %p1, %C, 0; setp.lt.{combine}.s32 %p2|%D, %A, %B, {bang}%p1;", "pred s32 s32 s32",
             lambda a, b, c, g=g, n=bang: int(g(not to_signed(a, 32) < to_signed(b, 32), (0 < c < 2**31) != bool(n))))  # fmt: skip
form("setp.ltu.f16x2 %D|%p2, %A, %B;", "pred f16x2 f16x2", lambda a, b: int(compare_floats("ltu", formats.F16, a & 0xFFFF, b & 0xFFFF)))
form("setp.ge.bf16x2 %p2|%D, %A, %B;", "pred bf16x2 bf16x2", lambda a, b: int(compare_floats("ge", formats.BF16, a >> 16, b >> 16)))
form("set.lt.u32.s32 %D, %A, %B;", "u32 s32 s32", lambda a, b: 0xFFFFFFFF if to_signed(a, 32) < to_signed(b, 32) else 0)
form("set.ge.f32.f32 %D, %A, %B;", "f32 f32 f32", lambda a, b: 0x3F800000 if compare_floats("ge", formats.F32, a, b) else 0)
form("set.ne.f16x2.f16x2 %D, %A, %B;", "f16x2 f16x2 f16x2",
     lambda a, b: sum((0x3C00 if compare_floats("ne", formats.F16, a >> s & 0xFFFF, b >> s & 0xFFFF) else 0) << s for s in (0, 16)))  # fmt: skip
form("set.gtu.u32.bf16x2 %D, %A, %B;", "u32 bf16x2 bf16x2",
     lambda a, b: sum((0xFFFF if compare_floats("gtu", formats.BF16, a >> s & 0xFFFF, b >> s & 0xFFFF) else 0) << s for s in (0, 16)))  # fmt: skip
for to, one in (("u32", 2**32 - 1), ("s32", 2**32 - 1), ("f32", 0x3F800000), ("f16", 0x3C00), ("bf16", 0x3F80), ("u16", 0xFFFF), ("s16", 0xFFFF)):
    for k, op in (("f16", "ltu"), ("bf16", "ne"), ("f32", "geu"), ("f64", "nan"), ("s64", "lt"), ("u16", "hi")):
        if size_of(to) == 2 and to not in ("f16", "bf16") and k not in ("f16", "bf16"):
            continue
        test = (lambda a, b, k=k, o=op: compare_floats(o, FORMATS[k], a, b)) if k in FORMATS else (
            (lambda a, b: to_signed(a, 64) < to_signed(b, 64)) if k == "s64" else (lambda a, b: a > b))  # fmt: skip
        form(f"set.{op}.{to}.{k} %D, %A, %B;", f"{to} {k} {k}", lambda a, b, t=test, one=one: one if t(a, b) else 0)
form("setp.lt.u32 %p1, %C, 9; set.lt.and.u32.f32 %D, %A, %B, !%p1;", "u32 f32 f32 u32",
     lambda a, b, c: 2**32 - 1 if compare_floats("lt", formats.F32, a, b) and c >= 9 else 0)  # fmt: skip
form("set.eq.ftz.f32.f32 %D, %A, %B;", "f32 f32 f32", lambda a, b: 0x3F800000 if compare_floats("eq", formats.F32, a, b, True) else 0)
form("setp.lt.s32 _|%D, %A, %B;", "pred s32 s32", lambda a, b: int(to_signed(a, 32) >= to_signed(b, 32)))
form("slct.b32.s32 %D, %A, %B, %C;", "b32 b32 b32 s32", lambda a, b, c: a if c < 2**31 else b)
form("slct.u64.f32 %D, %A, %B, %C;", "u64 u64 u64 f32", lambda a, b, c: a if compare_floats("ge", formats.F32, c, 0) else b)

REFUSED = (
    ("setp.ltu.s32 %D, %A, %B;", "pred s32 s32", ".ltu"),
    ("setp.lo.s32 %D, %A, %B;", "pred s32 s32", ".lo"),
    ("setp.lt.b32 %D, %A, %B;", "pred b32 b32", "only .eq and .ne"),
)

run_all(REFUSED)
