//===- Forms.cpp - Instructions by tables ---------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Forms.h"

#include <algorithm>

using namespace sparsedrop::ptx;

/// Calls visit(word) for the words of a mode; false as soon as it says so.
template <typename Visitor>
static bool forEachWord(std::string_view mode, Visitor visit) {
  while (!mode.empty()) {
    size_t dot = std::min(mode.find('.'), mode.size());
    if (!visit(mode.substr(0, dot)))
      return false;
    mode.remove_prefix(std::min(dot + 1, mode.size()));
  }
  return true;
}

static bool fits(const Form &form, const Instruction &instruction) {
  return form.opcode == instruction.opcode &&
         instruction.has(getName(form.type)) &&
         forEachWord(form.mode, [&](std::string_view word) {
           return instruction.has(word);
         });
}

bool sparsedrop::ptx::decodeForm(Decoder &decoder, const Form *begin,
                                 const Form *end) {
  const Form *best = nullptr;
  for (const Form *form = begin; form != end; ++form)
    if (fits(*form, decoder.get()) &&
        (!best || best->mode.size() < form->mode.size()))
      best = form;
  if (!best)
    return decoder.fail("has no form of this type that is supported");
  decoder.take(getName(best->type));
  forEachWord(best->mode, [&](std::string_view word) {
    decoder.take(word);
    return true;
  });
  decoder.inst().run = best->run;
  const Type sources[] = {best->a, best->b, best->c};
  unsigned count = std::count_if(std::begin(sources), std::end(sources),
                                 [](Type type) { return type != Type::None; });
  if (!decoder.expectOperands(count + 1) ||
      !decoder.readDestination(0, best->to))
    return false;
  for (unsigned i = 0; i < count; ++i)
    if (!decoder.readSource(i + 1, sources[i]))
      return false;
  return true;
}
