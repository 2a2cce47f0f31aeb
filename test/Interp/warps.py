# RUN: %python %s sparsedrop-ptx

"""Exchanges, votes, matches, reductions and elections in a warp, atomic
operations, barriers of blocks and clusters (ISA 9.7.9.6 and 9.7.13), against
references that are written from the ISA's pseudocode."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, InOut, Out, kernel

check = Checker(sys.argv[1])
rng = np.random.default_rng(1)
LANES = np.arange(32)
values = rng.integers(0, 2**32, 32, dtype=np.uint32)
LOAD = "add.u64 %rd1, %in, %rd0; ld.global.u32 %r5, [%rd1];"
STORE = "add.u64 %rd2, %out, %rd0; st.global.u32 [%rd2], %r1;"


def gives(name, body, want, x=values, **options):
    text = kernel(LOAD + body + STORE, "u64 in, u64 out")
    check.clean(name, text, [x, Out("u32", (32,))], [np.asarray(want).astype(np.uint32)], **options)


#
# shfl.sync: the pseudocode of ISA 9.7.9.6
#


def shuffle(mode, lane, b, c):
    segmask, cval = c >> 8 & 31, c & 31
    bval = b & 31
    max_lane = (lane & segmask) | (cval & ~segmask & 31)
    min_lane = lane & segmask
    if mode == "up":
        j, ok = lane - bval, lane - bval >= max_lane
    elif mode == "down":
        j, ok = lane + bval, lane + bval <= max_lane
    elif mode == "bfly":
        j, ok = lane ^ bval, (lane ^ bval) <= max_lane
    else:
        j = min_lane | (bval & ~segmask & 31)
        ok = j <= max_lane
    return (j if ok else lane), ok


for mode in ("up", "down", "bfly", "idx"):
    for width in (32, 16, 8, 4, 1):
        clamp = (32 - width) << 8 | (0 if mode == "up" else 31)
        for b in (0, 1, 3, 7, 31):
            picks = [shuffle(mode, lane, b, clamp) for lane in range(32)]
            want = [values[j] for j, _ in picks]
            gives(f"shfl.{mode} width {width} by {b}", f"shfl.sync.{mode}.b32 %r1, %r5, {b}, {clamp}, -1;", want) if b in (1, 7) else None
            gives(f"shfl.{mode} predicate, width {width} by {b}",
                  f"shfl.sync.{mode}.b32 %r1|%p0, %r5, {b}, {clamp}, -1; selp.u32 %r1, 1, 0, %p0;", [ok for _, ok in picks])  # fmt: skip
gives("shfl by each lane's own number", "add.u32 %r2, %r62, 5; shfl.sync.idx.b32 %r1, %r5, %r2, 31, -1;", values[(LANES + 5) % 32])
gives("shfl of half a warp", "mov.u32 %r1, 0; setp.lt.u32 %p0, %r62, 16; @%p0 shfl.sync.bfly.b32 %r1, %r5, 1, 31, 0xffff;",
      np.where(LANES < 16, values[LANES ^ 1], 0))  # fmt: skip
gives("two halves with two masks", "and.b32 %r2, %r62, 16; shl.b32 %r3, 0xffff, %r2; shfl.sync.bfly.b32 %r1, %r5, 3, 0x101f, %r3;", values[LANES ^ 3])

#
# vote, match, redux, elect
#

bits = values & 1
for members, label in ((0xFFFFFFFF, "all lanes"), (0x0000FFFF, "half")):
    inside = (members >> LANES & 1).astype(bool)
    guard = "" if members == 0xFFFFFFFF else "setp.lt.u32 %p5, %r62, 16; @%p5 "
    for x, kind in ((values, "mixed"), (values | 1, "true"), (values & ~np.uint32(1), "false")):
        odd = (x & 1).astype(bool)
        start = "mov.u32 %r1, 9; mov.pred %p1, 0; and.b32 %r2, %r5, 1; setp.ne.u32 %p0, %r2, 0;" + guard
        ballot = int(sum(1 << i for i in range(32) if inside[i] and odd[i]))
        gives(f"vote.ballot {kind} {label}", start + f"vote.sync.ballot.b32 %r1, %p0, {members};", np.where(inside, ballot, 9), x)
        gives(f"vote.ballot of the negation {kind} {label}", start + f"vote.sync.ballot.b32 %r1, !%p0, {members};",
              np.where(inside, members & ~ballot, 9), x)  # fmt: skip
        for mode, want in (("all", odd[inside].all()), ("any", odd[inside].any()), ("uni", len(set(odd[inside])) == 1)):
            gives(f"vote.{mode} {kind} {label}", start + f"vote.sync.{mode}.pred %p1, %p0, {members}; selp.u32 %r1, 1, 0, %p1;",
                  inside & want, x)  # fmt: skip
few = values % 3
gives("match.any", "match.any.sync.b32 %r1, %r5, -1;", [sum(1 << j for j in range(32) if few[j] == few[i]) for i in range(32)], few)
gives("match.any of 64 bits", "mov.b64 %rd5, {%r5, 1}; match.any.sync.b64 %r1, %rd5, -1;",
      [sum(1 << j for j in range(32) if few[j] == few[i]) for i in range(32)], few)  # fmt: skip
for x, kind in ((few, "mixed"), (np.full(32, 7, np.uint32), "equal")):
    equal = len(set(x)) == 1
    gives(f"match.all {kind}", "match.all.sync.b32 %r1|%p0, %r5, -1; @%p0 add.u32 %r1, %r1, 2;", np.full(32, (2**32 - 1 + 2) % 2**32 if equal else 0), x)
signed = values.view(np.int32)
for op, kind, want in (
    ("add", "u32", values.sum(dtype=np.uint64)), ("add", "s32", values.sum(dtype=np.uint64)), ("min", "u32", values.min()),
    ("max", "u32", values.max()), ("min", "s32", signed.min()), ("max", "s32", signed.max()),
    ("and", "b32", np.bitwise_and.reduce(values | 0xF0)), ("or", "b32", np.bitwise_or.reduce(values)),
    ("xor", "b32", np.bitwise_xor.reduce(values)),
):  # fmt: skip
    x = values | np.uint32(0xF0) if op == "and" else values
    gives(f"redux.{op}.{kind}", f"redux.sync.{op}.{kind} %r1, %r5, -1;", np.full(32, int(want) % 2**32), x)
gives("redux of two halves with two masks", "and.b32 %r2, %r62, 16; shl.b32 %r3, 0xffff, %r2; redux.sync.max.u32 %r1, %r5, %r3;",
      np.repeat(values.reshape(2, 16).max(1), 16))  # fmt: skip
gives("elect", "mov.u32 %r1, 0; elect.sync %r2|%p0, -1; @%p0 mov.u32 %r1, 1; redux.sync.add.u32 %r1, %r1, -1;", np.ones(32))
gives("activemask", "mov.u32 %r1, 0; setp.lt.u32 %p0, %r62, 5; @%p0 activemask.b32 %r1;", np.where(LANES < 5, 31, 0))

#
# Atomic operations: the result is what was there before; with lanes in some
# order, the set of results is known
#

for space in ("global", "shared"):
    place = "[%in2]" if space == "global" else "[%r9]"
    before = ".shared .align 8 .b8 room[16];"
    start = "mov.u32 %r9, room; setp.ne.u32 %p1, %r62, 0; ld.global.u64 %rd9, [%in2]; @!%p1 st.shared.u64 [%r9], %rd9; bar.sync 0;" if space == "shared" else ""
    end = "bar.sync 0; @%p1 bra SKIP; ld.shared.u64 %rd9, [%r9]; st.global.u64 [%in2], %rd9; SKIP:" if space == "shared" else ""
    for op, kind, first, step in (
        ("add", "u32", 5, lambda a, b: a + b), ("add", "s32", -5, lambda a, b: a + b), ("and", "b32", 0xFFFF, lambda a, b: a & b),
        ("or", "b32", 0, lambda a, b: a | b), ("xor", "b32", 1, lambda a, b: a ^ b), ("min", "u32", 2**31, min),
        ("max", "u32", 0, max), ("min", "s32", 0, min), ("max", "s32", 0, max), ("inc", "u32", 0, lambda a, b: 0 if a >= b else a + 1),
        ("dec", "u32", 3, lambda a, b: b if a == 0 or a > b else a - 1), ("exch", "b32", 1, lambda a, b: b),
        ("add", "u64", 5, lambda a, b: a + b), ("min", "s64", 7, min), ("max", "u64", 7, max),
        ("add", "s64", 5, lambda a, b: a + b), ("min", "u64", 2**40, min), ("max", "s64", 2, max), ("and", "b64", 2**40 + 0xFFFF, lambda a, b: a & b),
        ("or", "b64", 2**40, lambda a, b: a | b), ("xor", "b64", 2**40, lambda a, b: a ^ b), ("exch", "b64", 1, lambda a, b: b),
    ):  # fmt: skip
        wide = kind.endswith("64")
        bits = 64 if wide else 32
        operand = np.full(32, 9, np.uint32) if op in ("inc", "dec") else values % 1000
        state, olds = first, []
        for b in operand:
            olds.append(state % 2**32)
            state = step(state, int(b))
        cell = np.array([first % 2**bits], np.uint64)
        value = "%rd5" if wide else "%r5"
        to = "%rd6" if wide else "%r1"
        narrow = "cvt.u32.u64 %r1, %rd6;" if wide else ""
        body = f"{LOAD} cvt.u64.u32 %rd5, %r5; {start} atom.{space}.{op}.{kind} {to}, {place}, {value}; {narrow} {end} {STORE}"
        text = kernel(body, "u64 in, u64 in2, u64 out", before=before)
        check.clean(f"atom.{space}.{op}.{kind}", text, [operand.astype(np.uint32), InOut(cell), Out("u32", (32,))],
                    [np.array([state % 2**bits], np.uint64), np.array(olds, np.uint32)])  # fmt: skip
        if op != "exch":
            body = f"{LOAD} cvt.u64.u32 %rd5, %r5; {start} red.{space}.{op}.{kind} {place}, {value}; {end}"
            check.clean(f"red.{space}.{op}.{kind}", kernel(body, "u64 in, u64 in2", before=before), [operand.astype(np.uint32), InOut(cell)],
                        [np.array([state % 2**bits], np.uint64)])  # fmt: skip
    for kind, dtype in (("f32", np.float32), ("f64", np.float64)):
        register = "%f5" if kind == "f32" else "%d5"
        body = f"{start} cvt.rn.{kind}.u32 {register}, %r62; red.{space}.add.{kind} {place}, {register}; {end}"
        cell = np.zeros(8 // np.dtype(dtype).itemsize, dtype)
        cell[0] = 0.5
        want = cell.copy()
        want[0] = 496.5
        check.clean(f"red.{space}.add.{kind}", kernel(body, "u64 in2", before=before), [InOut(cell)], [want])
    for kind, size in (("f16", 2), ("bf16", 2), ("f16x2", 4), ("bf16x2", 4)):
        one = {"f16": 0x3C00, "bf16": 0x3F80}[kind[:-2] if kind.endswith("x2") else kind]
        sums = {"f16": 0x5000, "bf16": 0x4200}[kind[:-2] if kind.endswith("x2") else kind]  # 32.0
        register = "%r5" if size == 4 else "%h5"
        start2 = start if space == "shared" else ""
        packed = one << 16 | one
        body = f"{start2} mov.b32 %r5, {packed}; mov.b16 %h5, {one}; red.{space}.add.noftz.{kind} {place}, {register}; {end}"
        want = np.array([sums << 16 | sums if size == 4 else sums, 0], np.uint32)
        check.clean(f"red.{space}.add.{kind}", kernel(body, "u64 in2", before=before), [InOut(np.zeros(2, np.uint32))], [want])
check.clean(
    "atom.cas", kernel(
        "L: ld.volatile.global.u32 %r1, [%cell]; add.u32 %r2, %r1, %r62; atom.global.cas.b32 %r3, [%cell], %r1, %r2; setp.ne.u32 %p0, %r3, %r1; @%p0 bra L;",
        "u64 cell"), [InOut(np.zeros(1, np.uint32))], [np.array([4 * 496], np.uint32)], grid=4,
)  # fmt: skip
for kind, register, wide in (("b64", "%rd", "cvt.u64.u32 %rd7, %r62;"), ("b16", "%h", "cvt.u16.u32 %h7, %r62;")):
    number = kind[1:]
    check.clean(
        f"atom.cas.{kind}", kernel(
            f"{wide} L: ld.volatile.global.u{number} {register}1, [%cell]; add.u{number} {register}2, {register}1, {register}7;"
            f"atom.global.cas.{kind} {register}3, [%cell], {register}1, {register}2; setp.ne.u{number} %p0, {register}3, {register}1; @%p0 bra L;",
            "u64 cell"), [InOut(np.zeros(1, f"u{int(number) // 8}"))], [np.array([4 * 496], f"u{int(number) // 8}")], grid=4,
    )  # fmt: skip
check.clean(
    "atom.add.f32 flushes subnormals on global memory (ISA 9.7.13.5)",
    kernel("setp.ne.u32 %p0, %r62, 0; @%p0 bra E; mov.f32 %f1, 0f00000001; red.global.add.f32 [%cell], %f1; E:", "u64 cell"),
    [InOut(np.array([3], np.uint32))], [np.array([0], np.uint32)],
)  # fmt: skip

#
# Barriers
#

ROOM = ".shared .align 8 .b8 room[1024];"
for block in (32, 64, 96, 77):
    index = np.arange(block, dtype=np.uint32)
    odd = index % 3 == 0
    for op, want in (("popc.u32", odd.sum()), ("and.pred", odd.all()), ("or.pred", odd.any())):
        to = "%r1" if "popc" in op else "%p1"
        back = "" if "popc" in op else "selp.u32 %r1, 1, 0, %p1;"
        body = f"rem.u32 %r2, %r62, 3; setp.eq.u32 %p0, %r2, 0; bar.red.{op} {to}, 0, %p0; {back} bar.red.popc.u32 %r3, 0, !%p0; mad.lo.u32 %r1, %r3, 1000, %r1;" + STORE
        check.clean(f"bar.red.{op} of {block}", kernel(body, "u64 out"), [Out("u32", (block,))],
                    [np.full(block, (block - odd.sum()) * 1000 + want, np.uint32)], block=block, seed=block)  # fmt: skip
for seed in range(6):
    # One warp hands values to another, barrier by barrier.
    body = """
      mov.u32 %r9, room; mov.u32 %r8, 0; mov.u32 %r1, 0; mov.u32 %r10, %laneid; shl.b32 %r10, %r10, 2; add.u32 %r9, %r9, %r10;
      setp.lt.u32 %p0, %r62, 32; @%p0 bra PRODUCER;
      C: bar.sync 1, 64; ld.shared.u32 %r2, [%r9]; add.u32 %r1, %r1, %r2; bar.arrive 2, 64; add.u32 %r8, %r8, 1; setp.lt.u32 %p1, %r8, 10; @%p1 bra C; bra DONE;
      PRODUCER: setp.eq.u32 %p2, %r8, 0; @%p2 bra FIRST; bar.sync 2, 64; FIRST: mad.lo.u32 %r3, %r8, %r8, %r62; st.shared.u32 [%r9], %r3; bar.arrive 1, 64;
      add.u32 %r8, %r8, 1; setp.lt.u32 %p1, %r8, 10; @%p1 bra PRODUCER; bar.sync 2, 64;
      DONE:""" + STORE
    check.clean(f"named barriers between two warps, seed {seed}", kernel(body, "u64 out", before=ROOM), [Out("u32", (64,))],
                [np.concatenate([np.zeros(32), LANES * 10 + 285]).astype(np.uint32)], block=64, seed=seed)  # fmt: skip
for size in (1, 2, 4, 8):
    for seed in (0, 3):
        body = """
          mov.u32 %r9, room; mov.u32 %r2, %cluster_ctarank; mov.u32 %r3, %cluster_nctarank; shl.b32 %r10, %r62, 2; add.u32 %r4, %r9, %r10;
          mad.lo.u32 %r5, %r60, 1000, %r62; st.shared.u32 [%r4], %r5; barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;
          add.u32 %r6, %r2, 1; rem.u32 %r6, %r6, %r3; mapa.shared::cluster.u32 %r7, %r4, %r6; ld.shared::cluster.u32 %r1, [%r7];
          cvt.u64.u32 %rd5, %r4; cvta.shared.u64 %rd5, %rd5; mapa.u64 %rd6, %rd5, %r6; ld.u32 %r8, [%rd6]; sub.u32 %r8, %r8, %r1; add.u32 %r1, %r1, %r8;
          getctarank.shared::cluster.u32 %r11, %r7; sub.u32 %r11, %r11, %r6; add.u32 %r1, %r1, %r11;
          barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;""" + STORE
        blocks = np.arange(2 * size)
        neighbour = blocks // size * size + (blocks + 1) % size
        want = (neighbour[:, None] * 1000 + LANES).ravel().astype(np.uint32)
        check.clean(f"a ring of {size} blocks, seed {seed}", kernel(body, "u64 out", before=ROOM), [Out("u32", (64 * size,))], [want],
                    grid=2 * size, cluster=size, seed=seed)  # fmt: skip
check.finds(
    "a ring without a barrier",
    kernel("mov.u32 %r9, room; mov.u32 %r2, %cluster_ctarank; shl.b32 %r10, %r62, 2; add.u32 %r4, %r9, %r10; st.shared.u32 [%r4], %r2;"
           "xor.b32 %r6, %r2, 1; mapa.shared::cluster.u32 %r7, %r4, %r6;\nld.shared::cluster.u32 %r1, [%r7]; // the load\n"
           "barrier.cluster.arrive; barrier.cluster.wait;", before=ROOM),
    [], "race", "with no barrier between", grid=2, cluster=2, only="race",
)  # fmt: skip
check.finds(
    "a block that has exited",
    kernel("mov.u32 %r9, room; mov.u32 %r2, %cluster_ctarank; st.shared.u32 [%r9], 1; barrier.cluster.arrive; barrier.cluster.wait;"
           "setp.eq.u32 %p0, %r2, 0; @%p0 exit; mov.u32 %r3, 0; L: add.u32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 100000; @%p1 bra L;"
           "mov.u32 %r6, 0; mapa.shared::cluster.u32 %r7, %r9, %r6;\nld.shared::cluster.u32 %r1, [%r7]; // the load", before=ROOM),
    [], "bounds", "has exited", line="// the load", grid=2, cluster=2, block=1,
)  # fmt: skip
check.finds(
    "a block that exits while another one may still read its memory",
    kernel("mov.u32 %r9, room; mov.u32 %r2, %cluster_ctarank; st.shared.u32 [%r9], 1; barrier.cluster.arrive; barrier.cluster.wait;"
           "setp.ne.u32 %p0, %r2, 0; @%p0 bra READ; mov.u32 %r3, 0; L: add.u32 %r3, %r3, 1; setp.lt.u32 %p1, %r3, 100000; @%p1 bra L;\nexit; // the exit\n"
           "READ: mov.u32 %r6, 0; mapa.shared::cluster.u32 %r7, %r9, %r6; ld.shared::cluster.u32 %r1, [%r7];", before=ROOM),
    [], "race", "the block exits, which", "read with no barrier between", line="// the exit", grid=2, cluster=2, block=1,
)  # fmt: skip
check.finds(
    "a cluster whose blocks do not all come",
    kernel("mov.u32 %r2, %cluster_ctarank; setp.eq.u32 %p0, %r2, 0; @%p0 bra S;\nbarrier.cluster.arrive; barrier.cluster.wait; // the wait\nS: @!%p0 bra E; L: ld.volatile.global.u32 %r3, [%cell]; setp.eq.u32 %p1, %r3, 0; @%p1 bra L; E:",
           "u64 cell"), [InOut(np.zeros(1, np.uint32))],
    "deadlock", "the cluster's barrier", "of 64 threads", grid=2, cluster=2,
)  # fmt: skip

sys.exit(check.finish())
