# RUN: %python %s sparsedrop-ptx

"""mbarriers (ISA 9.7.13.15): phases, counts, states, transactions, arrivals from
other blocks; and what is wrong with using them wrongly."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, Out, kernel

check = Checker(sys.argv[1])
SHARED = ".shared .align 8 .b64 bar; .shared .align 8 .b64 other; .shared .align 16 .b8 tile[1024];"


def wait(parity, bar="bar", label="WAIT", form="try_wait", order=""):
    """Waits for a phase's end."""
    return f"""
{label}: mbarrier.{form}.parity{order}.shared.b64 %p9, [{bar}], {parity};
@!%p9 bra {label};"""


def init(count, bar="bar", rest=""):
    """Thread 0 makes an mbarrier, and all know it."""
    return f"""
setp.eq.u32 %p8, %r62, 0;
@%p8 mbarrier.init.shared.b64 [{bar}], {count};
{rest}
bar.sync 0;"""


STORE = "mov.u32 %r40, tile; shl.b32 %r41, %r62, 2; add.u32 %r40, %r40, %r41; st.shared.u32 [%r40], %r0;"
# The value of the thread on the other side.
LOAD = """
mov.u32 %r42, tile; mov.u32 %r43, %ntid.x; sub.u32 %r43, %r43, 1; sub.u32 %r43, %r43, %r62;
shl.b32 %r43, %r43, 2; add.u32 %r42, %r42, %r43; ld.shared.u32 %r44, [%r42]; // the load
add.u64 %rd40, %out, %rd0; st.global.u32 [%rd40], %r44;"""

#
# Phases
#

n = 128
reverse = np.arange(n, dtype=np.uint32)[::-1]
out = Out("u32", (n,))
for form in ("try_wait", "test_wait"):
    check.clean(
        f"one phase, {form}",
        kernel(init(n) + STORE + "mbarrier.arrive.shared.b64 %rd1, [bar];" + wait(0, form=form) + LOAD, "u64 out", before=SHARED),
        [out], [reverse], block=n,
    )  # fmt: skip
    check.clean(
        f"by its state, {form}",
        kernel(
            init(n) + STORE + "mbarrier.arrive.release.cta.shared::cta.b64 %rd1, [bar];"
            f"WAIT: mbarrier.{form}.acquire.cta.shared.b64 %p1, [bar], %rd1; @!%p1 bra WAIT;" + LOAD,
            "u64 out", before=SHARED,
        ),
        [out], [reverse], block=n,
    )  # fmt: skip
check.clean(
    "generic addresses",
    kernel(
        init(n) + STORE + "mov.u64 %rd5, bar; cvta.shared.u64 %rd5, %rd5; mbarrier.arrive.b64 _, [%rd5];"
        "WAIT: mbarrier.try_wait.parity.b64 %p1, [%rd5], 0; @!%p1 bra WAIT;" + LOAD,
        "u64 out", before=SHARED,
    ),
    [out], [reverse], block=n,
)  # fmt: skip

# Each phase adds what the others have written in it.
PHASES = (
    init(n, rest="@%p8 mbarrier.init.shared.b64 [other], 128;")
    + """
mov.u32 %r1, 0; mov.u32 %r10, 0;
LOOP:
and.b32 %r2, %r1, 1;
mad.lo.u32 %r3, %r1, 1000, %r62;
mov.u32 %r40, tile; shl.b32 %r41, %r62, 2; add.u32 %r40, %r40, %r41; st.shared.u32 [%r40], %r3;
mbarrier.arrive.shared.b64 _, [bar];"""
    + wait("%r2")
    + """
mov.u32 %r42, tile; sub.u32 %r43, 127, %r62; shl.b32 %r43, %r43, 2; add.u32 %r42, %r42, %r43;
ld.shared.u32 %r44, [%r42]; add.u32 %r10, %r10, %r44;
mbarrier.arrive.shared.b64 _, [other];"""
    + wait("%r2", "other", "WAIT2")
    + """
add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 5; @%p1 bra LOOP;
add.u64 %rd40, %out, %rd0; st.global.u32 [%rd40], %r10;"""
)
want = (sum(range(5)) * 1000 + 5 * reverse.astype(np.uint64)).astype(np.uint32)
for seed in range(3):
    check.clean("five phases", kernel(PHASES, "u64 out", before=SHARED), [out], [want], block=n, seed=seed)

# The phase before the first one counts as complete: producers need no special
# first round.
check.clean(
    "the phase before the first",
    kernel(init(1) + wait(1) + "add.u64 %rd40, %out, %rd0; st.global.u32 [%rd40], %r0;", "u64 out", before=SHARED),
    [out], [np.arange(n)], block=n,
)  # fmt: skip

#
# Counts
#

