"""The target cuda without a GPU: what is refused before a driver is needed, and
streams, addresses and values on the driver of test/Unit, which logs its calls,
keeps its memory on the host and launches nothing."""

import ctypes
import gc
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from producers import Interface, Producer, Taken

import sparsedrop

# Reads an element, which waits; hands out memory; a donated argument. No kernels.
PROGRAM = """
func.func @f(%x: tensor<4x3xf32>, %a: tensor<4x3xf32> {sparsedrop.donate = 2 : i64})
    -> (f32, tensor<4x3xf32>, tensor<4x3xf32>) {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %v = tensor.extract %x[%c2, %c1] : tensor<4x3xf32>
  %e = tensor.empty() : tensor<4x3xf32>
  return %v, %e, %a : f32, tensor<4x3xf32>, tensor<4x3xf32>
}
"""


def without_driver(program, **environment):
    """Runs a program where there is no driver, and returns what it prints."""
    folder = os.path.dirname(os.path.dirname(sparsedrop.__file__))
    path = os.pathsep.join([folder, str(Path(__file__).parent)])
    environment = {**os.environ, "SPARSEDROP_CUDA_LIBRARY": "/nowhere/libcuda.so", "PYTHONPATH": path, **environment}
    text = f"import sparsedrop\nfrom producers import Interface\nprogram = '''{PROGRAM}'''\n{program}"
    done = subprocess.run([sys.executable, "-c", text], env=environment, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_no_driver():
    for expression in (
        "sparsedrop.Device('cuda')",
        "sparsedrop.compile(program, target='cuda')",
        "sparsedrop.compile(program, target='cuda', chip='sm_90a')(Interface(64, (4, 3)), Interface(128, (4, 3)))",
    ):
        program = f"try:\n  {expression}\nexcept sparsedrop.Error as e:\n  print('error:', e)\n"
        assert without_driver(program).startswith("error: there is no CUDA driver: /nowhere/libcuda.so")


def test_arrays_of_the_host_are_type_errors():
    # Needs no driver until it is called on arrays of a GPU.
    f = sparsedrop.compile(PROGRAM, target="cuda", chip="sm_90a")
    x = np.zeros((4, 3), np.float32)
    for value in (x, [[0.0] * 3] * 4, 1.0, Producer(x.ctypes.data, x.shape, device=(1, 0)), np.float32(0)):
        with pytest.raises(TypeError, match="f: input 0: expected an array in the memory of a GPU, but got .* the host"):
            f(value, x)


# The driver
# All memory of the driver is that of this one.
GPU = ("cuda", 1)


@pytest.fixture(scope="module")
def driver():
    build = Path(__file__).resolve().parents[2] / "build"
    paths = [build / preset / "lib" / "libsparsedrop-fake-cuda.so" for preset in ("release", "dev")]
    path = next((str(path) for path in paths if path.exists()), None)
    if not path:
        pytest.skip("test/Unit's driver is not built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEDROP_CUDA_LIBRARY", path)
        if sparsedrop.Device("cuda").describe().name != "Fake GPU":
            pytest.skip("the process has opened another driver")
    loaded = ctypes.CDLL(path)
    loaded.fakeCudaTakeLog.restype = ctypes.c_char_p
    return loaded


@pytest.fixture(scope="module")
def f(driver):
    return sparsedrop.compile(PROGRAM, target=sparsedrop.Device(*GPU))


def log(driver):
    return driver.fakeCudaTakeLog().decode().splitlines()


class Values:
    """4x3 values of f32 in the driver's memory, or some bytes behind its start."""

    def __init__(self, behind=0):
        self.storage = sparsedrop.Device(*GPU).array(np.zeros(64, np.float32))
        self.address = self.storage.data + behind
        self.values = np.frombuffer((ctypes.c_float * 12).from_address(self.address), np.float32).reshape(4, 3)
        self.values[:] = np.arange(12).reshape(4, 3)

    def interface(self, **changes):
        return Interface(self.address, **{"shape": (4, 3), **changes})

    def producer(self, **options):
        return Producer(self.address, (4, 3), **{"device": (2, GPU[1]), **options})


@pytest.fixture
def x(driver):
    return Values()


@pytest.fixture
def a(driver):
    return Values()


def used(driver):
    """Streams on which the last call read its element."""
    return [line.split()[2] for line in log(driver) if line.startswith("cuMemcpyDtoHAsync 4 ")]


def test_values_and_donation(driver, f, x, a):
    for first in (x.interface(), x.producer(), x.interface(strides=(12, 4)), x.producer(strides=(3, 1))):
        second = a.interface()
        value, result, updated = f(first, second)
        assert value == 7 and value.dtype == np.float32 and updated is second
        assert result.shape == (4, 3) and result.device is sparsedrop.Device(*GPU)


def test_the_callers_stream(driver, f, x, a):
    log(driver)
    f(x.interface(), a.interface(), stream=77)
    assert used(driver) == ["77"]
    f(x.interface(), a.interface(), stream=0)
    assert used(driver) == ["1"]
    f(x.interface(), a.interface())
    assert used(driver) == ["1"]
    f(x.interface(), a.interface(stream=5))
    assert used(driver) == ["5"]
    exported = x.producer()
    f(exported, a.interface(stream=5))
    assert used(driver) == ["5"] and exported.streams == [5]
    f(exported, a.producer())
    assert used(driver) == ["1"] and exported.streams == [5, 1]


def test_other_streams_are_waited_for_by_the_device(driver, f, x, a):
    log(driver)
    f(x.interface(stream=5), a.interface(stream=6), stream=7)
    lines = log(driver)
    records = [line.split() for line in lines if line.startswith("cuEventRecord")]
    waits = [line.split() for line in lines if line.startswith("cuStreamWaitEvent")]
    assert [r[2] for r in records] == ["5", "6"] and [w[1] for w in waits] == ["7", "7"]
    assert [r[1] for r in records] == [w[2] for w in waits]
    assert lines.index(f"cuStreamWaitEvent 7 {records[1][1]} 0") < lines.index("cuMemcpyDtoHAsync 4 7")
    f(x.interface(stream=5), a.interface(stream=5))
    assert not any("Event" in line for line in log(driver))
    # An array of ours was last written to on the stream of the call.
    own = sparsedrop.Device(*GPU).array(a.values)
    f(x.interface(), own, stream=7)
    assert own.stream == 7
    log(driver)
    f(x.interface(), own, stream=8)
    assert [line.split()[2] for line in log(driver) if line.startswith("cuEventRecord")] == ["7"]


def test_the_current_stream_of_pytorch(driver, f, x, a, monkeypatch):
    class Tensor(Producer):
        pass

    def current_stream(ordinal):
        assert ordinal == GPU[1]
        return types.SimpleNamespace(cuda_stream=current)

    torch = types.SimpleNamespace(Tensor=Tensor, cuda=types.SimpleNamespace(current_stream=current_stream))
    monkeypatch.setitem(sys.modules, "torch", torch)
    log(driver)
    for current, expected in ((0, 1), (42, 42)):
        tensor = Tensor(x.address, (4, 3), device=(2, GPU[1]))
        f(tensor, a.interface(stream=expected))
        assert used(driver) == [str(expected)] and tensor.streams == [expected]


def test_bf16_comes_through_dlpack(driver, x, a):
    g = sparsedrop.compile(PROGRAM.replace("f32", "bf16"), target=sparsedrop.Device(*GPU))
    x.values.view(np.uint16)[:, :3] = 0x3F80  # 1.0
    value, result, _ = g(x.producer(dtype=(4, 16)), a.producer(dtype=(4, 16)))
    assert value == 1 and result.type == "bf16" and not hasattr(result, "__cuda_array_interface__")
    taken = Taken(result.__dlpack__())
    assert taken.dtype == (4, 16, 1) and taken.device == (2, GPU[1])
    taken.delete()


def test_results_go_to_other_libraries(driver, f, x, a):
    _, result, _ = f(x.interface(), a.interface(), stream=77)
    log(driver)
    interface = result.__cuda_array_interface__
    assert interface["data"] == (result.data, False) and interface["stream"] == 77 and interface["version"] == 3
    assert (interface["shape"], interface["typestr"], interface["strides"]) == ((4, 3), "<f4", None)
    for stream, waits in ((77, []), (-1, []), (5, ["5"]), (None, ["1"])):
        Taken(result.__dlpack__(stream=stream)).delete()
        assert [line.split()[1] for line in log(driver) if line.startswith("cuStreamWaitEvent")] == waits
    with pytest.raises(BufferError, match="but got 0"):
        result.__dlpack__(stream=0)


def test_memory_that_other_streams_used_is_waited_for(driver, f, x, a):
    def free_after(use):
        _, result, _ = f(x.interface(), a.interface(), stream=77)
        use(result)
        log(driver)
        del result
        gc.collect()
        return "cuCtxSynchronize" in log(driver)

    def export(stream):
        return lambda result: Taken(result.__dlpack__(stream=stream)).delete()

    assert not free_after(lambda result: result.numpy())
    assert not free_after(export(77))
    assert free_after(export(5)) and free_after(export(-1))
    assert free_after(lambda result: result.__cuda_array_interface__)
    assert not free_after(lambda result: f(result, a.interface(), stream=77))
    assert free_after(lambda result: f(result, a.interface(), stream=5))


MALFORMED = {
    "to be a dict, but got int": 5,
    "expected version of": {"version": None},
    "expected version 2 or later .* but got 1": {"version": 1},
    "expected shape of": {"shape": [4, 3]},
    "shape .* to hold integers": {"shape": (4, 3.0)},
    "expected data of .* but got None": {"data": None},
    r"to be \(address, read-only\), but got \(1,\)": {"data": (1,)},
    r"but got \(-16, False\)": {"data": (-16, False)},
    "expected typestr of": {"typestr": 4},
    "abacus": {"typestr": "abacus"},
    "but got an array of >f4": {"typestr": ">f4"},
    "expected 4x3xf32, but got 4x3xf64": {"typestr": "<f8"},
    "expected 4x3xf32, but got 3x4xf32": {"shape": (3, 4)},
    "expected 2 strides .* but got 1": {"strides": (4,)},
    "not multiples of its elements of 4 bytes": {"strides": (12, 2)},
    "is not contiguous": {"strides": (4, 16)},
    "stream .* to be 1 or more, but got 0": {"stream": 0},
    "stream .* but got 'x'": {"stream": "x"},
    "masked arrays": {"mask": 1},
    "expected 4x3xf32, but got an array of <c8": {"typestr": "<c8"},
}


@pytest.mark.parametrize("message", MALFORMED)
def test_malformed_interfaces_are_refused(driver, f, x, a, message):
    changes = MALFORMED[message]
    bad = x.interface(**changes) if isinstance(changes, dict) else x.interface()
    if not isinstance(changes, dict):
        bad.__cuda_array_interface__ = changes
    with pytest.raises(sparsedrop.Error, match="f: input 0: .*" + message):
        f(bad, a.interface())


def test_other_refusals(driver, f, x, a):
    class Raises:
        @property
        def __cuda_array_interface__(self):
            raise RuntimeError("needs detach()")

    cases = [
        (Raises(), a.interface(), "input 0: needs detach"),
        (x.producer(device=(2, 0)), a.interface(), "expected memory of <.*cuda:1>, but got that of device 0"),
        (x.producer(device=(7, 0)), a.interface(), "but got DLPack device type 7"),
        (Values(4).interface(), a.interface(), "multiple of 16 bytes"),
        (x.interface(), a.interface(data=(a.address, True)), "input 1: is read-only"),
        (x.interface(), x.interface(), "overlaps"),
        (sparsedrop.Device("interp").array(x.values), a.interface(), "expected memory of <.*cuda:1>"),
    ]
    for first, second, message in cases:
        with pytest.raises(sparsedrop.Error, match=message):
            f(first, second)
    for stream in (-1, 2**64, "x"):
        with pytest.raises(sparsedrop.Error, match="stream"):
            f(x.interface(), a.interface(), stream=stream)
