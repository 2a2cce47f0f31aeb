# RUN: %python %s sparsedrop-run %t

"""Sizes that are known at run time only: those that fit give what they should,
those that do not are one error, and nothing is read outside of a tensor or
written."""

import os
import subprocess
import sys

import numpy as np

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
PRODUCT = (
    "%o = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = \"s\">} "
    "ins(X, %w : tensor<?x?xf32>, tensor<?x8xf32>) outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>\n"
    "  return %o : tensor<?x8xf32>\n"
)
SOURCE = (
    "func.func @product(%x: tensor<?x?xf32>, %w: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x8xf32> {\n  "
    + PRODUCT.replace("X", "%x")
    + "}\nfunc.func @slice(%x: tensor<?x?xf32>, %w: tensor<?x8xf32>, %y: tensor<?x8xf32>, %n: index) -> tensor<?x8xf32> {\n"
    "  %c0 = arith.constant 0 : index\n  %m = tensor.dim %x, %c0 : tensor<?x?xf32>\n"
    "  %s = tensor.extract_slice %x[0, 2] [%m, %n] [1, 1] : tensor<?x?xf32> to tensor<?x?xf32>\n  "
    + PRODUCT.replace("X", "%s")
    + "}\n"
)
# A pattern drawn for another number of units than the tensor has.
SOURCE += (
    "func.func @pattern(%x: tensor<4x24xf32>, %n: index, %seed: i64 {sparsedrop.seed}, %step: i64 {sparsedrop.step}) "
    "-> tensor<4x24xf32> {\n"
    '  %p = sparsedrop.sample "p" seed(%seed) step(%step) extents(%n) {rate = 0.5 : f64, '
    "distribution = array<f64: 0.2, 0.3, 0.3, 0.2>} : !sparsedrop.pattern<row>\n"
    "  %d = sparsedrop.dropout %x, %p dim(1) : tensor<4x24xf32>, !sparsedrop.pattern<row>\n"
    "  return %d : tensor<4x24xf32>\n}\n"
)
# Sensitivities of other channels than there are; memory that the host does not have.
SOURCE += (
    "func.func @channels(%x: tensor<4x24xf32>, %s: tensor<?xf32>, %n: index, %seed: i64 {sparsedrop.seed}, "
    "%step: i64 {sparsedrop.step}) -> tensor<4x24xf32> {\n"
    '  %p = sparsedrop.sample "p" seed(%seed) step(%step) extents(%n) sensitivity(%s : tensor<?xf32>) count(%n) '
    "{rate = 0.5 : f64, scale = #sparsedrop.scale_mode<none>} : !sparsedrop.pattern<channel>\n"
    "  %d = sparsedrop.dropout %x, %p dim(1) : tensor<4x24xf32>, !sparsedrop.pattern<channel>\n"
    "  return %d : tensor<4x24xf32>\n}\n"
    "func.func @large(%n: index) -> tensor<?xf32> {\n"
    "  %c = arith.constant 1.0 : f32\n  %e = tensor.empty(%n) : tensor<?xf32>\n"
    "  %f = linalg.fill ins(%c : f32) outs(%e : tensor<?xf32>) -> tensor<?xf32>\n"
    "  return %f : tensor<?xf32>\n}\n"
)
# Dropout only where there are units enough: the draw must not leave the branch.
SOURCE += (
    "func.func @guarded(%x: tensor<?x?xf32>, %w: tensor<?x8xf32>, %y: tensor<?x8xf32>) -> tensor<?x8xf32> {\n"
    "  %c1 = arith.constant 1 : index\n  %c4 = arith.constant 4 : index\n"
    "  %n = tensor.dim %x, %c1 : tensor<?x?xf32>\n  %c = arith.cmpi uge, %n, %c4 : index\n"
    "  %r = scf.if %c -> (tensor<?x8xf32>) {\n  "
    + PRODUCT.replace("X", "%x").replace("return", "scf.yield")
    + "  } else {\n    scf.yield %y : tensor<?x8xf32>\n  }\n  return %r : tensor<?x8xf32>\n}\n"
)
# Static sizes, but places that are known at run time only.
SOURCE += (
    "func.func @read_slice(%x: tensor<4x4xf32>, %i: index) -> tensor<2xf32> {\n"
    "  %s = tensor.extract_slice %x[%i, 0] [1, 2] [1, 1] : tensor<4x4xf32> to tensor<2xf32>\n"
    "  return %s : tensor<2xf32>\n}\n"
    "func.func @read(%x: tensor<4x4xf32>, %i: index) -> f32 {\n"
    "  %s = tensor.extract %x[%i, %i] : tensor<4x4xf32>\n  return %s : f32\n}\n"
    "func.func @write_slice(%x: tensor<4x4xf32>, %i: index) -> tensor<4x4xf32> {\n"
    "  %c = arith.constant dense<1.0> : tensor<1x4xf32>\n"
    "  %s = tensor.insert_slice %c into %x[%i, 0] [1, 4] [1, 1] : tensor<1x4xf32> into tensor<4x4xf32>\n"
    "  return %s : tensor<4x4xf32>\n}\n"
    "func.func @write(%x: tensor<4x4xf32>, %i: index) -> tensor<4x4xf32> {\n"
    "  %c = arith.constant 1.0 : f32\n  %s = tensor.insert %c into %x[%i, %i] : tensor<4x4xf32>\n"
    "  return %s : tensor<4x4xf32>\n}\n"
    # A row of a table for each sample, as an embedding does.
    "#id = affine_map<(i, j) -> (i, j)>\n"
    "func.func @look_up(%x: tensor<4x4xf32>, %i: index) -> tensor<5x4xf32> {\n"
    "  %e = tensor.empty() : tensor<5x4xf32>\n"
    '  %r = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]} '
    "outs(%e : tensor<5x4xf32>) {\n  ^bb0(%o: f32):\n    %j = linalg.index 1 : index\n"
    "    %v = tensor.extract %x[%i, %j] : tensor<4x4xf32>\n    linalg.yield %v : f32\n"
    "  } -> tensor<5x4xf32>\n  return %r : tensor<5x4xf32>\n}\n"
)
path = os.path.join(folder, "f.mlir")
with open(path, "w") as file:
    file.write(SOURCE)


