"""Functions on the interpreter of PTX: values against those on the CPU, arrays of
either side, memory, DLPack's capsules, refusals."""

import gc
import json
import re

import numpy as np
import pytest
from producers import Interface, Producer, Taken
from test_compile import DROPPED, close, elementwise, expected, integers

import sparsedrop
from sparsedrop.models import Dropout, Mlp

INTERP_MEMORY = 12  # kDLExtDev

PRODUCT = """
func.func @f(%x: tensor<8x16xf32>, %w: tensor<16x4xf32>) -> tensor<8x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<8x4xf32>) -> tensor<8x4xf32>
  %y = linalg.matmul ins(%x, %w : tensor<8x16xf32>, tensor<16x4xf32>) outs(%z : tensor<8x4xf32>) -> tensor<8x4xf32>
  return %y : tensor<8x4xf32>
}
"""


@pytest.fixture(scope="module")
def device():
    return sparsedrop.Device("interp")


@pytest.fixture(scope="module")
def f():
    return sparsedrop.compile(DROPPED, target="interp")


def in_use(device):
    gc.collect()
    return device.memory().in_use


# Values
def test_training_steps_agree_with_the_cpu(device):
    model = Mlp([20, 24, 16, 4], 8, Dropout(0.5))
    cpu, other = (sparsedrop.compile(model.mlir(), entry="step", target=t) for t in ("cpu", "interp"))
    rng = np.random.default_rng(0)
    parameters = [(0.3 * rng.standard_normal(shape)).astype(np.float32) for _, shape in model.parameters()]
    start = [p.copy() for p in parameters]
    mirrored = [device.array(p) for p in parameters]
    addresses = [p.data for p in mirrored]
    for step in range(20):
        x = rng.standard_normal((8, 20)).astype(np.float32)
        target = np.eye(4, dtype=np.float32)[rng.integers(4, size=8)]
        on_device = [device.array(a) for a in (x, target)]
        wanted, *_ = cpu(x, target, *parameters, np.float32(0.1), seed=3, step=step)
        device.reset_statistics()
        loss, *updated = other(*on_device, *mirrored, np.float32(0.1), seed=3, step=step)
        done = device.statistics()
        assert done.launches > 0 and done.synchronizations == 0 and done.uploads == 0
        assert all(a is b for a, b in zip(updated, mirrored))
        # Sums of up to 24 products in another order: 24 half-ulps a layer and pass,
        # six of them, at values of 1; exp and log add a few.
        assert abs(loss.numpy() - wanted) <= 160 * 2.0**-24 * max(wanted, 1)
    assert [p.data for p in mirrored] == addresses
    for p, q, before in zip(parameters, mirrored, start):
        # A step moves a parameter by 0.1 of a gradient below 1, whose error is as
        # above; errors of earlier steps grow by less than (1 + 0.1)^20 < 7.
        assert np.abs(q.numpy() - p).max() <= 7 * 20 * 0.1 * 160 * 2.0**-24
        assert np.abs(p - before).max() > 0.01


def test_arrays_of_the_host_are_copied_and_updated(f):
    big, w = integers((14, 24), 0), integers((12, 5), 1)
    for x in (big[:7, :12], big[::-2, 11::-1], np.asfortranarray(big[:7, :12])):
        a = np.ones((12, 7), np.float32).T
        y, b = f(x, w, a, seed=1, step=2)
        assert b is a and np.array_equal(a, x + 1) and close(y.numpy(), expected(x, w, 1, 2))


def test_arrays_of_the_device_are_updated_in_place(f, device):
    x, w = integers((7, 12), 0), integers((12, 5), 1)
    for step in range(5):
        a = device.array(np.ones((7, 12), np.float32))
        y, b = f(device.array(x), device.array(w), a, seed=3, step=step)
        assert b is a and np.array_equal(a.numpy(), x + 1) and close(y.numpy(), expected(x, w, 3, step))


