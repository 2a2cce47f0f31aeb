# RUN: %python %s sparsedrop-ptx

"""Programs with one synchronization left out: a barrier, a wait, a fence, an
arrival. Each is found by a check or by a wrong result, in one of a few orders of
the warps; those in EQUIVALENT change nothing, for the reason beside them."""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path[0] = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs")
from programs import jobs, read, run

SYNCHRONIZES = re.compile(
    r"^\s*(bar\.|barrier\.|cp\.async\.wait|cp\.async\.bulk\.wait|fence\.proxy|wgmma\.fence|wgmma\.wait|mbarrier\.(arrive|try_wait)"
    r"|cp\.async\.(bulk\.)?commit|wgmma\.commit)"
)
# By kernel, instruction and which of them it is in the kernel.
EQUIVALENT = {
    "send_sums barrier.cluster.wait #1": "only the first block's memory is written by others, and it waits for that",
    "tma_multicast barrier.cluster.wait #0": "each block has waited for what is written to it",
    "smooth bar.sync #0": "orders global memory, in which races are not looked for",
    "mma_matmul cp.async.wait_all #0": "what is still under way copies nothing",
    "softmax bar.sync #3": "the room is not used again",
    "layer_norm bar.sync #3": "the room is not used again",
    "pipeline_sums mbarrier.arrive.shared::cta.b64 #4": "of the last tiles: nobody waits for them to be free",
    "wgmma_matmul mbarrier.arrive.shared::cta.b64 #2": "of the last tile: nobody waits for it to be free",
    "wgmma_matmul wgmma.fence.sync.aligned #1": "the accumulators have not been used since the fence before",
}
seeds = (0, 1, 2)


def kernel_at(lines, number):
    """The kernel that a line is in."""
    for i in range(number, -1, -1):
        found = re.match(r"\s*\.visible \.entry (\w+)", lines[i])
        if found:
            return found.group(1)
    return None


def mutants():
    for file in sorted({job[0] for job in jobs if "sm_90a" in job[0]}):
        lines = read(file).splitlines()
        seen = {}
        for number, line in enumerate(lines):
            name = kernel_at(lines, number)
            if not SYNCHRONIZES.match(line) or name is None:
                continue
            changed = lines.copy()
            # What a wait gives must be there: it says yes at once.
            changed[number] = "setp.eq.u32 done, 0, 0;" if "try_wait" in line else ""
            launches = [job for job in jobs if job[0] == file and job[1] == name]
            word = line.split()[0].rstrip(";")
            ordinal = seen.setdefault((name, word), 0)
            seen[name, word] += 1
            yield f"{name} {word} #{ordinal} (line {number + 1} of {file})", "\n".join(changed), launches


def is_found(mutant):
    _, text, launches = mutant
    for seed in seeds:
        for file, name, args, want, tolerance, label, options in launches:
            changed = {**options, "seed": options.get("seed", 0) + seed, "max_instructions": 3000000}
            if run((file, name, args, want, tolerance, label, changed), text):
                return True
    return False


everything = list(mutants())
with ThreadPoolExecutor(os.cpu_count()) as pool:
    missed = [mutant[0] for mutant, found in zip(everything, pool.map(is_found, everything)) if not found]
unexpected = [name for name in missed if name.split(" (")[0] not in EQUIVALENT]
print("\n".join(unexpected))
found = len(everything) - len(missed)
print(f"{found} found, {len(missed) - len(unexpected)} change nothing, {len(unexpected)} missed")
sys.exit(1 if unexpected else 0)
