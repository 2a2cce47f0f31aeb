"""Convolutional networks: programs against float64 NumPy, finite differences and
PyTorch; compact against masked; refusals."""

from dataclasses import replace

import numpy as np
import pytest

import sparsedrop
from cnn_reference import from_reference, step, to_reference
from sparsedrop.cnn import LAYOUTS, ChannelDropout, Cnn, Conv, Pool, Residual, plain, residual

DROPOUT = ChannelDropout(0.5, criterion="uniform", scale="inverse", scheduled=False)
DTYPES = {"f16": np.float16, "f32": np.float32, "f64": np.float64}


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


READERS = {
    "plain": {"conv1": "conv2", "conv2": "conv3", "conv3": "conv4"},
    "residual": {"conv2": "conv3", "conv4": "conv5"},
    "mixed": {"conv2": "conv3", "conv3": "conv4", "conv4": "conv5", "shortcut1": "conv5"},
}
"""Of these networks: which convolution alone reads what another one makes, where all
of them drop channels and the first has a batch norm."""


def keep_statistics(kind, values, expected, drawn):
    """Running statistics of channels that are dropped everywhere stay."""
    for name, reader in READERS[kind].items():
        for what in ("mean", "variance"):
            statistic = f"{name}_{what}"
            expected[statistic] = np.where(drawn[reader][0], expected[statistic], values[statistic])


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
    options = {"layout": layout, "optimizer": "momentum", "dtype": "f64", "lazy_statistics": layout == "nhwc"}
    model = networks(**options)[kind]
    model = replace(model, layers=dropping(model.layers, dropout))
    functions = [sparsedrop.compile(model.mlir(), entry="step", mode=mode) for mode in ("compact", "masked")]
    values = make_values(model, 1)
    for number in range(3):
        results = [call(function, model, values, seed=4, step=number) for function in functions]
        drawn = masks(model, 4, number)
        assert any(not mask.all() for mask, _ in drawn.values())
        expected_loss, expected, _ = step(model, reference_values(model, values), drawn)
        if model.lazy_statistics:
            keep_statistics(kind, values, expected, drawn)
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
            multiple=dropout.multiple, granularity=dropout.granularity,
            tau=float("inf") if dropout.criterion == "uniform" else dropout.temperature,
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
        ("plain", "nhwc", "uniform", 0.5, "energy"),
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
        keep_statistics(kind, values, expected, drawn)
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


def test_prediction_and_recalibration():
    """By the statistics of a batch the prediction is the reference's; recalibration
    over several batches gives their mean, with nothing dropped."""
    every = ChannelDropout(0.5, multiple=1, criterion="uniform", scheduled=False)
    mixed = networks(layout="nchw", dtype="f64")["mixed"]
    layers = [
        replace(layer, dropout=every) if isinstance(layer, Conv) and i else layer for i, layer in enumerate(mixed.layers)
    ]
    model = replace(mixed, layers=layers)
    assert model.sites()
    values, text = make_values(model, 5), model.mlir()
    rng, references = np.random.default_rng(5), []
    parameters = [values[name] for name, _ in model.parameters()]
    known = {name: values[name] for name, _ in model.loss_arguments}
    recalibrate = sparsedrop.compile(text, entry="loss_recalibrate")
    running = [values[name].copy() for name, _ in model.statistics()]
    for number in range(1, 4):
        x = rng.standard_normal(values["x"].shape)
        _, _, reference = step(model, reference_values(model, {**values, "x": x}))
        references.append(reference)
        known.update(x=x, **{name: value for (name, _), value in zip(model.statistics(), running)})
        recalibrate(*known.values(), 1 / number)
    counts = {conv.name: model.batch * conv.result.height * conv.result.width for conv in model.convolutions()}
    for (name, _), value in zip(model.statistics(), running):
        count = counts[name.rsplit("_", 1)[0]]
        factor = count / (count - 1) if name.endswith("variance") else 1
        # As a step's statistics.
        assert distance(value, factor * np.mean([r.batch[name] for r in references], 0)) < 1e-10, name
    predict = sparsedrop.compile(text, entry="predict", mode="dense")
    statistics = [references[-1].batch[name] for name, _ in model.statistics()]
    assert distance(predict(x, *parameters, *statistics), references[-1].logits) < 1e-10


