# RUN: %python %s sparsedrop-ptx

"""Copies between the blocks of a cluster: multicast, shared::cta to shared::cluster,
reductions there, st.async and red.async (ISA 9.7.9.12, 9.7.9.25.4, 9.7.13.7)."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, Out, kernel

check = Checker(sys.argv[1])
SHARED = ".shared .align 8 .b64 bar; .shared .align 1024 .b8 tile[8192];"
rng = np.random.default_rng(7)
data = rng.integers(0, 2**32, 2048, dtype=np.uint32)
n = 64
INIT = """
setp.eq.u32 %p8, %r62, 0;
@%p8 mbarrier.init.shared.b64 [bar], {};
bar.sync 0;
"""
BULK_WAIT = "\nWAIT: mbarrier.try_wait.parity.shared.b64 %p9, [bar], 0; @!%p9 bra WAIT;\n"
EXPECT = "@%p8 mbarrier.arrive.expect_tx.shared.b64 _, [bar], {};"
FENCE = "fence.proxy.async.shared::cta;"

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
