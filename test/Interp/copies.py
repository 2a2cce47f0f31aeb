# RUN: %python %s sparsedrop-ptx

"""Asynchronous copies (ISA 9.7.9.25): cp.async with its groups and mbarriers,
cp.async.bulk in all directions, reductions, st.async and red.async; nothing is
visible before it was waited for."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, InOut, Out, kernel

check = Checker(sys.argv[1])
SHARED = ".shared .align 8 .b64 bar; .shared .align 1024 .b8 tile[8192];"
rng = np.random.default_rng(7)
data = rng.integers(0, 2**32, 2048, dtype=np.uint32)


def cp(size, target="%r40", source="%rd41", rest="", kind="ca"):
    return f"cp.async.{kind}.shared.global [{target}], [{source}], {size}{rest};"


# Thread i: %r40 and %rd41 are its 16 bytes of shared and of global memory, %rd42
# its 16 bytes of the result.
PLACES = """
mov.u32 %r40, tile; shl.b32 %r41, %r62, 4; add.u32 %r40, %r40, %r41;
mul.wide.u32 %rd40, %r0, 16; add.u64 %rd41, %in, %rd40; add.u64 %rd42, %out, %rd40;
"""
STORE = """
ld.shared.v4.u32 {%r50, %r51, %r52, %r53}, [%r40]; // the load
st.global.v4.u32 [%rd42], {%r50, %r51, %r52, %r53};"""


def run(body, **options):
    return kernel(PLACES + body, "u64 in, u64 out", before=SHARED, **options)


#
# cp.async
#

n = 64
part = data[: 4 * n]
out = Out("u32", (4 * n,))
WAIT_ALL = "cp.async.wait_all;"
check.clean("16 bytes", run(cp(16) + WAIT_ALL + STORE, target="sm_80"), [part, out], [part], block=n)
check.clean(
    "16 bytes, .cg and hints",
    run("cp.async.cg.shared::cta.global.L2::128B [%r40], [%rd41], 16;" + WAIT_ALL + STORE), [part, out], [part], block=n,
)  # fmt: skip
check.clean(
    "8 and 4 bytes",
    run(cp(8) + cp(4, "%r40+8", "%rd41+12") + cp(4, "%r40+12", "%rd41+8") + WAIT_ALL + STORE),
    [part, out], [part.reshape(-1, 4)[:, [0, 1, 3, 2]].ravel()], block=n,
)  # fmt: skip
# Source sizes: the rest is 0.
sized = part.view(np.uint8).reshape(n, 16).copy()
for i in range(n):
    sized[i, i % 17 :] = 0
check.clean(
    "source sizes", run("rem.u32 %r1, %r62, 17;" + cp(16, rest=", %r1") + WAIT_ALL + STORE),
    [part, out], [sized.view(np.uint32).ravel()], block=n,
)  # fmt: skip
check.clean(
    "source size 0 reads nothing", run("mov.u64 %rd41, 0;" + cp(16, rest=", 0") + WAIT_ALL + STORE), [part, out],
    [np.zeros(4 * n, np.uint32)], block=n,
)  # fmt: skip
ignored = part.reshape(n, 4).copy()
ignored[::2] = 0
for name, test, guard in (("ignore-src", "eq", "%p1"), ("ignore-src, negated", "ne", "!%p1")):
    check.clean(
        name,
        run(f"and.b32 %r1, %r62, 1; setp.{test}.u32 %p1, %r1, 0;" + cp(16, rest=f", {guard}") + WAIT_ALL + STORE),
        [part, out], [ignored.ravel()], block=n,
    )  # fmt: skip
COMMIT = "cp.async.commit_group;"
GROUPS = (
    cp(4) + COMMIT + cp(4, "%r40+4", "%rd41+4") + COMMIT + cp(4, "%r40+8", "%rd41+8") + COMMIT
    + "{first} ld.shared.v2.u32 {{%r50, %r51}}, [%r40]; // the load\n"
    "{second} ld.shared.u32 %r52, [%r40+8]; mov.u32 %r53, 0; st.global.v4.u32 [%rd42], {{%r50, %r51, %r52, %r53}};"
)  # fmt: skip
three = part.reshape(n, 4).copy()
three[:, 3] = 0
check.clean(
    "groups", run(GROUPS.format(first="cp.async.wait_group 1;", second="cp.async.wait_group 0;")),
    [part, out], [three.ravel()], block=n,
)  # fmt: skip
# Lanes with different numbers of groups.
check.clean(
    "groups of lanes",
    run(
        "and.b32 %r1, %r62, 3; mov.u32 %r2, 0;\nLOOP: setp.ge.u32 %p1, %r2, %r1; @%p1 bra END;" + COMMIT
        + "add.u32 %r2, %r2, 1; bra LOOP; END:" + cp(16) + COMMIT + "cp.async.wait_group 0;" + STORE
    ),
    [part, out], [part], block=n,
)  # fmt: skip
check.finds(
    "wait_group too weak", run(GROUPS.format(first="cp.async.wait_group 2;", second=WAIT_ALL)), [part, out],
    "async", "nobody has waited for", line="// the load", block=n,
)  # fmt: skip
check.finds("no wait", run(cp(16) + COMMIT + STORE), [part, out], "async", line="// the load", block=n)
check.finds(
    "a wait without commit", run(cp(16) + "cp.async.wait_group 0;" + STORE), [part, out], "async",
    line="// the load", block=n,
)  # fmt: skip
OTHER = "xor.b32 %r40, %r40, 512;"
check.clean(
    "others read after a barrier", run(cp(16) + WAIT_ALL + "bar.sync 0;" + OTHER + STORE), [part, out],
    [np.roll(part.reshape(2, -1), 1, 0).ravel()], block=n,
)  # fmt: skip
check.finds(
    "others read without a barrier", run(cp(16) + WAIT_ALL + OTHER + STORE), [part, out], "race",
    "no barrier between", block=n,
)  # fmt: skip
check.finds(
    "others read after a barrier without wait", run(cp(16) + COMMIT + "bar.sync 0;" + OTHER + STORE), [part, out],
    "async", line="// the load", block=n,
)  # fmt: skip
check.finds(
    "past the end", run(cp(16).replace(";", "; // here") + WAIT_ALL + STORE), [data[: 4 * n - 1], out], "bounds",
    "of 1020 bytes", line="// here", block=n,
)  # fmt: skip
check.finds(
    "misaligned", run(cp(16, source="%rd41+4") + " // here\n" + WAIT_ALL + STORE), [data, out], "alignment",
    "multiple of 16", line="// here", block=n,
)  # fmt: skip
check.finds(
    "a source size too large", run(cp(8, rest=", 9") + " // here"), [part, out], "fault", "9 bytes of 8",
    line="// here", block=n,
)  # fmt: skip
check.refuses("12 bytes", run(cp(12) + " // here"), "expected 16, 8 or 4", line="// here")
check.refuses(".cg with 8 bytes", run(cp(8, kind="cg") + " // here"), "expected 16", line="// here")
check.refuses("before sm_80", run(cp(16) + " // here", target="sm_75"), "sm_80", line="// here")

# mbarriers of cp.async.
INIT = """
setp.eq.u32 %p8, %r62, 0;
@%p8 mbarrier.init.shared.b64 [bar], {};
bar.sync 0;
"""
WAIT = "\nWAIT: mbarrier.{}.parity.shared.b64 %p9, [bar], 0; @!%p9 bra WAIT;\n"
for name, count, text in (
    ("arrive", n, "cp.async.mbarrier.arrive.shared.b64 [bar]; mbarrier.arrive.shared.b64 _, [bar];"),
    ("arrive.noinc", n, "cp.async.mbarrier.arrive.noinc.shared.b64 [bar];"),
    ("both", 2 * n, "cp.async.mbarrier.arrive.noinc.shared.b64 [bar]; mbarrier.arrive.shared.b64 _, [bar];"),
):
    check.clean(
        f"cp.async.mbarrier.{name}", run(INIT.format(count) + cp(16) + text + WAIT.format("try_wait") + OTHER + STORE),
        [part, out], [np.roll(part.reshape(2, -1), 1, 0).ravel()], block=n,
    )  # fmt: skip
check.finds(
    "cp.async after the arrival",
    run(INIT.format(n) + "cp.async.mbarrier.arrive.noinc.shared.b64 [bar];" + cp(16) + WAIT.format("test_wait") + STORE),
    [part, out], "async", line="// the load", block=n,
)  # fmt: skip

#
# Bulk copies
#

BULK_WAIT = WAIT.format("try_wait")
EXPECT = "@%p8 mbarrier.arrive.expect_tx.shared.b64 _, [bar], {};"
LOAD = "@%p8 cp.async.bulk.{}.global.mbarrier::complete_tx::bytes [tile], [%in], {}, [bar]; // the copy\n"
check.clean(
    "bulk load", run(INIT.format(1) + EXPECT.format(1024) + LOAD.format("shared::cluster", 1024) + BULK_WAIT + STORE),
    [part, out], [part], block=n,
)  # fmt: skip
check.clean(
    "bulk load to shared::cta, in two parts, the barrier first",
    run(
        INIT.format(1) + LOAD.format("shared::cta", 512)
        + LOAD.format("shared::cta", 512).replace("[tile]", "[tile+512]").replace("[%in]", "[%in+512]")
        + EXPECT.format(1024) + WAIT.format("test_wait") + STORE
    ),
    [part, out], [part], block=n,
)  # fmt: skip
check.finds(
    "bulk load without wait", run(INIT.format(1) + EXPECT.format(1024) + LOAD.format("shared::cta", 1024) + STORE),
    [part, out], "async", line="// the load", block=n,
)  # fmt: skip
check.finds(
    "bulk load nobody waits for", run(INIT.format(1) + EXPECT.format(1024) + LOAD.format("shared::cta", 1024)),
    [part, out], "async", "block ends", "nobody has waited", line="// the copy", block=n,
)  # fmt: skip
check.finds(
    "wrong expect_tx",
    run(INIT.format(1) + EXPECT.format(1040) + LOAD.format("shared::cta", 1024) + BULK_WAIT + STORE),
    [part, out], "deadlock", "mbarrier at shared-memory offset", "16 bytes", block=n,
)  # fmt: skip
BAD = {
    "past the end": (1040, "", "bounds", "1024 bytes"),
    "misaligned": (1008, "add.u64 %in, %in, 8;", "alignment", "multiple of 16"),
    "bad size": (1000, "", "fault", "multiple of 16"),
    "shared memory past the end": (16384, "", "bounds", ""),
}
for name, (size, before, kind, words) in BAD.items():
    source = data if kind != "bounds" or size == 16384 else part
    source = np.resize(data, 8192) if size == 16384 else source
    check.finds(
        f"bulk load: {name}", run(before + INIT.format(1) + LOAD.format("shared::cta", size)), [source, out], kind,
        words, line="// the copy", block=n,
    )  # fmt: skip
check.finds(
    "bulk load without mbarrier", run("setp.eq.u32 %p8, %r62, 0;" + LOAD.format("shared::cta", 1024)), [part, out],
    "fault", "nothing has initialized", line="// the copy", block=n,
)  # fmt: skip
check.finds(
    "bulk load of unwritten memory",
    kernel(INIT.format(1) + LOAD.format("shared::cta", 1024), "u64 in", before=SHARED), [out], "uninitialized",
    line="// the copy", block=n,
)  # fmt: skip
# The load overwrites what the generic proxy has written.
WRITE = "mov.u32 %r44, 5; st.shared.v4.u32 [%r40], {%r0, %r44, %r62, %r0}; // the write\n"
FENCE = "fence.proxy.async.shared::cta;"
for fence in (FENCE, ""):
    text = run(
        WRITE + fence + INIT.format(1) + EXPECT.format(1024) + LOAD.format("shared::cta", 1024) + BULK_WAIT + STORE
    )
    if fence:
        check.clean("bulk load over written memory", text, [part, out], [part], block=n)
    else:
        check.finds("bulk load without fence", text, [part, out], "proxy", line="// the copy", block=n)

#
# Bulk stores
#

written = np.stack([np.arange(n), np.full(n, 5), np.arange(n), np.arange(n)], 1).astype(np.uint32).ravel()
SYNC = "setp.eq.u32 %p8, %r62, 0; bar.sync 0;\n"
BULK_STORE = "@%p8 cp.async.bulk.global.shared::cta.bulk_group [%out], [tile], 1024; // the copy\n"
BULK_COMMIT = "@%p8 cp.async.bulk.commit_group;"
BULK_READ = "@%p8 cp.async.bulk.wait_group.read 0;"
BULK_DONE = "@%p8 cp.async.bulk.wait_group 0;"


def bulk(*parts):
    return kernel(PLACES.replace("%in", "%out") + "".join(parts), "u64 out", before=SHARED)


check.clean("bulk store", bulk(WRITE, FENCE, SYNC, BULK_STORE, BULK_COMMIT, BULK_READ), [out], [written], block=n)
check.clean(
    "bulk store, source reused after .read",
    bulk(WRITE, FENCE, SYNC, BULK_STORE, BULK_COMMIT, BULK_READ, "bar.sync 0;", WRITE.replace("5;", "6;")),
    [out], [written], block=n,
)  # fmt: skip
check.finds(
    "bulk store without fence", bulk(WRITE, SYNC, BULK_STORE, BULK_COMMIT, BULK_READ), [out], "proxy",
    "fence.proxy.async", line="// the copy", block=n,
)  # fmt: skip
check.finds(
    "source overwritten before .read",
    bulk(WRITE, FENCE, SYNC, BULK_STORE, BULK_COMMIT, "bar.sync 0;", WRITE.replace("the write", "again"), BULK_READ),
    [out], "async", "may still read", line="// again", block=n,
)  # fmt: skip
check.finds(
    "source overwritten by a thread that does not know of .read",
    bulk(WRITE, FENCE, SYNC, BULK_STORE, BULK_COMMIT, BULK_READ, WRITE.replace("the write", "again")),
    [out], "race", "no barrier between", block=n,
)  # fmt: skip
check.finds(
    "bulk store nobody waits for", bulk(WRITE, FENCE, SYNC, BULK_STORE, BULK_COMMIT), [out], "async", "block ends",
    line="// the copy", block=n,
)  # fmt: skip
READ_BACK = "bar.sync 0; ld.global.u32 %r50, [%rd42]; // the load\n st.global.u32 [%rd42], %r50;"
check.clean(
    "result read after the wait", bulk(WRITE, FENCE, SYNC, BULK_STORE, BULK_COMMIT, BULK_DONE, READ_BACK), [out],
    [written], block=n,
)  # fmt: skip
check.finds(
    "result read after .read", bulk(WRITE, FENCE, SYNC, BULK_STORE, BULK_COMMIT, BULK_READ, READ_BACK), [out],
    "uninitialized", line="// the load", block=n,
)  # fmt: skip

#
# Reductions
#

REDUCE = "@%p8 cp.reduce.async.bulk.global.shared::cta.bulk_group.{} [%out], [tile], 1024; // the copy\n"
LOADED = INIT.format(1) + EXPECT.format(1024) + LOAD.format("shared::cta", 1024) + BULK_WAIT
a, b = rng.integers(0, 2**32, (2, 256), dtype=np.uint32)
with np.errstate(over="ignore"):
    wholes = {
        "add.u32": a + b,
        "min.u32": np.minimum(a, b),
        "max.s32": np.maximum(a.view(np.int32), b.view(np.int32)),
        "inc.u32": np.where(a >= b, 0, a + 1),
        "dec.u32": np.where((a == 0) | (a > b), b, a - 1),
        "and.b32": a & b,
        "xor.b64": a ^ b,
        "add.u64": a.view(np.uint64) + b.view(np.uint64),
        "min.s64": np.minimum(a.view(np.int64), b.view(np.int64)),
    }
x, y = rng.standard_normal((2, 256)).astype(np.float32)
wholes_f = {
    "add.f32": (x, y, x + y),
    "add.f64": (x.astype(np.float64)[:128], y.astype(np.float64)[:128], x.astype(np.float64)[:128] + y[:128]),
    "add.noftz.f16": (*(v.astype(np.float16).repeat(2) for v in (x, y)), (x.astype(np.float16) + y.astype(np.float16)).repeat(2)),
    "max.f16": (*(v.astype(np.float16).repeat(2) for v in (x, y)), np.maximum(x, y).astype(np.float16).repeat(2)),
}  # fmt: skip
cases = {name: (a, b, want.astype(want.dtype).view(np.uint32)) for name, want in wholes.items()}
cases.update(wholes_f)
for name, (old, new, want) in cases.items():
    check.clean(
        f"reduce {name}", kernel(LOADED + REDUCE.format(name) + BULK_COMMIT + BULK_DONE, "u64 in, u64 out", before=SHARED),
        [new, InOut(old)], [want], block=n,
    )  # fmt: skip
check.refuses(
    "add.f16 without .noftz", kernel(REDUCE.format("add.f16").replace("the copy", "here"), "u64 out", before=SHARED),
    "expected .noftz", line="// here",
)  # fmt: skip
check.refuses(
    "inc.s32", kernel(REDUCE.format("inc.s32").replace("the copy", "here"), "u64 out", before=SHARED), "no operation",
    line="// here",
)  # fmt: skip
#
# Clusters: block 0 and block 1
#

SYNC_CLUSTER = "barrier.cluster.arrive; barrier.cluster.wait;\n"
PAIR = """
mov.u32 %r1, %cluster_ctarank; xor.b32 %r2, %r1, 1;
mov.u32 %r3, tile; mapa.shared::cluster.u32 %r4, %r3, %r2; mov.u32 %r5, bar; mapa.shared::cluster.u32 %r6, %r5, %r2;
"""
RESULT = """
mov.u32 %r40, tile; shl.b32 %r41, %r62, 2; add.u32 %r40, %r40, %r41; ld.shared.u32 %r44, [%r40]; // the load
add.u64 %rd40, %out, %rd0; st.global.u32 [%rd40], %r44;
"""
values = data[:n]
pair = Out("u32", (n,))


def cluster(body, fence="fence.mbarrier_init.release.cluster;", count=1):
    return kernel(
        INIT.format(count).replace("bar.sync 0;", "@%p8 " + fence if fence else "") + PAIR + SYNC_CLUSTER + body
        + SYNC_CLUSTER, "u64 in, u64 out", before=SHARED,
    )  # fmt: skip


def both(name, text, want, **options):
    check.clean(name, text, [values, pair], [want], grid=2, block=n // 2, cluster=2, **options)


MULTICAST = (
    EXPECT.format(128)
    + """
