# RUN: %python %s sparsedrop-run %t 300
# RUN: %python %s sparsedrop-run %t.device 10 5000 --target=nvptx --device=interp

"""Products of which tiles of the weights are dropped: random sizes, tiles, orders, periods
and biases; and what such weights are subtracted from. For each: compact equals masked, and the
result and all gradients equal float64 NumPy's.

Run by hand: random-tiles.py RUN FOLDER COUNT [FIRST [OPTION...]]
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import numpy as np
from driver import execute, run_all

# Weights as (output, contraction) or the transpose.
MAPS = """
#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> ({w})>
#y = affine_map<(m, n, k) -> (m, n)>
#id = affine_map<(i, j) -> (i, j)>
"""

PROGRAM = """
func.func @f(%x: tensor<{m}x{k}x{t}>, %w: tensor<{shape}x{t}>, %c: tensor<{m}x{n}x{t}>, %dp: index, %b: index)
    -> tensor<{m}x{n}x{t}> attributes {{sparsedrop.differentiate = {{wrt = [0, 1, 2]}}}} {{
  %n = arith.constant {n} : index
  %k = arith.constant {k} : index
  {constants}
  %p = sparsedrop.make_pattern period({dp}) bias({b}) extents(%n, %k) : !sparsedrop.pattern<tile, tile = [{tile}], order = {order}>
  %d = sparsedrop.dropout %w, %p dim({dims}) : tensor<{shape}x{t}>, !sparsedrop.pattern<tile, tile = [{tile}], order = {order}>
  %y = linalg.generic {{indexing_maps = [#x, #w, #y], iterator_types = ["parallel", "parallel", "reduction"]}}
      ins(%x, %d : tensor<{m}x{k}x{t}>, tensor<{shape}x{t}>) outs(%c : tensor<{m}x{n}x{t}>) {{
  ^bb0(%a: {t}, %e: {t}, %o: {t}):
    %0 = arith.mulf %a, %e : {t}
    %1 = arith.addf %o, %0 : {t}
    linalg.yield %1 : {t}
  }} -> tensor<{m}x{n}x{t}>
  return %y : tensor<{m}x{n}x{t}>
}}
func.func @u(%old: tensor<{shape}x{t}>, %w: tensor<{shape}x{t}>, %unused: tensor<{m}x{n}x{t}>, %dp: index, %b: index)
    -> tensor<{shape}x{t}> {{
  %n = arith.constant {n} : index
  %k = arith.constant {k} : index
  {constants}
  %p = sparsedrop.make_pattern period({dp}) bias({b}) extents(%n, %k) : !sparsedrop.pattern<tile, tile = [{tile}], order = {order}>
  %d = sparsedrop.dropout %w, %p dim({dims}) : tensor<{shape}x{t}>, !sparsedrop.pattern<tile, tile = [{tile}], order = {order}>
  %y = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%d : tensor<{shape}x{t}>) outs(%old : tensor<{shape}x{t}>) {{
  ^bb0(%e: {t}, %o: {t}):
    %0 = arith.subf %o, %e : {t}
    linalg.yield %0 : {t}
  }} -> tensor<{shape}x{t}>
  return %y : tensor<{shape}x{t}>
}}
"""


def pick(rng, limit):
    """Small, prime, even: sizes of any kind."""
    return int(rng.choice([1, 2, 3, 5, 8, 13, 16, 31, 32, 40, 64, 67, int(rng.integers(1, limit))]))


def make(rng):
    m, n, k = (pick(rng, 100) for _ in range(3))
    tile = int(rng.integers(1, n + 1)), int(rng.integers(1, k + 1))
    rows, columns = -(-n // tile[0]), -(-k // tile[1])
    order = str(rng.choice(["skewed", "linear"]))
    period = int(rng.integers(1, min(columns if order == "skewed" else rows * columns, 9) + 1))
    return m, n, k, tile, order, period, int(rng.integers(period)), bool(rng.integers(2)), bool(rng.integers(2))


def mask_of(n, k, tile, order, period, bias):
    row, column = np.arange(n)[:, None] // tile[0], np.arange(k)[None, :] // tile[1]
    unit = row + column if order == "skewed" else row * -(-k // tile[1]) + column
    return unit % period == bias


def check(run, folder, number, options):
    rng = np.random.default_rng(number)
    m, n, k, tile, order, period, bias, transposed, constant = make(rng)
    element = "f64" if rng.integers(2) and not options else "f32"
    names = dict(
        m=m, n=n, k=k, t=element, tile=f"{tile[0]}, {tile[1]}", order=order,
        w="k, n" if transposed else "n, k", shape=f"{k}x{n}" if transposed else f"{n}x{k}",
        dims="1, 0" if transposed else "0, 1",
        dp="%cdp" if constant else "%dp", b="%cb" if constant else "%b",
        constants=f"%cdp = arith.constant {period} : index\n  %cb = arith.constant {bias} : index" if constant else "",
    )
    stem = os.path.join(folder, f"p{number}")
    with open(stem + ".mlir", "w") as file:
        file.write(MAPS.format(**names) + PROGRAM.format(**names))
    dtype = np.float64 if element == "f64" else np.float32
    x, w, c, g = (rng.standard_normal(s).astype(dtype) for s in ((m, k), (n, k), (m, n), (m, n)))
    inputs = [x, np.ascontiguousarray(w.T) if transposed else w, c, np.int64(period), np.int64(bias)]
    dropped = np.where(mask_of(n, k, tile, order, period, bias), period * w.astype(np.float64), 0)
    wide = [a.astype(np.float64) for a in (x, c, g)]
    dw = np.where(mask_of(n, k, tile, order, period, bias), period * (wide[2].T @ wide[0]), 0)
    expected = [wide[0] @ dropped.T + wide[1], wide[2] @ dropped, dw.T if transposed else dw, wide[2]]
    old = rng.standard_normal(inputs[1].shape).astype(dtype)
    updated = old.astype(np.float64) - (dropped.T if transposed else dropped)
    for entry, given, expected in (
        ("f", inputs, expected[:1]), ("f_grad", [*inputs, g], expected), ("u", [old, *inputs[1:]], [updated]),
    ):
        command = [run, stem + ".mlir", f"--entry={entry}", "--check", "--steps=1", f"--output={stem}", *options]
        if problem := execute(command, stem, given):
            return f"{entry}: {problem}"
        for i, want in enumerate(expected):
            got = np.load(f"{stem}.{i}.npy")
            # Sums of at most max(m, n, k) terms: products of two normal values, below 20 but for
            # one in millions, times the period. Each term and each partial sum rounds once.
            bound = 2 * max(m, n, k) * 20 * period * np.finfo(dtype).eps
            error = np.abs(got - want).max(initial=0)
            if error > bound:
                return f"{stem} {entry}: result {i} is off by {error}, {names} {period} {bias}"
    return ""


if __name__ == "__main__":
    sys.exit(run_all(check, "products"))
