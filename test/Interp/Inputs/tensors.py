"""Tensors and boxes of them, by the index formulas and tables of the PTX ISA (5.5)."""

import numpy as np

DTYPES = {
    "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "s32": np.int32, "u64": np.uint64, "s64": np.int64,
    "f16": np.float16, "bf16": np.uint16, "f32": np.float32, "tf32": np.float32, "f64": np.float64,
}  # fmt: skip
FLOATS = ("f16", "bf16", "f32", "tf32", "f64")

# Which chunk of 16 bytes is where in the lines of 128 bytes (5.5.7).
SWIZZLES = {
    0: ["01234567"],
    32: ["01234567", "10325476"],
    64: ["01234567", "10325476", "23016745", "32107654"],
    128: [
        "01234567", "10325476", "23016745", "32107654", "45670123", "54761032", "67452301", "76543210",
    ],
}  # fmt: skip


def swizzle_bytes(box, swizzle):
    """The image in shared memory of a dense box; and the reverse, as each table
    is its own inverse."""
    padded = np.zeros((len(box) + 127) // 128 * 128, np.uint8)
    padded[: len(box)] = box
    lines = padded.reshape(-1, 8, 16)
    table = SWIZZLES[swizzle]
    moved = np.stack([line[[int(c) for c in table[i % len(table)]]] for i, line in enumerate(lines)])
    return moved.reshape(-1)[: len(box)]


def add_bf16(a, b):
    total = (a.astype(np.uint32) << 16).view(np.float32) + (b.astype(np.uint32) << 16).view(np.float32)
    bits = total.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


OPERATIONS = {
    "add": lambda a, b: a + b,
    "min": np.minimum,
    "max": np.maximum,
    "inc": lambda a, b: np.where(a >= b, 0, a + 1),
    "dec": lambda a, b: np.where((a == 0) | (a > b), b, a - 1),
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
}


class Tensor:
    """A tensor map and the bytes that it is about; innermost dimension first."""

    def __init__(self, dtype, dims, strides, box, steps, swizzle=0, at=None, fill="zero", interleave="none"):
        self.dtype, self.dims, self.strides, self.box, self.steps = dtype, dims, strides, box, steps
        self.swizzle, self.at, self.fill, self.interleave = swizzle, at, fill, interleave
        self.rank = len(dims)
        self.size = np.dtype(DTYPES[dtype]).itemsize
        # One element in each step; dimension 0 has no steps.
        self.counts = [-(-b // (s if i else 1)) for i, (b, s) in enumerate(zip(box, steps))]
        self.box_bytes = int(np.prod(self.counts)) * self.size
        last = (dims[0] * self.size) + sum((d - 1) * s for d, s in zip(dims[1:], strides))
        self.bytes = self.values(np.random.default_rng(last), -(-last // 16) * 16)

    def __str__(self):
        return self.describe() + f" at {self.at}"

    def values(self, rng, size):
        """Random values: of floats, numbers that tf32 and sums keep."""
        if self.dtype not in FLOATS:
            return rng.integers(0, 256, size, dtype=np.uint8)
        numbers = rng.integers(-200, 200, size // self.size).astype(np.float32)
        if self.dtype == "bf16":
            return (numbers.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
        return numbers.astype(DTYPES[self.dtype]).view(np.uint8)

    def random_box(self, rng):
        return self.values(rng, self.box_bytes)

    def describe(self, buffer=0):
        numbers = (",".join(map(str, values)) for values in (self.dims, self.strides, self.box, self.steps))
        swizzle = self.swizzle or "none"
        return f"tensormap#{buffer}+0:{self.dtype}:{':'.join(numbers)}:{swizzle}:{self.interleave}:{self.fill}"

    def places(self):
        """For each element of the box, innermost first: whether it is in the
        tensor, and its byte offset there."""
        grids = np.meshgrid(*[np.arange(c) for c in self.counts], indexing="ij")
        inside = np.ones(self.counts, bool)
        offset = np.zeros(self.counts, np.int64)
        for i, grid in enumerate(grids):
            index = self.at[i] + grid * (self.steps[i] if i else 1)
            inside &= (index >= 0) & (index < self.dims[i])
            offset += index * (self.strides[i - 1] if i else self.size)
        return inside.ravel(order="F"), offset.ravel(order="F")

    def load(self):
        """Shared memory after a load of the box."""
        return swizzle_bytes(self.dense(), self.swizzle)

    def dense(self):
        """The same before the swizzle."""
        inside, offset = self.places()
        elements = np.zeros((len(offset), self.size), np.uint8)
        if self.fill == "nan":
            elements[:] = 0xFF
            elements[:, -1] = 0x7F
        for i in range(self.size):
            elements[inside, i] = self.bytes[offset[inside] + i]
        return elements.ravel()

    def store(self, image, operation=None):
        """The tensor's memory after a store of the box."""
        inside, offset = self.places()
        box = swizzle_bytes(image, self.swizzle).view(DTYPES[self.dtype])
        result = self.bytes.copy()
        for place, value in zip(offset[inside], box[inside]):
            value = np.array([value])
            if operation:
                old = result[place : place + self.size].view(DTYPES[self.dtype])
                with np.errstate(over="ignore"):
                    apply = add_bf16 if (operation, self.dtype) == ("add", "bf16") else OPERATIONS[operation]
                    value = apply(old, value).astype(DTYPES[self.dtype])
            result[place : place + self.size] = value.view(np.uint8)
        return result


def random_tensor(rng, dtype, rank, swizzle=0, is_store=False, fill="zero", small=False):
    size = np.dtype(DTYPES[dtype]).itemsize
    inner = swizzle // size if swizzle else int(rng.integers(1, 5)) * 16 // size
    most = {1: 1, 2: 24, 3: 8, 4: 5, 5: 4}[rank]
    dims = [int(rng.integers(1, 2 * inner + 2))] + [int(d) for d in rng.integers(1, most + 3, rank - 1)]
    box = [inner] + [int(b) for b in rng.integers(1, most + 1, rank - 1)]
    steps = [1] + [int(s) for s in rng.integers(1, 3 if small else 4, rank - 1)]
    strides, stride = [], dims[0] * size
    for dim in dims[1:]:
        stride = (-(-stride // 16) + int(rng.integers(0, 3))) * 16
        strides.append(stride)
        stride *= dim
    low = 0 if is_store else -1
    at = [int(rng.integers(low * b // 2, d + 1)) for b, d in zip(box, dims)]
    return Tensor(dtype, dims, strides, box, steps, swizzle, at, fill)
