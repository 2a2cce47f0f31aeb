# RUN: %python %s sparsedrop-ptx

"""Each check has a kernel with a planted bug that it finds, beside the same
kernel without it, which runs clean."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, InOut, Out, kernel, module

check = Checker(sys.argv[1])
N = 64
data = np.arange(N, dtype=np.uint32)
out = Out("u32", (N,))
SHARED = ".shared .align 16 .b8 tile[1024];"

#
# Bounds, alignment
#

COPY = """
  add.u64 %rd1, %in, %rd0;
  ld.global.u32 %r1, [%rd1{offset}]; // the load
  add.u64 %rd2, %out, %rd0;
  st.global.u32 [%rd2], %r1;
"""
check.clean("copy", kernel(COPY.format(offset=""), "u64 in, u64 out"), [data, out], [data], grid=2)
check.finds(
    "past the end", kernel(COPY.format(offset="+4"), "u64 in, u64 out"), [data, out], "bounds",
    "reads 4 bytes", "0 bytes past the end of an allocation of 256 bytes", "block (1,0,0)", "thread (31,0,0)",
    line="// the load", grid=2, threads=1,
)  # fmt: skip
check.finds(
    "before the start", kernel(COPY.format(offset="-4"), "u64 in, u64 out"), [data, out], "bounds",
    "4 bytes before an allocation of 256 bytes", line="// the load",
)  # fmt: skip
check.finds(
    "misaligned", kernel(COPY.format(offset="+2"), "u64 in, u64 out"), [data, out], "alignment",
    "is not a multiple of 4", line="// the load",
)  # fmt: skip
check.finds(
    "null pointer", kernel(COPY.format(offset=""), "u64 in, u64 out"), ["null", out], "bounds",
    "in no allocation", line="// the load",
)  # fmt: skip
check.finds(
    "write past the end",
    kernel("add.u64 %rd2, %out, %rd0; st.global.u32 [%rd2+128], %r0; // the store", "u64 out"),
    [Out("u32", (32,))], "bounds", "writes 4 bytes", "0 bytes past the end of an allocation of 128 bytes",
    line="// the store",
)  # fmt: skip
check.finds(
    "straddles the end",
    kernel("ld.global.v2.u32 {%r1, %r2}, [%in+8]; // the load", "u64 in"),
    [np.zeros(3, np.uint32)], "bounds", "4 bytes before the end of an allocation of 12 bytes", line="// the load",
)  # fmt: skip
check.finds(
    "a constant is written",
    kernel(
        "mov.u64 %rd1, table; st.global.u32 [%rd1], %r0; // the store",
        before=".const .align 4 .b8 table[64] = {1};",
    ),
    [], "bounds", "the constant 'table'", line="// the store",
)  # fmt: skip
check.finds(
    "a variable of the module",
    kernel("mov.u64 %rd1, table; ld.global.u32 %r1, [%rd1+64]; // the load", before=".global .align 4 .b8 table[64];"),
    [], "bounds", "'table' of 64 bytes", line="// the load",
)  # fmt: skip
check.finds(
    "shared memory past the end",
    kernel("mov.u32 %r1, tile; st.shared.u32 [%r1+1024], %r0; // the store", before=SHARED),
    [], "bounds", "offset 1024 of the block's 1024 bytes", line="// the store",
)  # fmt: skip
check.finds(
    "shared memory at address 0", kernel("mov.u32 %r1, 0; ld.shared.u32 %r2, [%r1]; // the load", before=SHARED), [],
    "bounds", "shared-memory address 0x0", line="// the load",
)  # fmt: skip
check.finds(
    "shared memory misaligned",
    kernel("mov.u32 %r1, tile; st.shared.v4.u32 [%r1+8], {%r0, %r0, %r0, %r0}; // the store", before=SHARED), [],
    "alignment", "is not a multiple of 16", line="// the store",
)  # fmt: skip
check.finds(
    "shared memory of a block that is not there",
    kernel("mov.u32 %r1, tile; add.u32 %r1, %r1, 0x1000000; st.shared::cluster.u32 [%r1], %r0; // the store", before=SHARED),
    [], "bounds", "block 1 of the cluster, which has 1", line="// the store",
)  # fmt: skip
check.finds(
    "local memory past the end",
    kernel(".local .align 4 .b8 stack[16]; mov.u64 %rd1, stack; st.local.u32 [%rd1+2000000], %r0; // the store"), [],
    "bounds", "local memory", line="// the store",
)  # fmt: skip
check.finds(
    "parameters are read past their end",
    kernel("mov.b64 %rd1, k_in; cvta.param.u64 %rd2, %rd1; ld.u32 %r1, [%rd2+8]; // the load", "u64 in"), ["u64:1"],
    "bounds", "the kernel's 8 bytes of parameters", line="// the load",
)  # fmt: skip

#
# What nothing has written
#

check.finds(
    "global memory that nothing wrote",
    kernel("add.u64 %rd1, %out, %rd0; ld.global.u32 %r1, [%rd1]; // the load", "u64 out"), [Out("u32", (32,))],
    "uninitialized", "byte 0 of an allocation of 128 bytes", line="// the load",
)  # fmt: skip
FILL = """
  mov.u32 %r1, tile;
  shl.b32 %r2, %r62, 2;
  add.u32 %r3, %r1, %r2;
  setp.eq.u32 %p0, %r62, {lane};
  @!%p0 st.shared.u32 [%r3], %r62;
  bar.sync 0;
  xor.b32 %r4, %r62, 1;
  shl.b32 %r5, %r4, 2;
  add.u32 %r6, %r1, %r5;
  ld.shared.u32 %r7, [%r6]; // the load
  add.u64 %rd1, %out, %rd0;
  st.global.u32 [%rd1], %r7;