def test_results_are_inputs_and_outlive_the_function(device):
    g = sparsedrop.compile(elementwise("f32"), target=device)
    one = np.ones(4, np.float32)
    result = g(g(one, one), one)
    del g
    assert np.array_equal(result.numpy(), [3, 3, 3, 3])
    assert (result.shape, result.type, result.dtype, result.ndim) == ((4,), "f32", np.float32, 1)


def test_other_types_and_empty_arrays(device):
    bf16 = sparsedrop.compile(elementwise("bf16"), target="interp")
    # 1 + 2^-8 is halfway between two bf16: ties to even.
    x = np.array([1 + 2**-8, 2, np.inf, np.nan], np.float32)
    result = bf16(x, np.zeros(4, np.float32))
    assert result.type == "bf16" and np.array_equal(result.numpy(), [1, 2, np.inf, np.nan], equal_nan=True)
    assert np.array_equal(bf16(result, result).numpy(), [2, 4, np.inf, np.nan], equal_nan=True)
    whole = sparsedrop.compile(elementwise("i32"), target="interp")
    assert np.array_equal(whole(np.arange(4, dtype=np.uint32), np.ones(4, np.int32)).numpy(), [1, 2, 3, 4])
    empty = sparsedrop.compile(elementwise("f32", shape="0x3"), target="interp")
    none = device.array(np.zeros((0, 3), np.float32))
    assert empty(none, none).numpy().shape == (0, 3) and none.data == 0
    assert device.array(np.arange(12.0).reshape(3, 4)[:, ::2]).numpy().tolist() == [[0, 2], [4, 6], [8, 10]]
    assert device.array(np.float32(2)).numpy() == 2 and device.array(np.arange(3, dtype=">i4")).numpy()[2] == 2


def test_tf32_rounds_factors():
    text = elementwise("f32", "matmul", "64x64").replace("outs(%x", "outs(%z")
    zero = "  %c = arith.constant 0.0 : f32\n  %e = tensor.empty() : tensor<64x64xf32>\n"
    zero += "  %z = linalg.fill ins(%c : f32) outs(%e : tensor<64x64xf32>) -> tensor<64x64xf32>\n"
    text = text.replace("{\n", "{\n" + zero, 1)
    # tf32 has ten bits behind the point; 64 products are exact in f32.
    x, y = np.full((64, 64), 1 + 2.0**-12, np.float32), np.ones((64, 64), np.float32)
    exact, rounded = (sparsedrop.compile(text, target="interp", tf32=flag)(x, y).numpy() for flag in (False, True))
    assert (exact == 64 * (1 + 2.0**-12)).all() and (rounded == 64).all()


def test_kernels_of_destroyed_functions_are_not_taken_for_others():
    for number in range(8):
        text = elementwise("f32").replace("linalg.add", ("linalg.add", "linalg.sub", "linalg.mul")[number % 3])
        wanted = (5, 1, 6)[number % 3]
        g = sparsedrop.compile(text, target="interp")
        assert (g(np.full(4, 3, np.float32), np.full(4, 2, np.float32)).numpy() == wanted).all()
        del g
        gc.collect()


def test_report_is_that_of_the_cpu():
    arrays = integers((7, 12), 0), integers((12, 5), 1), np.zeros((7, 12), np.float32)
    reports = [sparsedrop.report(DROPPED, *arrays, target=t, seed=2, step=5) for t in ("cpu", "interp")]
    assert reports[0]["ops"] == reports[1]["ops"] and not arrays[2].any()


# Memory and DLPack
def test_memory_goes_with_the_last_user(f, device):
    before = in_use(device)
    y, _ = f(integers((7, 12), 0), integers((12, 5), 1), np.zeros((7, 12), np.float32), seed=1, step=2)
    held = in_use(device)
    assert held > before and device.memory().total > held
    wanted = y.numpy()
    taken = Taken(y.__dlpack__())
    del y
    assert in_use(device) == held
    assert np.array_equal(read(device, taken), wanted)
    taken.delete()
    assert in_use(device) == before


