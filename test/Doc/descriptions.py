# RUN: %python %s sparsedrop-opt %root

"""Every example in a TableGen description is a test: programs of ops, types and
attributes parse and verify, and each pass turns its first program into its
second (both canonicalized, constants folded and common values merged)."""

import glob
import os
import re
import subprocess
import sys

opt, root = sys.argv[1:3]
failures = []


def execute(text, pipeline, where):
    done = subprocess.run([opt, "-", f"--pass-pipeline=builtin.module({pipeline})"], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        failures.append(f"{where}: {done.stderr}")
    return done.stdout


def normalize(text):
    """Constants have no order: canonicalization puts them as it meets them."""
    constants = sorted(line for line in text.splitlines() if "= arith.constant" in line)
    rest = [line for line in text.splitlines() if "= arith.constant" not in line]
    return constants + rest


def blocks(description):
    return [re.sub(r"(?m)^    ", "", b) for b in re.findall(r"```mlir\n(.*?)```", description, re.S)]


passes = examples = 0
for path in sorted(glob.glob(os.path.join(root, "include", "**", "*.td"), recursive=True)):
    text = open(path).read()
    for match in re.finditer(r"(?m)^def (\w+)(.*?)^}", text, re.S):
        name, body = match.groups()
        description = re.search(r"let description = \[\{(.*?)\}\];", body, re.S)
        declared = re.search(r'Pass<"([\w-]+)"(?:, "([\w:]+)")?>', body)
        where = f"{os.path.basename(path)}: {name}"
        if not description:
            if declared or "Op<" in body:
                failures.append(f"{where} has no description")
            continue
        programs = blocks(description.group(1))
        if not declared:
            for program in programs:
                examples += 1
                execute(program, "", where)
            continue
        passes += 1
        if len(programs) != 2:
            failures.append(f"{where} does not show before and after")
            continue
        options = re.search(r"After `[\w-]+(\{.*?\})`:", description.group(1))
        pipeline = declared.group(1) + (options.group(1) if options else "")
        if declared.group(2).endswith("FuncOp"):
            pipeline = f"func.func({pipeline})"
        before = execute(programs[0], pipeline + ",canonicalize,cse", where)
        after = execute(programs[1], "canonicalize,cse", where)
        if normalize(before) != normalize(after):
            failures.append(f"{where}: the pass gives\n{before}but the description says\n{after}")

print("\n".join(failures))
print(f"{examples} examples, {passes} passes")
sys.exit(1 if failures or examples < 15 or passes < 11 else 0)
