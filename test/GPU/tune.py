# RUN: %python %s %build/bin %root %t

"""The kernels of a training step of a small MLP are measured, on the interpreter: the
table has each product once, an interrupted run goes on where it was, a second run has
nothing to do, and the step by the table's kernels is the reference's."""

import json
import os
import re
import shutil
import subprocess
import sys

bin_dir, root, folder = sys.argv[1:4]
sys.path.insert(0, os.path.join(root, "python"))
from sparsedrop.models import Dropout, Mlp

shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
program, table = os.path.join(folder, "mlp.mlir"), os.path.join(folder, "kernels.json")
with open(program, "w") as file:
    file.write(Mlp([24, 32, 16, 4], 8, Dropout(0.5)).mlir())


def execute(tool, *options):
    command = [os.path.join(bin_dir, tool), program, "--entry=step", "--device=interp", "--random=1", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True)


def tune(*options):
    return execute("sparsedrop-tune", f"--table={table}", "--repeats=2", "--candidates=2", *options).stdout


def read():
    with open(table) as file:
        return json.load(file)["entries"]


text = tune()
entries = read()
signatures = [entry["signature"] for entry in entries]
found = re.search(r"products: (\d+), to measure: (\d+)", text)
assert found and found[1] == found[2] == str(len(entries)), text
# Three products forward, two input gradients, three weight gradients.
assert len(set(signatures)) == len(signatures) >= 6, signatures
assert re.findall(r"^product \d+ of \d+: (.*)$", text, re.M) == signatures, text
# Extents that follow the drawn pattern.
assert any("=?" in signature for signature in signatures), signatures
assert all("interpreter" in entry["device"] for entry in entries)

assert "to measure: 0\n" in tune() and read() == entries

# As if the run had been interrupted after two products, and others were there before.
other = dict(entries[0], signature="of another program", saved_us=0.5)
with open(table, "w") as file:
    json.dump({"version": 1, "entries": [other, *entries[:2]]}, file)
assert f"to measure: {len(entries) - 2}\n" in tune()
assert [entry["signature"] for entry in read()] == ["of another program", *signatures]
assert read()[:3] == [other, *entries[:2]]

done = execute(
    "sparsedrop-run",
    "--target=nvptx",
    f"--kernel-table={table}",
    "--check",
    "--steps=3",
    "--remarks-filter=sparsedrop-choose-kernels",
)
remarks = re.findall(r'Remark="(.*?)"', done.stderr)
assert len(remarks) >= 8 and all(remark.startswith("measured: ") for remark in remarks), remarks
assert "check: ok" in done.stdout, done.stdout
