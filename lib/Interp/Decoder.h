//===- Decoder.h - From instructions to handlers ----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each opcode has a function that reads an instruction's modifiers and operands
// and fills in an Inst, or says what it does not know. Everything that is not
// supported is found here, with its line, before anything runs.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_DECODER_H
#define SPARSEDROP_LIB_INTERP_DECODER_H

#include "Program.h"

#include <optional>
#include <string>
#include <unordered_map>

namespace sparsedrop::ptx {

/// A memory operand: [base + offset].
struct AddressOperand {
  uint32_t base = 0; ///< slot of 64 bits, or of 32 for .shared
  bool is32 = false; ///< the base has 32 bits
  int64_t offset = 0;
};

/// Decodes one instruction after the other of a function.
class Decoder {
public:
  Decoder(Program &program, Code &code, ParseError &error);

  /// Decodes the whole function; on failure the error says why.
  bool decode();

  //===--------------------------------------------------------------------===//
  // For the functions of opcodes
  //===--------------------------------------------------------------------===//

  /// The instruction being decoded, and what becomes of it.
  const Instruction &get() const { return *instruction; }
  Inst &inst() { return *current; }
  const Module &getModule() const { return *program.module; }
  const Program &getProgram() const { return program; }
  /// sm_XX; whether it has the features of the "a" targets.
  unsigned getArch() const { return program.module->arch; }
  bool isArchSpecific() const { return program.module->isArchSpecific; }

  /// Says that the instruction cannot be executed; returns false.
  bool fail(std::string message);
  /// Fails: "expected 3 operands, but got 2".
  bool expectOperands(size_t count);
  /// Fails unless the target is at least sm_`arch`.
  bool requireArch(unsigned arch, bool archSpecific = false);

  /// Modifiers that no call below has taken yet are refused at the end as "has
  /// the modifier .x, which is not supported".
  bool take(std::string_view modifier);
  /// Takes the first modifier that is a type, in order of the text.
  Type takeType();
  /// Takes the next modifier, whatever it is; empty at the end.
  std::string_view takeAny();
  /// The next modifier that nobody has taken, or empty.
  std::string_view peek() const;

  /// Slot of a source that is read as `type`: a register of that size, an
  /// immediate, the address of a variable, a special register. With `relaxed`
  /// a register may be wider (ISA 9.4.1: ld, st, cvt); `getRegisterSize` tells.
  std::optional<uint32_t> source(const Operand &operand, Type type,
                                 bool relaxed = false);
  /// Slot of a result; `_` gives a slot that nobody reads.
  std::optional<uint32_t> destination(const Operand &operand, Type type,
                                      bool relaxed = false);
  /// Bytes a lane of a register operand's slot; 0 if it is none.
  unsigned getRegisterSize(const Operand &operand) const;
  /// Reads operand `i` into op[i] as `type`. Fails if there is none.
  bool readSource(size_t i, Type type);
  bool readDestination(size_t i, Type type);
  /// The base and offset of an Address operand.
  std::optional<AddressOperand> address(const Operand &operand);
  /// The value of an operand that must be an integer immediate.
  std::optional<int64_t> immediate(const Operand &operand);
  /// A slot of constants.
  uint32_t constant(unsigned size, uint64_t low, uint64_t high = 0);
  /// A slot of `size` bytes a lane for the handler's own use.
  uint32_t scratch(unsigned size);
  /// The slot of the function's carry flag, CC.CF (ISA 9.7.2).
  uint32_t carry();
  /// Slots of the elements of a vector operand {a, b, ...} (or of the one
  /// register), each read or written as `type`.
  bool sources(const Operand &operand, Type type, std::vector<uint32_t> &slots);
  bool destinations(const Operand &operand, Type type,
                    std::vector<uint32_t> &slots);
  /// Marks registers as operands of wgmma (see touchesMatrixRegisters).
  void addMatrixRegisters(const std::vector<uint32_t> &slots);

  /// An object of the instruction; `inst().data` points to it.
  template <typename T> T &setData() {
    auto owned = std::make_unique<T>();
    T &data = *owned;
    static_assert(std::is_base_of_v<InstData, T>);
    // Handlers get the T itself, which multiple inheritance would move.
    current->data = &data;
    program.data.push_back(std::move(owned));
    return data;
  }

