# RUN: %python %s sparsedrop-run %t
# RUN: %python %s %run_on_interp %t.device

"""Donated arguments: each result is what it should be wherever it lies, also
when buffers are exchanged or another result reads what is overwritten; bad
donations are one error."""

import os
import subprocess
import sys

import numpy as np

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
T = "tensor<24x24xf32>"


def function(marks, results, body, returned):
    arguments = ", ".join(f"%a{i}: {T}{' {sparsedrop.donate = ' + str(m) + '}' if m is not None else ''}" for i, m in enumerate(marks))
    types = ", ".join([T] * results)
    path = os.path.join(folder, "f.mlir")
    with open(path, "w") as file:
        file.write(
            "#id = affine_map<(a, b) -> (a, b)>\n#tr = affine_map<(a, b) -> (b, a)>\n"
            f"func.func @f({arguments}, %seed: i64 {{sparsedrop.seed}}, %step: i64 {{sparsedrop.step}}) -> ({types}) {{\n"
            f"{body}  return {returned} : {types}\n}}\n"
        )
    return path


def evaluate(path, inputs, count, mode="compact"):
    command = [run, path, f"--mode={mode}", "--seed=3", f"--output={folder}/o"]
    for i, data in enumerate(inputs):
        np.save(f"{folder}/{i}.npy", data)
        command.append(f"--input={folder}/{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [np.load(f"{folder}/o.{i}.npy") for i in range(count)]


rng = np.random.default_rng(1)
a, b = (rng.standard_normal((24, 24)).astype(np.float32) for _ in range(2))
outputs = evaluate(function([0, 1], 3, "", "%a1, %a0, %a0"), [a, b], 3)
for actual, expected in zip(outputs, (b, a, a)):
    assert np.array_equal(actual, expected)

# Both results start from the donated argument, and the second reads it.
BODY = f"""  %n = arith.constant 24 : index
  %p = sparsedrop.sample "s" seed(%seed) step(%step) extents(%n)
      {{rate = 0.5 : f64, distribution = array<f64: 0.2, 0.3, 0.3, 0.2>}} : !sparsedrop.pattern<row>
  %d = sparsedrop.dropout %a0, %p dim(0) : {T}, !sparsedrop.pattern<row>
  %u = linalg.generic {{indexing_maps = [#tr, #id], iterator_types = ["parallel", "parallel"]}}
      ins(%d : {T}) outs(%a0 : {T}) {{
    ^bb0(%x: f32, %o: f32):
      %s = arith.addf %x, %o : f32
      linalg.yield %s : f32
  }} -> {T}
  %v = linalg.matmul ins(%d, %a0 : {T}, {T}) outs(%a0 : {T}) -> {T}
"""
plain = evaluate(function([None], 2, BODY, "%u, %v"), [a], 2, "masked")
for marks in ([0], [1]):
    for mode in ("compact", "masked"):
        for actual, expected in zip(evaluate(function(marks, 2, BODY, "%u, %v"), [a], 2, mode), plain):
            # Sums of 24 terms in another order.
            assert np.abs(actual - expected).max() <= 24 * 2.0**-23 * np.abs(expected).max()

for marks, results, reason in (
    ([5], 1, "donates argument 0 to result 5, but has 1 results"),
    ([0, 0], 1, "0 and 1 are donated to result 0"),
):
    done = subprocess.run([run, function(marks, results, "", "%a0"), "--random=1"], capture_output=True, text=True)
    assert done.returncode == 1 and reason in done.stderr and done.stderr.count("error:") == 1, done
print("ok")
