"""The command line of random tests: RUN FOLDER COUNT [FIRST [OPTION...]]."""

import concurrent.futures
import os
import sys


def run_all(check, what):
    """Runs check(RUN, FOLDER, number, OPTIONS) for COUNT numbers from FIRST on, which
    gives None or what is wrong. Returns the exit code."""
    run, folder, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    first = int(sys.argv[4]) if len(sys.argv) > 4 else 0
    os.makedirs(folder, exist_ok=True)
    # The programs are small: one thread each, two at a time.
    os.environ["SPARSEDROP_NUM_THREADS"] = "1"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        failures = [f for f in pool.map(lambda n: check(run, folder, n, sys.argv[5:]), range(first, first + count)) if f]
    for failure in failures[:10]:
        print(failure[:3000])
    print(f"{count - len(failures)} of {count} {what} agree")
    return 1 if failures else 0
