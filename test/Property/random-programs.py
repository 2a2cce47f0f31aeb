# RUN: %python %s sparsedrop-run %t 500
# RUN: %python %s sparsedrop-run %t.device 100 1000 --target=nvptx --device=interp

"""Random annotated programs: masked equals compact, and both equal NumPy.

Each program is a chain of products, activations, sums with earlier values,
transposes, reshapes, slices, concatenations, reductions and updates of one
value by another, with row dropouts of random rates, granularities, periods and
scales on either operand of a product or on a value. For each,
sparsedrop-run --check compares the modes (its own tolerance: 4 u sqrt(L) depth)
and the compact result is compared with a float64 evaluation that draws its
patterns by itself.

Run by hand: random-programs.py RUN FOLDER COUNT [FIRST]
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import numpy as np
import reference
from driver import execute, run_all

ACTIVATIONS = {
    "relu": (["%r = arith.maximumf %a, %cz : T"], lambda x: np.maximum(x, 0)),
    "tanh": (["%r = math.tanh %a : T"], np.tanh),
    "sigmoid": (
        [
            "%n = arith.negf %a : T",
            "%e = math.exp %n : T",
            "%s = arith.addf %e, %c1 : T",
            "%r = arith.divf %c1, %s : T",
        ],
        lambda x: 1 / (1 + np.exp(-x)),
    ),
    "shift": (["%r = arith.addf %a, %c1 : T"], lambda x: x + 1),
    "square": (["%r = arith.mulf %a, %a : T"], lambda x: x * x),
    "ramp": (
        [
            "%i = linalg.index 1 : index",
            "%j = arith.index_cast %i : index to i32",
            "%f = arith.sitofp %j : i32 to T",
            "%g = arith.mulf %f, %c01 : T",
            "%r = arith.mulf %a, %g : T",
        ],
        lambda x: x * (np.arange(x.shape[1]) * 0.125),
    ),
}


# Two inputs, of which either may be dropped; "in place" reads the output as b.
UPDATES = {
    "momentum": (["%s = arith.mulf %a, %c01 : T", "%r = arith.addf %s, %b : T"], lambda a, b: a * 0.125 + b),
    "decay": (
        [
            "%d = arith.mulf %b, %c01 : T",
            "%t = arith.addf %a, %d : T",
            "%u = arith.mulf %t, %c01 : T",
            "%r = arith.subf %b, %u : T",
        ],
        lambda a, b: b - (a + b * 0.125) * 0.125,
    ),
    "quotient": (
        [
            "%m = arith.mulf %b, %b : T",
            "%n = arith.addf %m, %c1 : T",
            "%q = arith.divf %a, %n : T",
            "%r = arith.subf %b, %q : T",
        ],
        lambda a, b: b - a / (b * b + 1),
    ),
    "larger": (["%s = arith.addf %a, %b : T", "%r = arith.maximumf %s, %c01 : T"], lambda a, b: np.maximum(a + b, 0.125)),
}


class Program:
    """Grows an MLIR function and its float64 meaning side by side."""

    TYPES = ["f32", "f32", "f32", "f64"]

    def __init__(self, number):
        self.rng = np.random.default_rng(number)
        self.type = self.rng.choice(self.TYPES)
        self.args, self.inputs, self.body = [], [], []
        self.values = []  # (name, shape, evaluated)
        self.sites = {}
        # Programs that draw patterns themselves write all distributions, so
        # that an annotation may share a site with them.
        self.draws_itself = bool(self.rng.random() < 0.5)
        self.seed, self.step = int(self.rng.integers(1 << 40)), int(self.rng.integers(1000))
        self.count = 0
        batch = int(self.rng.choice([1, 2, 5, 8]))
        x = self.argument((batch, self.size()))
        self.values.append(x)
        for _ in range(int(self.rng.integers(1, 6))):
            self.grow()
        self.finish()

    # Names, sizes, arguments
    def name(self):
        self.count += 1
        return f"%v{self.count}"

    def size(self):
        return int(self.rng.choice([1, 2, 3, 5, 7, 8, 12, 13, 16, 24, 31, 48]))

    def tensor(self, shape):
        return "tensor<" + "".join(f"{n}x" for n in shape) + f"{self.type}>"

    def argument(self, shape):
        # Scaled so that values neither vanish nor explode along the chain.
        data = self.rng.standard_normal(shape) / np.sqrt(shape[0] if len(shape) > 1 else 1)
        data = data.astype(np.float32 if self.type == "f32" else np.float64)
        self.args.append((f"%a{len(self.args)}", shape))
        self.inputs.append(data)
        return self.args[-1][0], shape, data.astype(np.float64)

    def empty(self, shape):
        name = self.name()
        self.body.append(f"{name} = tensor.empty() : {self.tensor(shape)}")
        return name

    def zeros(self, shape):
        empty, name, t = self.empty(shape), self.name(), self.tensor(shape)
        self.body.append(f"{name} = linalg.fill ins(%cz : {self.type}) outs({empty} : {t}) -> {t}")
        return name

    # Dropouts
    def site(self, extent):
        """An annotation's text and its meaning; sometimes a site used before."""
        known = [s for s in self.sites.values() if s.extent == extent]
        if known and self.rng.random() < 0.4:
            return known[int(self.rng.integers(len(known)))]
        granularity = int(self.rng.choice([1, 1, 1, 2, 3, 4]))
        granularity = min(granularity, extent)
        units = -(-extent // granularity)
        rate = float(self.rng.choice([0.0, 0.1, 0.3, 0.5, 0.7]))
        max_period = int(self.rng.choice([0, 0, 2, 8])) or None
        reach = min(max_period or reference.default_max_period(rate), units)
        if rate >= (reach - 1) / reach:
            rate = 0.0 if reach == 1 else float(round(0.6 * (reach - 1) / reach, 3))
            max_period = max(reach, 2)
        site = reference.Site(
            f"s{len(self.sites)}",
            rate,
            extent,
            granularity,
            max_period,
            scale=str(self.rng.choice(["target", "pattern"])),
        )
        site.explicit = max_period
        # What the compiler's search finds is the maximum-entropy distribution
        # to 1e-5: close enough for the scale in f32, not in f64.
        site.write_distribution = self.draws_itself or self.type == "f64" or self.rng.random() < 0.3
        self.sites[site.name] = site
        return site

    @staticmethod
    def annotate(site, operand):
        text = f'#sparsedrop.dropout<row, operand = {operand}, rate = {site.rate:.6f}, site = "{site.name}"'
        if site.granularity != 1:
            text += f", granularity = {site.granularity}"
        if site.explicit:
            text += f", max_period = {site.explicit}"
        if site.scale_mode != "target":
            text += f", scale = {site.scale_mode}"
        if site.write_distribution and site.rate > 0:
            text += ", distribution = [" + ", ".join(f"{m / 1e6:.6f}" for m in site.millionths) + "]"
        return text + ">"

    # Ops
    def pick(self):
        return self.values[-1] if self.rng.random() < 0.75 else self.values[int(self.rng.integers(len(self.values)))]

    def grow(self):
        x = self.pick()
        op = self.rng.choice(
            ["matmul"] * 3
            + ["activation", "activation", "dropout", "dropout", "update"]
            + ["bias", "add", "transpose", "slice", "concat", "reshape"]
        )
        result = getattr(self, op)(*x)
        if result is not None:
            self.values.append(result)

    def matmul(self, name, shape, value):
        m, k = shape
        n = self.size()
        trans_w = self.rng.random() < 0.3
        w, w_shape, w_value = self.argument((n, k) if trans_w else (k, n))
        w_value = w_value.T if trans_w else w_value
        annotations = []
        left, right = value, w_value
        site = self.site(k)
        if self.rng.random() < 0.8:
            annotations.append(self.annotate(site, 0))
            left = site.apply(value, 1, self.seed, self.step)
        if self.rng.random() < 0.2:
            # The weight as well, by the same pattern or another one.
            other = site if self.rng.random() < 0.5 else self.site(k)
            annotations.append(self.annotate(other, 1))
            right = other.apply(w_value, 0, self.seed, self.step)
        if self.rng.random() < 0.25:
            init, _, init_value = self.argument((m, n))
        else:
            init, init_value = self.zeros((m, n)), 0.0
        attributes = ""
        if annotations:
            attributes = " {sparsedrop.dropout = [" + ", ".join(annotations) + "]}"
        maps = ""
        if trans_w:
            maps = (
                " indexing_maps = [affine_map<(m, n, k) -> (m, k)>, "
                "affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>]"
            )
        result, t = self.name(), self.tensor((m, n))
        self.body.append(
            f"{result} = linalg.matmul{maps}{attributes} ins({name}, {w} : {self.tensor(shape)}, "
            f"{self.tensor(w_shape)}) outs({init} : {t}) -> {t}"
        )
        return result, (m, n), left @ right + init_value

    def dropout(self, name, shape, value):
        """A dropped value, whatever uses it."""
        if not self.draws_itself:
            return None
        dim = int(self.rng.integers(2))
        site = self.site(shape[dim])
        if site.rate == 0:
            return None
        count, pattern, result = self.name(), self.name(), self.name()
        kind = "!sparsedrop.pattern<row" + (f", granularity = {site.granularity}>" if site.granularity != 1 else ">")
        distribution = ", ".join(f"{m / 1e6:.6f}" for m in site.millionths)
        self.body.append(f"{count} = arith.constant {site.extent} : index")
        self.body.append(
            f'{pattern} = sparsedrop.sample "{site.name}" seed(%seed) step(%step) extents({count}) '
            f"{{rate = {site.rate:.6f} : f64, distribution = array<f64: {distribution}>, "
            f"scale = #sparsedrop.scale_mode<{site.scale_mode}>}} : {kind}"
        )
        self.body.append(f"{result} = sparsedrop.dropout {name}, {pattern} dim({dim}) : {self.tensor(shape)}, {kind}")
        dropped = result, shape, site.apply(value, dim, self.seed, self.step)
        return (self.update(*dropped) if self.rng.random() < 0.5 else None) or dropped

    def update(self, name, shape, value):
        """A function of two values that is often a sum, in its own buffer or
        over the second value."""
        same = [v for v in self.values if v[1] == shape] + [self.argument(shape)]
        other, _, other_value = same[int(self.rng.integers(len(same)))]
        a, b = ((name, value), (other, other_value))[:: 1 if self.rng.random() < 0.5 else -1]
        if max(np.abs(a[1]).max(), np.abs(b[1]).max()) > 30:
            return None
        body, meaning = UPDATES[str(self.rng.choice(list(UPDATES)))]
        if self.rng.random() < 0.5:
            result = self.generic([(a[0], shape), (b[0], shape)], shape, ["#id", "#id"], body)
        else:
            result = self.generic([(a[0], shape)], shape, ["#id"], [line.replace("%b", "%o") for line in body], b[0])
        return result, shape, meaning(a[1], b[1])

    def generic(self, inputs, shape, maps, body, init=None):
        result, empty = self.name(), init or self.empty(shape)
        names = ", ".join(name for name, _ in inputs)
        types = ", ".join(self.tensor(s) for _, s in inputs)
        arguments = ", ".join(f"%{letter}: {self.type}" for letter in "ab"[: len(inputs)])
        lines = "\n      ".join(line.replace("T", self.type) for line in body)
        self.body.append(
            f"{result} = linalg.generic {{indexing_maps = [{', '.join(maps)}, #id], "
            f'iterator_types = ["parallel", "parallel"]}} ins({names} : {types}) '
            f"outs({empty} : {self.tensor(shape)}) {{\n    ^bb0({arguments}, %o: {self.type}):\n      {lines}\n"
            f"      linalg.yield %r : {self.type}\n    }} -> {self.tensor(shape)}"
        )
        return result

    def activation(self, name, shape, value):
        body, meaning = ACTIVATIONS[str(self.rng.choice(list(ACTIVATIONS)))]
        if np.abs(value).max() > 30:
            body, meaning = ACTIVATIONS["tanh"]
        return self.generic([(name, shape)], shape, ["#id"], body), shape, meaning(value)

    def bias(self, name, shape, value):
        b, b_shape, b_value = self.argument((shape[1],))
        body = ["%r = arith.addf %a, %b : T"]
        return self.generic([(name, shape), (b, b_shape)], shape, ["#id", "#bias"], body), shape, value + b_value

    def add(self, name, shape, value):
        same = [v for v in self.values if v[1] == shape]
        other = same[int(self.rng.integers(len(same)))]
        body = ["%r = arith.addf %a, %b : T"]
        return (
            self.generic([(name, shape), (other[0], shape)], shape, ["#id", "#id"], body),
            shape,
            value + other[2],
        )

    def transpose(self, name, shape, value):
        result, new = self.name(), shape[::-1]
        empty = self.empty(new)
        self.body.append(
            f"{result} = linalg.transpose ins({name} : {self.tensor(shape)}) outs({empty} : {self.tensor(new)}) permutation = [1, 0]"
        )
        return result, new, value.T

    def slice(self, name, shape, value):
        if shape[1] < 2:
            return None
        offset = int(self.rng.integers(shape[1] - 1))
        size = int(self.rng.integers(1, shape[1] - offset + 1))
        result, new = self.name(), (shape[0], size)
        self.body.append(
            f"{result} = tensor.extract_slice {name}[0, {offset}] [{shape[0]}, {size}] [1, 1] : {self.tensor(shape)} to {self.tensor(new)}"
        )
        return result, new, value[:, offset : offset + size]

    def concat(self, name, shape, value):
        same = [v for v in self.values if v[1][0] == shape[0]]
        other = same[int(self.rng.integers(len(same)))]
        new = (shape[0], shape[1] + other[1][1])
        if new[1] > 100:
            return None
        result = self.name()
        self.body.append(
            f"{result} = tensor.concat dim(1) {name}, {other[0]} : ({self.tensor(shape)}, {self.tensor(other[1])}) -> {self.tensor(new)}"
        )
        return result, new, np.concatenate([value, other[2]], axis=1)

    def reshape(self, name, shape, value):
        """(m, a * g) -> (m, a, g) -> (m, a * g), which must change nothing."""
        for g in (2, 3, 4):
            if shape[1] % g == 0 and shape[1] > g:
                middle, result = self.name(), self.name()
                wide = (shape[0], shape[1] // g, g)
                self.body.append(
                    f"{middle} = tensor.expand_shape {name} [[0], [1, 2]] output_shape [{wide[0]}, {wide[1]}, {wide[2]}] : "
                    f"{self.tensor(shape)} into {self.tensor(wide)}"
                )
                self.body.append(
                    f"{result} = tensor.collapse_shape {middle} [[0], [1, 2]] : {self.tensor(wide)} into {self.tensor(shape)}"
                )
                return result, shape, value
        return None

    def finish(self):
        last = self.matmul(*self.values[-1])
        self.results = [last]
        if self.rng.random() < 0.3 and len(self.values) > 1:
            self.results.append(self.values[-1])  # also used densely
        if self.rng.random() < 0.3:
            name, shape, value = last
            kind = str(self.rng.choice(["addf", "maximumf"]))
            start = "%cz" if kind == "addf" else "%cinf"
            empty, init, result = self.empty((shape[0],)), self.name(), self.name()
            t = self.tensor((shape[0],))
            self.body.append(f"{init} = linalg.fill ins({start} : {self.type}) outs({empty} : {t}) -> {t}")
            self.body.append(
                f"{result} = linalg.reduce {{ arith.{kind} }} ins({name} : {self.tensor(shape)}) outs({init} : {t}) dimensions = [1]"
            )
            self.results.append((result, (shape[0],), value.sum(1) if kind == "addf" else value.max(1)))

    def text(self):
        arguments = ", ".join(f"{name}: {self.tensor(shape)}" for name, shape in self.args)
        if self.draws_itself:
            arguments += ", %seed: i64 {sparsedrop.seed}, %step: i64 {sparsedrop.step}"
        types = ", ".join(self.tensor(shape) for _, shape, _ in self.results)
        names = ", ".join(name for name, _, _ in self.results)
        infinity = "0xFF800000" if self.type == "f32" else "0xFFF0000000000000"
        lines = "\n  ".join(
            [
                f"%cz = arith.constant 0.0 : {self.type}",
                f"%c1 = arith.constant 1.0 : {self.type}",
                f"%c01 = arith.constant 0.125 : {self.type}",
                f"%cinf = arith.constant {infinity} : {self.type}",
            ]
            + self.body
        )
        return (
            "#id = affine_map<(i, j) -> (i, j)>\n#bias = affine_map<(i, j) -> (j)>\n"
            f"func.func @f({arguments}) -> ({types}) {{\n  {lines}\n  return {names} : {types}\n}}\n"
        )


def check(run, folder, number, options):
    """None, or what is wrong with program `number`."""
    program = Program(number)
    stem = os.path.join(folder, f"p{number}")
    with open(stem + ".mlir", "w") as file:
        file.write(program.text())
    command = [run, stem + ".mlir", f"--seed={program.seed}", f"--step={program.step}", "--check", f"--output={stem}"]
    command += options
    if options:
        # The device adds in another order than the CPU: where terms cancel, the
        # error is one of the values on the way.
        least = min((np.abs(expected).max(initial=0.0) for _, _, expected in program.results), default=0.0)
        command.append(f"--tolerance={get_slack(program) * program_magnitude(program) / max(least, 1e-30):.6e}")
    if problem := execute(command, stem, program.inputs):
        return problem
    for i, (_, _, expected) in enumerate(program.results):
        actual = np.load(f"{stem}.{i}.npy").astype(np.float64)
        scale = max(np.abs(expected).max(initial=0.0), program_magnitude(program))
        error = np.abs(actual - expected).max(initial=0.0)
        if not error <= get_slack(program) * scale + 1e-30:
            return f"{stem}.mlir: result {i} is off from NumPy by {error:.3e}, largest value {scale:.3e}"
    for path in os.listdir(folder):
        if path.startswith(f"p{number}."):
            os.unlink(os.path.join(folder, path))
    return None


def get_slack(program):
    """The largest error, relative to the largest value. f32 rounding of every op along a chain of at most 8 with
    sums of at most 100 terms; squares and sums of them amplify it, hence the factor. The scales of a product are
    merged into one f32 factor: half a unit of f32 for each of at most 8 products on a path, whatever the type."""
    roundoff = 2.0**-24 if program.type == "f32" else 2.0**-53
    return 400 * roundoff + 8 * 2.0**-24


def program_magnitude(program):
    """Largest value on the way: cancellation may leave less in the result."""
    return max(np.abs(value).max(initial=0.0) for _, _, value in program.values + program.results)


if __name__ == "__main__":
    sys.exit(run_all(check, "programs"))
