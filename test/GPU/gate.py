# REQUIRES: ptxas
# RUN: %python %s sparsedrop-opt %ptxas %root %t

"""Kernels of every family, type, major and tile go through ptxas for sm_80 and
sm_90a: nothing is spilled, there is no stack frame and no note about serialised
instructions, the instructions meant are there, and registers and shared memory are
those of Inputs/kernels.json (with the ptxas of that file; run with --record to
write it). Kernels of wgmma have its instruction, bulk copies and setmaxnreg in
their machine code. The whole training step of an MLP becomes a cubin within ten
seconds."""

import concurrent.futures
import itertools
import json
import os
import re
import struct
import subprocess
import sys
import time

opt, ptxas, root, folder = sys.argv[1:5]
here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(here, "Inputs"), os.path.join(root, "python")]
from convolutions import Convolution
from products import matmul
from sparsedrop.cnn import ChannelDropout, Cnn, Conv, Pool, plain, residual
from sparsedrop.lstm import Lstm
from sparsedrop.models import Dropout, Mlp

os.makedirs(folder, exist_ok=True)
RECORD = os.path.join(here, "Inputs", "kernels.json")


def to_ptx(text, chip, passes="", options=""):
    """The PTX of a program."""
    command = [opt, "-", f"--pass-pipeline=builtin.module({passes}sparsedrop-to-nvvm{{chip={chip} {options}}})"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    quoted = re.search(r'assembly = "((?:[^"\\]|\\.)*)"', done.stdout).group(1)
    return re.sub(r'\\([0-9A-F]{2}|["\\])', lambda m: chr(int(m[1], 16)) if len(m[1]) == 2 else m[1], quoted)


def assemble(name, ptx, chip):
    """Figures of each kernel by name."""
    stem = os.path.join(folder, re.sub(r"\W+", "_", f"{name}_{chip}"))
    with open(stem + ".ptx", "w") as file:
        file.write(ptx)
    done = subprocess.run([ptxas, f"-arch={chip}", "-v", stem + ".ptx", "-o", stem + ".cubin"], capture_output=True, text=True)
    assert done.returncode == 0, f"{name}: {done.stderr}"
    assert "C75" not in done.stderr and "serializ" not in done.stderr, f"{name}: {done.stderr}"
    figures = {}
    for kernel, rest in re.findall(r"Compiling entry function '(\w+)'(.*?)(?=Compiling entry function|\Z)", done.stderr, re.S):
        frame, stores, loads = map(int, re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", rest).groups())
        assert not (frame or stores or loads), f"{name}, {kernel}, {chip}: {frame} bytes of frame, {stores} and {loads} bytes spilled"
        figures[kernel] = int(re.search(r"Used (\d+) registers", rest).group(1))
    if "wgmma" in ptx:
        missing = [name for name, count in count_opcodes(stem + ".cubin").items() if count == 0 and (name != "USETMAXREG" or "setmaxnreg" in ptx)]
        assert not missing, f"{name}: no {missing} in the machine code"
    return figures


# Of Hopper's machine code: the low 12 bits of each instruction of 16 bytes.
# The second one of bulk copies is that to several blocks; that of HGMMA, of 8 bits, is
# called QGMMA.
OPCODES = {"HGMMA": (0x9F0, 0x9F3), "UTMALDG": (0x5B4, 0x3B4), "USETMAXREG": (0x9C8,)}


def count_opcodes(path):
    """How often each of OPCODES occurs in the kernels of a cubin."""
    with open(path, "rb") as file:
        data = file.read()
    offset, = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
    found = dict.fromkeys(OPCODES, 0)
    for name, _, _, _, start, length in sections:
        if data[sections[names][4] + name :].startswith(b".text."):
            codes = [word & 0xFFF for word, _ in struct.iter_unpack("<QQ", data[start : start + length])]
            for key, known in OPCODES.items():
                found[key] += sum(map(codes.count, known))
    return found


def elementwise(type_):
    return f"""
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>
func.func @f(%x: tensor<4096x4096x{type_}>, %b: tensor<4096x{type_}>, %n: tensor<?x?x{type_}>) -> (tensor<4096x4096x{type_}>, tensor<4096x{type_}>, tensor<4096x{type_}>, tensor<?x?x{type_}>) {{
  %zero = arith.constant 0.0 : {type_}
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %e = tensor.empty() : tensor<4096x4096x{type_}>
  %s = tensor.empty() : tensor<4096x{type_}>
  %z = linalg.fill ins(%zero : {type_}) outs(%s : tensor<4096x{type_}>) -> tensor<4096x{type_}>
  %0 = linalg.generic {{indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%x, %b : tensor<4096x4096x{type_}>, tensor<4096x{type_}>) outs(%e : tensor<4096x4096x{type_}>) {{
  ^bb0(%a: {type_}, %c: {type_}, %o: {type_}):
    %t = arith.addf %a, %c : {type_}
    %r = math.tanh %t : {type_}
    linalg.yield %r : {type_}
  }} -> tensor<4096x4096x{type_}>
  %1 = linalg.reduce {{ arith.addf }} ins(%0 : tensor<4096x4096x{type_}>) outs(%z : tensor<4096x{type_}>) dimensions = [0]
  %2 = linalg.reduce {{ arith.addf }} ins(%0 : tensor<4096x4096x{type_}>) outs(%z : tensor<4096x{type_}>) dimensions = [1]
  %d0 = tensor.dim %n, %c0 : tensor<?x?x{type_}>
  %d1 = tensor.dim %n, %c1 : tensor<?x?x{type_}>
  %q = tensor.empty(%d0, %d1) : tensor<?x?x{type_}>
  %3 = linalg.exp ins(%n : tensor<?x?x{type_}>) outs(%q : tensor<?x?x{type_}>) -> tensor<?x?x{type_}>
  return %0, %1, %2, %3 : tensor<4096x4096x{type_}>, tensor<4096x{type_}>, tensor<4096x{type_}>, tensor<?x?x{type_}>
}}
"""


def feed_forward(type_):
    """x w1 + b, kept for the gradient, its GELU, and that times w2 plus x."""
    wide, narrow = f"tensor<8192x4096x{type_}>", f"tensor<8192x1024x{type_}>"
    return f"""
#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>
#id = affine_map<(i, j) -> (i, j)>
#row = affine_map<(i, j) -> (j)>
func.func @f(%x: {narrow}, %w1: tensor<4096x1024x{type_}>, %b: tensor<4096x{type_}>, %w2: tensor<1024x4096x{type_}>) -> ({wide}, {narrow}) {{
  %zero = arith.constant 0.0 : {type_}
  %half = arith.constant 0.5 : {type_}
  %one = arith.constant 1.0 : {type_}
  %root = arith.constant 0.7071 : {type_}
  %e1 = tensor.empty() : {wide}
  %z1 = linalg.fill ins(%zero : {type_}) outs(%e1 : {wide}) -> {wide}
  %0 = linalg.matmul indexing_maps = [#a, #b, #c] ins(%x, %w1 : {narrow}, tensor<4096x1024x{type_}>) outs(%z1 : {wide}) -> {wide}
  %1 = linalg.generic {{indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}} ins(%0, %b : {wide}, tensor<4096x{type_}>) outs(%e1 : {wide}) {{
  ^bb0(%s: {type_}, %c: {type_}, %o: {type_}):
    %t = arith.addf %s, %c : {type_}
    linalg.yield %t : {type_}
  }} -> {wide}
  %2 = linalg.generic {{indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}} ins(%1 : {wide}) outs(%e1 : {wide}) {{
  ^bb0(%s: {type_}, %o: {type_}):
    %p = arith.mulf %s, %root : {type_}
    %q = math.erf %p : {type_}
    %r = arith.addf %q, %one : {type_}
    %u = arith.mulf %s, %half : {type_}
    %v = arith.mulf %u, %r : {type_}
    linalg.yield %v : {type_}
  }} -> {wide}
  %e2 = tensor.empty() : {narrow}
  %z2 = linalg.fill ins(%zero : {type_}) outs(%e2 : {narrow}) -> {narrow}
  %3 = linalg.matmul indexing_maps = [#a, #b, #c] ins(%2, %w2 : {wide}, tensor<1024x4096x{type_}>) outs(%z2 : {narrow}) -> {narrow}
  %4 = linalg.add ins(%3, %x : {narrow}, {narrow}) outs(%e2 : {narrow}) -> {narrow}
  return %1, %4 : {wide}, {narrow}
}}
"""


def mlp(dtype, widths, batch):
    return Mlp(widths, batch, Dropout(0.5), dtype=dtype).mlir()


TENSOR_CORE = "#sparsedrop.kernel<tensor_core, tile = [{}, {}, {}], warps = [2, 2], vector = [{}, {}, {}], stages = {}{}>"
PLAIN = "#sparsedrop.kernel<plain, tile = [{}, {}, {}], vector = [4, 4, 4]>"
WGMMA = "#sparsedrop.kernel<wgmma, tile = [{}, {}, {}], warps = [{}, {}], {}vector = [{}, {}, {}], stages = {}{}>"
BOTH, OWN = ("sm_80", "sm_90a"), ("sm_90a",)
SIZE = (4096, 4096, 4096)
# By name: the program, what its PTX has, and the chips.
cases = {}
for (type_, out), (lhs, rhs) in itertools.product((("bf16", "bf16"), ("f16", "f16"), ("bf16", "f32")), itertools.product(("mk", "km"), ("kn", "nk"))):
    expected = ["mma.sync.aligned.m16n8k16.row.col.f32." + type_, "cp.async.cg.shared.global", "ldmatrix.sync.aligned.m8n8.x4"]
    kernel = TENSOR_CORE.format(128, 128, 32, 8, 8, 8 if out != "f32" else 4, 4, "")
    cases[f"{type_} to {out}, {lhs} {rhs}"] = (matmul(*SIZE, lhs, rhs, type_, out, kernel), expected, BOTH)
    expected = ["wgmma.mma_async.sync.aligned.m64n256k16.f32." + type_, "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster", "mbarrier.try_wait.parity", "setmaxnreg"]
    cases[f"wgmma, {type_} to {out}, {lhs} {rhs}"] = (matmul(*SIZE, lhs, rhs, type_, out), expected, OWN)
for tile in ((256, 128, 64, 8, 1, 4), (128, 192, 64, 8, 1, 4), (192, 128, 64, 12, 1, 4), (128, 128, 64, 8, 1, 6), (64, 256, 64, 4, 2, 4), (128, 64, 64, 8, 1, 8), (64, 128, 64, 4, 2, 8), (64, 64, 64, 4, 1, 8), (128, 16, 64, 8, 1, 8), (128, 256, 32, 8, 1, 4), (128, 128, 128, 8, 1, 3)):
    for cluster in ("", "cluster = [2, 1], ", "cluster = [1, 2], ", "cluster = [2, 2], "):
        kernel = WGMMA.format(*tile[:5], cluster, 8, 8, 8, tile[5], "")
        cases[f"wgmma, tile {tile}, {cluster}"] = (matmul(*SIZE, "mk", "kn", "bf16", "bf16", kernel), ["wgmma"], OWN)
for tile in ((128, 160, 64, 4, 1, 4), (128, 128, 64, 4, 1, 4), (64, 256, 64, 4, 1, 4), (64, 128, 64, 4, 1, 8)):
    for cluster in ("", "cluster = [2, 1], "):
        kernel = WGMMA.format(*tile[:5], cluster, 8, 8, 8, tile[5], ", pingpong")
        cases[f"wgmma in turns, tile {tile}, {cluster}"] = (matmul(*SIZE, "mk", "kn", "bf16", "bf16", kernel), ["wgmma"], OWN)
# Depths of a few slices: loops stay loops.
for size, (lhs, rhs) in itertools.product(((2048, 2048, 512), (2048, 2048, 256), (100000, 512, 512), (16384, 8192, 264), (256, 768, 512), (4096, 4096, 64)), (("mk", "kn"), ("km", "nk"))):
    cases[f"wgmma, {'x'.join(map(str, size))}, {lhs} {rhs}"] = (matmul(*size, lhs, rhs, "f16", "f16"), ["wgmma"], OWN)
for tile in ((192, 192, 64, 12, 1, 3), (128, 240, 32, 4, 3, 4), (64, 192, 64, 4, 3, 4)):
    cases[f"wgmma, three consumers, {tile}"] = (matmul(*SIZE, "mk", "nk", "bf16", "bf16", WGMMA.format(*tile[:5], "", 8, 8, 8, tile[5], "")), ["wgmma"], OWN)
cases["wgmma, tf32"] = (matmul(*SIZE, "mk", "nk", "f32", "f32", WGMMA.format(128, 256, 32, 8, 1, "", 4, 4, 4, 4, ", tf32")), ["wgmma.mma_async.sync.aligned.m64n256k8.f32.tf32.tf32"], OWN)
for (type_, other, ptx), out in itertools.product((("f8E4M3FN", "f8E4M3FN", "e4m3.e4m3"), ("f8E5M2", "f8E5M2", "e5m2.e5m2"), ("f8E4M3FN", "f8E5M2", "e4m3.e5m2")), ("f32", "bf16", "f16")):
    cases[f"wgmma, {type_}, {other} to {out}"] = (matmul(*SIZE, "mk", "nk", type_, out, other=other), ["wgmma.mma_async.sync.aligned.m64n256k32.f32." + ptx], OWN)
for tile in ((256, 128, 128, 8, 1, 4), (128, 192, 128, 8, 1, 4), (64, 256, 128, 4, 2, 4), (128, 128, 64, 8, 1, 8)):
    cases[f"wgmma of 8 bits, tile {tile}"] = (matmul(*SIZE, "mk", "nk", "f8E4M3FN", "bf16", WGMMA.format(*tile[:5], "cluster = [2, 1], ", 16, 16, 8, tile[5], "")), ["wgmma"], OWN)
cases["f8E4M3FN without tensor cores"] = (matmul(*SIZE, "mk", "kn", "f8E4M3FN", "bf16", PLAIN.format(128, 128, 8)), ["fma.rn.f32"], BOTH)
cases["wgmma, parts"] = (matmul(512, 512, 65536, "mk", "kn", "bf16", "bf16"), ["wgmma"], OWN)
cases["wgmma, epilogues"] = (feed_forward("bf16"), ["wgmma", "stmatrix"], OWN)
cases["wgmma, step of an MLP"] = (mlp("bf16", [784, 2048, 2048, 10], 8192), ["wgmma"], OWN)
cases["wgmma, step of a residual CNN"] = (residual([64, 128], 32, depth=1, size=(28, 28), dropout=ChannelDropout(0.5, granularity=16), optimizer="momentum", dtype="bf16").mlir(), ["wgmma"], OWN)
cases["wgmma, step of a plain CNN"] = (plain([64, 128], 32, depth=2, size=(28, 28), dropout=ChannelDropout(0.5, granularity=16), optimizer="momentum", dtype="bf16").mlir(), ["wgmma"], OWN)
cases["wgmma, step of a CNN, windows of 25"] = (Cnn([Conv(64), Conv(64, norm=False), Pool("max", 5, 2, 2), Conv(64)], 32, size=(28, 28), dropout=ChannelDropout(0.5, granularity=16), dtype="bf16").mlir(), ["wgmma"], OWN)
cases["step of an LSTM"] = (Lstm(10000, 650, 20, 35, 2, dropout=Dropout(0.5), recurrent=Dropout(0.5), clip=5.0, dtype="bf16").mlir(), ["mma.sync"], BOTH)
# Classes of tiles in one launch: whole ones, and ragged ones of 1300 and 10000 units.
cases["wgmma, step of an MLP, tiles"] = (Mlp([1024, 2048, 2048, 512], 4096, dropout=Dropout(0.5, tile=(32, 32)), dtype="bf16").mlir(), ["wgmma", "ctaid.z"], OWN)
cases["step of an LSTM, large batch"] = (Lstm(1000, 512, 256, 8, 2, dropout=Dropout(0.5), clip=5.0, dtype="bf16").mlir(), ["wgmma"], OWN)
cases["step of an LSTM, tiles"] = (Lstm(10000, 650, 20, 35, 2, dropout=Dropout(0.5, tile=(32, 32)), recurrent=Dropout(0.5, tile=(32, 32)), clip=5.0, dtype="bf16").mlir(), ["mma.sync", "ctaid.z"], BOTH)
# Forward passes with both gradients: boxes of pixels, steps, padding, parts, and channels
# of which patterns keep blocks.
IMAGES = {
    "3x3": Convolution(32, 56, 56, 64, 64, pad=(1, 1, 1, 1), out="bf16"),
    "3x3 of images of 7 x 7": Convolution(32, 7, 7, 512, 512, pad=(1, 1, 1, 1), type_="f16", out="f16"),
    "3x3, stride 2": Convolution(32, 28, 28, 128, 256, stride=(2, 2), pad=(1, 1, 1, 1), out="bf16"),
    "3x3, dilation 2": Convolution(32, 14, 14, 256, 256, pad=(2, 2, 2, 2), dilation=(2, 2), type_="f16", out="f16"),
    "1x1": Convolution(32, 14, 14, 1024, 256, taps=(1, 1), out="bf16"),
    "1x1, stride 2": Convolution(32, 56, 56, 256, 512, taps=(1, 1), stride=(2, 2), out="bf16"),
    "96 channels": Convolution(32, 28, 28, 96, 96, pad=(1, 1, 1, 1), out="bf16"),
}
for name, convolution in IMAGES.items():
    cases[f"convolution {name}"] = (convolution.text(differentiate=True), ["wgmma", "cp.async.bulk.tensor.4d.shared::cluster.global.tile" if name != "1x1" else "cp.async.bulk.tensor"], OWN)
cases["convolution, tf32"] = (Convolution(32, 28, 28, 128, 128, pad=(1, 1, 1, 1), type_="f32", out="f32").text(), ["wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32", "cp.async.bulk.tensor.4d"], OWN)
KEPT = '#sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "c", granularity = 16>'
cases["convolution, dropped"] = (Convolution(32, 28, 28, 128, 128, pad=(1, 1, 1, 1), out="bf16").text(differentiate=True, dropout=KEPT), ["wgmma", "cp.async.bulk.tensor.5d"], OWN)
TAPS = "#sparsedrop.kernel<wgmma, tile = [128, 64, 96], warps = [8, 1], vector = [8, 8, 8], rows = [2, 8, 8], depth = [1, 3, 32], stages = 4>"
cases["convolution, several taps"] = (Convolution(32, 28, 28, 32, 64, pad=(1, 1, 1, 1), out="bf16").text(TAPS), ["wgmma"], OWN)
cases["convolution, sm_80"] = (Convolution(32, 28, 28, 128, 128, pad=(1, 1, 1, 1), out="bf16").text(differentiate=True), ["mma.sync"], ("sm_80",))
for tile in ((128, 64, 32, 4), (64, 128, 32, 4), (64, 64, 64, 3), (64, 32, 64, 3), (32, 64, 64, 3), (32, 32, 64, 3)):
    kernel = TENSOR_CORE.format(*tile[:3], 8, 8, 8, tile[3], "")
    cases[f"bf16, tile {tile}"] = (matmul(*SIZE, "mk", "kn", "bf16", "bf16", kernel), ["mma.sync"], BOTH)
for lhs, rhs in (("mk", "nk"), ("km", "kn")):
    kernel = TENSOR_CORE.format(128, 128, 16, 4, 4, 4, 4, ", tf32")
    cases[f"tf32, {lhs} {rhs}"] = (matmul(*SIZE, lhs, rhs, "f32", "f32", kernel), ["mma.sync.aligned.m16n8k8.row.col.f32.tf32", "cvt.rna.tf32.f32"], BOTH)
cases["bf16, parts"] = (matmul(512, 512, 65536, "mk", "kn", "bf16", "bf16", TENSOR_CORE.format(64, 64, 64, 8, 8, 8, 3, ", split = 8")), ["mma.sync"], BOTH)
cases["bf16, no alignment"] = (matmul(4095, 4095, 4095, "mk", "kn", "bf16", "bf16"), ["mma.sync"], BOTH)
for tile in ((128, 128, 8), (128, 64, 8), (64, 128, 8), (64, 64, 16), (64, 16, 16), (16, 64, 16), (32, 32, 16)):
    cases[f"f32, tile {tile}"] = (matmul(*SIZE, "mk", "kn", "f32", "f32", PLAIN.format(*tile)), ["fma.rn.f32", "ld.global.v"], BOTH)
cases["f64"] = (matmul(*SIZE, "mk", "kn", "f64", "f64"), ["fma.rn.f64"], BOTH)
for type_ in ("bf16", "f16", "f32", "f64", "f8E4M3FN", "f8E5M2"):
    vector = {"bf16": "ld.global.v4.b32", "f16": "ld.global.v4.b32", "f32": "ld.global.v4.b32", "f64": "ld.global.v2.b64"}.get(type_, "ld.global.v4.b32")
    cases[f"elementwise and reductions, {type_}"] = (elementwise(type_), [vector, "bar.sync"], BOTH)


def measure(item):
    name, chip = item
    text, expected, _ = cases[name]
    ptx = to_ptx(text, chip, "sparsedrop-pipeline," if "step" in name or "convolution" in name else "", "tf32" if name == "convolution, tf32" else "")
    for instruction in expected:
        assert instruction in ptx, f"{name}, {chip}: no {instruction}"
    return name, chip, assemble(name, ptx, chip)


version = re.search(r"V[\d.]+", subprocess.run([ptxas, "--version"], capture_output=True, text=True).stdout).group(0)
figures = {}
with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    for name, chip, kernels in pool.map(measure, [(name, chip) for name, case in cases.items() for chip in case[2]]):
        figures.setdefault(name, {})[chip] = kernels
if "--record" in sys.argv:
    with open(RECORD, "w") as file:
        json.dump({"ptxas": version, "registers": figures}, file, indent=1)
        file.write("\n")
with open(RECORD) as file:
    recorded = json.load(file)
if recorded["ptxas"] == version:
    for name, chips in figures.items():
        assert recorded["registers"].get(name) == chips, f"{name}: {chips}, but {RECORD} has {recorded['registers'].get(name)}"
start = time.monotonic()
step = to_ptx(mlp("f32", [784, 2048, 2048, 10], 256), "sm_90a", "sparsedrop-pipeline,")
assemble("mlp", step, "sm_90a")
seconds = time.monotonic() - start
assert seconds < 10, f"the training step took {seconds:.1f} s to become a cubin"
print(f"{len(figures)} programs, {sum(len(k) for c in figures.values() for k in c.values())} kernels; training step to cubin in {seconds:.1f} s")
