# RUN: %python %s %t

"""Convolutions as implicit products by wgmma and bulk copies, on the interpreter with
all its checks, exact: boxes of pixels that the user chooses and that are chosen, taps,
strides, dilations, padding, ragged sizes, types, clusters, parts of the depth; forward
and both gradients. Not one of their kernels is of another family, and with a stride of
one there is no copy of an image or of filters. Then the same padding with the other
families."""

import concurrent.futures
import os
import sys

folder = sys.argv[1]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import convolutions
from convolutions import Convolution

os.makedirs(folder, exist_ok=True)
OWN = ("--family=wgmma",)


def kernel(tile, rows, depth, warps=(4, 1), cluster=None, split=1, stages=3, pingpong=False, width=8):
    cluster = f"cluster = {list(cluster)}, " if cluster else ""
    return f"#sparsedrop.kernel<wgmma, tile = {list(tile)}, warps = {list(warps)}, {cluster}vector = [{width}, {width}, {width}], rows = {list(rows)}, depth = {list(depth)}, stages = {stages}, split = {split}{', pingpong' if pingpong else ''}>"


chosen = [
    # Boxes of pixels: in one image, in several, lines of one pixel.
    *((Convolution(3, 14, 15, 64, 40, out="bf16"), kernel((128, 64, 64), rows, (1, 1, 64), (8, 1))) for rows in ((1, 8, 16), (1, 16, 8), (2, 8, 8), (4, 4, 8), (1, 128, 1), (128, 1, 1), (1, 1, 128), (8, 16, 1))),
    *((Convolution(2, 9, 11, 40, 24, out="f16", type_="f16"), kernel((64, 64, depth[1] * depth[2]), (1, 8, 8), depth, stages=4)) for depth in ((1, 1, 64), (1, 1, 32), (1, 1, 16), (1, 3, 32), (1, 2, 16))),
    # Steps from a pixel to the next, and from tap to tap.
    *((Convolution(2, 17, 19, 24, 72, stride=stride, dilation=dilation), kernel((64, 64, 32), rows, (1, 1, 32))) for stride in ((2, 2), (1, 3)) for dilation in ((1, 1), (2, 1)) for rows in ((1, 8, 8), (2, 4, 8))),
    # Blocks that share pixels, or filters.
    *((Convolution(3, 12, 13, 64, 200, out="bf16"), kernel((128, 64, 64), (2, 8, 8), (1, 1, 64), (8, 1), cluster)) for cluster in ((2, 1), (1, 2), (2, 2), (1, 4))),
    *((Convolution(2, 10, 10, 48, 64), kernel((64, 64, 32), (1, 8, 8), (1, 1, 32), split=split)) for split in (2, 5, 20)),
    (Convolution(5, 14, 14, 64, 136, out="bf16"), kernel((128, 128, 64), (1, 8, 16), (1, 1, 64), (4, 1), pingpong=True)),
    (Convolution(5, 14, 14, 64, 136, out="bf16"), kernel((192, 128, 64), (3, 8, 8), (1, 1, 64), (12, 1))),
]
SIZES = [(1, 3, 3, 16, 8), (2, 7, 7, 64, 32), (1, 13, 5, 40, 24), (3, 17, 11, 72, 136), (33, 4, 4, 8, 16)]
free = []
for n, h, w, c, f in SIZES:
    for taps, stride, dilation in (((3, 3), (1, 1), (1, 1)), ((1, 1), (1, 1), (1, 1)), ((1, 1), (2, 2), (1, 1)), ((3, 3), (2, 2), (1, 1)), ((3, 2), (1, 2), (2, 1)), ((2, 3), (1, 1), (2, 2))):
        if min(h - dilation[0] * (taps[0] - 1), w - dilation[1] * (taps[1] - 1)) > 0:
            free.append(Convolution(n, h, w, c, f, taps, stride, dilation, type_=("bf16", "f16")[len(free) % 2], out=("bf16", "f16")[len(free) % 2]))

PADS = [((3, 3), (1, 1), (1, 1), (1, 1, 1, 1)), ((3, 3), (2, 2), (1, 1), (0, 1, 0, 1)), ((3, 3), (1, 2), (2, 1), (2, 0, 1, 3)), ((2, 3), (1, 1), (1, 1), (1, 0, 0, 2)), ((1, 1), (1, 1), (1, 1), (0, 1, 2, 0)), ((5, 1), (1, 1), (1, 1), (4, 4, 0, 0))]
padded = [Convolution(n, h, w, c, f, *parameters, type_="bf16", out="bf16") for n, h, w, c, f in SIZES for parameters in PADS if h + sum(parameters[3][:2]) > parameters[2][0] * (parameters[0][0] - 1)]
# Rows of pixels that are no multiple of 16 bytes, and what has no tensor cores.
common = [Convolution(2, 7, 5, c, 24, *parameters, type_=type_, out=type_) for c, type_ in ((16, "bf16"), (3, "bf16"), (8, "f32"), (5, "f32"), (4, "f64")) for parameters in PADS[:4]]

