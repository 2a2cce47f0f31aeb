"""Draws and searches from Python: against the test vectors, brute force and
closed forms."""

import numpy as np
import pytest

import sparsedrop


def test_row_mask_is_brute_force():
    for extent, granularity, step in ((3, 1, 0), (7, 1, 1), (96, 8, 2), (37, 5, 3), (2048, 1, 4)):
        p = sparsedrop.sample("site", extent, seed=9, step=step, rate=0.5, granularity=granularity)
        wanted = [(j // granularity) % p.period == p.bias for j in range(extent)]
        assert np.array_equal(p.mask, wanted) and np.array_equal(p.kept, np.flatnonzero(wanted))


def test_same_draw_twice_and_others_elsewhere():
    draw = lambda **change: sparsedrop.sample("s", 64, **{"seed": 1, "step": 2, "rate": 0.7, **change})  # noqa: E731
    assert np.array_equal(draw().mask, draw().mask)
    others = [draw(step=s).period for s in range(60)]
    assert len(set(others)) > 3
    assert len({(draw(index=i).period, draw(index=i).bias) for i in range(60)}) > 3


def test_mean_rate_of_units():
    steps = 4000
    kept = sum(sparsedrop.sample("s", 10, seed=3, step=s, rate=0.5).mask for s in range(steps))
    # 4 sigma of a binomial.
    assert np.abs(kept / steps - 0.5).max() < 4 * 0.5 / np.sqrt(steps)


def test_scales():
    p = sparsedrop.sample("s", 64, seed=1, step=0, rate=0.5, scale="pattern")
    assert p.scale == p.period
    assert sparsedrop.sample("s", 64, seed=1, step=0, rate=0.5).scale == pytest.approx(2, rel=1e-5)


def test_tile_mask_is_brute_force():
    for order in ("skewed", "linear"):
        p = sparsedrop.sample("t", (70, 50), seed=1, step=5, rate=0.5, kind="tile", tile=(16, 8), order=order)
        columns = -(-50 // 8)
        place = lambda r, c: r + c if order == "skewed" else r * columns + c  # noqa: E731
        wanted = [[place(i // 16, j // 8) % p.period == p.bias for j in range(50)] for i in range(70)]
        assert np.array_equal(p.mask, wanted)


def test_channels_prefer_the_sensitive():
    sensitivity = np.r_[np.full(8, 10.0), np.full(24, 1e-6)]
    p = sparsedrop.sample("c", 32, seed=1, step=0, kind="channel", count=8, sensitivity=sensitivity, tau=0.1)
    assert np.array_equal(p.kept, range(8)) and p.scale == 4
    assert sparsedrop.sample("c", 32, seed=1, step=0, kind="channel", rate=0.5).mask.sum() == 16


def test_search_against_closed_form():
    for rate in (0.3, 0.5, 0.7):
        found = sparsedrop.search(rate, max_period=8)
        assert np.abs(found - sparsedrop.search(rate, max_period=8, method="maxent")).max() < 1e-4
        drop = 1 - 1 / np.arange(1, 9)
        assert abs(found @ drop - rate) < 1e-9
        # Maximum entropy: logarithms are linear in the drop rate.
        slope = np.polyfit(drop, np.log(found), 1)
        assert np.abs(np.polyval(slope, drop) - np.log(found)).max() < 1e-3
    assert sparsedrop.search(0.5, periods=[1, 2, 4, 8]) @ (1 - 1 / np.array([1, 2, 4, 8])) == pytest.approx(0.5)
    assert len(sparsedrop.search(0.5)) == 4


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: sparsedrop.search(1.0), r"\[0, 1\)"),
        (lambda: sparsedrop.search(float("nan")), r"\[0, 1\)"),
        (lambda: sparsedrop.search(0.9, max_period=4), "0.9"),
        (lambda: sparsedrop.search(0.5, method="guess"), "guess"),
        (lambda: sparsedrop.search(0.5, max_period=2, periods=[1, 2]), "both"),
        (lambda: sparsedrop.sample("s", 8, seed=0, step=0), "rate or a distribution"),
        (lambda: sparsedrop.sample("s", 8, seed=0, step=0, rate=0.5, kind="column"), "column"),
        (lambda: sparsedrop.sample("s", 8, seed=0, step=0, distribution=[0.5, 0.4]), "sum"),
        (lambda: sparsedrop.sample("s", 2, seed=0, step=0, distribution=[0, 0, 1]), "period"),
        (lambda: sparsedrop.sample("s", 8, seed=0, step=0, rate=0.5, granularity=0), "granularity"),
        (lambda: sparsedrop.sample("s", 8, seed=0, step=0, rate=0.5, scale="none"), "none"),
        (lambda: sparsedrop.sample("c", 8, seed=0, step=0, kind="channel", count=9), "9"),
        (lambda: sparsedrop.sample("c", 8, seed=0, step=0, kind="channel", count=1, sensitivity=[1.0]), "8"),
    ],
)
def test_refusals(call, match):
    with pytest.raises(sparsedrop.Error, match=match):
        call()
