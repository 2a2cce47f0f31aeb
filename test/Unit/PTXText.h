//===- PTXText.h - Pieces of PTX for tests ----------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TEST_UNIT_PTXTEXT_H
#define SPARSEDROP_TEST_UNIT_PTXTEXT_H

#include "AST.h"

#include "gtest/gtest.h"

#include <string>

inline const std::string kHeader =
    ".version 9.0\n.target sm_90a\n.address_size 64\n";

/// A kernel around statements, the first of which is in line 4.
inline std::string inKernel(const std::string &statements) {
  return kHeader + ".entry k(.param .b64 p, .param .align 64 .b8 m[128]) { " +
         statements + "\n}\n";
}

inline constexpr const char *kRegisters =
    ".reg .b32 %r<10>; .reg .b64 %rd<10>; .reg .pred %p<4>; .reg .f32 %f<9>; "
    ".reg .v2 .f32 v; ";

/// Parses what must be right.
inline bool read(const std::string &text, sparsedrop::ptx::Module &module) {
  sparsedrop::ptx::ParseError error;
  bool isRead = parse(text, module, error);
  EXPECT_TRUE(isRead) << error.line << ": " << error.message << "\n" << text;
  EXPECT_EQ("", error.message);
  return isRead;
}

#endif // SPARSEDROP_TEST_UNIT_PTXTEXT_H
