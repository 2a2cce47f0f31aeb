//===- PTXFuzzTest.cpp - Ten thousand broken PTX files --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Mutations of modules as compilers write them: each must be read, or refused
// with a message and a line.
//
//===----------------------------------------------------------------------===//

#include "AST.h"
#include "Loader.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace sparsedrop::ptx;

namespace {

//===----------------------------------------------------------------------===//
// Modules
//===----------------------------------------------------------------------===//

/// A producer warp that loads tiles by TMA, a warpgroup that multiplies them.
constexpr const char *kHopper = R"(.version 8.6
.target sm_90a
.address_size 64

.extern .shared .align 1024 .b8 tiles[];

.visible .entry gemm(
	.param .align 64 .b8 gemm_param_0[128],
	.param .align 64 .b8 gemm_param_1[128],
	.param .u64 .ptr .global .align 16 gemm_param_2,
	.param .u32 gemm_param_3
)
.reqntid 256, 1, 1
.explicitcluster
.reqnctapercluster 2, 1, 1
{
	.reg .pred 	%p<6>;
	.reg .b16 	%rs<2>;
	.reg .b32 	%r<24>;
	.reg .f32 	%f<9>;
	.reg .b64 	%rd<16>;
	.shared .align 8 .b8 full[16];

	mov.u32 	%r1, %tid.x;
	mov.b64 	%rd1, gemm_param_0;
	cvta.param.u64 	%rd2, %rd1;
	ld.param.b32 	%r2, [gemm_param_3];
	mov.u32 	%r3, tiles;
	mov.u32 	%r4, full;
	setp.ne.s32 	%p1, %r1, 0;
	@%p1 bra 	$L__BB0_2;
	mbarrier.init.shared::cta.b64 	[%r4], 1;
	mbarrier.init.shared::cta.b64 	[%r4+8], 128;
	fence.mbarrier_init.release.cluster;
	prefetch.param.tensormap 	[%rd1];
$L__BB0_2:
	barrier.cluster.arrive.release.aligned;
	barrier.cluster.wait.acquire.aligned;
	mov.u32 	%r5, %cluster_ctarank;
	mapa.shared::cluster.u32 	%r6, %r4, %r5;
	setp.lt.u32 	%p2, %r1, 128;
	@!%p2 bra 	$L__BB0_5;
	setmaxnreg.dec.sync.aligned.u32 	40;
	elect.sync 	_|%p3, 0xFFFFFFFF;
	@!%p3 bra 	$L__BB0_8;
	mbarrier.arrive.expect_tx.shared::cta.b64 	_, [%r4], 8192;
	cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2, {%r2, 0}], [%r4];
	bra.uni 	$L__BB0_8;
$L__BB0_5:
	setmaxnreg.inc.sync.aligned.u32 	232;
	mov.b32 	%r7, 0;
	{
		.reg .pred 	P1;
		LAB_WAIT:
		mbarrier.try_wait.parity.shared::cta.b64 	P1, [%r4], %r7;
		@P1 bra 	DONE;
		bra 	LAB_WAIT;
		DONE:
	}
	mov.b64 	%rd4, 4611686293338849280;
	cvt.u64.u32 	%rd5, %r3;
	shr.u64 	%rd6, %rd5, 4;
	or.b64 	%rd7, %rd6, %rd4;
	wgmma.fence.sync.aligned;
	wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f1, %f2, %f3, %f4}, %rd7, %rd7, 0, 1, 1, 0, 0;
	wgmma.commit_group.sync.aligned;
	wgmma.wait_group.sync.aligned 	0;
	ld.param.b64 	%rd8, [gemm_param_2];
	mul.wide.u32 	%rd9, %r1, 16;
	add.s64 	%rd10, %rd8, %rd9;
	st.global.v4.f32 	[%rd10+-2048], {%f1, %f2, %f3, %f4};
$L__BB0_8:
	ret;
}
)";

/// Calls, tables, initializers, warp-wide operations.
constexpr const char *kAmpere = R"(.version 9.0
.target sm_80
.address_size 64