  /// Instruction index of a label operand in the decoded code (the same as in
  /// Function::body).
  Program &getMutableProgram() { return program; }
  Code &getCode() { return code; }

private:
  bool decodeInstruction(const Instruction &from, Inst &to);
  bool refuseLeftModifiers();
  uint32_t allocate(unsigned size);
  void allocateRegisters();
  std::optional<uint32_t> registerSlot(const Operand &operand, Type type,
                                       bool relaxed, bool isWrite);
  std::optional<uint32_t> immediateSlot(const Operand &operand, Type type);
  std::optional<uint32_t> variableAddress(const Operand &operand, Type type);
  std::optional<uint32_t> special(const Operand &operand, Type type);
  uint32_t specialSlot(uint32_t id, unsigned size);
  void note(uint32_t slot, bool isWrite);
  void markMatrixRegisters();

  Program &program;
  Code &code;
  ParseError &error;
  const Instruction *instruction = nullptr;
  Inst *current = nullptr;
  std::vector<bool> taken; ///< of the instruction's modifiers
  std::map<std::tuple<unsigned, uint64_t, uint64_t>, uint32_t> constants;
  std::map<std::pair<uint32_t, unsigned>, uint32_t> specials;
  std::vector<std::vector<SlotUse>> usedSlots; ///< of each instruction
  std::vector<bool> matrixSlots;               ///< by offset / 32
  std::optional<uint32_t> carrySlot;
};

/// Decodes the instruction that `decoder` is at; false after `fail`.
using DecodeFunction = bool (*)(Decoder &decoder);

/// An opcode, or an opcode and its first modifier, "st.async", which then goes
/// before the opcode alone. The modifier still has to be taken.
struct OpcodeEntry {
  std::string_view opcode;
  DecodeFunction decode;
};

/// Tables of opcodes, each ended by an entry without a function.
extern const OpcodeEntry kControlOpcodes[];   ///< bra, call, ret, exit ...
extern const OpcodeEntry kMoveOpcodes[];      ///< mov, prmt, selp
extern const OpcodeEntry kAddressOpcodes[];   ///< cvta, isspacep, mapa ...
extern const OpcodeEntry kIntegerOpcodes[];   ///< add.s32, mad, and, not ...
extern const OpcodeEntry kBitOpcodes[];       ///< shl, bfe, lop3, dp4a ...
extern const OpcodeEntry kCompareOpcodes[];   ///< setp, set, slct
extern const OpcodeEntry kFloatOpcodes[];     ///< add.f32, fma, sqrt, ex2 ...
extern const OpcodeEntry kConvertOpcodes[];   ///< cvt
extern const OpcodeEntry kMemoryOpcodes[];    ///< ld, st, prefetch ...
extern const OpcodeEntry kAtomicOpcodes[];    ///< atom, red
extern const OpcodeEntry kWarpOpcodes[];      ///< shfl, vote, match ...
extern const OpcodeEntry kReductionOpcodes[]; ///< redux, elect, bar.warp.sync
extern const OpcodeEntry kBarrierOpcodes[];   ///< bar, cluster barrier
extern const OpcodeEntry kFenceOpcodes[];     ///< fence, membar ...
extern const OpcodeEntry kMbarrierOpcodes[];  ///< mbarrier.*
extern const OpcodeEntry kAsyncCopyOpcodes[]; ///< cp.async, cp.async.bulk ...
extern const OpcodeEntry kMatrixOpcodes[];    ///< mma, ldmatrix, stmatrix ...
extern const OpcodeEntry kWarpgroupOpcodes[]; ///< wgmma.*, setmaxnreg

/// The entry of an opcode, or null. add, sub, mul and their like are in the
/// integer table or in the float table by their type: `findOpcode` looks at it.
DecodeFunction findOpcode(const Instruction &instruction);

/// Decodes all functions of a parsed module. Addresses of module variables must
/// be in program.variableAddresses.
bool decode(Program &program, ParseError &error);

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_DECODER_H
