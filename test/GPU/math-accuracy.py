# RUN: %python %s sparsedrop-run %t

"""Functions on the device against Python's: errors in units in the last place, for
f32 and f64, near zero and far from it, and zeros, infinities, NaN."""

import concurrent.futures
import math
import os
import subprocess
import sys

import numpy as np

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
COUNT = 2048
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan]

# Name: reference in float64, range, largest errors in ulp for f32 and f64. Those of
# f32 exp, tanh and erf are upstream's polynomials'; the others are libclc's, which
# keeps to what OpenCL allows (1.5.1, section 7.4), and half an ulp of the reference.
FUNCTIONS = {
    "exp": (math.exp, -80, 80, 1.5, 3.5),
    "exp2": (lambda x: 2.0**x, -100, 100, 3.5, 3.5),
    "expm1": (math.expm1, -30, 30, 3.5, 3.5),
    "log": (math.log, 1e-30, 1e10, 3.5, 3.5),
    "log2": (math.log2, 1e-30, 1e10, 3.5, 3.5),
    "log10": (math.log10, 1e-30, 1e10, 3.5, 3.5),
    "log1p": (math.log1p, -0.999, 100, 2.5, 2.5),
    "tanh": (math.tanh, -12, 12, 5.5, 5.5),
    "erf": (math.erf, -5, 5, 5.5, 16.5),
    "erfc": (math.erfc, -4, 4, 16.5, 16.5),
    "sin": (math.sin, -100, 100, 4.5, 4.5),
    "cos": (math.cos, -100, 100, 4.5, 4.5),
    "tan": (math.tan, -1.5, 1.5, 5.5, 5.5),
    "atan": (math.atan, -100, 100, 5.5, 5.5),
    "sinh": (math.sinh, -20, 20, 4.5, 4.5),
    "cosh": (math.cosh, -20, 20, 4.5, 4.5),
    "sqrt": (math.sqrt, 1e-30, 1e10, 0.51, 0.51),
    "rsqrt": (lambda x: 1 / math.sqrt(x), 1e-30, 1e10, 2.5, 2.5),
    "cbrt": (lambda x: math.copysign(abs(x) ** (1 / 3), x), -1e5, 1e5, 2.5, 4.5),
    "floor": (math.floor, -1e5, 1e5, 0, 0),
    "ceil": (math.ceil, -1e5, 1e5, 0, 0),
    "roundeven": (lambda x: float(np.rint(x)), -1e5, 1e5, 0, 0),
    "absf": (abs, -1e5, 1e5, 0, 0),
}


def special(function, x):
    """The reference where Python raises: what C's library gives."""
    try:
        return function(x)
    except (ValueError, OverflowError, ZeroDivisionError):
        name = next(n for n, f in FUNCTIONS.items() if f[0] is function)
        if name in ("floor", "ceil"):
            return x
        if name.startswith("log") and x == 0:
            return -math.inf if name != "log1p" else x
        if name == "rsqrt" and x == 0:
            return math.copysign(math.inf, x)
        return math.nan


def measure(item):
    (name, (reference, low, high, *bounds)), type_ = item
    dtype = np.float32 if type_ == "f32" else np.float64
    rng = np.random.default_rng(1)
    near = np.exp(rng.uniform(-20, 0, COUNT)) * (rng.choice([-1, 1], COUNT) if low < 0 else 1)
    x = np.concatenate([rng.uniform(low, high, COUNT), np.clip(near, low, high), SPECIAL]).astype(dtype)
    stem = os.path.join(folder, f"{name}-{type_}")
    t = f"tensor<{len(x)}x{type_}>"
    with open(stem + ".mlir", "w") as file:
        file.write(f"func.func @f(%x: {t}) -> {t} {{\n  %e = tensor.empty() : {t}\n"
                   f"  %r = linalg.map {{ math.{name} }} ins(%x : {t}) outs(%e : {t})\n  return %r : {t}\n}}\n")
    np.save(stem + ".npy", x)
    command = [run, stem + ".mlir", "--target=nvptx", "--device=interp", f"--input={stem}.npy", f"--output={stem}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return f"{name}, {type_}: {done.stderr.splitlines()[0]}"
    actual = np.load(stem + ".0.npy")
    expected = np.array([special(reference, float(value)) for value in x])
    rounded = expected.astype(dtype)
    usual = np.isfinite(rounded)
    if not np.array_equal(actual[~usual], rounded[~usual], equal_nan=True):
        return f"{name}, {type_}: {actual[~usual]} at {x[~usual]}"
    error = np.abs(actual[usual].astype(np.float64) - expected[usual]) / np.spacing(np.maximum(np.abs(rounded[usual]), np.finfo(dtype).tiny)).astype(np.float64)
    bound = bounds[type_ == "f64"]
    worst = error.argmax()
    print(f"{name:10} {type_} {error[worst]:6.2f} ulp at {x[usual][worst]:.9g}")
    return None if error[worst] <= bound else f"{name}, {type_}: {error[worst]:.2f} ulp at {x[usual][worst]}, expected at most {bound}"


items = [(item, type_) for item in FUNCTIONS.items() for type_ in ("f32", "f64")]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    failures = [failure for failure in pool.map(measure, items) if failure]
print("\n".join(failures))
print(f"{len(items) - len(failures)} of {len(items)} functions are accurate")
sys.exit(1 if failures else 0)
