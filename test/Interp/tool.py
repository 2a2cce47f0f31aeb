# RUN: %python %s sparsedrop-ptx

"""The command line of sparsedrop-ptx: each wrong input gets one message and an
exit code that is not 0, and leaves no file; and what the options print."""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
from kernels import kernel, module

tool = sys.argv[1]
folder = tempfile.mkdtemp()
failures = passed = 0
GOOD = kernel("add.u64 %rd1, %in, %rd0; ld.global.u32 %r1, [%rd1]; add.u32 %r1, %r1, %n; add.u64 %rd2, %out, %rd0; st.global.u32 [%rd2], %r1;",
              "u64 in, u64 out, u32 n")  # fmt: skip
SHARED = kernel("mov.u32 %r1, room; st.shared.u32 [%r1], %r0;", before=".shared .align 4 .b8 room[40000];", target="sm_80")
TWO = module(".entry a() { ret; }\n.entry b(.param .u8 x) .reqntid 32 { ret; }")


def path(name):
    return os.path.join(folder, name)


def write(name, text):
    with open(path(name), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path(name)


for name, text in (("good", GOOD), ("shared", SHARED), ("two", TWO)):
    write(name + ".ptx", text)
np.save(path("x.npy"), np.arange(64, dtype=np.uint32))
np.save(path("fortran.npy"), np.asfortranarray(np.ones((3, 4), np.float32)))
np.save(path("complex.npy"), np.ones(3, np.complex64))
np.save(path("f16.npy"), np.ones((64, 64), np.float16))
write("cut.npy", open(path("x.npy"), "rb").read()[:150])
write("text.npy", "no array")
write("shape.npy", open(path("x.npy"), "rb").read().replace(b"(64,)", b"(6 4)"))
write("swapped.npy", open(path("x.npy"), "rb").read().replace(b"<u4", b">u4"))


def run(*words):
    return subprocess.run([tool, *(w.replace("@", folder + "/") if not w.startswith("--arg=tensormap") else w.replace("@", "@" + folder + "/", 1) for w in words)],
                          capture_output=True, text=True, timeout=120)  # fmt: skip


def fails(label, code, words, *expected):
    global failures, passed
    before = set(os.listdir(folder))
    done = run(*words)
    lines = done.stderr.strip().splitlines()
    good = done.returncode == code and len(lines) == 1 and all(e in lines[0] for e in expected)
    good &= set(os.listdir(folder)) == before
    passed += good
    failures += not good
    if not good:
        print(f"{label}: exit code {done.returncode}, expected {code}: {done.stderr.strip()[:300]}")


def prints(label, words, check):
    global failures, passed
    done = run(*words)
    good = done.returncode == 0 and not done.stderr and check(done.stdout)
    passed += good
    failures += not good
    if not good:
        print(f"{label}: exit code {done.returncode}: {done.stderr[:300]}{done.stdout[:500]}")


LAUNCH = ["@good.ptx", "--kernel=k", "--grid=2", "--block=32"]
ARGS = ["--arg=@x.npy", "--arg=out:u32:64:@y.npy", "--arg=u32:5"]

#
# The file
#

fails("no such file", 1, ["@none.ptx", "--list"], "none.ptx", "cannot be read")
fails("an empty file", 1, [write("empty.ptx", ""), "--list"], "empty.ptx:1: error:", ".version")
fails("no PTX", 1, [write("elf.ptx", b"\x7fELF\x02\x01\x01\0\0\0"), "--list"], "elf.ptx:1: error:")
for part in (0.2, 0.5, 0.9):
    fails(f"cut off at {part}", 1, [write("cut.ptx", GOOD[: int(len(GOOD) * part)]), "--list"], "cut.ptx:", "error:")
fails("an unknown version", 1, [write("v.ptx", GOOD.replace(".version 8.6", ".version 12.0")), "--list"], "v.ptx:1: error:", "12.0")
fails("an unknown target", 1, [write("t.ptx", GOOD.replace("sm_90a", "sm_33")), "--list"], "t.ptx:2: error:", "sm_33")
fails("an unsupported instruction", 1, [write("u.ptx", kernel("tex.2d.v4.f32.f32 {%f1,%f2,%f3,%f4}, [%rd1, {%f1,%f2}];")), "--list"], "u.ptx:", "error:")

#
# The launch
#

fails("a missing kernel", 2, ["@good.ptx", "--kernel=kk", *ARGS], "no kernel 'kk'", "'k'")
fails("which kernel", 2, ["@two.ptx"], "--kernel is needed", "'a', 'b'")
fails("too few parameters", 2, [*LAUNCH, *ARGS[:2]], "has 3 parameters, but there are 2 --arg")
fails("too many parameters", 2, [*LAUNCH, *ARGS, "--arg=u32:1"], "has 3 parameters, but there are 4 --arg")
fails("a parameter of another size", 2, [*LAUNCH, *ARGS[:2], "--arg=u64:5"], "parameter 2 ('k_n')", "has 4 bytes", "has 8")
fails("a scalar for a pointer", 2, [*LAUNCH, "--arg=u32:1", *ARGS[1:]], "parameter 0 ('k_in')", "has 8 bytes", "has 4")
fails("a grid of zero", 2, ["@good.ptx", "--grid=0", "--block=32", *ARGS], "the grid 0x1x1")
fails("a grid that is too large", 2, ["@good.ptx", "--grid=1,65536", "--block=32", *ARGS], "the grid 1x65536x1", "65535")
fails("a block of zero", 2, ["@good.ptx", "--block=32,0", *ARGS], "the block 32x0x1")
fails("a block that is too large", 2, ["@good.ptx", "--block=32,33", *ARGS], "1056 threads", "1024")
fails("a block that is too deep", 2, ["@good.ptx", "--block=1,1,65", *ARGS], "the block 1x1x65")
fails("a block that the kernel does not want", 2, ["@two.ptx", "--kernel=b", "--block=64", "--arg=u8:1"], "requires blocks of 32x1x1", "64x1x1")
fails("a cluster on sm_80", 2, ["@shared.ptx", "--cluster=2", "--grid=2", "--block=32"], "sm_90 or later")
fails("a cluster that does not divide the grid", 2, ["@good.ptx", "--cluster=2", "--grid=3", "--block=32", *ARGS], "not a multiple")
fails("a cluster that is too large", 2, ["@good.ptx", "--cluster=32", "--grid=32", "--block=32", *ARGS], "1 to 16")
fails("too much shared memory", 2, ["@shared.ptx", "--block=32", "--shared=130000"], "170000 bytes of shared memory", "sm_80", "166912")

#
# Options and arguments
#

fails("no file", 2, [], "expected a PTX file")
fails("two files", 2, ["@good.ptx", "@two.ptx"], "two files")
fails("an unknown option", 2, ["@good.ptx", "--frob=1"], "'--frob=1' is no option")
fails("an option without its value", 2, ["@good.ptx", "--grid"], "'--grid' is no option")
for option, value in (("grid", "x"), ("grid", "1,2,3,4"), ("grid", ""), ("block", "-1"), ("shared", "1e3"), ("shared", "99999999999"), ("check", "races"),
                      ("check", ""), ("threads", "-1"), ("seed", "99999999999999999999"), ("repeat", "0"), ("max-instructions", "many")):  # fmt: skip
    fails(f"a wrong {option}", 2, ["@good.ptx", f"--{option}={value}"], f"'{value}' is no value of --{option}")
for arg, expected in (
    ("none.npy", "cannot be opened"), ("@cut.npy", "is cut off"), ("@text.npy", "is not a .npy file"), ("@fortran.npy", "Fortran order"),
    ("@shape.npy", "a shape that cannot be read"), ("@swapped.npy", "'>u4', which is not supported"),
    ("@complex.npy", "'<c8', which is not supported"), ("u32:-1", "'-1' is no number of type u32"), ("u8:256", "'256' is no number of type u8"),
    ("i8:-129", "no number"), ("u32:", "no number"), ("u32:5x", "no number"), ("f32:one", "no number"), ("bytes:abc", "pairs of hexadecimal digits"),
    ("bytes:zz", "pairs of hexadecimal digits"), ("out:q8:4:@y.npy", "'q8' is no type"), ("out:u8:4x:@y.npy", "'4x' is no shape"),
    ("out:u8:4", "expected out:TYPE:SHAPE:OUT.npy"), ("out:u64:99999999999,99999999999:@y.npy", "too large"), ("inout:@x.npy", "expected inout:"),
    ("ptr:0", "is no buffer that comes before"), ("ptr:x", "is no INDEX"), ("ptr:0+x", "is no INDEX"),
    ("tensormap", "expected tensormap@BUFFER"), ("ptr:tensormap", "expected tensormap@BUFFER"), ("tensormap#3:f16:4:", "is no buffer"),
):  # fmt: skip
    fails(f"argument {arg}", 2, [*LAUNCH, f"--arg={arg}"], expected)
MAP = "tensormap@f16.npy"
for fields, expected in (
    ("f17:64,64:128:64,8", "'f17' is no type of a tensor map"), ("f16:64,64,:128:64,8", "no list of 1 to 5 sizes"), ("f16:64,64::64,8", "no list of 1 strides"),
    ("f16:64,64:128:64", "no box of 2 sizes"), ("f16:64,64:128:64,8:1", "no list of 2 element strides"), ("f16:64,64:128:64,8:1,1:48", "no swizzle"),
    ("f16:64,64:128:64,8:1,1:128:8", "no interleave"), ("f16:64,64:128:64,8:1,1:128:none:one", "no fill"), ("f16:64,64:128:64,8:1,1:128:none:zero:x", "is left"),
    ("f16:64,64:120:64,8", "16"), ("f16:64,64:128:512,8", "256"), ("f16:64,0:128:64,8", "dimension"), ("f16:64,64:128:64,8:1,1:32", "32"),
):  # fmt: skip
    fails(f"tensor map {fields}", 2, [*LAUNCH, f"--arg={MAP}:{fields}"], expected)
fails("an output that cannot be written", 1, [*LAUNCH, ARGS[0], "--arg=out:u32:64:@none/y.npy", ARGS[2]], "cannot be written")
os.mkdir(path("folder"))
TWO_OUTPUTS = kernel("add.u64 %rd1, %a, %rd0; add.u64 %rd2, %b, %rd0; st.global.u32 [%rd1], %r0; st.global.u32 [%rd2], %r0;", "u64 a, u64 b")
for other in ("@folder", "@none/y.npy"):
    fails(f"outputs of which {other} cannot be written", 1, [write("outputs.ptx", TWO_OUTPUTS), "--block=32", "--arg=out:u32:32:@first.npy",
                                                          f"--arg=out:u32:32:{other}"], "cannot be written")  # fmt: skip
fails("a trace that cannot be written", 1, [*LAUNCH, *ARGS, "--trace=@none/t"], "cannot be written")
fails("outputs of a launch that a finding ended", 1, [*LAUNCH, ARGS[0], "--arg=out:u32:32:@z.npy", ARGS[2]], "error: bounds:")

#
# What is printed and written
#

prints("help", ["--help"], lambda text: "usage: sparsedrop-ptx FILE.ptx" in text)
prints("version", ["--version"], lambda text: text.startswith("sparsedrop-ptx ") and "." in text)
prints("list", ["@two.ptx", "--list"], lambda text: "a\n" in text and "parameter x: .u8, 1 bytes" in text and "block 32x1x1" in text)
prints("list of shared memory", ["@shared.ptx", "--list"], lambda text: "shared memory 40000 bytes" in text)
prints("a run", [*LAUNCH, *ARGS], lambda text: text == "" and np.array_equal(np.load(path("y.npy")), np.arange(64) + 5))
prints("options after arguments, in hexadecimal", [*ARGS[:2], "--arg=u32:0x10", "--block=64", "@good.ptx"],
       lambda text: np.array_equal(np.load(path("y.npy")), np.arange(64) + 16))  # fmt: skip
prints("a pointer into a buffer", ["@good.ptx", "--block=32", "--arg=@x.npy", "--arg=out:u32:32:@y.npy", "--arg=u32:0"], lambda text: np.load(path("y.npy"))[31] == 31)
np.save(path("z.npy"), np.zeros(64, np.uint32))
prints("an array that is read and written", ["@good.ptx", "--block=32", "--arg=inout:@x.npy:@y.npy", "--arg=ptr:0+128", "--arg=u32:1"],
       lambda text: np.array_equal(np.load(path("y.npy")), np.concatenate([np.arange(32), np.arange(32) + 1])))  # fmt: skip
prints("a trace", [*LAUNCH, *ARGS, "--trace"],
       lambda text: "block (0,0,0) warp 0 lanes 0xffffffff" in text and ": ld.global.u32 %r1 = 0x0" in text and text.count("st.global.u32") == 2)  # fmt: skip
prints("a trace in a file", [*LAUNCH, *ARGS, "--trace=@t.txt"], lambda text: text == "" and "ld.global.u32" in open(path("t.txt")).read())
prints("statistics", [*LAUNCH, *ARGS, "--stats"], lambda text: "bytes read, global" in text and " 256\n" in text)


def check_json(_):
    with open(path("s.json")) as file:
        counts = json.load(file)
    # Two warps; each thread loads and stores 4 bytes once.
    return (counts["global_read_bytes"], counts["global_write_bytes"], counts["instructions"]["load"], counts["instructions"]["store"]) == (256, 256, 64 * 4, 64)


prints("statistics in a file", [*LAUNCH, *ARGS, "--stats=@s.json"], check_json)
write("bank.ptx", kernel("mov.u32 %r1, room; shl.b32 %r2, %r62, 7; add.u32 %r1, %r1, %r2; st.shared.u32 [%r1], %r0;", before=".shared .align 4 .b8 room[4096];"))


def check_banks(_):
    with open(path("s.json")) as file:
        return json.load(file)["bank_conflicts"] == 31


prints("bank conflicts", ["@bank.ptx", "--block=32", "--stats=@s.json"], check_banks)
prints("time", [*LAUNCH, *ARGS, "--time", "--repeat=2"], lambda text: text.count(" ms, ") == 2 and "thread-instructions a second" in text)

print(f"{passed} passed, {failures} failed")
sys.exit(1 if failures else 0)
