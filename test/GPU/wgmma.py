# RUN: %python %s %t

"""Products by wgmma and bulk copies on the interpreter with all its checks, exact:
tiles, clusters, majors, types, ragged sizes, depths of less than a tile, parts of the
depth, batches, and more tiles than there are blocks."""

import concurrent.futures
import itertools
import os
import sys

folder = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import numpy as np
import products

os.makedirs(folder, exist_ok=True)
MAJORS = list(itertools.product(("mk", "km"), ("kn", "nk")))
# Rows, columns, depth, warps along rows and columns, stages.
TILES = [
    (128, 256, 64, 8, 1, 3),
    (256, 128, 64, 8, 1, 3),
    (128, 192, 64, 8, 1, 4),
    (192, 128, 64, 12, 1, 3),
    (128, 128, 64, 8, 1, 4),
    (64, 256, 64, 4, 2, 2),
    (64, 64, 64, 4, 1, 2),
    (128, 64, 32, 8, 1, 4),  # rows of 64 bytes
    (64, 128, 16, 4, 1, 4),  # of 32
    (64, 128, 128, 4, 2, 2),  # two rows for a stage
    (64, 8, 64, 4, 1, 5),
    (128, 24, 64, 8, 1, 3),
]


def kernel(tile, cluster=None, split=1, tf32=False, vector=8, pingpong=False):
    rows, columns, depth, down, across, stages = tile
    cluster = f"cluster = {list(cluster)}, " if cluster else ""
    return f"#sparsedrop.kernel<wgmma, tile = [{rows}, {columns}, {depth}], warps = [{down}, {across}], {cluster}vector = [{vector}, {vector}, {vector}], stages = {stages}, split = {split}{', tf32' if tf32 else ''}{', pingpong' if pingpong else ''}>"


cases = []
for tile, (lhs, rhs) in itertools.product(TILES, MAJORS):
    # Lines that are contiguous come in rows of at least 16 bytes, and a warpgroup's
    # columns are whole rows.
    if rhs == "nk" or tile[1] // tile[4] % 64 == 0 or tile[1] in (8, 24):
        cases.append(dict(m=136, n=200, k=136, lhs=lhs, rhs=rhs, type_="bf16", out="bf16", kernel=kernel(tile)))
for tile, cluster, (lhs, rhs) in itertools.product(TILES[:6], ((2, 1), (1, 2), (2, 2), (4, 1)), MAJORS):
    if (tile[0] * cluster[0] + len(lhs + rhs) + TILES.index(tile)) % 2 == 0 or rhs == "nk":
        cases.append(dict(m=328, n=392, k=136, lhs=lhs, rhs=rhs, out="bf16", kernel=kernel(tile, cluster)))
for m, n in itertools.product((1, 7, 63, 65, 129, 191), (1, 7, 65, 129, 191)):
    cases.append(dict(m=m, n=n, k=72, lhs="mk", rhs="nk", type_="f16", out="f16", kernel=kernel(TILES[4])))
for k, (lhs, rhs) in itertools.product((8, 16, 56, 64, 72, 320), MAJORS):
    cases.append(dict(m=72, n=72, k=k, lhs=lhs, rhs=rhs, kernel=kernel(TILES[4], (2, 1))))
for split, (lhs, rhs) in itertools.product((2, 3, 7), MAJORS):
    cases.append(dict(m=72, n=136, k=200, lhs=lhs, rhs=rhs, kernel=kernel(TILES[4], None, split)))
for tile in ((128, 128, 32, 8, 1, 4), (64, 64, 16, 4, 1, 3), (64, 128, 64, 4, 2, 2)):
    for cluster in (None, (2, 1), (1, 2)):
        cases.append(dict(m=130, n=70, k=100, rhs="nk", type_="f32", kernel=kernel(tile, cluster, tf32=True, vector=4)))
# Two sets of warps that take turns: an odd number of tiles, parts without a slice, ...
for tile, cluster in itertools.product(((128, 128, 64, 4, 1, 3), (128, 160, 64, 4, 1, 4), (64, 256, 64, 4, 1, 4), (64, 64, 64, 4, 1, 5)), (None, (2, 1), (1, 2))):
    for lhs, rhs in MAJORS[:: 3 if cluster else 1]:
        cases.append(dict(m=328, n=520, k=136, lhs=lhs, rhs=rhs, out="bf16", kernel=kernel(tile, cluster, pingpong=True)))
for m, n, k, split in ((64, 72, 200, 7), (130, 200, 72, 3), (1, 7, 8, 1)):
    cases.append(dict(m=m, n=n, k=k, rhs="nk", kernel=kernel((64, 128, 64, 4, 1, 2), None, split, pingpong=True)))
# Small tiles of a large output: blocks go around, and the ring with them.
for cluster in (None, (2, 1), (1, 4)):
    cases.append(dict(m=1000, n=1032, k=72, out="bf16", kernel=kernel((64, 64, 64, 4, 1, 3), cluster)))

BATCHED = """
func.func @f(%x: tensor<{b}x{m}x{k}xbf16>, %w: tensor<{b}x{k}x{n}xbf16>) -> tensor<{b}x{m}x{n}xf32> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<{b}x{m}x{n}xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<{b}x{m}x{n}xf32>) -> tensor<{b}x{m}x{n}xf32>
  %r = linalg.batch_matmul {{sparsedrop.kernel = {kernel}}} ins(%x, %w : tensor<{b}x{m}x{k}xbf16>, tensor<{b}x{k}x{n}xbf16>) outs(%i : tensor<{b}x{m}x{n}xf32>) -> tensor<{b}x{m}x{n}xf32>
  return %r : tensor<{b}x{m}x{n}xf32>
}}
"""


def check_batch(number, b, m, n, k, cluster):
    rng = np.random.default_rng(number)
    x, w = (rng.integers(-4, 5, shape).astype(np.float32) for shape in ((b, m, k), (b, k, n)))
    text = BATCHED.format(b=b, m=m, n=n, k=k, kernel=kernel(TILES[4], cluster))
    actual = products.run(os.path.join(folder, f"b{number}"), text, [x, w])
    assert np.array_equal(actual, x.astype(np.float64) @ w), (b, m, n, k, cluster)


for number, ((b, m, n, k), cluster) in enumerate(itertools.product(((1, 65, 136, 40), (3, 40, 72, 136)), (None, (2, 1)))):
    check_batch(number, b, m, n, k, cluster)

with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    results = list(pool.map(lambda item: products.check(os.path.join(folder, f"p{item[0]}"), **item[1]), enumerate(cases)))
failures = [result for result in results if result]
print("\n".join(failures[:10]))
print(f"{len(cases) - len(failures)} of {len(cases)} products are right")
sys.exit(1 if failures else 0)
