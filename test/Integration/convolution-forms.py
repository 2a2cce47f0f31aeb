# RUN: %python %s sparsedrop-opt sparsedrop-run %t 2
# RUN: %python %s sparsedrop-opt %run_on_interp %t.device 7

"""What surrounds a convolution that drops its input maps: the producing convolution
computes only kept output maps, through all of it, in the forward pass and in both
gradients. For each form: compact equals masked, the forward pass equals float64 NumPy,
nothing of the dropped width is left in the compact program, or a remark says why.

The last argument n runs every n-th form: the interpreter is slow.
"""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Property", "Inputs"))
import numpy as np
from networks import Network

opt, run, folder, every = sys.argv[1:5]
os.makedirs(folder, exist_ok=True)
# Like no other extent, so that what is left of it shows.
C = 22
PASSES = "sparsedrop-search-distribution,sparsedrop-materialize,sparsedrop-differentiate,sparsedrop-compact,canonicalize,cse"
FORMS = {}


def form(*missed, leftover=False, gathered=False, only=None, kind=None, **options):
    """A form, of the layout `only` and the `kind`, with reasons of remarks that are
    expected."""

    def add(build):
        FORMS[build.__name__] = build, set(missed), (leftover, gathered), only, kind, options

    return add


def produce(n, size=6, window=1, **options):
    """relu(conv(x)): C maps."""
    return n.relu(n.conv(n.image(2, 3, size), C, window, **options))


def consume(n, x, window=2, **options):
    return [n.conv(x, 5, window, **options)]


@form()
def direct(n):
    return consume(n, n.drop(produce(n)))


@form()
def strides_and_pads(n):
    return consume(n, n.drop(produce(n, 9, 3, stride=2, pad=1)), 3, stride=2, dilation=2, pad=2)


@form()
def written_out(n):
    return consume(n, n.drop(produce(n, 7, 3, stride=2, pad=1, form="generic")), 3, dilation=2, pad=2, form="generic")


@form()
def batch_norm(n):
    return consume(n, n.drop(n.relu(n.norm(n.conv(n.image(2, 3, 5), C, 1)))))


@form()
def bias(n):
    return consume(n, n.drop(n.relu(n.bias(n.conv(n.image(2, 3, 5), C, 1)))))


@form()
def max_pool(n):
    return consume(n, n.drop(n.pool(produce(n, 7), "max")))


@form()
def max_pool_overlapping(n):
    return consume(n, n.drop(n.pool(produce(n), "max", 3, 1, "generic")))


@form()
def mean_pool(n):
    return consume(n, n.drop(n.pool(produce(n, 7), "sum")))


@form()
def mean_pool_written_out(n):
    return consume(n, n.drop(n.pool(produce(n), "sum", 2, 2, "generic")))


@form()
def dropped_then_pooled(n):
    return consume(n, n.pool(n.drop(produce(n, 7)), "max"))


@form()
def global_mean(n):
    return [n.mean(n.drop(n.relu(n.norm(n.conv(n.image(2, 3, 5), C, 1)))))]


@form()
def residual_of_two_dropped(n):
    x = n.image(2, 3, 5)
    return consume(n, n.add(n.drop(n.relu(n.norm(n.conv(x, C, 1)))), n.drop(n.conv(x, C, 1))))


@form()
def residual_then_dropped(n):
    x = n.image(2, 3, 5)
    return consume(n, n.drop(n.relu(n.add(n.conv(x, C, 3, pad=1), n.conv(x, C, 1)))))


# The skip needs all maps: only the dropped convolution shrinks.
@form(
    "its kept slice is updated where it lies",
    "not all of its users agree on the units they keep",
    leftover=True,
    gathered=True,
)
def dense_skip(n):
    x = produce(n, 5)
    return [n.add(n.conv(n.drop(x), C, 3, pad=1), x)]


@form()
def concat_of_pixels(n):
    x = n.image(2, 3, 4)
    return consume(n, n.drop(n.relu(n.concat([n.conv(x, C, 1), n.conv(x, C, 1)], n.axes[0]))))


@form(kind="both")
def concat_of_channels(n):
    x = n.image(2, 3, 4)
    return consume(n, n.drop(n.relu(n.concat([n.conv(x, C - 8, 1), n.conv(x, 8, 1)]))))


# Of one or two maps often nothing is kept.
@form(kind="both")
def concat_of_small_parts(n):
    x = n.image(2, 3, 4)
    return consume(n, n.drop(n.relu(n.concat([n.conv(x, 1, 1), n.conv(x, C - 4, 1), n.conv(x, 1, 1), n.conv(x, 2, 1)]))))