"""
check.clean(
    "all of the tile is written", kernel(FILL.format(lane=N), "u64 out", before=SHARED), [out], [data ^ 1], block=N
)
check.finds(
    "shared memory that nothing wrote", kernel(FILL.format(lane=5), "u64 out", before=SHARED), [out],
    "uninitialized", "shared memory at offset 20", "which nothing has written", "thread (4,0,0)", line="// the load",
    block=N,
)  # fmt: skip

#
# Races
#

EXCHANGE = """
  mov.u32 %r1, tile;
  shl.b32 %r2, %r62, 2;
  add.u32 %r3, %r1, %r2;
  st.shared.u32 [%r3], %r62;
  {first}
  xor.b32 %r4, %r62, {lane};
  shl.b32 %r5, %r4, 2;
  add.u32 %r6, %r1, %r5;
  ld.shared.u32 %r7, [%r6]; // the load
  {second}
  st.shared.u32 [%r3], %r7; // the store
  add.u64 %rd1, %out, %rd0;
  st.global.u32 [%rd1], %r7;
"""


def exchange(first, second, lane=32):
    return kernel(EXCHANGE.format(first=first, second=second, lane=lane), "u64 out", before=SHARED)


check.clean("exchange between warps", exchange("bar.sync 0;", "bar.sync 0;"), [out], [data ^ 32], block=N)
check.finds(
    "read after write in another warp", exchange("", "bar.sync 0;"), [out], "race", "shared memory at offset",
    "with no barrier between", block=N, seed=3, only="race",
)  # fmt: skip
check.finds(
    "write after read in another warp", exchange("bar.sync 0;", ""), [out], "race", "shared memory at offset",
    "with no barrier between", block=N,
)  # fmt: skip
check.clean(
    "exchange between lanes", exchange("bar.warp.sync -1;", "bar.warp.sync -1;", lane=1), [out], [data ^ 1], block=N
)
check.finds(
    "read after write in another lane", exchange("", "bar.warp.sync -1;", lane=1), [out], "race",
    "lane 1 wrote with no barrier", line="// the load", block=N,
)  # fmt: skip
check.finds(
    "write after write",
    kernel("mov.u32 %r1, tile; st.shared.u32 [%r1], %r0; // the store", before=SHARED), [], "race",
    "writes shared memory at offset 0", "wrote with no barrier between", line="// the store", block=64,
)  # fmt: skip
check.clean(
    "atomic sums", kernel(
        "mov.u32 %r1, tile; setp.ne.u32 %p0, %r62, 0; @!%p0 st.shared.u32 [%r1], 0; bar.sync 0;"
        "atom.shared.add.u32 %r2, [%r1], %r62; bar.sync 0; ld.shared.u32 %r3, [%r1];"
        "add.u64 %rd1, %out, %rd0; st.global.u32 [%rd1], %r3;", "u64 out", before=SHARED),
    [out], [np.full(N, data.sum(), np.uint32)], block=N,
)  # fmt: skip
check.finds(
    "an atomic sum and a plain load", kernel(
        "mov.u32 %r1, tile; setp.ne.u32 %p0, %r62, 0; @!%p0 st.shared.u32 [%r1], 0; bar.sync 0;"
        "atom.shared.add.u32 %r2, [%r1], %r62;\nld.shared.u32 %r3, [%r1]; // the load", before=SHARED),
    [], "race", "shared memory at offset 0", block=N,
)  # fmt: skip
FLAG = """
  mov.u32 %r1, tile;
  setp.lt.u32 %p0, %r62, 32;
  setp.ne.u32 %p1, %r62, 0;
  @!%p1 st.shared.u32 [%r1+4], 0;
  bar.sync 0;
  @%p0 bra PRODUCER;