def execute(entry, *shapes, mode="compact", number=None):
    for old in os.listdir(folder):
        if old.startswith("out"):
            os.unlink(os.path.join(folder, old))
    arguments = []
    for i, shape in enumerate(shapes):
        np.save(f"{folder}/{i}.npy", np.ones(shape, np.float32))
        arguments.append(f"--input={folder}/{i}.npy")
    if number is not None:
        np.save(f"{folder}/n.npy", np.array(number, np.int64))
        arguments.append(f"--input={folder}/n.npy")
    command = [run, path, f"--entry={entry}", f"--mode={mode}", f"--output={folder}/out", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def refused(done, reason):
    assert done.returncode == 1 and reason in done.stderr, done
    assert done.stderr.count("error:") == 1 and "f.mlir:" in done.stderr, done.stderr
    assert not [f for f in os.listdir(folder) if f.startswith("out")]


for mode in ("compact", "masked", "bernoulli", "dense"):
    for m, k in ((4, 24), (1, 3), (0, 24)):
        if (m, k) == (1, 3) and mode in ("compact", "masked"):
            continue  # periods to 4 do not fit 3 units
        assert execute("product", (m, k), (k, 8), (m, 8), mode=mode).returncode == 0
    assert execute("guarded", (4, 2), (2, 8), (4, 8), mode=mode).returncode == 0
    refused(execute("product", (4, 24), (20, 8), (4, 8), mode=mode), "'linalg.matmul' op does not fit the sizes")
    refused(execute("product", (4, 24), (24, 8), (5, 8), mode=mode), "'linalg.matmul' op does not fit the sizes")
    assert execute("slice", (4, 24), (22, 8), (4, 8), mode=mode, number=22).returncode == 0
    refused(execute("slice", (4, 24), (24, 8), (4, 8), mode=mode, number=5000000), "'tensor.extract_slice' op does not fit")
for mode in ("compact", "masked"):
    assert execute("pattern", (4, 24), mode=mode, number=24).returncode == 0
    for number in (12, 20, 30, 1000000):
        refused(execute("pattern", (4, 24), mode=mode, number=number), "not of the extent of its pattern")
for mode in ("compact", "masked"):
    assert execute("channels", (4, 24), (24,), mode=mode, number=24).returncode == 0
    for size in (0, 23, 25):
        refused(execute("channels", (4, 24), (size,), mode=mode, number=24), "not one sensitivity or importance for each channel")
assert execute("large", number=1000).returncode == 0
refused(execute("large", number=2**46), "out of memory")
for number in (-1, 2**47, 2**62, -(2**63)):
    reason = "a size is negative" if number < 0 else "no memory has so many elements"
    refused(execute("large", number=number), f"'tensor.empty' op does not fit the sizes it is given: {reason}")
for entry, op in (
    ("read_slice", "tensor.extract_slice"),
    ("read", "tensor.extract"),
    ("write_slice", "tensor.insert_slice"),
    ("write", "tensor.insert"),
    ("look_up", "tensor.extract"),
):
    for number in (0, 3):
        assert execute(entry, (4, 4), number=number).returncode == 0
    for number in (4, -1, 10**12, -(2**63)):
        refused(execute(entry, (4, 4), number=number), f"'{op}' op does not fit the sizes it is given")
# A list, which mode bernoulli does not take, for as many channels as nobody has room for.
path = os.path.join(folder, "list.mlir")
with open(path, "w") as file:
    file.write(
        "func.func @list(%x: tensor<4x?xf32>, %n: index) -> tensor<4x?xf32> {\n"
        "  %l = arith.constant dense<[1, 3]> : tensor<2xindex>\n"
        "  %p = sparsedrop.make_pattern kept(%l : tensor<2xindex>) extents(%n) : !sparsedrop.pattern<channel>\n"
        "  %d = sparsedrop.dropout %x, %p dim(1) : tensor<4x?xf32>, !sparsedrop.pattern<channel>\n"
        "  return %d : tensor<4x?xf32>\n}\n"
    )
for mode in ("compact", "masked"):
    assert execute("list", (4, 24), mode=mode, number=24).returncode == 0
    for number in (23, -1, 2**31, 2**60, 2**62):
        assert execute("list", (4, 24), mode=mode, number=number).returncode == 1, (mode, number)
print("ok")
