# RUN: %python %s sparsedrop-ptx

"""Control flow, moves, loads and stores of every width and space, calls (ISA
chapters 9.7.9 and 9.7.12), against NumPy."""

import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import Checker, Out, kernel, module

check = Checker(sys.argv[1])
N = 77  # a partial warp, and a partial block
lanes = np.arange(N, dtype=np.uint32)
OUT = "add.u64 %rd1, %out, %rd0; setp.ge.u32 %p15, %r0, 77; @%p15 bra END; st.global.u32 [%rd1], %r1; END:"


def gives(name, body, want, before="", target="sm_90a", **options):
    """%r1 of each thread is `want`."""
    text = kernel(body + OUT, "u64 out", before=before, target=target)
    for seed in (0, 5):
        check.clean(f"{name}, seed {seed}", text, [Out("u32", (N,))], [np.asarray(want, np.uint32)], grid=3, block=32, seed=seed)


#
# Branches
#

gives("loop of each lane's own length",
      "mov.u32 %r1, 0; mov.u32 %r2, 0; L: setp.ge.u32 %p0, %r2, %r0; @%p0 bra D; add.u32 %r1, %r1, %r2; add.u32 %r2, %r2, 1; bra L; D:",
      lanes * (lanes - 1) // 2)  # fmt: skip
gives("nested branches",
      "and.b32 %r2, %r0, 1; and.b32 %r3, %r0, 2; setp.ne.u32 %p0, %r2, 0; setp.ne.u32 %p1, %r3, 0; mov.u32 %r1, 100;"
      "@%p0 bra A; @%p1 bra B; add.u32 %r1, %r1, 1; bra C; B: add.u32 %r1, %r1, 2; bra C;"
      "A: @!%p1 bra E; add.u32 %r1, %r1, 3; bra C; E: add.u32 %r1, %r1, 4; C: add.u32 %r1, %r1, 1000;",
      1100 + np.choose(lanes & 3, [1, 4, 2, 3]))  # fmt: skip
gives("guards", "mov.u32 %r1, 5; setp.gt.u32 %p0, %r0, 10; @%p0 mov.u32 %r1, 6; @!%p0 add.u32 %r1, %r1, %r0;",
      np.where(lanes > 10, 6, 5 + lanes))  # fmt: skip
gives("a loop whose lanes leave and are counted",
      "mov.u32 %r1, 0; L: activemask.b32 %r2; popc.b32 %r3, %r2; add.u32 %r1, %r1, 1; setp.lt.u32 %p0, %r1, %r62; @%p0 bra L;",
      np.maximum(lanes % 32, 1))  # fmt: skip
gives("a branch table",
      "T: .branchtargets A, B, C; rem.u32 %r2, %r0, 3; brx.idx %r2, T; A: mov.u32 %r1, 10; bra D; B: mov.u32 %r1, 20; bra D;"
      "C: mov.u32 %r1, 30; D:", np.choose(lanes % 3, [10, 20, 30]))  # fmt: skip
gives("lanes that exit before the end", "mov.u32 %r1, %r0; setp.ge.u32 %p0, %r0, 77; @%p0 exit;", lanes)
gives("one lane after the other takes a lock",
      "mov.u32 %r9, flag; mov.u32 %r1, 0; setp.ne.u32 %p1, %r62, 0; @!%p1 st.shared.u32 [%r9], 0; @!%p1 st.shared.u32 [%r9+4], 0;"
      "bar.sync 0; L: atom.shared.cas.b32 %r3, [%r9], 0, 1; setp.ne.u32 %p0, %r3, 0; @%p0 bra L;"
      "ld.volatile.shared.u32 %r4, [%r9+4]; add.u32 %r4, %r4, 1; st.volatile.shared.u32 [%r9+4], %r4;"
      "atom.shared.exch.b32 %r3, [%r9], 0; bar.warp.sync -1; ld.volatile.shared.u32 %r1, [%r9+4];",
      np.full(N, 32), before=".shared .align 4 .b8 flag[8];")  # fmt: skip

#
# Moves
#

gives("pack and unpack of halves",
      "cvt.u16.u32 %h1, %r0; mov.u16 %h2, 7; mov.b32 %r2, {%h1, %h2}; mov.b32 {%h3, %h4}, %r2; mov.b32 %r1, {%h4, %h3};",
      lanes << 16 | 7)  # fmt: skip
gives("pack of words", "mov.b64 %rd2, {%r0, %r62}; mov.b64 {%r3, %r4}, %rd2; sub.u32 %r1, %r3, %r4;", lanes - lanes % 32)
gives("pack of four halves",
      "cvt.u16.u32 %h1, %r0; mov.u16 %h2, 1; mov.b64 %rd2, {%h2, %h1, %h2, %h1}; mov.b64 {%h3, %h4, %h5, %h6}, %rd2; cvt.u32.u16 %r1, %h6;",
      lanes)  # fmt: skip
gives("a register in its own place", "mov.b64 %rd2, {%r0, 9}; mov.b64 {%r2, %r0}, %rd2; mov.b64 %rd3, {%r0, %r2}; mov.b64 {_, %r0}, %rd3; mov.u32 %r1, %r0;", lanes)  # fmt: skip
gives("selp", "setp.lt.u32 %p0, %r0, 9; selp.b32 %r1, 3, %r0, %p0;", np.where(lanes < 9, 3, lanes))
gives("special registers",
      "mov.u32 %r2, %ntid.x; mov.u32 %r3, %nctaid.x; mov.u32 %r4, %laneid; mov.u32 %r5, %warpid; mad.lo.u32 %r1, %r2, 10, %r3;"
      "mad.lo.u32 %r1, %r1, 100, %r4; add.u32 %r1, %r1, %r5;", 32300 + lanes % 32)  # fmt: skip
gives("masks of lanes", "mov.u32 %r2, %lanemask_lt; popc.b32 %r1, %r2; mov.u32 %r3, %lanemask_ge; popc.b32 %r4, %r3; mad.lo.u32 %r1, %r1, 100, %r4;",
      lanes % 32 * 100 + 32 - lanes % 32)  # fmt: skip
for mode, table in {
    "f4e": [0x3210, 0x4321, 0x5432, 0x6543], "b4e": [0x5670, 0x6701, 0x7012, 0x0123],
    "rc8": [0x0000, 0x1111, 0x2222, 0x3333], "ecl": [0x3210, 0x3211, 0x3222, 0x3333],
    "ecr": [0x0000, 0x1110, 0x2210, 0x3210], "rc16": [0x1010, 0x3232, 0x1010, 0x3232],
    "": [int(i * 0x9E37) & 0xFFFF for i in range(N)],
}.items():  # fmt: skip
    a, b = 0x8899AABB, 0x44337766
    pool = [(b << 32 | a) >> (8 * i) & 255 for i in range(8)]
    want = []
    for lane in range(N):
        selectors = table[lane % 4] if mode else table[lane]
        chosen = [selectors >> (4 * i) & 15 for i in range(4)]
        values = [(255 if pool[s & 7] & 128 else 0) if s & 8 else pool[s & 7] for s in chosen]
        want.append(sum(v << (8 * i) for i, v in enumerate(values)))
    control = "%r0" if mode else "%r2"
    gives(f"prmt {mode or 'by index'}",
          f"mul.lo.u32 %r2, %r0, 0x9E37; prmt.b32{'.' * bool(mode)}{mode} %r1, 0x8899AABB, 0x44337766, {control};", want)  # fmt: skip

#
# Loads and stores: every width, extension to wider registers, every space
#

BYTES = np.random.default_rng(3).integers(0, 256, 1024).astype(np.uint8)
INIT = "{" + ",".join(map(str, BYTES)) + "}"
for space, declare in {"global": ".global", "const": ".const"}.items():
    for kind, dtype in {
        "u8": np.uint8, "s8": np.int8, "b8": np.uint8, "u16": np.uint16, "s16": np.int16, "b16": np.uint16, "u32": np.uint32,
    }.items():  # fmt: skip
        size = np.dtype(dtype).itemsize
        want = BYTES.view(dtype)[:N].astype(np.int64) & 0xFFFFFFFF
        gives(f"ld.{space}.{kind}",
              f"min.u32 %r5, %r0, 76; mul.wide.u32 %rd2, %r5, {size}; mov.u64 %rd3, bytes; add.u64 %rd3, %rd3, %rd2; ld.{space}.{kind} %r1, [%rd3];",
              want, before=f"{declare} .align 16 .b8 bytes[1024] = {INIT};")  # fmt: skip
gives("ld.s8 into 64 bits",
      "min.u32 %r5, %r0, 76; cvt.u64.u32 %rd2, %r5; mov.u64 %rd3, bytes; add.u64 %rd3, %rd3, %rd2; ld.global.s8 %rd4, [%rd3]; shr.u64 %rd4, %rd4, 32; cvt.u32.u64 %r1, %rd4;",
      np.where(BYTES[:N] & 128, 0xFFFFFFFF, 0), before=f".global .align 16 .b8 bytes[1024] = {INIT};")  # fmt: skip
for count, kind in ((2, "u8"), (4, "u8"), (2, "u16"), (4, "u16"), (2, "u32"), (4, "u32")):
    size = int(kind[1:]) // 8
    registers = [f"%r{10 + i}" for i in range(count)]
    values = BYTES[: 8 * size * count].view(f"u{size}").reshape(8, count).astype(np.uint64)
    weights = np.array([1, 3, 5, 7], np.uint64)[:count]
    gives(f"ld.v{count}.{kind}",
          f"and.b32 %r5, %r0, 7; mul.wide.u32 %rd2, %r5, {size * count}; mov.u64 %rd3, bytes; add.u64 %rd3, %rd3, %rd2;"
          f"ld.global.nc.v{count}.{kind} {{{', '.join(registers)}}}, [%rd3]; mov.u32 %r1, 0;"
          + "".join(f"mad.lo.u32 %r1, {r}, {2 * i + 1}, %r1;" for i, r in enumerate(registers)),
          (values @ weights)[lanes & 7] & 0xFFFFFFFF, before=f".global .align 16 .b8 bytes[1024] = {INIT};")  # fmt: skip
for space, declare, address in (
    ("shared", ".shared .align 16 .b8 room[1024];", "mov.u64 %rd2, room;"),
    ("local", "", "mov.u64 %rd2, stack;"),
):
    local = ".local .align 16 .b8 stack[1024];" if space == "local" else ""
    for kind, size in (("u8", 1), ("u16", 2), ("b32", 4), ("b64", 8)):
        value = {1: "%r9", 2: "%r9", 4: "%r9", 8: "%rd9"}[size]
        back = {8: "cvt.u32.u64 %r1, %rd10;"}.get(size, "mov.u32 %r1, %r10;")
        gives(f"st and ld of {space} {kind}",
              f"{local} {address} mul.wide.u32 %rd3, %r62, {size}; add.u64 %rd2, %rd2, %rd3; mul.lo.u32 %r9, %r0, 77; cvt.u64.u32 %rd9, %r9;"
              f"st.{space}.{kind} [%rd2], {value}; ld.{space}.{kind} {value.replace('9', '10')}, [%rd2]; {back}",
              lanes * 77 & ((1 << min(8 * size, 32)) - 1), before=declare)  # fmt: skip
        gives(f"the same at generic addresses: {space} {kind}",
              f"{local} {address} cvta.{space}.u64 %rd2, %rd2; mul.wide.u32 %rd3, %r62, {size}; add.u64 %rd2, %rd2, %rd3; mul.lo.u32 %r9, %r0, 77; cvt.u64.u32 %rd9, %r9;"
              f"st.{kind} [%rd2], {value}; ld.{kind} {value.replace('9', '10')}, [%rd2]; {back}",
              lanes * 77 & ((1 << min(8 * size, 32)) - 1), before=declare)  # fmt: skip
gives("isspacep",
      "mov.u64 %rd2, room; cvta.shared.u64 %rd3, %rd2; isspacep.shared %p0, %rd3; isspacep.global %p1, %rd3; isspacep.local %p2, %rd3;"
      "isspacep.global %p3, %out; selp.u32 %r1, 1, 0, %p0; @%p1 add.u32 %r1, %r1, 2; @%p2 add.u32 %r1, %r1, 4; @%p3 add.u32 %r1, %r1, 8;",
      np.full(N, 9), before=".shared .align 16 .b8 room[1024];")  # fmt: skip
gives("a pointer in a variable",
      "ld.global.u64 %rd2, [holder]; ld.global.u32 %r1, [%rd2]; ld.global.u64 %rd3, [holder+8]; ld.u32 %r2, [%rd3]; add.u32 %r1, %r1, %r2;",
      np.full(N, 42 + 43),
      before=".global .align 4 .u32 value[2] = {42, 43}; .global .align 8 .u64 holder[2] = {value, generic(value)+4};")  # fmt: skip
check.clean(
    "parameters of every width",
    module("""
.visible .entry k(.param .u8 a, .param .s16 b, .param .u32 c, .param .u64 out, .param .f64 d, .param .align 8 .b8 e[16]) {
  .reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .f64 %d<2>;
  ld.param.u8 %r1, [a]; ld.param.s16 %r2, [b]; ld.param.u32 %r3, [c]; ld.param.u64 %rd1, [out];
  ld.param.f64 %d1, [d]; ld.param.v2.u32 {%r4, %r5}, [e+8];
  st.global.v4.u32 [%rd1], {%r1, %r2, %r3, %r4}; st.global.u32 [%rd1+16], %r5; st.global.f64 [%rd1+24], %d1;
  mov.b64 %rd2, e; cvta.param.u64 %rd3, %rd2; ld.u32 %r6, [%rd3+4]; st.global.u32 [%rd1+20], %r6;
  ret;
}"""),
    ["u8:200", "i16:-5", "u32:7", Out("u32", (8,)), "f64:1.5", "bytes:0100000002000000030000000400000000".replace("0400000000", "04000000")],
    [np.array([200, 0xFFFFFFFB, 7, 3, 4, 2, 0, 0x3FF80000], np.uint32)], block=1,
)  # fmt: skip

#
# Calls
#

FUNCTIONS = """
.func (.param .b32 r) square(.param .b32 x) { .reg .b32 %r<3>; ld.param.u32 %r1, [x]; mul.lo.u32 %r2, %r1, %r1; st.param.b32 [r], %r2; ret; }
.func (.param .b32 r) cube(.param .b32 x) { .reg .b32 %r<3>; ld.param.u32 %r1, [x]; mul.lo.u32 %r2, %r1, %r1; mul.lo.u32 %r2, %r2, %r1; st.param.b32 [r], %r2; ret; }
.func (.param .b32 r) fib(.param .b32 n) {
  .reg .b32 %r<8>; .reg .pred %p<2>;
  ld.param.u32 %r1, [n]; setp.lt.u32 %p1, %r1, 2; @%p1 bra SMALL;
  sub.u32 %r2, %r1, 1;
  { .param .b32 a; .param .b32 b; st.param.b32 [a], %r2; call.uni (b), fib, (a); ld.param.b32 %r3, [b]; }
  sub.u32 %r2, %r1, 2;
  { .param .b32 a; .param .b32 b; st.param.b32 [a], %r2; call.uni (b), fib, (a); ld.param.b32 %r4, [b]; }
  add.u32 %r1, %r3, %r4;
SMALL: st.param.b32 [r], %r1; ret;
}
.func (.param .align 8 .b8 r[16]) swap(.param .align 8 .b8 x[16]) {
  .reg .b64 %rd<3>; ld.param.v2.b64 {%rd1, %rd2}, [x]; st.param.b64 [r], %rd2; st.param.b64 [r+8], %rd1; ret; }
"""
CALL = "{{ .param .b32 a; .param .b32 b; st.param.b32 [a], %r2; call (b), {f}, (a){proto}; ld.param.b32 %r1, [b]; }}"
gives("a call", "mov.u32 %r2, %r0;" + CALL.format(f="square", proto=""), lanes**2, before=FUNCTIONS)
gives("a call of some lanes", "mov.u32 %r1, 1; mov.u32 %r2, %r0; and.b32 %r3, %r0, 1; setp.ne.u32 %p0, %r3, 0; @%p0 bra S;"
      + CALL.format(f="cube", proto="") + "S:", np.where(lanes & 1, 1, lanes**3), before=FUNCTIONS)  # fmt: skip
gives("recursion, as deep as each lane needs", "rem.u32 %r2, %r0, 11;" + CALL.format(f="fib", proto=""),
      np.array([0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55])[lanes % 11], before=FUNCTIONS)  # fmt: skip
gives("a call by address",
      "P: .callprototype (.param .b32 _) _ (.param .b32 _); mov.u64 %rd2, square; mov.u64 %rd3, cube; mov.u32 %r2, %r0; and.b32 %r3, %r0, 1;"
      "setp.ne.u32 %p0, %r3, 0; selp.b64 %rd4, %rd2, %rd3, %p0;" + CALL.format(f="%rd4", proto=", P"),
      np.where(lanes & 1, lanes**2, lanes**3), before=FUNCTIONS)  # fmt: skip
gives("a call through a table",
      "P: .callprototype (.param .b32 _) _ (.param .b32 _); and.b32 %r3, %r0, 1; mul.wide.u32 %rd2, %r3, 8; mov.u64 %rd3, table; add.u64 %rd3, %rd3, %rd2;"
      "ld.global.u64 %rd4, [%rd3]; mov.u32 %r2, %r0;" + CALL.format(f="%rd4", proto=", P"),
      np.where(lanes & 1, lanes**2, lanes**3), before=FUNCTIONS + ".global .align 8 .u64 table[2] = {cube, square};")  # fmt: skip
gives("a structure in and out",
      "cvt.u64.u32 %rd5, %r0; { .param .align 8 .b8 a[16]; .param .align 8 .b8 b[16]; st.param.b64 [a], %rd5; st.param.b64 [a+8], 5; call.uni (b), swap, (a);"
      "ld.param.v2.b64 {%rd6, %rd7}, [b]; } cvt.u32.u64 %r1, %rd7; cvt.u32.u64 %r2, %rd6; mad.lo.u32 %r1, %r1, 10, %r2;",
      lanes * 10 + 5, before=FUNCTIONS)  # fmt: skip

sys.exit(check.finish())
