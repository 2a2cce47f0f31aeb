# RUN: %python %s sparsedrop-ptx

"""Copies of boxes of tensors (ISA 5.5, 9.7.9.27): ranks, types, swizzles, what is
out of bounds, element strides, stores and reductions, against index formulas and
the tables of the ISA; and what is wrong with using them wrongly."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, InOut, Out, module
from tensors import Tensor, random_tensor, swizzle_bytes

check = Checker(sys.argv[1])
BYTES = 32768
N = 128

START = """.shared .align 8 .b64 bar; .extern .shared .align 1024 .b8 tile[];
.visible .entry k(.param .u64 k_tensor, .param .align 64 .b8 k_map[128], .param .u64 k_image) {
.reg .pred %p<16>; .reg .b16 %h<8>; .reg .b32 %r<64>; .reg .b64 %rd<64>;
ld.param.u64 %rd1, [k_image]; mov.b64 %rd2, k_map; cvta.param.u64 %rd3, %rd2;
mov.u32 %r0, %tid.x; setp.eq.u32 %p8, %r0, 0; mov.u32 %r1, tile;
@%p8 mbarrier.init.shared.b64 [bar], 1;
bar.sync 0;
"""
WAIT = "\nWAIT: mbarrier.try_wait.parity.shared.b64 %p9, [bar], 0; @!%p9 bra WAIT;\n"
# Copies shared memory to the image, or back.
DUMP = """
mov.u32 %r10, %r0;
LOOP: setp.ge.u32 %p1, %r10, {words}; @%p1 bra END;
shl.b32 %r11, %r10, 2; cvt.u64.u32 %rd10, %r11; add.u64 %rd10, %rd1, %rd10; add.u32 %r12, %r1, %r11;
{move}
add.u32 %r10, %r10, 128; bra LOOP;
END:
"""
TO_IMAGE = "ld.shared.u32 %r13, [%r12]; // the load\n st.global.u32 [%rd10], %r13;"
FROM_IMAGE = "ld.global.u32 %r13, [%rd10]; st.shared.u32 [%r12], %r13;"
FENCE = "fence.proxy.async.shared::cta;"
DONE = "@%p8 cp.async.bulk.commit_group; @%p8 cp.async.bulk.wait_group.read 0;\n"


def text(body):
    return module(START + body + "\nret;\n}\n")


def copy(tensor, dim=None):
    coordinates = ", ".join(map(str, tensor.at))
    return (
        f"@%p8 cp.async.bulk.tensor.{dim or tensor.rank}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
        f"[%r1], [%rd3, {{{coordinates}}}], [bar]; // the copy\n"
    )


def load(tensor, expect=None, move=TO_IMAGE, wait=WAIT, dim=None):
    return text(
        f"@%p8 mbarrier.arrive.expect_tx.shared.b64 _, [bar], {expect or tensor.box_bytes};\n" + copy(tensor, dim) + wait
        + DUMP.format(move=move, words=tensor.box_bytes // 4)
    )  # fmt: skip


def store(tensor, reduce="", fence=FENCE, done=DONE):
    coordinates = ", ".join(map(str, tensor.at))
    name = "cp.reduce" if reduce else "cp"
    mode = "." + reduce if reduce else ""
    return text(
        DUMP.format(move=FROM_IMAGE, words=tensor.box_bytes // 4) + fence + "bar.sync 0;\n"
        f"@%p8 {name}.async.bulk.tensor.{tensor.rank}d.global.shared::cta{mode}.bulk_group "
        f"[%rd3, {{{coordinates}}}], [%r1]; // the copy\n" + done
    )  # fmt: skip


def image(tensor):
    return Out("u8", (tensor.box_bytes,))


def loads(name, tensor, **options):
    check.clean(
        f"load {name}: {tensor}", load(tensor), [tensor.bytes, tensor.describe(), image(tensor)], [tensor.load()],
        block=N, shared=BYTES, **options,
    )  # fmt: skip


def stores(name, tensor):
    box = np.random.default_rng(tensor.box_bytes).integers(0, 256, tensor.box_bytes, dtype=np.uint8)
    check.clean(
        f"store {name}: {tensor}", store(tensor), [InOut(tensor.bytes), tensor.describe(), box], [tensor.store(box)],
        block=N, shared=BYTES,
    )  # fmt: skip


#
# Boxes
#

rng = np.random.default_rng(3)
for rank in range(1, 6):
    for dtype in ("u8", "f16", "f32", "u64"):
        for _ in range(3):
            loads("random", random_tensor(rng, dtype, rank))
        stores("random", random_tensor(rng, dtype, rank, is_store=True))
for swizzle in (32, 64, 128):
    for dtype in ("u8", "bf16", "s32", "f64"):
        for rank in (1, 2, 3, 5):
            loads("swizzled", random_tensor(rng, dtype, rank, swizzle))
            stores("swizzled", random_tensor(rng, dtype, rank, swizzle, is_store=True))
for fill in ("zero", "nan"):
    for dtype in ("f16", "bf16", "f32", "tf32", "f64"):
        tensor = random_tensor(rng, dtype, 2, 0, fill=fill)
        tensor.at = [-3, int(tensor.dims[1]) - 1]
        loads(f"fill {fill}", tensor)
# Each side of a matrix, all of it, and none of it.
for swizzle in (0, 128):
    for at in ([0, 0], [-5, 2], [40, 2], [8, -3], [8, 30], [-5, -3], [40, 30], [64, 0], [-64, 0], [0, 33], [0, -16]):
        tensor = Tensor("f16", [63, 33], [160], [64, 16], [1, 1], swizzle, at=at)
        loads("sides", tensor)
        if min(at) >= 0:
            stores("sides", tensor)
for step in range(1, 9):
    loads("element strides", Tensor("f32", [16, 40, 5], [64, 2560], [16, 20, 4], [1, step, 1 + step % 3], at=[0, -2, 0]))

# To .shared::cta, with hints, at a shared address that is no multiple of the
# swizzle's pattern.
for swizzle in (32, 64, 128):
    tensor = random_tensor(rng, "f16", 3, swizzle)
    program = load(tensor).replace("shared::cluster.global.tile", "shared::cta.global")
    program = program.replace("bytes [%r1]", "bytes.L2::cache_hint [%r1]").replace("[bar]; // the copy", "[bar], %rd9; // the copy")
    program = program.replace("%r1, tile;", "%r1, tile; add.u32 %r1, %r1, 384;")
    lines = np.concatenate([np.zeros(384, np.uint8), tensor.dense()])
    check.clean(
        f"shared::cta: {tensor}", program, [tensor.bytes, tensor.describe(), image(tensor)],
        [swizzle_bytes(lines, swizzle)[384:]], block=N, shared=BYTES,
    )  # fmt: skip

# Types that are rounded on their way.
small = Tensor("f32", [32, 4], [128], [32, 4], [1, 1], at=[0, 0])
numbers = np.frombuffer(np.random.default_rng(5).bytes(512), np.uint32).copy()
numbers[:4] = [1, 0x80000001, 0x007FFFFF, 0x3F801000]
numbers[np.isnan(numbers.view(np.float32))] = 0x3F800FFF
small.bytes = numbers.view(np.uint8)
flushed = np.where(numbers & 0x7F800000 == 0, numbers & 0x80000000, numbers)
for dtype, want in (
    ("f32", numbers), ("f32.ftz", flushed), ("tf32", numbers + 0x1000 & 0xFFFFE000),
    ("tf32.ftz", flushed + 0x1000 & 0xFFFFE000),
):  # fmt: skip
    check.clean(
        dtype, load(small), [small.bytes, small.describe().replace(":f32:", f":{dtype}:"), Out("u32", (128,))],
        [want.astype(np.uint32)], block=N, shared=BYTES,
    )  # fmt: skip

#
# Clusters: block 1 loads for both
#

wide = Tensor("bf16", [128, 32], [256], [64, 16], [1, 1], 128, at=[72, 20])
program = load(wide).replace("bar.sync 0;\n", """
@%p8 fence.mbarrier_init.release.cluster;
barrier.cluster.arrive.relaxed; barrier.cluster.wait;
mov.u32 %r30, %cluster_ctarank; mul.wide.u32 %rd30, %r30, 2048; add.u64 %rd1, %rd1, %rd30;
setp.eq.and.u32 %p7, %r30, 1, %p8; mov.u16 %h1, 3;
""").replace("@%p8 cp.async", "@%p7 cp.async").replace("bytes [%r1]", "bytes.multicast::cluster [%r1]")  # fmt: skip
program = program.replace("[bar]; // the copy", "[bar], %h1; // the copy").replace("\nret;", "\nbarrier.cluster.arrive; barrier.cluster.wait;\nret;")
for seed in range(4):
    check.clean(
        "multicast", program, [wide.bytes, wide.describe(), Out("u8", (4096,))], [np.tile(wide.load(), 2)], grid=2,
        block=N, shared=BYTES, cluster=2, seed=seed,
    )  # fmt: skip

#
# Reductions
#

REDUCTIONS = {
    "add": ("u32", "s32", "u64", "f16", "bf16", "f32"),
    "min": ("u32", "s32", "u64", "s64", "f16"),
    "max": ("u32", "s64", "f16"),
    "inc": ("u32",),
    "dec": ("u32",),
    "and": ("u32", "u64"),
    "or": ("s32",),
    "xor": ("u64",),
}
for operation, types in REDUCTIONS.items():
    for dtype in types:
        for swizzle in (0, 64):
            tensor = random_tensor(rng, dtype, 2, swizzle, is_store=True, small=True)
            box = tensor.random_box(rng)
            check.clean(
                f"reduce {operation}: {tensor}", store(tensor, operation),
                [InOut(tensor.bytes), tensor.describe(), box], [tensor.store(box, operation)], block=N, shared=BYTES,
            )  # fmt: skip

#
# Bugs
#

matrix = Tensor("f16", [64, 32], [128], [64, 8], [1, 1], 128, at=[0, 8])
given = [matrix.bytes, matrix.describe(), image(matrix)]


def finds(name, program, kind, *words, line="// the copy", args=None):
    check.finds(name, program, args or given, kind, *words, line=line, block=N, shared=BYTES)


finds("no wait", load(matrix, wait=""), "async", "nobody has waited", line="// the load")
finds("wrong expect_tx", load(matrix, expect=1040), "deadlock", "lacks 0 arrivals and 16 bytes", line=None)
finds("rank", load(matrix, dim=3).replace("{0, 8}", "{0, 8, 0}"), "fault", "rank 2", "3 coordinates")
finds("not aligned", load(matrix).replace("[%r1], [%rd3", "[%r1+16], [%rd3"), "alignment", "multiple of 128")
finds("the map not aligned", load(matrix).replace("[%rd3,", "[%rd3+32,"), "alignment", "multiple of 64")
finds("outside of shared memory", load(matrix).replace("[%r1], [%rd3", "[%r1+32768], [%rd3"), "bounds")
finds("no tensor map", load(matrix).replace("[%rd3,", "[%rd4,").replace("mov.b64 %rd2", "ld.param.u64 %rd4, [k_tensor]; mov.b64 %rd2"),
      "fault", "not a tensor map")  # fmt: skip
big = Tensor("f16", [64, 33], [128], [64, 8], [1, 1], 128, at=[0, 26])
big.bytes = matrix.bytes
finds("a tensor larger than its memory", load(big), "bounds", "of 4096 bytes", args=[big.bytes, big.describe(), image(big)])
narrow = Tensor("f16", [64, 32], [128], [32, 8], [1, 1], 128, at=[0, 8])
finds("a row smaller than the swizzle", load(narrow), "fault", "not supported", args=[narrow.bytes, narrow.describe(), image(narrow)])
leaved = Tensor("f16", [8, 8, 8], [128, 1024], [8, 8, 8], [1, 1, 1], 0, at=[0, 0, 0], interleave=16)
finds("an interleave", load(leaved), "fault", "not supported", args=[leaved.bytes, leaved.describe(), image(leaved)])
finds("unwritten", load(matrix), "uninitialized", args=[Out("u8", (4096,)), matrix.describe(), image(matrix)])

box = rng.integers(0, 256, matrix.box_bytes, dtype=np.uint8)
given = [InOut(matrix.bytes), matrix.describe(), box]
finds("store without fence", store(matrix, fence=""), "proxy", "fence.proxy.async")
finds("store nobody waits for", store(matrix, done="@%p8 cp.async.bulk.commit_group;"), "async", "block ends")
AGAIN = "bar.sync 0; st.shared.u32 [%r1], %r0; // again\n"
finds("source overwritten", store(matrix, done=AGAIN + DONE), "async", "may still read", line="// again")
finds("negative coordinates", store(matrix).replace("{0, 8}", "{0, -1}"), "fault", "negative coordinate")
finds("no such reduction", store(matrix, "inc"), "fault", ".inc of elements of type f16")


def refuse(name, old, new, *words):
    check.refuses(name, load(matrix).replace(old, new), *words, line="// the copy")


refuse("im2col", ".tile.", ".im2col.", "im2col", "only .tile is")
refuse("gather4", ".tile.", ".tile::gather4.", "only .tile is")
refuse("cta_group", ".tile.", ".tile.cta_group::1.", "cta_group::1")
refuse("coordinates", ".2d.", ".1d.", "expected 1 coordinates, but got 2")
check.refuses("before sm_90", load(matrix).replace("sm_90a", "sm_80"), "sm_90")

#
# tensormap.replace: the copy of a map in global memory
#

wide = Tensor("f32", [32, 32], [128], [32, 8], [1, 1], 0, at=[4, 8])
target = Tensor("f16", [64, 30], [256], [64, 4], [1, 2], 128, at=[-4, 9], fill="nan")
REPLACE = """
mov.u64 %rd20, spare; mov.u32 %r20, %r0;
@!%p8 bra READY;
mov.u32 %r21, 0; mov.u64 %rd21, %rd3;
COPY: ld.u64 %rd22, [%rd21]; st.global.u64 [%rd20], %rd22; add.u64 %rd20, %rd20, 8; add.u64 %rd21, %rd21, 8;
add.u32 %r21, %r21, 1; setp.lt.u32 %p2, %r21, 16; @%p2 bra COPY;
mov.u64 %rd20, spare; ld.param.u64 %rd23, [k_tensor]; mov.u64 %rd24, 256;
""" + "\n".join(
    f"tensormap.replace.tile.{field}.global.b1024.{kind} [%rd20], {value};"
    for field, kind, value in (
        ("global_address", "b64", "%rd23"), ("rank", "b32", 1), ("global_dim", "b32", "0, 64"),
        ("global_dim", "b32", "1, 30"), ("global_stride", "b64", "0, %rd24"), ("box_dim", "b32", "0, 64"),
        ("box_dim", "b32", "1, 4"), ("element_stride", "b32", "1, 2"), ("elemtype", "b32", 6),
        ("swizzle_mode", "b32", 3), ("interleave_layout", "b32", 0), ("fill_mode", "b32", 1),
    )
) + "\nfence.proxy.tensormap::generic.acquire.gpu [%rd20], 128;\nREADY: mov.u64 %rd3, spare;\n"  # fmt: skip
program = load(target).replace("bar.sync 0;\n", "bar.sync 0;\n" + REPLACE, 1)
program = program.replace(".visible", ".global .align 128 .b8 spare[128];\n.visible")
check.clean(
    "tensormap.replace", program, [target.bytes, wide.describe(), image(target)], [target.load()], block=N, shared=BYTES
)
sys.exit(check.finish())
