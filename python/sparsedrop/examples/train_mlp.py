"""Trains an MLP on Fashion-MNIST with dropout that removes work, and without.

    python -m sparsedrop.examples.train_mlp --mode compact bernoulli dense \\
        --seeds 0 1 2 --epochs 15 --lr 0.1 --log log.json --plot accuracy.png
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Sequence

import sparsedrop
from sparsedrop.models import Dropout, Mlp

from . import trainer
from .fashion_mnist import CLASSES, Data
from .options import add_mlp_options, check_mlp_options, make_parser
from .training import Programs


def make_model(options: argparse.Namespace, pixels: int) -> Mlp:
    """The model; dropouts of rate 0 are left out."""
    hidden, rates = options.hidden, options.rate
    if any(not 1 <= width < 2**31 for width in hidden):
        raise sparsedrop.Error(f"expected widths of at least 1, but got {' '.join(map(str, hidden))}")
    rates = rates * len(hidden) if len(rates) == 1 else rates
    if len(rates) != len(hidden):
        raise sparsedrop.Error(f"expected one rate, or {len(hidden)} for hidden layers, but got {len(rates)}")
    try:
        tile = tuple(options.tile) if options.tile else None
        more = options.granularity, options.max_period, options.scale, tile, options.order
        dropout = [Dropout(rate, *more) if rate else None for rate in rates]
        return Mlp(
            [pixels, *hidden, CLASSES], options.batch, dropout, options.activation, optimizer=options.optimizer,
            momentum=options.momentum, decay=options.decay, lazy=options.lazy,
        )
    except ValueError as error:
        raise sparsedrop.Error(str(error)) from error


def make_programs(options: argparse.Namespace, data: Data, stored: dict[str, Any]) -> Programs:
    return Programs(make_model(options, data.images.shape[1]))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = make_parser("train_mlp", str(__doc__).split("\n")[0])
    add_mlp_options(parser)
    options = parser.parse_args(arguments)
    check_mlp_options(options)
    return options


def title(options: argparse.Namespace) -> str:
    return f"MLP {'-'.join(map(str, options.hidden))}, rate {', '.join(map(str, options.rate))}"


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    return trainer.run_guarded("train_mlp", arguments, lambda: parse(arguments), make_programs, title)


if __name__ == "__main__":
    sys.exit(main())
