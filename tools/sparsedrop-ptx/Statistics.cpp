//===- Statistics.cpp - What --stats and --list print ---------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Statistics.h"

using namespace sparsedrop;
using namespace sparsedrop::ptxtool;

namespace {
struct Entry {
  const char *key;   ///< in JSON
  const char *label; ///< in the table
  uint64_t value;
};
} // namespace

static std::vector<Entry> getEntries(const ptx::Statistics &s) {
  return {
      {"warp_instructions", "instructions of warps", s.warpInstructions},
      {"global_read_bytes", "bytes read, global", s.globalReadBytes},
      {"global_write_bytes", "bytes written, global", s.globalWriteBytes},
      {"shared_read_bytes", "bytes read, shared", s.sharedReadBytes},
      {"shared_write_bytes", "bytes written, shared", s.sharedWriteBytes},
      {"local_bytes", "bytes, local", s.localBytes},
      {"copy_bytes", "bytes of asynchronous copies", s.asyncCopyBytes},
      {"shared_accesses", "accesses of shared memory", s.sharedAccesses},
      {"bank_conflicts", "bank conflicts", s.bankConflicts},
      {"multiply_adds", "multiply-adds of matrix units", s.multiplyAdds},
  };
}

static void addRow(std::string &text, std::string label, uint64_t value) {
  std::string number = std::to_string(value);
  label.resize(34, ' ');
  text += "  " + label +
          std::string(16 - std::min<size_t>(16, number.size()), ' ') + number +
          "\n";
}

std::string
sparsedrop::ptxtool::formatTable(const ptx::Statistics &statistics) {
  std::string text = "instructions of threads, by class\n";
  for (unsigned i = 0; i < ptx::kNumClasses; ++i)
    if (statistics.instructions[i])
      addRow(text, std::string(ptx::getName(static_cast<ptx::Class>(i))),
             statistics.instructions[i]);
  text += "in all\n";
  for (const Entry &entry : getEntries(statistics))
    addRow(text, entry.label, entry.value);
  return text;
}

std::string sparsedrop::ptxtool::formatJson(const ptx::Statistics &statistics) {
  std::string text = "{\n  \"instructions\": {";
  for (unsigned i = 0; i < ptx::kNumClasses; ++i)
    text += std::string(i ? ", " : "") + "\"" +
            std::string(ptx::getName(static_cast<ptx::Class>(i))) +
            "\": " + std::to_string(statistics.instructions[i]);
  text += "}";
  for (const Entry &entry : getEntries(statistics))
    text += std::string(",\n  \"") + entry.key +
            "\": " + std::to_string(entry.value);
  return text + "\n}\n";
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

static std::string formatSize(const char *label, const uint32_t (&size)[3]) {
  if (!size[0])
    return "";
  std::string text = std::string("  ") + label + " ";
  for (unsigned i = 0; i < 3; ++i)
    text += (i ? "x" : "") + std::to_string(std::max(size[i], 1u));
  return text + "\n";
}

std::string sparsedrop::ptxtool::formatKernels(const ptx::Program &program) {
  std::string text;
  for (const ptx::Code &code : program.functions) {
    const ptx::Function &function = *code.function;
    if (!function.isKernel)
      continue;
    text += function.name + "\n";
    for (const ptx::Variable &parameter : function.parameters)
      text += "  parameter " + parameter.name + ": ." +
              std::string(ptx::getName(parameter.type)) + ", " +
              std::to_string(parameter.size) + " bytes\n";
    text += "  shared memory " + std::to_string(code.staticShared) +
            " bytes, local memory " + std::to_string(code.localSize) +
            " bytes, " + std::to_string(function.registers.size()) +
            " virtual registers, " + std::to_string(function.body.size()) +
            " instructions\n";
    text += formatSize("block", function.reqntid);
    text += formatSize("block at most", function.maxntid);
    text += formatSize("cluster", function.cluster);
  }
  return text;
}
