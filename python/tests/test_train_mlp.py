"""The training script on a small data set that the test writes: reading and
refusing files, checkpoints, the log, bad options. No timings."""

import gzip
import json
import math

import numpy as np
import pytest

import sparsedrop
from sparsedrop.examples import checkpoint, fashion_mnist, summary, train_mlp, training
from sparsedrop.models import Dropout, Mlp
from small_data import TEST, TRAIN, idx, write_data

SMALL = ["--hidden", "32", "16", "--batch", "16", "--threads", "1"]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return write_data(folder)


def train(data, *options):
    return train_mlp.main(["--data", str(data), *SMALL, *map(str, options)])


def refused(capsys, data, *options):
    """Trains, expects one line on stderr and nothing else, and returns the line."""
    assert train(data, *options) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    return err


# Data
def test_read_idx(tmp_path):
    wanted = np.arange(24).reshape(2, 3, 4)
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(wanted)))
    assert (fashion_mnist.read_idx(tmp_path / "a.gz", 3) == wanted).all()


def test_read_idx_refuses(tmp_path):
    good = idx(np.arange(24).reshape(2, 3, 4))
    packed = bytearray(gzip.compress(good))
    flipped = bytearray(packed)
    flipped[-6] ^= 1  # of the checksum
    bad = {
        "no gzip": good,
        "cut gzip": packed[:-9],
        "damaged gzip": flipped,
        "empty": b"",
        "empty inside": gzip.compress(b""),
        "cut header": gzip.compress(good[:10]),
        "cut data": gzip.compress(good[:-1]),
        "more data": gzip.compress(good + b"0"),
        "other type": gzip.compress(good[:2] + b"\x0d" + good[3:]),
        "other rank": gzip.compress(idx(np.arange(24))),
        "huge": gzip.compress(good[:4] + b"\xff" * 12 + good[16:]),
    }
    for what, content in bad.items():
        (tmp_path / "a.gz").write_bytes(content)
        with pytest.raises(sparsedrop.Error, match="a.gz"):
            fashion_mnist.read_idx(tmp_path / "a.gz", 3)
            pytest.fail(what)


def test_load_scales_by_the_training_set(data):
    loaded = fashion_mnist.load(data)
    assert loaded.images.shape == (TRAIN, 784) and loaded.test_images.shape == (TEST, 784)
    assert loaded.images.dtype == loaded.test_images.dtype == np.float32
    assert abs(loaded.images.mean(dtype=np.float64)) < 1e-6
    assert fashion_mnist.load(data, 40).images.shape == (40, 784)


def test_load_refuses(data):
    labels = data / "t10k-labels-idx1-ubyte.gz"
    for values, message in ((np.full(TEST, 10), "a label is 10"), (np.zeros(TEST - 1), "24 images, but 23 labels")):
        labels.write_bytes(gzip.compress(idx(values)))
        with pytest.raises(sparsedrop.Error, match=message):
            fashion_mnist.load(data)
    (data / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros((TRAIN, 28, 27)))))
    with pytest.raises(sparsedrop.Error, match="28x27"):
        fashion_mnist.load(data)


@pytest.mark.parametrize("name", fashion_mnist.FILES)
def test_missing_data_names_the_package(data, name, capsys):
    (data / name).unlink()
    message = refused(capsys, data)
    assert "apt-get install dataset-fashion-mnist" in message and "--data" in message and name in message


