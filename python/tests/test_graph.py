"""Captured calls: on the interpreter against calls, bit for bit; streams, refusals
and memory there and on the driver of test/Unit."""

import gc

import numpy as np
import pytest
from producers import Taken
from test_compile import DROPPED, close, elementwise, expected, integers
from test_device_cuda import GPU, Values, driver, log  # noqa: F401

import sparsedrop
from sparsedrop.models import Dropout, Mlp

# The host's part reads an element.
READS = """
func.func @r(%x: tensor<4xf32>) -> (tensor<4xf32>, f32) {
  %c1 = arith.constant 1 : index
  %v = tensor.extract %x[%c1] : tensor<4xf32>
  %e = tensor.empty() : tensor<4xf32>
  return %e, %v : tensor<4xf32>, f32
}
"""
# Hands out memory, and a donated argument. No kernels, no waiting.
STEADY = """
func.func @s(%x: tensor<4x3xf32>, %a: tensor<4x3xf32> {sparsedrop.donate = 1 : i64})
    -> (tensor<4x3xf32>, tensor<4x3xf32>) {
  %e = tensor.empty() : tensor<4x3xf32>
  return %e, %a : tensor<4x3xf32>, tensor<4x3xf32>
}
"""


@pytest.fixture(scope="module")
def device():
    return sparsedrop.Device("interp")


@pytest.fixture(scope="module")
def f(device):
    return sparsedrop.compile(DROPPED, target=device)


def in_use(device):
    gc.collect()
    return device.memory().in_use


def write(array, values):
    """New values at the same place."""
    shape = "x".join([*map(str, array.shape), "f32"])
    g = sparsedrop.compile(
        f"func.func @w(%x: tensor<{shape}>, %a: tensor<{shape}> {{sparsedrop.donate = 0 : i64}}) -> tensor<{shape}> {{\n"
        f"  %b = linalg.copy ins(%x : tensor<{shape}>) outs(%a : tensor<{shape}>) -> tensor<{shape}>\n"
        f"  return %b : tensor<{shape}>\n}}\n",
        target=array.device,
    )
    g(array.device.array(values), array)


@pytest.mark.parametrize("mode", ["compact", "masked"])
def test_launches_of_a_training_step_are_calls(device, mode):
    model = Mlp([20, 24, 16, 4], 8, Dropout(0.5))
    step = sparsedrop.compile(model.mlir(), entry="step", target=device, mode=mode)
    rng = np.random.default_rng(0)
    start = [(0.3 * rng.standard_normal(shape)).astype(np.float32) for _, shape in model.parameters()]
    called, launched = ([device.array(p) for p in start] for _ in range(2))
    x, target = device.array(np.zeros((8, 20), np.float32)), device.array(np.zeros((8, 4), np.float32))
    rate = device.array(np.float32(0))
    with step.capture(x, target, *launched, rate, seed=3, step=5) as graph:
        assert all(np.array_equal(p.numpy(), q) for p, q in zip(launched, start))
        for i in range(4):
            # What is in the arguments may change.
            for array, values in (
                (x, rng.standard_normal((8, 20)).astype(np.float32)),
                (target, np.eye(4, dtype=np.float32)[rng.integers(4, size=8)]),
                (rate, np.float32(0.1 + i / 100)),
            ):
                write(array, values)
            device.synchronize()
            device.reset_statistics()
            loss, *updated = graph() if i % 2 else graph.launch()
            done = device.statistics()
            assert (done.launches, done.synchronizations, done.uploads, done.allocations) == (0, 0, 0, 0)
            wanted, *_ = step(x, target, *called, rate, seed=3, step=5)
            assert loss.numpy().tobytes() == wanted.numpy().tobytes()
            assert all(a is b for a, b in zip(updated, launched))
            for p, q in zip(launched, called):
                assert p.numpy().tobytes() == q.numpy().tobytes()
            assert loss is graph.results[0]
    assert any(np.abs(p.numpy() - q).max() > 0.01 for p, q in zip(launched, start))


def test_results_are_overwritten_and_memory_is_the_graphs(f, device):
    before = in_use(device)
    x, w = integers((7, 12), 0), integers((12, 5), 1)
    a = device.array(np.ones((7, 12), np.float32))
    arrays = device.array(x), device.array(w), a
    graph = f.capture(*arrays, seed=1, step=2)
    y, b = graph.results
    assert b is a and np.array_equal(a.numpy(), np.ones((7, 12)))
    held = in_use(device)
    assert held > before
    other = f.capture(*arrays, seed=8, step=9)
    for _ in range(2):
        write(y, np.full((7, 5), 1e30, np.float32))
        assert graph.launch() is graph.results
        kept = f(*arrays, seed=4, step=4)[0], other()[0]
        assert close(y.numpy(), expected(x, w, 1, 2)) and y.data == graph.results[0].data
        assert close(kept[0].numpy(), expected(x, w, 4, 4)) and close(kept[1].numpy(), expected(x, w, 8, 9))
        assert len({y.data, kept[0].data, kept[1].data}) == 3
    assert np.array_equal(a.numpy(), 1 + 6 * x)
    del kept
    device.trim()
    other.destroy()
    del other
    assert in_use(device) == held
    # The result stays, until nobody has it.
    taken = Taken(y.__dlpack__())
    graph.launch()
    graph.destroy()
    graph.destroy()
    assert repr(graph) == "<sparsedrop graph of f on interp:0, destroyed>"
    with pytest.raises(sparsedrop.Error, match="f: the graph has been destroyed"):
        graph()
    assert close(y.numpy(), expected(x, w, 1, 2)) and before < in_use(device) <= held
    del y, b, graph
    assert in_use(device) > before
    taken.delete()
    assert in_use(device) == before


