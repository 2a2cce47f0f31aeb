"""The CNN training script on a small data set that the test writes. What it shares
with ``train_mlp`` is tested there. No timings."""

import json

import numpy as np
import pytest

import sparsedrop
from small_data import TRAIN, write_data
from sparsedrop.channels import ChannelSchedule, layer_rates
from sparsedrop.cnn import ChannelDropout, plain
from sparsedrop.examples import checkpoint, cnn_training, fashion_mnist, train_cnn, training

STEPS = TRAIN // 16
SMALL = ["--widths", "32", "40", "--blocks", "1", "--batch", "16", "--warmup", "2", "--ramp", "4", "--refresh", "5"]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return write_data(folder)


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch, request):
    """Functions have no state: tests share them."""
    cache = request.config.__dict__.setdefault("cnn_functions", {})
    original = sparsedrop.compile

    def compile(text, *, entry, mode):
        key = (text, entry, mode)
        if key not in cache:
            cache[key] = original(text, entry=entry, mode=mode)
        return cache[key]

    monkeypatch.setattr(sparsedrop, "compile", compile)


def train(data, *options):
    before = sparsedrop.threads()
    try:
        return train_cnn.main(["--data", str(data), *SMALL, "--threads", "1", *map(str, options)])
    finally:
        sparsedrop.set_threads(before)


def programs_of(budget=False, recalibration=0, refresh=5):
    model = plain([32, 40], 16, depth=1, dropout=ChannelDropout(0.5), optimizer="sgd")
    schedule = ChannelSchedule(0.5, warmup=2, ramp=4, refresh=refresh)
    return cnn_training.CnnPrograms(model, cnn_training.Policy(schedule, budget, recalibration))


def test_all_modes(data, tmp_path, capsys):
    log, path = tmp_path / "log.json", tmp_path / "c"
    modes = ["--mode", "compact", "masked", "bernoulli", "dense", "--lr", 0.02]
    assert train(data, *modes, "--epochs", 2, "--log", log, "--checkpoint", path, "--recalibrate", 3) == 0
    assert capsys.readouterr().out.count("\n") > 8
    entries = json.loads(log.read_text())
    assert [entry["mode"] for entry in entries["runs"]] == modes[1:5]
    losses = {entry["mode"]: [epoch["loss"] for epoch in entry["epochs"]] for entry in entries["runs"]}
    # A dozen steps in f32 that differ in the order of their sums.
    assert losses["compact"] == pytest.approx(losses["masked"], rel=1e-3)
    assert losses["dense"] != losses["masked"] != losses["bernoulli"]
    # Sensitivities are kept, and were measured.
    model = programs_of().model
    names = [name for name, _ in model.updated()]
    arrays = checkpoint.load(path)[1]
    sensitivity = arrays[f"0:{names.index('conv2_sensitivity')}"]
    assert sensitivity.shape == (32,) and (sensitivity >= 0).all() and sensitivity.any()


@pytest.mark.parametrize("more", [[], ["--global-budget", "--reversed"]])
def test_resume_is_the_uninterrupted_run(data, tmp_path, more):
    """Also where the number of epochs, of which the ramp is a tenth, has grown."""
    whole, half, rest = (tmp_path / name for name in ("whole", "half", "rest"))
    options = ["--optimizer", "momentum", "--lr", 0.02, *more]
    assert train(data, *options, "--epochs", 2, "--checkpoint", whole) == 0
    assert train(data, *options, "--epochs", 1, "--checkpoint", half) == 0
    assert train(data, *options, "--epochs", 2, "--resume", half, "--checkpoint", rest) == 0
    (_, wanted), (_, arrays) = checkpoint.load(whole), checkpoint.load(rest)
    assert wanted.keys() == arrays.keys()
    assert all(np.array_equal(wanted[name], arrays[name]) for name in wanted)


