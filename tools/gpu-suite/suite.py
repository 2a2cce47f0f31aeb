"""Runs the GPU suite: every program against NumPy, then, on a GPU, against the vendor's
library and PyTorch in the same run. Needs NumPy, and PyTorch for the benchmark."""

import argparse
import ctypes
import json
import os
import statistics
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
START = time.monotonic()
# torch_lstm_step.py: beside this file in an archive.
sys.path += [HERE, os.path.join(HERE, "..", "..", "python", "sparsedrop", "bench")]
# Bytes of sparsedrop_device_info.name, which its arch follows.
NAME_BYTES = 128
SIZES = {"bf16": 2, "f16": 2, "f32": 4, "f64": 8}

# ---------------------------------------------------------------------------
# The runtime library
# ---------------------------------------------------------------------------


class Device:
    """A device of the runtime library, and its memory."""

    def __init__(self, kind, folder):
        path = os.path.join(folder, "libsparsedrop_runtime.so.1")
        self.lib = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        for name in ("device_open", "stream_wrap"):
            getattr(self.lib, "sparsedrop_" + name).restype = ctypes.c_void_p
        self.lib.sparsedrop_last_error.restype = ctypes.c_char_p
        self.handle = ctypes.c_void_p(self.lib.sparsedrop_device_open(kind.encode(), 0))
        self.stream = None
        if not self.handle:
            raise RuntimeError(self.error())
        # The struct begins with the name; more room than any version of it needs.
        info = ctypes.create_string_buffer(4096)
        self.check(self.lib.sparsedrop_device_describe(self.handle, info))
        self.arch = int.from_bytes(info.raw[NAME_BYTES : NAME_BYTES + 4], "little")

    def runs(self, about):
        """Whether the device executes what a program was compiled for: sm_90a is for 9.0 alone."""
        return about.get("chip") != "sm_90a" or self.arch == 90

    def error(self):
        return self.lib.sparsedrop_last_error().decode()

    def check(self, status):
        if status:
            raise RuntimeError(self.error())

    def use(self, native):
        """The caller's stream; 0 is the default one."""
        if not native:
            return
        self.stream = ctypes.c_void_p(self.lib.sparsedrop_stream_wrap(self.handle, ctypes.c_void_p(native)))
        if not self.stream:
            raise RuntimeError(self.error())

    def upload(self, data):
        data = np.ascontiguousarray(data)
        address = ctypes.c_uint64()
        self.check(self.lib.sparsedrop_device_alloc(self.handle, ctypes.c_uint64(data.nbytes), ctypes.byref(address)))
        self.check(self.lib.sparsedrop_device_upload(self.handle, self.stream, address, data.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(data.nbytes)))
        self.synchronize()
        return address.value

    def download(self, address, like):
        data = np.empty_like(like)
        self.check(self.lib.sparsedrop_device_download(self.handle, self.stream, data.ctypes.data_as(ctypes.c_void_p), ctypes.c_uint64(address), ctypes.c_uint64(data.nbytes)))
        self.synchronize()
        return data

    def free(self, *addresses):
        for address in addresses:
            self.check(self.lib.sparsedrop_device_free(self.handle, ctypes.c_uint64(address)))

    def synchronize(self):
        self.check(self.lib.sparsedrop_device_synchronize(self.handle))


class Call:
    """A program with its arguments: arrays as (address, shape), numbers as they are."""

    def __init__(self, device, path, entry, arguments, results=()):
        self.device = device
        self.function = getattr(ctypes.CDLL(path), "sparsedrop_invoke_" + entry)
        self.keep = []
        # Descriptors of results: all of them behind one pointer.
        self.results = (ctypes.c_int64 * sum(3 + 2 * rank for rank in results))() if results else None
        words = [ctypes.addressof(self.results)] if results else []
        for argument in arguments:
            if isinstance(argument, tuple):
                address, shape = argument
                strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
                self.keep.append((ctypes.c_int64 * (3 + 2 * len(shape)))(address, address, 0, *shape, *strides))
            else:
                self.keep.append(ctypes.c_int64(argument))
            words.append(ctypes.addressof(self.keep[-1]))
        self.words = (ctypes.c_void_p * len(words))(*words)

    def __call__(self):
        self.device.check(self.function(self.device.handle, self.device.stream, self.words))
        if self.results is not None:
            self.device.check(self.device.lib.sparsedrop_program_release(self.device.handle, ctypes.c_void_p(self.results[0])))