def read(device, taken):
    """The values of a taken tensor, by way of a program."""
    g = sparsedrop.compile(elementwise("f32", shape="x".join(map(str, taken.shape))), target=device)
    one = Producer(taken.data, taken.shape, device=(INTERP_MEMORY, 0), strides=taken.strides)
    return g(one, np.zeros(taken.shape, np.float32)).numpy()


def test_capsules_say_what_they_hold(device):
    array = device.array(np.zeros((3, 4, 5), np.float64))
    assert array.__dlpack_device__() == (INTERP_MEMORY, 0)
    taken = Taken(array.__dlpack__(stream=-1, max_version=(1, 0), copy=False))
    assert (taken.device, taken.dtype) == ((INTERP_MEMORY, 0), (2, 64, 1))
    assert (taken.data, taken.shape, taken.strides) == (array.data, (3, 4, 5), (20, 5, 1))
    taken.delete()
    result = sparsedrop.compile(elementwise("bf16"), target="interp")(*[np.zeros(4, np.float32)] * 2)
    taken = Taken(result.__dlpack__())
    assert taken.dtype == (4, 16, 1)
    taken.delete()
    for options in ({"copy": True}, {"dl_device": (1, 0)}, {"stream": 5}):
        with pytest.raises(BufferError):
            array.__dlpack__(**options)
    assert not hasattr(array, "__cuda_array_interface__")


def test_capsules_that_nobody_takes_are_freed_by_the_next_export(f, device):
    before = in_use(device)
    y, _ = f(integers((7, 12), 0), integers((12, 5), 1), np.zeros((7, 12), np.float32))
    kept, dropped = y.__dlpack__(), y.__dlpack__()
    del y, dropped
    other = device.array(np.zeros(1, np.float32))
    Taken(other.__dlpack__()).delete()
    assert in_use(device) > before  # `kept` may still be taken
    del kept
    Taken(other.__dlpack__()).delete()
    assert in_use(device) == before


def test_dlpack_producers(f, device):
    x, w = integers((7, 12), 0), integers((12, 5), 1)
    storage = device.array(np.concatenate([np.zeros(8, np.float32), x.ravel()]))
    a = np.zeros((7, 12), np.float32)
    producer = Producer(storage.data, (7, 12), device=(INTERP_MEMORY, 0), offset=32)
    y, _ = f(producer, w, a, seed=1, step=2)
    assert np.array_equal(a, x) and close(y.numpy(), expected(x, w, 1, 2)) and producer.streams == ["none"]
    bad = {
        "not contiguous": Producer(storage.data, (7, 12), device=(INTERP_MEMORY, 0), strides=(1, 7)),
        r"expected \?x12xf32, but got 7x12xf16": Producer(storage.data, (7, 12), (2, 16), (INTERP_MEMORY, 0)),
        r"type \(5, 64\)": Producer(storage.data, (7, 12), (5, 64), (INTERP_MEMORY, 0)),
        "multiple of 16": Producer(storage.data, (7, 12), device=(INTERP_MEMORY, 0), offset=4),
        "expected memory of <sparsedrop device interp:0>, but got DLPack device type 2": Producer(0, (7, 12)),
        "not memory of the device": Producer(storage.data, (700, 12), device=(INTERP_MEMORY, 0)),
    }
    for message, producer in bad.items():
        with pytest.raises(sparsedrop.Error, match="(input|argument) 0.*" + message):
            f(producer, w, np.zeros((producer.shape[0], 12), np.float32))


# Refusals
def refused(function, arrays, match, **options):
    copies = [np.array(a) if isinstance(a, np.ndarray) else a for a in arrays]
    with pytest.raises(sparsedrop.Error, match=match):
        function(*arrays, **options)
    for array, copy in zip(arrays, copies):
        assert not isinstance(array, np.ndarray) or np.array_equal(array, copy)