def test_steps_that_are_not_given_stay_when_a_training_grows(data, tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    arguments = ["--data", str(data), "--widths", "32", "40", "--blocks", "1", "--batch", "16", "--mode", "dense"]
    assert train_cnn.main([*arguments, "--epochs", "2", "--checkpoint", str(path)]) == 0
    options = checkpoint.load(path)[0]["options"]
    assert options["warmup"] == 500 and options["ramp"] == 2 * STEPS // 10
    assert train_cnn.main([*arguments, "--epochs", "3", "--resume", str(path), "--checkpoint", str(other)]) == 0
    assert checkpoint.load(other)[0]["options"]["ramp"] == 2 * STEPS // 10


def record_rates(programs, data, epochs):
    """The rates of each step, and the values after it."""
    run, seen = training.Run(programs, "compact", 3, 0.02), []
    function, count = run.function, len(programs.model.rates())

    def call(*arrays, seed, step):
        result = function(*arrays, seed=seed, step=step)
        worth = programs.value(run, "conv2_sensitivity").copy()
        seen.append(([float(rate) for rate in arrays[-1 - count : -1]], worth))
        return result

    run.function = call
    for _ in range(epochs):
        run.train_epoch(data)
    return seen


def test_rates_follow_the_schedule(data):
    seen = record_rates(programs_of(), fashion_mnist.load(data), 2)
    # The first two warm up, the fourth is still on the ramp, every fifth refreshes.
    expected = [0, 0, 0.25, 0.375, 0.5, 0, 0.5, 0.5, 0.5, 0.5, 0, 0.5]
    assert [rates for rates, _ in seen] == [[rate] for rate in expected]
    worth = [values for _, values in seen]
    changed = [(a != b).sum() for a, b in zip(worth, worth[1:])]
    # A dense step renews all channels that live, others the kept ones alone.
    assert all(count <= 16 for rate, count in zip(expected[1:], changed) if rate == 0.5)
    assert changed[4] > 16 and changed[9] > 16


def test_a_budget_is_shared_after_refreshes(data):
    loaded = fashion_mnist.load(data)
    model = plain([32, 40, 48], 16, depth=1, dropout=ChannelDropout(0.5))
    schedule = ChannelSchedule(0.5, warmup=2, ramp=0, refresh=5)
    programs = cnn_training.CnnPrograms(model, cnn_training.Policy(schedule, True))
    run, operations = training.Run(programs, "dense", 3, 0.02), [conv.operations() for conv in model.sites()]
    run.function = lambda *arrays, seed, step: (np.float32(1),)
    rng, seen = np.random.default_rng(0), []
    for step in range(8):
        for name, shape in model.channel_arrays():
            programs.value(run, name)[...] = rng.random(shape) ** 4
        arrays = [programs.value(run, f"{conv.name}_sensitivity").copy() for conv in model.sites()]
        run.steps = step
        rates = [float(rate) for rate in programs.step_arguments(run)]
        seen.append(rates)
        if step in (2, 6):  # each after a dense one
            assert rates == pytest.approx(layer_rates(arrays, operations, 0.5), abs=1e-7)
            assert np.average(rates, weights=operations) == pytest.approx(0.5, abs=1e-6)
    assert seen[0] == seen[1] == seen[5] == [0, 0] and seen[2] == seen[3] == seen[4] != seen[6] == seen[7]
    assert loaded.images.shape[1] == 784


def test_evaluation_by_recalibrated_statistics(data):
    """Those of batches of the training set, without changing the run."""
    loaded = fashion_mnist.load(data)
    programs = programs_of(recalibration=2)
    run = training.Run(programs, "dense", 5, 0.02)
    before = [value.copy() for value in run.values]
    values = programs.evaluated(run, loaded)
    assert all(np.array_equal(a, b) for a, b in zip(before, run.values))
    statistics = values[len(programs.model.parameters()) :]
    x = loaded.images[run.order(TRAIN)[:32]].reshape(2, 16, 28, 28)
    weight = run.values[0][:, :, 0].astype(np.float64)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = sum(padded[:, :, i : i + 28, j : j + 28, None] * weight[i, j] for i in range(3) for j in range(3))
    # Sums of 12544 terms in f32, pairs of batches.
    assert np.abs(statistics[0] - y.mean((1, 2, 3)).mean(0)).max() < 1e-5
    variance = y.var((1, 2, 3), ddof=1).mean(0)
    assert np.abs(statistics[1] - variance).max() < 1e-5 * variance.max()


def test_layouts_start_alike():
    """Weights of the same variance; images are the same numbers."""
    models = [plain([32, 40], 16, depth=1, layout=layout) for layout in ("nhwc", "nchw")]
    policy = cnn_training.Policy(ChannelSchedule(0.5))
    for model in models:
        programs = cnn_training.CnnPrograms(model, policy)
        values = dict(zip([name for name, _ in model.updated()], programs.initialize(0)))
        # 2 / (9 * 32), of 11520 numbers: 1.3 % standard error.
        assert values["conv2_weight"].var() == pytest.approx(2 / 288, rel=0.06)
        assert (values["conv2_gamma"] == 1).all() and (values["conv1_variance"] == 1).all()
        assert not values["conv1_mean"].any() and not values["fc_bias"].any()
        assert programs.images(np.zeros((16, 784), np.float32)).shape == dict(model.arguments)["x"]


@pytest.mark.parametrize(
    "options, message",
    [
        (["--model", "deep"], "invalid choice"),
        (["--criterion", "best"], "invalid choice"),
        (["--channel-rate", "1"], "expected --channel-rate in [0, 1), but got 1"),
        (["--channel-rate", "nan"], "--channel-rate in [0, 1)"),
        (["--temperature", "0"], "expected --temperature above 0, but got 0"),
        (["--blocks", "0"], "--blocks to be at least 1, but got 0"),
        (["--widths", "0"], "channels in [1, 2147483648), but got 0"),
        (["--widths", *["32"] * 9], "images of at least"),
        (["--multiple", "0"], "--multiple to be at least 1, but got 0"),
        (["--granularity", "0"], "--granularity to be at least 1, but got 0"),
        (["--warmup", "-1"], "--warmup to be at least 0, but got -1"),
        (["--refresh", "-1"], "--refresh to be at least 0, but got -1"),
        (["--recalibrate", "-1"], "--recalibrate to be at least 0, but got -1"),
        (["--global-budget", "--criterion", "importance"], "sensitivity with --global-budget, but got importance"),
        (["--global-budget", "--channel-rate", "0.8"], "0.75"),
        (["--reversed", "--criterion", "uniform"], "importance with --reversed, but got uniform"),
        (["--momentum", "1"], "momentum in [0, 1), but got 1"),
        (["--batch", "128"], "100 training images are fewer than a batch of 128"),
        (["--hidden", "32"], "unrecognized"),
    ],
)
def test_bad_options_are_one_line(data, capsys, options, message):
    assert train(data, *options) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and message in err


def test_a_checkpoint_of_another_training_is_refused(data, tmp_path, capsys):
    path = tmp_path / "c"
    assert train(data, "--mode", "dense", "--epochs", 1, "--checkpoint", path) == 0
    for other in (["--refresh", 7], ["--criterion", "importance"], ["--warmup", 3]):
        capsys.readouterr()
        assert train(data, "--mode", "dense", "--epochs", 2, "--resume", path, *other) == 1
        assert "was made with" in capsys.readouterr().err


# Rates
@pytest.mark.parametrize(
    "arguments, message", [((1.0,), "rate"), ((0.5, -1), "warm"), ((0.5, 0, -1), "ramp"), ((0.5, 0, 0, -1), "refresh")]
)
def test_schedules_that_are_refused(arguments, message):
    with pytest.raises(sparsedrop.Error, match=message):
        ChannelSchedule(*arguments)


def test_layer_rates_refuse():
    good = np.ones(8, np.float32)
    with pytest.raises(sparsedrop.Error, match="operations of 1 layers, but got 2"):
        layer_rates([good], [1, 2], 0.5)
    with pytest.raises(sparsedrop.Error, match="one dimension, but got 2"):
        layer_rates([good.reshape(2, 4)], [1], 0.5)
    for sensitivities, operations, rate in (([-good], [1], 0.5), ([good], [0], 0.5), ([good], [1], 0.8)):
        with pytest.raises(sparsedrop.Error):
            layer_rates(sensitivities, operations, rate)
