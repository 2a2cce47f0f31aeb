"""The benchmark runs and prints what it promises; no timing is judged."""

import os
import subprocess
import sys

import pytest

import sparsedrop


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_mlp_step_prints_all_modes(optimizer):
    folder = os.path.dirname(os.path.dirname(sparsedrop.__file__))
    done = subprocess.run(
        [sys.executable, "-m", "sparsedrop.bench.mlp_step", "--widths", "30", "20", "10", "--batch", "4", "--steps", "6", "--optimizer", optimizer],
        env={**os.environ, "PYTHONPATH": folder}, capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    assert ("lazy" in done.stdout) == (optimizer == "momentum")
    for word in (*sparsedrop.MODES, "operations, dense / compact", "time, masked / compact"):
        assert word in done.stdout
