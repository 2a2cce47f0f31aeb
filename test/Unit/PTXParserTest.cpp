//===- PTXParserTest.cpp - What the parser reads --------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PTXText.h"

#include "gtest/gtest.h"

#include <cstring>
#include <string>
#include <vector>

using namespace sparsedrop::ptx;

namespace {

std::string hex(uint64_t value) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%llx",
                static_cast<unsigned long long>(value));
  return buffer;
}

/// Writes operands so that each kind looks different.
class Printer {
public:
  Printer(const Module &module, const Function &function)
      : module(module), function(function) {}

  std::string print(const Operand &operand) const {
    return (operand.isNegated ? "!" : "") + printKind(operand);
  }
  std::string print(const Instruction &instruction) const {
    std::string text;
    if (instruction.guard >= 0)
      text = (instruction.guardNegated ? "@!" : "@") +
             function.registers.at(instruction.guard).name + " ";
    text += instruction.opcode;
    for (const std::string &modifier : instruction.modifiers)
      text += "." + modifier;
    return text + printList(instruction.operands, " ", "");
  }

private:
  std::string printList(const std::vector<Operand> &list, std::string open,
                        const std::string &close) const {
    std::string text;
    for (const Operand &operand : list) {
      text += (text.empty() ? open : ", ") + print(operand);
    }
    return (text.empty() ? open == " " ? "" : open : text) + close;
  }

  std::string printKind(const Operand &operand) const {
    static const char *const kNumbers[] = {"#", "single ", "double "};
    const auto &elements = operand.elements;
    switch (operand.kind) {
    case Operand::None:
      return "none";
    case Operand::Reg:
      return function.registers.at(operand.index).name;
    case Operand::Immediate:
      return kNumbers[operand.number] + hex(operand.bits);
    case Operand::Special:
      return "special " + operand.name;
    case Operand::Var:
      return operand.scope == Operand::ModuleScope
                 ? "global " + module.variables.at(operand.index).name
                 : "variable " + function.getVariable(operand.index).name;
    case Operand::Func:
      return "function " + module.functions.at(operand.index).name;
    case Operand::Label:
      return "label " + std::to_string(operand.index);
    case Operand::Address:
      return printList(elements, "[", "") + " + " +
             std::to_string(static_cast<int64_t>(operand.bits)) + "]";
    case Operand::Vector:
      return printList(elements, "{", "}");
    case Operand::Group:
      return printList(elements, "(", ")");
    case Operand::Pair:
      return print(elements.at(0)) + "|" + print(elements.at(1));
    case Operand::Sink:
      return "_";
    case Operand::Name:
      return "name " + operand.name;
    }
    return "?";
  }

  const Module &module;
  const Function &function;
};

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

struct Form {
  const char *text, *printed;
};

