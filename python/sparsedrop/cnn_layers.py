"""The layers of convolutional networks, as they are described and as they stand in a
network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Union

from sparsedrop.models import expect, expect_keyword
from sparsedrop.module_text import Named, number

CRITERIA = ("sensitivity", "importance", "uniform")
INFINITY = "0x7FF0000000000000"
"""As MLIR writes it."""
CHANNEL_SCALES = ("energy", "inverse", "none")
POOLS = ("max", "average")
LARGEST = 2**31


@dataclass(frozen=True)
class ChannelDropout:
    """Drops input channels of a convolution, the same ones for the whole batch.

    ``rate`` is the share of channels that is dropped, in [0, 1); the number of kept
    ones is a multiple of ``multiple``, in blocks of ``granularity`` neighbours.
    ``criterion`` is what chooses them: ``sensitivity`` (the loss that a channel
    costs, to first order), ``importance`` (its mean magnitude) or ``uniform``
    (chance). ``temperature`` weighs chance against the criterion: near 0 the best
    are kept, a negative one keeps the worst. ``scale`` multiplies what is kept:
    ``energy``, ``inverse`` of the kept share, ``none``. With ``scheduled`` the step
    takes the rate as an argument.
    """

    rate: float
    multiple: int = 8
    granularity: int = 1
    criterion: str = "sensitivity"
    temperature: float = 0.5
    scale: str = "energy"
    scheduled: bool = True

    def __post_init__(self) -> None:
        expect(0 <= self.rate < 1, "a rate in [0, 1)", self.rate)
        expect(1 <= self.multiple < LARGEST, "a multiple of at least 1", self.multiple)
        expect(1 <= self.granularity < LARGEST, "a granularity of at least 1", self.granularity)
        expect_keyword("criterion", self.criterion, CRITERIA)
        expect_keyword("scale", self.scale, CHANNEL_SCALES)
        finite = self.temperature != 0 and abs(self.temperature) < float("inf")
        expect(finite, "a temperature that is finite and not 0", self.temperature)

    def annotation(self, site: str) -> str:
        """The attribute of the convolution."""
        parts = [f'channel, operand = 0, rate = {number(self.rate)}, site = "{site}"']
        if self.granularity != 1:
            parts.append(f"granularity = {self.granularity}")
        if self.multiple != 8:
            parts.append(f"multiple = {self.multiple}")
        parts.append(f"scale = {self.scale}")
        if self.noise():
            parts.append(f"temperature = {self.noise()}")
        return "sparsedrop.dropout = #sparsedrop.dropout<" + ", ".join(parts) + ">"

    def pattern(self) -> str:
        """The type of its patterns."""
        granularity = f", granularity = {self.granularity}" if self.granularity != 1 else ""
        return f"!sparsedrop.pattern<channel{granularity}>"

    def noise(self) -> str:
        """The temperature, as MLIR writes it; empty for the default. Infinite where
        chance alone chooses: importances, which scale by energy, would otherwise."""
        if self.criterion == "uniform":
            return INFINITY
        return number(self.temperature) if self.temperature != 0.5 else ""

    def arrays(self) -> tuple[str, ...]:
        """What is kept for each channel from step to step."""
        importance = self.scale == "energy" or self.criterion == "importance"
        return ("sensitivity",) * (self.criterion == "sensitivity") + ("importance",) * importance


DEFAULT = "default"
"""Of a convolution: drops as its model does."""


@dataclass(frozen=True)
class Conv:
    """A square convolution, then batch norm (or a bias), then relu.

    ``padding`` is (kernel - 1) // 2 unless it is given. ``dropout`` is the model's
    for the convolutions that are eligible; another one, or None, overrides that.
    """

    channels: int
    kernel: int = 3
    stride: int = 1
    padding: int | None = None
    norm: bool = True
    relu: bool = True
    dropout: Union[ChannelDropout, str, None] = DEFAULT

    def __post_init__(self) -> None:
        expect(1 <= self.channels < LARGEST, f"channels in [1, {LARGEST})", self.channels)
        expect(1 <= self.kernel < LARGEST, f"a kernel in [1, {LARGEST})", self.kernel)
        expect(1 <= self.stride < LARGEST, f"a stride in [1, {LARGEST})", self.stride)
        if self.padding is None:
            object.__setattr__(self, "padding", (self.kernel - 1) // 2)
        expect(0 <= self.padding < self.kernel, f"a padding in [0, {self.kernel})", self.padding)
        known = self.dropout is None or self.dropout == DEFAULT or isinstance(self.dropout, ChannelDropout)
        expect(known, f"dropout to be a ChannelDropout, None or {DEFAULT!r}", self.dropout)


@dataclass(frozen=True)
class Pool:
    """The maximum or the average over square windows, ``stride`` apart (by default
    their size). Padding counts as zeros in an average and not in a maximum."""

    kind: str = "max"
    size: int = 2
    stride: int | None = None
    padding: int = 0

    def __post_init__(self) -> None:
        expect_keyword("kind", self.kind, POOLS)
        expect(1 <= self.size < LARGEST, f"a size in [1, {LARGEST})", self.size)
        if self.stride is None:
            object.__setattr__(self, "stride", self.size)
        expect(1 <= self.stride < LARGEST, f"a stride in [1, {LARGEST})", self.stride)
        expect(0 <= self.padding <= self.size // 2, f"a padding in [0, {self.size // 2}]", self.padding)


@dataclass(frozen=True)
class Residual:
    """Convolutions whose result is added to what they read, before the last relu.
    Where the shapes differ, what they read goes through a 1x1 convolution with batch
    norm, the projection; it drops no channels unless ``projection_dropout`` says so."""

    layers: Sequence[Conv]
    projection_dropout: ChannelDropout | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        expect(len(self.layers) >= 1, "at least one convolution in a residual block", len(self.layers))
        for layer in self.layers:
            expect(isinstance(layer, Conv), "convolutions in a residual block", layer)


Layer = Union[Conv, Pool, Residual]


@dataclass(frozen=True)
class Image:
    """The shape of the images of a batch."""

    height: int
    width: int
    channels: int

    def windows(self, size: int, stride: int, padding: int, channels: int) -> Image:
        """What windows make of it."""
        height, width = ((n + 2 * padding - size) // stride + 1 for n in (self.height, self.width))
        room = min(self.height, self.width) + 2 * padding
        expect(room >= size, f"images of at least {size} pixels a side with their padding", room)
        return Image(height, width, channels)

    def shape(self, batch: int, layout: str) -> tuple[int, ...]:
        if layout == "nchw":
            return (batch, self.channels, self.height, self.width)
        return (batch, self.height, self.width, self.channels)


@dataclass(frozen=True)
class Convolution:
    """A convolution in its place: its name (that of its site), what it reads and
    what it makes."""

    name: str
    layer: Conv
    source: Image
    result: Image
    dropout: ChannelDropout | None

    def weight_shape(self, layout: str) -> tuple[int, ...]:
        """Of hwcf or fchw."""
        window, channels = (self.layer.kernel, self.layer.kernel), (self.source.channels, self.result.channels)
        return (*channels[::-1], *window) if layout == "nchw" else (*window, *channels)

    def operations(self) -> int:
        """Multiplications of a dense forward pass, for an image."""
        pixels = self.result.height * self.result.width
        return pixels * self.layer.kernel**2 * self.source.channels * self.result.channels

    def parameters(self, layout: str) -> list[Named]:
        vectors = ("gamma", "beta") if self.layer.norm else ("bias",)
        weight = (f"{self.name}_weight", self.weight_shape(layout))
        return [weight, *((f"{self.name}_{vector}", (self.result.channels,)) for vector in vectors)]


@dataclass(frozen=True)
class Pooling:
    """A pooling in its place."""

    name: str
    layer: Pool
    source: Image
    result: Image


@dataclass(frozen=True)
class Block:
    """A residual block in its place; ``projection`` is None for an identity."""

    convolutions: tuple[Convolution, ...]
    projection: Convolution | None


Place = Union[Convolution, Pooling, Block]
