# RUN: %python %s sparsedrop-ptx

"""Integers, their bits, and predicates (ISA 9.7.1, 9.7.2, 9.7.8), each form against
Python's integers."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from forms import LOGIC, clamp, form, run_all, size_of, to_signed

#
# Integers (ISA 9.7.1, 9.7.2, 9.7.8)
#


def integer(kind, function):
    """A function of numbers as one of bits."""
    bits = 8 * size_of(kind)
    read = (lambda x: to_signed(x, bits)) if kind[0] == "s" else (lambda x: x)
    return lambda *operands: function(*map(read, operands)) % (1 << bits)


def truncate(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


for k in ("u16", "s16", "u32", "s32", "u64", "s64"):
    n = 8 * size_of(k)
    two, three = f"{k} {k} {k}", f"{k} {k} {k} {k}"
    form(f"add.{k} %D, %A, %B;", two, integer(k, lambda a, b: a + b))
    form(f"sub.{k} %D, %A, %B;", two, integer(k, lambda a, b: a - b))
    form(f"mul.lo.{k} %D, %A, %B;", two, integer(k, lambda a, b: a * b))
    form(f"mul.hi.{k} %D, %A, %B;", two, integer(k, lambda a, b, n=n: a * b >> n))
    form(f"mad.lo.{k} %D, %A, %B, %C;", three, integer(k, lambda a, b, c: a * b + c))
    form(f"mad.hi.{k} %D, %A, %B, %C;", three, integer(k, lambda a, b, c, n=n: (a * b >> n) + c))
    form(f"sad.{k} %D, %A, %B, %C;", three, integer(k, lambda a, b, c: c + abs(a - b)))
    form(f"div.{k} %D, %A, %B;", two, lambda a, b, k=k: integer(k, truncate)(a, b) if b else None)
    form(f"rem.{k} %D, %A, %B;", two, lambda a, b, k=k: integer(k, lambda x, y: x - truncate(x, y) * y)(a, b) if b else None)
    form(f"min.{k} %D, %A, %B;", two, integer(k, min))
    form(f"max.{k} %D, %A, %B;", two, integer(k, max))
    if n < 64:
        w = f"{k[0]}{2 * n}"
        wide = lambda f, k=k, n=n: lambda *x: f(*[to_signed(v, n) if k[0] == "s" else v for v in x[:2]], *x[2:]) % (1 << 2 * n)  # noqa: E731
        form(f"mul.wide.{k} %D, %A, %B;", f"{w} {k} {k}", wide(lambda a, b: a * b))
        form(f"mad.wide.{k} %D, %A, %B, %C;", f"{w} {k} {k} {w}", wide(lambda a, b, c: a * b + c))
    if k[0] == "s":
        form(f"abs.{k} %D, %A;", f"{k} {k}", integer(k, abs))
        form(f"neg.{k} %D, %A;", f"{k} {k}", integer(k, lambda a: -a))
    form(f"shr.{k} %D, %A, %B;", f"{k} {k} u32", lambda a, b, k=k, n=n: integer(k, lambda x: x >> min(b, n))(a))
form("add.sat.s32 %D, %A, %B;", "s32 s32 s32", integer("s32", lambda a, b: clamp(a + b, "s32")))
form("sub.sat.s32 %D, %A, %B;", "s32 s32 s32", integer("s32", lambda a, b: clamp(a - b, "s32")))
form("mad.hi.sat.s32 %D, %A, %B, %C;", "s32 s32 s32 s32", integer("s32", lambda a, b, c: clamp((a * b >> 32) + c, "s32")))
for k in ("u32", "s32"):
    low = lambda x, k=k: to_signed(x & 0xFFFFFF, 24) if k[0] == "s" else x & 0xFFFFFF  # noqa: E731
    for mode, shift in (("lo", 0), ("hi", 16)):
        form(f"mul24.{mode}.{k} %D, %A, %B;", f"{k} {k} {k}", lambda a, b, low=low, s=shift: (low(a) * low(b) >> s) % 2**32)
        form(f"mad24.{mode}.{k} %D, %A, %B, %C;", f"{k} {k} {k} {k}", lambda a, b, c, low=low, s=shift: ((low(a) * low(b) >> s) + c) % 2**32)
for k in ("b16", "b32", "b64"):
    n = 8 * size_of(k)
    full = (1 << n) - 1
    form(f"and.{k} %D, %A, %B;", f"{k} {k} {k}", lambda a, b: a & b)
    form(f"or.{k} %D, %A, %B;", f"{k} {k} {k}", lambda a, b: a | b)
    form(f"xor.{k} %D, %A, %B;", f"{k} {k} {k}", lambda a, b: a ^ b)
    form(f"not.{k} %D, %A;", f"{k} {k}", lambda a, full=full: ~a & full)
    form(f"cnot.{k} %D, %A;", f"{k} {k}", lambda a: int(a == 0))
    form(f"shl.{k} %D, %A, %B;", f"{k} {k} u32", lambda a, b, n=n, full=full: a << b & full if b < n else 0)
    form(f"setp.lt.u32 %p1, %C, 100; selp.{k} %D, %A, %B, %p1;", f"{k} {k} {k} u32", lambda a, b, c: a if c < 100 else b)
    form(f"setp.lt.u32 %p1, %C, 100; selp.{k} %D, %A, %B, !%p1;", f"{k} {k} {k} u32", lambda a, b, c: b if c < 100 else a)
for k in ("b32", "b64"):
    n = 8 * size_of(k)
    form(f"popc.{k} %D, %A;", f"u32 {k}", lambda a: bin(a).count("1"))
    form(f"clz.{k} %D, %A;", f"u32 {k}", lambda a, n=n: n - a.bit_length())
    form(f"brev.{k} %D, %A;", f"{k} {k}", lambda a, n=n: int(format(a, f"0{n}b")[::-1], 2))

    def insert(a, b, c, position, length, n=n):
        mask = ((1 << min(length, n)) - 1) << position & (1 << n) - 1
        return b & ~mask | a << position & mask

    for position, length in ((0, 0), (0, 8), (5, 9), (31, 4), (n - 1, 1), (n, 3), (3, 255), (259, 8)):
        form(f"bfi.{k} %D, %A, %B, {position}, {length};", f"{k} {k} {k}", lambda a, b, p=position, l=length, f=insert: f(a, b, 0, p & 255, l & 255))
for k in ("u32", "s32", "u64", "s64"):
    n = 8 * size_of(k)

    def extract(a, position, length, n=n, sign=k[0] == "s"):
        # The pseudocode of ISA 9.7.1.19.
        position, length = position & 0xFF, length & 0xFF
        msb = n - 1
        sbit = 0 if not sign or length == 0 else a >> min(position + length - 1, msb) & 1
        d = sum(sbit << i for i in range(n))
        for i in range(n):
            if i < length and position + i <= msb:
                d = d & ~(1 << i) | (a >> (position + i) & 1) << i
        return d

    form(f"bfe.{k} %D, %A, %B, %C;", f"{k} {k} u32 u32", extract)

    def find(a, n=n, sign=k[0] == "s"):
        bits = ~a & (1 << n) - 1 if sign and a >> (n - 1) else a
        return bits.bit_length() - 1 if bits else 0xFFFFFFFF

    form(f"bfind.{k} %D, %A;", f"u32 {k}", find)
    form(f"bfind.shiftamt.{k} %D, %A;", f"u32 {k}", lambda a, f=find, n=n: f(a) if f(a) == 0xFFFFFFFF else n - 1 - f(a))
for mode in ("l", "r"):
    for bound in ("clamp", "wrap"):
        form(f"shf.{mode}.{bound}.b32 %D, %A, %B, %C;", "b32 b32 b32 u32",
             lambda a, b, c, m=mode, w=bound: ((b << 32 | a) << (c & 31 if w == "wrap" else min(c, 32)) >> 32 if m == "l"
                                               else (b << 32 | a) >> (c & 31 if w == "wrap" else min(c, 32))) % 2**32)  # fmt: skip
for table in (0x96, 0xE8, 0xCA, 0x01, 0xFE, 0x80, 0x00, 0xFF, 0x1B):
    form(f"lop3.b32 %D, %A, %B, %C, {table};", "b32 b32 b32 b32",
         lambda a, b, c, t=table: sum((t >> ((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)) & 1) << i for i in range(32)))  # fmt: skip


def dot(a, b, c, sa, sb, count, high):
    width = 32 // count
    read = lambda x, i, w, s: to_signed(x >> w * i & (1 << w) - 1, w) if s else x >> w * i & (1 << w) - 1  # noqa: E731
    return (c + sum(read(a, i, width, sa) * read(b, i + (2 if high else 0), 8, sb) for i in range(count))) % 2**32


for sa in ("u32", "s32"):
    for sb in ("u32", "s32"):
        form(f"dp4a.{sa}.{sb} %D, %A, %B, %C;", "u32 u32 u32 u32", lambda a, b, c, x=sa, y=sb: dot(a, b, c, x[0] == "s", y[0] == "s", 4, False))
        for mode in ("lo", "hi"):
            form(f"dp2a.{mode}.{sa}.{sb} %D, %A, %B, %C;", "u32 u32 u32 u32",
                 lambda a, b, c, x=sa, y=sb, m=mode: dot(a, b, c, x[0] == "s", y[0] == "s", 2, m == "hi"))  # fmt: skip


def nth(mask, base, offset):
    offset, base = to_signed(offset, 32), base & 31
    if offset == 0:
        return base if mask >> base & 1 else 0xFFFFFFFF
    order = range(base, 32) if offset > 0 else range(base, -1, -1)
    found = [i for i in order if mask >> i & 1]
    return found[abs(offset) - 1] if abs(offset) <= len(found) else 0xFFFFFFFF


form("and.b32 %B, %B, 31; fns.b32 %D, %A, %B, %C;", "u32 u32 u32 u32", lambda a, b, c: nth(a, b & 31, c))
for bits, k in ((32, "u32"), (32, "s32"), (64, "u64")):
    form(f"add.cc.{k} %B, %A, %B; addc.{k} %D, %C, 0;", f"{k} {k} {k} {k}", lambda a, b, c, n=bits: (c + (a + b >> n)) % (1 << n))
    form(f"sub.cc.{k} %B, %A, %B; subc.{k} %D, %C, 0;", f"{k} {k} {k} {k}", lambda a, b, c, n=bits: (c - (a < b)) % (1 << n))
    form(f"add.cc.{k} %B, %A, %B; addc.cc.{k} %C, %C, %C; addc.{k} %D, 0, 0;", f"{k} {k} {k} {k}",
         lambda a, b, c, n=bits: 2 * c + (a + b >> n) >> n)  # fmt: skip
form("mad.lo.cc.u32 %D, %A, %B, %C; madc.hi.u32 %D, %A, %B, %C;", "u32 u32 u32 u32", lambda a, b, c: ((a * b >> 32) + c + ((a * b & 2**32 - 1) + c >> 32)) % 2**32)
for op, f in (("add", lambda a, b: a + b), ("min", min), ("max", max)):
    for k in ("u16x2", "s16x2"):
        one = integer(k[:3], f)
        form(f"{op}.{k} %D, %A, %B;", "b32 b32 b32", lambda a, b, f=one: f(a & 0xFFFF, b & 0xFFFF) | f(a >> 16, b >> 16) << 16)
    if op != "add":
        one = integer("s16", lambda a, b, f=f: max(f(a, b), 0))
        form(f"{op}.relu.s16x2 %D, %A, %B;", "b32 b32 b32", lambda a, b, f=one: f(a & 0xFFFF, b & 0xFFFF) | f(a >> 16, b >> 16) << 16)
        form(f"{op}.relu.s32 %D, %A, %B;", "s32 s32 s32", integer("s32", lambda a, b, f=f: max(f(a, b), 0)))
for mode in ("wrap", "clamp"):
    length = lambda n, m=mode: n & 31 if m == "wrap" else min(n, 32)  # noqa: E731
    for k in ("u32", "s32"):

        def extend(a, n, k=k, length=length):
            n = length(n)
            low = a & (1 << n) - 1
            return to_signed(low, n) % 2**32 if k == "s32" and n else low

        form(f"szext.{mode}.{k} %D, %A, %B;", f"{k} {k} u32", extend)
    form(f"bmsk.{mode}.b32 %D, %A, %B;", "b32 b32 b32", lambda a, b, l=length: ((1 << l(b)) - 1 << l(a)) % 2**32)

#
# Predicates (ISA 9.7.8)
#

TESTS = "setp.gt.s32 %p1, %A, 0; setp.gt.s32 %p2, %B, 0;"
for op, f in LOGIC.items():
    for x, y in (("", ""), ("!", ""), ("", "!"), ("!", "!")):
        form(f"{TESTS} {op}.pred %D, {x}%p1, {y}%p2;", "pred s32 s32",
             lambda a, b, f=f, x=x, y=y: int(f((0 < a < 2**31) != bool(x), (0 < b < 2**31) != bool(y))))  # fmt: skip
form("setp.gt.s32 %p1, %A, 0; not.pred %D, %p1;", "pred s32", lambda a: int(not 0 < a < 2**31))
for op in ("or", "and"):
    for bang in ("", "!"):
        form(f"setp.gt.s32 %p1, %C, 0; lop3.{op}.b32 %r10|%D, %A, %B, %C, 0x80, {bang}%p1;", "pred s32 s32 s32",
             lambda a, b, c, f=LOGIC[op], n=bang: int(f(a & b & c != 0, (0 < c < 2**31) != bool(n))))  # fmt: skip
        form(f"setp.gt.s32 %p1, %C, 0; lop3.{op}.b32 _|%D, %A, %B, %C, 0x96, {bang}%p1;", "pred s32 s32 s32",
             lambda a, b, c, f=LOGIC[op], n=bang: int(f(a ^ b ^ c != 0, (0 < c < 2**31) != bool(n))))  # fmt: skip

# A guard: the lanes that it leaves out keep what they have.
for text, kinds in (("add.s32", "b32 s32 s32"), ("mul.rn.f32", "b32 f32 f32"), ("fma.rn.f32", "b32 f32 f32"), ("add.rn.f16x2", "b32 f16x2 f16x2"), ("cvt.rn.bf16x2.f32", "b32 f32 f32")):
    operands = "%A, %B, %B" if text.startswith("fma") else "%A, %B"
    guarded = f"{text} %r10, {operands}; setp.lt.u32 %p1, %A, %B; mov.b32 %D, %B; @%p1 {text} %D, {operands}; setp.eq.b32 %p2, %D, %r10; @!%p1 setp.eq.b32 %p2, %D, %B; selp.b32 %D, 1, 0, %p2;"
    form(guarded, kinds, lambda a, b: 1)

REFUSED = (
    ("add.sat.u32 %D, %A, %B;", "u32 u32 u32", ".sat"),
    ("add.relu.s16x2 %D, %A, %B;", "b32 b32 b32", ".relu"),
    ("lop3.b32 %D, %A, %B, %C, 256;", "b32 b32 b32 b32", "0 to 255"),
    ("bfi.u32 %D, %A, %B, 1, 2;", "b32 b32 b32", ".b32 or .b64"),
    ("vadd.u32.u32.u32 %D, %A, %B;", "u32 u32 u32", "not an instruction"),
    ("add.s32 %D, %A;", "s32 s32", "expected 3 operands"),
    ("add.s64 %D, %A, %B;", "s64 s64 s32", "expected a register of type"),
)

run_all(REFUSED)
