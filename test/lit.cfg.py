"""The lit suite.

`driver` chooses what stands behind `sparsedrop-opt` in the tests:
  (none)     our tool
  plugin     the stock mlir-opt with our plugin loaded
  roundtrip  our tool, each input through text and bytecode first
Tests therefore write --pass-pipeline=, the only form a plugin can have.
"""

import os
import shutil

import lit.formats
from lit.llvm import llvm_config
from lit.llvm.subst import FindTool, ToolSubst

driver = lit_config.params.get("driver", "tool")
binary_dir = config.sparsedrop_binary_dir
bin_dir = os.path.join(binary_dir, "bin")
lib_dir = os.path.join(binary_dir, "lib")

config.name = "SPARSEDROP" if driver == "tool" else "SPARSEDROP-" + driver.upper()
config.test_format = lit.formats.ShTest(not llvm_config.use_lit_shell)
config.suffixes = [".mlir", ".py", ".test"]
config.excludes = ["lit.cfg.py", "Inputs", "CMakeLists.txt", "Unit"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(binary_dir, "test", driver)
config.environment["FILECHECK_OPTS"] = "-enable-var-scope --allow-unused-prefixes=false"
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
if config.sanitize:
    # libMLIR.so is not instrumented, so what instrumented headers note about
    # containers and bump allocators that cross into it is wrong; it also keeps
    # registries alive on purpose.
    config.environment["ASAN_OPTIONS"] = (
        "detect_container_overflow=0:allow_user_poisoning=0:detect_leaks=0"
    )
else:
    # An instrumented plugin cannot be loaded into the stock mlir-opt.
    config.available_features.add("plugin")

plugin = os.path.join(lib_dir, "SparseDropPlugin.so")
runtime = os.path.join(lib_dir, "libsparsedrop_runtime.so")
if driver == "plugin":
    if config.sanitize:
        lit_config.fatal("an instrumented plugin cannot be loaded into mlir-opt")
    opt = ToolSubst(
        "sparsedrop-opt",
        command=os.path.join(config.llvm_tools_dir, "mlir-opt"),
        extra_args=["--load-dialect-plugin=" + plugin],
    )
elif driver == "roundtrip":
    opt = ToolSubst("sparsedrop-opt", extra_args=["--verify-roundtrip"])
else:
    opt = ToolSubst("sparsedrop-opt")

if not os.path.exists(os.path.join(bin_dir, "sparsedrop-ptx")):
    config.excludes += ["Interp"]
ptxas = shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")
if ptxas:
    config.available_features.add("ptxas")
if driver != "tool":
    # The rest does not go through the driver.
    config.excludes += ["Tools", "Integration", "Doc", "Examples", "Property", "Gradient", "CAPI", "Models", "Interp", "GPU"]

llvm_config.with_environment("PATH", config.llvm_tools_dir, append_path=True)
llvm_config.with_environment("PATH", bin_dir, append_path=True)
llvm_config.use_default_substitutions()
llvm_config.add_tool_substitutions(
    [
        opt,
        ToolSubst("sparsedrop-compile"),
        ToolSubst("sparsedrop-run"),
        ToolSubst("sparsedrop-tune"),
        ToolSubst("sparsedrop-search"),
        ToolSubst("sparsedrop-ptx"),
        ToolSubst("sparsedrop-lsp-server"),
        ToolSubst("sparsedrop-capi-test"),
        ToolSubst("sparsedrop-capi-device-test"),
        ToolSubst("sparsedrop-saxpy"),
        ToolSubst("sparsedrop-build-mlp"),
        ToolSubst("split-file", unresolved="fatal"),
        ToolSubst("mlir-opt", unresolved="fatal"),
        ToolSubst("mlir-runner", unresolved="fatal"),
    ],
    [bin_dir, config.llvm_tools_dir],
)
config.substitutions.append(("%python", config.python_executable))
config.substitutions.append(("%ptxas", ptxas or "ptxas"))
config.substitutions.append(("%plugin", plugin))
config.substitutions.append(("%mlir_lib_dir", os.path.join(os.path.dirname(config.llvm_tools_dir), "lib")))
config.substitutions.append(("%runtime", runtime))
config.substitutions.append(("%examples", os.path.join(config.sparsedrop_source_dir, "docs", "examples")))
config.substitutions.append(("%run_on_interp", os.path.join(config.test_source_root, "GPU", "Inputs", "run-on-interp")))
config.substitutions.append(("%build", binary_dir))
config.substitutions.append(("%root", config.sparsedrop_source_dir))
