"""Checkpoints: one file, written whole or not at all, refused when damaged."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from sparsedrop import Error

MAGIC = b"sparsedrop checkpoint 1\n"


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces the file at ``path`` at once; a failure leaves it as it was."""
    folder = path.parent
    try:
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
    except OSError as error:
        raise Error(f"{path}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        os.unlink(name)
        raise Error(f"{path}: cannot be written: {error.strerror}") from error
    except BaseException:
        os.unlink(name)
        raise


def save(path: Path, meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Writes ``meta`` (JSON) and ``arrays``, with a checksum over both."""
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(meta, allow_nan=False).encode(), np.uint8)
    np.savez(buffer, meta=text, **{f"array:{name}": array for name, array in arrays.items()})
    payload = buffer.getvalue()
    write_atomically(path, MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)


def load(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What ``save`` wrote. Raises ``Error`` unless every byte is as written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Error(f"{path}: {error.strerror}") from error
    start = len(MAGIC) + 65
    if not content.startswith(MAGIC) or len(content) < start:
        raise Error(f"{path}: not a checkpoint")
    payload = content[start:]
    if content[len(MAGIC) : start] != hashlib.sha256(payload).hexdigest().encode() + b"\n":
        raise Error(f"{path}: damaged: its checksum does not fit")
    try:
        with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
            meta = json.loads(stored["meta"].tobytes())
            arrays = {name[6:]: stored[name] for name in stored.files if name.startswith("array:")}
    except (AttributeError, KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise Error(f"{path}: not a checkpoint: {error}") from error
    if not isinstance(meta, dict):
        raise Error(f"{path}: not a checkpoint")
    return meta, arrays