@pytest.mark.parametrize("layout, dtype, unit", [("nhwc", "f32", 2**-24), ("nchw", "f16", 2**-11)])
def test_compact_is_masked(layout, dtype, unit):
    """Three steps in types that round."""
    dropout = ChannelDropout(0.5)
    layers = [Conv(32), Pool("max"), Conv(40), Pool("average", 3, 2), Conv(8, norm=False)]
    model = Cnn(layers, 4, (10, 9), dropout=dropout, layout=layout, optimizer="momentum", dtype=dtype)
    functions = [sparsedrop.compile(model.mlir(), entry="step", mode=mode) for mode in ("compact", "masked")]
    compact, masked = make_values(model, 6), make_values(model, 6)
    for number in range(3):
        losses = []
        for function, values in zip(functions, (compact, masked)):
            loss, new = call(function, model, values, seed=3, step=number)
            values.update(new)
            losses.append(loss)
        # Activations are rounded once a layer, six times there and back; sums of
        # some hundred terms differ in their order; three steps add up.
        bound = 100 * unit
        assert abs(losses[0] - losses[1]) < bound
        for name, _ in model.updated():
            assert distance(compact[name], masked[name].astype(np.float64)) < bound, name


def test_both_sides_of_products_shrink():
    """Of the convolutions between two that drop: the forward pass, too."""
    dropout = replace(DROPOUT, multiple=8)
    model = plain([32, 32], 2, size=(8, 8), dropout=dropout)
    values = make_values(model)
    for lazy in (True, False):
        text = replace(model, lazy_statistics=lazy).mlir()
        ops = sparsedrop.report(text, *values.values(), entry="step", step=3)["ops"]
        products = [op for op in ops if op["product"] == "forward" and "x3x3x" in op["shape"]]
        found = [op["actual"]["flops"] / op["dense"]["flops"] for op in products]
        assert len(found) == 4
        # 16 of 32 channels on each side; conv1 reads one, conv4 is read by none.
        assert sorted(found) == ([0.25, 0.25, 0.5, 0.5] if lazy else [0.5, 0.5, 0.5, 1])


@pytest.mark.parametrize("chip", ["sm_80", "sm_90a"])
def test_the_interpreter_agrees(chip):
    """The kernels of a step, on the interpreter of PTX, with the step of the host."""
    model = plain([32, 32], 2, size=(6, 6), depth=1, dropout=ChannelDropout(0.5), optimizer="momentum")
    values, text = make_values(model, 7), model.mlir()
    loss, new = call(sparsedrop.compile(text, entry="step"), model, values, seed=1, step=3)
    function = sparsedrop.compile(text, entry="step", target="interp", chip=chip)
    copies = {name: value.copy() for name, value in values.items()}
    device_loss, *_ = function(*copies.values(), seed=1, step=3)
    # Sums of some hundred terms of f32, in another order, through three layers.
    assert abs(float(device_loss.numpy()) - loss) < 1e-5
    for name, _ in model.updated():
        assert distance(copies[name], new[name].astype(np.float64)) < 1e-5, name


