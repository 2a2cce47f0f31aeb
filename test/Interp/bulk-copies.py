# RUN: %python %s sparsedrop-ptx

"""Bulk copies (ISA 9.7.9.25.4) between global memory and shared memory: loads that
mbarriers track, stores and reductions in bulk groups."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, InOut, Out, kernel

check = Checker(sys.argv[1])
SHARED = ".shared .align 8 .b64 bar; .shared .align 1024 .b8 tile[8192];"
rng = np.random.default_rng(7)
data = rng.integers(0, 2**32, 2048, dtype=np.uint32)
n = 64
part = data[: 4 * n]
out = Out("u32", (4 * n,))

# Thread i: %r40 and %rd41 are its 16 bytes of shared and of global memory, %rd42
# its 16 bytes of the result.
PLACES = """
mov.u32 %r40, tile; shl.b32 %r41, %r62, 4; add.u32 %r40, %r40, %r41;
mul.wide.u32 %rd40, %r0, 16; add.u64 %rd41, %in, %rd40; add.u64 %rd42, %out, %rd40;
"""
STORE = """
ld.shared.v4.u32 {%r50, %r51, %r52, %r53}, [%r40]; // the load
st.global.v4.u32 [%rd42], {%r50, %r51, %r52, %r53};"""
INIT = """
setp.eq.u32 %p8, %r62, 0;
@%p8 mbarrier.init.shared.b64 [bar], {};
bar.sync 0;
"""
WAIT = "\nWAIT: mbarrier.{}.parity.shared.b64 %p9, [bar], 0; @!%p9 bra WAIT;\n"


def run(body):
    return kernel(PLACES + body, "u64 in, u64 out", before=SHARED)


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

sys.exit(check.finish())
