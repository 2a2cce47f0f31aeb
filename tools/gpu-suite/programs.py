"""Writes and compiles the programs of the GPU suite.

    python3 programs.py BUILD FOLDER [--quick]

compiles into FOLDER with the sparsedrop-compile of a build, and describes each
program in FOLDER/programs.json. --quick leaves out what only a GPU can run."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
from sparsedrop.lstm import Lstm
from sparsedrop.models import DTYPES, Dropout, Mlp

HEAD = """
func.func @f(%x: tensor<{m}x{k}x{t}>{dx}, %w: tensor<{k}x{n}x{t}>{dw}, %y: tensor<{m}x{n}x{t}>{dy}, %kept: index, %period: index, %bias: index) -> tensor<{r}x{t}> {{
  %zero = arith.constant 0.0 : {t}
  %xs = tensor.extract_slice %x[0, 0] [{m}, %kept] [1, 1] : tensor<{m}x{k}x{t}> to tensor<{m}x?x{t}>
  %ws = tensor.extract_slice %w[%bias, 0] [%kept, {n}] [%period, 1] : tensor<{k}x{n}x{t}> to tensor<?x{n}x{t}>"""
DONATED = " {sparsedrop.donate = 0 : i64}"
PRODUCTS = {
    # y = x w[b::p, :]: kept rows of the weight, going forward
    "forward": """
  %i = linalg.fill ins(%zero : {t}) outs(%y : tensor<{m}x{n}x{t}>) -> tensor<{m}x{n}x{t}>
  %r = linalg.matmul ins(%xs, %ws : tensor<{m}x?x{t}>, tensor<?x{n}x{t}>) outs(%i : tensor<{m}x{n}x{t}>) -> tensor<{m}x{n}x{t}>
  return %r : tensor<{m}x{n}x{t}>
}}
""",
    # x = y w[b::p, :]^T: the gradient of what is kept
    "dgrad": """
  %i = linalg.fill ins(%zero : {t}) outs(%xs : tensor<{m}x?x{t}>) -> tensor<{m}x?x{t}>
  %r = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%y, %ws : tensor<{m}x{n}x{t}>, tensor<?x{n}x{t}>) outs(%i : tensor<{m}x?x{t}>) -> tensor<{m}x?x{t}>
  %u = tensor.insert_slice %r into %x[0, 0] [{m}, %kept] [1, 1] : tensor<{m}x?x{t}> into tensor<{m}x{k}x{t}>
  return %u : tensor<{m}x{k}x{t}>
}}
""",
    # w[b::p, :] = x^T y: the gradient of the kept rows, in place
    "wgrad": """
  %i = linalg.fill ins(%zero : {t}) outs(%ws : tensor<?x{n}x{t}>) -> tensor<?x{n}x{t}>
  %r = linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>]
      ins(%xs, %y : tensor<{m}x?x{t}>, tensor<{m}x{n}x{t}>) outs(%i : tensor<?x{n}x{t}>) -> tensor<?x{n}x{t}>
  %u = tensor.insert_slice %r into %w[%bias, 0] [%kept, {n}] [%period, 1] : tensor<?x{n}x{t}> into tensor<{k}x{n}x{t}>
  return %u : tensor<{k}x{n}x{t}>
}}
""",
}
"""The three products of a layer, by their maps. x is compact already: the first
columns of rows that are as long as the weight is wide, as in a padded temporary."""

SCALED = """
#x = affine_map<(m, n, k) -> (m, k)>
#w = affine_map<(m, n, k) -> (n, k)>
#y = affine_map<(m, n, k) -> (m, n)>
#id = affine_map<(i, j) -> (i, j)>
#one = affine_map<(i, j) -> ()>
func.func @f(%x: tensor<{m}x{n}x{t}>, %w: tensor<{k}x{n}x{t}>, %sx: tensor<f32>, %sw: tensor<f32>, %y: tensor<{m}x{k}xbf16> {{sparsedrop.donate = 0 : i64}}, %kept: index, %period: index, %bias: index) -> tensor<{m}x{k}xbf16> {{
  %zero = arith.constant 0.0 : f32
  %ws = tensor.extract_slice %w[%bias, 0] [%kept, {n}] [%period, 1] : tensor<{k}x{n}x{t}> to tensor<?x{n}x{t}>
  %ys = tensor.extract_slice %y[0, 0] [{m}, %kept] [1, 1] : tensor<{m}x{k}xbf16> to tensor<{m}x?xbf16>
  %e = tensor.empty(%kept) : tensor<{m}x?xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<{m}x?xf32>) -> tensor<{m}x?xf32>
  %p = linalg.matmul indexing_maps = [#x, #w, #y] ins(%x, %ws : tensor<{m}x{n}x{t}>, tensor<?x{n}x{t}>) outs(%i : tensor<{m}x?xf32>) -> tensor<{m}x?xf32>
  %r = linalg.generic {{indexing_maps = [#id, #one, #one, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%p, %sx, %sw : tensor<{m}x?xf32>, tensor<f32>, tensor<f32>) outs(%ys : tensor<{m}x?xbf16>) {{
  ^bb0(%s: f32, %a: f32, %b: f32, %o: bf16):
    %1 = arith.mulf %s, %a : f32
    %2 = arith.mulf %1, %b : f32
    %3 = arith.truncf %2 : f32 to bf16
    linalg.yield %3 : bf16
  }} -> tensor<{m}x?xbf16>
  %u = tensor.insert_slice %r into %y[0, 0] [{m}, %kept] [1, 1] : tensor<{m}x?xbf16> into tensor<{m}x{k}xbf16>
  return %u : tensor<{m}x{k}xbf16>
}}
"""
"""y = sx sw x w[b::p, :]^T of 8 bits: a layer whose weight has a row for each unit, of
which some are kept; y is compact."""

TILES_HEAD = """
#mk = affine_map<(m, n, k) -> (m, k)>
#nk = affine_map<(m, n, k) -> (n, k)>
#kn = affine_map<(m, n, k) -> (k, n)>
#km = affine_map<(m, n, k) -> (k, m)>
#mn = affine_map<(m, n, k) -> (m, n)>
func.func @f(%x: tensor<{m}x{k}x{t}>{dx}, %w: tensor<{n}x{k}x{t}>{dw}, %y: tensor<{m}x{n}x{t}>{dy}, %period: index, %bias: index) -> tensor<{r}x{t}> {{
  %zero = arith.constant 0.0 : {t}
  %n = arith.constant {n} : index
  %k = arith.constant {k} : index
  %p = sparsedrop.make_pattern period(%period) bias(%bias) extents(%n, %k) : !sparsedrop.pattern<tile, tile = [{tile}, {tile}]>"""
DROP = """
  %d = sparsedrop.dropout {w}, %p dim(0, 1) unscaled : tensor<{{n}}x{{k}}x{{t}}>, !sparsedrop.pattern<tile, tile = [{{tile}}, {{tile}}]>"""
TILES = {
    # y = x drop(w)^T
    "forward": DROP.format(w="%w") + """
  %i = linalg.fill ins(%zero : {t}) outs(%y : tensor<{m}x{n}x{t}>) -> tensor<{m}x{n}x{t}>
  %r = linalg.matmul indexing_maps = [#mk, #nk, #mn] ins(%x, %d : tensor<{m}x{k}x{t}>, tensor<{n}x{k}x{t}>) outs(%i : tensor<{m}x{n}x{t}>) -> tensor<{m}x{n}x{t}>
  return %r : tensor<{m}x{n}x{t}>
}}
""",
    # x = y drop(w)
    "dgrad": DROP.format(w="%w") + """
  %i = linalg.fill ins(%zero : {t}) outs(%x : tensor<{m}x{k}x{t}>) -> tensor<{m}x{k}x{t}>
  %r = linalg.matmul indexing_maps = [#mk, #kn, #mn] ins(%y, %d : tensor<{m}x{n}x{t}>, tensor<{n}x{k}x{t}>) outs(%i : tensor<{m}x{k}x{t}>) -> tensor<{m}x{k}x{t}>
  return %r : tensor<{m}x{k}x{t}>
}}
""",
    # w -= drop(y^T x): only kept tiles are computed, and updated
    "wgrad": """
  %e = tensor.empty() : tensor<{n}x{k}x{t}>
  %i = linalg.fill ins(%zero : {t}) outs(%e : tensor<{n}x{k}x{t}>) -> tensor<{n}x{k}x{t}>
  %g = linalg.matmul indexing_maps = [#km, #kn, #mn] ins(%y, %x : tensor<{m}x{n}x{t}>, tensor<{m}x{k}x{t}>) outs(%i : tensor<{n}x{k}x{t}>) -> tensor<{n}x{k}x{t}>""" + DROP.format(w="%g") + """
  %r = linalg.generic {{indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}}
      ins(%d : tensor<{n}x{k}x{t}>) outs(%w : tensor<{n}x{k}x{t}>) {{
  ^bb0(%a: {t}, %o: {t}):
    %s = arith.subf %o, %a : {t}
    linalg.yield %s : {t}
  }} -> tensor<{n}x{k}x{t}>
  return %r : tensor<{n}x{k}x{t}>
}}
""",
}
"""The three products of a layer of whose weight, with a row for each output, tiles are
dropped; in skewed order. The classes of a pattern are one launch."""

ELEMENTWISE = """
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>
func.func @f(%x: tensor<{m}x{n}x{t}>, %b: tensor<{n}x{t}>, %y: tensor<{m}x{n}x{t}> {{sparsedrop.donate = 0 : i64}}) -> tensor<{m}x{n}x{t}> {{
  %zero = arith.constant 0.0 : {t}
  %r = linalg.generic {{indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%x, %b : tensor<{m}x{n}x{t}>, tensor<{n}x{t}>) outs(%y : tensor<{m}x{n}x{t}>) {{
  ^bb0(%a: {t}, %c: {t}, %o: {t}):
    %s = arith.addf %a, %c : {t}
    %f = arith.maximumf %s, %zero : {t}
    linalg.yield %f : {t}
  }} -> tensor<{m}x{n}x{t}>
  return %r : tensor<{m}x{n}x{t}>
}}
"""


def products(m, n, k, type_, role):
    for product, text in PRODUCTS.items():
        place = {"forward": "y", "dgrad": "x", "wgrad": "w"}[product]
        shape = {"y": f"{m}x{n}", "x": f"{m}x{k}", "w": f"{k}x{n}"}[place]
        marks = {f"d{name}": DONATED if name == place else "" for name in "xwy"}
        text = HEAD.format(m=m, n=n, k=k, t=type_, r=shape, **marks) + text.format(m=m, n=n, k=k, t=type_)
        yield f"{product}_{type_}_{m}x{n}x{k}", text, "f", dict(
            kind="product", product=product, role=role, type=type_, m=m, n=n, k=k)


def tiles(m, n, k, tile, type_, role):
    for product, text in TILES.items():
        place, shape = {"forward": ("y", f"{m}x{n}"), "dgrad": ("x", f"{m}x{k}"), "wgrad": ("w", f"{n}x{k}")}[product]
        marks = {f"d{name}": DONATED if name == place else "" for name in "xwy"}
        sizes = dict(m=m, n=n, k=k, t=type_, tile=tile)
        yield f"tiles_{product}_{type_}_{m}x{n}x{k}_{tile}", TILES_HEAD.format(r=shape, **sizes, **marks) + text.format(**sizes), "f", dict(
            kind="tiles", product=product, role=role, type=type_, m=m, n=n, k=k, tile=tile)


def elementwise(m, n, type_, role):
    yield f"bias_relu_{type_}_{m}x{n}", ELEMENTWISE.format(m=m, n=n, t=type_), "f", dict(
        kind="elementwise", role=role, type=type_, m=m, n=n)


def scaled(m, n, k, type_, role):
    yield f"scaled_{type_}_{m}x{n}x{k}", SCALED.format(m=m, n=n, k=k, t=type_), "f", dict(
        kind="scaled", role=role, type=type_, m=m, n=n, k=k)


def step(widths, batch, rate, granularity, type_, role):
    model = Mlp(widths, batch, Dropout(rate, granularity) if rate else None, loss="mse", dtype=type_)
    name = f"step_{type_}_{'x'.join(map(str, widths))}_{batch}_{rate}_{granularity}".replace(".", "")
    yield name, model.mlir(), "step", dict(
        kind="step", role=role, type=type_, widths=widths, batch=batch, rate=rate, granularity=granularity,
        shapes=[list(s) for _, s in model.parameters()])


def lstm(vocabulary, units, batch, words, rate, tile, type_, role):
    """The training step of a language model of two layers, with patterns on what they read from below."""
    dropout = Dropout(rate, tile=(tile, tile) if tile else None)
    model = Lstm(vocabulary, units, batch, words, dropout=dropout, clip=5.0, dtype=type_)
    name = f"lstm_{type_}_{units}_{batch}x{words}_{rate}_{tile or 'rows'}".replace(".", "")
    yield name, model.mlir(), "step", dict(
        kind="lstm", role=role, type=type_, vocabulary=vocabulary, units=units, layers=model.layers, batch=batch, steps=words, rate=rate, clip=model.clip,
        arguments=[[name, model.type_of(name), list(shape)] for name, shape in model.arguments])


def all_programs(quick):
    for type_ in ("bf16", "f16", "f32", "f64"):
        yield from products(37, 40, 72, type_, "check")
        yield from products(130, 264, 136, type_, "check")
        yield from elementwise(33, 72, type_, "check")
        yield from tiles(24, 160, 256, 32, type_, "check")
        yield from tiles(37, 104, 136, 16, type_, "check")
    for type_ in ("f8E4M3FN", "f8E5M2"):
        yield from scaled(40, 48, 72, type_, "check")
        yield from scaled(130, 272, 136, type_, "check")
    yield from step([96, 160, 128, 10], 32, 0.5, 1, "f32", "check")
    for type_, tile in (("f32", None), ("bf16", None), ("bf16", 16)):
        yield from lstm(40, 48, 8, 5, 0.5, tile, type_, "check")
    if quick:
        return
    for type_, sizes in (("bf16", (4096, 8192)), ("f32", (4096,))):
        for size in sizes:
            yield from products(size, size, size, type_, "bench")
        for batch in (256, 4096):
            yield from tiles(batch, 4096, 4096, 32, type_, "bench")
    for size in (4096, 8192):
        yield from scaled(size, size, size, "f8E4M3FN", "bench")
    for type_ in ("bf16", "f32"):
        yield from elementwise(8192, 8192, type_, "bench")
    type_ = "bf16" if "bf16" in DTYPES else "f32"
    for granularity in (1, 16):
        yield from step([8192, 8192, 8192, 8192], 8192, 0.5, granularity, type_, "bench")
    for units in (650, 1500):
        for tile in (None, 32):
            yield from lstm(10000, units, 20, 35, 0.5, tile, "f32", "bench")


def for_hopper(programs):
    """Programs of 16-bit and 8-bit types for sm_90a: checks by wgmma wherever it can be, benchmarks by what is chosen."""
    for name, text, entry, about in programs:
        if about["type"] not in ("f32", "f64") and about["kind"] != "elementwise":
            # Batches of an LSTM are less than a tile, and what is kept of it is not aligned.
            family = "wgmma" if about["role"] == "check" and about["kind"] != "lstm" else ""
            yield name + "_hopper", text, entry, {**about, "chip": "sm_90a", "family": family}


def main():
    build, folder = sys.argv[1:3]
    os.makedirs(folder, exist_ok=True)
    described = {}
    programs = list(all_programs("--quick" in sys.argv))
    for name, text, entry, about in [*programs, *for_hopper(programs)]:
        source = os.path.join(folder, name + ".mlir")
        with open(source, "w") as file:
            file.write(text)
        # All but wgmma runs on sm_80 and later.
        command = [os.path.join(build, "bin", "sparsedrop-compile"), source, f"--entry={entry}",
                   f"--chip={about.get('chip', 'sm_80')}", f"--family={about.get('family', '')}",
                   "-o", os.path.join(folder, name + ".so")]
        subprocess.run(command, check=True)
        described[name] = {**about, "entry": entry}
    with open(os.path.join(folder, "programs.json"), "w") as file:
        json.dump(described, file, indent=1)
    print(f"{len(described)} programs in {folder}")


if __name__ == "__main__":
    main()
