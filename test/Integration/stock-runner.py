# REQUIRES: plugin
# RUN: %python %s %examples/mlp.mlir %t
# RUN: mlir-opt --load-dialect-plugin=%plugin %t.mlir --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=compact})' -o %t.up.mlir
# RUN: not grep sparsedrop\\.compact %t.up.mlir
# RUN: mlir-opt %t.up.mlir --pass-pipeline='builtin.module(one-shot-bufferize{bufferize-function-boundaries=1 function-boundary-type-conversion=identity-layout-map},canonicalize,convert-linalg-to-loops,expand-strided-metadata,lower-affine,convert-scf-to-cf,finalize-memref-to-llvm,convert-func-to-llvm,convert-arith-to-llvm,convert-cf-to-llvm,reconcile-unrealized-casts)' -o %t.llvm.mlir
# RUN: mlir-runner %t.llvm.mlir -O2 -e main --entry-point-result=void --shared-libs=%runtime,%mlir_lib_dir/libmlir_runner_utils.so,%mlir_lib_dir/libmlir_c_runner_utils.so > %t.runner
# RUN: sparsedrop-run %t.mlir --entry=result --output=%t.run
# RUN: %python %s %t.runner %t.run.0.npy compare

"""The MLP through the stock mlir-opt with the plugin, the stock lowerings and
mlir-runner gives what sparsedrop-run gives.

Writes the MLP with inputs made in the program: weights and input are sines of
the index, seed and step are constants; @main prints, @result returns.
"""

import re
import sys

import numpy as np

if len(sys.argv) == 4:
    text = open(sys.argv[1]).read()
    printed = np.array([float(v) for v in re.findall(r"-?\d+\.?\d*(?:e[+-]?\d+)?", text[text.index("data =") + 6 :])])
    expected = np.load(sys.argv[2]).astype(np.float64).ravel()
    assert printed.shape == expected.shape, (printed.shape, expected.shape)
    # printMemrefF32 gives six digits; sums of up to 2048 terms in another order
    # differ by 2048 half units of f32 at most, relative to the largest value.
    error = np.abs(printed - expected).max() / np.abs(expected).max()
    assert error < 1e-5 + 2048 * 2.0**-24, error
    assert np.abs(expected).max() > 1e-3
    sys.exit(0)

source = open(sys.argv[1]).read()
source = source.replace(
    "%b3: tensor<10xf32>)", "%b3: tensor<10xf32>,\n               %seed: i64 {sparsedrop.seed}, %step: i64 {sparsedrop.step})"
).replace("func.func @mlp", "func.func private @mlp")
shapes = [(256, 784), (784, 2048), (2048,), (2048, 2048), (2048,), (2048, 10), (10,)]
body, names, types = [], [], []
for i, shape in enumerate(shapes):
    t = "tensor<" + "".join(f"{n}x" for n in shape) + "f32>"
    rank = len(shape)
    dims = ", ".join(f"d{k}" for k in range(rank))
    iterators = ", ".join(['"parallel"'] * rank)
    scale = 1.0 / shape[0] ** 0.5 if rank == 2 else 0.1
    indices = "\n".join(
        f"      %i{k} = linalg.index {k} : index\n      %j{k} = arith.index_cast %i{k} : index to i32\n"
        f"      %f{k} = arith.sitofp %j{k} : i32 to f32"
        for k in range(rank)
    )
    total = "      %s = arith.mulf %f0, %c1 : f32"
    if rank == 2:
        total = (
            "      %s0 = arith.mulf %f0, %c1 : f32\n      %s1 = arith.mulf %f1, %c2 : f32\n"
            "      %s2 = arith.addf %s0, %s1 : f32\n      %s3 = arith.mulf %f0, %f1 : f32\n"
            "      %s4 = arith.mulf %s3, %c1 : f32\n      %s = arith.addf %s2, %s4 : f32"
        )
    # A value in [-1, 1] without libm: the distance to the nearest integer.
    body.append(
        f"  %e{i} = tensor.empty() : {t}\n"
        f"  %v{i} = linalg.generic {{indexing_maps = [affine_map<({dims}) -> ({dims})>], iterator_types = [{iterators}]}}\n"
        f"      outs(%e{i} : {t}) {{\n    ^bb0(%o: f32):\n{indices}\n{total}\n"
        f"      %n = arith.fptosi %s : f32 to i32\n      %g = arith.sitofp %n : i32 to f32\n"
        f"      %d = arith.subf %s, %g : f32\n      %h = arith.subf %d, %half : f32\n"
        f"      %w = arith.constant {2 * scale:.9f} : f32\n      %r = arith.mulf %h, %w : f32\n"
        f"      linalg.yield %r : f32\n  }} -> {t}"
    )
    names.append(f"%v{i}")
    types.append(t)
result = "tensor<256x10xf32>"
with open(sys.argv[2] + ".mlir", "w") as file:
    file.write(source)
    file.write(
        f"""
func.func @result() -> {result} {{
  %c1 = arith.constant 0.618034 : f32
  %c2 = arith.constant 0.414214 : f32
  %half = arith.constant 0.5 : f32
  %seed = arith.constant 42 : i64
  %step = arith.constant 3 : i64
"""
        + "\n".join(body)
        + f"""
  %y = func.call @mlp({', '.join(names)}, %seed, %step) : ({', '.join(types)}, i64, i64) -> {result}
  return %y : {result}
}}
func.func private @printMemrefF32(tensor<*xf32>) attributes {{llvm.emit_c_interface}}
func.func @main() {{
  %y = func.call @result() : () -> {result}
  %u = tensor.cast %y : {result} to tensor<*xf32>
  func.call @printMemrefF32(%u) : (tensor<*xf32>) -> ()
  return
}}
"""
    )
