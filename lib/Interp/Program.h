//===- Program.h - What is executed -----------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel decoded once: instructions with a handler and the places of their
// operands in the register file.
//
// The register file of a frame holds, for each register, constant and special
// register, a slot of 32 lanes side by side: 1 byte a lane for predicates and
// .b8, else 2, 4, 8 or 16. Slots are aligned to 32 bytes. So an operand is a
// byte offset, whether it is a register or an immediate, and
// `warp.lanes<float>(offset)[lane]` is its value. Predicates are 0 or 1.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_PROGRAM_H
#define SPARSEDROP_LIB_INTERP_PROGRAM_H

#include "AST.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sparsedrop::ptx {

class Warp;
struct Frame;
struct Inst;

/// A bit for each lane of a warp.
using LaneMask = uint32_t;
constexpr unsigned kNumLanes = 32;
constexpr LaneMask kAllLanes = ~LaneMask(0);

/// What a handler says of where its lanes go on.
enum class Flow : uint8_t {
  Next,  ///< at the next instruction
  Jump,  ///< the handler has moved them (branch, call, exit)
  Retry, ///< here, later: blocked, see Warp::wait
  Stop,  ///< nowhere: a finding ended the launch
};

/// Executes an instruction for the lanes of a mask that is never empty.
using Handler = Flow (*)(Warp &, const Inst &, LaneMask);

/// What statistics count instructions by.
enum class Class : uint8_t {
  Integer,
  Float,
  Half,
  Double,
  Convert,
  Move,
  Compare,
  Control,
  Load,
  Store,
  Atomic,
  Barrier,
  Warp,
  AsyncCopy,
  Matrix,
  Other,
};
constexpr unsigned kNumClasses = 16;
std::string_view getName(Class kind);

/// A decoded instruction.
struct Inst {
  static constexpr uint32_t kNoGuard = ~0u;

  Handler run = nullptr;
  uint32_t guard = kNoGuard; ///< offset of the guard predicate's slot
  uint32_t line = 0;
  bool guardNegated = false;
  Class kind = Class::Other;
  /// Reads or writes registers that some wgmma of the function uses; while one
  /// is pending, such instructions are checked (see Warp::pendingRegisters).
  bool touchesMatrixRegisters = false;
  uint8_t flags = 0;   ///< the handler's own
  uint32_t op[6] = {}; ///< slots: results first, then sources
  int64_t imm = 0;     ///< address offset, branch target ...
  /// What else the handler needs; owned by the Program.
  const void *data = nullptr;

  template <typename T> const T &getData() const {
    return *static_cast<const T *>(data);
  }
};

/// A range of slots that hold constants.
struct Constant {
  uint32_t offset;
  uint32_t size; ///< bytes a lane
  uint64_t bits[2];
};

/// A special register that is fixed for a warp; `id` in the order of
/// `Specials.cpp`.
struct SpecialSlot {
  uint32_t offset;
  uint32_t id;
  unsigned size; ///< bytes a lane
};

/// A register that an instruction uses.
struct SlotUse {
  uint32_t slot;
  bool isWrite;
};

/// A decoded function.
struct Code {
  const Function *function = nullptr;
  std::vector<Inst> insts; ///< ends with an implicit exit or return
  uint32_t frameSize = 0;  ///< bytes of the register file
  std::vector<Constant> constants;
  std::vector<SpecialSlot> specials;
  /// Slot of a function's parameter, its result or a .param variable, by the
  /// index of Function::getVariable: 32 blocks of the variable's size, rounded
  /// up to 16 bytes, a lane each.
  std::vector<uint32_t> paramSlots;
  /// Offsets of a kernel's parameters in the launch's buffer, by that index.
  std::map<uint32_t, uint32_t> paramOffsets;
  uint32_t parameterBytes = 0; ///< of a kernel
  uint32_t staticShared = 0;   ///< of a kernel: the dynamic part starts here
  /// Offset of a .local variable in the thread's frame of local memory.
  std::vector<uint64_t> localOffsets;
  uint64_t localSize = 0;
  /// Slots of Function::registers.
  std::vector<uint32_t> registerSlots;
  /// For instructions with touchesMatrixRegisters: those registers that they
  /// use.
  std::map<uint32_t, std::vector<SlotUse>> matrixUses;

  const std::vector<SlotUse> &getMatrixUses(uint32_t pc) const {
    static const std::vector<SlotUse> kNone;
    auto found = matrixUses.find(pc);
    return found == matrixUses.end() ? kNone : found->second;
  }
};

/// Where static shared memory is. Variables that one kernel alone uses lie over
/// those of the other kernels, behind those that several use.
struct SharedLayout {
  /// Offset of a shared variable from the start of the block's shared memory:
  /// {function or null, index} of the variable.
  std::map<std::pair<const Function *, uint32_t>, uint32_t> offsets;
};

/// Base of anything that decoded instructions own.
struct InstData {
  virtual ~InstData() = default;
};

/// A decoded module. Immutable once decoded.
struct Program {
  std::unique_ptr<Module> module;
  std::vector<Code> functions; ///< as Module::functions; no insts if declared
  std::vector<std::unique_ptr<InstData>> data;
  SharedLayout shared;
  /// Bytes of the module's global and constant variables live in device memory
  /// of the loader; addresses by index of Module::variables.
  std::vector<uint64_t> variableAddresses;

  const Code *findKernel(std::string_view name) const;
};

/// First byte of shared memory that a program owns: the system keeps what is
/// below on sm_90, so that address 0 is invalid.
constexpr uint32_t kSharedBase = 1024;
/// In a shared::cluster address, the rank of the block starts here.
constexpr unsigned kClusterRankShift = 24;
/// Generic addresses: windows that no host pointer is in.
constexpr uint64_t kSharedWindow = 0x1000000000000000;
constexpr uint64_t kLocalWindow = 0x2000000000000000;
constexpr uint64_t kParamWindow = 0x3000000000000000;
/// Functions: no memory, only a value that call can use.
constexpr uint64_t kCodeWindow = 0x4000000000000000;
constexpr uint64_t kWindowMask = 0xF000000000000000;

inline uint64_t getFunctionAddress(uint32_t function) {
  return kCodeWindow + 16 * (uint64_t(function) + 1);
}

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_PROGRAM_H