const Form kForms[] = {
    {"ret;", "ret"},
    {"mov.u32 %r1, %r2;", "mov.u32 %r1, %r2"},
    {"mov . u32 %r1,%r2 ;", nullptr},
    {"mov\n.u32 // x\n %r1 /* y */, %tid.x;", "mov.u32 %r1, special %tid.x"},
    {"mov.u32 %r1, %laneid;", "mov.u32 %r1, special %laneid"},
    {"mov.u32 %r1, %envreg3;", "mov.u32 %r1, special %envreg3"},
    {"mov.u32 %r1, %pm0_64;", "mov.u32 %r1, special %pm0_64"},
    {"mov.u64 %rd1, %clock64;", "mov.u64 %rd1, special %clock64"},
    {"mov.u32 %r1, WARP_SZ;", "mov.u32 %r1, #20"},
    {"mov.u32 %r1, WARP_SZ-1;", "mov.u32 %r1, #1f"},
    {"mov.u64 %rd1, table;", "mov.u64 %rd1, global table"},
    {"mov.u64 %rd1, f;", "mov.u64 %rd1, function f"},
    {"mov.b64 %rd1, p;", "mov.b64 %rd1, variable p"},
    {"mov.b64 {%r1, _}, %rd1;", "mov.b64 {%r1, _}, %rd1"},
    {"mov.f32 v.x, v.g;", "mov.f32 v.x, v.y"},
    {"mov.v2.f32 v, {%f1, 0f3F800000};",
     "mov.v2.f32 {v.x, v.y}, {%f1, single 3f800000}"},
    {"mov.f32 %f1, 0f7FFFFFFF;", "mov.f32 %f1, single 7fffffff"},
    {"mov.f32 %f1, 1.5;", "mov.f32 %f1, double 3ff8000000000000"},
    {"mov.f32 %f1, .5;", "mov.f32 %f1, double 3fe0000000000000"},
    {"mov.f32 %f1, -1.5e1;", "mov.f32 %f1, double c02e000000000000"},
    {"mov.f64 %f1, 0dFFF0000000000000;",
     "mov.f64 %f1, double fff0000000000000"},
    {"add.s32 %r1, %r2, -8;", "add.s32 %r1, %r2, #fffffffffffffff8"},
    {"add.s32 %r1, %r2, (1 + 2) * 4;", "add.s32 %r1, %r2, #c"},
    {"and.b32 %r1, %r2, 1|6;", "and.b32 %r1, %r2, #7"},
    {"mov.b32 %r1, !0+1;", "mov.b32 %r1, #2"},
    {"mov.b32 %r1, !!7;", "mov.b32 %r1, #1"},
    {"@%p1 bra L;\nL: exit;", "@%p1 bra label 1"},
    {"@!%p1 bra.uni L; L: exit;", "@!%p1 bra.uni label 1"},
    {"L: bra L;", "bra label 0"},
    {"bra L; L:", "bra label 1"},
    {"and.pred %p1, %p2, !%p3;", "and.pred %p1, %p2, !%p3"},
    {"setp.lt.and.s32 %p1|%p2, %r1, 3, !%p3;",
     "setp.lt.and.s32 %p1|%p2, %r1, #3, !%p3"},
    {"shfl.sync.idx.b32 %r1|%p1, %r2, 0, 31, -1;",
     "shfl.sync.idx.b32 %r1|%p1, %r2, #0, #1f, #ffffffffffffffff"},
    {"elect.sync _|%p1, 0xFFFFFFFF;", "elect.sync _|%p1, #ffffffff"},
    {"ld.param.b64 %rd1, [p];", "ld.param.b64 %rd1, [variable p + 0]"},
    {"ld.param.b32 %r1, [m+16];", "ld.param.b32 %r1, [variable m + 16]"},
    {"ld.global.f32 %f1, [table+4];", "ld.global.f32 %f1, [global table + 4]"},
    {"ld.global.f32 %f1, [%rd1];", "ld.global.f32 %f1, [%rd1 + 0]"},
    {"ld.global.f32 %f1, [%rd1+8];", "ld.global.f32 %f1, [%rd1 + 8]"},
    {"ld.global.f32 %f1, [%rd1+-8];", "ld.global.f32 %f1, [%rd1 + -8]"},
    {"ld.global.f32 %f1, [%rd1-8];", "ld.global.f32 %f1, [%rd1 + -8]"},
    {"ld.global.f32 %f1, [%rd1+4*(1+1)];", "ld.global.f32 %f1, [%rd1 + 8]"},
    {"ld.global.f32 %f1, [4096];", "ld.global.f32 %f1, [#1000 + 0]"},
    {"ld.global.L1::no_allocate.L2::128B.v2.f32 {%f1, %f2}, [%rd1];",
     "ld.global.L1::no_allocate.L2::128B.v2.f32 {%f1, %f2}, [%rd1 + 0]"},
    {"st.global.v4.b32 [%rd1], {%r1, 1, %r2, _};",
     "st.global.v4.b32 [%rd1 + 0], {%r1, #1, %r2, _}"},
    {"cp.async.bulk.tensor.2d.shared::cluster.global.tile"
     ".mbarrier::complete_tx::bytes [%r1], [%rd1, {%r2, 5}], [%r3+8];",
     "cp.async.bulk.tensor.2d.shared::cluster.global.tile"
     ".mbarrier::complete_tx::bytes [%r1 + 0], [%rd1, {%r2, #5} + 0], "
     "[%r3 + 8]"},
    {"cp.async.bulk.prefetch.tensor.3d.L2.global.im2col [%rd1, {%r1,%r2,%r3}, "
     "{%r4}];",
     "cp.async.bulk.prefetch.tensor.3d.L2.global.im2col [%rd1, {%r1, %r2, "
     "%r3}, {%r4} + 0]"},
    {"wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f1,%f2,%f3,%f4}, "
     "%rd1, %rd2, %p1, 1, -1, 0, 1;",
     "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%f1, %f2, %f3, %f4}, "
     "%rd1, %rd2, %p1, #1, #ffffffffffffffff, #0, #1"},
    {"call g;", "call function g"},
    {"call.uni (r), f, (a, 4, %r1);",
     "call.uni (variable r), function f, (variable a, #4, %r1)"},
    {"call.uni f, ();", "call.uni function f, ()"},
    {"call (r), %rd1, (a), proto; proto: .callprototype (.param .b32 _) _ "
     "(.param .b32 _);",
     "call (variable r), %rd1, (variable a), name proto"},
    {"proto: .callprototype _; call %rd1, proto;", "call %rd1, name proto"},
    {"list: .calltargets g; call %rd1, list;", "call %rd1, name list"},
    {"t: .branchtargets L, M; brx.idx %r1, t; L: ret; M: ret;",
     "brx.idx %r1, name t"},
};

