//===- PTXParserErrorsTest.cpp - What the parser refuses ------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PTXText.h"

#include "gtest/gtest.h"

#include <chrono>
#include <string>

using namespace sparsedrop::ptx;

namespace {

//===----------------------------------------------------------------------===//
// What is refused
//===----------------------------------------------------------------------===//

struct Refusal {
  const char *text;
  uint32_t line;
  const char *message; ///< a part of it
};

void expectRefusal(const std::string &text, const Refusal &expected) {
  Module module;
  ParseError error;
  EXPECT_FALSE(parse(text, module, error)) << expected.text;
  EXPECT_EQ(expected.line, error.line) << expected.text << error.message;
  EXPECT_NE(std::string::npos, error.message.find(expected.message))
      << expected.text << "\ngives: " << error.message;
}

TEST(PTXParser, RefusedFiles) {
  const Refusal kRefusals[] = {
      {"", 1,
       "expected the directive .version at the start of PTX, but the "
       "file ends here; it may be truncated"},
      {"\x7f"
       "ELF\x02\x01",
       1, "expected the directive .version at the start of PTX"},
      {"int main() {}", 1, "start of PTX, but got 'int'"},
      {"\n\n.target sm_80", 3, "start of PTX, but got '.target'"},
      {".version 10.0\n", 1, "a version of PTX from 1.0 to 9.9"},
      {".version 0.1\n", 1, "from 1.0 to 9.9, but got '0.1'"},
      {".version 9\n", 1, "from 1.0 to 9.9, but got '9'"},
      {".version\n\n", 3, "a version of PTX, but the file ends here"},
      {".version 9.0\n.entry k { ret; }", 2, "expected the directive .target"},
      {".version 9.0\n.target sm_80\n.address_size 32", 3,
       "expected addresses of 64 bits, but got 32"},
      {".version 9.0 /* \n\n", 1, "the file ends inside a comment"},
      {".version 9.0\n.target sm_80\n.file 1 \"abc\n", 3, "expected '\"'"},
  };
  for (const Refusal &refusal : kRefusals)
    expectRefusal(refusal.text, refusal);
}

const Refusal kModuleRefusals[] = {
    {".entry", 4, "the name of a function, but the file ends here"},
    {".entry k {", 4, "an instruction or '}', but the file ends here"},
    {".entry k { ret", 4, "an operand, but the file ends here"},
    {".entry k { ret;\n\n", 6, "the file ends here; it may be truncated"},
    {".section .debug {\n.b8 1\n", 6, "'}' at the end of a section"},
    {"foo", 4, "expected a variable or a function, but got 'foo'"},
    {"}", 4, "expected a variable or a function, but got '}'"},
    {".entry k ( { }", 4, "a parameter, .param, but got '{'"},
    {".entry k (.param x) { }", 4, "expected a type, but got 'x'"},
    {".entry k (.param .f33 x) { }", 4, "expected a type, but got '.f33'"},
    {".entry k (.param .b32 x[]) { }", 4, "a size of the parameter 'x'"},
    {".entry k (.param .b32 x, .param .b32 x) { }", 4, "'x' is declared twice"},
    {".entry k .frobnicate { }", 4, "a directive of the function"},
    {".entry k .maxntid 0 { }", 4, "a number of threads or blocks, but got 0"},
    {".entry k .maxntid 4294967296 { }", 4, "of at most 4294967295"},
    {".func f (.reg .b32 x) { }", 4, "in registers are not supported"},
    {".func f { }\n.func f { }", 5, "'f' is declared twice"},
    {".func f;\n.func f (.param .b32 x) { }", 5, "is declared in line 4 with"},
    {".func f;\n.entry f { }", 5, "is declared in line 4 with other"},
    {".global .b32 f;\n.func f;", 5, "'f' is declared twice"},
    {".global .b32 x;\n.global .b32 x;", 5, "'x' is declared twice"},
    {".global .b32 x", 4, "expected ';', but the file ends here"},
    {".global .b32 x[;", 4, "a constant, but got ';'"},
    {".global .b32 x[-1];", 4, "as the size of an array"},
    {".global .b32 x[3][0];", 4, "as the size of an array"},
    {".global .b32 x[1000000][1000000][1000000];", 4, "has more than"},
    {".global .b32 x[18446744073709551615];", 4, "as the size of an array"},
    {".global .b32 x[];", 4, "expected a size of 'x'"},
    {".global .align 3 .b32 x;", 4, "a power of two as the alignment"},
    {".global .align 0 .b32 x;", 4, "a power of two as the alignment"},
    {".global .align 99999999999 .b32 x;", 4, "an alignment of at most"},
    {".global .pred x;", 4, "predicates can only be in registers"},
    {".global .texref x;", 4, ".texref are not supported"},
    {".local .b32 x;", 4, "a module cannot be in .local"},
    {".param .b32 x;", 4, "a module cannot be in .param"},
    {".reg .b32 x;", 4, "a module cannot be in .reg"},
    {".shared .b32 x = 5;", 4, "'x' cannot have an initial value"},
    {".global .f16 x = 1.0;", 4, ".f16 cannot have an initial value"},
    {".global .f32 x = 1;", 4, "an initial value of type .f32 for 'x'"},
    {".global .s32 x = 1.0;", 4, "an initial value of type .s32 for 'x'"},
    {".global .b16 x = 1.0;", 4, "an initial value of type .b16 for 'x'"},
    {".global .f64 x = 0f3F800000;", 4, "an initial value of type .f64"},
    {".global .b32 x = {1};", 4, "a constant, but got '{'"},
    {".global .b32 x[2] = 1;", 4, "expected '{', but got '1'"},
    {".global .b32 x[2] = {1,2,3};", 4, "at most 2 initial values"},
    {".global .b32 x[2][2] = {1,2};", 4, "expected '{', but got '1'"},
    {".global .b8 x[2][9000000000] = {{1},{2}};", 4, "is too large"},
    {".global .b64 x = y;", 4, "'y' is not declared"},
    {".global .b32 y; .global .b32 x = y;", 4, "64 bits for the address"},
    {".shared .b32 y; .global .b64 x = y;", 4, "but 'y' is in .shared"},
    {".global .b8 y; .global .b8 x = 0xff(y);", 4, "masked addresses"},
    {".global .b32 x = 1/0;", 4, "division by zero"},
    {".global .b32 x = 1%(2-2);", 4, "division by zero"},
    {".global .b32 x = 0x;", 4, "malformed number '0x'"},
    {".global .b32 x = 089;", 4, "malformed number '089'"},
    {".global .b32 x = 0f3F80;", 4, "malformed number '0f3F80'"},
    {".global .b32 x = 18446744073709551616;", 4, "of at most 64 bits"},
    {".global .b32 x = 12abc;", 4, "malformed number '12abc'"},
    {".global .b32 x = 1.5.5;", 4, "but got '.5'"},
    {".global .f32 x = 1e;", 4, "malformed number"},
    {".global .f32 x = 1e999;", 4, "malformed number '1e999'"},
    {".global .f32 x = -0f3F800000;", 4, "expected an integer after '-'"},
    {".global .f32 x = 0f3F800000+1.0;", 4, "0f constants cannot be operands"},
    {".global .b32 x = ~1.5;", 4, "expected an integer after '~'"},
    {".global .b32 x = 1.5|1;", 4, "expected integers as operands of '|'"},
    {".global .b32 x = (.f32)1;", 4, "a cast to .s64 or .u64"},
    {".alias a, b;", 4, "a function that is declared, but got 'a'"},
    {".version 9.0", 4, "a variable or a function, but got '.version'"},
    {"\xff", 4, "unexpected character '?'"},
    {".", 4, "expected a word after '.'"},
};

TEST(PTXParser, RefusedModules) {
  for (const Refusal &refusal : kModuleRefusals)
    expectRefusal(kHeader + refusal.text, refusal);
}

const Refusal kBodyRefusals[] = {
    {"mov.u32 %r1, %r10;", 4, "'%r10' is not declared"},
    {"mov.u32 %r1, %r01;", 4, "'%r01' is not declared"},
    {"mov.u32 %r1, %nothing;", 4, "'%nothing' is not declared"},
    {"\n\nmov.u32 %r1, x;\nret;", 6, "'x' is not declared"},
    {"bra L;\n{ L: ret; }", 4, "'L' is not declared"},
    {"t: .branchtargets %r1;", 4, "'%r1' cannot be used here"},
    {"t: .branchtargets t;", 4, "'t' cannot be used here"},
    {"t: .branchtargets L;\nL: ret; t: ret;", 5, "'t' is declared twice"},
    {"L: ret; L: ret;", 4, "'L' is declared twice"},
    {".reg .b32 %r<4>;", 4, "'%r' is declared twice"},
    {".reg .b32 %r3;", 4, "'%r3' is declared twice"},
    {".reg .b32 p;", 4, "'p' is declared twice"},
    {".reg .b32 x<20000000>;", 4, "a number of registers of at most"},
    {".reg .b32 x<-1>;", 4, "expected a number of registers, but got '-'"},
    {".reg .b32 ;", 4, "the name of a register, but got ';'"},
    {".reg .v2 .b32 x<3>;", 4, "cannot be numbered"},
    {"@%r1 bra L; L:", 4, "a predicate as the guard, but '%r1' is none"},
    {"@p ret;", 4, "a predicate as the guard, but 'p' is none"},
    {"@%p1 { ret; }", 4, "an instruction after the guard, but got '{'"},
    {"@1 ret;", 4, "a predicate as the guard, but got '1'"},
    {"ret;;", 4, "an instruction or '}', but got ';'"},
    {"ret }", 4, "an operand, but got '}'"},
    {"add.s32 %r1, %r2, -%r3;", 4, "a constant, but got '%r3'"},
    {"add.s32 %r1 %r2;", 4, "',' or ';' after an operand, but got '%r2'"},
    {"add.s32 %r1, ;", 4, "an operand, but got ';'"},
    {"mov.u64 %rd1, p+8;", 4, "',' or ';' after an operand, but got '+'"},
    {"ld.u32 %r1, [%rd1+%r2];", 4, "a constant, but got '%r2'"},
    {"ld.u32 %r1, [%rd1*4];", 4, "a constant offset or ']', but got '*'"},
    {"ld.u32 %r1, [%rd1+1.5];", 4, "an integer as an offset"},
    {"ld.u32 %r1, [];", 4, "a register, a variable or a constant"},
    {"ld.u32 %r1, [x];", 4, "'x' is not declared"},
    {"ld.u32 %r1, [%rd1", 5, "']', but got '}'"},
    {"mov.b64 %rd1, {%r1, {%r2}};", 4, "a constant, but got '{'"},
    {"mov.b64 %rd1, {%r1;", 4, "expected '}', but got ';'"},
    {"mov.f32 %f1, v.z;", 4, "'v' has no element .z"},
    {"mov.f32 %f1, %r1.x;", 4, "'%r1' has no element .x"},
    {"setp.eq.s32 3|%p1, %r1, 3;", 4, "a constant, but got '%p1'"},
    {"setp.eq.s32 p|%p1, %r1, 3;", 4, "expected a register before '|'"},
    {"call (r), k;", 4, "'r' is not declared"},
    {".foo;", 4, "a variable, a register or an instruction, but got '.foo'"},
    {".loc 1 2\nret;", 5, "expected a number, but got 'ret'"},
    {".local .b32 x = 5;", 4, "'x' cannot have an initial value"},
    {".extern .local .b8 x[];", 4, "in .local cannot be .extern"},
    {".param .b8 x[99999999];", 4, "'x' has more than 16777216 bytes"},
    {"$x: .callprototype (.param .b32) _;", 4, "the name of a variable"},
    {"\x80", 4, "unexpected character"},
};

TEST(PTXParser, RefusedBodies) {
  for (const Refusal &refusal : kBodyRefusals)
    expectRefusal(inKernel(std::string(kRegisters) + refusal.text), refusal);
}

//===----------------------------------------------------------------------===//
// Sizes
//===----------------------------------------------------------------------===//

std::string repeat(const std::string &text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i)
    result += text;
  return result;
}

