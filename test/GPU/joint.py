# RUN: %python %s sparsedrop-run sparsedrop-opt %t

"""Products of which an elementwise op reads equal parts, as the cell of an LSTM reads its
gates, on the device against the CPU: one launch, or two where blocks share the depth, of
the families that may see several sums; sizes that fill no tile, what has an operand of
all parts, of one, or of none, and outputs that stay. Both are equal bit by bit."""

import itertools
import os
import re
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "Inputs"), os.path.join(here, "..", "..", "python")]
import exact
from sparsedrop.lstm import Lstm
from sparsedrop.models import Dropout

run, opt, folder = sys.argv[1:4]
os.makedirs(folder, exist_ok=True)


def program(type_, batch, rows, depth, parts, units, with_extra, keeps):
    """Returns f, whose last result is the first part times the last one plus the rest, times a
    state and a bias; before it the product, if it is kept, and a transposed sum."""
    wide = "f64" if type_ == "f64" else "f32"
    whole = parts * units
    extend = lambda name: f"arith.extf %{name} : {type_} to {wide}" if type_ != wide else f"arith.addf %{name}, %null : {wide}"
    names = [f"p{i}" for i in range(parts)]
    slices = "\n".join(
        f"  %{name} = tensor.extract_slice %y[0, 0, {i * units}] [{batch}, {rows}, {units}] [1, 1, 1] : tensor<{batch}x{rows}x{whole}x{type_}> to tensor<{batch}x{rows}x{units}x{type_}>"
        for i, name in enumerate(names)
    )
    body = [f"    %e{i} = {extend(f'a{i}')}" for i in range(parts)]
    body.append(f"    %s0 = arith.mulf %e0, %e{parts - 1} : {wide}")
    body += [f"    %s{i} = arith.addf %s{i - 1}, %e{i} : {wide}" for i in range(1, parts)]
    body += [f"    %t = arith.mulf %s{parts - 1}, %b : {wide}", f"    %u = arith.addf %t, %c : {wide}", f"    %v = arith.subf %e0, %e{parts - 1} : {wide}"]
    part = f"tensor<{batch}x{rows}x{units}x{type_}>"
    state = f"tensor<{batch}x{rows}x{units}x{wide}>"
    outputs = f"tensor<{batch}x{rows}x{whole}x{type_}>"
    result = f"{outputs}, " if keeps else ""
    product, sum_ = ("p", f"  %y = linalg.add ins(%p, %g : {outputs}, {outputs}) outs(%e : {outputs}) -> {outputs}\n") if with_extra else ("y", "")
    return f"""
func.func @f(%x: tensor<{batch}x{rows}x{depth}x{type_}>, %w: tensor<{depth}x{whole}x{type_}>, %g: tensor<{batch}x{rows}x{whole}x{type_}>, %c: {state}, %bias: tensor<{units}x{wide}>)
    -> ({result}{state}, {state}) {{
  %zero = arith.constant 0.0 : {type_}
  %null = arith.constant 0.0 : {wide}
  %e = tensor.empty() : tensor<{batch}x{rows}x{whole}x{type_}>
  %z = linalg.fill ins(%zero : {type_}) outs(%e : tensor<{batch}x{rows}x{whole}x{type_}>) -> tensor<{batch}x{rows}x{whole}x{type_}>
  %{product} = linalg.generic {{indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (k, n)>, affine_map<(b, m, n, k) -> (b, m, n)>],
      iterator_types = ["parallel", "parallel", "parallel", "reduction"]}}
      ins(%x, %w : tensor<{batch}x{rows}x{depth}x{type_}>, tensor<{depth}x{whole}x{type_}>) outs(%z : tensor<{batch}x{rows}x{whole}x{type_}>) {{
  ^bb0(%i: {type_}, %j: {type_}, %o: {type_}):
    %m = arith.mulf %i, %j : {type_}
    %s = arith.addf %o, %m : {type_}
    linalg.yield %s : {type_}
  }} -> tensor<{batch}x{rows}x{whole}x{type_}>
{sum_}{slices}
  %f = tensor.empty() : {state}
  %r:2 = linalg.generic {{indexing_maps = [{"affine_map<(b, m, n) -> (b, m, n)>, " * parts} affine_map<(b, m, n) -> (b, m, n)>, affine_map<(b, m, n) -> (n)>,
      affine_map<(b, m, n) -> (b, m, n)>, affine_map<(b, m, n) -> (b, m, n)>], iterator_types = ["parallel", "parallel", "parallel"]}}
      ins({", ".join("%" + n for n in names)}, %c, %bias : {", ".join([part] * parts)}, {state}, tensor<{units}x{wide}>) outs(%f, %f : {state}, {state}) {{
  ^bb0({", ".join(f"%a{i}: {type_}" for i in range(parts))}, %c_: {wide}, %b: {wide}, %o0: {wide}, %o1: {wide}):
{chr(10).join(body).replace("%c :", "%c_ :")}
    linalg.yield %v, %u : {wide}, {wide}
  }} -> ({state}, {state})
  return {"%y, " if keeps else ""}%r#0, %r#1 : {result}{state}, {state}
}}
"""