TEST(PTXParser, Instructions) {
  for (const Form &form : kForms) {
    std::string text =
        kHeader +
        ".global .b32 table[4];\n.func (.param .b32 x) f "
        "(.param .b32 y) { ret; }\n.func g { ret; }\n" +
        ".entry k(.param .b64 p, .param .align 64 .b8 m[128]) { " + kRegisters +
        ".param .b32 r; .param .b32 a; " + form.text + "\n}\n";
    Module module;
    ParseError error;
    if (!form.printed) {
      EXPECT_FALSE(parse(text, module, error)) << form.text;
      continue;
    }
    ASSERT_TRUE(read(text, module));
    const Function *kernel = module.findFunction("k");
    ASSERT_NE(nullptr, kernel);
    ASSERT_FALSE(kernel->body.empty()) << form.text;
    EXPECT_EQ(form.printed,
              Printer(module, *kernel).print(kernel->body.front()));
  }
}

TEST(PTXParser, LinesAndEndings) {
  Module module;
  std::string text = inKernel("\n/* a\nb */ mov.u32\n r,\n 1; // c\r\n ret;");
  text.replace(text.find('{'), 1, "{ .reg .u32 r;");
  ASSERT_TRUE(read(text + '\0' + "what follows is no PTX", module));
  const Function &kernel = module.functions.front();
  ASSERT_EQ(2u, kernel.body.size());
  EXPECT_EQ(4u, kernel.line);
  EXPECT_EQ(6u, kernel.body[0].line);
  EXPECT_EQ(9u, kernel.body[1].line);
}

TEST(PTXParser, LabelsOfScopes) {
  Module module;
  ASSERT_TRUE(read(
      inKernel("bra A; { bra A; bra B; A: ret; { A: bra A; bra B; B: ret; } } "
               "A: B: bra A;"),
      module));
  std::vector<uint32_t> targets;
  for (const Instruction &instruction : module.functions.front().body)
    if (!instruction.operands.empty())
      targets.push_back(instruction.operands[0].index);
  EXPECT_EQ((std::vector<uint32_t>{7, 3, 7, 4, 6, 7}), targets);
}

TEST(PTXParser, RegistersOfScopes) {
  Module module;
  ASSERT_TRUE(read(inKernel(".reg .b32 a; .reg .b16 %p1<9>, %p<12>; { .reg "
                            ".f64 a, %p<2>; mov.x a, %p1; mov.x %p12, %p11; } "
                            "mov.x a, %p1;"),
                   module));
  const Function &kernel = module.functions.front();
  // %p1 and a of the inner scope, %p1<9>'s %p12, %p11 of either range, ...
  std::vector<Type> types;
  for (const Register &reg : kernel.registers)
    types.push_back(reg.type);
  EXPECT_EQ((std::vector<Type>{Type::F64, Type::F64, Type::B16, Type::B16,
                               Type::B32, Type::B16}),
            types);
  EXPECT_NE(kernel.body[0].operands[0].index, kernel.body[2].operands[0].index);
}

