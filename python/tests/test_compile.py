"""Compiling and calling: values against NumPy, arrays of all sorts, refusals."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import sparsedrop
from sparsedrop.models import Dropout, Mlp

DROPPED = """
func.func @f(%x: tensor<?x12xf32>, %w: tensor<12x5xf32>,
             %a: tensor<?x12xf32> {sparsedrop.donate = 1 : i64}) -> (tensor<?x5xf32>, tensor<?x12xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %m = tensor.dim %x, %c0 : tensor<?x12xf32>
  %e = tensor.empty(%m) : tensor<?x5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x5xf32>) -> tensor<?x5xf32>
  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
      ins(%x, %w : tensor<?x12xf32>, tensor<12x5xf32>) outs(%z : tensor<?x5xf32>) -> tensor<?x5xf32>
  %b = linalg.add ins(%x, %a : tensor<?x12xf32>, tensor<?x12xf32>) outs(%a : tensor<?x12xf32>) -> tensor<?x12xf32>
  return %y, %b : tensor<?x5xf32>, tensor<?x12xf32>
}
"""


def elementwise(type_, op="add", shape="4"):
    t = f"tensor<{shape}x{type_}>" if shape else f"tensor<{type_}>"
    return (
        f"func.func @g(%x: {t}, %y: {t}) -> {t} {{\n"
        f"  %0 = linalg.{op} ins(%x, %y : {t}, {t}) outs(%x : {t}) -> {t}\n  return %0 : {t}\n}}\n"
    )


@pytest.fixture(scope="module")
def f():
    return sparsedrop.compile(DROPPED)


def integers(shape, number):
    """Small integers, whose products and sums are exact in f32."""
    return np.random.default_rng(number).integers(-9, 10, shape).astype(np.float32)


def expected(x, w, seed, step):
    pattern = sparsedrop.sample("s", 12, seed=seed, step=step, rate=0.5)
    return pattern.scale * (np.where(pattern.mask, x, 0).astype(np.float64) @ w)


def close(actual, wanted):
    # Two roundings to f32: of the scale, and of the product with it.
    return np.abs(actual - wanted).max() <= 2.5e-7 * max(np.abs(wanted).max(), 1)


def test_values_and_donation(f):
    x, w = integers((7, 12), 0), integers((12, 5), 1)
    for step in range(20):
        a = integers((7, 12), 2)
        before = a.copy()
        y, b = f(x, w, a, seed=3, step=step)
        assert b is a and np.array_equal(a, before + x)
        assert y.dtype == np.float32 and close(y, expected(x, w, 3, step))


def test_modes_agree():
    x, w = integers((7, 12), 0), integers((12, 5), 1)
    compact, masked, dense = (sparsedrop.compile(DROPPED, mode=m) for m in ("compact", "masked", "dense"))
    for step in range(10):
        results = [g(x, w, np.zeros((7, 12), np.float32), seed=1, step=step)[0] for g in (compact, masked)]
        assert close(results[0], results[1])
    assert np.array_equal(dense(x, w, np.zeros((7, 12), np.float32))[0], x @ w)


def test_nothing_is_dropped_at_excluded_sites():
    x, w = integers((7, 12), 0), integers((12, 5), 1)
    g = sparsedrop.compile(DROPPED, exclude=["s"])
    assert np.array_equal(g(x, w, np.zeros((7, 12), np.float32), seed=1, step=2)[0], x @ w)
    with pytest.raises(sparsedrop.Error, match="nothing is dropped at 't'"):
        sparsedrop.compile(DROPPED, exclude=["s", "t"])


def test_strided_arrays(f):
    big, w = integers((14, 24), 0), integers((12, 5), 1)
    for x in (big[::2, ::2], big[7:, 5:17], big[::-2, 11::-1], np.asfortranarray(big[:7, :12])):
        a = np.zeros((12, 7), np.float32).T
        y, b = f(x, w, a, seed=1, step=2)
        assert b is a and np.array_equal(a, x) and close(y, expected(x, w, 1, 2))


def test_empty_and_single(f):
    w = integers((12, 5), 1)
    for rows in (0, 1):
        x = integers((rows, 12), 0)
        y, _ = f(x, w, np.zeros_like(x), seed=1, step=2)
        assert y.shape == (rows, 5) and (rows == 0 or close(y, expected(x, w, 1, 2)))


class Exported:
    """An array that is known through DLPack alone."""

    def __init__(self, array, device=None):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device or self.array.__dlpack_device__()


def test_dlpack(f):
    x, w, a = integers((14, 12), 0)[::2], integers((12, 5), 1), np.zeros((7, 12), np.float32)
    exported = Exported(a)
    y, b = f(Exported(x), Exported(w), exported, seed=1, step=2)
    assert b is exported and np.array_equal(a, x) and close(y, expected(x, w, 1, 2))
    with pytest.raises(sparsedrop.Error, match="input 0: expected memory of the CPU"):
        f(Exported(x, (2, 0)), w, a)


def test_results_outlive_the_function():
    g = sparsedrop.compile(elementwise("f32"))
    result = g(np.arange(4, dtype=np.float32), np.ones(4, np.float32))
    del g
    assert np.array_equal(result, [1, 2, 3, 4])
    view = result[1:]
    del result
    assert np.array_equal(view, [2, 3, 4])


@pytest.mark.parametrize("name", ["float32", "float64", "float16", "int8", "int16", "int32", "int64"])
def test_types(name):
    types = {"float32": "f32", "float64": "f64", "float16": "f16"}
    g = sparsedrop.compile(elementwise(types.get(name, name.replace("int", "i"))))
    x, y = np.array([1, 2, 3, 4], name), np.array([5, 6, 7, 8], name)
    result = g(x, y)
    assert result.dtype == x.dtype and np.array_equal(result, x + y)


def test_bf16_rounds_in_and_widens_out():
    g = sparsedrop.compile(elementwise("bf16"))
    # 1 + 2^-8 is halfway between two bf16: ties to even; 1 + 3 * 2^-8 too.
    x = np.array([1 + 2**-8, 1 + 3 * 2**-8, np.inf, np.nan], np.float32)
    result = g(x, np.zeros(4, np.float32))
    assert result.dtype == np.float32
    assert np.array_equal(result, np.array([1, 1 + 2**-6, np.inf, np.nan], np.float32), equal_nan=True)


@pytest.mark.parametrize("name, most, beyond", [("f8E4M3FN", 448, np.nan), ("f8E5M2", 57344, np.inf)])
def test_fp8_rounds_in_and_widens_out(name, most, beyond):
    g = sparsedrop.compile(elementwise(name, "max", "8"))
    # 17 is halfway between 16 and 18; 18 is between 16 and 20 of f8E5M2.
    x = np.array([17, 18, -(2.0**-16), most, most * 1.2, np.nan, np.inf, -0.3], np.float32)
    result = g(x, x)
    fine = name == "f8E4M3FN"
    expected = [16, 18 if fine else 16, -0.0 if fine else -(2.0**-16), most, beyond, np.nan, beyond, -0.3125]
    assert result.dtype == np.float32
    assert np.array_equal(result, np.array(expected, np.float32), equal_nan=True)


def test_scalars_and_zero_dimensional():
    text = """