setp.eq.u32 %p1, %r1, 1; and.pred %p1, %p1, %p8; mov.u16 %h1, {};
@%p1 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [tile], [%in], 128, [bar], %h1; // the copy
"""
)
both("multicast", cluster(MULTICAST.format(3) + BULK_WAIT + RESULT), np.tile(values[:32], 2))
check.finds(
    "multicast beyond the cluster", cluster(MULTICAST.format(5) + BULK_WAIT + RESULT), [values, pair], "fault",
    "mask 5", line="// the copy", grid=2, block=n // 2, cluster=2,
)  # fmt: skip
check.finds(
    "multicast to one block only", cluster(MULTICAST.format(2) + BULK_WAIT + RESULT), [values, pair], "deadlock",
    "lacks 0 arrivals and 128 bytes", grid=2, block=n // 2, cluster=2,
)  # fmt: skip
FILL = """
mul.wide.u32 %rd41, %r0, 4; add.u64 %rd41, %in, %rd41; ld.global.u32 %r43, [%rd41];
shl.b32 %r41, %r62, 2; add.u32 %r42, %r3, %r41; st.shared.u32 [%r42+{}], %r43;
"""
PUSH = (
    FILL.format(1024) + FENCE + "bar.sync 0;" + EXPECT.format(128) + "add.u32 %r7, %r3, 1024;\n"
    "@%p8 cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r4], [%r7], 128, [%r6]; // the copy\n"
)
swapped = np.roll(values.reshape(2, -1), 1, 0).ravel()
both("shared to shared::cluster", cluster(PUSH + BULK_WAIT + RESULT), swapped)
check.finds(
    "shared to shared::cluster without fence", cluster(PUSH.replace(FENCE, "") + BULK_WAIT + RESULT), [values, pair],
    "proxy", line="// the copy", grid=2, block=n // 2, cluster=2,
)  # fmt: skip
check.finds(
    "an mbarrier of another block", cluster(PUSH.replace("[%r6]", "[bar]") + BULK_WAIT + RESULT), [values, pair],
    "fault", "another block than the destination", line="// the copy", grid=2, block=n // 2, cluster=2,
)  # fmt: skip
REDUCED = (
    FILL.format(0) + FILL.format(1024) + FENCE + SYNC_CLUSTER + EXPECT.format(128) + "add.u32 %r7, %r3, 1024;\n"
    "@%p8 cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.add.u32 [%r4], [%r7], 128, [%r6];\n"
)
total = (values + swapped).astype(np.uint32)
both("reduce to shared::cluster", cluster(REDUCED + BULK_WAIT + RESULT), total)

SEND = """
shl.b32 %r41, %r62, 2; add.u32 %r8, %r4, %r41; mul.wide.u32 %rd41, %r0, 4; add.u64 %rd41, %in, %rd41;
ld.global.u32 %r43, [%rd41];
st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.u32 [%r8], %r43, [%r6];
"""
for seed in range(2):
    both("st.async", cluster(EXPECT.format(128) + SEND + BULK_WAIT + RESULT), swapped, seed=seed)
check.finds(
    "st.async without wait", cluster(EXPECT.format(128) + SEND + "barrier.cluster.arrive; barrier.cluster.wait;" + RESULT),
    [values, pair], "async", line="// the load", grid=2, block=n // 2, cluster=2,
)  # fmt: skip
VECTOR = SEND.replace(".u32 [%r8], %r43", ".v4.b32 [%r8], {%r43, %r0, %r1, %r62}").replace("%r62, 2", "%r62, 4")
fourth = np.stack([values, np.arange(n), np.arange(n) // 32, np.arange(n) % 32], 1).astype(np.uint32)
both("st.async.v4", cluster(EXPECT.format(512) + VECTOR + BULK_WAIT + RESULT),
     np.roll(fourth.reshape(2, -1), 1, 0)[:, :32].ravel())  # fmt: skip
RED = SEND.replace("st.async.weak", "red.async.relaxed.cluster").replace(".u32 [%r8]", ".{} [%r8]")
for name, want in (("add.u32", total), ("max.u32", np.maximum(values, swapped)), ("xor.b32", values ^ swapped)):
    text = FILL.format(0) + SYNC_CLUSTER + EXPECT.format(128) + RED.format(name) + BULK_WAIT + RESULT
    both(f"red.async.{name}", cluster(text), want)

sys.exit(check.finish())