RESULT = "add.u64 %rd40, %out, %rd0; st.global.u32 [%rd40], %r44;"
check.clean(
    "arrivals with a count, pending_count",
    kernel(
        """mbarrier.init.shared.b64 [bar], 100;
        mbarrier.arrive.noComplete.shared.b64 %rd1, [bar], 40;
        mbarrier.arrive.noComplete.release.cta.shared::cta.b64 %rd2, [bar], 59;
        mbarrier.pending_count.b64 %r1, %rd1; mbarrier.pending_count.b64 %r2, %rd2;
        mbarrier.test_wait.parity.shared.b64 %p1, [bar], 0; selp.u32 %r3, 1000, 0, %p1;
        mbarrier.arrive.shared.b64 %rd3, [bar], 1;
        mbarrier.test_wait.parity.shared.b64 %p1, [bar], 0; selp.u32 %r4, 10000, 0, %p1;
        mbarrier.inval.shared.b64 [bar];
        mbarrier.init.shared.b64 [bar], 7; mbarrier.arrive.noComplete.shared.b64 %rd4, [bar], 1;
        mbarrier.pending_count.b64 %r5, %rd4;
        add.u32 %r44, %r1, %r2; add.u32 %r44, %r44, %r3; add.u32 %r44, %r44, %r4; mad.lo.u32 %r44, %r5, 100000, %r44;"""
        + RESULT,
        "u64 out", before=SHARED,
    ),
    [Out("u32", (1,))], [[100 + 60 + 10000 + 700000]], block=1,
)  # fmt: skip
check.clean(
    "arrive_drop",
    kernel(
        """mbarrier.init.shared.b64 [bar], 3;
        mbarrier.arrive_drop.noComplete.shared.b64 %rd1, [bar], 2;
        mbarrier.arrive.shared.b64 %rd1, [bar];
        mbarrier.test_wait.parity.shared.b64 %p1, [bar], 0; selp.u32 %r1, 1, 0, %p1;
        mbarrier.arrive.shared.b64 %rd1, [bar];
        mbarrier.test_wait.parity.shared.b64 %p1, [bar], 1; selp.u32 %r2, 10, 0, %p1;
        add.u32 %r44, %r1, %r2;""" + RESULT,
        "u64 out", before=SHARED,
    ),
    [Out("u32", (1,))], [[11]], block=1,
)  # fmt: skip
check.clean(
    "transactions",
    kernel(
        """mbarrier.init.shared.b64 [bar], 1;
        mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [bar], 64;
        mbarrier.arrive.expect_tx.shared.b64 _, [bar], 16;
        mbarrier.complete_tx.shared.b64 [bar], 48;
        mbarrier.test_wait.parity.shared.b64 %p1, [bar], 0; selp.u32 %r1, 1, 0, %p1;
        mbarrier.complete_tx.relaxed.cluster.shared::cluster.b64 [bar], 32;
        mbarrier.test_wait.parity.shared.b64 %p1, [bar], 0; selp.u32 %r2, 10, 0, %p1;
        add.u32 %r44, %r1, %r2;""" + RESULT,
        "u64 out", before=SHARED,
    ),
    [Out("u32", (1,))], [[10]], block=1,
)  # fmt: skip

#
# Clusters: every thread of every block arrives at block 0.
#

CLUSTER = (
    init(256, rest="@%p8 fence.mbarrier_init.release.cluster;")
    + """
barrier.cluster.arrive.relaxed; barrier.cluster.wait;
mov.u32 %r1, bar; mov.u32 %r2, 0; mapa.shared::cluster.u32 %r3, %r1, %r2;
mov.u32 %r4, tile; mapa.shared::cluster.u32 %r5, %r4, %r2; shl.b32 %r6, %r0, 2; add.u32 %r5, %r5, %r6;
st.shared::cluster.u32 [%r5], %r0;
mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r3];
mov.u32 %r7, %cluster_ctarank; setp.ne.u32 %p1, %r7, 0; @%p1 bra DONE;"""
    + wait(0, order=".acquire.cluster")
    + """
sub.u32 %r8, 255, %r62; shl.b32 %r8, %r8, 2; add.u32 %r8, %r4, %r8; ld.shared.u32 %r44, [%r8];"""
    + RESULT
    + "DONE: barrier.cluster.arrive; barrier.cluster.wait;"
)
check.clean(
    "arrivals from another block", kernel(CLUSTER, "u64 out", before=SHARED), [out],
    [np.arange(255, 127, -1)], grid=2, block=n, cluster=2,
)  # fmt: skip

#
# Bugs
#


def bug(name, body, kind, *words, line="// here", block=32, **options):
    text = kernel(body, "u64 out" if "%out" in body else "", before=SHARED)
    check.finds(name, text, [out] if "%out" in body else [], kind, *words, line=line, block=block, **options)


