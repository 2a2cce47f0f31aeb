//===- Parameters.cpp - Accesses of parameters by name --------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CallData.h"
#include "Decoder.h"
#include "Elements.h"
#include "Lanes.h"
#include "Machine.h"

using namespace sparsedrop::ptx;

/// ld.param of a kernel's parameter: the same for all lanes.
static Flow runLoadParameter(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<Elements>();
  const uint8_t *bytes = warp.getLaunch().parameters.data() + inst.imm;
  for (size_t i = 0; i < data.slots.size(); ++i, bytes += data.size) {
    uint8_t wide[16];
    bool isNegative = data.isSigned && (bytes[data.size - 1] & 0x80);
    std::memset(wide, isNegative ? 0xFF : 0, sizeof(wide));
    std::memcpy(wide, bytes, data.size);
    uint8_t *to = warp.lanes<uint8_t>(data.slots[i]);
    forEachLane(mask, [&](unsigned lane) {
      std::memcpy(to + lane * data.registerSize, wide, data.registerSize);
    });
  }
  return Flow::Next;
}

/// ld.param and st.param of a variable of the frame: a block for each lane.
template <unsigned Size, bool IsStore>
static Flow runFrameParameter(Warp &warp, const Inst &inst, LaneMask mask) {
  const auto &data = inst.getData<Elements>();
  uint32_t stride = inst.op[1];
  uint8_t *block = warp.lanes<uint8_t>(inst.op[0]) + inst.imm;
  for (size_t i = 0; i < data.slots.size(); ++i, block += Size) {
    uint8_t *slot = warp.lanes<uint8_t>(data.slots[i]);
    forEachLane(mask, [&](unsigned lane) {
      if (IsStore)
        std::memcpy(block + lane * stride, slot + lane * data.registerSize,
                    Size);
      else
        putElement<Size>(slot, lane, block + lane * stride, data);
    });
  }
  return Flow::Next;
}

template <bool IsStore> static Handler pickFrameParameter(unsigned size) {
  switch (size) {
  case 1:
    return runFrameParameter<1, IsStore>;
  case 2:
    return runFrameParameter<2, IsStore>;
  case 4:
    return runFrameParameter<4, IsStore>;
  case 8:
    return runFrameParameter<8, IsStore>;
  }
  return runFrameParameter<16, IsStore>;
}

bool sparsedrop::ptx::decodeParameter(Decoder &decoder, const Operand &address,
                                      bool isStore, Elements &data) {
  Inst &inst = decoder.inst();
  const Operand &base = address.elements.front();
  const Code &code = decoder.getCode();
  const Variable &variable = code.function->getVariable(base.index);
  uint64_t offset = address.bits;
  uint64_t size = data.size * data.slots.size();
  if (offset > variable.size || size > variable.size - offset)
    return decoder.fail(
        "accesses " + std::to_string(size) + " bytes at offset " +
        std::to_string(static_cast<int64_t>(offset)) + " of '" + variable.name +
        "', which has " + std::to_string(variable.size));
  auto parameter = code.paramOffsets.find(base.index);
  if (parameter == code.paramOffsets.end()) {
    inst.op[0] = code.paramSlots[base.index];
    inst.op[1] = ParamPlace::getStride(variable.size);
    inst.imm = offset;
    inst.run = isStore ? pickFrameParameter<true>(data.size)
                       : pickFrameParameter<false>(data.size);
    return true;
  }
  if (isStore)
    return decoder.fail("writes '" + variable.name +
                        "', a parameter of the kernel");
  inst.imm = parameter->second + offset;
  inst.run = runLoadParameter;
  return true;
}
