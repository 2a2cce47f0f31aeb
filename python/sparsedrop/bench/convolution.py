"""Times convolutions on the CPU: forward pass, input gradient, weight gradient.

    python -m sparsedrop.bench.convolution --rounds 15

Two tables, both in f32 with channels last. The first has dense 3x3 and 1x1
convolutions beside a matrix product of as many operations and, where it is
installed, PyTorch. The second has the forward pass and all gradients of three
3x3 convolutions in a chain, the inputs of the last two of which drop feature
maps by lists: all modes beside the operation ratio of the same draws.

Rivals take turns, in rotating order; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

import sparsedrop

try:
    import torch
except ImportError:
    torch = None

# Batch, pixels a side, channels, window a side.
LAYERS = ((32, 28, 32, 3), (32, 14, 64, 3), (64, 14, 128, 3), (128, 14, 64, 3), (32, 28, 64, 1), (64, 14, 128, 1))
CHAINS = ((32, 28, 32), (32, 14, 64), (64, 14, 128))


def tensor(*shape: int) -> str:
    return f"tensor<{'x'.join(map(str, shape))}xf32>"


def write_conv(x: str, w: str, result: str, shape: tuple[int, ...], filters: int, window: int, attributes: str = "") -> str:
    """`result` = conv(`x`, `w`), padded to keep its pixels."""
    n, h, _, c = shape
    pad = window // 2
    padded, out, weight = tensor(n, h + 2 * pad, h + 2 * pad, c), tensor(n, h, h, filters), tensor(window, window, c, filters)
    text, source = "", x
    if pad:
        source = f"{result}_padded"
        text = f"""
  {source} = tensor.pad {x} low[0, {pad}, {pad}, 0] high[0, {pad}, {pad}, 0] {{
  ^bb0(%i: index, %j: index, %k: index, %l: index):
    tensor.yield %zero : f32
  }} : {tensor(*shape)} to {padded}"""
    return f"""{text}
  {result}_empty = tensor.empty() : {out}
  {result}_init = linalg.fill ins(%zero : f32) outs({result}_empty : {out}) -> {out}
  {result} = linalg.conv_2d_nhwc_hwcf{attributes} ins({source}, {w} : {padded}, {weight}) outs({result}_init : {out}) -> {out}"""


def write_gradient(text: str, arguments: list[str], out: str, wanted: int, draws: bool = False) -> str:
    """@gradient: that of one argument alone, of the differentiated @f in `text`, which
    takes seed and step if it `draws`. What it does not need of the forward pass goes."""
    places = [(f"%x{i}", t, "") for i, t in enumerate(arguments)]
    if draws:
        places += [("%seed", "i64", " {sparsedrop.seed}"), ("%step", "i64", " {sparsedrop.step}")]
    places.append(("%g", out, ""))
    typed = ", ".join(f"{name}: {t}{mark}" for name, t, mark in places)
    caller = f"""
func.func @gradient({typed}) -> {arguments[wanted]} {{
  %r:2 = call @f_grad({', '.join(p[0] for p in places)}) : ({', '.join(p[1] for p in places)}) -> ({out}, {arguments[wanted]})
  return %r#1 : {arguments[wanted]}
}}
"""
    module = sparsedrop.opt(text, "builtin.module(sparsedrop-differentiate)").rstrip()
    return sparsedrop.opt(module.removesuffix("}") + caller + "}", "builtin.module(inline,canonicalize,cse)")


def write_layer(n: int, h: int, c: int, window: int, wanted: int) -> str:
    """@f is the convolution, @gradient that of argument `wanted`."""
    x, w = tensor(n, h, h, c), tensor(window, window, c, c)
    text = f"""
