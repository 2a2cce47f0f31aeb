# RUN: %python %s sparsedrop-run %t
# RUN: %python %s %run_on_interp %t.device

"""Each gradient rule against central differences, in float64.

Every case is a function of some tensors; the gradient in the direction d of one
argument, weighted by w over the results, is compared with
(f(x + h d) - f(x - h d)) / 2h. The error of the difference is h^2 f''' / 6 and
2^-53 |f| / h: about 1e-10 of |f| at h = 1e-6 .. 1e-5, so that 1e-6 relative to
the largest term is far above it.
"""

import concurrent.futures
import os
import subprocess
import sys

import numpy as np

run, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
STEP = 1e-5


def tensor(shape):
    return "tensor<" + "".join(f"{n}x" for n in shape) + "f64>"


def evaluate(path, entry, inputs, results, mode, seed=3, step=7):
    command = [run, path, f"--entry={entry}", f"--mode={mode}", f"--seed={seed}", f"--step={step}", f"--output={path}"]
    for i, data in enumerate(inputs):
        np.save(f"{path}.in{i}.npy", data)
        command.append(f"--input={path}.in{i}.npy")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, path + "\n" + done.stdout + done.stderr
    return [np.load(f"{path}.{i}.npy").astype(np.float64) for i in range(results)]


CASES = []


def check(name, *arguments, **options):
    CASES.append((name, arguments, options))


def run_case(name, text, shapes, result_shapes, wrt=None, positive=False, number=0):
    """`text` is a function @f on tensors of `shapes`."""
    wrt = list(range(len(shapes))) if wrt is None else wrt
    path = os.path.join(folder, f"{name}.mlir")
    with open(path, "w") as file:
        file.write(text)
    rng = np.random.default_rng(number + 1)
    draw = (lambda s: rng.uniform(0.3, 1.7, s)) if positive else rng.standard_normal
    inputs = [np.asarray(draw(shape)) for shape in shapes]
    weights = [np.asarray(rng.standard_normal(shape)) if shape else np.ones(()) for shape in result_shapes]
    seeds = [w for w, shape in zip(weights, result_shapes) if shape]
    outputs = evaluate(path, "f_grad", inputs + seeds, len(result_shapes) + len(wrt), "compact")
    plain = evaluate(path, "f", inputs, len(result_shapes), "masked")
    for a, b in zip(outputs, plain):
        assert np.allclose(a, b, rtol=1e-12, atol=1e-12), f"{name}: the results themselves differ"
    for argument, gradient in zip(wrt, outputs[len(result_shapes) :]):
        direction = np.asarray(rng.standard_normal(shapes[argument]))
        sides = []
        for sign in (1, -1):
            moved = list(inputs)
            moved[argument] = inputs[argument] + sign * STEP * direction
            sides.append(
                sum((w * r).sum() for w, r in zip(weights, evaluate(path, "f", moved, len(result_shapes), "masked")))
            )
        numeric = (sides[0] - sides[1]) / (2 * STEP)
        analytic = (gradient * direction).sum()
        scale = np.abs(gradient * direction).sum() + 1e-3
        assert gradient.shape == tuple(shapes[argument]), f"{name}: gradient {argument} has shape {gradient.shape}"
        assert abs(numeric - analytic) <= 1e-6 * scale, (
            f"{name}: argument {argument}: {analytic} by the compiler, {numeric} by differences"
        )


