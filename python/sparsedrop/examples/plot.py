"""A plot of what models are measured by against training time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Sequence

from sparsedrop import Error

from .training import Metric, Run


def check_available(path: Path) -> None:
    """Raises ``Error`` when matplotlib is missing or does not write such files:
    before training, not after."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise Error("--plot needs matplotlib: pip install 'sparsedrop[plot]', or matplotlib alone") from None
    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise Error(f"--plot {path}: expected a name that ends in .png, or in one of {', '.join(sorted(kinds))}")


def plot(runs: Sequence[Run], path: Path, title: str, metric: Metric) -> None:
    """Writes a picture: a line for the mean of each mode over its seeds, a band
    from the worst to the best seed, over seconds of training."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for mode in dict.fromkeys(run.mode for run in runs):
        of = [run for run in runs if run.mode == mode and run.epochs]
        count = min((len(run.epochs) for run in of), default=0)
        if not count:
            continue
        seconds = [sum(run.epochs[i].total for run in of) / len(of) for i in range(count)]
        scores = [[metric.factor * run.epochs[i].score for run in of] for i in range(count)]
        line = axes.plot(seconds, [sum(s) / len(s) for s in scores], marker=".", label=mode)[0]
        low, high = [min(s) for s in scores], [max(s) for s in scores]
        axes.fill_between(seconds, low, high, alpha=0.2, color=line.get_color())
    lowest = min((metric.factor * e.score for run in runs for e in run.epochs), default=0)
    axes.set_ylim(bottom=max(0, math.floor(lowest) - 1))
    axes.set_xlabel("seconds of training")
    axes.set_ylabel(metric.label)
    axes.set_title(title, fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    try:
        figure.savefig(path, dpi=130)
    except (OSError, ValueError) as error:
        raise Error(f"{path}: cannot be written: {error}") from error
    finally:
        pyplot.close(figure)