bug("not initialized", "mbarrier.arrive.shared.b64 _, [bar]; // here", "fault", "nothing has initialized", "offset 0x")
bug("initialized twice", init(1) + "@%p8 mbarrier.init.shared.b64 [bar], 1; // here", "fault", "initialized again")
bug(
    "overwritten", init(32) + "@%p8 st.shared.u32 [bar], 0; bar.sync 0; mbarrier.arrive.shared.b64 _, [bar]; // here",
    "fault", "overwritten",
)  # fmt: skip
bug("no barrier after init", "setp.eq.u32 %p8, %r62, 0; @%p8 mbarrier.init.shared.b64 [bar], 64;"
    "mbarrier.arrive.shared.b64 _, [bar]; // here", "race", "initialized with no barrier", block=64)  # fmt: skip
bug("a fence but no barrier after init", "setp.eq.u32 %p8, %r62, 0; @%p8 mbarrier.init.shared.b64 [bar], 64;"
    "@%p8 fence.mbarrier_init.release.cluster; mbarrier.arrive.shared.b64 _, [bar]; // here", "race",
    "initialized with no barrier", block=64)  # fmt: skip
bug("too many arrivals", init(16) + "mbarrier.arrive.shared.b64 _, [bar], 17; // here", "fault", "lacks only 16")
bug("no arrivals", "mbarrier.init.shared.b64 [bar], 0; // here", "fault", "expected 1 to 2^20 - 1", block=1)
bug(
    "noComplete completes", init(1) + "@%p8 mbarrier.arrive.noComplete.shared.b64 %rd1, [bar], 1; // here",
    "fault", "noComplete",
)  # fmt: skip
bug("too many bytes", init(1) + "@%p8 mbarrier.expect_tx.shared.b64 [bar], 1048576; // here", "fault", "2^20 - 1")
bug("misaligned", "mbarrier.init.shared.b64 [bar+4], 1; // here", "alignment", "multiple of 8", block=1)
bug("outside", "mbarrier.init.shared.b64 [bar+65536], 1; // here", "bounds", block=1)
bug("parity 2", init(1) + "mbarrier.test_wait.parity.shared.b64 %p1, [bar], 2; // here", "fault", "parity 2")
bug(
    "a state of long ago",
    "mbarrier.init.shared.b64 [bar], 1; mbarrier.arrive.shared.b64 %rd1, [bar]; mbarrier.arrive.shared.b64 %rd2, [bar];"
    "mbarrier.test_wait.shared.b64 %p1, [bar], %rd1; // here",
    "fault", "not of its phase", block=1,
)  # fmt: skip
# Who waits where.
STUCK = init(33) + "mbarrier.arrive.shared.b64 _, [bar];\nWAIT:\n"
TAIL = "mbarrier.{}.parity.shared.b64 %p9, [bar], 0; // here\n@!%p9 bra WAIT;"
bug("deadlock", STUCK + TAIL.format("try_wait"), "deadlock", "phase 0", "lacks 1 arrivals and 0 bytes", line=None)
bug("deadlock, spinning", STUCK + TAIL.format("test_wait"), "deadlock", "spins", line=None)
bug(
    "wrong expect_tx",
    init(1) + "@%p8 mbarrier.arrive.expect_tx.shared.b64 _, [bar], 32;"
    "@%p8 mbarrier.complete_tx.shared.b64 [bar], 16;\nWAIT:\n" + TAIL.format("try_wait"),
    "deadlock", "lacks 0 arrivals and 16 bytes", line=None,
)  # fmt: skip
bug(
    "relaxed arrivals order nothing",
    init(64) + STORE + "mbarrier.arrive.relaxed.cta.shared.b64 _, [bar];" + wait(0) + LOAD,
    "race", line="// the load", block=64,
)  # fmt: skip
bug(
    "a relaxed wait orders nothing",
    init(64) + STORE + "mbarrier.arrive.shared.b64 _, [bar];" + wait(0, order=".relaxed.cta") + LOAD,
    "race", line="// the load", block=64,
)  # fmt: skip

#
# Refused
#


def refuse(name, body, *words, target="sm_90a"):
    check.refuses(name, kernel(body + " // here", before=SHARED, target=target), *words, line="// here")


refuse("try_wait before sm_90", "mbarrier.try_wait.parity.shared.b64 %p1, [bar], 0;", "sm_90", target="sm_80")
refuse("expect_tx before sm_90", "mbarrier.expect_tx.shared.b64 [bar], 16;", "sm_90", target="sm_80")
refuse("a remote state", "mbarrier.arrive.shared::cluster.b64 %rd1, [bar];", "expected '_'")
refuse("order without scope", "mbarrier.arrive.release.shared.b64 _, [bar];", "together")
refuse("a remote wait", "mbarrier.try_wait.parity.shared::cluster.b64 %p1, [bar], 0;", "shared::cluster")
refuse("unknown", "mbarrier.wait.shared.b64 [bar];", "none of the instructions")

sys.exit(check.finish())
