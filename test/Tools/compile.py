# RUN: %python %s sparsedrop-compile sparsedrop-run %root %runtime %t

"""Programs ahead of time: the shared object of a training step, called from C with
its header and from Python, in an environment that has no LLVM, gives what
sparsedrop-run gives; the other kinds of file; and each error leaves no file."""

import ctypes
import os
import shutil
import subprocess
import sys

import numpy as np

compiler, run, root, runtime, folder = sys.argv[1:6]
sys.path.insert(0, os.path.join(root, "python"))
from sparsedrop.models import Dropout, Mlp

shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
here = os.path.dirname(os.path.abspath(__file__))
source = os.path.join(folder, "mlp.mlir")
with open(source, "w") as file:
    file.write(Mlp([96, 160, 128, 10], 32, [Dropout(0.5), Dropout(0.3)]).mlir())


def compile_to(name, *options, source=source, **environment):
    command = [compiler, source, "-o", os.path.join(folder, name), *options]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def compiled(name, *options, **arguments):
    done = compile_to(name, *options, **arguments)
    assert done.returncode == 0, done.stderr
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


# All kinds of file.
header = f"--header={folder}/step.h"
compiled("step.so", "--entry=step", header)
assert b".entry" in compiled("step.ptx", "--entry=step", "--chip=sm_80") and b".target sm_80" in compiled("step.ptx", "--entry=step", "--chip=sm_80")
assert b"define i32 @sparsedrop_invoke_predict" in compiled("all.ll") and b"@sparsedrop_invoke_loss" in compiled("all.ll")
assert compiled("step.o", "--entry=step,loss")[:4] == b"\x7fELF"
compiled("cpu.so", "--target=cpu", "--entry=predict", f"--header={folder}/cpu.h")
# Without ptxas the driver compiles the PTX.
bare = {"PATH": os.path.join(folder, "path"), "CUDA_HOME": os.path.join(folder, "absent")}
os.mkdir(bare["PATH"])
for tool in ("clang-22", "ld"):
    os.symlink(shutil.which(tool), os.path.join(bare["PATH"], tool))
done = compile_to("bare.so", "--entry=step", **bare)
assert done.returncode == 0 and "note: ptxas was not found: the driver will compile the PTX" in done.stderr, done.stderr

# Only the runtime library is needed.
dynamic = subprocess.run(["readelf", "-d", os.path.join(folder, "step.so")], capture_output=True, text=True).stdout
needed = sorted(line.split("[")[1].split("]")[0] for line in dynamic.splitlines() if "NEEDED" in line)
assert [name for name in needed if not name.startswith(("libc.so", "libm.so"))] == ["libsparsedrop_runtime.so.1"], needed
symbols = subprocess.run(["nm", "-D", "--defined-only", os.path.join(folder, "step.so")], capture_output=True, text=True).stdout
assert [line.split()[-1] for line in symbols.splitlines()] == ["sparsedrop_invoke_step"], symbols

# What sparsedrop-run gives after steps 0 and 1.
rng = np.random.default_rng(1)
shapes = [(32, 96), (32, 10), (96, 160), (160,), (160, 128), (128,), (128, 10), (10,), ()]
inputs = [(rng.standard_normal(shape) / np.sqrt(shape[0] if shape else 1)).astype(np.float32) for shape in shapes]
inputs[-1] = np.float32(0.05)
expected, state = [], list(inputs)
for step in range(2):
    command = [run, source, "--entry=step", "--target=nvptx", "--device=interp", "--seed=3", f"--step={step}", f"--output={folder}/r"]
    for i, data in enumerate(state):
        np.save(f"{folder}/i{i}.npy", data)
        command.append(f"--input={folder}/i{i}.npy")
    subprocess.run(command, check=True)
    results = [np.load(f"{folder}/r.{i}.npy") for i in range(7)]
    expected.append(results[0])
    state[2:8] = results[1:]
expected = np.concatenate([np.ravel(value) for value in expected + state[2:8]]).astype(np.float32)

# From C.
with open(f"{folder}/inputs.bin", "wb") as file:
    for data in inputs:
        file.write(np.asarray(data, np.float32).tobytes())
program = os.path.join(folder, "call-step")
library = os.path.dirname(runtime)
subprocess.run(["clang-22", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{root}/include", f"-I{folder}", os.path.join(here, "Inputs", "call-step.c"),
                os.path.join(folder, "step.so"), runtime, f"-Wl,-rpath,{folder}:{library}", "-o", program], check=True)
clean = {"PATH": "/usr/bin:/bin"}
for name in ("ASAN_OPTIONS",):
    if name in os.environ:
        clean[name] = os.environ[name]
done = subprocess.run([program, "interp", f"{folder}/inputs.bin", f"{folder}/outputs.bin"], capture_output=True, text=True, env=clean)
assert done.returncode == 0, done.stderr
assert "refused: argument 0 is at" in done.stderr, done.stderr
actual = np.fromfile(f"{folder}/outputs.bin", np.float32)
assert np.array_equal(actual, expected), np.abs(actual - expected).max()

