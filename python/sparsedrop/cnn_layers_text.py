"""The text of a network's layers: what both passes of ``sparsedrop.cnn`` are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparsedrop.cnn_layers import Block, Convolution, Image, Pooling
from sparsedrop.module_text import ITERATORS, Named, Operand
from sparsedrop.training_text import TrainingWriter

if TYPE_CHECKING:
    from sparsedrop.cnn import Cnn

WEIGHTS = {"nhwc": "hwcf", "nchw": "fchw"}
MINUS_INFINITY = {"f32": "0xFF800000", "f64": "0xFFF0000000000000", "bf16": "0xFF80", "f16": "0xFC00"}


class LayerWriter(TrainingWriter):
    """Writes the layers of a model."""

    def __init__(self, model: Cnn):
        super().__init__(model)
        self.x, self.target = model.arguments[:2]
        self.layout = model.layout
        self.drops = self.measures = True

    # Pieces
    def type(self, named: Named) -> str:
        """Rates are numbers, everything else is a tensor."""
        return self.model.type_of(named[0]) if named in self.model.rates() else super().type(named)

    def shape(self, image: Image) -> tuple[int, ...]:
        return image.shape(self.model.batch, self.layout)

    def image(self, name: str, value: str, image: Image) -> Operand:
        return Operand(name, value, self.shape(image), self.layout, self.t)

    def channels(self, name: str, value: str, image: Image, loops: str = "channel") -> Operand:
        """A vector of the channels, read by an op on images or on vectors."""
        map = "vector" if loops == "vector" else f"{self.layout}_c"
        return Operand(name, value, (image.channels,), map, self.wide)

    def zero(self) -> str:
        return "zero_16" if self.is_narrow else "zero"

    def constants(self) -> None:
        """What the layers read."""
        self.constant("zero", 0)
        if self.is_narrow:
            self.constant("zero_16", 0, self.t)
        if any(conv.layer.norm for conv in self.model.convolutions()):
            self.constant("norm_epsilon", self.model.norm_epsilon)

    def spatial(self, first: int, second: int) -> list[int]:
        """For the four dimensions of images: the values for height and width."""
        return [0, 0, first, second] if self.layout == "nchw" else [0, first, second, 0]

    def pad(self, name: str, value: str, image: Image, size: int, stride: int, padding: int, filler: str) -> tuple:
        """The images with as much padding as windows read; value and shape."""
        extents = (image.height, image.width)
        reach = [((n + 2 * padding - size) // stride) * stride + size - n - padding for n in extents]
        high = [max(0, n) for n in reach]
        if not padding and not any(high):
            return value, self.shape(image)
        low, high = self.spatial(padding, padding), self.spatial(*high)
        shape = tuple(n + a + b for n, a, b in zip(self.shape(image), low, high))
        self.emit(f"%{name} = tensor.pad %{value} low{low} high{high} {{")
        self.emit("^bb0(%i: index, %j: index, %k: index, %l: index):", 4)
        self.emit(f"tensor.yield %{filler} : {self.t}", 6)
        self.emit(f"}} : {self.tensor(self.shape(image))} to {self.tensor(shape)}")
        return name, shape

    # Convolutions
    def product(self, conv: Convolution, value: str) -> Operand:
        """The convolution itself."""
        name, layer, out = conv.name, conv.layer, self.shape(conv.result)
        value, read = self.pad(
            f"{name}_pad", value, conv.source, layer.kernel, layer.stride, layer.padding, self.zero()
        )
        self.empty(f"{name}_empty", out)
        self.fill(f"{name}_zeros", self.zero(), f"{name}_empty", out)
        attributes = [f"strides = dense<{layer.stride}> : tensor<2xi64>"] if layer.stride > 1 else []
        if conv.dropout and self.drops:
            attributes.append(conv.dropout.annotation(name))
        self.emit(f"%{name}_product = linalg.conv_2d_{self.layout}_{WEIGHTS[self.layout]}")
        if attributes:
            self.emit(f"{{{', '.join(attributes)}}}", 6)
        weight = self.tensor(conv.weight_shape(self.layout))
        self.emit(f"ins(%{value}, %{name}_weight : {self.tensor(read)}, {weight})", 6)
        self.emit(f"outs(%{name}_zeros : {self.tensor(out)}) -> {self.tensor(out)}", 6)
        return self.image("p", f"{name}_product", conv.result)

    def measure(self, conv: Convolution, product: Operand) -> None:
        """Mean and variance of each channel: %name_batch#0 and #1. What is summed is
        the distance from the running mean: squares of it lose little."""
        name, image = conv.name, conv.result
        self.empty(f"{name}_vector", (image.channels,), self.wide)
        self.fill(f"{name}_zero", "zero", f"{name}_vector", (image.channels,), self.wide)
        self.constant(f"{name}_size", self.model.batch * image.height * image.width)
        self.structured(
            f"{name}_sums",
            [product, self.channels("m", f"{name}_mean", image)],
            [self.channels(out, f"{name}_zero", image) for out in ("s", "v")],
            ["%d = arith.subf %p, %m", "%q = arith.mulf %d, %d", "%r = arith.addf %s, %d", "%u = arith.addf %v, %q"],
            ["%r", "%u"],
        )
        read = [("s", f"{name}_sums#0"), ("v", f"{name}_sums#1"), ("m", f"{name}_mean")]
        self.structured(
            f"{name}_batch",
            [self.channels(operand, value, image, "vector") for operand, value in read],
            [self.channels(out, f"{name}_vector", image, "vector") for out in ("a", "b")],
            [
                f"%d = arith.divf %s, %{name}_size",
                "%mean = arith.addf %d, %m",
                f"%q = arith.divf %v, %{name}_size",
                "%e = arith.mulf %d, %d",
                "%f = arith.subf %q, %e",
                "%variance = arith.maximumf %f, %zero",
            ],
            ["%mean", "%variance"],
        )

    def norm_factors(self, conv: Convolution, mean: str, variance: str) -> list[Operand]:
        """Normalised are x * %a + %b."""
        name, image = conv.name, conv.result
        read = {"m": mean, "v": variance, "g": f"{name}_gamma", "e": f"{name}_beta"}
        self.structured(
            f"{name}_factors",
            [self.channels(operand, value, image, "vector") for operand, value in read.items()],
            [self.channels(out, f"{name}_vector", image, "vector") for out in ("p", "q")],
            [
                "%t = arith.addf %v, %norm_epsilon",
                "%s = math.sqrt %t",
                "%a = arith.divf %g, %s",
                "%c = arith.mulf %m, %a",
                "%b = arith.subf %e, %c",
            ],
            ["%a", "%b"],
        )
        return [self.channels(operand, f"{name}_factors#{i}", image) for i, operand in enumerate("ab")]

    def finish(self, conv: Convolution, product: Operand, shortcut: str | None) -> str:
        """Batch norm or bias, the shortcut, relu."""
        name, image = conv.name, conv.result
        inputs, body = [product], []
        if conv.layer.norm:
            mean, variance = f"{name}_mean", f"{name}_variance"
            if self.measures:
                self.measure(conv, product)
                mean, variance = f"{name}_batch#0", f"{name}_batch#1"
            else:
                self.empty(f"{name}_vector", (image.channels,), self.wide)
            inputs += self.norm_factors(conv, mean, variance)
            body += ["%k = arith.mulf %p, %a", "%n = arith.addf %k, %b"]
        else:
            inputs.append(self.channels("b", f"{name}_bias", image))
            body.append("%n = arith.addf %p, %b")
        if shortcut:
            inputs.append(self.image("s", shortcut, image))
            body.append("%r = arith.addf %n, %s")
        if conv.layer.relu:
            body.append(f"%f = arith.maximumf {body[-1].split(' ')[0]}, %zero")
        self.generic(f"{name}_y", inputs, self.image("out", f"{name}_empty", image), body)
        return f"{name}_y"

    def convolution(self, conv: Convolution, value: str, shortcut: str | None = None) -> str:
        layer = conv.layer
        self.comment(f"{conv.name}: {layer.kernel}x{layer.kernel}, stride {layer.stride}, {layer.channels} channels.")
        return self.finish(conv, self.product(conv, value), shortcut)

    def block(self, block: Block, value: str) -> str:
        shortcut = self.convolution(block.projection, value) if block.projection else value
        *others, last = block.convolutions
        for conv in others:
            value = self.convolution(conv, value)
        return self.convolution(last, value, shortcut)

    # Pooling
    def pooling(self, place: Pooling, value: str) -> str:
        layer, name = place.layer, place.name
        self.comment(f"{name}: {layer.kind} of {layer.size}x{layer.size}, stride {layer.stride}.")
        out, is_max = self.shape(place.result), layer.kind == "max"
        self.empty(f"{name}_empty", out)
        apart = layer.stride == layer.size and not layer.padding
        read = self.split_windows if apart else self.windows
        if is_max:
            self.emit(f"%{name}_lowest = arith.constant {MINUS_INFINITY[self.t]} : {self.t}")
            self.fill(f"{name}_start", f"{name}_lowest", f"{name}_empty", out)
            return read(place, value, f"{name}_lowest", self.t)
        # Sums of 16-bit numbers are rounded once.
        self.empty(f"{name}_sum", out, self.wide)
        self.fill(f"{name}_start", "zero", f"{name}_sum", out, self.wide)
        self.constant(f"{name}_size", layer.size**2)
        sums = Operand("a", read(place, value, self.zero(), self.wide), out, self.layout, self.wide)
        result = self.image("out", f"{name}_empty", place.result)
        self.generic(f"{name}_y", [sums], result, [f"%r = arith.divf %a, %{name}_size"])
        return f"{name}_y"

    def split_windows(self, place: Pooling, value: str, filler: str, t: str) -> str:
        """Windows side by side: dimensions of their own."""
        name, size, source, out = place.name, place.layer.size, place.source, place.result
        whole = Image(out.height * size, out.width * size, source.channels)
        if whole != source:
            shape = self.shape(whole)
            self.emit(f"%{name}_whole = tensor.extract_slice %{value}[0, 0, 0, 0] {list(shape)} [1, 1, 1, 1]")
            self.emit(f": {self.tensor(self.shape(source))} to {self.tensor(shape)}", 6)
            value = f"{name}_whole"
        n, c, window = self.model.batch, source.channels, (out.height, size, out.width, size)
        split = (n, c, *window) if self.layout == "nchw" else (n, *window, c)
        groups = "[[0], [1], [2, 3], [4, 5]]" if self.layout == "nchw" else "[[0], [1, 2], [3, 4], [5]]"
        self.emit(f"%{name}_windows = tensor.expand_shape %{value} {groups} output_shape {list(split)}")
        self.emit(f": {self.tensor(self.shape(whole))} into {self.tensor(split)}", 6)
        windows = Operand("a", f"{name}_windows", split, f"{self.layout}_windows", self.t)
        start = Operand("b", f"{name}_start", self.shape(out), f"{self.layout}_pooled", t)
        if place.layer.kind == "max":
            # Not of extended values: gradients go to the first of the largest.
            self.reduce(f"{name}_pooled", "maximumf", windows, start)
        else:
            self.generic(f"{name}_pooled", [windows], start, ["%r = arith.addf %a, %b"])
        return f"{name}_pooled"

    def reduce(self, name: str, op: str, source: Operand, start: Operand) -> None:
        """A reduction by an op on the elements' own type."""
        dims = [i for i, kind in enumerate(ITERATORS[start.map]) if kind == "reduction"]
        result = self.tensor(start.shape, start.type)
        self.emit(f"%{name} = linalg.reduce {{ arith.{op} }}")
        self.emit(f"ins(%{source.value} : {self.tensor(source.shape, source.type)})", 6)
        self.emit(f"outs(%{start.value} : {result}) dimensions = {dims}", 6)

    def windows(self, place: Pooling, value: str, filler: str, t: str) -> str:
        """Windows that overlap, or leave some out."""
        name, layer, out = place.name, place.layer, self.tensor(self.shape(place.result), t)
        value, shape = self.pad(f"{name}_pad", value, place.source, layer.size, layer.stride, layer.padding, filler)
        window = (layer.size, layer.size)
        self.empty(f"{name}_window", window)
        self.emit(f"%{name}_pooled = linalg.pooling_{self.layout}_{'max' if layer.kind == 'max' else 'sum'}")
        if layer.stride > 1:
            self.emit(f"{{strides = dense<{layer.stride}> : tensor<2xi64>}}", 6)
        self.emit(f"ins(%{value}, %{name}_window : {self.tensor(shape)}, {self.tensor(window)})", 6)
        self.emit(f"outs(%{name}_start : {out}) -> {out}", 6)
        return f"{name}_pooled"

    # Networks
    def head(self, value: str) -> None:
        """The average over the image, and the classifier: the logits are %y."""
        model, image = self.model, self.model.features
        features, logits = (model.batch, image.channels), (model.batch, model.classes)
        self.comment("The average over the image and the classifier.")
        self.constant("pixels", image.height * image.width)
        self.empty("features_empty", features, self.wide)
        self.fill("features_zero", "zero", "features_empty", features, self.wide)
        self.generic(
            "features_sum",
            [self.image("a", value, image)],
            Operand("s", "features_zero", features, f"{self.layout}_nc", self.wide),
            ["%r = arith.addf %a, %s"],
        )
        self.empty("features_out", features)
        self.generic(
            "features",
            [Operand("a", "features_sum", features, "matrix", self.wide)],
            Operand("out", "features_out", features, "matrix", self.t),
            ["%r = arith.divf %a, %pixels"],
        )
        out = self.tensor(logits)
        self.empty("logits_start", logits)
        self.fill("logits_zeros", self.zero(), "logits_start", logits)
        self.emit("%fc = linalg.matmul")
        self.emit(f"ins(%features, %fc_weight : {self.tensor(features)}, {self.tensor((features[1], logits[1]))})", 6)
        self.emit(f"outs(%logits_zeros : {out}) -> {out}", 6)
        product = Operand("p", "fc", logits, "matrix", self.t)
        bias = Operand("b", "fc_bias", logits[1:], "columns", self.wide)
        start = Operand("out", "logits_start", logits, "matrix", self.t)
        self.generic("y", [product, bias], start, ["%s = arith.addf %p, %b"])

    def forward(self, drops: bool = True, measures: bool = True) -> None:
        """All layers; batch norm by the batch's statistics if it ``measures`` them,
        else by the running ones."""
        self.drops, self.measures = drops, measures
        self.constants()
        value = "x"
        for place in self.model.places:
            if isinstance(place, Block):
                value = self.block(place, value)
            elif isinstance(place, Convolution):
                value = self.convolution(place, value)
            else:
                value = self.pooling(place, value)
        self.head(value)