# Parts with patterns of their own, beside dense ones: what reads the whole comes in parts.
@form(kind="both")
def concat_with_dense_channels(n):
    x = n.image(2, 3, 4)
    return consume(n, n.concat([n.drop(n.conv(x, C, 1)), n.conv(x, 8, 1)]))


@form(kind="both")
def concat_of_two_dropped(n):
    x = n.image(2, 3, 4)
    return consume(n, n.pool(n.concat([n.drop(n.relu(n.conv(x, C, 1))), n.conv(x, 7, 1), n.drop(n.conv(x, C, 1))]), "max", 2, 1))


# What a norm makes of dropped maps is its shift: the convolution behind it reads them.
@form("its kept slice is updated where it lies", leftover=True, gathered=True)
def concat_then_norm(n):
    x = n.image(2, 3, 4)
    return consume(n, n.relu(n.norm(n.concat([n.drop(n.conv(x, C, 1)), n.conv(x, 8, 1)]))))


# Whole groups are units of the split dimension.
@form(kind="row")
def whole_groups(n):
    return [n.conv(n.drop(produce(n, 4), granularity=C // 2), 6, 2, groups=2)]


# What follows is refused with a reason: the producing convolution computes all maps.
@form("the reshape splits the granules of the pattern", gathered=True)
def channels_across_groups(n):
    return [n.conv(n.drop(produce(n, 4)), 6, 2, groups=2)]


@form(rank=1)
def one_dimension(n):
    return consume(n, n.drop(n.pool(produce(n, 8), "max")))


@form(rank=3)
def three_dimensions(n):
    return consume(n, n.drop(n.pool(produce(n, 4), "max", form="named" if n.last else "generic")))


@form(only="nhwc")
def pointwise_products(n):
    return [n.pointwise(n.drop(n.relu(n.pointwise(n.image(2, 3, 4), C))), 5)]


def execute(stem, n, entry, extra, *options):
    command = [run, stem + ".mlir", f"--entry={entry}", f"--seed={n.seed}", f"--step={n.step}", *options]
    for i, data in enumerate([*n.inputs, *extra]):
        np.save(f"{stem}.in{i}.npy", data)
        command.append(f"--input={stem}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{stem} {entry}: {done.stdout}{done.stderr}"


def check_program(stem, name, missed, leftover, gathered):
    """The remarks and what is left of the dropped width."""
    done = subprocess.run(
        [opt, stem + ".mlir", f"--pass-pipeline=builtin.module({PASSES})", "--remarks-filter=sparsedrop.*"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "compacted by rule" in done.stderr, name
    reasons = {
        re.search(r': ([^:]*)"$', line).group(1)
        for line in done.stderr.splitlines()
        # Gradients of weights are returned in full, those of parts joined.
        if "NotCompacted" in line and not re.search(r'"(func.return|tensor.concat) reads', line)
    }
    assert reasons == missed, f"{name}: missed {reasons}"
    left = [
        line.strip()
        for line in done.stdout.splitlines()
        if "= linalg." in line and "linalg.fill" not in line and re.search(rf"[<x]{C}x", line)
    ]
    assert bool(left) == leftover, f"{name}: {left}"
    # Weights are gathered, and activations only where a dense producer forces it.
    sources = re.findall(r"sparsedrop.compact (%\w+)", done.stdout)
    weights = re.findall(r"(%\w+) = tensor.extract_slice %arg", done.stdout)
    assert any(not s.startswith("%arg") and s not in weights for s in sources) == gathered, f"{name}: {sources}"


count = 0
for name, (build, missed, expected_left, only, kind, options) in FORMS.items():
    for layout in ("nhwc", "nchw"):
        for lists in (False, True):
            # Of each form both layouts and both kinds, each once.
            name_of_kind = "channel" if lists else "row"
            if (kind or ("row", "channel")[(len(name) + (layout == "nhwc")) % 2]) not in (name_of_kind, "both"):
                continue
            count += 1
            if count % int(every) or only not in (None, layout):
                continue
            n = Network(np.random.default_rng(count), layout == "nhwc", lists=lists, **options)
            results = build(n)
            stem = os.path.join(folder, f"{name}-{layout}-{name_of_kind}")
            with open(stem + ".mlir", "w") as file:
                file.write(n.text(results))
            check_program(stem, os.path.basename(stem), missed, *expected_left)
            execute(stem, n, "f", [], f"--output={stem}")
            for i, (_, _, expected) in enumerate(results):
                error = np.abs(np.load(f"{stem}.{i}.npy") - expected).max()
                # A few sums of up to 200 terms in f32, and the quotient by a deviation.
                assert error <= 400 * 2.0**-24 * n.largest, f"{stem}: off by {error}"
            given = [n.rng.standard_normal(shape).astype(np.float32) for _, shape, _ in results]
            execute(stem, n, "f_grad", given, "--check", "--steps=2")
print(f"{count} forms")
