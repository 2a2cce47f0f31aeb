"""The benchmark runs and prints what it promises; no timing is judged."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import sparsedrop


def run(name, *options):
    folder = os.path.dirname(os.path.dirname(sparsedrop.__file__))
    command = [sys.executable, "-m", f"sparsedrop.bench.{name}", *options]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": folder}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_mlp_step_prints_all_modes(optimizer):
    done = run("mlp_step", "--widths", "30", "20", "10", "--batch", "4", "--steps", "6", "--optimizer", optimizer)
    assert ("lazy" in done.stdout) == (optimizer == "momentum")
    for word in (*sparsedrop.MODES, "operations, dense / compact", "time, masked / compact"):
        assert word in done.stdout


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_cnn_step_prints_all_modes_and_products(layout):
    done = run("cnn_step", "--widths", "32", "--batch", "2", "--size", "6", "6", "--steps", "2", "--layout", layout)
    for word in (*sparsedrop.MODES, "untracked", "forward", "dgrad", "wgrad", "ideal", "bookkeeping"):
        assert word in done.stdout


@pytest.mark.parametrize("more", [[], ["--tile", "2", "2", "--recurrent"]])
def test_lstm_step_prints_all_modes(more):
    sizes = ["--units", "6", "5", "--vocabulary", "9", "--batch", "2", "--words", "3"]
    done = run("lstm_step", *sizes, "--rates", "0.5", "--steps", "2", *more)
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and all(word in lines[1] for word in (*sparsedrop.MODES, "pytorch", "speed-up", "operations"))
    assert [line.split()[0] for line in lines[2:]] == ["6", "5"]


def test_paper_prints_a_line_for_each_network_rate_and_kind(tmp_path):
    from small_data import write_data

    write_data(tmp_path)
    text = tmp_path / "verses"
    text.write_text("".join(f"Ge1:{i} In the beginning {i % 3}\nEx1:{i} and the earth {i % 5}\n" for i in range(60)))
    sizes = ["--mlp", "12-8", "--lstm", "6", "5", "--lstm-trained", "5", "--words", "3", "--vocabulary", "20", "--mlp-batch", "8"]
    data = ["--images", str(tmp_path), "--verses", str(text), "--log", str(tmp_path / "log")]
    done = run("paper", *sizes, *data, "--rates", "0.5", "0.3", "--steps", "2", "--epochs", "1", "--tile", "2", "1")
    lines = [line.split() for line in done.stdout.splitlines()[2:]]
    assert [line[:4] for line in lines] == [
        [network, size, rate, kind]
        for network, size in (("MLP", "12-8"), ("LSTM", "6"), ("LSTM", "5"))
        for rate in ("0.5", "0.3")
        for kind in ("row", "tile")
    ]
    # Scores of compact and ordinary dropout, where it was trained.
    assert all((line[-1] == "-") == (line[1] == "6") for line in lines)
    entries = json.loads((tmp_path / "log").read_text())
    assert len(entries) == len(lines) and any(entry["operations"] > 1 for entry in entries)


def test_paper_refuses_what_is_not_there():
    folder = os.path.dirname(os.path.dirname(sparsedrop.__file__))
    command = [sys.executable, "-m", "sparsedrop.bench.paper", "--images", "/nowhere", "--lstm"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": folder}, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("error: /nowhere") and done.stderr.count("\n") == 1


def test_tiles_prints_all_products():
    done = run("tiles", "--size", "20", "30", "--batch", "4", "--tile", "5", "4", "--periods", "2", "--rounds", "1")
    for word in ("forward", "input gradient", "weight gradient"):
        # Half of 4 x 8 tiles, of which the last column is cut off.
        line = next(line for line in done.stdout.splitlines() if f"2, {word}" in line)
        assert line.split()[-3] == "2.00"


def test_rank_correlation_of_known_orders():
    from sparsedrop.bench.sensitivity import rank_correlation

    values = np.array([3.0, 1.0, 2.0, 5.0])
    assert rank_correlation(values, np.exp(values)) == pytest.approx(1)
    assert rank_correlation(values, -values) == pytest.approx(-1)
    # 1 - 6 sum d^2 / (n (n^2 - 1)) of the ranks 2 0 1 3 and 0 1 2 3.
    assert rank_correlation(values, np.arange(4.0)) == pytest.approx(1 - 6 * 6 / 60)
    # Ties have the mean of their ranks: (0.5, 0.5, 2) and (0, 1, 2).
    assert rank_correlation(np.array([1.0, 1.0, 2.0]), np.arange(3.0)) == pytest.approx(3**0.5 / 2)
    assert rank_correlation(values, np.ones(4)) == 0


def test_sensitivity_prints_each_layer():
    done = run("sensitivity", "--limit", "64", "--batch", "16", "--epochs", "1", "--probe", "1", "--widths", "32", "32")
    for word in ("conv2", "mean", "importance", "random"):
        assert word in done.stdout
