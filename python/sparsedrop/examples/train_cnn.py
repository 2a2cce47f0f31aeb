"""Trains a CNN on Fashion-MNIST with channel dropout that removes work, and without.

    python -m sparsedrop.examples.train_cnn --model residual --mode compact bernoulli dense \\
        --seeds 0 1 2 --epochs 15 --lr 0.1 --log log.json --plot accuracy.png
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Sequence

import sparsedrop
from sparsedrop.channels import LARGEST_RATE, ChannelSchedule
from sparsedrop.cnn import CHANNEL_SCALES, CRITERIA, LAYOUTS, SENSITIVITY_OF, ChannelDropout, Cnn, plain, residual

from . import trainer
from .cnn_training import CnnPrograms, Policy
from .fashion_mnist import CLASSES, SIZE, Data
from .options import check_numbers, expect, make_parser

MODELS = {"plain": plain, "residual": residual}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = make_parser("train_cnn", str(__doc__).split("\n")[0])
    add = parser.add_argument
    add("--model", choices=MODELS, default="plain")
    add("--widths", type=int, nargs="+", default=[32, 64, 128], help="channels of each stage")
    add("--blocks", type=int, default=2, help="convolutions (plain) or residual blocks of a stage")
    add("--layout", choices=LAYOUTS, default="nhwc")
    add("--channel-rate", type=float, default=0.5, help="share of channels that is dropped")
    add("--criterion", choices=CRITERIA, default="sensitivity", help="what chooses the channels")
    add("--sensitivity-of", choices=SENSITIVITY_OF, default="batch", help="whose loss changes without a channel")
    add("--reversed", action="store_true", help="keep the worst channels: an ablation")
    add("--temperature", type=float, default=0.5, help="weight of chance against the criterion")
    add("--scale", choices=CHANNEL_SCALES, default="energy", help="what kept channels are multiplied by")
    add("--multiple", type=int, default=8, help="the number of kept channels is a multiple of it")
    add("--granularity", type=int, default=1, help="neighbouring channels that are dropped together")
    add("--warmup", type=int, help="first steps, which keep all channels (default: an epoch, at least 500)")
    add("--ramp", type=int, help="steps over which the rate grows from 0 (default: a tenth of the training)")
    add("--refresh", type=int, default=50, metavar="R", help="every R-th step keeps all channels (0: none)")
    add("--global-budget", action="store_true", help="a rate for each layer, by sensitivities and operations")
    add("--all-statistics", action="store_true", help="renew running statistics of dropped channels too (slower)")
    add("--recalibrate", type=int, default=0, metavar="N", help="evaluate with the statistics of N batches")
    options = parser.parse_args(arguments)
    check_numbers(options, ("blocks", "multiple", "granularity"))
    check_numbers(options, ("warmup", "ramp", "refresh", "recalibrate"), 0)
    expect(0 <= options.channel_rate < 1, "--channel-rate in [0, 1)", options.channel_rate)
    expect(0 < options.temperature < float("inf"), "--temperature above 0", options.temperature)
    criterion = options.criterion
    if options.global_budget:
        expect(criterion == "sensitivity", "--criterion sensitivity with --global-budget", criterion)
        most, rate = f"--channel-rate of at most {LARGEST_RATE}", options.channel_rate
        expect(rate <= LARGEST_RATE, f"{most} with --global-budget", rate)
    if options.reversed:
        expect(criterion != "uniform", "--criterion sensitivity or importance with --reversed", criterion)
    return options


def make_model(options: argparse.Namespace) -> Cnn:
    temperature = -options.temperature if options.reversed else options.temperature
    try:
        dropout = ChannelDropout(
            options.channel_rate, options.multiple, options.granularity, options.criterion, temperature, options.scale
        )
        return MODELS[options.model](
            options.widths, options.batch, depth=options.blocks, size=SIZE, classes=CLASSES, dropout=dropout,
            layout=options.layout, optimizer=options.optimizer, momentum=options.momentum, decay=options.decay,
            lazy_statistics=not options.all_statistics, sensitivity_of=options.sensitivity_of,
        )
    except ValueError as error:
        raise sparsedrop.Error(str(error)) from error


def make_programs(options: argparse.Namespace, data: Data, stored: dict[str, Any]) -> CnnPrograms:
    """Also puts in numbers of steps that are not given: they follow from the size of
    the training, and stay as they are when it is resumed and made longer."""
    steps = len(data.labels) // options.batch
    defaults = {"warmup": max(steps, 500), "ramp": options.epochs * steps // 10}
    for name, value in defaults.items():
        if getattr(options, name) is None:
            before = stored.get(name)
            setattr(options, name, before if isinstance(before, int) else value)
    schedule = ChannelSchedule(options.channel_rate, options.warmup, options.ramp, options.refresh)
    policy = Policy(schedule, options.global_budget, options.recalibrate)
    return CnnPrograms(make_model(options), policy)


def title(options: argparse.Namespace) -> str:
    return f"{options.model} CNN {'-'.join(map(str, options.widths))}, rate {options.channel_rate}"


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    return trainer.run_guarded("train_cnn", arguments, lambda: parse(arguments), make_programs, title)


if __name__ == "__main__":
    sys.exit(main())