# ---------------------------------------------------------------------------
# Correctness
# ---------------------------------------------------------------------------


def pack(values, type_):
    """Float64 values as elements: those of 16 bits as their bits, to nearest even."""
    if type_ == "bf16":
        bits = values.astype(np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return values.astype({"f16": np.float16, "f32": np.float32, "f64": np.float64}[type_])


def unpack(data, type_):
    return (data.astype(np.uint32) << 16).view(np.float32).astype(np.float64) if type_ == "bf16" else data.astype(np.float64)


def check_product(device, path, about, period, bias):
    """Small integers: sums are exact in every order, and rounded once."""
    m, n, k, type_ = (about[name] for name in ("m", "n", "k", "type"))
    rng = np.random.default_rng([m, period, bias])
    x, w, y = (rng.integers(-2, 3, shape).astype(np.float64) for shape in ((m, k), (k, n), (m, n)))
    rows = np.arange(bias, k, period)
    kept = len(rows)
    expected = {"x": x.copy(), "w": w.copy(), "y": y.copy()}
    if about["product"] == "forward":
        expected["y"] = x[:, :kept] @ w[rows]
    elif about["product"] == "dgrad":
        expected["x"][:, :kept] = y @ w[rows].T
    else:
        expected["w"][rows] = x[:, :kept].T @ y
    data = {name: pack(value, type_) for name, value in (("x", x), ("w", w), ("y", y))}
    addresses = {name: device.upload(value) for name, value in data.items()}
    arguments = [(addresses[name], data[name].shape) for name in "xwy"]
    Call(device, path, about["entry"], [*arguments, kept, period, bias])()
    for name in "xwy":
        actual = unpack(device.download(addresses[name], data[name]), type_)
        wrong = np.argwhere(actual != unpack(pack(expected[name], type_), type_))
        assert not len(wrong), f"{name}: {len(wrong)} elements are wrong, the first at {wrong[0].tolist()}"
    device.free(*addresses.values())


def mask_of(about, period, bias):
    """Kept elements of a weight, tiles in skewed order."""
    tile = about["tile"]
    return (np.arange(about["n"])[:, None] // tile + np.arange(about["k"])[None, :] // tile) % period == bias


def check_tiles(device, path, about, period, bias):
    """The same for products with dropped tiles of the weight."""
    m, n, k, type_ = (about[name] for name in ("m", "n", "k", "type"))
    rng = np.random.default_rng([m, period, bias])
    values = {name: rng.integers(-1, 2, shape).astype(np.float64) for name, shape in (("x", (m, k)), ("w", (n, k)), ("y", (m, n)))}
    x, w, y = values.values()
    mask = mask_of(about, period, bias)
    place, expected = {"forward": ("y", x @ (w * mask).T), "dgrad": ("x", y @ (w * mask)), "wgrad": ("w", w - mask * (y.T @ x))}[about["product"]]
    data = {name: pack(value, type_) for name, value in values.items()}
    addresses = {name: device.upload(value) for name, value in data.items()}
    Call(device, path, about["entry"], [*((addresses[name], data[name].shape) for name in "xwy"), period, bias])()
    for name in "xwy":
        actual = unpack(device.download(addresses[name], data[name]), type_)
        wrong = np.argwhere(actual != unpack(pack(expected if name == place else values[name], type_), type_))
        assert not len(wrong), f"{name}: {len(wrong)} elements are wrong, the first at {wrong[0].tolist()}"
    device.free(*addresses.values())


def check_elementwise(device, path, about):
    m, n, type_ = (about[name] for name in ("m", "n", "type"))
    rng = np.random.default_rng(m)
    x, b = (rng.integers(-9, 10, shape).astype(np.float64) for shape in ((m, n), (n,)))
    data = [pack(value, type_) for value in (x, b, np.full((m, n), 99.0))]
    addresses = [device.upload(value) for value in data]
    Call(device, path, about["entry"], [(a, d.shape) for a, d in zip(addresses, data)])()
    actual = unpack(device.download(addresses[2], data[2]), type_)
    assert np.array_equal(actual, np.maximum(x + b, 0))
    device.free(*addresses)


def pack_small(values, type_):
    """-2 to 2 as floats of 8 bits."""
    one, two = {"f8E4M3FN": (0x38, 0x40), "f8E5M2": (0x3C, 0x40)}[type_]
    return (np.array([0, one, two])[np.abs(values).astype(int)] | np.where(values < 0, 0x80, 0)).astype(np.uint8)


def check_scaled(device, path, about, period, bias):
    """Small integers and scales of powers of two: exact until the one rounding."""
    m, n, k = (about[name] for name in "mnk")
    rng = np.random.default_rng([m, period, bias])
    x, w = (rng.integers(-2, 3, shape).astype(np.float64) for shape in ((m, n), (k, n)))
    rows = np.arange(bias, k, period)
    expected = np.full((m, k), 3.0)
    expected[:, : len(rows)] = 0.5 * 4.0 * (x @ w[rows].T)
    data = [pack_small(x, about["type"]), pack_small(w, about["type"]), np.array(0.5, np.float32), np.array(4.0, np.float32), pack(np.full((m, k), 3.0), "bf16")]
    addresses = [device.upload(value) for value in data]
    Call(device, path, about["entry"], [*((a, d.shape) for a, d in zip(addresses, data)), len(rows), period, bias])()
    actual = unpack(device.download(addresses[-1], data[-1]), "bf16")
    wrong = np.argwhere(actual != unpack(pack(expected, "bf16"), "bf16"))
    assert not len(wrong), f"{len(wrong)} elements are wrong, the first at {wrong[0].tolist()}"
    device.free(*addresses)


def step_arguments(about, rng):
    """Batch, targets, parameters and learning rate of a step."""
    widths, batch = about["widths"], about["batch"]
    shapes = [(batch, widths[0]), (batch, widths[-1]), *map(tuple, about["shapes"]), ()]
    values = [rng.standard_normal(s) / np.sqrt(s[0] if len(s) > 1 else 4) for s in shapes]
    values[-1] = np.array(0.05)
    return values


def check_step(device, path, about):
    """Losses of some steps on one batch fall, and the same seed gives the same."""
    losses = []
    for _ in range(2):
        values = step_arguments(about, np.random.default_rng(3))
        data = [pack(value, about["type"]) for value in values]
        addresses = [device.upload(value) for value in data]
        arguments = [(a, d.shape) for a, d in zip(addresses, data)]
        losses.append([])
        for number in range(12):
            call = Call(device, path, about["entry"], [*arguments, 5, number], results=[0])
            device.check(call.function(device.handle, device.stream, call.words))
            losses[-1].append(float(device.download(call.results[1], np.zeros((), np.float32))))
            device.check(device.lib.sparsedrop_program_release(device.handle, ctypes.c_void_p(call.results[0])))
        device.free(*addresses)
    assert losses[0] == losses[1], "two runs differ"
    assert np.isfinite(losses[0]).all() and np.mean(losses[0][-3:]) < np.mean(losses[0][:3]), losses[0]


def lstm_arguments(about, rng):
    """Words, parameters, state and learning rate of a step, by the types that it asks for."""
    values = []
    for name, type_, shape in about["arguments"]:
        if type_ == "i32":
            values.append(rng.integers(0, about["vocabulary"], shape).astype(np.int32))
        else:
            values.append(pack(np.full(shape, 1.0) if name == "learning_rate" else rng.uniform(-0.1, 0.1, shape), type_))
    return values


def check_lstm(device, path, about):
    """Losses of some steps on one batch fall from log(vocabulary) on, and the same seed gives the same."""
    losses = []
    for _ in range(2):
        data = lstm_arguments(about, np.random.default_rng(3))
        addresses = [device.upload(value) for value in data]
        losses.append([])
        for number in range(12):
            call = Call(device, path, about["entry"], [*((a, d.shape) for a, d in zip(addresses, data)), 5, number], results=[0])
            device.check(call.function(device.handle, device.stream, call.words))
            losses[-1].append(float(device.download(call.results[1], np.zeros((), np.float32))))
            device.check(device.lib.sparsedrop_program_release(device.handle, ctypes.c_void_p(call.results[0])))
        device.free(*addresses)
    assert losses[0] == losses[1], "two runs differ"
    # Small parameters tell nothing yet: all words are about as likely.
    assert abs(losses[0][0] - np.log(about["vocabulary"])) < 0.3 and np.mean(losses[0][-3:]) < losses[0][0], losses[0]


def check_all(device, folder, programs):
    failures = count = 0
    for name, about in programs.items():
        if about["role"] != "check" or not device.runs(about):
            continue
        path = os.path.join(folder, name + ".so")
        if about["kind"] in ("product", "scaled", "tiles"):
            function = {"product": check_product, "scaled": check_scaled, "tiles": check_tiles}[about["kind"]]
            cases = [(f"{name} period {p} bias {b}", lambda p=p, b=b: function(device, path, about, p, b)) for p, b in ((1, 0), (2, 1), (3, 0), (4, 3), (8, 5))]
        else:
            function = {"elementwise": check_elementwise, "step": check_step, "lstm": check_lstm}[about["kind"]]
            cases = [(name, lambda: function(device, path, about))]
        for title, case in cases:
            count += 1
            try:
                case()
                print("ok    ", title)
            except (AssertionError, RuntimeError) as error:
                failures += 1
                print("FAILED", title, "-", error)
    print(f"{count - failures} of {count} cases are right")
    return {"cases": count, "failures": failures}


# ---------------------------------------------------------------------------
# Speed
# ---------------------------------------------------------------------------


class Bench:
    """Medians of device times, the variants of a case one after another."""

    def __init__(self, torch, device, folder, budget):
        self.torch, self.device, self.folder, self.budget = torch, device, folder, budget
        self.types = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
        self.rows = []

    def time(self, variants, repeats=15):
        """Milliseconds of each variant; None where it fails."""
        torch, times = self.torch, {name: [] for name in variants}
        for name, variant in variants.items():
            try:
                for _ in range(3):
                    variant()
                torch.cuda.synchronize()
            except RuntimeError as error:
                print(f"{name}: {str(error).splitlines()[0]}")
                times[name] = None
        for _ in range(repeats):
            for name, variant in variants.items():
                if times[name] is None:
                    continue
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
                variant()
                end.record()
                end.synchronize()
                times[name].append(start.elapsed_time(end))
        return {name: statistics.median(values) if values else None for name, values in times.items()}

    def tensor(self, *shape, type_):
        return self.torch.randn(*shape, device="cuda", dtype=self.types[type_])

    def call(self, name, about, tensors, numbers=(), results=()):
        arguments = [(t.data_ptr(), tuple(t.shape)) for t in tensors]
        return Call(self.device, os.path.join(self.folder, name + ".so"), about["entry"], [*arguments, *numbers], results)

    def add(self, name, figures):
        self.rows.append({"case": name, **figures})
        print(name, {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}, flush=True)

    def left(self):
        return self.budget - (time.monotonic() - START)

    def peaks(self):
        torch = self.torch
        a, b = (torch.empty(1 << 28, device="cuda", dtype=torch.float32) for _ in range(2))
        x, w = (self.tensor(8192, 8192, type_="bf16") for _ in range(2))
        t = self.time({"copy": lambda: b.copy_(a), "product": lambda: x @ w})
        self.bandwidth = 2 * a.numel() * 4 / t["copy"] / 1e6
        self.add("peaks", {"copy GB/s": self.bandwidth, "bf16 TFLOP/s": 2 * 8192**3 / t["product"] / 1e9})

    def product(self, name, about, period):
        torch, F = self.torch, self.torch.nn.functional
        m, n, k, type_ = (about[key] for key in ("m", "n", "k", "type"))
        bias = period // 2
        kept = len(range(bias, k, period))
        x, w, y = self.tensor(m, k, type_=type_), self.tensor(k, n, type_=type_), self.tensor(m, n, type_=type_)
        compact, view = x[:, :kept].contiguous(), w[bias::period]
        rows = view.contiguous()
        variants = {"ours": self.call(name, about, (x, w, y), (kept, period, bias))}
        if about["product"] == "forward":
            variants["vendor, compact"] = lambda: compact @ rows
            variants["vendor, strided view"] = lambda: F.linear(compact, view.t())
            variants["dense + dropout"] = lambda: F.dropout(x, 1 - 1 / period) @ w
        elif about["product"] == "dgrad":
            variants["vendor, compact"] = lambda: y @ rows.t()
            variants["vendor, strided view"] = lambda: y @ view.t()
            variants["dense"] = lambda: y @ w.t()
        else:
            variants["vendor, compact"] = lambda: compact.t() @ y
            variants["vendor, into the view"] = lambda: view.copy_(compact.t() @ y)
            variants["dense"] = lambda: x.t() @ y
        t = self.time(variants)
        figures = {key + " ms": value for key, value in t.items()}
        if t["ours"]:
            figures["TFLOP/s"] = 2 * m * n * kept / t["ours"] / 1e9
            figures["of vendor, compact"] = t["vendor, compact"] / t["ours"]
        self.add(f"{name} period {period}", figures)

    def scaled(self, name, about, period):
        torch = self.torch
        m, n, k = (about[key] for key in "mnk")
        bias = period // 2
        kept = len(range(bias, k, period))
        small = {"f8E4M3FN": torch.float8_e4m3fn, "f8E5M2": torch.float8_e5m2}[about["type"]]
        x, w = (torch.randn(*shape, device="cuda").to(small) for shape in ((m, n), (k, n)))
        scales = [torch.tensor(value, device="cuda") for value in (0.5, 2.0)]
        y, rows = self.tensor(m, k, type_="bf16"), w[bias::period].contiguous()
        arguments = dict(scale_a=scales[0], scale_b=scales[1], out_dtype=torch.bfloat16)
        t = self.time({
            "ours": self.call(name, about, (x, w, *scales, y), (kept, period, bias)),
            "vendor, compact": lambda: torch._scaled_mm(x, rows.t(), use_fast_accum=True, **arguments),
            "vendor, compact, slow sums": lambda: torch._scaled_mm(x, rows.t(), use_fast_accum=False, **arguments),
            "dense": lambda: torch._scaled_mm(x, w.t(), use_fast_accum=True, **arguments),
        })
        figures = {key + " ms": value for key, value in t.items()}
        if t["ours"]:
            figures["TFLOP/s"] = 2 * m * n * kept / t["ours"] / 1e9
            if t["vendor, compact"]:
                figures["of vendor, compact"] = t["vendor, compact"] / t["ours"]
        self.add(f"{name} period {period}", figures)

    def tiles(self, name, about, period):
        """Against the dense product, and one of blocks of 128 x 128 of which as many are kept, by torch's kernel for them."""
        torch = self.torch
        m, n, k, type_ = (about[key] for key in ("m", "n", "k", "type"))
        bias = period // 2
        x, w, y = self.tensor(m, k, type_=type_), self.tensor(n, k, type_=type_), self.tensor(m, n, type_=type_)
        mask = torch.tensor(mask_of({**about, "tile": 128}, period, bias), device="cuda")
        blocks = (w * mask).to_sparse_bsr((128, 128)) if period > 1 else w
        dense, sparse = {
            "forward": (lambda: x @ w.t(), lambda: blocks @ x.t()),
            "dgrad": (lambda: y @ w, lambda: (y @ blocks)),
            "wgrad": (lambda: w.addmm_(y.t(), x, alpha=-1), None),
        }[about["product"]]
        variants = {"ours": self.call(name, about, (x, w, y), (period, bias)), "dense": dense}
        if sparse and period > 1:
            variants["blocks of 128"] = sparse
        t = self.time(variants)
        figures = {key + " ms": value for key, value in t.items()}
        if t["ours"]:
            kept = int(mask_of(about, period, bias).sum())
            figures["TFLOP/s"] = 2 * m * kept / t["ours"] / 1e9
            figures["times as fast as dense"] = t["dense"] / t["ours"]
        self.add(f"{name} period {period}", figures)

    def elementwise(self, name, about):
        torch = self.torch
        m, n, type_ = (about[key] for key in ("m", "n", "type"))
        x, b, y = self.tensor(m, n, type_=type_), self.tensor(n, type_=type_), self.tensor(m, n, type_=type_)
        t = self.time({"ours": self.call(name, about, (x, b, y)), "torch": lambda: torch.relu(x + b)})
        rate = 2 * x.numel() * SIZES[type_] / t["ours"] / 1e6
        self.add(name, {**{key + " ms": value for key, value in t.items()}, "GB/s": rate, "of copy": rate / self.bandwidth})

    def step(self, name, about):
        torch, F, type_ = self.torch, self.torch.nn.functional, about["type"]
        rng = np.random.default_rng(0)
        values = [torch.tensor(v, device="cuda", dtype=self.types[type_]) for v in step_arguments(about, rng)]
        # What the loss reads is f32 beside 16-bit parameters.
        values[1], values[-1] = (values[i].float() for i in (1, -1))
        numbers = iter(range(1 << 30))
        mine = [v.clone() for v in values]

        def ours():
            self.call(name, about, mine, (5, next(numbers)), results=[0])()

        parameters = [v.clone().requires_grad_() for v in values[2:-1]]

        def torch_step():
            h, layers = values[0], len(parameters) // 2
            for i in range(layers):
                h = h @ parameters[2 * i] + parameters[2 * i + 1]
                if i + 1 < layers:
                    h = F.dropout(torch.relu(h), about["rate"])
            loss = F.mse_loss(h.float(), values[1])
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for p, g in zip(parameters, gradients):
                    p.sub_(g, alpha=0.05)
            return loss

        variants = {"ours": ours, "torch": torch_step}
        if self.left() > 150:
            variants["torch, compiled"] = torch.compile(torch_step)
        t = self.time(variants, repeats=11)
        figures = {key + " ms": value for key, value in t.items()}
        for key in ("torch", "torch, compiled"):
            if t.get(key) and t["ours"]:
                figures["times as fast as " + key] = t[key] / t["ours"]
        self.add(name, figures)

    def lstm(self, name, about):
        """Against cuDNN's LSTM with dropout between the layers, before and behind it."""
        from torch_lstm_step import make_network

        torch, rng = self.torch, np.random.default_rng(0)
        types = {"i32": torch.int32, **self.types}
        mine = [torch.tensor(v, device="cuda") if v.dtype == np.int32 else torch.tensor(unpack(v, t), device="cuda", dtype=types[t])
                for v, (_, t, _) in zip(lstm_arguments(about, rng), about["arguments"])]
        numbers = iter(range(1 << 30))

        def ours():
            self.call(name, about, mine, (5, next(numbers)), results=[0])()

        network = make_network(about).cuda().to(self.types[about["type"]])
        network.state = tuple(part.cuda().to(self.types[about["type"]]) for part in network.state)
        words, target = mine[0].long(), mine[1].long().flatten()

        def torch_step():
            loss = torch.nn.functional.cross_entropy(network(words).float(), target)
            network.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), about["clip"])
            with torch.no_grad():
                for p in network.parameters():
                    p.sub_(p.grad, alpha=1e-4)
            return loss

        mine[-1].fill_(1e-4)
        t = self.time({"ours": ours, "cuDNN": torch_step}, repeats=21)
        figures = {key + " ms": value for key, value in t.items()}
        if t["ours"] and t["cuDNN"]:
            figures["times as fast as cuDNN"] = t["cuDNN"] / t["ours"]
        self.add(name, figures)

    def run(self, programs):
        self.peaks()
        for name, about in sorted(programs.items(), key=lambda item: ("chip" not in item[1], item[1]["kind"] != "step")):
            if about["role"] != "bench" or not self.device.runs(about):
                continue
            # Of a step, only the fastest one.
            own = programs.get(name + "_hopper")
            if about["kind"] in ("step", "scaled") and own and self.device.runs(own):
                continue
            for period in (1, 2, 4, 8) if about["kind"] in ("product", "scaled", "tiles") else (None,):
                if self.left() < 40:
                    print("the time is over:", name, "is left out")
                    continue
                try:
                    getattr(self, about["kind"])(*((name, about) if period is None else (name, about, period)))
                except RuntimeError as error:
                    self.add(name, {"failed": str(error).splitlines()[0]})
        return self.rows


