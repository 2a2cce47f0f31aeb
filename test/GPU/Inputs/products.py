"""Programs of one product, and their exact results."""

import concurrent.futures
import os
import subprocess
import sys

import numpy as np


# Bits of the mantissa, bias of the exponent, the largest number, and what is beyond it.
SMALL = {"f8E4M3FN": (3, 7, 448.0, np.nan), "f8E5M2": (2, 15, 57344.0, np.inf)}


def affine(names):
    return f"affine_map<(m, n, k) -> ({', '.join(names)})>"


def matmul(m, n, k, lhs="mk", rhs="kn", type_="bf16", out="f32", kernel=None, other=None):
    """A product of static extents whose factors' dimensions are in the order of `lhs` and `rhs`; the second is of type `other`, if that is given."""
    extents = {"m": m, "n": n, "k": k}
    a, b, c = ("x".join([*(str(extents[d]) for d in dims), t]) for dims, t in ((lhs, type_), (rhs, other or type_), ("mn", out)))
    attribute = f"{{sparsedrop.kernel = {kernel}}}" if kernel else ""
    return f"""
#a = {affine(lhs)}
#b = {affine(rhs)}
#c = {affine("mn")}
func.func @f(%x: tensor<{a}>, %w: tensor<{b}>) -> tensor<{c}> {{
  %zero = arith.constant 0.0 : {out}
  %e = tensor.empty() : tensor<{c}>
  %init = linalg.fill ins(%zero : {out}) outs(%e : tensor<{c}>) -> tensor<{c}>
  %r = linalg.matmul indexing_maps = [#a, #b, #c] {attribute}
      ins(%x, %w : tensor<{a}>, tensor<{b}>) outs(%init : tensor<{c}>) -> tensor<{c}>
  return %r : tensor<{c}>
}}
"""


def round_to(values, type_):
    """Float64 values rounded to nearest even in an element type."""
    if type_ == "bf16":
        bits = values.astype(np.float32).view(np.uint32)
        bits = bits + 0x7FFF + ((bits >> 16) & 1) & np.uint32(0xFFFF0000)
        return bits.view(np.float32).astype(np.float64)
    if type_ in SMALL:
        mantissa, bias, most, beyond = SMALL[type_]
        exponent = np.maximum(np.frexp(values)[1] - 1, 1 - bias)
        unit = np.ldexp(1.0, exponent - mantissa)
        rounded = np.round(values / unit) * unit
        return np.where(np.abs(rounded) > most, np.copysign(beyond, rounded), rounded)
    with np.errstate(over="ignore"):
        return values.astype({"f16": np.float16, "f32": np.float32, "f64": np.float64}[type_]).astype(np.float64)


def run(stem, text, inputs, options=()):
    """The first result of a program on the interpreter, as float64."""
    return run_all(stem, text, inputs, 1, options)[0]


def run_all(stem, text, inputs, count, options=(), target=("--target=nvptx", "--device=interp")):
    """The first `count` results of a program, on the interpreter unless told otherwise, as float64."""
    with open(stem + ".mlir", "w") as file:
        file.write(text)
    command = ["sparsedrop-run", stem + ".mlir", *target, f"--output={stem}", *options]
    for i, data in enumerate(inputs):
        np.save(f"{stem}.in{i}.npy", data)
        command.append(f"--input={stem}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{stem}.mlir: {done.stderr}")
    results = [np.load(f"{stem}.{i}.npy").astype(np.float64) for i in range(count)]
    for path in os.listdir(os.path.dirname(stem)):
        if path.startswith(os.path.basename(stem) + "."):
            os.unlink(os.path.join(os.path.dirname(stem), path))
    return results


def check(stem, m, n, k, lhs="mk", rhs="kn", type_="bf16", out="f32", kernel=None, options=(), other=None):
    """None, or what is wrong: factors are small integers, so that sums are exact in every order."""
    rng = np.random.default_rng([m, n, k])
    dtype = np.float64 if type_ == "f64" else np.float32
    x, w = (rng.integers(-4, 5, shape).astype(dtype) for shape in ((m, k), (k, n)))
    inputs = [x if lhs == "mk" else x.T.copy(), w if rhs == "kn" else w.T.copy()]
    name = f"{type_}, {other or type_} to {out}, {m}x{n}x{k}, {lhs} {rhs}, {kernel}"
    try:
        actual = run(stem, matmul(m, n, k, lhs, rhs, type_, out, kernel, other), inputs, options)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"{name}: {error}"
    expected = round_to(x.astype(np.float64) @ w, out)
    wrong = np.argwhere((actual != expected) & ~(np.isnan(actual) & np.isnan(expected)))
    return f"{name}: {len(wrong)} elements are wrong, the first at {wrong[0].tolist()}" if len(wrong) else None


BATCHED = """
func.func @f(%x: tensor<{b}x{m}x{k}x{t}>, %w: tensor<{b}x{k}x{n}x{t}>) -> tensor<{b}x{m}x{n}xf32> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<{b}x{m}x{n}xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<{b}x{m}x{n}xf32>) -> tensor<{b}x{m}x{n}xf32>
  %r = linalg.batch_matmul {attribute} ins(%x, %w : tensor<{b}x{m}x{k}x{t}>, tensor<{b}x{k}x{n}x{t}>) outs(%i : tensor<{b}x{m}x{n}xf32>) -> tensor<{b}x{m}x{n}xf32>
  return %r : tensor<{b}x{m}x{n}xf32>
}}
"""


def check_batch(stem, b, m, n, k, type_="bf16", kernel=None):
    """None, or what is wrong with a batch of products of small integers."""
    rng = np.random.default_rng([b, m, n, k])
    x, w = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((b, m, k), (b, k, n)))
    attribute = f"{{sparsedrop.kernel = {kernel}}}" if kernel else ""
    actual = run(stem, BATCHED.format(b=b, m=m, n=n, k=k, t=type_, attribute=attribute), [x, w])
    expected = x.astype(np.float64) @ w
    return None if np.array_equal(actual, expected) else f"{type_}, {b} times {m}x{n}x{k}, {kernel}: {np.sum(actual != expected)} elements are wrong"


def check_all(folder, cases, batches):
    """Checks all on some processes; prints what is wrong, and exits."""
    jobs = [(check, case) for case in cases] + [(check_batch, batch) for batch in batches]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        results = list(pool.map(lambda job: job[1][0](os.path.join(folder, f"p{job[0]}"), **job[1][1]), enumerate(jobs)))
    failures = [result for result in results if result]
    print("\n".join(failures[:10]))
    print(f"{len(jobs) - len(failures)} of {len(jobs)} products are right")
    sys.exit(1 if failures else 0)