jobs = [(convolutions.check, (convolution, choice)) for convolution, choice in chosen]
jobs += [(convolutions.check_gradients, (convolution, OWN)) for convolution in free + padded]
jobs += [(convolutions.check_gradients, (convolution, (f"--family={family}",))) for convolution in common for family in ("tensor_core", "plain")]
jobs += [(convolutions.check_gradients, (convolution, ("--family=tensor_core", "--tf32"))) for convolution in common if convolution.type == "f32"]
# Channels are dropped, of which a pattern keeps every second or third block, or a list;
# the scale is exact.
DROPOUTS = [f'#sparsedrop.dropout<row, operand = 0, rate = {1 - 1 / period}, site = "c", granularity = {granularity}, max_period = {period}, scale = pattern, distribution = [{"0.0, " * (period - 1)}1.0]>' for period, granularity in ((2, 16), (2, 32), (3, 16), (4, 8))]
DROPOUTS.append('#sparsedrop.dropout<channel, operand = 0, rate = 0.5, site = "c", scale = none, multiple = 8>')
DROPPED = [Convolution(2, 9, 10, 96, 40, pad=(1, 1, 1, 1), out="bf16"), Convolution(3, 8, 7, 64, 24, (3, 2), (2, 1), (1, 2), (0, 1, 1, 0), "f16", "f16"), Convolution(5, 7, 7, 128, 72, (1, 1), out="bf16")]


def check_dropped(stem, convolution, dropout):
    """Kept channels alone against masks, on the device."""
    inputs, text = convolution.inputs(), convolution.text(differentiate=True, dropout=dropout)
    options = ("--entry=f_grad", "--seed=7", "--step=3", *OWN)
    try:
        compact, masked = (convolutions.products.run_all(stem, text, inputs, 3, (*options, f"--mode={mode}")) for mode in ("compact", "masked"))
    except Exception as error:
        return f"{convolution}, {dropout}: {error}"
    for name, actual, expected in zip(("y", "dx", "dw"), compact, masked):
        if wrong := convolutions.find_wrong(actual, expected):
            return f"{convolution}, {dropout}: {name}: {wrong}"
    return None if masked[0].any() else f"{convolution}, {dropout}: nothing was kept"


jobs += [(check_dropped, (convolution, dropout)) for convolution in DROPPED for dropout in DROPOUTS]


def check_kept(stem, convolution, dropout):
    """Blocks of 16 channels and more, and lists, keep the family: forward and both gradients."""
    names = convolutions.find_kernels(convolution.text(differentiate=True, dropout=dropout))
    others = [name for name in names if name.startswith(("tensor_core", "plain"))]
    # Dropped channels of both gradients are zeros; nothing else is left where a pattern
    # tells what is kept.
    copies = [name for name in names if name.startswith(("elementwise", "transpose"))]
    if "<row" in dropout and max(convolution.stride) == 1 and len(copies) > 2:
        others += copies
    return f"{convolution}, {dropout}: {others} among {names}" if others else None


jobs += [(check_kept, (DROPPED[i % 3], dropout)) for i, dropout in enumerate(DROPOUTS) if "granularity = 8" not in dropout]


def check_kernels(stem, convolution):
    """All products of a program, with its gradients, are of the family."""
    names = convolutions.find_kernels(convolution.text(differentiate=True))
    isCopied = max(convolution.stride) > 1
    others = [name for name in names if name.startswith(("tensor_core", "plain") if isCopied else ("tensor_core", "plain", "elementwise", "transpose"))]
    return f"{convolution}: {others} among {names}" if others else None


jobs += [(check_kernels, (convolution,)) for convolution in free[::3] + padded[::2]]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    results = list(pool.map(lambda job: job[1][0](os.path.join(folder, f"c{job[0]}"), *job[1][1]), enumerate(jobs)))
failures = [result for result in results if result]
print("\n".join(failures[:10]))
print(f"{len(jobs) - len(failures)} of {len(jobs)} convolutions are right")
sys.exit(1 if failures else 0)