# From Python, in a process of its own: this one's libraries do not help.
script = f"""
import ctypes
runtime = ctypes.CDLL({runtime!r}, mode=ctypes.RTLD_GLOBAL)
runtime.sparsedrop_device_open.restype = ctypes.c_void_p
runtime.sparsedrop_last_error.restype = ctypes.c_char_p
device = ctypes.c_void_p(runtime.sparsedrop_device_open(b"interp", 0))
assert device, runtime.sparsedrop_last_error()
step = ctypes.CDLL({os.path.join(folder, "step.so")!r}).sparsedrop_invoke_step
seed, number = ctypes.c_int64(3), ctypes.c_int64(0)
results = (ctypes.c_int64 * 3)()
keep, words = [], [ctypes.addressof(results)]
data = open({folder + "/inputs.bin"!r}, "rb").read()
offset = 0
for shape in {shapes!r}:
    size = 4
    for extent in shape:
        size *= extent
    address = ctypes.c_uint64()
    chunk = data[offset:offset + size]
    offset += size
    assert runtime.sparsedrop_device_alloc(device, ctypes.c_uint64(size), ctypes.byref(address)) == 0
    assert runtime.sparsedrop_device_upload(device, None, address, chunk, ctypes.c_uint64(size)) == 0
    strides, stride = [], 1
    for extent in reversed(shape):
        strides.insert(0, stride)
        stride *= extent
    keep.append(((ctypes.c_int64 * (3 + 2 * len(shape)))(address.value, address.value, 0, *shape, *strides), chunk))
    words.append(ctypes.addressof(keep[-1][0]))
words += [ctypes.addressof(seed), ctypes.addressof(number)]
assert step(device, None, (ctypes.c_void_p * len(words))(*words)) == 0, runtime.sparsedrop_last_error()
loss = ctypes.c_float()
assert runtime.sparsedrop_device_download(device, None, ctypes.byref(loss), ctypes.c_uint64(results[1]), ctypes.c_uint64(4)) == 0
assert runtime.sparsedrop_device_synchronize(device) == 0, runtime.sparsedrop_last_error()
print(repr(loss.value))
maps = open("/proc/self/maps").read()
assert "LLVM" not in maps and "MLIR" not in maps
"""
if "ASAN_OPTIONS" not in os.environ:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=clean)
    assert done.returncode == 0, done.stderr
    assert np.float32(float(done.stdout)) == expected[0], (done.stdout, expected[0])


# Scalars, extents that are not known, 16-bit floats, functions of nothing.
types = os.path.join(folder, "types.mlir")
with open(types, "w") as file:
    file.write("""
func.func @nothing() { return }
func.func @constant() -> f32 { %c = arith.constant 1.0 : f32 return %c : f32 }
func.func @scalars(%a: i32, %b: i1, %c: index) -> (index, i1) {
  %wide = arith.index_cast %a : i32 to index
  %sum = arith.addi %wide, %c : index
  %true = arith.constant true
  %not = arith.xori %b, %true : i1
  return %sum, %not : index, i1
}
func.func @twice(%x: tensor<?x2xbf16>) -> tensor<?x2xbf16> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x2xbf16>
  %e = tensor.empty(%n) : tensor<?x2xbf16>
  %r = linalg.add ins(%x, %x : tensor<?x2xbf16>, tensor<?x2xbf16>) outs(%e : tensor<?x2xbf16>) -> tensor<?x2xbf16>
  return %r : tensor<?x2xbf16>
}
func.func @narrow(%x: tensor<?xf64>) -> tensor<?xbf16> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf64>
  %e = tensor.empty(%n) : tensor<?xbf16>
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<?xf64>) outs(%e : tensor<?xbf16>) {
  ^bb0(%in: f64, %out: bf16):
    %v = arith.truncf %in : f64 to bf16
    linalg.yield %v : bf16
  } -> tensor<?xbf16>
  return %r : tensor<?xbf16>
}
func.func @donated(%seed: i64 {sparsedrop.seed}, %s: f32, %x: tensor<4xf32> {sparsedrop.donate = 0 : index}) -> tensor<4xf32> {
  %r = linalg.add ins(%x, %x : tensor<4xf32>, tensor<4xf32>) outs(%x : tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}
""")
program = os.path.join(folder, "call-types")
compiled("types.so", "--entry=nothing,constant,scalars,twice,donated,twice", f"--header={folder}/types.h", source=types)
with open(f"{folder}/types.h") as file:
    assert "Result 0 is written to arg2." in file.read()
