"""Writes annotated MLIR for convolutional networks, plain and residual.

``Cnn`` is described by its layers, or made by ``plain`` and ``residual``; its module
has five functions: ``@loss``, marked for differentiation; ``@step``, which calls its
gradient and updates parameters, running statistics and sensitivities in place;
``@predict``, the forward pass with the running statistics; ``@recalibrate``, which
moves these to the statistics of a batch without dropout. Channels of what a
convolution reads are dropped (``ChannelDropout``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator, Sequence, Union

from sparsedrop.cnn_text import CnnWriter
from sparsedrop.models import DTYPES, OPTIMIZERS, expect, expect_keyword
from sparsedrop.module_text import WIDE, Named, number

LAYOUTS = ("nhwc", "nchw")
CRITERIA = ("sensitivity", "importance", "uniform")
CHANNEL_SCALES = ("energy", "inverse", "none")
POOLS = ("max", "average")
LARGEST = 2**31
FEWEST_CHANNELS = 32
"""Convolutions that read fewer drop none unless they say so."""


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
        if self.temperature != 0.5:
            parts.append(f"temperature = {number(self.temperature)}")
        return "sparsedrop.dropout = #sparsedrop.dropout<" + ", ".join(parts) + ">"

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


class _Planner:
    """Gives layers their names, sites and shapes."""

    def __init__(self, model: Cnn):
        self.model, self.image = model, Image(*model.size, model.channels)
        self.counts = dict.fromkeys(("conv", "pool", "shortcut"), 0)

    def name(self, kind: str) -> str:
        self.counts[kind] += 1
        return f"{kind}{self.counts[kind]}"

    def convolution(self, layer: Conv, source: Image, kind: str = "conv") -> Convolution:
        name, dropout = self.name(kind), layer.dropout
        if dropout == DEFAULT:
            eligible = name != "conv1" and source.channels >= FEWEST_CHANNELS
            dropout = self.model.dropout if eligible else None
        if dropout is not None and not dropout.rate:
            dropout = None
        result = source.windows(layer.kernel, layer.stride, layer.padding, layer.channels)
        return Convolution(name, layer, source, result, dropout)

    def block(self, layer: Residual) -> Block:
        source, places = self.image, []
        for conv in layer.layers:
            places.append(self.convolution(conv, places[-1].result if places else source))
        result, projection = places[-1].result, None
        if result != source:
            stride = 1
            for conv in layer.layers:
                stride *= conv.stride
            conv = Conv(result.channels, 1, stride, relu=False, dropout=layer.projection_dropout)
            projection = self.convolution(conv, source, "shortcut")
            same = projection.result == result
            expect(same, f"a block whose shortcut makes {projection.result}", result)
        return Block(tuple(places), projection)

    def place(self, layer: Layer) -> Place:
        expect(isinstance(layer, (Conv, Pool, Residual)), "layers of Conv, Pool and Residual", layer)
        if isinstance(layer, Residual):
            block = self.block(layer)
            self.image = block.convolutions[-1].result
            return block
        if isinstance(layer, Conv):
            place: Place = self.convolution(layer, self.image)
        else:
            result = self.image.windows(layer.size, layer.stride, layer.padding, self.image.channels)
            place = Pooling(self.name("pool"), layer, self.image, result)
        self.image = place.result
        return place


@dataclass(frozen=True)
class Cnn:
    """A convolutional network and how it is trained.

    ``layers`` of ``Conv``, ``Pool`` and ``Residual`` are followed by the average
    over the image and a linear classifier. ``dropout`` is that of every eligible
    convolution: not of the first, of those that read fewer than 32 channels, of
    projections. Images and weights are nhwc and hwcf, or nchw and fchw.
    ``@step`` takes ``arguments`` and returns the loss, the new parameters, optimizer's
    state, running statistics and channel arrays, all in place. Bad options raise a
    ``ValueError``.

    Optimizers, ``decay`` and ``dtype`` are those of ``Mlp``; gammas, betas, biases
    and statistics are f32 where ``dtype`` has 16 bits. Running statistics move by
    ``blend`` of the way to a batch's; the variance that they keep is the unbiased one.
    """

    layers: Sequence[Layer]
    batch: int
    size: tuple[int, int] = (28, 28)
    channels: int = 1
    classes: int = 10
    dropout: ChannelDropout | None = None
    layout: str = "nhwc"
    optimizer: str = "sgd"
    momentum: float = 0.9
    decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    blend: float = 0.1
    norm_epsilon: float = 1e-5
    dtype: str = "f32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        expect(len(self.size) == 2, "a height and a width", self.size)
        for name, value in (("batch", self.batch), ("channels", self.channels), ("classes", self.classes)):
            expect(1 <= value < LARGEST, f"{name} in [1, {LARGEST})", value)
        for extent in self.size:
            expect(1 <= extent < LARGEST, f"a size in [1, {LARGEST})", extent)
        expect_keyword("layout", self.layout, LAYOUTS)
        expect_keyword("optimizer", self.optimizer, OPTIMIZERS)
        expect_keyword("dtype", self.dtype, DTYPES)
        expect(0 <= self.momentum < 1, "momentum in [0, 1)", self.momentum)
        expect(0 <= self.decay < 1, "decay in [0, 1)", self.decay)
        expect(len(self.betas) == 2, "two betas", len(self.betas))
        for beta in self.betas:
            expect(0 <= beta < 1, "betas in [0, 1)", beta)
        expect(0 < self.epsilon <= 1, "epsilon in (0, 1]", self.epsilon)
        expect(0 < self.blend <= 1, "blend in (0, 1]", self.blend)
        expect(0 < self.norm_epsilon <= 1, "norm_epsilon in (0, 1]", self.norm_epsilon)
        planner = _Planner(self)
        object.__setattr__(self, "places", tuple(map(planner.place, self.layers)))
        object.__setattr__(self, "features", planner.image)
        for conv in self.convolutions():
            values = self.batch * conv.result.height * conv.result.width
            expect(values > 1 or not conv.layer.norm, f"more than one value a channel in {conv.name}", values)

    def convolutions(self) -> Iterator[Convolution]:
        """All of them, a projection before the convolutions of its block."""
        for place in self.places:
            if isinstance(place, Convolution):
                yield place
            if isinstance(place, Block):
                if place.projection:
                    yield place.projection
                yield from place.convolutions

    def sites(self) -> list[Convolution]:
        """The convolutions that drop channels."""
        return [conv for conv in self.convolutions() if conv.dropout]

    def parameters(self) -> list[Named]:
        """Names and shapes of the parameters."""
        result = [named for conv in self.convolutions() for named in conv.parameters(self.layout)]
        return [*result, ("fc_weight", (self.features.channels, self.classes)), ("fc_bias", (self.classes,))]

    def state(self) -> list[Named]:
        """Names and shapes of what the optimizer keeps from step to step."""
        kinds = {"sgd": (), "momentum": ("m",), "adam": ("m", "v")}[self.optimizer]
        return [(f"{kind}_{name}", shape) for kind in kinds for name, shape in self.parameters()]

    def statistics(self) -> list[Named]:
        """Names and shapes of the running means and variances."""
        return [
            (f"{conv.name}_{what}", (conv.result.channels,))
            for conv in self.convolutions()
            if conv.layer.norm
            for what in ("mean", "variance")
        ]

    def channel_arrays(self) -> list[Named]:
        """Names and shapes of the sensitivities and importances."""
        return [
            (f"{conv.name}_{what}", (conv.source.channels,)) for conv in self.sites() for what in conv.dropout.arrays()
        ]

    def updated(self) -> list[Named]:
        """Names and shapes of what ``@step`` updates: its results after the loss."""
        return [*self.parameters(), *self.state(), *self.statistics(), *self.channel_arrays()]

    def rates(self) -> list[Named]:
        """Names of the rates that a step takes, numbers of f32: one a site."""
        return [(f"{conv.name}_rate", ()) for conv in self.sites() if conv.dropout.scheduled]

    def type_of(self, name: str) -> str:
        """The element type of an argument or result of ``@step``."""
        if any(name == other for other, _ in [*self.channel_arrays(), *self.rates()]):
            return "f32"
        is_narrow = name == "x" or (name.endswith("_weight") and name[:2] not in ("m_", "v_"))
        return self.dtype if is_narrow else WIDE[self.dtype]

    @property
    def arguments(self) -> list[Named]:
        """Names and shapes of the arguments of ``@step``, besides seed and step."""
        x = ("x", Image(*self.size, self.channels).shape(self.batch, self.layout))
        target = ("target", (self.batch, self.classes))
        return [x, target, *self.updated(), *self.rates(), ("learning_rate", ())]

    def mlir(self) -> str:
        """The module's text."""
        return CnnWriter(self).module()


def plain(widths: Sequence[int], batch: int, *, depth: int = 2, pool: str = "max", **options) -> Cnn:
    """Stages of ``depth`` convolutions each, with the widths and pooling between
    them; options are the fields of ``Cnn``."""
    expect(len(widths) >= 1, "at least one width", len(widths))
    expect(depth >= 1, "a depth of at least 1", depth)
    layers: list[Layer] = []
    for width in widths:
        layers += [Pool(pool)] * bool(layers) + [Conv(width)] * depth
    return Cnn(layers, batch, **options)


def residual(widths: Sequence[int], batch: int, *, depth: int = 2, **options) -> Cnn:
    """A convolution, then stages of ``depth`` residual blocks of two convolutions;
    the first of a stage halves the images, but in the first stage. As ResNets for
    small images are (He et al. 2016); options are the fields of ``Cnn``."""
    expect(len(widths) >= 1, "at least one width", len(widths))
    expect(depth >= 1, "a depth of at least 1", depth)
    layers: list[Layer] = [Conv(widths[0])]
    for stage, width in enumerate(widths):
        for block in range(depth):
            first = Conv(width, stride=2 if stage and not block else 1)
            layers.append(Residual([first, replace(first, stride=1)]))
    return Cnn(layers, batch, **options)