.func  (.param .b32 func_retval0) twice
(
	.param .b32 twice_param_0
)
;
.extern .shared .align 16 .b8 dyn[];
.global .align 4 .b8 matrix[24] = {1, 0, 0, 0, 2, 0xFF, -1};
.global .align 8 .u64 records[3] = {4611686018427387905, generic(matrix)+8, twice};
.const .align 4 .f32 weights[2][2] = {{0f3F800000, 1.5}, {-2.0e1}};
.visible .global .s64 folded = (.s64)(~0 >> 4) % 7 ? (1 << 3) | 1 : -5;

.visible .entry kernel(
	.param .u64 kernel_param_0,
	.param .u32 kernel_param_1
)
.maxntid 128, 1, 1
.minnctapersm 2
{
	.local .align 8 .b8 	__local_depot0[16];
	.reg .b64 	%SP, %SPL;
	.reg .pred 	%p<4>;
	.reg .b32 	%r<30>;
	.reg .f32 	%f<8>;
	.reg .b64 	%rd<10>;

	mov.u64 	%SPL, __local_depot0;
	cvta.local.u64 	%SP, %SPL;
	ld.param.u64 	%rd1, [kernel_param_0];
	cvta.to.global.u64 	%rd2, %rd1;
	ld.param.u32 	%r1, [kernel_param_1];
	mov.u32 	%r2, %tid.x;
	mul.wide.s32 	%rd3, %r2, 4;
	add.s64 	%rd4, %rd2, %rd3;
	mov.u32 	%r3, dyn;
	// begin inline asm
	cp.async.ca.shared.global [%r3], [%rd4], 16;
	// end inline asm
	cp.async.commit_group;
	cp.async.wait_group 	0;
	bar.sync 	0;
	ld.global.nc.v4.f32 	{%f1, %f2, %f3, %f4}, [%rd4];
	mov.b32 	%r4, %f1;
	shfl.sync.bfly.b32 	%r5|%p1, %r4, 16, 31, -1;
	ldmatrix.sync.aligned.m8n8.x4.shared.b16 	{%r6, %r7, %r8, %r9}, [%r3+64];
	mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 	{%f1, %f2, %f3, %f4}, {%r6, %r7, %r8, %r9}, {%r6, %r7}, {%f1, %f2, %f3, %f4};
	setp.gt.u32 	%p2, %r1, 1;
	@%p2 bra 	$L__BB0_4;
	$L_brx_0: .branchtargets
		$L__BB0_2,
		$L__BB0_3;
	brx.idx 	%r1, $L_brx_0;
$L__BB0_2:
	{ // callseq 0, 0
	.param .b32 param0;
	.param .b32 retval0;
	st.param.b32 	[param0], %r5;
	call.uni (retval0), twice, (param0);
	ld.param.b32 	%r10, [retval0];
	} // callseq 0
	st.local.u32 	[%SPL+4], %r10;
	bra.uni 	$L__BB0_4;
$L__BB0_3:
	ld.global.u64 	%rd5, [records+16];
	{ // callseq 1, 0
	.param .b32 param0;
	.param .b32 retval0;
	st.param.b32 	[param0], 7;
	prototype_1 : .callprototype (.param .b32 _) _ (.param .b32 _);
	call (retval0), %rd5, (param0), prototype_1;
	ld.param.b32 	%r10, [retval0];
	} // callseq 1
	atom.global.add.u32 	%r11, [%rd4], %r10;
$L__BB0_4:
	fma.rn.ftz.f32 	%f5, %f1, 0f40490FDB, %f2;
	st.global.f32 	[%rd4], %f5;
	ret;
}
.func  (.param .b32 func_retval0) twice(
	.param .b32 twice_param_0
)
{
	.reg .b32 	%r<3>;

	ld.param.u32 	%r1, [twice_param_0];
	shl.b32 	%r2, %r1, 1;
	st.param.b32 	[func_retval0], %r2;
	ret;
}
)";

