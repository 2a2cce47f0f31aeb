# RUN: %python %s sparsedrop-run %t

"""Functions of f32 on the CPU against float64: errors in units in the last
place, zeros, infinities, NaN, and numbers below the smallest normal one."""

import math
import os
import subprocess
import sys

import numpy as np

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)

# Name: reference, range, and the largest error in ulp: what polynomials of f32
# leave (measured: exp 0.98, tanh 4.5, erf 4.2), one for the C library's.
FUNCTIONS = {
    "exp": (np.exp, -87, 88, 1.5),
    "tanh": (np.tanh, -12, 12, 5),
    "erf": (np.vectorize(math.erf), -6, 6, 5),
    "expm1": (np.expm1, -80, 80, 1),
    "log": (np.log, 1e-45, 1e10, 1),
    "log1p": (np.log1p, -0.999, 100, 1),
    "sqrt": (np.sqrt, 1e-45, 1e10, 0.51),
}
SPECIAL = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e38, -1e38, 1e-40, -1e-40]
COUNT = 1 << 18


def evaluate(name, x):
    t = f"tensor<{len(x)}xf32>"
    path = os.path.join(folder, name)
    with open(path + ".mlir", "w") as file:
        file.write(
            f"func.func @f(%x: {t}) -> {t} {{\n  %e = tensor.empty() : {t}\n"
            f"  %r = linalg.map {{ math.{name} }} ins(%x : {t}) outs(%e : {t})\n  return %r : {t}\n}}\n"
        )
    np.save(path + ".npy", x)
    subprocess.run([run, path + ".mlir", f"--input={path}.npy", f"--output={path}"], check=True)
    return np.load(path + ".0.npy").astype(np.float64)


for name, (reference, low, high, bound) in FUNCTIONS.items():
    rng = np.random.default_rng(1)
    wide = rng.uniform(low, high, COUNT)
    near = np.exp(rng.uniform(-60, math.log(high), COUNT)) * (rng.choice([-1, 1], COUNT) if low < 0 else 1)
    x = np.concatenate([np.clip(np.concatenate([wide, near]), low, high), SPECIAL]).astype(np.float32)
    with np.errstate(all="ignore"):
        expected = reference(x.astype(np.float64))
        single = expected.astype(np.float32)
    actual = evaluate(name, x)
    unusual = ~np.isfinite(single)
    assert np.array_equal(actual[unusual], single[unusual], equal_nan=True), (name, x[unusual], actual[unusual])
    error = np.abs(actual - expected)[~unusual] / np.spacing(np.abs(single[~unusual])).astype(np.float64)
    worst = error.argmax()
    assert error[worst] <= bound, f"{name}: {error[worst]:.2f} ulp at {x[~unusual][worst]}"
print("ok")
