# RUN: %python %s %t

"""Copies that change the order of dimensions, on the interpreter with all its checks:
types of 1, 2 and 4 bytes, conversions on the way, ragged and strided arrays, several
dimensions, against NumPy."""

import concurrent.futures
import itertools
import os
import subprocess
import sys

import numpy as np

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)


def program(shape, order, source, target, body, start, step, kernel):
    """Every step-th column of x from `start` on, in another order of dimensions."""
    kept = [*shape[:-1], -(-(shape[-1] - start) // step)]
    dims = [f"d{i}" for i in range(len(shape))]
    result = [kept[i] for i in order]
    x, y, z = ("x".join([*map(str, extents), type_]) for extents, type_ in ((shape, source), (kept, source), (result, target)))
    offsets = ", ".join(["0"] * (len(shape) - 1) + [str(start)])
    strides = ", ".join(["1"] * (len(shape) - 1) + [str(step)])
    attribute = f"attrs = {{sparsedrop.kernel = {kernel}}} " if kernel else ""
    # The slice of the result is written in place: the copy has a stride.
    return f"""
#in = affine_map<({', '.join(dims)}) -> ({', '.join(dims)})>
#out = affine_map<({', '.join(dims)}) -> ({', '.join(dims[i] for i in order)})>
func.func @f(%x: tensor<{x}>) -> tensor<{z}> {{
  %s = tensor.extract_slice %x[{offsets}] [{', '.join(map(str, kept))}] [{strides}] : tensor<{x}> to tensor<{y}>
  %e = tensor.empty() : tensor<{z}>
  %r = linalg.generic {{indexing_maps = [#in, #out], iterator_types = [{', '.join(['"parallel"'] * len(shape))}]}}
      ins(%s : tensor<{y}>) outs(%e : tensor<{z}>) {attribute}{{
  ^bb0(%a: {source}, %o: {target}):
    {body}
    linalg.yield %b : {target}
  }} -> tensor<{z}>
  return %r : tensor<{z}>
}}
"""


BODIES = {
    ("f32", "f32"): "%c = arith.constant 2.0 : f32\n    %b = arith.mulf %a, %c : f32",
    ("bf16", "bf16"): "%c = arith.constant 2.0 : bf16\n    %b = arith.mulf %a, %c : bf16",
    ("i8", "i8"): "%b = arith.addi %a, %a : i8",
    ("f8E4M3FN", "f8E4M3FN"): "%c = arith.constant 2.0 : f8E4M3FN\n    %b = arith.mulf %a, %c : f8E4M3FN",
    ("f32", "bf16"): "%c = arith.addf %a, %a : f32\n    %b = arith.truncf %c : f32 to bf16",
    ("bf16", "f32"): "%c = arith.extf %a : bf16 to f32\n    %b = arith.addf %c, %c : f32",
    ("f8E5M2", "f32"): "%c = arith.extf %a : f8E5M2 to f32\n    %b = arith.addf %c, %c : f32",
    ("f32", "f64"): "%c = arith.extf %a : f32 to f64\n    %b = arith.addf %c, %c : f64",
}


def check(item):
    number, (types, shape, order, start, step, kernel) = item
    stem = os.path.join(folder, f"t{number}")
    with open(stem + ".mlir", "w") as file:
        file.write(program(shape, order, *types, BODIES[types], start, step, kernel))
    dtype = np.int8 if types[0] == "i8" else np.float32
    x = np.random.default_rng(number).integers(-4, 5, shape).astype(dtype)
    np.save(stem + ".x.npy", x)
    command = ["sparsedrop-run", stem + ".mlir", f"--input={stem}.x.npy", f"--output={stem}", "--target=nvptx", "--device=interp"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        return f"{stem}.mlir: {done.stderr}"
    expected = 2 * x[..., start::step].transpose(order).astype(np.float64)
    actual = np.load(stem + ".0.npy").astype(np.float64)
    wrong = np.argwhere(actual != expected)
    return f"{stem}.mlir: {len(wrong)} are wrong, the first at {wrong[0].tolist()}" if len(wrong) else None


SHAPES = [((33, 17), (1, 0)), ((128, 128), (1, 0)), ((200, 340), (1, 0)), ((1, 64), (1, 0)), ((300, 1), (1, 0)), ((3, 40, 72), (0, 2, 1)), ((20, 3, 36), (2, 1, 0)), ((2, 18, 3, 20), (0, 3, 2, 1))]
cases = [(types, shape, order, 0, 1, None) for types, (shape, order) in itertools.product(BODIES, SHAPES)]
# What is not contiguous goes another way; so it does when the output stays contiguous.
cases += [(("bf16", "bf16"), (130, 260), (1, 0), start, step, None) for start, step in ((0, 2), (1, 3))]
KERNEL = "#sparsedrop.kernel<transpose, tile = [{}, {}], threads = [{}], vector = [{}]>"
for tile, threads, vector in (((32, 64), 64, 2), ((64, 32), 128, 1), ((128, 32), 1024, 2), ((16, 16), 32, 1)):
    cases.append((("bf16", "bf16"), (100, 180), (1, 0), 0, 1, KERNEL.format(*tile, threads, vector)))
with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    failures = [f for f in pool.map(check, enumerate(cases)) if f]
print("\n".join(failures[:5]))
print(f"{len(cases) - len(failures)} of {len(cases)} are right")
sys.exit(1 if failures else 0)