def elementwise(lines, count, constants=""):
    arguments = ", ".join(f"%x{i}: {tensor((3, 5))}" for i in range(count))
    names = ", ".join(f"%x{i}" for i in range(count))
    types = ", ".join(tensor((3, 5)) for _ in range(count))
    block = ", ".join(f"%{'abc'[i]}: f64" for i in range(count))
    maps = ", ".join(["#id"] * (count + 1))
    body = "\n      ".join(lines)
    t = tensor((3, 5))
    return f"""#id = affine_map<(i, j) -> (i, j)>
func.func @f({arguments}) -> {t} attributes {{sparsedrop.differentiate}} {{
  %c2 = arith.constant 2.0 : f64
  %c05 = arith.constant 0.5 : f64
  %zero = arith.constant 0.0 : f64
  {constants}
  %e = tensor.empty() : {t}
  %r = linalg.generic {{indexing_maps = [{maps}], iterator_types = ["parallel", "parallel"]}}
      ins({names} : {types}) outs(%e : {t}) {{
    ^bb0({block}, %out: f64):
      {body}
      linalg.yield %r : f64
  }} -> {t}
  return %r : {t}
}}
"""


UNARY = "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt cbrt tanh tan sin cos sinh cosh atan asinh erf erfc absf floor".split()
for op in UNARY:
    check(op, elementwise([f"%r = math.{op} %a : f64"], 1), [(3, 5)], [(3, 5)], positive=True)
for op, line in {
    "asin": "%s = arith.mulf %a, %c05 : f64\n      %r = math.asin %s : f64",
    "acos": "%s = arith.mulf %a, %c05 : f64\n      %r = math.acos %s : f64",
    "atanh": "%s = arith.mulf %a, %c05 : f64\n      %r = math.atanh %s : f64",
    "acosh": "%s = arith.addf %a, %c2 : f64\n      %r = math.acosh %s : f64",
    "neg": "%r = arith.negf %a : f64",
    "relu": "%s = arith.subf %a, %c05 : f64\n      %r = arith.maximumf %s, %zero : f64",
    "sigmoid": "%n = arith.negf %a : f64\n      %e1 = math.exp %n : f64\n      %s = arith.addf %e1, %c2 : f64\n      %r = arith.divf %c2, %s : f64",
    "square": "%r = arith.mulf %a, %a : f64",
    "select": "%k = arith.cmpf ogt, %a, %c05 : f64\n      %s = arith.mulf %a, %a : f64\n      %r = arith.select %k, %s, %a : f64",
    "narrow": "%s = arith.mulf %a, %a : f64\n      %i = linalg.index 1 : index\n      %j = arith.index_cast %i : index to i64\n      %g = arith.sitofp %j : i64 to f64\n      %r = arith.mulf %s, %g : f64",
}.items():
    check(op, elementwise(line.split("\n      "), 1), [(3, 5)], [(3, 5)], positive=True)
for op in "addf subf mulf divf maximumf minimumf maxnumf minnumf remf".split():
    check(op, elementwise([f"%r = arith.{op} %a, %b : f64"], 2), [(3, 5)] * 2, [(3, 5)], positive=True)
for op in "powf atan2".split():
    check(op, elementwise([f"%r = math.{op} %a, %b : f64"], 2), [(3, 5)] * 2, [(3, 5)], positive=True)
check("fma", elementwise(["%r = math.fma %a, %b, %c : f64"], 3), [(3, 5)] * 3, [(3, 5)])


def function(arguments, results, body):
    """A function @f; `arguments` are shapes of %a0, %a1, ..."""
    text = ", ".join(f"%a{i}: {tensor(s)}" for i, s in enumerate(arguments))
    types = ", ".join(tensor(s) for s in results)
    return (
        "#id = affine_map<(i, j) -> (i, j)>\n"
        f"func.func @f({text}) -> ({types}) attributes {{sparsedrop.differentiate}} {{\n"
        "  %zero = arith.constant 0.0 : f64\n  %ninf = arith.constant 0xFFF0000000000000 : f64\n"
        "  %c0 = arith.constant 0 : index\n  %c1 = arith.constant 1 : index\n  %c3 = arith.constant 3 : index\n"
        f"{body}\n}}\n"
    )


