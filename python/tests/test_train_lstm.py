"""The LSTM training script on a small text that the test writes. What it shares with
``train_mlp`` is tested there. No timings."""

import json
import math

import numpy as np
import pytest
import sparsedrop
from lstm_reference import Reference
from sparsedrop.examples import checkpoint, train_lstm, verses

SMALL = ["--units", "8", "--embedding", "6", "--batch", "3", "--words", "4", "--vocabulary", "12", "--threads", "1"]
BOOKS = ["Ge", "Ex", "1Ki", "Ps"]


@pytest.fixture
def data(tmp_path):
    """Four books of ten verses; the last one is for testing."""
    rng, lines = np.random.default_rng(0), []
    words = ["light", "day", "night", "earth", "sea", "God's", "good", "and", "saw", "7"]
    for book in BOOKS:
        for verse in range(10):
            lines.append(f"{book}1:{verse + 1} " + " ".join(rng.choice(words, 6)) + ".")
    path = tmp_path / "text"
    path.write_text("\n".join(lines) + "\n")
    return path


def train(data, *options):
    before = sparsedrop.threads()
    try:
        return train_lstm.main(["--data", str(data), *SMALL, *map(str, options)])
    finally:
        sparsedrop.set_threads(before)


def refused(capsys, *arguments):
    assert train(*arguments) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    return err


# Text
def test_words_of_books(data):
    loaded = verses.load(data, vocabulary=12)
    # Ten verses of six words, a point and an end.
    assert len(loaded.words) == 3 * 80 and len(loaded.test_words) == 80
    assert loaded.vocabulary[0] == verses.UNKNOWN and len(loaded.vocabulary) == 12
    text = [loaded.vocabulary[word] for word in loaded.words]
    first = data.read_text().splitlines()[0].split(" ", 1)[1].rstrip(".").split()
    assert [a for a, b in zip(text, first) if a != b and a != verses.UNKNOWN] == []
    assert text[6:8] == [".", verses.END] and verses.UNKNOWN in text
    limited = verses.load(data, 50, 5)
    assert len(limited.words) == 50 and limited.words.max() == 4 and len(limited.test_words) == 80
    halves = loaded.split(100)
    assert np.array_equal(np.concatenate([halves.words, halves.test_words]), loaded.words)
    assert loaded.describe()["sha256"] != limited.describe()["sha256"]


def test_streams_are_the_text():
    texts = train_lstm.streams(np.arange(23, dtype=np.int32), 3)
    assert texts.shape == (7, 3) and np.array_equal(texts.T.ravel(), np.arange(21))


@pytest.mark.parametrize(
    "text, message",
    [
        ("Ge1:1 light\nno verse\n", ":2: expected a verse such as 'Ge1:1 In the beginning', but got 'no verse'"),
        ("Ge1:1 light\nGe1:2 dark\n", "expected verses of at least two books, one for testing, but got 1"),
        ("", "but got 0"),
        ("Ge1:1 light\nEx1:1 dark\n", "2 training words are fewer than 15, those of a step"),
    ],
)
def test_bad_texts(tmp_path, capsys, text, message):
    path = tmp_path / "text"
    path.write_text(text)
    assert message in refused(capsys, path)


