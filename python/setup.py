"""Puts the shared libraries of a build beside the package, where there are any:
SPARSEDROP_BUILD, or the release build of the checkout. Without them the package
looks for the library when it is first used (SPARSEDROP_LIBRARY)."""

import os
import shutil
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

LIBRARIES = ("libSparseDropC.so.1", "libsparsedrop_runtime.so.1")
# Opened where a program asks for the interpreter; not every build has it.
INTERPRETER = "libsparsedrop_interp.so.1"


def find_libraries() -> list[Path]:
    build = os.environ.get("SPARSEDROP_BUILD")
    if build and not (Path(build) / "lib" / LIBRARIES[0]).exists():
        raise SystemExit(f"error: {build}/lib has no {LIBRARIES[0]} (SPARSEDROP_BUILD)")
    folder = Path(build) if build else Path(__file__).resolve().parent.parent / "build" / "release"
    found = [folder / "lib" / name for name in LIBRARIES]
    if not all(path.exists() for path in found):
        return []
    interpreter = folder / "lib" / INTERPRETER
    return [*found, interpreter] if interpreter.exists() else found


class BuildWithLibraries(build_py):
    def run(self) -> None:
        super().run()
        for path in find_libraries():
            target = Path(self.build_lib) / "sparsedrop" / "lib"
            target.mkdir(parents=True, exist_ok=True)
            # The loader finds the others beside the first ($ORIGIN).
            shutil.copyfile(path, target / path.name)


class BinaryDistribution(Distribution):
    """With libraries a wheel is for this machine only."""

    def has_ext_modules(self) -> bool:
        return bool(find_libraries())


setup(cmdclass={"build_py": BuildWithLibraries}, distclass=BinaryDistribution)
