"""SparseDrop: dropout that removes work.

    import sparsedrop
    step = sparsedrop.compile("model.mlir", entry="step", mode="compact")
    loss, *parameters = step(x, target, *parameters, seed=0, step=7)

``compile`` turns a function of an annotated MLIR module into a callable on
NumPy arrays, or for a GPU on those of PyTorch, CuPy and others, ``report`` tells what each product costs, ``sample`` and ``search``
draw patterns and find distributions, ``sparsedrop.models`` writes the MLIR of
multilayer perceptrons, ``sparsedrop.cnn`` that of convolutional networks.
"""

from ._arrays import Slot
from ._library import Diagnostic, Error, library, set_threads, threads
from .compiler import MODES, Costs, Function, compile, opt, report
from .device import Device, DeviceArray, DeviceInfo, Memory, Statistics
from .graph import Graph
from .patterns import Pattern, sample, sample_channel, sample_row, sample_tile, search

__version__ = "0.1.0"
__all__ = [
    "MODES",
    "Costs",
    "Device",
    "DeviceArray",
    "DeviceInfo",
    "Diagnostic",
    "Error",
    "Function",
    "Graph",
    "Memory",
    "Pattern",
    "Slot",
    "Statistics",
    "compile",
    "opt",
    "report",
    "sample",
    "sample_channel",
    "sample_row",
    "sample_tile",
    "search",
    "set_threads",
    "threads",
    "version",
]


def version() -> str:
    """Versions of SparseDrop and of MLIR in the loaded library."""
    return library().compiler_version_text().decode()
