# RUN: %python %s sparsedrop-run %t 100
# RUN: %python %s %run_on_interp %t.device 20 1000

"""Gradients of random annotated programs against central differences.

The programs are those of Property/random-programs.py in float64. For each, the
gradient of all arguments in one random direction, weighted over the results, is
compared with (f(x + h d) - f(x - h d)) / 2h, and compact with masked. A step
that crosses a kink of a relu or another winner of a maximum is no error of the
gradient: a second, smaller step then has to agree.

Run by hand: random-programs.py RUN FOLDER COUNT [FIRST]
"""

import importlib.util
import os
import sys

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
spec = importlib.util.spec_from_file_location("programs", os.path.join(here, "..", "Property", "random-programs.py"))
programs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(programs)
# That has made the inputs of the property tests known.
from driver import execute, run_all


class Program(programs.Program):
    """A program in float64, marked for differentiation."""

    TYPES = ["f64"]

    def text(self):
        wrt = ", ".join(str(i) for i in range(len(self.args)))
        mark = f" attributes {{sparsedrop.differentiate = {{wrt = [{wrt}]}}}} {{\n"
        return super().text().replace(") {\n", ")" + mark, 1)


def evaluate(run, program, stem, entry, inputs, count, mode):
    command = [run, stem + ".mlir", f"--entry={entry}", f"--mode={mode}"]
    command += [f"--seed={program.seed}", f"--step={program.step}", f"--output={stem}"]
    if problem := execute(command, stem, inputs):
        raise RuntimeError(problem)
    return [np.load(f"{stem}.{i}.npy").astype(np.float64) for i in range(count)]


def check(run, folder, number):
    """None, or what is wrong with the gradient of program `number`."""
    program = Program(number)
    stem = os.path.join(folder, f"g{number}")
    with open(stem + ".mlir", "w") as file:
        file.write(program.text())
    rng = np.random.default_rng(number)
    inputs = [data.astype(np.float64) for data in program.inputs]
    weights = [rng.standard_normal(shape) for _, shape, _ in program.results]
    directions = [rng.standard_normal(data.shape) for data in inputs]
    count = len(weights)
    try:
        compact, masked = (
            evaluate(run, program, stem, "f_grad", inputs + weights, count + len(inputs), mode)[count:]
            for mode in ("compact", "masked")
        )
        for i, (a, b) in enumerate(zip(compact, masked)):
            if not np.abs(a - b).max(initial=0) <= 1e-9 * max(1, np.abs(b).max(initial=0)):
                return f"{stem}.mlir: compact and masked differ in gradient {i} by {np.abs(a - b).max():.3e}"
        analytic = sum((g * d).sum() for g, d in zip(masked, directions))
        scale = sum(np.abs(g * d).sum() for g, d in zip(masked, directions)) + 1e-3
        for step in (1e-5, 1e-7):
            sides = []
            for sign in (step, -step):
                moved = [x + sign * d for x, d in zip(inputs, directions)]
                values = evaluate(run, program, stem, "f", moved, count, "masked")
                sides.append(sum((w * v).sum() for w, v in zip(weights, values)))
            numeric = (sides[0] - sides[1]) / (2 * step)
            # Rounding of the values over the step, times the largest value.
            noise = 2.0**-50 * sum(np.abs(w * v).sum() for w, v in zip(weights, values)) / step
            if abs(numeric - analytic) <= 1e-6 * scale + noise:
                break
        else:
            return f"{stem}.mlir: {analytic} by the compiler, {numeric} by differences"
    except RuntimeError as error:
        return f"{stem}.mlir: {error}"
    for path in os.listdir(folder):
        if path.startswith(f"g{number}."):
            os.unlink(os.path.join(folder, path))
    return None


if __name__ == "__main__":
    sys.exit(run_all(lambda run, folder, number, _: check(run, folder, number), "gradients"))
