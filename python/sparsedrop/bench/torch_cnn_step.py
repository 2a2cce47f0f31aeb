"""The training step of a convolutional network in PyTorch, in a process of its own.

Eager, channels last, batch norm, ``nn.Dropout2d`` before the convolutions that drop
channels, SGD with momentum. Steps are asked for as of ``torch_step``: ``cnn_step``
drives it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sparsedrop.bench.torch_step import has_torch, serve


def make_network(description: dict[str, Any]):
    import torch
    from torch import nn

    def convolution(of: dict[str, Any]) -> list:
        layers: list = [nn.Dropout2d(of["rate"])] if of["rate"] else []
        conv = nn.Conv2d(of["source"], of["channels"], of["kernel"], of["stride"], of["padding"], bias=False)
        layers += [conv, nn.BatchNorm2d(of["channels"])]
        return layers + [nn.ReLU()] * of["relu"]

    class Block(nn.Module):
        def __init__(self, of: dict[str, Any]):
            super().__init__()
            self.body = nn.Sequential(*[layer for conv in of["convolutions"] for layer in convolution(conv)][:-1])
            self.shortcut = nn.Sequential(*convolution(of["projection"])) if of["projection"] else nn.Identity()

        def forward(self, x):
            return torch.relu(self.body(x) + self.shortcut(x))

    layers: list = []
    for place in description["places"]:
        if place["kind"] == "convolution":
            layers += convolution(place)
        elif place["kind"] == "pool":
            pool = nn.MaxPool2d if place["pool"] == "max" else nn.AvgPool2d
            layers.append(pool(place["size"], place["stride"], place["padding"]))
        else:
            layers.append(Block(place))
    features = description["features"]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, description["classes"]))


def main() -> int:
    description = json.loads(sys.argv[1])
    if not has_torch(description["threads"]):
        return 1
    import torch

    network = make_network(description).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4, momentum=0.9)
    x = torch.randn(description["batch"], description["channels"], *description["size"])
    x, labels = x.to(memory_format=torch.channels_last), torch.randint(description["classes"], (len(x),))
    serve(network, optimizer, x, labels)
    return 0


if __name__ == "__main__":
    sys.exit(main())
