# RUN: %python %s sparsedrop-run sparsedrop-opt %root %t

"""The training step that the builder writes, for every activation, loss and
optimizer: against a float64 NumPy step with its own draws, compact against
masked over 50 steps, updates in place and nothing else written; the same of 16
bits; and the forward pass without dropout."""

import concurrent.futures
import os
import subprocess
import sys
from math import erf

import numpy as np

run, opt, root, folder = sys.argv[1:5]
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(root, "python"), os.path.join(here, "..", "Property", "Inputs")]
import reference
from sparsedrop.models import ACTIVATIONS, LOSSES, OPTIMIZERS, Dropout, Mlp

os.makedirs(folder, exist_ok=True)
os.environ["SPARSEDROP_NUM_THREADS"] = "1"
verf = np.vectorize(erf)
FUNCTIONS = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda x: np.exp(-x) / (1 + np.exp(-x)) ** 2),
    "gelu": (
        lambda x: x / 2 * (1 + verf(x / np.sqrt(2))),
        lambda x: (1 + verf(x / np.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    ),
}


def draw_inputs(model, number):
    """Inputs of @step in order: batch, parameters, state, learning rate."""
    rng = np.random.default_rng(number)
    x = rng.standard_normal((model.batch, model.widths[0]))
    if model.loss == "mse":
        target = rng.standard_normal((model.batch, model.widths[-1]))
    else:
        target = np.eye(model.widths[-1])[rng.integers(model.widths[-1], size=model.batch)]
    parameters = [rng.standard_normal(s) / np.sqrt(s[0] if len(s) > 1 else 4) for _, s in model.parameters()]
    state = [np.abs(rng.standard_normal(s)) * 0.1 for _, s in model.state()]
    return [x, target, *parameters, *state, np.array(0.05)]


def layers_of(model, parameters):
    """Weights and biases, zero where the model has none."""
    if model.bias:
        return parameters[0::2], parameters[1::2]
    return parameters, [np.zeros(w.shape[1]) for w in parameters]


def reference_logits(model, x, parameters):
    """The forward pass without dropout, in float64."""
    weights, biases = layers_of(model, parameters)
    for w, b in zip(weights[:-1], biases[:-1]):
        x = FUNCTIONS[model.activation][0](x @ w + b)
    return x @ weights[-1] + biases[-1]


def reference_step(model, inputs, seed, step):
    """Loss, parameters and state after one step, in float64."""
    x, target = inputs[:2]
    names = model.parameters()
    parameters = inputs[2 : 2 + len(names)]
    state = inputs[2 + len(names) : -1]
    rate = float(inputs[-1])
    f, derivative = FUNCTIONS[model.activation]
    layers = len(model.widths) - 1
    sites = [reference.Site(f"hidden{i + 1}", d.rate, w, d.granularity, d.max_period, scale=d.scale)
             for i, (d, w) in enumerate(zip(model.dropout, model.widths[1:-1]))]
    weights, biases = layers_of(model, parameters)
    handed, before = [x], []
    for i in range(layers):
        before.append(handed[-1] @ weights[i] + biases[i])
        if i < layers - 1:
            handed.append(sites[i].apply(f(before[-1]), 1, seed, step))
    y = before[-1]
    if model.loss == "mse":
        loss, dy = ((y - target) ** 2).mean(), 2 * (y - target) / y.size
    else:
        z = y - y.max(1, keepdims=True)
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        loss = (np.log(np.exp(z).sum(1)) - (z * target).sum(1)).mean()
        dy = (p - target) / model.batch
    gradients = []
    for i in reversed(range(layers)):
        gradients[:0] = [handed[i].T @ dy, dy.sum(0)][: 1 + model.bias]
        if i:
            dy = sites[i - 1].apply(dy @ weights[i].T, 1, seed, step) * derivative(before[i - 1])
    new = reference_update(model, parameters, state, gradients, rate)
    if model.lazy:
        masks = kept_masks(model, sites, seed, step) * (len(new) // len(parameters))
        new = [np.where(m, a, b) for m, a, b in zip(masks, new, [*parameters, *state])]
    return [loss] + new


def kept_masks(model, sites, seed, step):
    """For each parameter, where the dropouts of both sides keep a unit: by the
    reference's draws, from outside the compiler."""
    kept = [np.ones(model.widths[0], bool)]
    for site, width in zip(sites, model.widths[1:-1]):
        period, bias = reference.draw(seed, step, site.name, site.millionths)
        kept.append(reference.row_mask(width, site.granularity, period, bias).astype(bool))
    kept.append(np.ones(model.widths[-1], bool))
    masks = []
    for before, after in zip(kept, kept[1:]):
        masks += [np.outer(before, after), after][: 1 + model.bias]
    return masks


def reference_update(model, parameters, state, gradients, rate):
    """New parameters and state."""
    keep, n = 1 - rate * model.decay, len(parameters)
    if model.optimizer == "sgd":
        return [w * keep - rate * g for w, g in zip(parameters, gradients)]
    if model.optimizer == "momentum":
        moments = [model.momentum * m + g for m, g in zip(state, gradients)]
        return [w * keep - rate * m for w, m in zip(parameters, moments)] + moments
    b1, b2 = model.betas
    first = [b1 * m + (1 - b1) * g for m, g in zip(state[:n], gradients)]
    second = [b2 * v + (1 - b2) * g * g for v, g in zip(state[n:], gradients)]
    new = [w * keep - rate * m / (np.sqrt(v) + model.epsilon) for w, m, v in zip(parameters, first, second)]
    return new + first + second


def evaluate(path, inputs, seed, step, mode, count, entry="step"):
    command = [run, path + ".mlir", f"--entry={entry}", f"--mode={mode}", f"--seed={seed}", f"--step={step}", f"--output={path}"]
    for i, data in enumerate(inputs):
        np.save(f"{path}.in{i}.npy", data)
        command.append(f"--input={path}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, path + "\n" + done.stdout + done.stderr
    return [np.load(f"{path}.{i}.npy") for i in range(count)]


def write(model, name):
    path = os.path.join(folder, name)
    with open(path + ".mlir", "w") as file:
        file.write(model.mlir())
    return path


def check_reference(activation, loss, optimizer, lazy=False):
    dropout = Dropout(0.5, max_period=8 if lazy else None, granularity=2 if activation == "tanh" else 1, scale="pattern" if loss == "mse" else "target")
    model = Mlp([7, 12, 9, 3], 5, dropout, activation, loss, optimizer,
                bias=(activation, loss) != ("gelu", "mse"), decay=0.0 if activation == "relu" else 0.01, lazy=lazy, dtype="f64")
    path = write(model, f"{activation}_{loss}_{optimizer}{'_lazy' if lazy else ''}")
    inputs = draw_inputs(model, 1)
    for step, mode in ((2, "compact"), (5, "compact"), (5, "masked")):
        expected = reference_step(model, inputs, 9, step)
        actual = evaluate(path, inputs, 9, step, mode, len(expected))
        for i, (a, b) in enumerate(zip(actual, expected)):
            # The searched distribution is the reference's to 1e-5, and so is
            # the scale of each of two dropouts, forward and back; a period as
            # the scale is exact.
            bound = (1e-12 if model.dropout[0].scale == "pattern" else 4e-5) * max(1.0, np.abs(b).max())
            assert np.abs(a - b).max() <= bound, f"{path} {mode} step {step}: result {i} off by {np.abs(a - b).max():.2e}"
        if lazy:
            check_untouched(model, inputs, actual, 9, step)
    parameters = inputs[2 : 2 + len(model.parameters())]
    (logits,) = evaluate(path, [inputs[0], *parameters], 9, 2, "dense", 1, entry="predict")
    assert np.abs(logits - reference_logits(model, inputs[0], parameters)).max() <= 1e-12, f"{path}: @predict is off"


def rounded(x, bits):
    """The nearest numbers with so many bits."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def check_narrow(dtype, activation, loss, optimizer, lazy):
    """A model of 16 bits, from inputs that the float64 step starts from as well."""
    bits = {"bf16": 8, "f16": 11}[dtype]
    model = Mlp([7, 12, 9, 3], 5, Dropout(0.5, max_period=8), activation, loss, optimizer, decay=0.3, lazy=lazy, dtype=dtype)
    path = write(model, f"{dtype}_{activation}_{loss}_{optimizer}")
    count = len(model.parameters())
    x, target, *rest, _ = draw_inputs(model, 3)
    parameters, state = (rounded(value, bits) for value in rest[:count]), (value + 0.1 for value in rest[count:])
    # A rate that lets the gradient, not the parameter, decide the error.
    inputs = [value.astype(np.float32) for value in (rounded(x, bits), target, *parameters, *state, np.array(0.5))]
    for step, mode in ((2, "compact"), (5, "compact"), (5, "masked")):
        expected = reference_step(model, [value.astype(np.float64) for value in inputs], 9, step)
        actual = evaluate(path, inputs, 9, step, mode, len(expected))
        for i, (a, b) in enumerate(zip(actual, expected)):
            # A gradient has been rounded 14 times: forward two sums or functions a
            # layer, the logits' gradient, back three times a hidden layer, itself.
            # Errors of random signs make sqrt(14) units; twice that, for what slopes
            # and cancelling sums make of them.
            bound = 8 * 2.0**-bits * np.abs(b).max()
            assert np.abs(a - b).max() <= bound, f"{path} {mode} step {step}: result {i} off by {np.abs(a - b).max():.2e}"
            is_narrow = np.array_equal(a, rounded(a, bits))
            assert is_narrow == (1 <= i <= count), f"{path} {mode}: result {i} is of another type"
        if lazy:
            check_untouched(model, inputs, actual, 9, step)
    (logits,) = evaluate(path, [inputs[0], *inputs[2 : 2 + count]], 9, 2, "dense", 1, entry="predict")
    x, _, *parameters = (value.astype(np.float64) for value in inputs[: 2 + count])
    expected = reference_logits(model, x, parameters)
    assert np.array_equal(logits, rounded(logits, bits))
    assert np.abs(logits - expected).max() <= 8 * 2.0**-bits * np.abs(expected).max(), f"{path}: @predict is off"


def check_untouched(model, inputs, results, seed, step):
    """What a lazy update leaves alone keeps its bits."""
    sites = [reference.Site(f"hidden{i}", d.rate, w, d.granularity, d.max_period)
             for i, (d, w) in enumerate(zip(model.dropout, model.widths[1:-1]), 1)]
    masks = kept_masks(model, sites, seed, step)
    masks = masks * ((len(results) - 1) // len(masks))
    for mask, old, new in zip(masks, inputs[2:-1], results[1:]):
        assert np.array_equal(old[~mask], new[~mask])


def check_lazy_width():
    """Lazy momentum and Adam compute nothing of full width where both sides drop."""
    for optimizer in ("momentum", "adam"):
        model = Mlp([784, 2048, 1024, 10], 256, Dropout(0.5), optimizer=optimizer, lazy=True)
        path = write(model, f"lazy_width_{optimizer}")
        compact = subprocess.run(
            [opt, path + ".mlir", "--pass-pipeline=builtin.module(sparsedrop-pipeline{mode=compact},symbol-dce)"],
            capture_output=True, text=True, check=True,
        ).stdout
        body = compact[compact.index("func.func @step") :].splitlines()
        wide = [line for line in body if ("linalg." in line or "tensor.empty" in line)
                and any(f"tensor<{s}xf32>" in line.split("outs(")[-1] for s in ("784x2048", "2048x1024"))]
        assert not wide, "\n".join(wide)


def check_fifty_steps():
    model = Mlp([7, 12, 9, 3], 5, Dropout(0.5), optimizer="momentum", dtype="f64")
    path = write(model, "fifty")
    count = 1 + len(model.parameters()) + len(model.state())
    inputs = {mode: draw_inputs(model, 2) for mode in ("compact", "masked")}
    for step in range(50):
        for mode, values in inputs.items():
            results = evaluate(path, values, 4, step, mode, count)
            inputs[mode] = [*values[:2], *results[1:], values[-1]]
    for a, b in zip(*inputs.values()):
        assert np.abs(a - b).max() <= 1e-9 * max(1.0, np.abs(b).max()), "compact and masked drift apart in 50 steps"


def check_in_place():
    """No weight is copied and no full-width gradient exists."""
    for optimizer in ("sgd", "momentum"):
        model = Mlp([784, 2048, 1024, 10], 256, Dropout(0.5), optimizer=optimizer)
        path = write(model, f"in_place_{optimizer}")
        pipeline = "sparsedrop-pipeline{mode=compact},symbol-dce"
        compact = subprocess.run(
            [opt, path + ".mlir", f"--pass-pipeline=builtin.module({pipeline})"], capture_output=True, text=True, check=True
        ).stdout
        body = compact[compact.index("func.func @step") :].splitlines()
        made = [
            line for line in body[1:]
            if any(f"-> tensor<{s}xf32>" in line for s in ("784x2048", "2048x1024", "256x2048", "256x1024"))
            or "tensor.empty() : tensor<2048x1024xf32>" in line
        ]
        # Momentum scales its state densely, in the state's own buffer.
        made = [line for line in made if not line.strip().startswith("}")]
        assert not made, "\n".join(made)
        memory = subprocess.run(
            [opt, path + ".mlir", f"--pass-pipeline=builtin.module({pipeline},sparsedrop-to-cpu)",
             "--mlir-print-ir-after=sparsedrop-contractions-to-runtime"], capture_output=True, text=True, check=True
        ).stderr
        assert "sparsedrop_contract" in memory and "memref.copy" not in memory
        for shape in ("784x2048", "2048x1024"):
            assert f"memref.alloc() {{alignment = 64 : i64}} : memref<{shape}xf32>" not in memory


cases = [(a, l, o) for a in ACTIVATIONS for l in LOSSES for o in OPTIMIZERS]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    futures = [pool.submit(check_reference, *case) for case in cases]
    futures += [pool.submit(check_reference, a, l, o, True) for a, l, o in cases if (a, l) in (("relu", "mse"), ("tanh", "cross_entropy"))]
    futures += [pool.submit(check_narrow, *case) for case in (
        ("bf16", "gelu", "cross_entropy", "momentum", False),
        ("f16", "tanh", "mse", "adam", False),
        ("bf16", "relu", "mse", "adam", True),
        ("f16", "sigmoid", "cross_entropy", "sgd", True),
    )]
    futures += [pool.submit(check_lazy_width)]
    futures += [pool.submit(check_fifty_steps), pool.submit(check_in_place)]
    for future in futures:
        future.result()
print("ok")
