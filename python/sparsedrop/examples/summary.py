"""Tables of what training gave: an epoch a line, then modes against each other."""

from __future__ import annotations

import statistics
from typing import Sequence

from .training import ACCURACY, Epoch, Metric, Run

def header(metric: Metric) -> str:
    return f"{'mode':<10} {'seed':>4} {'epoch':>5} {'loss':>9} {metric.title:>8} {'seconds':>8}"


def epoch_line(run: Run, epoch: Epoch) -> str:
    note = "  diverged" if run.diverged else ""
    return (
        f"{run.mode:<10} {run.seed:>4} {epoch.epoch:>5} {epoch.loss:>9.4f} "
        f"{run.programs.metric.factor * epoch.score:>8.2f} {epoch.seconds:>8.2f}{note}"
    )


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "mean": statistics.fmean(values),
        "std": statistics.stdev(values) if len(values) > 1 else 0.0,
        "min": min(values),
        "max": max(values),
    }


def _text(spread: dict[str, float] | None, factor: float) -> str:
    if spread is None:
        return "-"
    mean, std, low, high = (f"{factor * spread[key]:.2f}" for key in ("mean", "std", "min", "max"))
    return f"{mean} ({std}; {low} to {high})"


def score_at(run: Run, seconds: float) -> float | None:
    """The metric of the last epoch that was complete after ``seconds`` of
    training; None when none was."""
    done = [epoch.score for epoch in run.epochs if epoch.total <= seconds]
    return done[-1] if done else None


def _seconds_per_epoch(runs: Sequence[Run]) -> float | None:
    """The mean over whole epochs: the one in which a run diverged was cut short."""
    seconds = [epoch.seconds for run in runs for epoch in (run.epochs[:-1] if run.diverged else run.epochs)]
    return statistics.fmean(seconds) if seconds else None


def summarize(runs: Sequence[Run], metric: Metric = ACCURACY) -> list[dict]:
    """One entry a mode: the metric at equal epochs (the fewest of all runs that did
    not diverge) and at equal time (that of the fastest mode for these epochs,
    the mean over its seeds), seconds an epoch."""
    runs = [run for run in runs if run.epochs]
    if not runs:
        return []
    whole = [run for run in runs if not run.diverged] or runs
    count = min(len(run.epochs) for run in whole)
    modes = list(dict.fromkeys(run.mode for run in runs))
    by_mode = {mode: [run for run in runs if run.mode == mode] for mode in modes}
    ends = {
        mode: [run.epochs[count - 1].total for run in of if len(run.epochs) >= count] for mode, of in by_mode.items()
    }
    fastest = min((mode for mode in modes if ends[mode]), key=lambda mode: statistics.fmean(ends[mode]))
    budget = statistics.fmean(ends[fastest])
    entries, name = [], metric.name
    for mode, of in by_mode.items():
        final = [run.epochs[min(count, len(run.epochs)) - 1].score for run in of]
        # Runs of the fastest mode count whole, though some end after their mean.
        timed = final if mode == fastest else [score_at(run, budget) for run in of]
        entries.append(
            {
                "mode": mode,
                "seeds": len(of),
                "epochs": count,
                "learning_rate": of[0].rate,
                name: _spread(final),
                "equal_time_seconds": budget,
                f"equal_time_{name}": None if None in timed else _spread(timed),
                "seconds_per_epoch": _seconds_per_epoch(of),
                "diverged": sum(run.diverged for run in of),
            }
        )
    return entries


def summary_table(entries: Sequence[dict], metric: Metric = ACCURACY) -> str:
    """The entries as text."""
    if not entries:
        return "no epoch was completed"
    lines = [
        f"{'mode':<10} {'rate':>6} {'seeds':>5} {metric.title + ' (std; min to max)':<30} {'s/epoch':>8}  "
        f"{metric.title} at equal time"
    ]
    for entry in entries:
        seconds = entry["seconds_per_epoch"]
        diverged = f"  {entry['diverged']} diverged" if entry["diverged"] else ""
        lines.append(
            f"{entry['mode']:<10} {entry['learning_rate']:>6g} {entry['seeds']:>5} {_text(entry[metric.name], metric.factor):<30} "
            f"{'-' if seconds is None else format(seconds, '.2f'):>8}  "
            f"{_text(entry[f'equal_time_{metric.name}'], metric.factor)}{diverged}"
        )
    first = entries[0]
    lines.append(
        f"after {first['epochs']} epochs; equal time is {first['equal_time_seconds']:.1f} s of training, when the "
        "fastest mode had them done\n(the mean over its seeds): the last epoch that each run had completed by then, "
        "'-' if some run had completed none"
    )
    return "\n".join(lines)