TEST(PTXParser, ListsOfInnerScopesHaveTheirNames) {
  Module module;
  ASSERT_TRUE(read(inKernel(".reg .b32 i; { t: .branchtargets L; brx.idx i, t; "
                            "L: ret; } { t: .branchtargets L, M; brx.idx i, t; "
                            "M: ret; L: ret; }"),
                   module));
  const Function &kernel = module.functions.front();
  ASSERT_EQ(2u, kernel.targetLists.size());
  EXPECT_EQ(std::vector<uint32_t>{1}, kernel.targetLists[0].targets);
  EXPECT_EQ((std::vector<uint32_t>{4, 3}), kernel.targetLists[1].targets);
  EXPECT_EQ(kernel.targetLists[0].name, kernel.body[0].operands[1].name);
  EXPECT_EQ(kernel.targetLists[1].name, kernel.body[2].operands[1].name);
  EXPECT_NE(kernel.targetLists[0].name, kernel.targetLists[1].name);
}

//===----------------------------------------------------------------------===//
// Constants (ISA 4.5)
//===----------------------------------------------------------------------===//

// What ptxas 13.0 stores for them.
constexpr struct {
  const char *text;
  uint64_t bits;
} kConstants[] = {
    {"0", 0},
    {"077", 63},
    {"0x1fU", 31},
    {"0b101", 5},
    {"-12345678901234", uint64_t(-12345678901234)},
    {"18446744073709551615", ~0ull},
    {"0xFFFFFFFFFFFFFFFF", ~0ull},
    {"1+2*3-4", 3},
    {"(1+2)*3", 9},
    {"7/2", 3},
    {"-7/2", uint64_t(-3)},
    {"-7 % 3", 0}, // of unsigned numbers
    {"7U % 3", 1},
    {"1<<4|1", 17},
    {"-8>>1", uint64_t(-4)},
    {"~0>>1", ~0ull >> 1}, // ~ gives an unsigned number
    {"(~0)/2", ~0ull >> 1},
    {"(-1 & -1)/2", 0},
    {"(.u64)-1/2", ~0ull >> 1},
    {"(.s64)(~0)/2", 0},
    {"5 ^ 3", 6},
    {"-1 < 0", 1},
    {"-1 > 0U", 1},
    {"1.5 < 2.0", 1},
    {"2 >= 3", 0},
    {"4 == 4 && 0 || 1", 1},
    {"4 != 4 ? 5 : 6", 6},
    {"1 ? 2 : 0 ? 3 : 4", 2},
    {"!3 + ~0", ~0ull},
    {"1.5", 0x3FF8000000000000},
    {"1e5", 0x40F86A0000000000},
    {"-1.0/4", 0xBFD0000000000000},
    {"0d4000000000000000", 0x4000000000000000},
    {"WARP_SZ*2", 64},
    {"(-9223372036854775807-1)/-1", 0x8000000000000000},
};

TEST(PTXParser, Constants) {
  for (const auto &constant : kConstants) {
    Module module;
    ASSERT_TRUE(
        read(kHeader + ".global .b64 x = " + constant.text + ";", module));
    uint64_t bits = 0;
    const Variable &variable = module.variables.front();
    ASSERT_EQ(8u, variable.data.size());
    std::memcpy(&bits, variable.data.data(), 8);
    EXPECT_EQ(constant.bits, bits) << constant.text;
  }
}

//===----------------------------------------------------------------------===//
// Variables
//===----------------------------------------------------------------------===//

struct VariableCase {
  const char *text;
  Space space;
  Type type;
  uint64_t size;
  uint32_t align;
  const char *data; ///< in hexadecimal
};

