"""Writes annotated MLIR for convolutional networks, plain and residual.

``Cnn`` is described by its layers, or made by ``plain`` and ``residual``; its module
has three functions: ``@loss``, marked for differentiation; ``@step``, which calls its
gradient and updates parameters, running statistics and sensitivities in place;
``@predict``, the forward pass with the running statistics. The compiler adds
``@loss_recalibrate``, which moves these to the statistics of a batch without dropout
(``sparsedrop-recalibrate``). Channels of what a
convolution reads are dropped (``ChannelDropout``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator, Sequence

from sparsedrop.cnn_layers import (
    CHANNEL_SCALES,
    CRITERIA,
    DEFAULT,
    LARGEST,
    POOLS,
    Block,
    ChannelDropout,
    Conv,
    Convolution,
    Image,
    Layer,
    Place,
    Pool,
    Pooling,
    Residual,
)
from sparsedrop.cnn_text import CnnWriter
from sparsedrop.models import expect, expect_keyword, expect_training
from sparsedrop.module_text import WIDE, Named

__all__ = [
    "CHANNEL_SCALES",
    "CRITERIA",
    "LAYOUTS",
    "POOLS",
    "SENSITIVITY_OF",
    "ChannelDropout",
    "Cnn",
    "Conv",
    "Pool",
    "Residual",
    "plain",
    "residual",
]

LAYOUTS = ("nhwc", "nchw")
SENSITIVITY_OF = ("batch", "sample")
FEWEST_CHANNELS = 32
"""Convolutions that read fewer drop none unless they say so."""


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

    ``lazy_statistics`` leaves those of a channel as they are in a step that drops the
    channel everywhere: its part of the convolution that makes it is then not computed.
    Sensitivities are changes of the loss of a whole ``batch`` or sums of the changes
    of each ``sample``: ``sensitivity_of``.
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
    lazy_statistics: bool = True
    sensitivity_of: str = "batch"
    dtype: str = "f32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        expect(len(self.size) == 2, "a height and a width", self.size)
        for name, value in (("batch", self.batch), ("channels", self.channels), ("classes", self.classes)):
            expect(1 <= value < LARGEST, f"{name} in [1, {LARGEST})", value)
        for extent in self.size:
            expect(1 <= extent < LARGEST, f"a size in [1, {LARGEST})", extent)
        expect_keyword("layout", self.layout, LAYOUTS)
        expect_keyword("sensitivity_of", self.sensitivity_of, SENSITIVITY_OF)
        expect_training(self)
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

    def sole_readers(self) -> dict[str, Convolution]:
        """The site that alone reads what a convolution makes, by the name of this
        one: channels that it drops are dropped everywhere."""
        result: dict[str, Convolution] = {}
        made: list[str] = []
        for place in self.places:
            if isinstance(place, Pooling):
                continue
            inner = place.convolutions if isinstance(place, Block) else (place,)
            pairs = [([first.name], second) for first, second in zip(inner, inner[1:])]
            # What goes into a block is read by its shortcut, too.
            pairs += [] if isinstance(place, Block) else [(made, place)]
            result.update((name, reader) for names, reader in pairs for name in names if reader.dropout)
            made = [inner[-1].name]
            if isinstance(place, Block) and place.projection:
                made.append(place.projection.name)
        return result

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

    @property
    def loss_arguments(self) -> list[Named]:
        """Names and shapes of the arguments of ``@loss``, besides seed and step; those
        of ``@loss_recalibrate``, which takes a share behind them."""
        known = [*self.parameters(), *self.statistics(), *self.channel_arrays()]
        return [*self.arguments[:2], *known, *self.rates()]

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
