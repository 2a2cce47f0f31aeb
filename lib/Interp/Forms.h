//===- Forms.h - Instructions by tables -------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_FORMS_H
#define SPARSEDROP_LIB_INTERP_FORMS_H

#include "Decoder.h"

namespace sparsedrop::ptx {

/// A form of an instruction: its opcode, the modifiers that it has beside the
/// type ("hi.sat", or empty), the type, and the types of its operands.
struct Form {
  std::string_view opcode;
  std::string_view mode;
  Type type;
  Handler run;
  Type to, a;
  Type b = Type::None, c = Type::None; ///< None: there is no such operand
};

/// Decodes the instruction as the form with the longest mode that fits; fails
/// if there is none.
bool decodeForm(Decoder &decoder, const Form *begin, const Form *end);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_FORMS_H
