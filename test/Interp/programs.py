# RUN: %python %s sparsedrop-ptx

"""CUDA kernels as nvcc compiles them for sm_80 and sm_90a, run with all checks on
and compared with NumPy: no finding, and the right result. The PTX lies beside
the sources (Programs/compile.sh makes it)."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs")
from programs import jobs, run

with ThreadPoolExecutor(os.cpu_count()) as pool:
    failures = [line for line in pool.map(run, jobs) if line]
print("\n".join(failures))
print(f"{len(jobs) - len(failures)} passed, {len(failures)} failed, {len({(j[0].split('.')[0], j[1]) for j in jobs})} kernels")
sys.exit(1 if failures else 0)
