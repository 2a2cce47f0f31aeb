"""Trains a language model of LSTMs on the King James Bible, with dropout that removes
work, and without: perplexity on books that it has not read.

    python -m sparsedrop.examples.train_lstm --mode compact bernoulli dense \\
        --seeds 0 1 2 --epochs 6 --log log.json --plot perplexity.png
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import Any, Iterator, Sequence

import numpy as np

import sparsedrop
from sparsedrop.lstm import Lstm
from sparsedrop.models import Dropout

from . import trainer, verses
from .options import check_numbers, expect, make_parser
from .training import PERPLEXITY, Programs, Run

#: Weights begin uniform within this (Zaremba et al. 2014, medium model).
LARGEST_WEIGHT = 0.05


def streams(words: np.ndarray, batch: int) -> np.ndarray:
    """Words of ``batch`` texts side by side, (words, batch); what is left is left out."""
    length = len(words) // batch
    return np.ascontiguousarray(words[: length * batch].reshape(batch, length).T)


class LstmPrograms(Programs):
    """The compiled functions of a language model."""

    metric = PERPLEXITY

    def initialize(self, seed: int) -> list[np.ndarray]:
        """Weights uniform, everything else 0."""
        rng, values = np.random.Generator(np.random.PCG64([seed, 1])), []
        parameters = dict(self.model.parameters())
        for name, shape in self.model.updated():
            largest = LARGEST_WEIGHT if name in parameters and len(shape) == 2 else 0
            values.append(rng.uniform(-largest, largest, shape).astype(np.float32))
        return values

    def count_steps(self, data: verses.Data) -> int:
        """Steps of an epoch; words that do not fill one are left out."""
        return (len(data.words) // self.model.batch - 1) // self.model.steps

    def pieces(self, words: np.ndarray) -> Iterator[list[np.ndarray]]:
        """Words and the words behind them, of each step."""
        texts, steps = streams(words, self.model.batch), self.model.steps
        for start in range(0, len(texts) - steps, steps):
            yield [texts[start : start + steps], texts[start + 1 : start + steps + 1]]

    def feed(self, run: Run, data: verses.Data) -> Iterator[list[np.ndarray]]:
        """In the order of the text, from a state of zeros on."""
        for value in run.values[-len(self.model.carried()) :]:
            value[...] = 0
        return self.pieces(data.words)

    def measure(self, run: Run, data: verses.Data) -> float:
        """The perplexity of the test set, read from a state of zeros on."""
        parameters = run.values[: len(self.model.parameters())]
        state = [np.zeros(shape, np.float32) for _, shape in self.model.carried()]
        losses = [float(self.predict(*piece, *parameters, *state)[0]) for piece in self.pieces(data.test_words)]
        return math.exp(min(float(np.mean(losses)), 700.0))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    about = "text of verses, 'Ge1:1 In the beginning' (default: what Debian's 'bible' prints)"
    parser = make_parser("train_lstm", str(__doc__).split("\n\n")[0].replace("\n", " "), None, about)
    parser.set_defaults(batch=20, lr=["20"], epochs=6, held_out=50000)
    add = parser.add_argument
    add("--units", type=int, default=650)
    add("--layers", type=int, default=2)
    add("--embedding", type=int, help="numbers that a word becomes (default: the units)")
    add("--vocabulary", type=int, default=10000, help="most frequent words that are told apart")
    add("--words", type=int, default=35, help="of each text in a step")
    add("--rate", type=float, default=0.5, help="drop rate of vertical connections")
    add("--recurrent-rate", type=float, default=0.0, help="drop rate of recurrent connections")
    add("--granularity", type=int, default=1, help="neighbouring units that are dropped together")
    add("--tile", type=int, nargs=2, metavar=("OUT", "IN"), help="drop tiles of weights instead of units")
    add("--order", choices=("skewed", "linear"), default="skewed", help="order of the tiles")
    add("--max-period", type=int, help="longest period (default: depends on the rate)")
    add("--scale", choices=("target", "pattern"), default="target")
    add("--per-word", action="store_true", help="a pattern for each word instead of one for all words of a step")
    add("--tied", action="store_true", help="project by the embedding, transposed")
    add("--clip", type=float, default=0.1, help="largest norm of the gradients")
    options = parser.parse_args(arguments)
    check_numbers(options, ("units", "layers", "embedding", "words", "granularity", "max_period"))
    check_numbers(options, ("vocabulary",), 2)
    for name in ("rate", "recurrent_rate"):
        expect(0 <= getattr(options, name) < 1, f"--{name.replace('_', '-')} in [0, 1)", getattr(options, name))
    return options


def make_model(options: argparse.Namespace, vocabulary: int) -> Lstm:
    """The model; dropouts of rate 0 are left out."""
    try:
        tile = tuple(options.tile) if options.tile else None
        more = options.granularity, options.max_period, options.scale, tile, options.order
        dropout, recurrent = (Dropout(rate, *more) if rate else None for rate in (options.rate, options.recurrent_rate))
        return Lstm(
            vocabulary, options.units, options.batch, options.words, options.layers, options.embedding, dropout, recurrent,
            options.per_word, options.tied, options.clip, options.optimizer, options.momentum, options.decay,
        )
    except ValueError as error:
        raise sparsedrop.Error(str(error)) from error


def load(options: argparse.Namespace) -> verses.Data:
    data = verses.load(options.data, options.limit, options.vocabulary)
    held_out = options.held_out if options.lr_grid else 0
    for what, count in (("training", len(data.words) - held_out), ("test", len(data.test_words)), ("held-out", held_out)):
        least = options.batch * (options.words + 1)
        if count < least and (held_out or what != "held-out"):
            raise sparsedrop.Error(f"{count} {what} words are fewer than {least}, those of a step and the ones behind them")
    return data


def make_programs(options: argparse.Namespace, data: verses.Data, stored: dict[str, Any]) -> LstmPrograms:
    return LstmPrograms(make_model(options, len(data.vocabulary)))


def title(options: argparse.Namespace) -> str:
    return f"{options.layers} LSTMs of {options.units}, rate {options.rate}"


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    return trainer.run_guarded("train_lstm", arguments, lambda: parse(arguments), make_programs, title, load)


if __name__ == "__main__":
    sys.exit(main())