# Checkpoints
def test_checkpoint_gives_back_every_bit(tmp_path):
    meta = {"a": [1, 2.5, None, "x"]}
    arrays = {"0:0": np.array([np.nan, -0.0, 1e-42], np.float32), "0:1": np.zeros((0, 3))}
    checkpoint.save(tmp_path / "c", meta, arrays)
    read_meta, read_arrays = checkpoint.load(tmp_path / "c")
    assert read_meta == meta and read_arrays.keys() == arrays.keys()
    for name, array in arrays.items():
        other = read_arrays[name]
        assert (other.dtype, other.shape, other.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_failed_write_leaves_the_file(tmp_path, monkeypatch):
    path = tmp_path / "c"
    path.write_bytes(b"before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", fail)
    with pytest.raises(sparsedrop.Error, match="No space left"):
        checkpoint.write_atomically(path, b"after")
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_damaged_checkpoints_are_refused_and_left(data, tmp_path, capsys):
    path, log = tmp_path / "c", tmp_path / "log.json"
    assert train(data, "--epochs", 1, "--checkpoint", path, "--log", log) == 0
    good, logged = path.read_bytes(), log.read_bytes()
    capsys.readouterr()
    bad = [good[:-1], good[: len(good) // 2], good[:20], b"", good + b"0"]
    for position in (3, 40, 200, len(good) // 2, len(good) - 1):
        bad.append(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
    for content in bad:
        path.write_bytes(content)
        message = refused(capsys, data, "--epochs", 2, "--resume", path, "--checkpoint", path, "--log", log)
        assert str(path) in message
        assert path.read_bytes() == content and log.read_bytes() == logged
    assert "No such file" in refused(capsys, data, "--resume", tmp_path / "none")


def test_sound_files_of_something_else_are_refused(data, tmp_path, capsys):
    path = tmp_path / "c"
    assert train(data, "--epochs", 1, "--checkpoint", path) == 0
    meta, arrays = checkpoint.load(path)
    capsys.readouterr()
    wrong = [
        ({}, arrays),
        ({**meta, "version": 99}, arrays),
        ({**meta, "options": []}, arrays),
        ({**meta, "runs": [{}]}, arrays),
        (meta, {}),
        (meta, {**arrays, "0:0": arrays["0:0"][1:]}),
        (meta, {**arrays, "0:0": arrays["0:0"].astype(np.float64)}),
    ]
    for other_meta, other_arrays in wrong:
        checkpoint.save(path, other_meta, other_arrays)
        assert str(path) in refused(capsys, data, "--resume", path, "--epochs", 2)


def test_checkpoints_of_another_training_are_refused(data, tmp_path, capsys):
    path = tmp_path / "c"
    assert train(data, "--epochs", 1, "--checkpoint", path) == 0
    before = path.read_bytes()
    capsys.readouterr()
    resume = ["--epochs", 2, "--resume", path, "--checkpoint", path]
    assert "was made with rate" in refused(capsys, data, *resume, "--rate", "0.25")
    assert "was made with seeds" in refused(capsys, data, *resume, "--seeds", 1)
    write_data(data, 1)
    assert "other data" in refused(capsys, data, *resume)
    assert path.read_bytes() == before


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_resume_bit_for_bit(data, tmp_path, optimizer):
    options = ["--mode", "compact", "bernoulli", "--seeds", 3, 4, "--optimizer", optimizer, "--lr", "0.01"]
    options += ["--lr-decay", 1.5, "--lr-decay-after", 2]
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert train(data, *options, "--epochs", 4, "--checkpoint", whole) == 0
    assert train(data, *options, "--epochs", 2, "--checkpoint", part) == 0
    assert train(data, *options, "--epochs", 4, "--resume", part, "--checkpoint", part) == 0
    (meta, arrays), (other_meta, other_arrays) = checkpoint.load(whole), checkpoint.load(part)
    assert arrays.keys() == other_arrays.keys() and len(arrays) > 0
    for name, array in arrays.items():
        assert array.tobytes() == other_arrays[name].tobytes(), name
    for run, other in zip(meta["runs"], other_meta["runs"]):
        assert run["steps"] == other["steps"] == 4 * (TRAIN // 16)
        assert [(e["loss"], e["accuracy"]) for e in run["epochs"]] == [
            (e["loss"], e["accuracy"]) for e in other["epochs"]
        ]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_learning_rate_falls_epoch_by_epoch(data, tmp_path, optimizer):
    """What programs are given is the schedule's, with Adam's correction on top."""
    model, given = Mlp([4, 4, 10], 2, Dropout(0.5), optimizer=optimizer), []
    programs = training.Programs(model)
    run = training.Run(programs, "compact", 0, 0.8, schedule=training.Schedule(2.0, after=2))
    run.function = lambda *arguments, **_: [given.append(float(arguments[-1])) or 0.0]
    programs.feed = lambda *_: iter([[], []])
    programs.count_steps, programs.measure = lambda _: 2, lambda *_: 0.0
    for _ in range(4):
        run.train_epoch(None)
    expected = np.repeat([0.8, 0.8, 0.4, 0.2], 2)
    if optimizer == "adam":
        steps = np.arange(1, 9)
        expected *= np.sqrt(1 - 0.999**steps) / (1 - 0.9**steps)
    np.testing.assert_allclose(given, expected, rtol=1e-6)  # handed on in f32


def test_resume_in_the_middle_of_a_seed(data, tmp_path, monkeypatch):
    """Interrupted in the second of two modes: the first repeats its epoch."""
    options = ["--mode", "compact", "dense", "--epochs", 3]
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert train(data, *options, "--checkpoint", whole) == 0
    original = training.Run.train_epoch

    def interrupt(self, *arguments):
        if self.mode == "dense" and len(self.epochs) == 1:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(training.Run, "train_epoch", interrupt)
    assert train(data, *options, "--checkpoint", part, "--log", tmp_path / "log.json") == 130
    logged = json.loads((tmp_path / "log.json").read_text())
    assert [len(run["epochs"]) for run in logged["runs"]] == [2, 1]
    monkeypatch.undo()
    assert train(data, *options, "--resume", part, "--checkpoint", part) == 0
    arrays, other = checkpoint.load(whole)[1], checkpoint.load(part)[1]
    assert all(array.tobytes() == other[name].tobytes() for name, array in arrays.items())


# Training
def test_log_and_table(data, tmp_path, capsys):
    log = tmp_path / "log.json"
    modes = ["compact", "masked", "bernoulli", "dense"]
    assert train(data, "--mode", *modes, "--seeds", 0, 1, "--epochs", 2, "--log", log) == 0
    out, err = capsys.readouterr()
    assert err == "" and "at equal time" in out and "after 2 epochs" in out
    entries = json.loads(log.read_text())
    for name in ("command", "date", "machine", "threads", "sparsedrop", "options", "data", "grid", "summary"):
        assert name in entries
    assert "--seeds 0 1" in entries["command"] and entries["data"]["training"] == TRAIN
    assert [(run["mode"], run["seed"]) for run in entries["runs"]] == [(m, s) for s in (0, 1) for m in modes]
    for run in entries["runs"]:
        assert [epoch["epoch"] for epoch in run["epochs"]] == [1, 2]
        assert run["epochs"][1]["total"] == pytest.approx(sum(epoch["seconds"] for epoch in run["epochs"]))
        assert all(0 <= epoch["accuracy"] <= 1 and epoch["loss"] > 0 for epoch in run["epochs"])
    of = {(run["mode"], run["seed"]): [epoch["loss"] for epoch in run["epochs"]] for run in entries["runs"]}
    assert of["compact", 0] == pytest.approx(of["masked", 0], rel=1e-3)
    assert of["compact", 0] != of["compact", 1] and of["compact", 0] != of["dense", 0]


def test_patterns_and_batches(data):
    """Every step draws its own pattern, of the run's seed; epochs differ in their
    order, modes do not."""
    loaded = fashion_mnist.load(data)
    programs, drawn, orders = training.Programs(Mlp([784, 16, 10], 16)), [], {}
    for mode in ("compact", "dense"):
        run = training.Run(programs, mode, 7, 0.01)
        function = run.function
        run.function = lambda *arrays, seed, step, call=function: (
            drawn.append((seed, step)) or call(*arrays, seed=seed, step=step)
        )
        orders[mode] = [run.order(TRAIN).tolist(), run.train_epoch(loaded) and run.order(TRAIN).tolist()]
        run.train_epoch(loaded)
    assert drawn == 2 * [(7, step) for step in range(2 * (TRAIN // 16))]
    assert orders["compact"] == orders["dense"] and orders["dense"][0] != orders["dense"][1]
    assert sorted(orders["dense"][1]) == list(range(TRAIN))


def test_it_learns(data, tmp_path):
    log = tmp_path / "log.json"
    assert train(data, "--mode", "compact", "dense", "--epochs", 30, "--log", log, "--quiet") == 0
    for entry in json.loads(log.read_text())["summary"]:
        assert entry["accuracy"]["mean"] > 0.5, entry["mode"]


def test_grid_chooses_on_held_out_images(data, tmp_path):
    log = tmp_path / "log.json"
    grid = ["--lr-grid", "0.000001", "0.05", "--grid-epochs", 10, "--held-out", 30, "--mode", "dense"]
    assert train(data, *grid, "--epochs", 1, "--log", log) == 0
    entries = json.loads(log.read_text())
    assert [entry["learning_rate"] for entry in entries["grid"]] == [1e-6, 0.05]
    assert entries["learning_rates"] == {"dense": 0.05} and entries["runs"][0]["learning_rate"] == 0.05
    assert entries["runs"][0]["steps"] == TRAIN // 16  # all images again
    whole = fashion_mnist.load(data)
    split = whole.split(30)
    assert (split.test_images == whole.images[-30:]).all() and len(split.labels) == TRAIN - 30


def test_a_diverging_run_stops_and_the_others_go_on(data, tmp_path, capsys):
    log, path = tmp_path / "log.json", tmp_path / "c"
    options = ["--mode", "compact", "dense", "--lr", "compact=1e30", "dense=0.05", "--checkpoint", path]
    assert train(data, *options, "--epochs", 2, "--log", log) == 0
    out, err = capsys.readouterr()
    assert "warning: compact seed 0" in err and "1 diverged" in out

    def constant(text):
        raise AssertionError(f"{text} is not JSON")

    first, second = json.loads(log.read_text(), parse_constant=constant)["runs"]
    assert first["diverged"] and len(first["epochs"]) == 1 and first["epochs"][0]["loss"] is None
    assert not second["diverged"] and len(second["epochs"]) == 2
    assert train(data, *options, "--epochs", 3, "--resume", path) == 0


def test_two_threads_agree_to_rounding(data, tmp_path):
    results = []
    for threads in (1, 2):
        path = tmp_path / str(threads)
        assert train(data, "--epochs", 1, "--checkpoint", path, "--threads", threads) == 0
        results.append(checkpoint.load(path)[1])
    sparsedrop.set_threads(1)
    for name, array in results[0].items():
        # Six steps; sums of up to 784 terms in another order.
        assert np.abs(array - results[1][name]).max() <= 1e-4 * max(np.abs(array).max(), 1e-3), name


def test_evaluation_pads_the_last_batch(data):
    loaded = fashion_mnist.load(data)
    model = Mlp([784, 16, 10], 16)
    programs = training.Programs(model)
    values = training.initialize(model, 5)
    hidden = np.maximum(loaded.test_images.astype(np.float64) @ values[0] + values[1], 0)
    right = (hidden @ values[2] + values[3]).argmax(1) == loaded.test_labels
    assert training.evaluate(programs, values, loaded.test_images, loaded.test_labels) == right.mean()


# Summary
class FakeRun:
    """What the tables read, with epochs of equal length."""

    def __init__(self, mode, seconds, accuracies, diverged=False):
        self.mode, self.seed, self.rate, self.diverged = mode, 0, 0.1, diverged
        self.epochs = [
            training.Epoch(i, 1.0, accuracy, seconds, i * seconds) for i, accuracy in enumerate(accuracies, 1)
        ]


def test_equal_time_takes_completed_epochs():
    fast, slow = FakeRun("compact", 1.0, [0.1, 0.2, 0.3, 0.4]), FakeRun("dense", 1.75, [0.5, 0.6, 0.7, 0.8])
    first, second = summary.summarize([fast, slow])
    assert first["equal_time_seconds"] == second["equal_time_seconds"] == 4.0
    assert first["equal_time_accuracy"]["mean"] == 0.4 and second["equal_time_accuracy"]["mean"] == 0.6
    assert second["accuracy"]["mean"] == 0.8 and second["seconds_per_epoch"] == 1.75


def test_no_number_where_no_epoch_was_completed():
    entries = summary.summarize([FakeRun("compact", 1.0, [0.5]), FakeRun("dense", 3.0, [0.6])])
    assert entries[1]["equal_time_accuracy"] is None
    assert summary.summary_table(entries).splitlines()[2].endswith(" -")
    assert summary.summary_table(summary.summarize([])) == "no epoch was completed"


def test_the_epoch_that_diverged_is_not_timed():
    (entry,) = summary.summarize([FakeRun("compact", 1.0, [math.nan], diverged=True)])
    assert entry["seconds_per_epoch"] is None and entry["diverged"] == 1


# Options
@pytest.mark.parametrize(
    "options, message",
    [
        (["--mode", "other"], "invalid choice"),
        (["--mode", "dense", "dense"], "different values in --mode"),
        (["--epochs", "0"], "--epochs to be at least 1"),
        (["--epochs", "x"], "invalid int value"),
        (["--unknown"], "unrecognized"),
        (["--rate", "1"], "--rate in [0, 1)"),
        (["--rate", "nan"], "--rate in [0, 1)"),
        (["--rate", "0.1", "0.2", "0.3"], "2 for hidden layers"),
        (["--hidden", "0", "4"], "widths of at least 1"),
        (["--hidden", "32", "-4"], "widths of at least 1"),
        (["--granularity", "0"], "--granularity to be at least 1"),
        (["--max-period", "5000"], "max_period of at most 1024"),
        (["--momentum", "1.5"], "momentum in [0, 1)"),
        (["--seeds", "-1"], "seeds in"),
        (["--lr", "dense=0.1"], "not trained"),
        (["--lr", "x"], "expected a learning rate"),
        (["--lr", "nan"], "above 0 in --lr"),
        (["--lr-decay", "0.5"], "--lr-decay of at least 1"),
        (["--lr-decay", "inf"], "--lr-decay of at least 1"),
        (["--lr-decay-after", "0"], "--lr-decay-after to be at least 1"),
        (["--lr-grid", "0"], "above 0 in --lr-grid"),
        (["--lr-grid", "0.1", "--held-out", "90"], "100 training images less 90 held out are fewer"),
        (["--batch", "128"], "100 training images are fewer than a batch of 128"),
        (["--log", "/nowhere/log.json"], "its folder does not exist"),
        (["--log", "/"], "is a folder"),
        (["--log", "/tmp/same", "--checkpoint", "/tmp/same"], "the same file"),
    ],
)
def test_bad_options_are_one_line(data, capsys, options, message):
    assert message in refused(capsys, data, *options)


def test_plot(data, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert "ends in .png" in refused(capsys, data, "--plot", tmp_path / "a.xyz")
    assert train(data, "--mode", "compact", "dense", "--epochs", 2, "--plot", tmp_path / "a.png") == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
