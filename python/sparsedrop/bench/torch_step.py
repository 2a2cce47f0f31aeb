"""The training step in PyTorch, in a process of its own.

Eager, ``nn.Dropout``, plain SGD. The process reads lines "N", runs N steps and
prints their seconds as a JSON list: ``mlp_step`` drives it. It is alone in its
process, as a user's program would be: beside ours in one process it took 103 ms a
step instead of 62 to 71 (why was not looked into).
"""

from __future__ import annotations

import json
import sys
import time


def serve(network, optimizer, x, labels, prepare=lambda: None) -> None:
    """Prints PyTorch's version, then runs steps as the lines of the input ask;
    ``prepare`` is called between gradients and update."""
    import torch

    loss = torch.nn.CrossEntropyLoss()
    print(torch.__version__, flush=True)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            optimizer.zero_grad()
            loss(network(x), labels).backward()
            prepare()
            optimizer.step()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), flush=True)


def has_torch(threads: int) -> bool:
    """Lets PyTorch use so many threads; says on the output where there is none."""
    try:
        import torch
    except ImportError:
        print("missing", flush=True)
        return False
    torch.set_num_threads(threads)
    return True


def main() -> int:
    widths, batch, rate, threads = json.loads(sys.argv[1])
    if not has_torch(threads):
        return 1
    import torch

    layers: list = []
    for n, m in zip(widths, widths[1:]):
        layers += [torch.nn.Linear(n, m), torch.nn.ReLU(), torch.nn.Dropout(rate)]
    network = torch.nn.Sequential(*layers[:-2])
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    x, labels = torch.randn(batch, widths[0]), torch.randint(widths[-1], (batch,))
    serve(network, optimizer, x, labels)
    return 0


if __name__ == "__main__":
    sys.exit(main())