const VariableCase kVariables[] = {
    {".global .f32 x;", Space::Global, Type::F32, 4, 4, ""},
    {".visible .global .align 16 .b8 x[3];", Space::Global, Type::B8, 3, 16,
     ""},
    {".const .align 8 .f64 x = 0d3FF0000000000000;", Space::Const, Type::F64, 8,
     8, "000000000000f03f"},
    {".shared .align 128 .b8 x[1024];", Space::Shared, Type::B8, 1024, 128, ""},
    {".extern .shared .align 16 .b8 x[];", Space::Shared, Type::B8, 0, 16, ""},
    {".weak .global .v4 .f32 x;", Space::Global, Type::F32, 16, 16, ""},
    {".common .global .u16 x[2][3][4];", Space::Global, Type::U16, 48, 2, ""},
    {".global .attribute(.managed) .b32 x;", Space::Global, Type::B32, 4, 4,
     ""},
    {".global .b32 x = -1;", Space::Global, Type::B32, 4, 4, "ffffffff"},
    {".global .b8 x[] = {1, 255, -2, 0x7f};", Space::Global, Type::B8, 4, 1,
     "01fffe7f"},
    {".global .b8 x[6] = {1, 2};", Space::Global, Type::B8, 6, 1, "0102"},
    {".global .s16 x[2][3] = {{1, 2}, {3}};", Space::Global, Type::S16, 12, 2,
     "0100020000000300"},
    {".global .s16 x[][2] = {{1}, {3, 4}, {5}};", Space::Global, Type::S16, 12,
     2, "01000000030004000500"},
    {".global .v2 .s8 x[2] = {{1, 2}, {3, 4}};", Space::Global, Type::S8, 4, 2,
     "01020304"},
    {".global .f32 x = 1.5;", Space::Global, Type::F32, 4, 4, "0000c03f"},
    {".global .b32 x = 1.5;", Space::Global, Type::B32, 4, 4, "0000c03f"},
    {".global .f32 x[2] = {0f7FC00001, -0.25};", Space::Global, Type::F32, 8, 4,
     "0100c07f000080be"},
};

TEST(PTXParser, Variables) {
  for (const VariableCase &expected : kVariables) {
    Module module;
    ASSERT_TRUE(read(kHeader + expected.text, module));
    ASSERT_EQ(1u, module.variables.size());
    const Variable &variable = module.variables.front();
    EXPECT_EQ("x", variable.name);
    EXPECT_EQ(expected.space, variable.space) << expected.text;
    EXPECT_EQ(expected.type, variable.type) << expected.text;
    EXPECT_EQ(expected.size, variable.size) << expected.text;
    EXPECT_EQ(expected.align, variable.align) << expected.text;
    EXPECT_EQ(expected.size == 0, variable.isUnsized) << expected.text;
    std::string data;
    for (uint8_t byte : variable.data)
      data += hex(byte >> 4) + hex(byte & 15);
    EXPECT_EQ(expected.data, data) << expected.text;
  }
}

TEST(PTXParser, Addresses) {
  Module module;
  ASSERT_TRUE(read(kHeader + ".global .b32 a[9], b;\n.func f;\n"
                             ".global .u64 x[5] = {a, 7, generic(b)+4, a-8, f};"
                             "\n.func f { ret; }\n",
                   module));
  const Variable &x = module.variables.at(2);
  ASSERT_EQ(4u, x.relocations.size());
  struct {
    uint64_t offset;
    uint32_t symbol;
    bool isFunction, isGeneric;
    int64_t addend;
  } expected[] = {{0, 0, false, false, 0},
                  {16, 1, false, true, 4},
                  {24, 0, false, false, -8},
                  {32, 0, true, false, 0}};
  for (size_t i = 0; i < 4; ++i) {
    const Relocation &relocation = x.relocations[i];
    EXPECT_EQ(expected[i].offset, relocation.offset);
    EXPECT_EQ(expected[i].symbol, relocation.symbol);
    EXPECT_EQ(expected[i].isFunction, relocation.isFunction);
    EXPECT_EQ(expected[i].isGeneric, relocation.isGeneric);
    EXPECT_EQ(expected[i].addend, relocation.addend);
    EXPECT_EQ(8u, relocation.size);
  }
  EXPECT_EQ(40u, x.data.size());
  EXPECT_EQ(7, x.data[8]);
}

