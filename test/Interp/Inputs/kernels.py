"""Runs PTX kernels by sparsedrop-ptx: what the tests of the interpreter share."""

import os
import subprocess
import tempfile
from dataclasses import dataclass, field

import numpy as np

HEADER = ".version 8.6\n.target {target}\n.address_size 64\n"


def module(body, target="sm_90a"):
    """A module of functions, variables and kernels."""
    return HEADER.format(target=target) + body


def kernel(body, parameters="", name="k", target="sm_90a", before=""):
    """A module with one kernel. `%r0` is the thread's linear index in a grid of
    one dimension, `%rd0` its byte offset in an array of 4-byte elements; a
    parameter list such as "u64 in, u64 out, u32 n" is declared, and loaded into
    registers `%in`, `%out`, `%n`."""
    declared, loads, registers = [], [], []
    for item in filter(None, (p.strip() for p in parameters.split(","))):
        kind, label = item.split()
        declared.append(f".param .{kind} {name}_{label}")
        registers.append(f".reg .{kind.replace('u', 'b').replace('s', 'b')} %{label};")
        loads.append(f"ld.param.{kind} %{label}, [{name}_{label}];")
    return module(
        f"{before}\n.visible .entry {name}({', '.join(declared)}) {{\n"
        ".reg .pred %p<16>; .reg .b16 %h<32>; .reg .b32 %r<64>; .reg .f32 %f<32>;\n"
        ".reg .b64 %rd<64>; .reg .f64 %d<16>;\n"
        + "\n".join(registers + loads)
        + "\nmov.u32 %r60, %ctaid.x; mov.u32 %r61, %ntid.x; mov.u32 %r62, %tid.x;\n"
        "mad.lo.s32 %r0, %r60, %r61, %r62;\nmul.wide.u32 %rd0, %r0, 4;\n"
        + body
        + "\nret;\n}\n",
        target,
    )


@dataclass
class Out:
    """Memory that the kernel writes and nobody has written before."""

    dtype: str
    shape: tuple


@dataclass
class InOut:
    """Memory that the kernel reads and writes."""

    array: np.ndarray


@dataclass
class Result:
    code: int
    errors: str
    outputs: list = field(default_factory=list)


DTYPES = {
    "u8": np.uint8, "i8": np.int8, "u16": np.uint16, "i16": np.int16, "u32": np.uint32,
    "i32": np.int32, "u64": np.uint64, "i64": np.int64, "f16": np.float16,
    "f32": np.float32, "f64": np.float64,
}  # fmt: skip


class Runner:
    def __init__(self, tool):
        self.tool = tool

    def run(self, text, args, grid=1, block=32, name="k", **options):
        """Runs a kernel; arguments are arrays, Out, InOut, or scalars as the tool
        writes them ("u32:5"). Options are the tool's: cluster, shared, seed ...;
        `only` is its --check."""
        if "only" in options:
            options["check"] = options.pop("only")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "kernel.ptx")
            with open(path, "w") as file:
                file.write(text)
            command = [self.tool, path, f"--kernel={name}", f"--grid={grid}", f"--block={block}"]
            command += [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
            outputs = []
            for number, arg in enumerate(args):
                command.append("--arg=" + self._write(folder, number, arg, outputs))
            done = subprocess.run(command, capture_output=True, text=True, timeout=300)
            result = Result(done.returncode, done.stderr.replace(path, "kernel.ptx"))
            for output in outputs:
                exists = os.path.exists(output)
                result.outputs.append(np.load(output) if exists else None)
            return result

    def _write(self, folder, number, arg, outputs):
        source = os.path.join(folder, f"in{number}.npy")
        target = os.path.join(folder, f"out{number}.npy")
        if isinstance(arg, tuple):  # ("map", array, text): IN0 or OUT1 is the array
            _, array, text = arg
            inner = self._write(folder, number, array, outputs)
            return text.replace("IN0", inner).replace("OUT1", inner)
        if isinstance(arg, Out):
            outputs.append(target)
            return f"out:{arg.dtype}:{','.join(map(str, arg.shape))}:{target}"
        if isinstance(arg, InOut):
            np.save(source, np.ascontiguousarray(arg.array))
            outputs.append(target)
            return f"inout:{source}:{target}"
        if isinstance(arg, np.ndarray):
            np.save(source, np.ascontiguousarray(arg))
            return source
        return arg


class Checker:
    """Counts what is wrong, and says it."""

    def __init__(self, tool):
        self.runner = Runner(tool)
        self.failures = 0
        self.passed = 0

    def fail(self, name, text):
        self.failures += 1
        print(f"{name}: {text}")

    def clean(self, name, text, args, want, **options):
        """The kernel runs without a finding and gives `want` (a list of arrays)."""
        result = self.runner.run(text, args, **options)
        if result.code != 0 or result.errors:
            return self.fail(name, f"exit code {result.code}: {result.errors.strip()}")
        if len(result.outputs) != len(want):
            return self.fail(name, f"{len(result.outputs)} outputs, but {len(want)} are expected")
        for i, (got, expected) in enumerate(zip(result.outputs, want)):
            expected = np.asarray(expected)
            if got is None or got.shape != expected.shape:
                return self.fail(name, f"output {i} is missing or has another shape")
            if not np.array_equal(got, expected, equal_nan=got.dtype.kind == "f"):
                where = np.argwhere(got != expected)[0]
                return self.fail(
                    name, f"output {i} at {tuple(where)}: {got[tuple(where)]}, expected {expected[tuple(where)]}"
                )
        self.passed += 1

    def finds(self, name, text, args, check, *words, line=None, **options):
        """The kernel has a bug that `check` finds; the message has all `words`, and
        names the kernel, the block, the thread and the line that `line` is on."""
        result = self.runner.run(text, args, **options)
        if result.code != 1:
            return self.fail(name, f"exit code {result.code}, expected 1: {result.errors.strip()}")
        first = result.errors.strip().splitlines()
        found = [entry for entry in first if f"error: {check}:" in entry]
        if not found:
            return self.fail(name, f"expected a finding of {check}, got: {result.errors.strip()}")
        for word in (*words, "kernel k", "block (", "thread ("):
            if word not in found[0]:
                return self.fail(name, f"expected '{word}' in: {found[0]}")
        if line is not None:
            number = next(i for i, at in enumerate(text.splitlines(), 1) if line in at)
            if not found[0].startswith(f"kernel.ptx:{number}:"):
                return self.fail(name, f"expected line {number} in: {found[0]}")
        self.passed += 1

    def refuses(self, name, text, *words, line=None):
        """The file is refused before anything runs."""
        result = self.runner.run(text, [])
        if result.code != 1:
            return self.fail(name, f"exit code {result.code}, expected 1: {result.errors.strip()}")
        for word in words:
            if word not in result.errors:
                return self.fail(name, f"expected '{word}' in: {result.errors.strip()}")
        if line is not None:
            number = next(i for i, at in enumerate(text.splitlines(), 1) if line in at)
            if not result.errors.startswith(f"kernel.ptx:{number}: error:"):
                return self.fail(name, f"expected line {number} in: {result.errors.strip()}")
        self.passed += 1

    def finish(self):
        print(f"{self.passed} passed, {self.failures} failed")
        return 1 if self.failures else 0
