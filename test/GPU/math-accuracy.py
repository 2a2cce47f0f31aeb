# RUN: %python %s sparsedrop-run %t

"""Functions on the device against the C library's in the widest float type: errors
in units in the last place for f16, bf16, f32 and f64 over the whole range, and
zeros with their signs, infinities, NaN and subnormal numbers."""

import concurrent.futures
import math
import os
import subprocess
import sys

import numpy as np

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
COUNT = 1024
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 2.5, -2.5]
Wide = np.longdouble

# Type: that of arrays of it, digits, smallest exponent, largest exponent.
TYPES = {
    "f16": (np.float32, 11, -14, 15),
    "bf16": (np.float32, 8, -126, 127),
    "f32": (np.float32, 24, -126, 127),
    "f64": (np.float64, 53, -1022, 1023),
}


def by_number(function):
    return np.vectorize(lambda x: Wide(function(float(x))), otypes=[Wide])


def extreme(numpy_function, zero):
    """Of +0 and -0, `zero` is the maximum or minimum; NumPy takes either."""

    def function(x, y):
        return np.where((x == 0) & (y == 0) & (np.signbit(x) != np.signbit(y)), zero, numpy_function(x, y))

    return function


# Name: reference, and largest errors in ulp of f32 and f64; those of the 16-bit
# types are computed in f32 and rounded once. Those of f32 exp, tanh and erf are
# upstream's polynomials'; what is above 0.5 otherwise, libclc's. Measured here:
# the largest of f32 are tanh 4.0, erf 3.7, erfc 2.8, tan 2.2; of f64 erfc 2.0,
# sinh 1.8, log 1.5.
FUNCTIONS = {
    "math.exp": (np.exp, 1.5, 1),
    "math.exp2": (np.exp2, 1.5, 1),
    "math.expm1": (np.expm1, 1.5, 1.5),
    "math.log": (np.log, 1.5, 2),
    "math.log2": (np.log2, 1, 1),
    "math.log10": (np.log10, 1, 1),
    "math.log1p": (np.log1p, 1, 1),
    "math.tanh": (np.tanh, 5, 2),
    "math.erf": (by_number(math.erf), 5, 2),
    "math.erfc": (by_number(math.erfc), 4, 3.5),
    "math.sin": (np.sin, 2, 2),
    "math.cos": (np.cos, 2, 2),
    "math.tan": (np.tan, 3, 1.5),
    "math.asin": (np.arcsin, 1.5, 1.5),
    "math.acos": (np.arccos, 1.5, 1.5),
    "math.atan": (np.arctan, 1.5, 1.5),
    "math.sinh": (np.sinh, 3, 2.5),
    "math.cosh": (np.cosh, 3, 2),
    "math.asinh": (np.arcsinh, 2, 1.5),
    "math.acosh": (np.arccosh, 2, 1.5),
    "math.atanh": (np.arctanh, 1.5, 1.5),
    "math.sqrt": (np.sqrt, 0.5, 0.5),
    "math.rsqrt": (lambda x: 1 / np.sqrt(x), 1.5, 1.5),
    "math.cbrt": (np.cbrt, 1, 1),
    "math.floor": (np.floor, 0, 0),
    "math.ceil": (np.ceil, 0, 0),
    "math.trunc": (np.trunc, 0, 0),
    "math.round": (lambda x: np.copysign(np.floor(np.abs(x) + Wide(0.5)), x), 0, 0),
    "math.roundeven": (np.rint, 0, 0),
    "math.absf": (np.abs, 0, 0),
    "math.powf": (np.power, 1.5, 1),
    "math.atan2": (np.arctan2, 2.5, 1),
    "math.copysign": (np.copysign, 0, 0),
    "arith.remf": (np.fmod, 0, 0),
    "arith.divf": (np.divide, 0.5, 0.5),
    "arith.maximumf": (extreme(np.maximum, 0.0), 0, 0),
    "arith.minimumf": (extreme(np.minimum, -0.0), 0, 0),
    "arith.maxnumf": (np.fmax, 0, 0),
    "arith.minnumf": (np.fmin, 0, 0),
    "math.fpowi": (np.power, 1, 1),
}
BINARY = list(FUNCTIONS)[list(FUNCTIONS).index("math.powf") :]
# Results of f32 below the smallest normal number may be 0, as on the CPU.
FLUSHED = ("math.exp", "math.exp2", "math.erfc")


