# RUN: %python %s sparsedrop-run sparsedrop-opt %examples %t

"""The MLP of the README: 200 steps at the default and at max_period = 8, the
same for other widths and batch 1; every period is seen; nothing of full width is
computed, by the IR and by the counts of --report=json, recomputed here."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Property", "Inputs"))
import reference

run, opt, examples, folder = sys.argv[1:5]
os.makedirs(folder, exist_ok=True)
source = open(os.path.join(examples, "mlp.mlir")).read()


def variant(width=2048, batch=256, max_period=None):
    text = source.replace("2048", str(width)).replace("256x", f"{batch}x")
    if max_period:
        text = text.replace("rate = 0.5,", f"rate = 0.5, max_period = {max_period},")
    path = os.path.join(folder, f"mlp_{width}_{batch}_{max_period}.mlir")
    with open(path, "w") as file:
        file.write(text)
    return path


def check(path, seed, steps):
    done = subprocess.run(
        [run, path, "--random=7", f"--seed={seed}", "--check", f"--steps={steps}"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "check: ok" in done.stdout, path + "\n" + done.stdout + done.stderr


def sites(width, max_period=None):
    return [reference.Site(name, 0.5, width, max_period=max_period) for name in ("hidden1", "hidden2")]


for max_period in (None, 8):
    check(variant(max_period=max_period), 5, 200)
    longest = max_period or 4
    seen = {reference.draw(5, step, s.name, s.millionths)[0] for step in range(200) for s in sites(2048, max_period)}
    assert seen == set(range(1, longest + 1)), seen
    for width in (2047, 5, 3):
        check(variant(width, max_period=max_period), 5, 200)
        check(variant(width, 1, max_period=max_period), 6, 200)

# The IR: no tensor of full width between the weights and the result.
compact = subprocess.run(
    [opt, variant(), "--pass-pipeline=builtin.module(sparsedrop-pipeline{mode=compact})"],
    capture_output=True,
    text=True,
    check=True,
).stdout
assert "linalg.matmul" in compact and "tensor<256x2048xf32>" not in compact
masked = subprocess.run(
    [opt, variant(), "--pass-pipeline=builtin.module(sparsedrop-pipeline{mode=masked})"],
    capture_output=True,
    text=True,
    check=True,
).stdout
assert "tensor<256x2048xf32>" in masked

# The counts, from the draws alone.
for seed, step in ((0, 0), (3, 11), (5, 4)):
    kept = []
    for site in sites(2048):
        period, bias = reference.draw(seed, step, site.name, site.millionths)
        kept.append(int(reference.row_mask(2048, 1, period, bias).sum()))
    done = subprocess.run(
        [run, variant(), "--random=7", f"--seed={seed}", f"--step={step}", "--report=json"],
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert report["version"] == 1 and report["function"] == "mlp" and report["mode"] == "compact"
    flops = [2 * 256 * m * n for m, n in ((784, kept[0]), (kept[0], kept[1]), (kept[1], 10))]
    bytes_ = [4 * (256 * m + m * n + 256 * n) for m, n in ((784, kept[0]), (kept[0], kept[1]), (kept[1], 10))]
    dense = [2 * 256 * m * n for m, n in ((784, 2048), (2048, 2048), (2048, 10))]
    assert [op["actual"]["flops"] for op in report["ops"]] == flops
    assert [op["actual"]["bytes"] for op in report["ops"]] == bytes_
    assert [op["dense"]["flops"] for op in report["ops"]] == dense
    assert report["totals"]["actual"]["flops"] == sum(flops)
    assert all(op["reason"] == "" for op in report["ops"])
    # One side of the first and last product, both sides of the second.
    for op, share in zip(report["ops"], (0.5, 0.25, 0.5)):
        assert abs(op["expected_flops"] / op["dense"]["flops"] - share) < 1e-5
print("ok")