# Descriptions
def test_names_shapes_and_eligibility():
    dropout = ChannelDropout(0.5)
    model = residual([32, 64], 8, depth=1, dropout=dropout)
    shapes = {conv.name: (conv.source, conv.result) for conv in model.convolutions()}
    assert list(shapes) == ["conv1", "conv2", "conv3", "shortcut1", "conv4", "conv5"]
    assert (shapes["conv4"][1].height, shapes["conv4"][1].channels) == (14, 64)
    assert [conv.name for conv in model.sites()] == ["conv2", "conv3", "conv4", "conv5"]
    assert model.rates()[0] == ("conv2_rate", ()) and ("conv2_importance", (32,)) in model.channel_arrays()
    # 14 x 14 pixels, 3 x 3 taps, 32 x 64 channels.
    assert next(c for c in model.convolutions() if c.name == "conv4").operations() == 14 * 14 * 9 * 32 * 64
    narrow = plain([16, 32], 8, depth=1, dropout=dropout)
    assert not narrow.sites() and narrow.arguments[-2][0] == "conv2_variance"
    forced = Cnn([Conv(16, dropout=dropout), Conv(32), Conv(8, dropout=None)], 8, dropout=dropout)
    assert [conv.name for conv in forced.sites()] == ["conv1"]
    assert not plain([32, 32], 8, dropout=ChannelDropout(0)).sites()
    fixed = replace(dropout, criterion="uniform", scale="none", scheduled=False)
    assert plain([32, 32], 8, dropout=fixed).arguments[-1] == ("learning_rate", ())


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: ChannelDropout(1), "expected a rate in [0, 1), but got 1"),
        (lambda: ChannelDropout(float("nan")), "a rate in [0, 1), but got nan"),
        (lambda: ChannelDropout(0.5, multiple=0), "a multiple of at least 1, but got 0"),
        (lambda: ChannelDropout(0.5, granularity=0), "a granularity of at least 1, but got 0"),
        (lambda: ChannelDropout(0.5, criterion="best"), "criterion to be one of sensitivity, importance, uniform"),
        (lambda: ChannelDropout(0.5, scale="target"), "scale to be one of energy, inverse, none, but got 'target'"),
        (lambda: ChannelDropout(0.5, temperature=0), "a temperature that is finite and not 0, but got 0"),
        (lambda: Conv(0), "channels in [1, 2147483648), but got 0"),
        (lambda: Conv(8, 0), "a kernel in [1, 2147483648), but got 0"),
        (lambda: Conv(8, stride=0), "a stride in [1, 2147483648), but got 0"),
        (lambda: Conv(8, padding=3), "a padding in [0, 3), but got 3"),
        (lambda: Conv(8, dropout=0.5), "dropout to be a ChannelDropout, None or 'default', but got 0.5"),
        (lambda: Pool("median"), "kind to be one of max, average, but got 'median'"),
        (lambda: Pool(size=0), "a size in [1, 2147483648), but got 0"),
        (lambda: Pool(padding=2), "a padding in [0, 1], but got 2"),
        (lambda: Residual([]), "at least one convolution in a residual block, but got 0"),
        (lambda: Residual([Pool()]), "convolutions in a residual block, but got Pool"),
        (lambda: Cnn(["conv"], 8), "layers of Conv, Pool and Residual, but got 'conv'"),
        (lambda: Cnn([Conv(8, 9, padding=0)], 8, (7, 20)), "images of at least 9 pixels a side with their padding, but got 7"),
        (lambda: Cnn([Residual([Conv(8, padding=0)])], 8), "a block whose shortcut makes"),
        (lambda: Cnn([Conv(8, 7, padding=0)], 1, (7, 7)), "more than one value a channel in conv1, but got 1"),
        (lambda: plain([], 8), "at least one width, but got 0"),
        (lambda: residual([8], 8, depth=0), "a depth of at least 1, but got 0"),
        (lambda: plain([8], 0), "batch in [1, 2147483648), but got 0"),
        (lambda: plain([8], 8, classes=0), "classes in [1, 2147483648), but got 0"),
        (lambda: plain([8], 8, size=(0, 4)), "a size in [1, 2147483648), but got 0"),
        (lambda: plain([8], 8, layout="chwn"), "layout to be one of nhwc, nchw, but got 'chwn'"),
        (lambda: plain([8], 8, optimizer="lamb"), "optimizer to be one of sgd, momentum, adam, but got 'lamb'"),
        (lambda: plain([8], 8, momentum=1), "momentum in [0, 1), but got 1"),
        (lambda: plain([8], 8, blend=0), "blend in (0, 1], but got 0"),
        (lambda: plain([8], 8, dtype="f8"), "dtype to be one of f32, f64, bf16, f16, but got 'f8'"),
    ],
)
def test_bad_options_are_refused(build, message):
    with pytest.raises(ValueError) as caught:
        build()
    assert str(caught.value).startswith("expected ") and message in str(caught.value)