TEST(PTXParser, VariablesOfFunctions) {
  Module module;
  ASSERT_TRUE(read(
      kHeader + ".global .b32 x;\n.func (.param .b32 r) f (.param .b64 a, "
                ".param .align 8 .b8 b[24]) { .local .b8 x[8]; .shared .b32 s; "
                "{ .global .b32 g = 5; .extern .shared .b8 d[]; ld.x [x]; ld.x "
                "[s]; ld.x [g]; ld.x [d]; ld.x [r]; ld.x [b]; } ret; }",
      module));
  const Function &function = module.functions.front();
  const char *const expected[] = {
      "ld.x [variable x + 0]", //
      "ld.x [variable s + 0]", "ld.x [global g + 0]",  "ld.x [variable d + 0]",
      "ld.x [variable r + 0]", "ld.x [variable b + 0]"};
  for (size_t i = 0; i < std::size(expected); ++i)
    EXPECT_EQ(expected[i],
              Printer(module, function).print(function.body.at(i)));
  EXPECT_EQ(24u, function.parameters.at(1).size);
  EXPECT_EQ(Space::Param, function.results.at(0).space);
  EXPECT_EQ(3u, function.variables.size());
  EXPECT_TRUE(function.variables.at(2).isUnsized);
  EXPECT_EQ(2u, module.variables.size());
}

TEST(PTXParser, ExternThenDefined) {
  Module module;
  ASSERT_TRUE(read(kHeader + ".extern .global .b32 x;\n.global .u64 p = x;\n"
                             ".visible .global .b32 x = 5;\n"
                             ".extern .global .b32 x;",
                   module));
  ASSERT_EQ(2u, module.variables.size());
  EXPECT_FALSE(module.variables[0].isExtern);
  EXPECT_TRUE(module.variables[0].isVisible);
  EXPECT_EQ(4u, module.variables[0].data.size());
}

//===----------------------------------------------------------------------===//
// Functions and what is skipped
//===----------------------------------------------------------------------===//

TEST(PTXParser, Functions) {
  Module module;
  ASSERT_TRUE(read(
      kHeader +
          ".extern .func (.param .b32 r) vprintf (.param .b64 a, .param .b64 "
          "b)\n;\n.func later;\n.visible .entry k (.param .u64 .ptr .global "
          ".align 16 a, .param .align 4 .b8 b[12])\n.maxntid 128, 2\n"
          ".minnctapersm 2 .maxnreg 64 .explicitcluster .reqnctapercluster 2, "
          "1, 1 .maxclusterrank 8 .pragma \"x\";\n{ call later; ret; }\n"
          ".weak .func .attribute(.unified(1,2)) later .noreturn { exit; }\n"
          ".entry q .reqntid 32,1,1 { }\n.func v (.param .align 8 .b8 x[]);\n",
      module));
  ASSERT_EQ(5u, module.functions.size());
  const Function &vprintf = module.functions[0], &later = module.functions[1];
  EXPECT_TRUE(vprintf.isDeclaration);
  EXPECT_EQ(1u, vprintf.results.size());
  EXPECT_FALSE(later.isDeclaration);
  EXPECT_EQ(1u, later.body.size());
  const Function &kernel = module.functions[2];
  EXPECT_TRUE(kernel.isKernel);
  EXPECT_EQ(1u, kernel.body[0].operands[0].index);
  EXPECT_TRUE(kernel.parameters[0].isParamPointer);
  EXPECT_EQ(8u, kernel.parameters[0].align);
  EXPECT_EQ(4u, kernel.parameters[1].align);
  EXPECT_EQ(128u, kernel.maxntid[0]);
  EXPECT_EQ(2u, kernel.maxntid[1]);
  EXPECT_EQ(1u, kernel.maxntid[2]);
  EXPECT_EQ(2u, kernel.minnctapersm);
  EXPECT_EQ(64u, kernel.maxnreg);
  EXPECT_TRUE(kernel.explicitCluster);
  EXPECT_EQ(2u, kernel.cluster[0]);
  EXPECT_EQ(8u, kernel.maxClusterRank);
  EXPECT_EQ(32u, module.functions[3].reqntid[0]);
  EXPECT_TRUE(module.functions[4].parameters[0].isUnsized);
  EXPECT_EQ(&kernel, module.findFunction("k"));
  EXPECT_EQ(nullptr, module.findFunction("none"));
}

