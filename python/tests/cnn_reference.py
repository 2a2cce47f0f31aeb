"""A step of training a convolutional network in float64 NumPy, by textbook formulas:
what the programs of ``sparsedrop.cnn`` are held against. Images are nchw, weights
fchw; ``to_reference`` brings arrays of a program there."""

import numpy as np

from sparsedrop.cnn import Conv, Pool


def to_reference(name, array, layout):
    """An array of the program as float64 in the reference's layout."""
    array = np.asarray(array, np.float64)
    if layout == "nchw" or array.ndim != 4:
        return array
    return array.transpose(0, 3, 1, 2) if name == "x" else array.transpose(3, 2, 0, 1)


def from_reference(array, layout):
    """A gradient of a weight in the program's layout."""
    return array.transpose(2, 3, 1, 0) if layout == "nhwc" and array.ndim == 4 else array


def window(x, i, j, stride, height, width):
    """What tap (i, j) reads: a view."""
    return x[:, :, i : i + stride * (height - 1) + 1 : stride, j : j + stride * (width - 1) + 1 : stride]


def padded(x, padding, value=0.0):
    return np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=value)


def inner(x, padding):
    return x[:, :, padding : x.shape[2] - padding, padding : x.shape[3] - padding]


def extent(n, size, stride, padding):
    return (n + 2 * padding - size) // stride + 1


