"""Times products of which tiles of the weights are dropped, on the CPU.

    python -m sparsedrop.bench.tiles --size 2048 2048 --batch 256 --periods 2 4

For each period: the product, the gradient of the input, that of the weights (of kept
tiles only), in the modes dense, masked and compact, which take turns in rotating order.
Figures are medians over the rounds. ``of it`` is the time ratio masked / compact over
the operation ratio, which is counted.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import sparsedrop
from sparsedrop.bench.convolution import measure, tensor, write_gradient

MODES = ("dense", "masked", "compact")


def write_product(m: int, n: int, k: int, period: int, tile: list[int], order: str, wanted: int) -> str:
    """@f is x W^T with one tile in `period`, differentiated by argument `wanted`."""
    x, w, y = tensor(m, k), tensor(n, k), tensor(m, n)
    distribution = ", ".join(["0.0"] * (period - 1) + ["1.0"])
    drop = (
        f'#sparsedrop.dropout<tile, operand = 1, rate = {1 - 1 / period}, site = "w", tile = [{tile[0]}, {tile[1]}], '
        f"order = {order}, max_period = {period}, distribution = [{distribution}]>"
    )
    text = f"""
func.func @f(%x: {x}, %w: {w}) -> {y} attributes {{sparsedrop.differentiate = {{wrt = [{wanted}]}}}} {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : {y}
  %z = linalg.fill ins(%zero : f32) outs(%e : {y}) -> {y}
  %y = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      {{sparsedrop.dropout = {drop}}}
      ins(%x, %w : {x}, {w}) outs(%z : {y}) -> {y}
  return %y : {y}
}}
"""
    return sparsedrop.opt(text, "builtin.module(sparsedrop-search-distribution,sparsedrop-materialize)")


def write_products(options: argparse.Namespace, period: int) -> dict[str, tuple[str, str]]:
    """The programs of the three products, each with its entry."""
    (n, k), m = options.size, options.batch
    programs = {}
    for name, wanted in (("forward", 0), ("input gradient", 0), ("weight gradient", 1)):
        text = write_product(m, n, k, period, options.tile, options.order, wanted)
        entry = "f" if name == "forward" else "gradient"
        if entry == "gradient":
            text = write_gradient(text, [tensor(m, k), tensor(n, k)], tensor(m, n), wanted, draws=True)
        programs[name] = text, entry
    return programs


def main() -> int:
    parser = argparse.ArgumentParser(prog="tiles", description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, nargs=2, default=[2048, 2048], metavar=("OUT", "IN"))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--tile", type=int, nargs=2, default=[32, 32])
    parser.add_argument("--order", choices=("skewed", "linear"), default="skewed")
    parser.add_argument("--periods", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    (n, k), m = options.size, options.batch
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (n, k), (m, n)))
    print(f"batch {m}, weights {n} x {k}, tiles {options.tile[0]} x {options.tile[1]}, {options.order}, f32, "
          f"{options.rounds} rounds, {sparsedrop.threads()} threads; ms")
    print(f"{'period, product':<22}{'dense':>9}{'masked':>9}{'compact':>9}{'masked / compact':>18}{'operations':>12}{'of it':>8}{'dense / compact':>17}")
    for period in options.periods:
        for name, (text, entry) in write_products(options, period).items():
            arrays = (x, w) if entry == "f" else (x, w, g)
            modes = {mode: sparsedrop.compile(text, entry=entry, mode=mode) for mode in MODES}
            seconds = measure({mode: lambda f=f: f(*arrays, seed=1, step=0) for mode, f in modes.items()}, options.rounds)
            totals = sparsedrop.compile(text, entry=entry, instrument=True).count(*arrays, seed=1, step=0)["totals"]
            operations = totals["dense"]["flops"] / totals["actual"]["flops"]
            ratio = seconds["masked"] / seconds["compact"]
            print(f"{period:>2}, {name:<18}" + "".join(f"{1e3 * seconds[mode]:>9.2f}" for mode in MODES)
                  + f"{ratio:>18.2f}{operations:>12.2f}{ratio / operations:>8.2f}{seconds['dense'] / seconds['compact']:>17.2f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