TEST(PTXParser, Aliases) {
  Module module;
  ASSERT_TRUE(read(kHeader + ".func a;\n.entry k { call a; ret; }\n"
                             ".func b { ret; }\n.alias a, b;\n",
                   module));
  EXPECT_EQ(2u, module.functions[1].body[0].operands[0].index);
}

TEST(PTXParser, Prototypes) {
  Module module;
  ASSERT_TRUE(
      read(kHeader + ".func (.param .b64 r) f (.param .b32 a, .param .b16 b);\n"
                     ".entry k { .reg .b64 d; { p: .callprototype (.param "
                     ".align 4 .b8 _[12]) _ (.param .b64 _) .noreturn; q: "
                     ".calltargets f, f; } }",
           module));
  const Function &kernel = module.functions[1];
  ASSERT_EQ(2u, kernel.prototypes.size());
  EXPECT_EQ(12u, kernel.prototypes[0].results.at(0).size);
  EXPECT_EQ(8u, kernel.prototypes[0].parameters.at(0).size);
  EXPECT_EQ(8u, kernel.prototypes[1].results.at(0).size);
  EXPECT_EQ(2u, kernel.prototypes[1].parameters.at(1).size);
}

TEST(PTXParser, Skipped) {
  Module module;
  ASSERT_TRUE(
      read("// c\n/* d */" + kHeader +
               ".file 1 \"a\\\"b.cu\", 123, 456\n.pragma \"a\", \"b\";\n"
               ".entry k {\n.loc 1 2 3\n.loc 1 2 3, function_name $n0, "
               "inlined_at 1 2 3\n.loc 1 2 3, function_name $n0+8, inlined_at "
               "1 2 3\n.pragma \"nounroll\";\nret; }\n"
               ".section .debug_info { .b8 1, 2\n { .b32 $x + 4 } $l: .b64 k\n "
               "}\n.section .debug_loc { }\n",
           module));
  EXPECT_EQ(1u, module.functions.front().body.size());
  EXPECT_EQ(9u, module.versionMajor);
  EXPECT_EQ(0u, module.versionMinor);
}

TEST(PTXParser, Targets) {
  constexpr struct {
    const char *text;
    unsigned arch; ///< 0: refused
    bool isSpecific;
  } kTargets[] = {
      {"sm_50", 50, false},          {"sm_80", 80, false},
      {"sm_90", 90, false},          {"sm_90a", 90, true},
      {"sm_100f", 100, true},        {"sm_121a", 121, true},
      {"sm_80, debug", 80, false},   {"sm_80, texmode_independent", 80, false},
      {"sm_80a", 0, false},          {"sm_90f", 0, false},
      {"sm_81", 0, false},           {"sm_20", 0, false},
      {"sm_999999999999", 0, false}, {"sm_", 0, false},
      {"compute_80", 0, false},      {"sm_80, map_f64_to_f32", 0, false},
      {"gfx90a", 0, false},
  };
  for (const auto &target : kTargets) {
    Module module;
    ParseError error;
    bool isRead = parse(".version 8.0\n.target " + std::string(target.text) +
                            "\n.address_size 64",
                        module, error);
    EXPECT_EQ(target.arch != 0, isRead) << target.text;
    if (isRead) {
      EXPECT_EQ(target.arch, module.arch) << target.text;
      EXPECT_EQ(target.isSpecific, module.isArchSpecific) << target.text;
    } else {
      EXPECT_EQ(2u, error.line) << target.text;
      EXPECT_NE("", error.message);
    }
  }
}

} // namespace
