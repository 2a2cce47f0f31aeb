# RUN: %python %s sparsedrop-build-mlp sparsedrop-opt %root

"""The C++ builder makes the program that the Python builder writes, names of
values included, and refuses the options that it refuses."""

import concurrent.futures
import os
import re
import subprocess
import sys

build, opt, root = sys.argv[1:4]
sys.path.insert(0, os.path.join(root, "python"))
from sparsedrop.models import ACTIVATIONS, LOSSES, OPTIMIZERS, Dropout, Mlp

SEPARATOR = "// -----\n"


def flags(model):
    """The command line of the C++ builder for a model."""
    dropouts = [d for d in model.dropout if d]
    rates = ",".join(repr(d.rate) if d else "none" for d in model.dropout)
    result = [f"--{name}={getattr(model, name)}" for name in
              ("batch", "activation", "loss", "optimizer", "momentum", "decay", "epsilon", "dtype")]
    result += [f"--widths={','.join(map(str, model.widths))}", f"--bias={str(model.bias).lower()}"]
    result += ["--lazy"] if model.lazy else []
    result += [f"--beta{i}={beta}" for i, beta in enumerate(model.betas, 1)]
    if rates:
        result.append(f"--rates={rates}")
    for d in dropouts[:1]:
        result += [f"--granularity={d.granularity}", f"--scale={d.scale}"]
        result += [f"--max-period={d.max_period}"] if d.max_period else []
        result += [f"--tile={d.tile[0]},{d.tile[1]}", f"--order={d.order}"] if d.tile else []
    return result


def run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def names_in(text, model):
    """Names of values as they occur. C++ has one name for the results of a call."""
    results = ["loss", *(f"d{name}" for name, _ in model.parameters())]
    text = re.sub(r"%gradients:\d+", ", ".join(f"%{name}" for name in results), text)
    text = re.sub(r"%gradients#(\d+)", lambda match: "%" + results[int(match[1])], text)
    return re.findall(r"%\w+", text)


