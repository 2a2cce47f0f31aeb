"""A text of verses in books, as numbers of words: by default the King James Bible that
Debian's ``bible-kjv`` prints."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sparsedrop import Error

VERSE = re.compile(r"([1-3]?[A-Za-z]+)\d+:\d+ (.*)")
"""A line: the book, chapter and verse, the text."""

WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d+|[^\w\s]")
END, UNKNOWN = "<end>", "<unknown>"

#: Of so many books in a row one is for testing.
BOOKS = 8


@dataclass(frozen=True)
class Data:
    """Words of a training and of a test set, i32 below ``len(vocabulary)``."""

    words: np.ndarray
    test_words: np.ndarray
    vocabulary: tuple[str, ...]
    digest: str = ""

    #: What is counted.
    unit = "words"

    def describe(self) -> dict[str, Any]:
        """For the log, and to know the same data again: SHA-256 of the words."""
        count = len(self.vocabulary)
        return {"training": len(self.words), "test": len(self.test_words), "vocabulary": count, "sha256": self.digest}

    def check(self, batch: int, held_out: int) -> None:
        """Raises ``Error`` if less than two words for each text of a batch are left."""
        for what, count in (("training", len(self.words) - held_out), ("test", len(self.test_words))):
            if count < 2 * batch:
                raise Error(f"{count} {what} words are fewer than two for each of {batch} texts")

    def split(self, held_out: int) -> Data:
        """The first words for training and the last ``held_out`` of the training set
        for testing: the real test set is not touched."""
        if not 0 < held_out < len(self.words):
            raise Error(f"expected to hold out 1 to {len(self.words) - 1} words, but got {held_out}")
        return replace(self, words=self.words[:-held_out], test_words=self.words[-held_out:])


def read_lines(path: Path | None) -> list[str]:
    """The lines of a file, or of Debian's Bible."""
    try:
        if path is not None:
            return path.read_text().splitlines()
        done = subprocess.run(["bible", "-f"], input="gen1:1-rev22:21\n", capture_output=True, text=True, check=True)
        return done.stdout.splitlines()
    except FileNotFoundError as error:
        if path is not None:
            raise Error(f"{path}: {error.strerror}") from error
        raise Error(
            "there is no program 'bible'; install it with 'apt-get install bible-kjv', or name a text with --data"
        ) from None
    except subprocess.CalledProcessError as error:
        raise Error(f"'bible -f' failed: {error.stderr.strip()}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Error(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def read_books(path: Path | None) -> dict[str, list[str]]:
    """The words of each book, in order; each verse ends with ``END``."""
    books: dict[str, list[str]] = {}
    for number, line in enumerate(read_lines(path), 1):
        verse = VERSE.fullmatch(line.strip())
        if verse:
            books.setdefault(verse[1], []).extend([*WORD.findall(verse[2]), END])
        elif line.strip() and path is not None:
            raise Error(f"{path}:{number}: expected a verse such as 'Ge1:1 In the beginning', but got {line.strip()[:40]!r}")
    if len(books) < 2:
        raise Error(f"{path or 'bible'}: expected verses of at least two books, one for testing, but got {len(books)}")
    return books


def load(path: Path | None = None, limit: int | None = None, vocabulary: int = 10000) -> Data:
    """Reads the text; of the training set the first ``limit`` words. Every eighth book,
    or the last of fewer, is the test set. The vocabulary has the most frequent words of
    the training set; all others are one word, ``UNKNOWN``."""
    books = list(read_books(path).values())
    of_test = set(range(BOOKS - 1, len(books), BOOKS)) or {len(books) - 1}
    train = [word for i, book in enumerate(books) if i not in of_test for word in book][:limit]
    test = [word for i in sorted(of_test) for word in books[i]]
    # Of equally frequent words the first in the text come first.
    known = (UNKNOWN, *(word for word, _ in Counter(train).most_common(vocabulary - 1)))
    numbers = {word: i for i, word in enumerate(known)}
    arrays = [np.array([numbers.get(word, 0) for word in words], np.int32) for words in (train, test)]
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays))
    return Data(*arrays, known, digest.hexdigest())
