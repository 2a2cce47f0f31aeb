"""Fifty training steps: compact against masked, threads, precision, depth.

The laws of the training step that no single call shows. Models are small; the
data are noisy copies of ten random prototypes.
"""

import time

import numpy as np
import pytest

import sparsedrop
from sparsedrop.models import Dropout, Mlp

STEPS = 50


def train(function, model, seed, columns=None, rows=None, steps=STEPS):
    """Parameters after some steps. ``columns`` and ``rows`` permute inputs and
    samples, which changes nothing but the order of the sums over them."""
    dtype = {"f32": np.float32, "f64": np.float64}[model.dtype]
    rng = np.random.default_rng(seed)
    width = model.widths[0]
    parameters = [
        (rng.standard_normal(s) * np.sqrt(2 / s[0])).astype(dtype) if len(s) == 2 else np.zeros(s, dtype)
        for _, s in model.parameters()
    ]
    state = [np.zeros(s, dtype) for _, s in model.state()]
    prototypes = rng.standard_normal((10, width))
    columns = np.arange(width) if columns is None else columns
    rows = np.arange(model.batch) if rows is None else rows
    parameters[0] = np.ascontiguousarray(parameters[0][columns])
    for step in range(steps):
        labels = rng.integers(10, size=model.batch)
        x = (prototypes[labels] + 0.5 * rng.standard_normal((model.batch, width))).astype(dtype)
        target = np.eye(10, dtype=dtype)[labels]
        x, target = np.ascontiguousarray(x[rows][:, columns]), np.ascontiguousarray(target[rows])
        rate = dtype({"sgd": 0.1, "momentum": 0.01, "adam": 0.01}[model.optimizer])
        function(x, target, *parameters, *state, rate, seed=seed, step=step)
    parameters[0] = parameters[0][np.argsort(columns)]
    return parameters


def distance(a, b):
    """The norm of the difference, relative to that of ``b``."""
    difference = sum(((x.astype(np.float64) - y) ** 2).sum() for x, y in zip(a, b))
    return np.sqrt(difference / sum((y.astype(np.float64) ** 2).sum() for y in b))


def build(dtype, optimizer="sgd", lazy=False, dropout=Dropout(0.5)):
    model = Mlp([64, 96, 80, 10], 32, dropout, dtype=dtype, optimizer=optimizer, lazy=lazy)
    return model, {m: sparsedrop.compile(model.mlir(), entry="step", mode=m) for m in ("compact", "masked")}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_f64_modes_agree(optimizer, lazy):
    model, functions = build("f64", optimizer, lazy)
    compact, masked = (train(functions[m], model, 0) for m in ("compact", "masked"))
    moved = distance(masked, train(functions["masked"], model, 0, steps=0))
    assert moved > 1e-2, "nothing was trained"
    assert distance(compact, masked) < 1e-9


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
@pytest.mark.parametrize("order", ["skewed", "linear"])
def test_f64_modes_agree_on_tiles(order, optimizer):
    dropout = [Dropout(0.5, tile=(16, 32), order=order), Dropout(0.3, tile=(3, 8), order=order)]
    model, functions = build("f64", optimizer, False, dropout)
    compact, masked = (train(functions[m], model, 0) for m in ("compact", "masked"))
    assert distance(masked, train(functions["masked"], model, 0, steps=0)) > 1e-2, "nothing was trained"
    assert distance(compact, masked) < 1e-9


def test_f32_modes_are_no_further_apart_than_permuted_sums():
    model, functions = build("f32")
    for seed in range(3):
        masked = train(functions["masked"], model, seed)
        apart = distance(train(functions["compact"], model, seed), masked)
        rng = np.random.default_rng(100 + seed)
        controls = [
            distance(train(functions["masked"], model, seed, rng.permutation(64), rng.permutation(32)), masked)
            for _ in range(5)
        ]
        # The controls reorder the sums over inputs and samples, compact those over
        # hidden units: of equal size, so that the furthest of five bounds it.
        assert 0 < apart <= max(controls), (seed, apart, controls)


def test_threads_change_rounding_only():
    model = Mlp([300, 512, 256, 10], 128, Dropout(0.5))
    function = sparsedrop.compile(model.mlir(), entry="step")
    before, results = sparsedrop.threads(), []
    try:
        for count in (1, 2, 2):
            sparsedrop.set_threads(count)
            results.append(train(function, model, 1, steps=10))
    finally:
        sparsedrop.set_threads(before)
    # f32 sums of up to 512 terms, ten times.
    assert distance(results[1], results[0]) < 1e-6
    assert all(np.array_equal(a, b) for a, b in zip(results[1], results[2])), "two runs on two threads differ"


def test_compile_time_is_linear_in_depth():
    """Not a benchmark: a quadratic pass would take ten times as long."""

    def seconds(layers):
        text = Mlp([32] + [48] * layers + [10], 8, Dropout(0.5)).mlir()
        start = time.process_time()
        sparsedrop.compile(text, entry="step")
        return time.process_time() - start

    seconds(5)
    short, long = min(seconds(10) for _ in range(2)), seconds(50)
    assert long < 12 * short, (short, long)