TEST(PTXParser, DeepNesting) {
  for (size_t depth : {50, 1000000}) {
    Module module;
    ParseError error;
    std::string open[] = {"{", "mov.x r, (", "mov.x r, -", "mov.x r, 1?"};
    for (const std::string &text : open) {
      size_t split = text.size() - (text == "mov.x r, 1?" ? 2 : 1);
      std::string body =
          text.substr(0, split) + repeat(text.substr(split), depth) + "1";
      EXPECT_FALSE(parse(inKernel(".reg .b32 r; " + body), module, error));
      EXPECT_NE(0u, error.line);
      EXPECT_EQ(depth > 64, error.message.find("nested") != std::string::npos)
          << error.message;
    }
  }
}

TEST(PTXParser, RegistersCostNothingUntilUsed) {
  Module module;
  ASSERT_TRUE(read(inKernel(".reg .b32 %r<1000000>; { .reg .b32 %r<1000000>; "
                            "mov.u32 %r999999, 1; } mov.u32 %r0, 1;"),
                   module));
  EXPECT_EQ(2u, module.functions.front().registers.size());
}

/// Texts ten times as long must not take a hundred times as long; the bound is
/// far above what is needed.
TEST(PTXParser, LongTexts) {
  const std::string kParts[] = {
      "bra L; ",
      "{ bra L; } ",
      "{ .reg .b32 a; mov.x a, 1; } ",
      "mov.x b, {b,b,b}; ",
      "// comment\n",
      "t: .branchtargets L; } { ",
  };
  for (const std::string &part : kParts) {
    Module module;
    auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(
        read(inKernel(".reg .b32 b; { " + repeat(part, 50000) + "} L: ret;"),
             module));
    std::chrono::duration<double> seconds =
        std::chrono::steady_clock::now() - start;
    EXPECT_LT(seconds.count(), 20) << part;
  }
}

TEST(PTXParser, EveryPrefixIsRefusedOrRead) {
  std::string text = inKernel(
      ".reg .b32 a<3>; .reg .pred q; { L: @!q mov.b32 a1, (1+0x1F)*2; } "
      "ld.x {a1, a2}, [p+8]; t: .branchtargets M; M: call (p), k, (m), t;");
  for (size_t size = 0; size < text.size() - 2; ++size) {
    Module module;
    ParseError error;
    bool isRead = parse(text.substr(0, size), module, error);
    EXPECT_EQ(isRead, error.message.empty());
    EXPECT_EQ(isRead, error.line == 0);
    // Only the header is a module.
    if (isRead)
      EXPECT_LE(size, kHeader.size());
  }
}

} // namespace