def check_equal(models):
    """All modules of one kind go through one sparsedrop-opt."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        built = list(pool.map(lambda model: run([build, *flags(model)]), models))
        printed = list(pool.map(lambda model: run([build, *flags(model), "--names"]), models))
    written = [model.mlir() for model in models]
    generic = [opt, "--split-input-file", "--mlir-print-op-generic"]
    left, right = (run(generic, SEPARATOR.join(texts)).split(SEPARATOR) for texts in (built, written))
    assert len(left) == len(right) == len(models)
    for model, a, b, names, text in zip(models, left, right, printed, written):
        assert a.count("#sparsedrop.dropout<") == 2 * sum(d is not None for d in model.dropout), model
        assert a.count('"sparsedrop.sample"') == model.lazy * sum(model.drops(i + 1) for i in range(len(model.dropout))), model
        for x, y in zip(a.splitlines() + [""], b.splitlines() + [""]):
            assert x == y, f"{model}:\nC++:    {x}\nPython: {y}"
        assert names_in(names, model) == names_in(text, model), f"names differ: {model}"


def check_refused(words, message, *options, widths="4,8,3", batch="2", **python):
    """One error from C++; the same words from Python, where it has the option."""
    command = [build, f"--widths={widths}", f"--batch={batch}", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and not done.stdout, (command, done)
    errors = [line for line in done.stderr.splitlines() if line]
    assert len(errors) == 1 and f"error: {words}, but got {message}" in errors[0], (command, done.stderr)
    assert errors[0].endswith(message), errors
    try:
        dropout = python.pop("dropout", None)
        widths = [int(width) for width in widths.split(",") if width]
        Mlp(widths, int(batch), Dropout(**dropout) if isinstance(dropout, dict) else dropout, **python)
    except ValueError as error:
        assert str(error).startswith(words + ", but got "), (words, str(error))
    else:
        raise AssertionError(f"Python takes {command}")


def check_all_refused():
    check_refused("expected at least two widths", "1", widths="4")
    check_refused("expected widths in [1, 2147483648)", "0", widths="4,0,3")
    check_refused("expected widths in [1, 2147483648)", "2147483648", widths="4,2147483648,3")
    check_refused("expected a batch in [1, 2147483648)", "-1", batch="-1")
    check_refused("expected 1 dropouts, one for each hidden layer", "2", "--rates=0.5,none",
                  dropout=[Dropout(0.5), None])
    check_refused("expected activation to be one of relu, tanh, sigmoid, gelu", "99", "--activation=elu", activation="elu")
    check_refused("expected loss to be one of cross_entropy, mse", "99", "--loss=hinge", loss="hinge")
    check_refused("expected optimizer to be one of sgd, momentum, adam", "99", "--optimizer=lamb", optimizer="lamb")
    for share in ("momentum", "decay"):
        check_refused(f"expected {share} in [0, 1)", "1.000000e+00", f"--{share}=1", **{share: 1.0})
        check_refused(f"expected {share} in [0, 1)", "nan", f"--{share}=nan", **{share: float("nan")})
    check_refused("expected betas in [0, 1)", "-5.000000e-01", "--beta1=-0.5", betas=(-0.5, 0.9))
    check_refused("expected betas in [0, 1)", "1.000000e+00", "--beta2=1", betas=(0.9, 1.0))
    check_refused("expected epsilon in (0, 1]", "0.000000e+00", "--epsilon=0", epsilon=0.0)
    check_refused("expected epsilon in (0, 1]", "INF", "--epsilon=inf", epsilon=float("inf"))
    check_refused("expected a rate in [0, 1)", "1.000000e+00", "--rates=1", dropout={"rate": 1.0})
    check_refused("expected a rate in [0, 1)", "nan", "--rates=nan", dropout={"rate": float("nan")})
    half = {"rate": 0.5}
    check_refused("expected a granularity of at least 1", "0", "--rates=0.5", "--granularity=0",
                  dropout={**half, "granularity": 0})
    check_refused("expected a granularity of 1 with tiles", "2", "--rates=0.5", "--granularity=2", "--tile=4,4",
                  dropout={**half, "granularity": 2, "tile": (4, 4)})
    check_refused("expected a tile of two sizes of at least 1", "[4, 0]", "--rates=0.5", "--tile=4,0",
                  dropout={**half, "tile": (4, 0)})
    check_refused("expected max_period of at least 1", "0", "--rates=0.5", "--max-period=0", dropout={**half, "max_period": 0})
    check_refused("expected max_period of at most 1024", "1025", "--rates=0.5", "--max-period=1025",
                  dropout={**half, "max_period": 1025})
    check_refused("expected scale to be one of target, pattern", "'energy'", "--rates=0.5", "--scale=energy",
                  dropout={**half, "scale": "energy"})
    # Python knows types by their names.
    done = subprocess.run([build, "--widths=4,3", "--batch=2", "--dtype=tf32"], capture_output=True, text=True)
    assert done.returncode == 1 and "error: expected an element type of f32, f64, bf16 or f16, but got 'tf32'\n" in done.stderr


half = Dropout(0.5)
models = [
    Mlp([7, 12, 9, 3], 5, half, activation, loss, optimizer, bias)
    for activation in ACTIVATIONS for loss in LOSSES for optimizer in OPTIMIZERS for bias in (True, False)
]
models += [Mlp([7, 12, 3], 5, half, optimizer=o, decay=0.01, momentum=0.7, betas=(0.8, 0.99), epsilon=1e-5) for o in OPTIMIZERS]
models += [Mlp([7, 12, 3], 5, half, activation=a, loss=l, optimizer="adam", dtype="f64") for a in ACTIVATIONS for l in LOSSES]
models += [
    Mlp([7, 12, 9, 3], 5, half, activation, loss, dtype=dtype, bias=bias)
    for activation in ACTIVATIONS for loss in LOSSES for dtype in ("bf16", "f16") for bias in (True, False)
]
models += [
    Mlp([7, 12, 9, 3], 5, half, optimizer=o, dtype=d, lazy=lazy, decay=0.01 * lazy)
    for o in OPTIMIZERS for d in ("bf16", "f16") for lazy in (False, True)
]
models += [
    Mlp([7, 64, 48, 3], 5, Dropout(0.3, 16, 8, "pattern")),
    Mlp([7, 64, 48, 3], 5, Dropout(0.3, max_period=1)),
    Mlp([7, 64, 48, 8], 5, Dropout(0.5, tile=(8, 16))),
    Mlp([7, 64, 48, 3], 5, Dropout(0.5, tile=(32, 50))),
    Mlp([7, 64, 48, 8], 5, Dropout(0.5, max_period=3, scale="pattern", tile=(4, 4), order="linear"), optimizer="adam", lazy=True),
    Mlp([7, 12, 9, 3], 5, [Dropout(0.25), None]),
    Mlp([7, 12, 9, 3], 5, [None, Dropout(0.0)]),
    Mlp([7, 12, 9, 3], 5),
    Mlp([7, 3], 5),
    Mlp([1, 1], 1, bias=False, loss="mse"),
    Mlp([784, 2048, 2048, 10], 256, half),
]
models += [Mlp([7, 12, 9, 3], 5, half, optimizer=o, bias=b, lazy=True, decay=0.01) for o in OPTIMIZERS for b in (True, False)]
models += [
    Mlp([7, 64, 48, 3], 5, Dropout(0.3, 16, 8, "pattern"), optimizer="adam", lazy=True),
    Mlp([7, 12, 9, 11, 3], 5, [Dropout(0.25), None, Dropout(0.0)], lazy=True),
    Mlp([7, 12, 3], 5, Dropout(0.0), lazy=True),
    Mlp([7, 3], 5, lazy=True),
]
check_equal(models)
check_all_refused()
print("ok")
