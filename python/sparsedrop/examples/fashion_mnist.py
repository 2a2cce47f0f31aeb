"""Fashion-MNIST as Debian installs it: gzipped IDX files."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sparsedrop import Error

#: Where the package ``dataset-fashion-mnist`` puts its files.
DEFAULT_FOLDER = Path("/usr/share/datasets/fashion-mnist")
CLASSES = 10
SIZE = (28, 28)
FILES = tuple(
    f"{name}-{kind}-ubyte.gz" for name in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)


def read_idx(path: Path, rank: int) -> np.ndarray:
    """The bytes of an IDX file (Y. LeCun's format: two zeros, the type 8 of
    unsigned bytes, the rank, big-endian sizes, data) of ``rank`` dimensions."""
    try:
        data = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Error(f"{path}: not a complete gzip file: {error}") from error
    except OSError as error:
        raise Error(f"{path}: {error.strerror}") from error
    header = 4 + 4 * rank
    if len(data) < header or data[:4] != bytes([0, 0, 8, rank]):
        raise Error(f"{path}: not an IDX file of bytes with {rank} dimensions")
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank))
    if len(data) - header != math.prod(shape):
        raise Error(f"{path}: expected {math.prod(shape)} bytes for {shape}, but got {len(data) - header}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


@dataclass(frozen=True)
class Data:
    """Images as rows of f32 and labels of a training set and a test set."""

    images: np.ndarray
    labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    digest: str = ""

    def describe(self) -> dict[str, Any]:
        """For the log, and to know the same data again: SHA-256 of the bytes."""
        return {"training": len(self.labels), "test": len(self.test_labels), "sha256": self.digest}

    #: What is counted.
    unit = "images"

    def check(self, batch: int, held_out: int) -> None:
        """Raises ``Error`` if less than a batch is left for training."""
        if len(self.labels) - held_out < batch:
            less = f" less {held_out} held out" if held_out else ""
            raise Error(f"{len(self.labels)} training images{less} are fewer than a batch of {batch}")

    def split(self, held_out: int) -> Data:
        """The first images for training and the last ``held_out`` of the
        training set for testing: the real test set is not touched."""
        if not 0 < held_out < len(self.labels):
            raise Error(f"expected to hold out 1 to {len(self.labels) - 1} images, but got {held_out}")
        return Data(
            self.images[:-held_out],
            self.labels[:-held_out],
            self.images[-held_out:],
            self.labels[-held_out:],
            self.digest,
        )


def _read_pair(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    images = read_idx(folder / f"{name}-images-idx3-ubyte.gz", 3)
    labels = read_idx(folder / f"{name}-labels-idx1-ubyte.gz", 1)
    if images.shape[1:] != SIZE:
        raise Error(f"{folder}: images of {images.shape[1]}x{images.shape[2]} pixels, expected 28x28 ({name})")
    if not len(labels):
        raise Error(f"{folder}: no images ({name})")
    if len(images) != len(labels):
        raise Error(f"{folder}: {len(images)} images, but {len(labels)} labels ({name})")
    if labels.max() >= CLASSES:
        raise Error(f"{folder}: a label is {labels.max()}, expected less than {CLASSES} ({name})")
    return images.reshape(len(images), math.prod(images.shape[1:])), labels


def load(folder: Path = DEFAULT_FOLDER, limit: int | None = None) -> Data:
    """Reads the data set; of the training set the first ``limit`` images.

    Images are scaled to [0, 1], less the mean of the training set.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise Error(
            f"{folder} has no {missing[0]} of Fashion-MNIST; install it with 'apt-get install dataset-fashion-mnist', "
            "or name its folder with --data"
        )
    images, labels = _read_pair(folder, "train")
    test_images, test_labels = _read_pair(folder, "t10k")
    images, labels = images[:limit], labels[:limit]
    digest = hashlib.sha256()
    for part in (images, labels, test_images, test_labels):
        digest.update(part.tobytes())
    scaled = images.astype(np.float32) / 255
    mean = np.float32(scaled.mean(dtype=np.float64))
    test_scaled = test_images.astype(np.float32) / 255
    return Data(scaled - mean, labels, test_scaled - mean, test_labels, digest.hexdigest())