func.func @h(%x: f32, %t: tensor<f64>) -> (f32, tensor<f64>) {
  %0 = arith.addf %x, %x : f32
  return %0, %t : f32, tensor<f64>
}
"""
    y, t = sparsedrop.compile(text)(1.5, 2.5)
    assert y.shape == () and y == 3 and t == 2.5 and t.dtype == np.float64


def refused(function, arrays, match, **options):
    copies = [np.array(a) if isinstance(a, np.ndarray) else a for a in arrays]
    with pytest.raises(sparsedrop.Error, match=match):
        function(*arrays, **options)
    for array, copy in zip(arrays, copies):
        assert not isinstance(array, np.ndarray) or np.array_equal(array, copy)


def test_refusals(f):
    x, w, a = integers((7, 12), 0), integers((12, 5), 1), np.zeros((7, 12), np.float32)
    refused(f, (x, w), "expected 3 arrays, but got 2")
    refused(f, (x.astype(np.float64), w, a), r"input 0: expected \?x12xf32, but got 7x12xf64")
    refused(f, (x.astype(">f4"), w, a), "byte order")
    refused(f, (x, w[:, :4], a), "input 1: expected 12x5xf32, but got 12x4xf32")
    refused(f, (x.astype(complex), w, a), "complex128")
    locked = a.copy()
    locked.flags.writeable = False
    refused(f, (x, w, locked), "input 2: is read-only")
    refused(f, (x, w, np.broadcast_to(np.float32(0), (7, 12))), "read-only")
    refused(f, (x, w, [0.0]), "expected an array to update in place, but got list")
    refused(f, (a, w, a), "overlaps")
    refused(f, (x, w, a[:6]), "f: ")
    refused(f, (x, w, a), "64 bits", seed=2**64)
    buffer = np.zeros(7 * 12 * 4 + 1, np.uint8)
    refused(f, (np.frombuffer(buffer.data, np.float32, 84, 1).reshape(7, 12), w, a), "aligned")


def test_nan_stays_in_kept_units(f):
    x, w = integers((7, 12), 0), integers((12, 5), 1)
    draws = [sparsedrop.sample("s", 12, seed=1, step=step, rate=0.5) for step in range(50)]
    step = next(i for i, draw in enumerate(draws) if draw.period == 2)
    pattern = draws[step]
    kept, dropped = pattern.kept[0], np.flatnonzero(~pattern.mask)[0]
    for unit, spreads in ((kept, True), (dropped, False)):
        z = x.copy()
        z[2, unit] = np.nan
        y, _ = f(z, w, np.zeros_like(x), seed=1, step=step)
        assert np.isnan(y[2]).all() == spreads and not np.isnan(np.delete(y, 2, 0)).any()


def test_errors_carry_places():
    with pytest.raises(sparsedrop.Error, match="<string>:2:10") as info:
        sparsedrop.compile("func.func @f() {\n  return %x : f32\n}\n")
    assert info.value.diagnostics[0].severity == "error" and info.value.diagnostics[0].line == 2
    with pytest.raises(sparsedrop.Error, match="nowhere.mlir"):
        sparsedrop.compile("nowhere.mlir")
    with pytest.raises(sparsedrop.Error, match="'fast'"):
        sparsedrop.compile(DROPPED, mode="fast")
    with pytest.raises(sparsedrop.Error, match="cpu"):
        sparsedrop.compile(DROPPED, target="abacus")
    with pytest.raises(sparsedrop.Error, match="'g'; there are: f"):
        sparsedrop.compile(DROPPED, entry="g")
    bad_rate = DROPPED.replace("rate = 0.5", "rate = 1.5")
    with pytest.raises(sparsedrop.Error, match="1.5"):
        sparsedrop.compile(bad_rate)


def test_remarks_and_opt():
    g = sparsedrop.compile(DROPPED, remarks=True)
    assert any("compacted by rule C3" in r.message and r.line == 9 for r in g.remarks)
    assert "tensor<?x5xf32>" in sparsedrop.opt(DROPPED, "builtin.module(sparsedrop-pipeline{mode=compact})")
    with pytest.raises(sparsedrop.Error, match="no-such-pass"):
        sparsedrop.opt(DROPPED, "builtin.module(no-such-pass)")


def test_report_counts_and_leaves_arrays_alone():
    model = Mlp([20, 24, 16, 4], 8, Dropout(0.5))
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((8, 20)).astype(np.float32), np.eye(4, dtype=np.float32)[rng.integers(4, size=8)]]
    arrays += [rng.standard_normal(shape).astype(np.float32) for _, shape in model.parameters()]
    copies = [array.copy() for array in arrays]
    result = sparsedrop.report(model.mlir(), *arrays, 0.1, entry="step", seed=2, step=5)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, copies))
    kept = [int(sparsedrop.sample(f"hidden{i}", n, seed=2, step=5, rate=0.5).mask.sum()) for i, n in ((1, 24), (2, 16))]
    a, b = kept
    # Forward, weight gradients and input gradients of three layers; the rest is
    # the sum of the labels' logits.
    products = [8 * 20 * a, 8 * a * b, 8 * b * 4]
    counted = {}
    for op in result["ops"]:
        counted.setdefault(op["product"], []).append(op["actual"]["flops"] // 2)
    assert counted["forward"][:3] == products
    assert sorted(counted["wgrad"]) == sorted(products) and sorted(counted["dgrad"]) == sorted(products[1:])
    assert result["seed"] == 2 and result["function"] == "step" and result["temporaries_peak_bytes"] > 0


def test_threads_compile_and_call_at_once():
    x, w, failures = integers((7, 12), 0), integers((12, 5), 1), []

    def work(number):
        try:
            g = sparsedrop.compile(DROPPED, mode=("compact", "masked")[number % 2])
            for step in range(50):
                y, _ = g(x, w, np.zeros_like(x), seed=number, step=step)
                assert close(y, expected(x, w, number, step))
        except Exception as error:  # reaches the main thread
            failures.append(error)

    pool = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    assert not failures, failures


def test_threads_setting():
    before = sparsedrop.threads()
    sparsedrop.set_threads(1)
    assert sparsedrop.threads() == 1
    sparsedrop.set_threads(before)
    with pytest.raises(sparsedrop.Error, match="at least 1"):
        sparsedrop.set_threads(0)


def test_missing_library_is_explained(tmp_path):
    program = "import sparsedrop\ntry:\n  sparsedrop.threads()\nexcept sparsedrop.Error as e:\n  print(e)\n"
    folder = os.path.dirname(os.path.dirname(sparsedrop.__file__))
    environment = {**os.environ, "SPARSEDROP_LIBRARY": str(tmp_path), "PYTHONPATH": folder}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert "SPARSEDROP_LIBRARY" in done.stdout and str(tmp_path) in done.stdout


def test_results_that_are_one_value_are_apart():
    """The second of two results was in the buffer of the first, which was freed twice."""
    text = """
    func.func @f(%x: tensor<2x3xf64>) -> (tensor<2x3xf64>, tensor<2x3xf64>, tensor<6xf64>, tensor<3xf64>) {
      %e = tensor.empty() : tensor<2x3xf64>
      %0 = linalg.exp ins(%x : tensor<2x3xf64>) outs(%e : tensor<2x3xf64>) -> tensor<2x3xf64>
      %1 = tensor.collapse_shape %0 [[0, 1]] : tensor<2x3xf64> into tensor<6xf64>
      %2 = tensor.extract_slice %0[1, 0] [1, 3] [1, 1] : tensor<2x3xf64> to tensor<3xf64>
      return %0, %0, %1, %2 : tensor<2x3xf64>, tensor<2x3xf64>, tensor<6xf64>, tensor<3xf64>
    }"""
    f = sparsedrop.compile(text, entry="f")
    x = np.arange(6.0).reshape(2, 3)
    for i in range(5):
        results = f(x)
        # exp of the library and of NumPy differ by two units at most.
        for result, expected in zip(results, (np.exp(x), np.exp(x), np.exp(x).ravel(), np.exp(x)[1])):
            np.testing.assert_allclose(result, expected, rtol=4 * 2.0**-53)
        for j, result in enumerate(results):
            assert not any(np.shares_memory(result, other) for other in results[:j])
            result[...] = i