func.func @f(%x: {x}, %w: {w}) -> {x} attributes {{sparsedrop.differentiate = {{wrt = [{wanted}]}}}} {{
  %zero = arith.constant 0.0 : f32{write_conv('%x', '%w', '%y', (n, h, h, c), c, window)}
  return %y : {x}
}}
"""
    return write_gradient(text, [x, w], x, wanted)


def write_chain(n: int, h: int, c: int, rate: float) -> str:
    x, w = tensor(n, h, h, c), tensor(3, 3, c, c)
    body, value = "\n  %zero = arith.constant 0.0 : f32", "%x"
    for layer in range(3):
        drop = f' {{sparsedrop.dropout = #sparsedrop.dropout<channel, operand = 0, rate = {rate}, site = "maps{layer}">}}' if layer else ""
        body += write_conv(value, f"%w{layer}", f"%y{layer}", (n, h, h, c), c, 3, drop)
        value = f"%y{layer}"
        if layer < 2:
            body += f"""
  %a{layer}_empty = tensor.empty() : {x}
  %a{layer} = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}} ins(%y{layer} : {x}) outs(%a{layer}_empty : {x}) {{
  ^bb0(%i: f32, %o: f32):
    %m = arith.maximumf %i, %zero : f32
    linalg.yield %m : f32
  }} -> {x}"""
            value = f"%a{layer}"
    return f"""