def test_graphs_keep_their_arrays_and_outlive_functions(device):
    before = in_use(device)
    g = sparsedrop.compile(DROPPED, target=device)
    x, w = integers((7, 12), 0), integers((12, 5), 1)
    graph = g.capture(*[device.array(v) for v in (x, w, np.zeros((7, 12), np.float32))], seed=3)
    del g
    gc.collect()
    # Memory that the arrays would have left.
    others = [device.array(np.full((7, 12), np.nan, np.float32)) for _ in range(4)]
    y, a = graph()
    assert close(y.numpy(), expected(x, w, 3, 0)) and np.array_equal(a.numpy(), x)
    del graph, y, a, others
    assert in_use(device) == before


def test_what_fails_in_a_launch_is_told_by_what_waits(f, device):
    x, w = integers((7, 12), 0), integers((12, 5), 1)
    gc.collect()
    device.trim()  # so that the memory is new, and reads of it are findings
    first = f.capture(*[device.array(v) for v in (x, w, np.zeros((7, 12), np.float32))], seed=1, step=2)
    y, _ = first.results
    g = sparsedrop.compile(elementwise("f32", shape="7x5"), target=device)
    second = g.capture(y, device.array(np.ones((7, 5), np.float32)))
    second.launch()
    with pytest.raises(sparsedrop.Error, match="uninitialized"):  # of a graph that has not run
        device.synchronize()
    first.launch()
    assert close(second.launch().numpy(), 1 + expected(x, w, 1, 2))


def test_refusals(f, device):
    x, w, a = integers((7, 12), 0), integers((12, 5), 1), np.zeros((7, 12), np.float32)
    arrays = [device.array(v) for v in (x, w, a)]
    before = in_use(device)
    with pytest.raises(TypeError, match="f: input 1: expected an array on the device, .* got ndarray in the memory of the host"):
        f.capture(arrays[0], w, arrays[2])
    for wrong, message in (
        (arrays[:2], "expected 3 arrays, but got 2"),
        ((arrays[0], arrays[1], arrays[0]), "input 2 overlaps input 0"),
        ((arrays[0], arrays[0], arrays[2]), "input 1: expected 12x5xf32, but got 7x12xf32"),
    ):
        with pytest.raises(sparsedrop.Error, match="f: " + message):
            f.capture(*wrong)
    with pytest.raises(sparsedrop.Error, match="was compiled for the host, where there are no graphs"):
        sparsedrop.compile(DROPPED).capture(x, w, a)
    reads = sparsedrop.compile(READS, target=device)
    with pytest.raises(sparsedrop.Error, match="r: the program needs a value of the device on the host.*without capturing"):
        reads.capture(device.array(np.zeros(4, np.float32)))
    with pytest.raises(sparsedrop.Error, match="64 bits"):
        f.capture(*arrays, seed=2**70)
    graph = f.capture(*arrays)
    with pytest.raises(sparsedrop.Error, match="f: the interpreter takes no stream"):
        graph.launch(stream=3)
    graph.destroy()
    del graph
    assert in_use(device) == before
    # Everything goes on as before.
    y, _ = f(*arrays, seed=1, step=2)
    assert close(y.numpy(), expected(x, w, 1, 2))


def test_streams_of_a_gpu(driver):  # noqa: F811
    s = sparsedrop.compile(STEADY, target=sparsedrop.Device(*GPU))
    x, a = Values(), Values()
    log(driver)
    graph = s.capture(x.interface(stream=5), a.interface(stream=6))
    lines = log(driver)
    # Recorded on a stream of its own; what is on other streams is waited for.
    assert [line.split()[2] for line in lines if line.startswith("cuEventRecord")] == ["6"]
    begin = [line.split() for line in lines if line.startswith("cuStreamBeginCapture")]
    assert len(begin) == 1 and begin[0][1] not in ("0", "1", "5", "6")
    for stream, wanted, waits in ((None, "5", []), (7, "7", ["5"]), (7, "7", []), (0, "1", ["7"])):
        y, _ = graph.launch(stream=stream)
        lines = log(driver)
        assert [line.split()[1] for line in lines if line.startswith("cuGraphLaunch")] == [wanted]
        assert [line.split()[2] for line in lines if line.startswith("cuEventRecord")] == [*waits, wanted]
        assert y.stream == int(wanted)
    # Launches wrote to it on other streams than its own.
    del y, graph, _
    gc.collect()
    assert "cuCtxSynchronize" in log(driver)
    # An array of ours, written on another stream.
    own = sparsedrop.Device(*GPU).array(a.values)
    graph = s.capture(x.interface(stream=5), own)
    own.stream = 9
    log(driver)
    graph.launch()
    assert [line.split()[2] for line in log(driver) if line.startswith("cuEventRecord")] == ["9", "5"]
    assert own.stream == 5
    driver.fakeCudaFail(b"cuGraphLaunch", 1)
    with pytest.raises(sparsedrop.Error, match="s: cuGraphLaunch: invalid argument"):
        graph.launch()
    driver.fakeCudaFail(b"", 0)
    with pytest.raises(sparsedrop.Error, match="expected stream to be the number of a CUstream"):
        graph.launch(stream="7")
    graph.destroy()
    assert "cuGraphExecDestroy" in log(driver)