/// With lines and debug sections.
constexpr const char *kDebug = R"(//
// Generated by hand
//
.version 7.8
.target sm_75, debug
.address_size 64
.file	1 "kernel.cu", 1700000000, 128
.func real { ret; }
.func named;
.visible .entry debug(.param .u64 p, .param .b32 q)
{
	.reg .v2 .b32 pair;
	.reg .b64 %rd<3>;
	.reg .b32 x, y;
	.reg .pred p0;
	.loc	1 3 2
$L__func_begin0:
	ld.param.v2.b32 pair, [p];
	.loc	1 4 5, function_name $L__info_string0, inlined_at 1 3 2
	.pragma "nounroll";
	mov.b32 x, pair.x;
	mov.b32 y, pair.y;
	setp.eq.or.u32 p0, x, y, !p0;
	@!p0 exit;
	call named;
	membar.gl;
	vote.sync.ballot.b32 x, p0, 0xffffffff;
	mov.b64 %rd1, {x, y};
	red.global.add.u64 [%rd1], 1;
	trap;
$L__func_end0:
}
.alias named, real;
	.section	.debug_abbrev
	{
.b8 1
.b32 $L__func_begin0+4
.b64 debug
.b64 $L__func_end0-$L__func_begin0
	}
	.section	.debug_str { $L__info_string0: .b8 95,90, 0 }
)";

constexpr const char *kModules[] = {kHopper, kAmpere, kDebug};

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

/// Whether the operand names only what there is.
bool isSound(const Operand &operand, const Module &module,
             const Function &function) {
  size_t numVariables = function.parameters.size() + function.results.size() +
                        function.variables.size();
  bool isSound = operand.kind != Operand::None;
  if (operand.kind == Operand::Reg)
    isSound = operand.index < function.registers.size();
  if (operand.kind == Operand::Label)
    isSound = operand.index <= function.body.size();
  if (operand.kind == Operand::Func)
    isSound = operand.index < module.functions.size();
  if (operand.kind == Operand::Var)
    isSound = operand.index < (operand.scope == Operand::ModuleScope
                                   ? module.variables.size()
                                   : numVariables);
  for (const Operand &element : operand.elements)
    isSound &= ::isSound(element, module, function);
  return isSound;
}

bool isSound(const Module &module) {
  bool isSound = true;
  for (const Variable &variable : module.variables) {
    isSound &= variable.data.size() <= variable.size;
    for (const Relocation &relocation : variable.relocations)
      isSound &=
          relocation.symbol < (relocation.isFunction ? module.functions.size()
                                                     : module.variables.size());
  }
  for (const Function &function : module.functions) {
    for (const Instruction &instruction : function.body) {
      isSound &= instruction.guard < int64_t(function.registers.size());
      for (const Operand &operand : instruction.operands)
        isSound &= ::isSound(operand, module, function);
    }
    for (const TargetList &list : function.targetLists)
      for (uint32_t target : list.targets)
        isSound &= target <= function.body.size();
  }
  return isSound;
}

/// What can be read is decoded, or refused with its line.
void decodeToo(const std::string &text) {
  DeviceMemory memory;
  ParseError error;
  std::unique_ptr<Program> program = load(text, memory, error);
  if (program) {
    EXPECT_EQ("", error.message) << text;
    unload(*program, memory);
  } else {
    EXPECT_NE("", error.message) << text;
    EXPECT_GE(error.line, 1u) << error.message << "\n" << text;
  }
  EXPECT_EQ(0u, memory.getUsedBytes()) << text;
}

/// Reads a text as a user's would be read; whether it was accepted.
bool check(const std::string &text) {
  Module module;
  ParseError error;
  bool isRead = parse(text, module, error);
  if (isRead) {
    EXPECT_TRUE(isSound(module)) << text;
    EXPECT_EQ("", error.message) << text;
    decodeToo(text);
    return true;
  }
  auto numLines = std::count(text.begin(), text.end(), '\n') + 1;
  EXPECT_NE("", error.message) << text;
  EXPECT_GE(error.line, 1u) << error.message << "\n" << text;
  EXPECT_LE(error.line, numLines) << error.message << "\n" << text;
  return false;
}

//===----------------------------------------------------------------------===//
// Mutations
//===----------------------------------------------------------------------===//

class Mutator {
public:
  explicit Mutator(uint32_t seed) : random(seed) {
    for (const char *module : kModules)
      for (std::string &token : split(module))
        words.push_back(std::move(token));
  }

