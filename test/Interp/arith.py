# RUN: %python %s sparsedrop-ptx

"""Each form of the arithmetic instructions (ISA 9.7.1 to 9.7.9) on edge values
and random bits, against exact rational arithmetic rounded here."""

import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import formats
from formats import FORMATS, INF, NAN
from kernels import Out, Runner, module

runner = Runner(sys.argv[1])
# The last warp has fewer lanes than the others.
COUNT = 500
DTYPE = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
LETTER = {"pred": "p", 1: "h", 2: "h", 4: "r", 8: "d"}
forms = []


def size_of(kind):
    bits = {"f16x2": 32, "bf16x2": 32, "u16x2": 32, "s16x2": 32, "e4m3x2": 16, "e5m2x2": 16, "tf32": 32, "pred": 8}.get(kind)
    return (bits or int("".join(c for c in kind if c.isdigit())[-2:] if kind != "b8" else 8)) // 8


def edges(kind):
    """Bits of a type that are likely to go wrong."""
    bits = 8 * size_of(kind)
    if kind.endswith("x2"):
        half = edges(kind[:-2])
        picks = random.Random(5)
        return [picks.choice(half) << bits // 2 | picks.choice(half) for _ in range(64)]
    if kind in FORMATS:
        f = FORMATS[kind]
        one = f.encode(False, Fraction(1))
        small = [0, 1, 2, f.infinity, f.infinity - 1, f.nan, one, one + 1, one - 1, 1 << f.m, (1 << f.m) - 1, f.infinity >> 1, one + (1 << f.m) // 2]
        small += [f.encode(False, Fraction(n)) for n in (2, 3, 127, 128, 255, 32767, 65536)]
        small += [f.encode(False, Fraction(n, 2)) for n in (1, 3, 5, 7)]
        return small + [x | f.sign for x in small]
    top = 1 << (bits - 1)
    return [x % (1 << bits) for x in (0, 1, 2, 3, 7, 15, 16, 24, 31, 32, 33, 63, 64, top, top - 1, top + 1, -1, -2, -7, top // 2, 255, 256)]


def values(kind, position):
    """COUNT values: pairs of edges first, then random bits."""
    rng = random.Random(f"{kind} {position}")
    pool = edges(kind)
    bits = 8 * size_of(kind)
    stride = len(pool)
    result = []
    for i in range(COUNT):
        if i < 320:
            result.append(pool[i % stride] if position == 0 else pool[(i * 7 + i // stride * (position + 1)) % stride])
        elif i < 400 and kind in FORMATS:  # close to each other
            f = FORMATS[kind]
            result.append((f.encode(False, Fraction(1)) + rng.randrange(-(4 << f.m), 4 << f.m)) % f.sign | f.sign * rng.randrange(2))
        else:
            result.append(rng.getrandbits(bits))
    return result


def form(text, kinds, reference, target="sm_90a"):
    """`text` computes %D from %A, %B, %C; kinds are their types, the result's
    first. `reference` gives the result's bits from the sources' bits, or a
    predicate of the result's bits (as a function), or None where anything may be."""
    forms.append((text, kinds.split(), reference, target))


def register(kind, name):
    return f"%{LETTER['pred' if kind == 'pred' else size_of(kind)]}{name}"


def build(text, kinds, target):
    result, *sources = kinds
    names = {"%D": register(result, "9")}
    body, parameters = "", []
    for i, kind in enumerate(sources):
        parameters.append(f".param .u64 in{i}")
        names["%" + "ABC"[i]] = register(kind, str(i))
        size = size_of(kind)
        body += f"ld.param.u64 %d20, [in{i}]; mul.wide.u32 %d21, %r30, {size}; add.u64 %d20, %d20, %d21; ld.global.b{8 * size} {register(kind, str(i))}, [%d20];\n"
    for name, value in names.items():
        text = text.replace(name, value)
    size = size_of(result)
    body += text + "\n"
    stored = register(result, "9")
    if result == "pred":
        body += "selp.u16 %h9, 1, 0, %p9;\n"
        stored = "%h9"
    body += f"ld.param.u64 %d20, [out]; mul.wide.u32 %d21, %r30, {size}; add.u64 %d20, %d20, %d21; st.global.b{8 * size} [%d20], {stored};\n"
    return module(
        f".entry k({', '.join(parameters + ['.param .u64 out'])}) {{ .reg .pred %p<10>; .reg .b16 %h<40>; .reg .b32 %r<40>; .reg .b64 %d<40>;\n"
        f"mov.u32 %r30, %tid.x;\n{body}ret;\n}}\n", target)  # fmt: skip


def run(entry):
    text, kinds, reference, target = entry
    result, *sources = kinds
    inputs = [values(kind, i) for i, kind in enumerate(sources)]
    arrays = [np.array(x, DTYPE[size_of(kind)]) for x, kind in zip(inputs, sources)]
    dtype = f"u{8 * size_of(result)}"
    done = runner.run(build(text, kinds, target), [*arrays, Out(dtype, (COUNT,))], block=COUNT)
    if done.code or done.errors:
        return f"{text}: exit code {done.code}: {done.errors.strip()}"
    for i, operands in enumerate(zip(*inputs)):
        want, got = reference(*operands), int(done.outputs[0][i])
        good = want is None or (want(got) if callable(want) else got == want)
        if not good:
            shown = hex(want) if isinstance(want, int) else "within the bound"
            return f"{text}: of {', '.join(map(hex, operands))}: {hex(got)}, expected {shown}"
    return None


#
# Integers (ISA 9.7.1, 9.7.2, 9.7.8)
#


def to_signed(value, bits):
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def integer(kind, function):
    """A function of numbers as one of bits."""
    bits = 8 * size_of(kind)
    read = (lambda x: to_signed(x, bits)) if kind[0] == "s" else (lambda x: x)
    return lambda *operands: function(*map(read, operands)) % (1 << bits)


def clamp(value, kind):
    bits = 8 * size_of(kind)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "s" else (0, (1 << bits) - 1)
    return min(max(value, low), high)


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

LOGIC = {"and": lambda x, y: x and y, "or": lambda x, y: x or y, "xor": lambda x, y: x != y}
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

#
# Comparisons (ISA 9.3.1, 9.7.6, 9.7.7)
#

COMPARE = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
}  # fmt: skip
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


def pairs(kind, function):
    """The same for both halves."""
    return lambda *x: function(*(v & 0xFFFF for v in x)) | function(*(v >> 16 for v in x)) << 16


def exact_or_nan(kind, function):
    """The ISA leaves open which NaN f64 gives."""
    f = FORMATS[kind]

    def check(*x):
        want = function(*x)
        return want if want != f.nan else (lambda got: f.decode(got)[1] == NAN)

    return check if kind == "f64" else function


def fma(mode):
    return lambda a, b, c: formats.add(formats.mul(a, b), c, mode)


ONE = (False, Fraction(1))
MODES = ("rn", "rz", "rm", "rp")
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

#
# Forms that there are not: each is refused, with a reason
#

REFUSED = (
    ("add.rz.f16 %D, %A, %B;", "b16 b16 b16", ".rz"), ("add.relu.f16 %D, %A, %B;", "b16 b16 b16", ".relu"),
    ("add.sat.bf16 %D, %A, %B;", "b16 b16 b16", ".sat"), ("fma.rn.ftz.bf16x2 %D, %A, %B, %C;", "b32 b32 b32 b32", ".ftz"),
    ("fma.rn.oob.f16 %D, %A, %B, %C;", "b16 b16 b16 b16", ".oob"), ("neg.sat.f16 %D, %A;", "b16 b16", ".sat"),
    ("tanh.f16 %D, %A;", "b16 b16", "expected .approx"), ("min.rn.f32 %D, %A, %B;", "f32 f32 f32", ".rn"),
    ("add.approx.f32 %D, %A, %B;", "f32 f32 f32", ".approx"), ("add.sat.f64 %D, %A, %B;", "f64 f64 f64", ".sat"),
    ("div.full.f64 %D, %A, %B;", "f64 f64 f64", "no form of this type"), ("div.f32 %D, %A, %B;", "f32 f32 f32", "rounding mode"),
    ("sqrt.f32 %D, %A;", "f32 f32", "rounding mode"), ("sin.f32 %D, %A;", "f32 f32", "expected .approx"),
    ("add.sat.u32 %D, %A, %B;", "u32 u32 u32", ".sat"), ("add.relu.s16x2 %D, %A, %B;", "b32 b32 b32", ".relu"),
    ("setp.ltu.s32 %D, %A, %B;", "pred s32 s32", ".ltu"), ("setp.lo.s32 %D, %A, %B;", "pred s32 s32", ".lo"),
    ("setp.lt.b32 %D, %A, %B;", "pred b32 b32", "only .eq and .ne"), ("cvt.s32.f32 %D, %A;", "s32 f32", "rounding modifier"),
    ("cvt.rn.s32.f32 %D, %A;", "s32 f32", ".rni"), ("cvt.f16.f32 %D, %A;", "f16 f32", "rounding modifier"),
    ("cvt.rni.f32.s32 %D, %A;", "f32 s32", ".rni"), ("cvt.rn.f64.f32 %D, %A;", "f64 f32", ".rn"),
    ("cvt.rn.e4m3x2.f32 %D, %A, %B;", "b16 f32 f32", ".satfinite"), ("cvt.rm.bf16x2.f32 %D, %A, %B;", "b32 f32 f32", "rounding modifier"),
    ("cvt.rna.relu.tf32.f32 %D, %A;", "b32 f32", ".relu"), ("cvt.rn.relu.f64.f32 %D, %A;", "f64 f32", ".r"),
    ("lop3.b32 %D, %A, %B, %C, 256;", "b32 b32 b32 b32", "0 to 255"), ("bfi.u32 %D, %A, %B, 1, 2;", "b32 b32 b32", ".b32 or .b64"),
    ("cvt.pack.sat.u8.s32 %D, %A, %B;", "b32 s32 s32", ".b32"),
    ("vadd.u32.u32.u32 %D, %A, %B;", "u32 u32 u32", "not an instruction"), ("add.s32 %D, %A;", "s32 s32", "expected 3 operands"),
    ("add.s64 %D, %A, %B;", "s64 s64 s32", "expected a register of type"),
)  # fmt: skip


def refuse(entry):
    text, kinds, reason = entry
    done = runner.run(build(text, kinds.split(), "sm_90a"), [np.zeros(1, np.uint8)] * kinds.count(" ") + [Out("u8", (1,))], block=1)
    return None if done.code and reason in done.errors else f"{text}: expected '{reason}', but got {done.code}: {done.errors.strip()}"


with ThreadPoolExecutor(os.cpu_count()) as pool:
    failures = [line for work, entries in ((run, forms), (refuse, REFUSED)) for line in pool.map(work, entries) if line]
print("\n".join(failures))
print(f"{len(forms) + len(REFUSED) - len(failures)} passed, {len(failures)} failed")
sys.exit(1 if failures else 0)
