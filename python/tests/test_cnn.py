"""Convolutional networks: programs against float64 NumPy, finite differences and
PyTorch; compact against masked; refusals."""

from dataclasses import replace

import numpy as np
import pytest

import sparsedrop
from cnn_reference import from_reference, step, to_reference
from sparsedrop.cnn import LAYOUTS, ChannelDropout, Cnn, Conv, Pool, Residual, plain, residual

DROPOUT = ChannelDropout(0.5, criterion="uniform", scale="inverse", scheduled=False)
DTYPES = {"f32": np.float32, "f64": np.float64}


def networks(**options):
    """Small ones of each kind: odd sizes, strides, pools that overlap or leave a
    row out, blocks with and without a projection, a bias."""
    options = {"batch": 3, "size": (9, 7), "channels": 2, "classes": 4, **options}
    return {
        "plain": plain([8, 12], **options),
        "residual": residual([8, 10], depth=1, **options),
        "mixed": Cnn(
            [
                Conv(8, stride=2),
                Pool("max", 3, 2, 1),
                Residual([Conv(8, 1), Conv(8), Conv(16, 1, 2)]),
                Conv(8, 2, padding=1, norm=False),
                Pool("average", 2, 1),
                Conv(6, 1, relu=False),
            ],
            **{**options, "size": (13, 15)},
        ),
        "pools": Cnn([Conv(6), Pool("average", 2), Conv(8, 1, padding=0), Pool("max", 2, 3, 1)], **options),
    }


def make_values(model, seed=0):
    """Arguments of ``@step`` by name."""
    rng, values = np.random.default_rng(seed), {}
    for name, shape in model.arguments:
        # 0.4: activations stay of order 1 in these networks.
        value = rng.standard_normal(shape) * (0.4 if name.endswith("_weight") else 0.1)
        if name == "x":
            value = rng.standard_normal(shape)
        if name == "target":
            value = np.eye(model.classes)[rng.integers(model.classes, size=model.batch)]
        if name.startswith("v_") or name.endswith(("_gamma", "_variance")):
            value = 1 + abs(value)
        if name == "learning_rate":
            value = 0.25
        if name.endswith(("_sensitivity", "_importance")):
            value = 0.5 + rng.random(shape)
        if name.endswith("_rate") and not shape and name != "learning_rate":
            value = 0.5
        values[name] = np.array(value, DTYPES[model.type_of(name)])
    return values


def call(function, model, values, **draw):
    """The loss and what a step updates, by name; the arguments stay as they are."""
    copies = {name: value.copy() for name, value in values.items()}
    loss, *_ = function(*copies.values(), **draw)
    return float(loss), {name: copies[name] for name, _ in model.updated()}


def distance(a, b):
    return np.abs(np.asarray(a, np.float64) - b).max() / max(np.abs(b).max(), 1e-3)


def reference_values(model, values):
    return {name: to_reference(name, value, model.layout) for name, value in values.items()}


def masks(model, seed, number):
    """(mask, scale) of each site, as the library samples them."""
    drawn = {}
    for conv in model.sites():
        pattern = sparsedrop.sample_channel(
            conv.name, conv.source.channels, seed=seed, step=number, rate=conv.dropout.rate,
            multiple=conv.dropout.multiple, granularity=conv.dropout.granularity,
        )
        drawn[conv.name] = (pattern.mask, 1 if conv.dropout.scale == "none" else pattern.scale)
    return drawn


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind, optimizer", [("plain", "momentum"), ("residual", "adam"), ("mixed", "sgd"), ("pools", "momentum")])
def test_a_step_is_numpys(layout, kind, optimizer):
    model = networks(layout=layout, optimizer=optimizer, decay=0.1, dtype="f64")[kind]
    function = sparsedrop.compile(model.mlir(), entry="step", mode="dense")
    values = make_values(model)
    loss, new = call(function, model, values)
    expected_loss, expected, _ = step(model, reference_values(model, values))
    # Sums of some hundred terms in f64, a dozen layers deep.
    assert abs(loss - expected_loss) < 1e-12
    assert set(new) == set(expected)
    for name, array in new.items():
        assert distance(array, from_reference(expected[name], layout)) < 1e-10, name