def structured(name, op, inputs, result, init="zero", **options):
    """One op on %a0, ... with the result's init zeros, -inf or an argument."""
    shapes = list(inputs)
    names = ", ".join(f"%a{i}" for i in range(len(inputs)))
    types = ", ".join(tensor(s) for s in inputs)
    body = f"  %e = tensor.empty() : {tensor(result)}\n"
    if init == "argument":
        shapes.append(result)
        start = f"%a{len(inputs)}"
    else:
        body += f"  %z = linalg.fill ins(%{init} : f64) outs(%e : {tensor(result)}) -> {tensor(result)}\n"
        start = "%z"
    operation = op.replace("INS", f"ins({names} : {types})").replace("OUTS", f"outs({start} : {tensor(result)})")
    ending = "" if operation.rstrip().endswith("]") else f" -> {tensor(result)}"
    body += f"  %r = {operation}{ending}\n  return %r : {tensor(result)}"
    check(name, function(shapes, [result], body), shapes, [result], **options)


structured("matmul", "linalg.matmul INS OUTS", [(3, 4), (4, 5)], (3, 5))
structured("matmul_init", "linalg.matmul INS OUTS", [(3, 4), (4, 5)], (3, 5), init="argument")
structured(
    "matmul_ta",
    "linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (k, m)>, affine_map<(m, n, k) -> (k, n)>, affine_map<(m, n, k) -> (m, n)>] INS OUTS",
    [(4, 3), (4, 5)],
    (3, 5),
)
structured(
    "matmul_tb",
    "linalg.matmul indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (n, k)>, affine_map<(m, n, k) -> (m, n)>] INS OUTS",
    [(3, 4), (5, 4)],
    (3, 5),
)
structured("batch_matmul", "linalg.batch_matmul INS OUTS", [(2, 3, 4), (2, 4, 5)], (2, 3, 5))
structured("matvec", "linalg.matvec INS OUTS", [(3, 4), (4,)], (3,))
structured("vecmat", "linalg.vecmat INS OUTS", [(4,), (4, 3)], (3,))
structured("dot", "linalg.dot INS OUTS", [(4,), (4,)], ())
for stride, dilation, width in ((1, 1, 7), (2, 1, 7), (2, 2, 9), (3, 1, 8), (1, 2, 8)):
    out = (width - dilation * 2 - 1) // stride + 1
    attributes = f"{{strides = dense<{stride}> : vector<2xi64>, dilations = dense<{dilation}> : vector<2xi64>}}"
    structured(
        f"conv_nhwc_{stride}_{dilation}",
        f"linalg.conv_2d_nhwc_hwcf {attributes} INS OUTS",
        [(2, width, width, 3), (3, 3, 3, 2)],
        (2, out, out, 2),
    )
    structured(
        f"conv_nchw_{stride}_{dilation}",
        f"linalg.conv_2d_nchw_fchw {attributes} INS OUTS",
        [(2, 3, width, width), (2, 3, 3, 3)],
        (2, 2, out, out),
        init="argument",
    )
    structured(
        f"conv_depthwise_{stride}_{dilation}",
        f"linalg.depthwise_conv_2d_nhwc_hwc {attributes} INS OUTS",
        [(2, width, width, 3), (3, 3, 3)],
        (2, out, out, 3),
    )
    for pool, init in (("max", "ninf"), ("sum", "zero")):
        structured(
            f"pool_{pool}_{stride}_{dilation}",
            f"linalg.pooling_nhwc_{pool} {attributes} INS OUTS",
            [(2, width, width, 3), (3, 3)],
            (2, out, out, 3),
            init=init,
            wrt=[0, 1],
        )
