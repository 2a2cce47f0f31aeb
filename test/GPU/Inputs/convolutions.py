"""Programs of one convolution of images with channels innermost, and their exact results."""

import itertools
import re
import subprocess

import numpy as np

import products


class Convolution:
    """Images n x h x w x c, f filters of kh x kw taps; `pad` is low and high of the height, low and high of the width."""

    def __init__(self, n, h, w, c, f, taps=(3, 3), stride=(1, 1), dilation=(1, 1), pad=(0, 0, 0, 0), type_="bf16", out="f32"):
        self.n, self.h, self.w, self.c, self.f = n, h, w, c, f
        self.taps, self.stride, self.dilation, self.pad, self.type, self.out = taps, stride, dilation, pad, type_, out

    def __repr__(self):
        return f"{self.n}x{self.h}x{self.w}x{self.c} to {self.f}, taps {self.taps}, stride {self.stride}, dilation {self.dilation}, pad {self.pad}, {self.type} to {self.out}"

    def extent(self, side):
        size = (self.h, self.w)[side] + self.pad[2 * side] + self.pad[2 * side + 1]
        return (size - self.dilation[side] * (self.taps[side] - 1) - 1) // self.stride[side] + 1

    def shapes(self):
        return (self.n, self.h, self.w, self.c), (*self.taps, self.c, self.f), (self.n, self.extent(0), self.extent(1), self.f)

    def text(self, kernel=None, differentiate=False, dropout=None):
        x, w, y = self.shapes()
        t = lambda shape, type_: f"tensor<{'x'.join(map(str, shape))}x{type_}>"
        padded = (self.n, self.h + self.pad[0] + self.pad[1], self.w + self.pad[2] + self.pad[3], self.c)
        attributes = [f"strides = dense<{list(self.stride)}> : tensor<2xi64>", f"dilations = dense<{list(self.dilation)}> : tensor<2xi64>"]
        attributes += [f"sparsedrop.kernel = {kernel}"] if kernel else []
        attributes += [f"sparsedrop.dropout = {dropout}"] if dropout else []
        pad = f"""
  %nothing = arith.constant 0.0 : {self.type}
  %p = tensor.pad %x low[0, {self.pad[0]}, {self.pad[2]}, 0] high[0, {self.pad[1]}, {self.pad[3]}, 0] {{
    ^bb0(%i: index, %j: index, %k: index, %l: index):
      tensor.yield %nothing : {self.type}
  }} : {t(x, self.type)} to {t(padded, self.type)}""" if any(self.pad) else ""
        pattern = ", %seed: i64 {sparsedrop.seed}, %step: i64 {sparsedrop.step}" if dropout else ""
        return f"""
func.func @f(%x: {t(x, self.type)}, %w: {t(w, self.type)}{pattern}) -> {t(y, self.out)}{' attributes {sparsedrop.differentiate = {wrt = [0, 1]}}' if differentiate else ''} {{
  %zero = arith.constant 0.0 : {self.out}{pad}
  %e = tensor.empty() : {t(y, self.out)}
  %init = linalg.fill ins(%zero : {self.out}) outs(%e : {t(y, self.out)}) -> {t(y, self.out)}
  %r = linalg.conv_2d_nhwc_hwcf {{{', '.join(attributes)}}}
      ins({'%p' if pad else '%x'}, %w : {t(padded, self.type)}, {t(w, self.type)}) outs(%init : {t(y, self.out)}) -> {t(y, self.out)}
  return %r : {t(y, self.out)}
}}
"""

    def _taps(self, x):
        """Where each tap reads: its indices, and a view of the padded images."""
        _, oh, ow, _ = self.shapes()[2]
        for i, j in itertools.product(*map(range, self.taps)):
            top, left = i * self.dilation[0], j * self.dilation[1]
            yield i, j, x[:, top : top + (oh - 1) * self.stride[0] + 1 : self.stride[0], left : left + (ow - 1) * self.stride[1] + 1 : self.stride[1]]

    def padded(self, x):
        return np.pad(x.astype(np.float64), ((0, 0), self.pad[:2], self.pad[2:], (0, 0)))

    def forward(self, x, w):
        return sum(np.einsum("nhwc,cf->nhwf", part, w[i, j].astype(np.float64)) for i, j, part in self._taps(self.padded(x)))

    def gradients(self, x, w, dy):
        dw, dx = np.zeros(w.shape), np.zeros(self.padded(x).shape)
        for i, j, part in self._taps(self.padded(x)):
            dw[i, j] = np.einsum("nhwc,nhwf->cf", part, dy.astype(np.float64))
        for i, j, part in self._taps(dx):
            part += np.einsum("nhwf,cf->nhwc", dy.astype(np.float64), w[i, j].astype(np.float64))
        return dx[:, self.pad[0] : self.pad[0] + self.h, self.pad[2] : self.pad[2] + self.w], dw

    def inputs(self, seed=0):
        rng = np.random.default_rng([seed, self.n, self.h, self.w, self.c, self.f])
        return [rng.integers(-2, 3, shape).astype(np.float64 if self.type == "f64" else np.float32) for shape in self.shapes()]


def find_wrong(actual, expected):
    """None, or a word on what is not equal."""
    if actual.shape != expected.shape:
        return f"shape {actual.shape}, expected {expected.shape}"
    wrong = np.argwhere(actual != expected)
    return f"{len(wrong)} elements are wrong, the first at {wrong[0].tolist()}" if len(wrong) else None


def check(stem, convolution, kernel=None, options=()):
    """None, or what is wrong with a forward pass: small integers, whose sums are exact in every order."""
    x, w, _ = convolution.inputs()
    try:
        actual = products.run(stem, convolution.text(kernel), [x, w], options)
    except Exception as error:
        return f"{convolution}, {kernel}: {error}"
    wrong = find_wrong(actual, products.round_to(convolution.forward(x, w), convolution.out))
    return f"{convolution}, {kernel}: {wrong}" if wrong else None


def check_gradients(stem, convolution, options=()):
    """The same for a forward pass and both gradients, whose results are rounded once."""
    inputs = convolution.inputs()
    try:
        actual = products.run_all(stem, convolution.text(differentiate=True), inputs, 3, ("--entry=f_grad", *options))
    except Exception as error:
        return f"{convolution}: {error}"
    dx, dw = convolution.gradients(*inputs)
    for name, result, expected in zip(("y", "dx", "dw"), actual, (convolution.forward(*inputs[:2]), dx, dw)):
        type_ = convolution.out if name == "y" else convolution.type
        if wrong := find_wrong(result, products.round_to(expected, type_)):
            return f"{convolution}: {name}: {wrong}"
    return None


def find_kernels(text, options="family=wgmma", passes="sparsedrop-pipeline"):
    """The kernels that a program has on the device, in order."""
    pipeline = f"builtin.module({passes},sparsedrop-to-nvvm{{{options}}})"
    done = subprocess.run(["sparsedrop-opt", "-", f"--pass-pipeline={pipeline}"], input=text, capture_output=True, text=True, check=True)
    return re.findall(r'"(\w+)"', re.search(r"gpu.binary.*?kernels = \[(.*?)\]", done.stdout).group(1))