def dropping(layers, dropout):
    """Layers whose convolutions all drop channels, projections included."""
    result = []
    for layer in layers:
        if isinstance(layer, Residual):
            result.append(Residual(dropping(layer.layers, dropout), dropout))
        else:
            result.append(replace(layer, dropout=dropout) if isinstance(layer, Conv) else layer)
    return result


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind, scale", [("plain", "inverse"), ("residual", "none"), ("mixed", "inverse")])
def test_dropped_steps_are_numpys(layout, kind, scale):
    """Channels dropped everywhere: compact and masked against the same reference."""
    dropout = replace(DROPOUT, multiple=2, scale=scale, granularity=1 + (kind == "mixed"))
    options = {"layout": layout, "optimizer": "momentum", "dtype": "f64"}
    model = networks(**options)[kind]
    model = replace(model, layers=dropping(model.layers, dropout))
    functions = [sparsedrop.compile(model.mlir(), entry="step", mode=mode) for mode in ("compact", "masked")]
    values = make_values(model, 1)
    for number in range(3):
        results = [call(function, model, values, seed=4, step=number) for function in functions]
        drawn = masks(model, 4, number)
        assert any(not mask.all() for mask, _ in drawn.values())
        expected_loss, expected, _ = step(model, reference_values(model, values), drawn)
        for loss, new in results:
            # As above. Scales are f32, but these are whole numbers.
            assert abs(loss - expected_loss) < 1e-11
            for name, array in new.items():
                assert distance(array, from_reference(expected[name], layout)) < 1e-10, name
        (loss, compact), (other, masked) = results
        assert abs(loss - other) < 1e-12
        assert all(distance(compact[name], masked[name]) < 1e-10 for name in compact)
        values.update(compact)


def measured_masks(model, values, seed, number):
    """As ``masks``, from the channel arrays and rates among the values."""
    drawn = {}
    for conv in model.sites():
        dropout, channels = conv.dropout, conv.source.channels
        worth = values.get(f"{conv.name}_sensitivity", values.get(f"{conv.name}_importance"))
        rate = float(values[f"{conv.name}_rate"])
        pattern = sparsedrop.sample_channel(
            conv.name, channels, seed=seed, step=number, rate=rate, sensitivity=worth,
            multiple=dropout.multiple, granularity=dropout.granularity, tau=dropout.temperature,
        )
        scale = {"none": 1, "inverse": pattern.scale}.get(dropout.scale)
        if dropout.scale == "energy":
            energy = values[f"{conv.name}_importance"].astype(np.float64)
            scale = min(energy.sum() / energy[pattern.mask].sum(), channels / pattern.mask.sum())
        drawn[conv.name] = (pattern.mask, scale)
    return drawn


@pytest.mark.parametrize(
    "kind, layout, criterion, temperature, scale",
    [
        ("mixed", "nhwc", "sensitivity", 0.5, "energy"),
        ("plain", "nchw", "importance", -0.5, "inverse"),
        ("residual", "nhwc", "sensitivity", 0.1, "none"),
    ],
)
def test_channels_are_chosen_by_what_is_measured(kind, layout, criterion, temperature, scale):
    """Sensitivities, importances and rates that change from step to step."""
    dropout = ChannelDropout(0.5, 2, 1, criterion, temperature, scale)
    model = networks(layout=layout, dtype="f64")[kind]
    model = replace(model, layers=dropping(model.layers, dropout))
    functions = [sparsedrop.compile(model.mlir(), entry="step", mode=mode) for mode in ("compact", "masked")]
    values = make_values(model, 4)
    for number, rate in enumerate((0, 0.5, 0.75)):
        for i, (name, _) in enumerate(model.rates()):
            values[name][...] = min(rate * (1 + i % 2 / 4), 0.75)
        results = [call(function, model, values, seed=2, step=number) for function in functions]
        drawn = measured_masks(model, values, 2, number)
        expected_loss, expected, reference = step(model, reference_values(model, values), drawn)
        assert all(mask.all() for mask, _ in drawn.values()) == (rate == 0)
        for name, _ in model.channel_arrays():
            site, what = name.rsplit("_", 1)
            moved = 0.9 * values[name] + 0.1 * getattr(reference, what)[site]
            expected[name] = np.where(drawn[site][0], moved, values[name])
        for loss, new in results:
            # Scales and channel arrays are f32: a few roundings of 6e-8.
            assert abs(loss - expected_loss) < 1e-6
            assert set(new) == set(expected)
            for name, array in new.items():
                assert distance(array, from_reference(expected[name], layout)) < 1e-6, name
        values.update(results[0][1])