def round_to(x, type_):
    """The numbers of `type_` next to `x`, as Wide."""
    _, digits, low, high = TYPES[type_]
    exponent = np.maximum(np.frexp(x)[1] - digits, low - digits + 1)
    near = np.ldexp(np.rint(np.ldexp(x, -exponent)), exponent)
    near = np.where(np.abs(near) >= np.ldexp(Wide(1), high + 1), np.copysign(np.inf, near), near)
    return np.where(np.isfinite(x) & (x != 0), near, x)


def ulp(x, type_):
    _, digits, low, _ = TYPES[type_]
    return np.ldexp(Wide(1), np.maximum(np.frexp(np.where(np.isfinite(x), x, 1))[1] - 1, low) - digits + 1)


def numbers(type_):
    """The whole range, around 1, up to where exponentials overflow, subnormals."""
    _, _, low, high = TYPES[type_]
    rng = np.random.default_rng(1)
    mantissas = rng.uniform(1, 2, COUNT) * rng.choice([-1, 1], COUNT)
    tiny, most = math.ldexp(1, low), math.ldexp(1.5, high)
    parts = [
        np.ldexp(mantissas, rng.integers(low, high, COUNT)),
        np.ldexp(mantissas, rng.integers(-12, 7, COUNT)),
        rng.uniform(-2, 2, COUNT),
        rng.uniform(-110, 110, COUNT),
        rng.uniform(-760, 760, COUNT),
        rng.uniform(-tiny, tiny, COUNT // 4),
        [tiny, -tiny, most, -most],
        SPECIAL,
    ]
    return round_to(np.concatenate(parts).astype(Wide), type_)


def pairs(name, type_):
    x = numbers(type_)
    y = np.random.default_rng(2).permutation(x)
    x, y = np.concatenate([x, np.repeat(SPECIAL, len(SPECIAL))]), np.concatenate([y, np.tile(SPECIAL, len(SPECIAL))])
    rng = np.random.default_rng(3)
    if name == "math.powf":
        # Results in the range, and bases around 1 with large exponents.
        base = np.concatenate([np.exp(rng.uniform(-20, 20, COUNT)), 1 + rng.integers(-64, 64, COUNT) * 2.0 ** -TYPES[type_][1]])
        power = np.concatenate([rng.uniform(-20, 20, COUNT), np.ldexp(rng.uniform(-1, 1, COUNT), rng.integers(5, 100, COUNT))])
        x, y = np.concatenate([x, base]), np.concatenate([y, power])
    if name == "math.fpowi":
        y = np.where(rng.random(len(x)) < 0.7, rng.integers(-20, 20, len(x)), rng.integers(-(2**31), 2**31, len(x)))
        return x, y.astype(np.int32)
    return round_to(x.astype(Wide), type_), round_to(y.astype(Wide), type_)


def run_map(stem, arrays, body, outputs):
    """linalg.map of `body`, which takes %0, %1, ... and gives %r."""
    kinds = {"float32": "f32", "float64": "f64"}
    elements = [kinds.get(str(a.dtype), str(a.dtype).replace("int", "i")) for a in arrays]
    tensors = [f"tensor<{len(arrays[0])}x{e}>" for e in elements]
    result = f"tensor<{len(arrays[0])}x{outputs}>"
    names = [f"%x{i}" for i in range(len(arrays))]
    with open(stem + ".mlir", "w") as file:
        file.write(
            f"func.func @f({', '.join(map(': '.join, zip(names, tensors)))}) -> {result} {{\n  %e = tensor.empty() : {result}\n"
            f"  %m = linalg.map ins({', '.join(names)} : {', '.join(tensors)}) outs(%e : {result}) "
            f"({', '.join(f'%a{i}: {e}' for i, e in enumerate(elements))}, %init: {outputs}) {{\n{body}\n"
            f"    linalg.yield %r : {outputs}\n  }}\n  return %m : {result}\n}}\n"
        )
    command = [run, stem + ".mlir", "--target=nvptx", "--device=interp", f"--output={stem}"]
    for i, array in enumerate(arrays):
        np.save(f"{stem}.in{i}.npy", array)
        command.append(f"--input={stem}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    if done.returncode:
        raise RuntimeError(done.stderr.splitlines()[0])
    return np.load(stem + ".0.npy")


def apply(name, type_, arrays):
    """The op on arrays of Wide: 16-bit types travel as f32."""
    dtype = TYPES[type_][0]
    outside = "f64" if dtype is np.float64 else "f32"
    body, operands = "", []
    for i, array in enumerate(arrays):
        narrow = array.dtype == Wide and outside != type_
        operands.append(f"%n{i}" if narrow else f"%a{i}")
        body += f"    %n{i} = arith.truncf %a{i} : f32 to {type_}\n" if narrow else ""
    types = f"{type_}, i32" if name == "math.fpowi" else type_
    body += f"    {'%r' if outside == type_ else '%s'} = {name} {', '.join(operands)} : {types}"
    if outside != type_:
        body += f"\n    %r = arith.extf %s : {type_} to f32"
    inputs = [a.astype(dtype) if a.dtype == Wide else a for a in arrays]
    return run_map(os.path.join(folder, f"{name}-{type_}"), inputs, body, outside).astype(Wide)


def measure(name, type_):
    """One line, and whether it is good."""
    reference, *bounds = FUNCTIONS[name]
    arrays = pairs(name, type_) if name in BINARY else (numbers(type_),)
    actual = apply(name, type_, arrays)
    with np.errstate(all="ignore"):
        exact = reference(*(a.astype(Wide) for a in arrays))
        expected = round_to(exact, type_)
        error = np.abs(actual - exact) / ulp(expected, type_)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    if name not in ("arith.maxnumf", "arith.minnumf"):
        same &= np.isnan(expected) | (expected != 0) | (np.signbit(actual) == np.signbit(expected))
    bound = bounds[type_ == "f64"]
    if TYPES[type_][1] < 24 and bound:
        bound = 0.51
    close = np.isfinite(actual) & np.isfinite(expected) & (error <= bound) & (expected != 0)
    if name in FLUSHED and type_ != "f64":
        flushed = (np.abs(exact) < math.ldexp(1, TYPES[type_][2])) & (actual == 0)
        error, close = np.where(flushed, 0, error), close | flushed
    error = np.where(np.isfinite(actual) & np.isfinite(expected), error, 0)
    worst = error.argmax()
    line = f"{name:14} {type_:4} {float(error[worst]):6.3f} ulp at {', '.join(f'{float(a[worst]):.9g}' for a in arrays)}"
    wrong = np.flatnonzero(~same & ~close)
    for i in wrong[:3]:
        line += f"\n    wrong: {[float(a[i]) for a in arrays]} gives {float(actual[i])!r}, expected {float(exact[i])!r}"
    return line, len(wrong) == 0


def convert(source, target):
    """Conversions round once: numbers near the middle of two of `target`."""
    x = round_to(numbers(source), target)
    half = ulp(x, target) / 2
    with np.errstate(all="ignore"):
        x = np.concatenate([x + half, x + half * (1 + Wide(2) ** -40), x - half * (1 - Wide(2) ** -12), numbers(source)])
    x = round_to(x, source)
    outside = "f64" if source == "f64" else "f32"
    body = f"    %n = arith.truncf %a0 : {source} to {target}\n    %r = arith.extf %n : {target} to {outside}"
    actual = run_map(os.path.join(folder, f"{source}-{target}"), [x.astype(TYPES[source][0])], body, outside).astype(Wide)
    expected = round_to(x, target)
    good = np.array_equal(actual, expected, equal_nan=True)
    return f"{source} to {target}", good


def classify(name, type_):
    x = numbers(type_)
    least = math.ldexp(1, TYPES[type_][2])
    expected = {
        "isnan": np.isnan(x),
        "isinf": np.isinf(x),
        "isfinite": np.isfinite(x),
        "isnormal": np.isfinite(x) & (np.abs(x) >= least),
    }[name]
    outside = "f64" if type_ == "f64" else "f32"
    body = "" if outside == type_ else f"    %n = arith.truncf %a0 : f32 to {type_}\n"
    body += f"    %c = math.{name} {'%a0' if outside == type_ else '%n'} : {type_}\n    %r = arith.uitofp %c : i1 to {outside}"
    actual = run_map(os.path.join(folder, f"{name}-{type_}"), [x.astype(TYPES[type_][0])], body, outside)
    return f"math.{name} {type_}", np.array_equal(actual, expected)


def integer_power(x, n, bits):
    if n < 0:
        return x ** (n & 1) if x in (1, -1) else 0
    value = pow(x, n, 1 << bits)
    return value - (1 << bits) if value >> (bits - 1) else value


def integers(name, bits):
    rng = np.random.default_rng(4)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    dtype = np.dtype(f"int{bits}")
    edges = [0, 1, -1, 2, -2, 3, low, high, low + 1]
    x = np.concatenate([rng.integers(low, high, 200, dtype=dtype), rng.integers(-9, 9, 200, dtype=dtype), np.repeat(edges, 9).astype(dtype)])
    n = np.concatenate([rng.integers(-3, 40, 400, dtype=dtype), np.tile(edges, 9).astype(dtype)])
    mask = (1 << bits) - 1
    function = {
        "absi": lambda a, b: a if a in (low, abs(a)) else -a,
        "ctlz": lambda a, b: bits - (a & mask).bit_length(),
        "cttz": lambda a, b: ((a & -a).bit_length() - 1) % (bits + 1),
        "ctpop": lambda a, b: bin(a & mask).count("1"),
        "ipowi": lambda a, b: integer_power(a, b, bits),
    }[name]
    arrays = [x, n] if name == "ipowi" else [x]
    body = f"    %r = math.{name} {'%a0, %a1' if name == 'ipowi' else '%a0'} : i{bits}"
    actual = run_map(os.path.join(folder, f"{name}-i{bits}"), arrays, body, f"i{bits}")
    expected = np.array([function(int(a), int(b)) for a, b in zip(x, n)], dtype)
    return f"math.{name} i{bits}", np.array_equal(actual, expected)


jobs = [(measure, name, type_) for name in FUNCTIONS for type_ in TYPES]
jobs += [(convert, s, t) for s, t in (("f64", "f32"), ("f64", "f16"), ("f64", "bf16"), ("f32", "f16"), ("f32", "bf16"))]
jobs += [(classify, name, type_) for name in ("isnan", "isinf", "isfinite", "isnormal") for type_ in TYPES]
jobs += [(integers, name, bits) for name in ("absi", "ctlz", "cttz", "ctpop", "ipowi") for bits in (8, 16, 32, 64)]


def attempt(job):
    function, *arguments = job
    try:
        return function(*arguments)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(map(str, arguments))}: {error}", False


with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    results = list(pool.map(attempt, jobs))
for line, good in results:
    print(line if good else "FAILED: " + line)
failures = sum(not good for _, good in results)
print(f"{len(results) - failures} of {len(results)} functions are accurate")
sys.exit(1 if failures else 0)