class Reference:
    """One forward and backward pass. ``drop`` maps a site to (mask, scale)."""

    def __init__(self, model, values, drop=None):
        self.model, self.values, self.drop = model, values, drop or {}
        self.gradients = {name: np.zeros_like(values[name]) for name, _ in model.parameters()}
        self.batch, self.sensitivity, self.importance = {}, {}, {}
        self.count = {"conv": 0, "shortcut": 0}

    # Each layer returns its result and a function from gradients to gradients.
    def convolve(self, name, layer, x):
        mask, scale = self.drop.get(name, (np.ones(x.shape[1], bool), 1.0))
        read = padded(np.where(mask[:, None, None], scale * x, 0), layer.padding)
        weight, kernel, stride = self.values[f"{name}_weight"], layer.kernel, layer.stride
        size = [extent(n, kernel, stride, layer.padding) for n in x.shape[2:]]
        taps = [(i, j) for i in range(kernel) for j in range(kernel)]
        y = sum(np.einsum("nchw,fc->nfhw", window(read, i, j, stride, *size), weight[:, :, i, j]) for i, j in taps)

        def back(dy):
            d = np.zeros_like(read)
            for i, j in taps:
                self.gradients[f"{name}_weight"][:, :, i, j] += np.einsum(
                    "nfhw,nchw->fc", dy, window(read, i, j, stride, *size)
                )
                window(d, i, j, stride, *size)[...] += np.einsum("nfhw,fc->nchw", dy, weight[:, :, i, j])
            dx = np.where(mask[:, None, None], scale * inner(d, layer.padding), 0)
            changes = (x * dx).sum((2, 3))
            changes = changes.sum(0) if self.model.sensitivity_of == "batch" else np.abs(changes).sum(0)
            self.sensitivity[name] = np.abs(changes)
            return dx

        self.importance[name] = np.abs(x).mean((0, 2, 3))
        return y, back

    def normalise(self, name, x):
        axes, gamma = (0, 2, 3), self.values[f"{name}_gamma"][:, None, None]
        mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
        self.batch[f"{name}_mean"], self.batch[f"{name}_variance"] = mean.ravel(), variance.ravel()
        deviation = np.sqrt(variance + self.model.norm_epsilon)
        normal = (x - mean) / deviation

        def back(dy):
            self.gradients[f"{name}_gamma"] += (dy * normal).sum(axes)
            self.gradients[f"{name}_beta"] += dy.sum(axes)
            d = dy * gamma
            centred = d - d.mean(axes, keepdims=True) - normal * (d * normal).mean(axes, keepdims=True)
            return centred / deviation

        return gamma * normal + self.values[f"{name}_beta"][:, None, None], back

    def bias(self, name, x):
        def back(dy):
            self.gradients[f"{name}_bias"] += dy.sum((0, 2, 3))
            return dy

        return x + self.values[f"{name}_bias"][:, None, None], back

    def conv(self, layer, x, shortcut=None, kind="conv"):
        """With batch norm or bias and relu; ``back`` gives the shortcut's gradient too."""
        self.count[kind] += 1
        name = f"{kind}{self.count[kind]}"
        y, convolved = self.convolve(name, layer, x)
        y, normalised = (self.normalise if layer.norm else self.bias)(name, y)
        if shortcut is not None:
            y = y + shortcut
        positive = y > 0 if layer.relu else np.ones(y.shape, bool)

        def back(dy):
            d = np.where(positive, dy, 0)
            return convolved(normalised(d)), d

        return np.where(positive, y, 0), back

    def pool(self, layer, x):
        size, stride, padding = layer.size, layer.stride, layer.padding
        is_max = layer.kind == "max"
        read = padded(x, padding, -np.inf if is_max else 0)
        out = [extent(n, size, stride, padding) for n in x.shape[2:]]
        taps = [(i, j) for i in range(size) for j in range(size)]
        windows = np.stack([window(read, i, j, stride, *out) for i, j in taps])
        first = windows.argmax(0)

        def back(dy):
            d = np.zeros_like(read)
            for k, (i, j) in enumerate(taps):
                window(d, i, j, stride, *out)[...] += np.where(first == k, dy, 0) if is_max else dy / size**2
            return inner(d, padding)

        return windows.max(0) if is_max else windows.mean(0), back

    def block(self, layer, x):
        """A residual block; its projection is named before its convolutions run."""
        stride = int(np.prod([conv.stride for conv in layer.layers]))
        backs, y = [], x
        shapes = (x.shape[1], 1) != (layer.layers[-1].channels, stride)
        unpadded = any(conv.padding != (conv.kernel - 1) // 2 for conv in layer.layers)
        assert not unpadded, "a case that the reference does not have"
        shortcut, projected = x, None
        if shapes:
            conv = Conv(layer.layers[-1].channels, 1, stride, relu=False)
            shortcut, projected = self.conv(conv, x, kind="shortcut")
        for conv in layer.layers[:-1]:
            y, back = self.conv(conv, y)
            backs.append(back)
        y, last = self.conv(layer.layers[-1], y, shortcut)

        def back(dy):
            d, around = last(dy)
            for step in reversed(backs):
                d = step(d)[0]
            return d + (projected(around)[0] if projected else around)

        return y, back

    def run(self):
        """The loss; gradients and statistics are in the attributes."""
        model, values, backs = self.model, self.values, []
        x = values["x"]
        for layer in model.layers:
            if isinstance(layer, Conv):
                x, conv = self.conv(layer, x)
                back = lambda dy, conv=conv: conv(dy)[0]
            else:
                x, back = (self.pool if isinstance(layer, Pool) else self.block)(layer, x)
            backs.append(back)
        features = x.mean((2, 3))
        logits = features @ values["fc_weight"] + values["fc_bias"]
        shifted = logits - logits.max(1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        loss = -(values["target"] * logs).sum() / len(logits)
        d = (np.exp(logs) * values["target"].sum(1, keepdims=True) - values["target"]) / len(logits)
        self.gradients["fc_weight"] += features.T @ d
        self.gradients["fc_bias"] += d.sum(0)
        d = np.broadcast_to((d @ values["fc_weight"].T)[:, :, None, None], x.shape) / (x.shape[2] * x.shape[3])
        for back in reversed(backs):
            d = back(d)
        self.logits = logits
        return loss


def step(model, values, drop=None):
    """New values of what a step updates, by name, and the loss; channel arrays are
    left to the caller. ``values`` are the reference's."""
    reference = Reference(model, values, drop)
    loss, new = reference.run(), {}
    rate = values["learning_rate"]
    for name, _ in model.parameters():
        gradient, shrink = reference.gradients[name], 1 - rate * model.decay
        direction = gradient
        if model.optimizer == "momentum":
            direction = new[f"m_{name}"] = model.momentum * values[f"m_{name}"] + gradient
        if model.optimizer == "adam":
            first, second = model.betas
            m = new[f"m_{name}"] = first * values[f"m_{name}"] + (1 - first) * gradient
            v = new[f"v_{name}"] = second * values[f"v_{name}"] + (1 - second) * gradient**2
            direction = m / (np.sqrt(v) + model.epsilon)
        new[name] = shrink * values[name] - rate * direction
    for conv in model.convolutions():
        if conv.layer.norm:
            count = model.batch * conv.result.height * conv.result.width
            for what, factor in (("mean", 1), ("variance", count / (count - 1))):
                name = f"{conv.name}_{what}"
                new[name] = values[name] + model.blend * (factor * reference.batch[name] - values[name])
    return loss, new, reference