structured("strided_1x1", "linalg.conv_1d_nwc_wcf {strides = dense<2> : vector<1xi64>, dilations = dense<1> : vector<1xi64>} INS OUTS", [(2, 7, 3), (1, 3, 2)], (2, 4, 2))
structured("reduce_sum", "linalg.reduce { arith.addf } INS OUTS dimensions = [1]", [(3, 5)], (3,))
structured("reduce_max", "linalg.reduce { arith.maximumf } INS OUTS dimensions = [1]", [(3, 5)], (3,), init="ninf")
structured("reduce_max_init", "linalg.reduce { arith.maximumf } INS OUTS dimensions = [1]", [(3, 5)], (3,), init="argument")
structured("reduce_min_all", "linalg.reduce { arith.minimumf } INS OUTS dimensions = [0, 1]", [(3, 5)], (), init="argument")
structured("transpose", "linalg.transpose INS OUTS permutation = [1, 0]", [(3, 5)], (5, 3))
structured("broadcast", "linalg.broadcast INS OUTS dimensions = [0]", [(5,)], (3, 5))


def body(name, shapes, results, text, **options):
    check(name, function(shapes, results, text), shapes, results, **options)


body("softmax", [(3, 5)], [(3, 5)], """  %e = tensor.empty() : tensor<3x5xf64>
  %r = linalg.softmax dimension(1) ins(%a0 : tensor<3x5xf64>) outs(%e : tensor<3x5xf64>) -> tensor<3x5xf64>
  return %r : tensor<3x5xf64>""")
body("tensor_arith", [(3, 5), (3, 5)], [(3, 5)], """  %s = arith.mulf %a0, %a1 : tensor<3x5xf64>
  %r = math.tanh %s : tensor<3x5xf64>
  return %r : tensor<3x5xf64>""")
body("slices", [(4, 6), (2, 3)], [(2, 3), (4, 6)], """  %s = tensor.extract_slice %a0[1, 0] [2, 3] [1, 2] : tensor<4x6xf64> to tensor<2x3xf64>
  %t = tensor.extract_slice %a0[0, 1] [2, 3] [1, 1] : tensor<4x6xf64> to tensor<2x3xf64>
  %m = arith.mulf %s, %t : tensor<2x3xf64>
  %i = tensor.insert_slice %a1 into %a0[2, 1] [2, 3] [1, 2] : tensor<2x3xf64> into tensor<4x6xf64>
  return %m, %i : tensor<2x3xf64>, tensor<4x6xf64>""")
body("shapes", [(4, 6)], [(2, 12)], """  %s = tensor.expand_shape %a0 [[0, 1], [2]] output_shape [2, 2, 6] : tensor<4x6xf64> into tensor<2x2x6xf64>
  %t = tensor.collapse_shape %s [[0], [1, 2]] : tensor<2x2x6xf64> into tensor<2x12xf64>
  return %t : tensor<2x12xf64>""")
body("pad_concat", [(2, 3), (2, 2)], [(5, 5)], """  %c = tensor.concat dim(1) %a0, %a1 : (tensor<2x3xf64>, tensor<2x2xf64>) -> tensor<2x5xf64>
  %s = arith.mulf %c, %c : tensor<2x5xf64>
  %p = tensor.pad %s low[1, 0] high[2, 0] {
    ^bb0(%i: index, %j: index):
      tensor.yield %zero : f64
  } : tensor<2x5xf64> to tensor<5x5xf64>
  return %p : tensor<5x5xf64>""")
body("scalars", [(3,), (2,)], [(2,), ()], """  %x = tensor.extract %a0[%c1] : tensor<3xf64>
  %y = tensor.extract %a0[%c1] : tensor<3xf64>
  %s = arith.mulf %x, %y : f64
  %t = math.exp %s : f64
  %r = tensor.insert %t into %a1[%c1] : tensor<2xf64>
  %e = tensor.from_elements %t : tensor<f64>
  return %r, %e : tensor<2xf64>, tensor<f64>""")
body("splat", [(3,)], [(2, 2)], """  %x = tensor.extract %a0[%c1] : tensor<3xf64>
  %s = tensor.splat %x : tensor<2x2xf64>
  %e = tensor.empty() : tensor<2x2xf64>
  %f = linalg.fill ins(%x : f64) outs(%e : tensor<2x2xf64>) -> tensor<2x2xf64>
  %r = arith.mulf %s, %f : tensor<2x2xf64>
  return %r : tensor<2x2xf64>""")
