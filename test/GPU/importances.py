# RUN: %python %s sparsedrop-opt %root %t

"""Importances, the means of |x| over the maps that a convolution reads, have no pass of
their own over x: each is added up by a kernel that reads or makes x anyway. By the
program, for networks whose sites lie behind relu, norm, residuals and all pooling."""

import os
import re
import subprocess
import sys

tool, root, folder = sys.argv[1:4]
sys.path.insert(0, os.path.join(root, "python"))
from sparsedrop.cnn import ChannelDropout, Cnn, Conv, Pool, residual  # noqa: E402

os.makedirs(folder, exist_ok=True)
DROPOUT = ChannelDropout(0.5, scale="energy")
WINDOWS = {
    "2": Pool(), "mean of 2": Pool("average"), "3 by 2": Pool("max", 3, 2), "3 by 2, padded": Pool("max", 3, 2, 1),
    "3 by 1": Pool("max", 3, 1, 1), "5 by 2": Pool("max", 5, 2, 2),
}
NETS = {"residual": lambda layout: residual([64, 128], 32, depth=1, size=(28, 28), dropout=DROPOUT, layout=layout)}
for name, pool in WINDOWS.items():
    def net(layout, pool=pool, norm=name == "2"):
        layers = [Conv(32, norm=norm), Conv(32, norm=norm), pool, Conv(64, norm=norm), Conv(64, norm=norm)]
        return Cnn(layers, 64, size=(32, 32), channels=3, dropout=DROPOUT, layout=layout)

    NETS[f"windows of {name}"] = net
OP = re.compile(r"linalg\.generic .*?\n.*?\n\s*} -> [^\n]*", re.S)


def arrays(op, kind):
    """The operands ``ins`` or ``outs`` of an op, by their types."""
    found = re.search(rf" {kind}\((.*?) : (.*?)\)(?: outs| attrs| {{)", op.split("\n")[0])
    return dict(zip(found[1].split(", "), re.findall(r"tensor<[^>]*>", found[2])))


def sums_of_magnitudes(step):
    """Reductions that add up |an array of four or more dimensions|."""
    for op in OP.findall(step):
        if "math.absf" in op and '"reduction"' in op and any(t.count("x") >= 4 for t in arrays(op, "ins").values()):
            yield op


failures = 0
for name, make in NETS.items():
    for layout in ("nhwc", "nchw"):
        model = make(layout)
        path = os.path.join(folder, "net.mlir")
        with open(path, "w") as file:
            file.write(model.mlir())
        pipeline = "--pass-pipeline=builtin.module(sparsedrop-pipeline,sparsedrop-to-nvvm{chip=sm_90a})"
        command = [tool, path, pipeline, "--mlir-print-ir-after=sparsedrop-fuse-epilogues", "-o", os.devnull]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-800:]
        step = done.stderr[done.stderr.index("func.func @step") :]
        sums = list(sums_of_magnitudes(step))
        sites = len(set(re.findall(r'importance = "(\w+)"', model.mlir())))
        alone = [op for op in sums if len(arrays(op, "ins")) == 1 and len(arrays(op, "outs")) == 1]
        if len(sums) != sites or alone:
            failures += 1
            print(f"{name}, {layout}: {sites} sites, {len(sums)} sums, alone:\n" + "\n".join(alone))
sys.exit(failures != 0)