def to_markdown(checks, rows, title):
    lines = [f"# {title}", "", f"{checks['cases'] - checks['failures']} of {checks['cases']} cases are right.", "", "| case | figures |", "|---|---|"]
    for row in rows:
        figures = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items() if key != "case")
        lines.append(f"| {row['case']} | {figures} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", choices=("cuda", "interp"))
    parser.add_argument("--out", default=".", help="folder of results.json and results.md")
    parser.add_argument("--budget", type=float, default=450, help="seconds after which nothing new begins")
    parser.add_argument("--programs", default=os.path.join(HERE, "programs"))
    parser.add_argument("--libs", default=os.path.join(HERE, "lib"))
    options = parser.parse_args()
    with open(os.path.join(options.programs, "programs.json")) as file:
        programs = json.load(file)
    device = Device(options.device, options.libs)
    title, rows = options.device, []
    torch = None
    if options.device == "cuda":
        import torch

        title = torch.cuda.get_device_name(0)
        # A stream of PyTorch's: what it enqueues and what we do are in order.
        device.use(torch.cuda.current_stream().cuda_stream)
    checks = check_all(device, options.programs, programs)
    if torch:
        rows = Bench(torch, device, options.programs, options.budget).run(programs)
    with open(os.path.join(options.out, "results.json"), "w") as file:
        json.dump({"device": title, "checks": checks, "rows": rows}, file, indent=1)
    with open(os.path.join(options.out, "results.md"), "w") as file:
        file.write(to_markdown(checks, rows, title))
    print(f"done in {time.monotonic() - START:.0f} s")
    return 1 if checks["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
