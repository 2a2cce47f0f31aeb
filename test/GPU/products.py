# RUN: %python %s %t

"""Every family of product kernels on the interpreter with all its checks, exact:
types, majors of both factors, ragged sizes, tiles that the user chooses, and parts
of the depth."""

import itertools
import os
import sys

folder = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import products

os.makedirs(folder, exist_ok=True)
SIZES = [(1, 1, 1), (7, 13, 5), (64, 64, 64), (33, 120, 17), (129, 65, 100)]
TYPES = [("bf16", "f32", ()), ("bf16", "bf16", ()), ("f16", "f16", ()), ("f32", "f32", ("--tf32",)), ("f32", "f32", ()), ("f64", "f64", ())]
MAJORS = list(itertools.product(("mk", "km"), ("kn", "nk")))

cases = [
    dict(m=m, n=n, k=k, lhs=lhs, rhs=rhs, type_=type_, out=out, options=options)
    for type_, out, options in TYPES
    for m, n, k in SIZES
    for lhs, rhs in MAJORS
]
TENSOR_CORE = "#sparsedrop.kernel<tensor_core, tile = [{}, {}, {}], warps = [{}, {}], vector = [8, 8, 8], stages = {}, split = {}>"
PLAIN = "#sparsedrop.kernel<plain, tile = [{}, {}, {}], vector = [4, 4, 4], split = {}>"
for tile in ((32, 32, 16, 1, 1), (64, 32, 32, 4, 2), (128, 128, 64, 2, 4), (16, 16, 64, 1, 1), (32, 128, 128, 2, 2), (256, 64, 32, 4, 1)):
    for stages in (2, 3, 4):
        cases.append(dict(m=65, n=70, k=150, kernel=TENSOR_CORE.format(*tile, stages, 1)))
for tile in ((16, 16, 16), (32, 64, 16), (128, 64, 8), (128, 128, 8), (64, 16, 32)):
    cases.append(dict(m=65, n=70, k=150, type_="f32", kernel=PLAIN.format(*tile, 1)))
for split in (2, 3, 7):
    for m, n, k in ((64, 64, 300), (7, 13, 5), (16, 16, 1)):
        for lhs, rhs in (("mk", "nk"), ("km", "kn")):
            cases.append(dict(m=m, n=n, k=k, lhs=lhs, rhs=rhs, kernel=TENSOR_CORE.format(64, 64, 64, 2, 2, 3, split)))
            cases.append(dict(m=m, n=n, k=k, lhs=lhs, rhs=rhs, type_="f32", kernel=PLAIN.format(64, 64, 16, split)))

# The last one shares the depth, too.
BATCHES = ((1, 33, 17, 40), (3, 40, 72, 16), (5, 7, 13, 61), (2, 16, 16, 2048))
batches = [dict(b=b, m=m, n=n, k=k, type_=type_) for type_, (b, m, n, k) in itertools.product(("bf16", "f32"), BATCHES)]
products.check_all(folder, cases, batches)
