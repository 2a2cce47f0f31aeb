"""Convolutional networks: an MLIR function and its float64 meaning side by side.

A value is (name, shape, evaluated), in the layout of the network: channels last
or behind the batch, with one to three spatial dimensions.
"""

import itertools

import numpy as np
import reference

# The letters of the spatial dimensions in the names of ops.
SPACE = {1: "w", 2: "hw", 3: "dhw"}


def windows(x, axes, window, stride, dilation):
    """(position in the window, what it sees) of an array that is padded already."""
    out = [(x.shape[a] - dilation * (window - 1) - 1) // stride + 1 for a in axes]
    for tap in itertools.product(range(window), repeat=len(axes)):
        index = [slice(None)] * x.ndim
        for axis, size, t in zip(axes, out, tap):
            start = t * dilation
            index[axis] = slice(start, start + (size - 1) * stride + 1, stride)
        yield tap, x[tuple(index)]


class Network:
    def __init__(self, rng, channels_last=True, rank=2, lists=False, dtype="f32"):
        self.rng, self.last, self.rank, self.lists, self.type = rng, channels_last, rank, lists, dtype
        self.args, self.inputs, self.head, self.body = [], [], [], []
        self.largest, self.count, self.has_norm = 1.0, 0, False
        self.seed, self.step = int(rng.integers(1 << 40)), int(rng.integers(1000))
        self.sites, self.constants = {}, {}
        self.axes = range(1, 1 + rank) if channels_last else range(2, 2 + rank)

    # Names and text
    def name(self):
        self.count += 1
        return f"%v{self.count}"

    def tensor(self, shape, element=None):
        return "tensor<" + "".join(f"{n}x" for n in shape) + f"{element or self.type}>"

    def shape(self, n, c, space):
        return (n, *space, c) if self.last else (n, c, *space)

    @property
    def channel(self):
        return 1 + self.rank if self.last else 1

    def argument(self, shape, scale=1.0):
        data = (self.rng.standard_normal(shape) * scale).astype(np.float32 if self.type == "f32" else np.float64)
        name = f"%a{len(self.args)}"
        self.args.append(f"{name}: {self.tensor(shape)}")
        self.inputs.append(data)
        return name, shape, data.astype(np.float64)

    def image(self, n, c, size):
        return self.argument(self.shape(n, c, (size,) * self.rank))

    def scalar(self, value):
        if value not in self.constants:
            self.constants[value] = f"%c{len(self.constants)}"
            bits = value if np.isfinite(value) else {"f32": "0xFF800000", "f64": "0xFFF0000000000000"}[self.type]
            self.head.append(f"{self.constants[value]} = arith.constant {bits} : {self.type}")
        return self.constants[value]

    def fill(self, shape, value=0.0):
        empty, name, t = self.name(), self.name(), self.tensor(shape)
        self.body.append(f"{empty} = tensor.empty() : {t}")
        self.body.append(f"{name} = linalg.fill ins({self.scalar(value)} : {self.type}) outs({empty} : {t}) -> {t}")
        return name

    def done(self, name, value):
        self.largest = max(self.largest, np.abs(value).max(initial=0.0))
        return name, value.shape, value

    def generic(self, loops, operands, out, body, init=None, reductions=()):
        """`operands` are (name, shape, map results); `out` is (shape, map results)."""
        shape, result = out
        t, name = self.tensor(shape), self.name()
        if init is None:
            init = self.name()
            self.body.append(f"{init} = tensor.empty() : {t}")
        maps = ", ".join(
            f"affine_map<({', '.join(loops)}) -> ({', '.join(m)})>" for m in [o[2] for o in operands] + [result]
        )
        kinds = ", ".join('"reduction"' if l in reductions else '"parallel"' for l in loops)
        names = ", ".join(o[0] for o in operands)
        types = ", ".join(self.tensor(o[1]) for o in operands)
        arguments = ", ".join(f"%{'abcde'[i]}: {self.type}" for i in range(len(operands)))
        lines = "\n      ".join(line.replace("T", self.type) for line in body)
        self.body.append(
            f"{name} = linalg.generic {{indexing_maps = [{maps}], iterator_types = [{kinds}]}}\n"
            f"      ins({names} : {types}) outs({init} : {t}) {{\n    ^bb0({arguments}, %o: {self.type}):\n      {lines}\n"
            f"      linalg.yield %r : {self.type}\n    }} -> {t}"
        )
        return name

    def loops(self):
        space = list(SPACE[self.rank])
        return ["n", *space, "c"] if self.last else ["n", "c", *space]

    # Dropout
    def drop(self, x, site="s", rate=0.5, granularity=1):
        """A dropped value. A row pattern, or a list of channels that the program is given."""
        name, shape, value = x
        extent = shape[self.channel]
        if site not in self.sites:
            self.sites[site] = self.make_list(site, extent, rate) if self.lists else self.make_row(site, extent, rate, granularity)
        pattern, kind, apply = self.sites[site]
        result, t = self.name(), self.tensor(shape)
        self.body.append(f"{result} = sparsedrop.dropout {name}, {pattern} dim({self.channel}) : {t}, {kind}")
        return self.done(result, apply(value))

    def make_row(self, site, extent, rate, granularity):
        drawn = reference.Site(site, rate, extent, granularity)
        count, pattern = self.name(), self.name()
        kind = "!sparsedrop.pattern<row" + (f", granularity = {granularity}>" if granularity != 1 else ">")
        distribution = ", ".join(f"{m / 1e6:.6f}" for m in drawn.millionths)
        self.head.append(f"{count} = arith.constant {extent} : index")
        self.head.append(
            f'{pattern} = sparsedrop.sample "{site}" seed(%seed) step(%step) extents({count}) '
            f"{{rate = {rate:.6f} : f64, distribution = array<f64: {distribution}>}} : {kind}"
        )
        return pattern, kind, lambda x: drawn.apply(x, self.channel, self.seed, self.step)

    def make_list(self, site, extent, rate):
        kept = np.sort(self.rng.permutation(extent)[: max(1, round(extent * (1 - rate)))])
        count, pattern, argument = self.name(), self.name(), f"%a{len(self.args)}"
        self.args.append(f"{argument}: {self.tensor(kept.shape, 'index')}")
        self.inputs.append(kept.astype(np.int64))
        kind = "!sparsedrop.pattern<channel>"
        self.head.append(f"{count} = arith.constant {extent} : index")
        self.head.append(f"{pattern} = sparsedrop.make_pattern kept({argument} : {self.tensor(kept.shape, 'index')}) extents({count}) : {kind}")

        def apply(x):
            result = np.zeros_like(x)
            index = [slice(None)] * x.ndim
            index[self.channel] = kept
            result[tuple(index)] = x[tuple(index)] * float(np.float32(extent / len(kept)))
            return result

        return pattern, kind, apply

    # Convolutions
    def pad(self, x, amount, value=0.0):
        if amount == 0:
            return x
        name, shape, data = x
        widths = [(amount, amount) if a in self.axes else (0, 0) for a in range(len(shape))]
        padded = np.pad(data, widths, constant_values=value)
        result = self.name()
        low = ", ".join(str(w[0]) for w in widths)
        indices = ", ".join(f"%i{i}: index" for i in range(len(shape)))
        self.body.append(
            f"{result} = tensor.pad {name} low[{low}] high[{low}] {{\n    ^bb0({indices}):\n      tensor.yield {self.scalar(value)} : {self.type}\n"
            f"    }} : {self.tensor(shape)} to {self.tensor(padded.shape)}"
        )
        return result, padded.shape, padded

    def conv(self, x, f, window=3, stride=1, dilation=1, pad=0, form="named", groups=1):
        name, shape, value = self.pad(x, pad)
        c = shape[self.channel]
        if groups > 1:
            return self.grouped(name, shape, value, f, window, stride, dilation, groups)
        taps = (window,) * self.rank
        w_shape = (*taps, c, f) if self.last else (f, c, *taps)
        w, _, w_value = self.argument(w_shape, 1 / np.sqrt(c * window**self.rank))
        flat = w_value if self.last else np.moveaxis(w_value, (0, 1), (-1, -2))
        y = 0.0
        for tap, seen in windows(value, self.axes, window, stride, dilation):
            y = y + np.moveaxis(np.moveaxis(seen, self.channel, -1) @ flat[tap], -1, self.channel)
        init, t = self.fill(y.shape), self.tensor(y.shape)
        if form == "named":
            space = SPACE[self.rank]
            layout = f"n{space}c_{space}cf" if self.last else f"nc{space}_fc{space}"
            result = self.name()
            self.body.append(
                f"{result} = linalg.conv_{self.rank}d_{layout} {self.strides(stride, dilation)} "
                f"ins({name}, {w} : {self.tensor(shape)}, {self.tensor(w_shape)}) outs({init} : {t}) -> {t}"
            )
            return self.done(result, y)
        space = list(SPACE[self.rank])
        seen = [f"{s} * {stride} + k{s} * {dilation}" for s in space]
        k = [f"k{s}" for s in space]
        maps = (
            (["n", *seen, "c"], [*k, "c", "f"], ["n", *space, "f"]) if self.last else (["n", "c", *seen], ["f", "c", *k], ["n", "f", *space])
        )
        body = ["%m = arith.mulf %a, %b : T", "%r = arith.addf %o, %m : T"]
        result = self.generic(
            ["n", *space, "f", "c", *k], [(name, shape, maps[0]), (w, w_shape, maps[1])], (y.shape, maps[2]), body, init, ["c", *k]
        )
        return self.done(result, y)

    def strides(self, stride, dilation):
        t = f"tensor<{self.rank}xi64>"
        return f"{{strides = dense<{stride}> : {t}, dilations = dense<{dilation}> : {t}}}"

    def split(self, x, groups):
        """The channels as (groups, channels of a group)."""
        name, shape, value = x
        c = self.channel
        new = (*shape[:c], groups, shape[c] // groups, *shape[c + 1 :])
        group = ", ".join(f"[{c}, {c + 1}]" if i == c else f"[{i + (i > c)}]" for i in range(len(shape)))
        result = self.name()
        self.body.append(
            f"{result} = tensor.expand_shape {name} [{group}] output_shape [{', '.join(map(str, new))}] : {self.tensor(shape)} into {self.tensor(new)}"
        )
        return result, new, value.reshape(new)

    def join(self, x):
        name, shape, value = x
        c = self.channel
        new = (*shape[:c], shape[c] * shape[c + 1], *shape[c + 2 :])
        group = ", ".join(f"[{c}, {c + 1}]" if i == c else f"[{i + (i > c)}]" for i in range(len(new)))
        result = self.name()
        self.body.append(f"{result} = tensor.collapse_shape {name} [{group}] : {self.tensor(shape)} into {self.tensor(new)}")
        return self.done(result, value.reshape(new))

    def grouped(self, name, shape, value, f, window, stride, dilation, groups):
        name, shape, value = self.split((name, shape, value), groups)
        per, out = shape[self.channel + 1], f // groups
        w_shape = (groups, out, window, window, per) if self.last else (groups, out, per, window, window)
        w, _, w_value = self.argument(w_shape, 1 / np.sqrt(per * window**2))
        y = 0.0
        axes = [a + (a > self.channel) for a in self.axes]
        for (i, j), seen in windows(value, axes, window, stride, dilation):
            if self.last:
                y = y + np.einsum("nhwgc,gfc->nhwgf", seen, w_value[:, :, i, j])
            else:
                y = y + np.einsum("ngchw,gfc->ngfhw", seen, w_value[..., i, j])
        init, t, result = self.fill(y.shape), self.tensor(y.shape), self.name()
        layout = "nhwgc_gfhwc" if self.last else "ngchw_gfchw"
        self.body.append(
            f"{result} = linalg.conv_2d_{layout} {self.strides(stride, dilation)} "
            f"ins({name}, {w} : {self.tensor(shape)}, {self.tensor(w_shape)}) outs({init} : {t}) -> {t}"
        )
        return self.join((result, y.shape, y))

    def pointwise(self, x, f):
        """A 1x1 convolution as a product of collapsed pixels (channels last)."""
        name, shape, value = x
        c, pixels = shape[-1], int(np.prod(shape[:-1]))
        groups = f"[[{', '.join(map(str, range(len(shape) - 1)))}], [{len(shape) - 1}]]"
        w, w_shape, w_value = self.argument((c, f), 1 / np.sqrt(c))
        flat, product, result = self.name(), self.name(), self.name()
        y, init = value @ w_value, self.fill((pixels, f))
        a, t = self.tensor((pixels, c)), self.tensor((pixels, f))
        self.body.append(f"{flat} = tensor.collapse_shape {name} {groups} : {self.tensor(shape)} into {a}")
        self.body.append(f"{product} = linalg.matmul ins({flat}, {w} : {a}, {self.tensor(w_shape)}) outs({init} : {t}) -> {t}")
        self.body.append(
            f"{result} = tensor.expand_shape {product} {groups} output_shape [{', '.join(map(str, y.shape))}] : {t} into {self.tensor(y.shape)}"
        )
        return self.done(result, y)

    # What surrounds them
    def relu(self, x):
        name, shape, value = x
        body = [f"%r = arith.maximumf %a, {self.scalar(0.0)} : T"]
        return self.done(self.generic(self.loops(), [(name, shape, self.loops())], (shape, self.loops()), body), np.maximum(value, 0))

    def add(self, x, y):
        operands = [(v[0], v[1], self.loops()) for v in (x, y)]
        return self.done(self.generic(self.loops(), operands, (x[1], self.loops()), ["%r = arith.addf %a, %b : T"]), x[2] + y[2])

    def bias(self, x):
        name, shape, value = x
        b, b_shape, b_value = self.argument((shape[self.channel],))
        operands = [(name, shape, self.loops()), (b, b_shape, ["c"])]
        result = self.generic(self.loops(), operands, (shape, self.loops()), ["%r = arith.addf %a, %b : T"])
        return self.done(result, value + self.along(b_value))

    def along(self, vector):
        shape = [1] * (2 + self.rank)
        shape[self.channel] = len(vector)
        return vector.reshape(shape)

    def norm(self, x):
        """Batch norm as in training: the mean and variance of each channel in this batch."""
        name, shape, value = x
        self.has_norm = True
        loops, c = self.loops(), (shape[self.channel],)
        others = [l for l in loops if l != "c"]
        size = value.size / c[0]
        inverse = self.scalar(float(np.float32(1 / size)) if self.type == "f32" else 1 / size)
        summed = self.generic(loops, [(name, shape, loops)], (c, ["c"]), ["%r = arith.addf %o, %a : T"], self.fill(c), others)
        mean = self.generic(["c"], [(summed, c, ["c"])], (c, ["c"]), [f"%r = arith.mulf %a, {inverse} : T"])
        square = ["%d = arith.subf %a, %b : T", "%q = arith.mulf %d, %d : T", "%r = arith.addf %o, %q : T"]
        squares = self.generic(loops, [(name, shape, loops), (mean, c, ["c"])], (c, ["c"]), square, self.fill(c), others)
        root = [f"%m = arith.mulf %a, {inverse} : T", f"%p = arith.addf %m, {self.scalar(0.0009765625)} : T", "%r = math.rsqrt %p : T"]
        factor = self.generic(["c"], [(squares, c, ["c"])], (c, ["c"]), root)
        gamma, _, gamma_value = self.argument(c)
        beta, _, beta_value = self.argument(c)
        operands = [(name, shape, loops)] + [(v, c, ["c"]) for v in (mean, factor, gamma, beta)]
        body = ["%s = arith.subf %a, %b : T", "%n = arith.mulf %s, %c : T", "%g = arith.mulf %n, %d : T", "%r = arith.addf %g, %e : T"]
        result = self.generic(loops, operands, (shape, loops), body)
        axes = tuple(a for a in range(value.ndim) if a != self.channel)
        centred = value - value.mean(axes, keepdims=True)
        normal = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + 0.0009765625)
        return self.done(result, normal * self.along(gamma_value) + self.along(beta_value))

    def pool(self, x, kind="max", window=2, stride=2, form="named"):
        name, shape, value = x
        seen = np.stack([v for _, v in windows(value, self.axes, window, stride, 1)])
        y = seen.max(0) if kind == "max" else seen.sum(0)
        init = self.fill(y.shape, -np.inf if kind == "max" else 0.0)
        shape_t, t = (window,) * self.rank, self.tensor(y.shape)
        empty = self.name()
        self.body.append(f"{empty} = tensor.empty() : {self.tensor(shape_t)}")
        space = list(SPACE[self.rank])
        if form == "named":
            result = self.name()
            layout = f"n{SPACE[self.rank]}c" if self.last else f"nc{SPACE[self.rank]}"
            self.body.append(
                f"{result} = linalg.pooling_{layout}_{kind} {self.strides(stride, 1)} "
                f"ins({name}, {empty} : {self.tensor(shape)}, {self.tensor(shape_t)}) outs({init} : {t}) -> {t}"
            )
        else:
            k = [f"k{s}" for s in space]
            moved = [f"{s} * {stride} + k{s}" for s in space]
            maps = (["n", *moved, "c"], ["n", *space, "c"]) if self.last else (["n", "c", *moved], ["n", "c", *space])
            body = ["%r = arith.maximumf %o, %a : T" if kind == "max" else "%r = arith.addf %o, %a : T"]
            operands = [(name, shape, maps[0]), (empty, shape_t, k)]
            result = self.generic([*self.loops(), *k], operands, (y.shape, maps[1]), body, init, k)
        if kind == "max":
            return self.done(result, y)
        body = [f"%r = arith.mulf %a, {self.scalar(1 / window**self.rank)} : T"]
        y = y / window**self.rank
        return self.done(self.generic(self.loops(), [(result, y.shape, self.loops())], (y.shape, self.loops()), body), y)

    def mean(self, x):
        """Global average pooling: (n, c)."""
        name, shape, value = x
        loops, y = self.loops(), value.mean(tuple(self.axes))
        inverse = y.size / value.size
        body = [f"%m = arith.mulf %a, {self.scalar(float(np.float32(inverse)) if self.type == 'f32' else inverse)} : T", "%r = arith.addf %o, %m : T"]
        result = self.generic(loops, [(name, shape, loops)], (y.shape, ["n", "c"]), body, self.fill(y.shape), list(SPACE[self.rank]))
        return self.done(result, y)

    def concat(self, parts, dim=None):
        dim = self.channel if dim is None else dim
        value = np.concatenate([p[2] for p in parts], axis=dim)
        result = self.name()
        self.body.append(
            f"{result} = tensor.concat dim({dim}) {', '.join(p[0] for p in parts)} : "
            f"({', '.join(self.tensor(p[1]) for p in parts)}) -> {self.tensor(value.shape)}"
        )
        return self.done(result, value)

    # The whole
    def text(self, results, gradient=True):
        types = ", ".join(self.tensor(shape) for _, shape, _ in results)
        names = ", ".join(name for name, _, _ in results)
        wrt = ", ".join(str(i) for i, data in enumerate(self.inputs) if data.dtype != np.int64)
        arguments = ", ".join(self.args + ["%seed: i64 {sparsedrop.seed}", "%step: i64 {sparsedrop.step}"])
        attributes = f" attributes {{sparsedrop.differentiate = {{wrt = [{wrt}]}}}}" if gradient else ""
        lines = "\n  ".join(self.head + self.body)
        return f"func.func @f({arguments}) -> ({types}){attributes} {{\n  {lines}\n  return {names} : {types}\n}}\n"