for language in ("c99", "c++17"):
    subprocess.run(["clang-22", "-x", language.rstrip("0123456789"), f"-std={language}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{root}/include",
                    f"-I{folder}", os.path.join(here, "Inputs", "call-types.c"), "-x", "none", os.path.join(folder, "types.so"), runtime,
                    f"-Wl,-rpath,{folder}:{library}", "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, env=clean)
    assert done.returncode == 0, done.stderr

# On the host, for any processor and for this one: f64 is rounded to bf16 once.
tie = 1 + 2.0**-8
halves = np.array([1, tie, tie + 2.0**-40, tie - 2.0**-40, -tie - 2.0**-40, 1 + 3 * 2.0**-8, 1e-45, 3e38, 3.5e38, np.inf, -np.inf, np.nan, 0.1, -1e-30])
bits = [0x3F80, 0x3F80, 0x3F81, 0x3F80, 0xBF81, 0x3F82, 0x0000, 0x7F62, 0x7F80, 0x7F80, 0xFF80, None, 0x3DCD, 0x8DA2]
for march in ((), ("--march=native",)):
    compiled("narrow.so", "--target=cpu", "--entry=narrow,twice", *march, source=types)
    script = f"""
import ctypes
import numpy as np
library = ctypes.CDLL({os.path.join(folder, "narrow.so")!r})
def call(function, x, rank):
    array = (ctypes.c_int64 * (3 + 2 * rank))(x.ctypes.data, x.ctypes.data, 0, *x.shape, *(stride // x.itemsize for stride in x.strides))
    result = (ctypes.c_int64 * (3 + 2 * rank))()
    assert function((ctypes.c_void_p * 2)(ctypes.addressof(result), ctypes.addressof(array))) == 0
    return list((ctypes.c_uint16 * x.size).from_address(result[1]))
nan, inf = float("nan"), float("inf")
print(call(library.sparsedrop_invoke_narrow, np.array({halves.tolist()!r}), 1))
print(call(library.sparsedrop_invoke_twice, np.array([[0x3f81, 0x7f7f], [0x8000, 0x0001]], np.uint16), 2))
"""
    if "ASAN_OPTIONS" not in os.environ:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=clean)
        assert done.returncode == 0, done.stderr
        narrowed, twice = map(eval, done.stdout.splitlines())
        wrong = [(x, hex(got)) for x, got, wanted in zip(halves, narrowed, bits) if (got != wanted if wanted is not None else got & 0x7FFF <= 0x7F80)]
        assert not wrong, (march, wrong)
        assert twice[:3] == [0x4001, 0x7F80, 0x8000], twice
        assert march or twice[3] == 2, twice


def refused(words, name, *options, **arguments):
    done = compile_to(name, *options, **arguments)
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert done.returncode == 1 and len(errors) == 1 and words in errors[0], (name, options, done)
    assert not os.path.exists(os.path.join(folder, name)), name
    assert not [left for left in os.listdir(folder) if left.endswith(".tmp")], name


refused("expected an output that ends with .so, .o, .ll, .ptx or .cubin, but got", "step.exe")
refused("expected a chip from sm_80 on", "no.so", "--chip=sm_61", "--entry=step")
refused("there is no public function 'absent'", "no.so", "--entry=absent")
refused("the target cpu has no .ptx", "no.ptx", "--target=cpu")
refused("expected the target nvptx or cpu, but got 'tpu'", "no.so", "--target=tpu")
refused("expected a chip such as sm_90a, but got ''", "no.so", "--chip=")
refused("expected the processor native, but got 'i386'", "no.so", "--march=i386")
refused("has no public function", "no.so", source=os.devnull)
refused("cannot write", "absent/no.ptx", "--entry=step")
refused("cannot write", "absent/no.so", "--entry=step")
# The header and the code appear together or not at all.
refused("cannot write", "no.so", "--entry=step", f"--header={folder}/absent/no.h")
refused("a header needs host code", "no.ptx", "--entry=step", f"--header={folder}/no.h")
for name in ("double", "a-b", "2d"):
    odd = os.path.join(folder, "odd.mlir")
    with open(odd, "w") as file:
        file.write(f'func.func @"{name}"() {{ return }}')
    refused(f"a function is called '{name}'", "no.so", f"--header={folder}/no.h", source=odd)
refused("no linker was found", "no.so", "--entry=step", f"--header={folder}/no.h", PATH=os.path.join(folder, "absent"))
assert not os.path.exists(os.path.join(folder, "no.h"))
refused("ptxas was not found: a .cubin needs it", "no.cubin", "--entry=step", **bare)
refused("cannot run '", "no.cubin", "--entry=step", f"--ptxas={folder}/absent")
fake = os.path.join(folder, "ptxas")
with open(fake, "w") as file:
    file.write("#!/bin/sh\necho 'ptxas warning: late' >&2\necho 'ptxas fatal: out of patience' >&2\necho more >&2\nexit 255\n")
os.chmod(fake, 0o755)
refused("ptxas: ptxas fatal: out of patience", "no.cubin", "--entry=step", f"--ptxas={fake}")
print("ok")