TYPES = [("bf16", "family=wgmma"), ("bf16", ""), ("bf16", "chip=sm_80"), ("bf16", "family=plain"), ("f16", "family=tensor_core"), ("f32", "tf32"), ("f32", ""), ("f64", "")]
# Batch, rows, depth, parts, units: an LSTM's, few, odd, one of each, more than a tile, shared depth.
SIZES = [(1, 20, 72, 4, 40), (1, 3, 5, 3, 7), (3, 7, 19, 2, 13), (1, 1, 1, 4, 1), (2, 30, 33, 4, 72), (1, 4, 1100, 4, 24), (1, 5, 1030, 3, 9), (1, 33, 40, 8, 12), (1, 64, 24, 2, 65), (1, 200, 136, 4, 72), (2, 70, 1032, 3, 40)]


def flags(options):
    return tuple("--" + option for option in options.split() if option)


def choose(text, options):
    """The program with its kernels."""
    options = options.replace("tf32", "tf32=true")
    pipeline = f"--pass-pipeline=builtin.module(sparsedrop-pipeline,sparsedrop-to-nvvm{{{options}}})"
    return subprocess.run([opt, "-", pipeline, "--mlir-print-ir-after=sparsedrop-choose-kernels"], input=text, capture_output=True, text=True, check=True).stderr


def get_kernels(text):
    return re.findall(r"(sparsedrop\.contract|linalg\.\w+) \{", text)


def check_kernels(text, options):
    """One kernel, whose region sees all sums."""
    chosen = choose(text, options)
    assert get_kernels(chosen) == ["sparsedrop.contract"] and "joint = " in chosen, chosen
    return "split = " in chosen, "<wgmma" in chosen


def check_steps(dtype, options):
    """Time steps of an LSTM: what the product reads, the product with its gates and what is
    saved, what the next layer keeps; backwards what that layer gives, gates and the product.
    Where there are no gradients nothing is saved, either."""
    model = Lstm(50, 64, 8, 6, dropout=Dropout(0.5), clip=1.0, dtype=dtype)
    chosen = choose(model.mlir(), options)
    # Where the product reads h itself, the new one has to wait for it, and the old one is saved.
    generic, copy, product = "linalg.generic", "linalg.copy", "sparsedrop.contract"
    if dtype == "f32":
        read, saved = [product, copy, copy], [copy, product, copy, copy]
    else:
        read = saved = [generic, product, generic]
    backward = [generic, generic, product]
    for name, expected in (("loss", [read] * 2), ("step", [saved] * 2 + [backward] * 2)):
        function = re.search(rf"func\.func @{name}\(.*?\n  \}}\n", chosen, re.S).group(0)
        loops = re.findall(r"\n    scf\.for [^\n]*\n(.*?)\n    \}", function, re.S)
        found = [get_kernels(loop) for loop in loops if "sparsedrop.contract" in loop]
        assert found == expected, (dtype, name, found)


# An odd number of tiles along the columns, of which the blocks of a cluster take two at a time.
CLUSTERS = [(("bf16", ""), (1, 600, 32, 4, 232), False, False)]
assert "cluster = [1, 2]" in choose(program("bf16", *CLUSTERS[0][1], False, False), "")
cases = CLUSTERS + [(type_, size, extra, keeps) for type_, size, (extra, keeps) in itertools.product(TYPES, SIZES, ((True, False), (False, True)))]
splits = bulks = 0
for (type_, options), size, extra, keeps in cases:
    split, bulk = check_kernels(program(type_, *size, extra, keeps), options)
    splits += split
    bulks += bulk
# Long depths of few outputs, but for those of the plain family; aligned parts.
assert splits >= 12 and bulks >= 6, (splits, bulks)
for dtype in ("f32", "bf16"):
    for options in ("chip=sm_80", "chip=sm_90a"):
        check_steps(dtype, options)


def check_case(case):
    number, ((type_, options), size, extra, keeps) = case
    batch, rows, depth, parts, units = size
    shapes = ((batch, rows, depth), (depth, parts * units), (batch, rows, parts * units), (batch, rows, units), (units,))
    return exact.check(run, folder, number, program(type_, *size, extra, keeps), type_, shapes, flags(options), entry="f")


exact.check_all(cases, check_case)
