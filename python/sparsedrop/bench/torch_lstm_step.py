"""The training step of an LSTM language model in PyTorch, in a process of its own.

``nn.Embedding``, ``nn.LSTM`` with dropout between layers, ``nn.Dropout`` before and
behind it, ``nn.Linear``; gradients clipped by norm, plain SGD. Steps are asked for as
of ``torch_step``: ``lstm_step`` drives it. The GPU suite takes the network from here,
on machines that lack the package.
"""

from __future__ import annotations

import json
import sys


def make_network(of: dict):
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.drop = nn.Embedding(of["vocabulary"], of["units"]), nn.Dropout(of["rate"])
            between = of["rate"] if of["layers"] > 1 else 0
            self.lstm = nn.LSTM(of["units"], of["units"], of["layers"], dropout=between)
            self.output = nn.Linear(of["units"], of["vocabulary"])
            shape = (of["layers"], of["batch"], of["units"])
            self.state = (torch.zeros(shape), torch.zeros(shape))

        def forward(self, words):
            y, state = self.lstm(self.drop(self.embedding(words)), self.state)
            self.state = tuple(part.detach() for part in state)
            return self.output(self.drop(y)).flatten(0, 1)

    return Network()


def main() -> int:
    from sparsedrop.bench.torch_step import has_torch, serve

    description = json.loads(sys.argv[1])
    if not has_torch(description["threads"]):
        return 1
    import torch

    network = make_network(description)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    shape = (description["steps"], description["batch"])
    words, target = (torch.randint(description["vocabulary"], shape) for _ in range(2))
    clip = description["clip"]
    serve(network, optimizer, words, target.flatten(), lambda: torch.nn.utils.clip_grad_norm_(network.parameters(), clip))
    return 0


if __name__ == "__main__":
    sys.exit(main())