WAIT:
  ld.{acquire}.shared.u32 %r2, [%r1+4];
  setp.eq.u32 %p2, %r2, 0;
  @%p2 bra WAIT;
  ld.shared.u32 %r3, [%r1]; // the load
  bra DONE;
PRODUCER:
  mov.u32 %r3, 7;
  @%p1 bra DONE;
  st.shared.u32 [%r1], 7;
  st.{release}.shared.u32 [%r1+4], 1;
DONE:
  add.u64 %rd1, %out, %rd0;
  st.global.u32 [%rd1], %r3;
"""
check.clean(
    "a flag", kernel(FLAG.format(acquire="acquire.cta", release="release.cta"), "u64 out", before=SHARED), [out],
    [np.full(N, 7, np.uint32)], block=N,
)  # fmt: skip
check.clean(
    "a volatile flag", kernel(FLAG.format(acquire="volatile", release="volatile"), "u64 out", before=SHARED), [out],
    [np.full(N, 7, np.uint32)], block=N, seed=11,
)  # fmt: skip

#
# Those who wait for each other
#

check.finds(
    "a barrier that half of the block skips",
    kernel("setp.lt.u32 %p0, %r62, 32; @%p0 bra SKIP;\nbar.sync 1, 64; // the barrier\nSKIP:"), [], "deadlock",
    "warp 1", "barrier 1, where 32 of 64 threads have come", line="// the barrier", block=N,
)  # fmt: skip
check.finds(
    "two barriers in two orders",
    kernel("setp.lt.u32 %p0, %r62, 32; @%p0 bra A;\nbar.sync 1, 64; // here\nbar.sync 2, 64; ret;\nA: bar.sync 2, 64; bar.sync 1, 64;"),
    [], "deadlock", "warp 0", "barrier 2, where 32 of 64", "warp 1", "barrier 1, where 32 of 64", block=N,
)  # fmt: skip
check.finds(
    "a flag that nobody sets",
    kernel(
        "mov.u32 %r1, tile; setp.ne.u32 %p1, %r62, 0; @!%p1 st.shared.u32 [%r1], 0; bar.sync 0;\n"
        "WAIT: ld.volatile.shared.u32 %r2, [%r1]; setp.eq.u32 %p2, %r2, 0;\n@%p2 bra WAIT;", before=SHARED),
    [], "deadlock", "nobody can go on", "spins", block=N,
)  # fmt: skip
check.finds(
    "a grid that waits for one block more than there are",
    kernel(
        "atom.global.add.u32 %r1, [%count], 1;\nWAIT: ld.volatile.global.u32 %r2, [%count]; setp.lt.u32 %p2, %r2, 97;\n"
        "@%p2 bra WAIT;", "u64 count"),
    [InOut(np.zeros(1, np.uint32))], "deadlock", "spins", grid=3,
)  # fmt: skip
check.clean(
    "a barrier of the grid",
    kernel(
        "atom.global.add.u32 %r1, [%count], 1;\nWAIT: ld.volatile.global.u32 %r2, [%count]; setp.lt.u32 %p2, %r2, 96;\n"
        "@%p2 bra WAIT;", "u64 count"),
    [InOut(np.zeros(1, np.uint32))], [np.array([96], np.uint32)], grid=3, threads=2,
)  # fmt: skip
check.finds(
    "more instructions than allowed", kernel("L: add.u32 %r1, %r1, 1; bra L;"), [], "deadlock",
    "more than 10000 warp instructions", "spins", max_instructions=10000,
)  # fmt: skip

#
# Divergence
#

check.finds(
    "a barrier that half of a warp skips",
    kernel("setp.lt.u32 %p0, %r62, 16; @%p0 bra SKIP;\nbar.sync 0; // the barrier\nSKIP: st.global.u32 [%out], 1;", "u64 out"),
    [InOut(np.zeros(1, np.uint32))], "divergence", "lanes 0xffff", line="// the barrier",
)  # fmt: skip
check.finds(
    "a barrier in both branches",
    kernel("setp.lt.u32 %p0, %r62, 16; @%p0 bra A;\nbar.sync 0; // the barrier\nbra B;\nA: bar.sync 0;\nB:"), [],
    "divergence", "lanes 0xffff", block=32,
)  # fmt: skip
check.finds(
    "a shuffle whose lanes have exited",
    kernel("setp.lt.u32 %p0, %r62, 16; @%p0 exit;\nshfl.sync.bfly.b32 %r1, %r0, 1, 31, -1; // the shuffle"), [],
    "divergence", "lanes 0xffff must take part", line="// the shuffle",
)  # fmt: skip
check.finds(
    "a lane outside its member mask",
    kernel("shfl.sync.bfly.b32 %r1, %r0, 1, 31, 0xfffffffe; // the shuffle"), [], "divergence",
    "not in its member mask", line="// the shuffle",
)  # fmt: skip

#
# Faults
#

check.finds("a trap", kernel("trap; // here"), [], "fault", "a trap was executed", line="// here")
check.finds(
    "an endless recursion",
    module(
        ".func f() { .local .align 8 .b8 stack[256]; .reg .b64 %rd<2>; .reg .b32 %r<2>; mov.u64 %rd0, stack;\n"
        "mov.u32 %r0, 1; st.local.u32 [%rd0], %r0;\n{ call.uni f, (); } // here\nret; }\n.entry k() { call.uni f, (); ret; }"),
    [], "fault", "the call stack overflows", line="// here",
)  # fmt: skip
check.finds(
    "a barrier that does not exist", kernel("mov.u32 %r1, 16;\nbar.sync %r1; // here"), [], "fault",
    "barrier 16 does not exist", line="// here",
)  # fmt: skip
check.finds(
    "a barrier of half a warp", kernel("bar.sync 1, 16; // here"), [], "fault", "no multiple of a warp", line="// here",
)  # fmt: skip

#
# Switched off
#

result = check.runner.run(exchange("", "bar.sync 0;", lane=1), [out], block=N, check="bounds,deadlock")
if result.code != 0 or result.errors:
    check.fail("without the check for races", result.errors)
result = check.runner.run(kernel(COPY.format(offset="+4"), "u64 in, u64 out"), [data, out], grid=2, check="none")
if result.code != 1 or "bounds" not in result.errors or result.outputs[0] is not None:
    check.fail("bounds cannot be switched off", result.errors)

#
# Not supported, not on the target
#

check.refuses("an unknown instruction", kernel("frobnicate.u32 %r1, %r0; // here"), "frobnicate", line="// here")
check.refuses("fma that does not say how it rounds", kernel("fma.f32 %f1, %f2, %f3, %f4; // here"), "rounding mode", line="// here")
check.refuses("an unknown modifier", kernel("ld.global.v3.u32 %r1, [%rd0]; // here"), "v3", line="// here")
check.refuses(
    "clusters on sm_80", kernel("barrier.cluster.arrive; // here", target="sm_80"), "sm_90 or later", "sm_80",
    line="// here",
)  # fmt: skip
check.refuses(
    "a function that is not there",
    module(".extern .func f();\n.entry k() {\ncall.uni f, (); // here\nret; }"), "'f'", line="// here",
)  # fmt: skip
check.refuses(
    "a register of another size", kernel("add.u32 %r1, %r0, %rd0; // here"), "%rd0", line="// here",
)  # fmt: skip

sys.exit(check.finish())