@pytest.mark.parametrize("mode", ["compact", "masked"])
def test_gradients_are_finite_differences(mode):
    """Along a random direction of each parameter, of the loss with dropped channels."""
    model = networks(dtype="f64", layout="nchw")["mixed"]
    model = replace(model, layers=dropping(model.layers, replace(DROPOUT, multiple=2)))
    function = sparsedrop.compile(model.mlir(), entry="step", mode=mode)
    rng, values = np.random.default_rng(2), make_values(model, 2)
    values["learning_rate"][...] = 1
    _, new = call(function, model, values, seed=1, step=1)
    for name, shape in model.parameters():
        gradient, direction = values[name] - new[name], rng.standard_normal(shape)
        h, losses = 1e-6, []
        for sign in (1, -1):
            moved = {**values, name: values[name] + sign * h * direction}
            losses.append(call(function, model, moved, seed=1, step=1)[0])
        difference, wanted = (losses[0] - losses[1]) / (2 * h), (gradient * direction).sum()
        # Rounding 1e-16 / h, the third derivative times h^2, and a few of some
        # thousand relus that change sides, each by at most h of the gradient.
        assert abs(difference - wanted) < 1e-6 * max(1, abs(wanted)), name


def pytorch_loss(torch, model, values):
    """The model in PyTorch: the loss; tensors of nchw in, by name."""
    from torch.nn import functional as F

    count = {"conv": 0, "shortcut": 0}

    def conv(layer, x, shortcut=None, kind="conv"):
        count[kind] += 1
        name = f"{kind}{count[kind]}"
        bias = None if layer.norm else values[f"{name}_bias"]
        y = F.conv2d(x, values[f"{name}_weight"], bias, layer.stride, layer.padding)
        if layer.norm:
            running = values[f"{name}_mean"], values[f"{name}_variance"]
            factors = values[f"{name}_gamma"], values[f"{name}_beta"]
            y = F.batch_norm(y, *running, *factors, True, model.blend, model.norm_epsilon)
        y = y if shortcut is None else y + shortcut
        return F.relu(y) if layer.relu else y

    x = values["x"]
    for layer in model.layers:
        if isinstance(layer, Conv):
            x = conv(layer, x)
        elif isinstance(layer, Pool):
            pool = F.max_pool2d if layer.kind == "max" else F.avg_pool2d
            x = pool(x, layer.size, layer.stride, layer.padding)
        else:
            stride = int(np.prod([c.stride for c in layer.layers]))
            last, shortcut, y = layer.layers[-1], x, x
            if (x.shape[1], 1) != (last.channels, stride):
                shortcut = conv(Conv(last.channels, 1, stride, relu=False), x, kind="shortcut")
            for c in layer.layers[:-1]:
                y = conv(c, y)
            x = conv(last, y, shortcut)
    logits = x.mean((2, 3)) @ values["fc_weight"] + values["fc_bias"]
    return F.cross_entropy(logits, values["target"])


@pytest.mark.parametrize("kind", ["plain", "residual", "mixed", "pools"])
def test_a_step_is_pytorchs(kind):
    """Loss, gradients and running statistics."""
    torch = pytest.importorskip("torch")
    model = networks(dtype="f64")[kind]
    values = make_values(model, 3)
    values["learning_rate"][...] = 1
    loss, new = call(sparsedrop.compile(model.mlir(), entry="step", mode="dense"), model, values)
    tensors = {name: torch.tensor(array) for name, array in reference_values(model, values).items()}
    for name, _ in model.parameters():
        tensors[name].requires_grad_()
    expected = pytorch_loss(torch, model, tensors)
    expected.backward()
    assert abs(loss - expected.item()) < 1e-12
    for name, _ in model.parameters():
        gradient = from_reference(tensors[name].grad.numpy(), model.layout)
        # Two programs of the same sums in f64.
        assert distance(values[name] - new[name], gradient) < 1e-9, name
    for name, _ in model.statistics():
        assert distance(new[name], tensors[name].numpy()) < 1e-12, name
