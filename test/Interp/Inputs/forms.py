"""Forms of arithmetic instructions on edge values and random bits: what their
tests share."""

import os
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
from formats import FORMATS, NAN
from kernels import Out, Runner, module

runner = Runner(sys.argv[1])
# The last warp has fewer lanes than the others.
COUNT = 500
DTYPE = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
LETTER = {"pred": "p", 1: "h", 2: "h", 4: "r", 8: "d"}
forms = []
LOGIC = {"and": lambda x, y: x and y, "or": lambda x, y: x or y, "xor": lambda x, y: x != y}
MODES = ("rn", "rz", "rm", "rp")


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


def to_signed(value, bits):
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def clamp(value, kind):
    bits = 8 * size_of(kind)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind[0] == "s" else (0, (1 << bits) - 1)
    return min(max(value, low), high)


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


def refuse(entry):
    text, kinds, reason = entry
    done = runner.run(build(text, kinds.split(), "sm_90a"), [np.zeros(1, np.uint8)] * kinds.count(" ") + [Out("u8", (1,))], block=1)
    return None if done.code and reason in done.errors else f"{text}: expected '{reason}', but got {done.code}: {done.errors.strip()}"


def run_all(refused):
    """Runs what `form` has noted, and what must be refused: a form that there is
    not, its operands' types, and what the message says."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [line for work, entries in ((run, forms), (refuse, refused)) for line in pool.map(work, entries) if line]
    print("\n".join(failures))
    print(f"{len(forms) + len(refused) - len(failures)} passed, {len(failures)} failed")
    sys.exit(1 if failures else 0)