def test_calls_are_refused(f, device):
    x, w, a = integers((7, 12), 0), integers((12, 5), 1), np.zeros((7, 12), np.float32)
    refused(f, (x, w), "expected 3 arrays, but got 2")
    for convert in (np.array, device.array):
        refused(f, (convert(x.astype(np.float64)), w, a), r"input 0: expected \?x12xf32, but got 7x12xf64")
        refused(f, (x, convert(w[:, :4]), a), "input 1: expected 12x5xf32, but got 12x4xf32")
    locked = a.copy()
    locked.flags.writeable = False
    refused(f, (x, w, locked), "input 2: is read-only")
    refused(f, (x, w, [0.0]), "expected an array to update in place, but got list")
    same = device.array(a)
    refused(f, (same, w, same), "input 2 overlaps input 0")
    refused(f, (x, w, a), "takes no stream", stream=1)
    refused(f, (Interface(4096, (7, 12)), w, a), "expected memory of <sparsedrop device interp:0>, but got that of a GPU")
    refused(f, (x, w, integers((6, 12), 3)), "^f: ")
    y, _ = f(x, w, a, seed=1, step=2)  # the failure was told, and no more
    assert close(y.numpy(), expected(x, w, 1, 2))
    with pytest.raises(sparsedrop.Error, match="compiled for the host"):
        sparsedrop.compile(DROPPED)(x, w, a, stream=1)
    with pytest.raises(sparsedrop.Error, match="complex128"):
        device.array(np.zeros(2, complex))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"target": "abacus"}, "expected target to be cpu, cuda, interp or a Device, but got 'abacus'"),
        ({"target": "cpu", "chip": "sm_90a"}, "chip, tf32 and kernel_table belong to"),
        ({"target": "cpu", "tf32": True}, "chip, tf32 and kernel_table belong to"),
        ({"target": "cpu", "kernel_table": "table.json"}, "chip, tf32 and kernel_table belong to"),
        ({"target": "interp", "kernel_table": "absent.json"}, "table of kernels 'absent.json': .o such file"),
        ({"target": "interp", "chip": "gfx942"}, "expected a chip .* but got 'gfx942'"),
    ],
)
def test_options_are_refused(options, message):
    with pytest.raises(sparsedrop.Error, match=message):
        sparsedrop.compile(DROPPED, **options)


def test_measured_kernels_go_before_the_estimate(tmp_path):
    table = tmp_path / "table.json"
    kernel = "#sparsedrop.kernel<plain, tile = [32, 32, 16], vector = [1, 1, 1]>"
    table.write_text('{"version": 1, "entries": []}')

    def remarks():
        f = sparsedrop.compile(PRODUCT, target="interp", kernel_table=table, remarks=True)
        x, w = integers((8, 16), 0), integers((16, 4), 1)
        assert np.array_equal(f(x, w).numpy(), x @ w)  # sums of small integers are exact
        return [r.message for r in f.remarks if "choose-kernels" in r.message]

    signature = next(re.search("not measured: ([^\"]*)", r)[1] for r in remarks() if "not measured" in r)
    entry = {"signature": signature, "kernel": kernel, "step_us": 2, "estimate_step_us": 3, "saved_us": 1}
    table.write_text(json.dumps({"version": 1, "entries": [entry | {"device": "a GPU", "date": "2026-01-31"}]}))
    (remark,) = remarks()
    assert "measured: 2.0 us a step, 1.0 us less than with the estimate's choice (a GPU, 2026-01-31)" in remark


def test_devices(device):
    assert sparsedrop.Device("interp") is device and device.describe().chip == "sm_90a"
    assert device.describe().memory_bytes == device.memory().total > 0
    device.synchronize()
    device.trim()
    for arguments, message in ((("abacus",), "'abacus'"), (("interp", -1), "-1"), (("interp", 7), "no interp device 7")):
        with pytest.raises(sparsedrop.Error, match=message):
            sparsedrop.Device(*arguments)


def test_code_for_another_chip_is_refused_by_the_device():
    g = sparsedrop.compile(elementwise("f32"), target="interp", chip="sm_80")
    assert g(*[np.ones(4, np.float32)] * 2).numpy()[0] == 2
    g = sparsedrop.compile(elementwise("f32"), target="interp", chip="sm_100")
    refused(g, [np.ones(4, np.float32)] * 2, "compiled for sm_100, but the device is an sm_90")
