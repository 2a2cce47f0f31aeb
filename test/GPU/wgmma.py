# RUN: %python %s %t

"""Products by wgmma and bulk copies on the interpreter with all its checks, exact:
tiles, clusters, majors, types, ragged sizes, depths of less than a tile, parts of the
depth, batches, and more tiles than there are blocks."""

import itertools
import os
import sys

folder = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
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
for number, (tile, cluster, (lhs, rhs)) in enumerate(itertools.product(TILES[:6], ((2, 1), (1, 2), (2, 2), (4, 1)), MAJORS)):
    if number % 3 != 0:
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
# Floats of 8 bits: rows of 128, 64 and 32 bytes, both types, outputs of all types.
for tile, cluster in itertools.product(((128, 256, 128, 8, 1, 3), (256, 128, 128, 8, 1, 3), (64, 64, 64, 4, 1, 4), (64, 128, 32, 4, 2, 3), (192, 128, 128, 12, 1, 2)), (None, (2, 1), (1, 2))):
    for type_ in ("f8E4M3FN", "f8E5M2"):
        cases.append(dict(m=330, n=392, k=144, rhs="nk", type_=type_, out="bf16", kernel=kernel(tile, cluster, vector=16)))
for type_, other, out in (("f8E4M3FN", "f8E5M2", "f32"), ("f8E5M2", "f8E4M3FN", "f16"), ("f8E4M3FN",) * 3, ("f8E5M2",) * 3):
    cases.append(dict(m=65, n=80, k=272, rhs="nk", type_=type_, other=other, out=out, kernel=kernel((64, 80, 128, 4, 1, 3), vector=16)))
for m, n, k, split in ((1, 7, 16, 1), (129, 191, 32, 1), (64, 72, 400, 3), (191, 63, 112, 1)):
    cases.append(dict(m=m, n=n, k=k, rhs="nk", type_="f8E4M3FN", kernel=kernel((64, 64, 128, 4, 1, 3), None, split, vector=16)))
cases.append(dict(m=200, n=520, k=144, rhs="nk", type_="f8E5M2", out="f16", kernel=kernel((64, 256, 128, 4, 1, 3), pingpong=True, vector=16)))
# Factors of these types that are not contiguous along the depth are packed.
for (lhs, rhs), type_ in itertools.product(MAJORS, ("f8E4M3FN", "f8E5M2")):
    cases.append(dict(m=136, n=208, k=141, lhs=lhs, rhs=rhs, type_=type_, options=("--family=wgmma",)))
for lhs, rhs in MAJORS:
    cases.append(dict(m=1030, n=1040, k=68, lhs=lhs, rhs=rhs, type_="f32", options=("--family=wgmma", "--tf32")))
# Two sets of warps that take turns: an odd number of tiles, parts without a slice, ...
for tile, cluster in itertools.product(((128, 128, 64, 4, 1, 3), (128, 160, 64, 4, 1, 4), (64, 256, 64, 4, 1, 4), (64, 64, 64, 4, 1, 5)), (None, (2, 1), (1, 2))):
    for lhs, rhs in MAJORS[:: 3 if cluster else 1]:
        cases.append(dict(m=328, n=520, k=136, lhs=lhs, rhs=rhs, out="bf16", kernel=kernel(tile, cluster, pingpong=True)))
for m, n, k, split in ((64, 72, 200, 7), (130, 200, 72, 3), (1, 7, 8, 1)):
    cases.append(dict(m=m, n=n, k=k, rhs="nk", kernel=kernel((64, 128, 64, 4, 1, 2), None, split, pingpong=True)))
# Small tiles of a large output: blocks go around, and the ring with them.
for cluster in (None, (2, 1), (1, 4)):
    cases.append(dict(m=1000, n=1032, k=72, out="bf16", kernel=kernel((64, 64, 64, 4, 1, 3), cluster)))

BATCHES = ((1, 65, 136, 40), (3, 40, 72, 136))
batches = [dict(b=b, m=m, n=n, k=k, kernel=kernel(TILES[4], cluster)) for (b, m, n, k), cluster in itertools.product(BATCHES, (None, (2, 1)))]
products.check_all(folder, cases, batches)