body("loop", [(3, 4), (4, 4)], [(3, 4)], """  %e = tensor.empty() : tensor<3x4xf64>
  %r = scf.for %i = %c0 to %c3 step %c1 iter_args(%h = %a0) -> (tensor<3x4xf64>) {
    %z = linalg.fill ins(%zero : f64) outs(%e : tensor<3x4xf64>) -> tensor<3x4xf64>
    %m = linalg.matmul ins(%h, %a1 : tensor<3x4xf64>, tensor<4x4xf64>) outs(%z : tensor<3x4xf64>) -> tensor<3x4xf64>
    %t = math.tanh %m : tensor<3x4xf64>
    scf.yield %t : tensor<3x4xf64>
  }
  return %r : tensor<3x4xf64>""")
body("loop_step", [(7,), ()], [()], """  %c6 = arith.constant 6 : index
  %c2 = arith.constant 2 : index
  %x = tensor.extract %a1[] : tensor<f64>
  %s, %k = scf.for %i = %c1 to %c6 step %c2 iter_args(%h = %x, %n = %c0) -> (f64, index) {
    %v = tensor.extract %a0[%i] : tensor<7xf64>
    %p = arith.mulf %h, %v : f64
    %q = math.sin %p : f64
    %n1 = arith.addi %n, %c1 : index
    scf.yield %q, %n1 : f64, index
  }
  %r = tensor.from_elements %s : tensor<f64>
  return %r : tensor<f64>""")
for flag in (0, 1):
    body(f"branch_{flag}", [(3, 4), (3, 4)], [(3, 4)], f"""  %f = arith.constant {'true' if flag else 'false'}
  %o = arith.addi %c0, %c1 : index
  %k = arith.cmpi eq, %o, %{'c1' if flag else 'c0'} : index
  %r = scf.if %k -> (tensor<3x4xf64>) {{
    %m = arith.mulf %a0, %a1 : tensor<3x4xf64>
    scf.yield %m : tensor<3x4xf64>
  }} else {{
    %m = math.exp %a0 : tensor<3x4xf64>
    scf.yield %m : tensor<3x4xf64>
  }}
  return %r : tensor<3x4xf64>""")
check("call", """func.func private @g(%x: tensor<3xf64>) -> tensor<3xf64> {
  %r = math.sin %x : tensor<3xf64>
  return %r : tensor<3xf64>
}
func.func @f(%a0: tensor<3xf64>) -> tensor<3xf64> attributes {sparsedrop.differentiate = {wrt = [0]}} {
  %0 = call @g(%a0) : (tensor<3xf64>) -> tensor<3xf64>
  %1 = call @g(%0) : (tensor<3xf64>) -> tensor<3xf64>
  return %1 : tensor<3xf64>
}
""", [(3,)], [(3,)])
# Used twice, by itself, and not at all.
body("fan_out", [(4, 4), (2,)], [(4, 4), (4, 4)], """  %e = tensor.empty() : tensor<4x4xf64>
  %z = linalg.fill ins(%zero : f64) outs(%e : tensor<4x4xf64>) -> tensor<4x4xf64>
  %m = linalg.matmul ins(%a0, %a0 : tensor<4x4xf64>, tensor<4x4xf64>) outs(%z : tensor<4x4xf64>) -> tensor<4x4xf64>
  %s = arith.addf %m, %a0 : tensor<4x4xf64>
  return %s, %m : tensor<4x4xf64>, tensor<4x4xf64>""")
os.environ["SPARSEDROP_NUM_THREADS"] = "1"
with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
    for future in [pool.submit(run_case, name, *arguments, **options) for name, arguments, options in CASES]:
        future.result()
print(f"{len(CASES)} rules agree with differences")