def test_missing_texts(tmp_path, capsys, monkeypatch):
    assert "No such file" in refused(capsys, tmp_path / "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(sparsedrop.Error, match="apt-get install bible-kjv"):
        verses.load()


# Training
def test_all_modes(data, tmp_path, capsys):
    log, path = tmp_path / "log.json", tmp_path / "c"
    modes = ["compact", "masked", "bernoulli", "dense"]
    options = ["--mode", *modes, "--epochs", 2, "--lr", 1, "--clip", 5, "--recurrent-rate", 0.25, "--log", log, "--checkpoint", path]
    assert train(data, *options) == 0
    assert "test ppl" in capsys.readouterr().out
    entries = json.loads(log.read_text())
    losses = {entry["mode"]: [epoch["loss"] for epoch in entry["epochs"]] for entry in entries["runs"]}
    # 38 steps in f32, of which each may move losses by a few units of 2^-24.
    assert losses["compact"] == pytest.approx(losses["masked"], rel=1e-5)
    assert losses["dense"] != losses["masked"] != losses["bernoulli"]
    for entry in entries["runs"]:
        assert entry["steps"] == 2 * ((240 // 3 - 1) // 4)
        assert all(1 < epoch["perplexity"] < 13 for epoch in entry["epochs"])
    # The perplexity is that of a float64 model which reads the whole test set at once.
    loaded = verses.load(data, vocabulary=12)
    texts = train_lstm.streams(loaded.test_words, 3)
    meta, arrays = checkpoint.load(path)
    steps = (len(texts) - 1) // 4 * 4
    model = train_lstm.Lstm(12, 8, 3, steps, 2, 6)
    values = {name: arrays[f"0:{i}"] for i, (name, _) in enumerate(model.updated())}
    values.update({name: np.zeros(shape) for name, shape in model.carried()})
    loss = Reference(model, {**values, "tokens": texts[:steps], "target": texts[1 : steps + 1]}).run()
    assert meta["runs"][0]["epochs"][1]["perplexity"] == pytest.approx(math.exp(loss), rel=1e-5)


@pytest.mark.parametrize("more", [[], ["--tile", "2", "2"], ["--per-word", "--tied", "--embedding", "8"], ["--per-word", "--tile", "2", "2"]])
def test_resume_bit_for_bit(data, tmp_path, more):
    options = ["--mode", "compact", "--optimizer", "adam", "--lr", "0.01", *more]
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert train(data, *options, "--epochs", 3, "--checkpoint", whole) == 0
    assert train(data, *options, "--epochs", 1, "--checkpoint", part) == 0
    assert train(data, *options, "--epochs", 3, "--resume", part, "--checkpoint", part) == 0
    arrays, other = checkpoint.load(whole)[1], checkpoint.load(part)[1]
    assert arrays.keys() == other.keys() and all(a.tobytes() == other[name].tobytes() for name, a in arrays.items())


def test_learning_rate_with_the_smallest_perplexity(data, tmp_path, capsys):
    log = tmp_path / "log.json"
    lines = [f"{book}1:{verse} and God saw the light." for book in BOOKS for verse in range(1, 11)]
    data.write_text("\n".join(lines) + "\n")
    grid = ["--lr-grid", 1e-6, 1.0, 1e-5, "--grid-epochs", 4, "--held-out", 60, "--rate", 0]
    assert train(data, "--epochs", 1, *grid, "--log", log) == 0
    assert "held-out perplexity" in capsys.readouterr().out
    entries = json.loads(log.read_text())
    best = min(entries["grid"], key=lambda entry: entry["perplexity"])
    assert best["learning_rate"] == 1.0 and entries["learning_rates"] == {"compact": 1.0}


def test_training_that_diverges(data, tmp_path, capsys):
    log = tmp_path / "log.json"
    assert train(data, "--epochs", 2, "--lr", 1e30, "--clip", 1e30, "--log", log) == 0
    assert "counts as diverged" in capsys.readouterr().err
    (entry,) = json.loads(log.read_text())["runs"]
    assert entry["diverged"] and len(entry["epochs"]) == 1


@pytest.mark.parametrize(
    "options, message",
    [
        (["--rate", "1"], "--rate in [0, 1)"),
        (["--recurrent-rate", "-0.5"], "--recurrent-rate in [0, 1)"),
        (["--units", "0"], "--units to be at least 1"),
        (["--vocabulary", "1"], "--vocabulary to be at least 2"),
        (["--tied"], "an embedding of 8 units with tied weights, but got 6"),
        (["--clip", "0"], "a clip above 0"),
        (["--words", "80"], "240 training words are fewer than 243"),
        (["--words", "30"], "80 test words are fewer than 93"),
        (["--lr-grid", "1", "--held-out", "10"], "10 held-out words are fewer than 15"),
    ],
)
def test_bad_options(data, capsys, options, message):
    assert message in refused(capsys, data, *options)