#id = affine_map<(a, b, c, d) -> (a, b, c, d)>
func.func @f(%x: {x}, %w0: {w}, %w1: {w}, %w2: {w}) -> {x} attributes {{sparsedrop.differentiate = {{wrt = [0, 1, 2, 3]}}}} {{{body}
  return %y2 : {x}
}}
"""


def measure(rivals: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median seconds of each."""
    names, seconds = list(rivals), {name: [] for name in rivals}
    for turn in range(rounds):
        for k in range(len(names)):
            name = names[(turn + k) % len(names)]
            # The threads of the one before go to sleep; a first run wakes its own.
            time.sleep(0.02)
            rivals[name]()
            start = time.perf_counter()
            rivals[name]()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def torch_layer(x, w, g, window: int) -> dict[str, Callable[[], object]]:
    """PyTorch on the same arrays, channels last."""
    tx, tg = (torch.from_numpy(a).permute(0, 3, 1, 2) for a in (x, g))
    tw = torch.from_numpy(w).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)

    def backward(*wanted: bool):
        return torch.ops.aten.convolution_backward(
            tg, tx, tw, None, [1, 1], [window // 2] * 2, [1, 1], False, [0, 0], 1, [*wanted, False]
        )

    return {
        "pytorch forward": lambda: torch.nn.functional.conv2d(tx, tw, padding=window // 2),
        "pytorch input": lambda: backward(True, False),
        "pytorch weight": lambda: backward(False, True),
    }


def run_layers(rounds: int) -> None:
    rng = np.random.default_rng(0)
    print("dense, GFLOP/s: ours (PyTorch's)" if torch else "dense, GFLOP/s")
    print(f"{'batch, pixels, channels, window':<34}{'matmul':>8}{'forward':>18}{'input gradient':>18}{'weight gradient':>18}")
    for n, h, c, window in LAYERS:
        x, g = (rng.standard_normal((n, h, h, c)).astype(np.float32) for _ in range(2))
        w = rng.standard_normal((window, window, c, c)).astype(np.float32)
        forward = sparsedrop.compile(write_layer(n, h, c, window, 0), entry="f", mode="dense")
        gradients = [sparsedrop.compile(write_layer(n, h, c, window, i), entry="gradient", mode="dense") for i in range(2)]
        m, k = n * h * h, c * window * window
        product = f"""
func.func @p(%a: {tensor(m, k)}, %b: {tensor(k, c)}) -> {tensor(m, c)} {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : {tensor(m, c)}
  %z = linalg.fill ins(%zero : f32) outs(%e : {tensor(m, c)}) -> {tensor(m, c)}
  %r = linalg.matmul ins(%a, %b : {tensor(m, k)}, {tensor(k, c)}) outs(%z : {tensor(m, c)}) -> {tensor(m, c)}
  return %r : {tensor(m, c)}
}}"""
        matmul = sparsedrop.compile(product, entry="p", mode="dense")
        a, b = rng.standard_normal((m, k)).astype(np.float32), rng.standard_normal((k, c)).astype(np.float32)
        rivals = {
            "matmul": lambda: matmul(a, b),
            "forward": lambda: forward(x, w),
            "input": lambda: gradients[0](x, w, g),
            "weight": lambda: gradients[1](x, w, g),
        }
        if torch:
            rivals |= torch_layer(x, w, g, window)
        seconds = measure(rivals, rounds)
        rate = {name: 2e-9 * m * k * c / s for name, s in seconds.items()}
        line = f"{n:>5}, {h:>3} x {h:<3}, {c:>4}, {window} x {window:<6}{'':<3}{rate['matmul']:>8.1f}"
        for name in ("forward", "input", "weight"):
            other = f" ({rate['pytorch ' + name]:.1f})" if torch else ""
            line += f"{f'{rate[name]:.1f}{other}':>18}"
        print(line, flush=True)


def run_chains(rounds: int, rate: float) -> None:
    rng = np.random.default_rng(0)
    print(f"\nthree 3x3 convolutions, forward pass and all gradients, lists of kept maps at rate {rate}: ms")
    print(f"{'batch, pixels, channels':<28}{'dense':>9}{'masked':>9}{'compact':>9}{'time':>8}{'operations':>12}{'of it':>8}{'pytorch':>10}")
    for n, h, c in CHAINS:
        x, g = (rng.standard_normal((n, h, h, c)).astype(np.float32) for _ in range(2))
        weights = [(rng.standard_normal((3, 3, c, c)) / np.sqrt(9 * c)).astype(np.float32) for _ in range(3)]
        text = write_chain(n, h, c, rate)
        modes = {mode: sparsedrop.compile(text, entry="f_grad", mode=mode) for mode in ("dense", "masked", "compact")}
        rivals = {mode: lambda f=f: f(x, *weights, g, seed=1, step=0) for mode, f in modes.items()}
        if torch:
            rivals["pytorch"] = torch_chain(x, weights, g)
        seconds = measure(rivals, rounds)
        totals = sparsedrop.compile(text, entry="f_grad", instrument=True).count(x, *weights, g, seed=1, step=0)["totals"]
        operations = totals["dense"]["flops"] / totals["actual"]["flops"]
        ratio = seconds["dense"] / seconds["compact"]
        line = f"{n:>5}, {h:>3} x {h:<3}, {c:<10}"
        line += "".join(f"{1e3 * seconds[mode]:>9.2f}" for mode in modes)
        line += f"{ratio:>8.2f}{operations:>12.2f}{ratio / operations:>8.2f}"
        print(line + (f"{1e3 * seconds['pytorch']:>10.2f}" if torch else ""), flush=True)


def torch_chain(x, weights, g) -> Callable[[], object]:
    """The dense chain in PyTorch."""
    tx, tg = (torch.from_numpy(a).permute(0, 3, 1, 2) for a in (x, g))
    parameters = [
        torch.from_numpy(w).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last).requires_grad_() for w in weights
    ]
    tx = tx.clone(memory_format=torch.channels_last).requires_grad_()

    def step():
        value = tx
        for layer, w in enumerate(parameters):
            value = torch.nn.functional.conv2d(value, w, padding=1)
            value = torch.relu(value) if layer < 2 else value
        return torch.autograd.grad(value, [tx, *parameters], tg)

    return step


def main() -> int:
    parser = argparse.ArgumentParser(prog="convolution", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--rate", type=float, default=0.5, help="of the maps that the second table drops")
    options = parser.parse_args()
    if torch:
        torch.set_num_threads(sparsedrop.threads())
        print(f"PyTorch {torch.__version__}, {sparsedrop.threads()} threads each")
    else:
        print("PyTorch is not installed: without it", file=sys.stderr)
    run_layers(options.rounds)
    run_chains(options.rounds, options.rate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