  std::string mutate() {
    std::string text = kModules[below(std::size(kModules))];
    for (size_t count = 1 + below(3); count > 0; --count)
      text = below(8) == 0 ? mutateBytes(text) : mutateTokens(text);
    return text;
  }

private:
  // Not a distribution of the library's, which differs between libraries.
  size_t below(size_t bound) { return bound ? random() % bound : 0; }

  /// Words with their dots, spaces, and every other character by itself.
  static std::vector<std::string> split(const std::string &text) {
    auto getClass = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) ||
                     std::strchr("_$%.", c)
                 ? 1
             : std::isspace(static_cast<unsigned char>(c)) ? 2
                                                           : 0;
    };
    std::vector<std::string> tokens;
    int last = 0;
    for (char c : text) {
      int now = getClass(c);
      if (now == 0 || now != last)
        tokens.emplace_back();
      tokens.back() += c;
      last = now;
    }
    return tokens;
  }

  static std::string join(const std::vector<std::string> &tokens) {
    std::string text;
    for (const std::string &token : tokens)
      text += token;
    return text;
  }

  /// A word of the same look: a register, a number, an instruction, ...
  const std::string &findLike(const std::string &token) {
    auto getLook = [](const std::string &word) {
      char first = word[0];
      return std::isdigit(static_cast<unsigned char>(first))   ? '0'
             : first == '.' || first == '%'                    ? first
             : word.find('.') != std::string::npos             ? 'i'
             : std::isalpha(static_cast<unsigned char>(first)) ? 'a'
                                                               : first;
    };
    for (unsigned attempt = 0; attempt < 100; ++attempt) {
      const std::string &word = words[below(words.size())];
      if (getLook(word) == getLook(token) && word != token)
        return word;
    }
    return token;
  }

  std::string mutateTokens(const std::string &text) {
    static const char *const kOdd[] = {
        "0",          "-1",      "4294967295", "18446744073709551615",
        "0f7FC00000", "{",       "}",          "_",
        "<1000000>",  "%r1000",  ".v4",        "~0",
        "\"",         "/*",      ".b128",      "(((((((((((((((((((",
        "[",          "|",       "!",          ".align",
        ".reg",       ".shared", ".f64",       "@"};
    std::vector<std::string> tokens = split(text);
    auto at = tokens.begin() + below(tokens.size());
    auto other = tokens.begin() + below(tokens.size());
    if (tokens.empty())
      return text;
    switch (below(9)) {
    case 0:
      tokens.erase(at,
                   at + std::min<ptrdiff_t>(1 + below(3), tokens.end() - at));
      break;
    case 1:
      tokens.insert(at, *other);
      break;
    case 2:
      std::swap(*at, *other);
      break;
    case 3:
      *at = words[below(words.size())];
      break;
    case 4:
      *at = kOdd[below(std::size(kOdd))];
      break;
    case 5: // a piece again
      if (other < at)
        std::swap(at, other);
      std::rotate(at, other,
                  other + std::min<ptrdiff_t>(8, tokens.end() - other));
      break;
    default: // what the grammar may allow
      *at = findLike(*at);
    }
    return join(tokens);
  }

  std::string mutateBytes(std::string text) {
    size_t at = below(text.size());
    switch (below(4)) {
    case 0:
      return text.substr(0, at);
    case 1:
      if (!text.empty())
        text[at] = static_cast<char>(random());
      return text;
    case 2:
      return text.insert(at, 1, static_cast<char>(random()));
    default:
      return text.erase(at, 1 + below(40));
    }
  }

  std::mt19937 random;
  std::vector<std::string> words;
};

TEST(PTXFuzz, ModulesAreRead) {
  for (const char *module : kModules)
    EXPECT_TRUE(check(module)) << module;
}

TEST(PTXFuzz, MutationsAreReadOrRefused) {
  constexpr unsigned kTexts = 10000;
  Mutator mutator(/*seed=*/20251126);
  unsigned numRead = 0;
  for (unsigned i = 0; i < kTexts && !::testing::Test::HasFailure(); ++i)
    numRead += check(mutator.mutate());
  // Both happen, or the mutations would test one of them alone.
  EXPECT_GT(numRead, kTexts / 20);
  EXPECT_LT(numRead, kTexts / 2);
  RecordProperty("accepted", static_cast<int>(numRead));
}

} // namespace
