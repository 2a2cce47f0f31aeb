# RUN: %python %s sparsedrop-ptx

"""cp.async (ISA 9.7.9.25.3) with its groups and mbarriers: nothing is visible
before it was waited for."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, Out, kernel

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

sys.exit(check.finish())
