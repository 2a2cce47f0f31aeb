"""Speed of the PTX interpreter, with all checks on.

    python -m sparsedrop.bench.interpreter --tool=build/release/bin/sparsedrop-ptx \\
        --programs=test/Interp/Programs

Prints the median time of some programs and their thread-instructions a second.
A product's result is compared with NumPy's first."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile

import numpy as np


def _save(folder: str, name: str, array: np.ndarray) -> str:
    path = os.path.join(folder, name + ".npy")
    np.save(path, array)
    return path


def _cases(folder: str) -> list[tuple[str, str, str, list[str], np.ndarray | None]]:
    """(what, file, kernel, options, expected result of out.npy)."""
    rng = np.random.default_rng(0)
    out = os.path.join(folder, "out.npy")

    def half(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float16)

    a, b = half(512, 512), half(512, 512)
    sizes = np.array([512] * 6, np.int32).tobytes().hex()
    mma = ["--grid=4,4", "--block=256", "--shared=49152", f"--arg={_save(folder, 'a', a)}", f"--arg={_save(folder, 'b', b)}",
           f"--arg=out:f32:512,512:{out}", f"--arg=bytes:{sizes}"]  # fmt: skip
    p, q = half(1024, 512), half(1024, 512)
    fields = "f16:512,1024:1024:64,128:1,1:128:none:zero"
    wgmma = ["--grid=8,8", "--block=384", "--shared=98304", f"--arg=tensormap@{_save(folder, 'p', p)}:{fields}", f"--arg=tensormap@{_save(folder, 'q', q)}:{fields}",
             f"--arg=out:f32:1024,1024:{out}", "--arg=i32:1024", "--arg=i32:1024", "--arg=i32:512"]  # fmt: skip
    x, y = (rng.standard_normal((256, 256)).astype(np.float32) for _ in range(2))
    tiled = ["--grid=16,16", "--block=16,16", f"--arg={_save(folder, 'x', x)}", f"--arg={_save(folder, 'y', y)}",
             f"--arg=out:f32:256,256:{out}", *["--arg=i32:256"] * 3]  # fmt: skip
    unused = os.path.join(folder, "unused.npy")
    mix = ["--grid=64", "--block=256", f"--arg=out:u32:16384:{unused}", f"--arg=out:f32:16384:{out}", "--arg=i32:2000"]
    wide = np.float64
    return [
        ("mma.sync, f16, 512 x 512 x 512", "mma.sm_80.ptx", "mma_matmul", mma, a.astype(wide) @ b.astype(wide)),
        ("wgmma and TMA, f16, 1024 x 1024 x 512", "wgmma.sm_90a.ptx", "wgmma_matmul", wgmma, p.astype(wide) @ q.astype(wide).T),
        ("plain f32 through shared memory, 256 x 256 x 256", "matrices.sm_80.ptx", "matmul", tiled, x.astype(wide) @ y.astype(wide)),
        ("plain arithmetic in registers", "bits.sm_80.ptx", "mix", mix, None),
    ]


def _measure(tool: str, path: str, kernel: str, options: list[str], repeat: int, threads: int) -> tuple[float, float]:
    """Median milliseconds, and millions of thread-instructions a second."""
    command = [tool, path, f"--kernel={kernel}", *options, "--time", f"--repeat={repeat}", f"--threads={threads}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or done.stderr:
        sys.exit(f"{kernel}: {done.stderr.strip()}")
    rows = re.findall(r"([\d.]+) ms, ([\d.]+) million", done.stdout)
    return statistics.median(float(r[0]) for r in rows), statistics.median(float(r[1]) for r in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", default="build/release/bin/sparsedrop-ptx", help="sparsedrop-ptx")
    parser.add_argument("--programs", default="test/Interp/Programs", help="folder of the PTX")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each program")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="host threads")
    options = parser.parse_args()
    print(f"{options.threads} threads, {options.repeat} runs, all checks on")
    print(f"{'':50} {'median ms':>10} {'million thread-instructions/s':>30}")
    with tempfile.TemporaryDirectory() as folder:
        for what, file, kernel, arguments, expected in _cases(folder):
            path = os.path.join(options.programs, file)
            time, rate = _measure(options.tool, path, kernel, arguments, options.repeat, options.threads)
            if expected is not None:
                error = np.abs(np.load(os.path.join(folder, "out.npy")) - expected).max()
                if not error < 1e-2:
                    sys.exit(f"{kernel}: the result is off by {error}")
            print(f"{what:50} {time:10.1f} {rate:30.1f}")


if __name__ == "__main__":
    main()
