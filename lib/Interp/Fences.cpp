//===- Fences.cpp - Fences and what waits a while -------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Machine.h"
#include "Mbarrier.h"
#include "MemoryAccess.h"

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// fence, membar (ISA 9.7.13.6)
//===----------------------------------------------------------------------===//

/// Accesses happen in the order of the program here, and atomic ones hand on
/// all that their agent knows; a fence adds nothing to that.
static Flow runFence(Warp &warp, const Inst &, LaneMask) {
  warp.getAgent().tick();
  return Flow::Next;
}

/// fence.proxy.async: what this warp knows of is there for the async proxy.
static Flow runProxyFence(Warp &warp, const Inst &, LaneMask) {
  warp.getAgent().fenceProxy();
  fenceMbarriers(warp);
  return Flow::Next;
}

/// fence.mbarrier_init: the initializations of mbarriers are.
static Flow runMbarrierFence(Warp &warp, const Inst &, LaneMask) {
  fenceMbarriers(warp);
  warp.getAgent().tick();
  return Flow::Next;
}

static bool decodeProxyFence(Decoder &decoder) {
  decoder.inst().run = runProxyFence;
  for (std::string_view word :
       {"proxy", "async", "async::generic", "alias", "tensormap::generic",
        "acquire", "release", "sync_restrict::shared::cta",
        "sync_restrict::shared::cluster"})
    decoder.take(word);
  takeSpace(decoder);
  takeScope(decoder);
  // The tensor map that fence.proxy.tensormap names is read when it is used.
  size_t count = decoder.get().operands.size();
  return count == 0 || count == 2 || decoder.expectOperands(0);
}

static bool decodeFence(Decoder &decoder) {
  Inst &inst = decoder.inst();
  inst.kind = Class::Barrier;
  if (decoder.get().has("proxy"))
    return decodeProxyFence(decoder);
  inst.run = decoder.take("mbarrier_init") ? runMbarrierFence : runFence;
  for (std::string_view word :
       {"sc", "acq_rel", "acquire", "release", "sync_restrict::shared::cta",
        "sync_restrict::shared::cluster"})
    decoder.take(word);
  takeScope(decoder);
  return decoder.expectOperands(0);
}

//===----------------------------------------------------------------------===//
// griddepcontrol, nanosleep (ISA 9.7.13.13, 9.7.12.8)
//===----------------------------------------------------------------------===//

/// Grids run one after the other: what this one depends on has ended.
static Flow runNothing(Warp &, const Inst &, LaneMask) { return Flow::Next; }

static bool decodeGridControl(Decoder &decoder) {
  decoder.inst().kind = Class::Barrier;
  decoder.inst().run = runNothing;
  if (!decoder.requireArch(90))
    return false;
  if (!decoder.take("launch_dependents") && !decoder.take("wait"))
    return decoder.fail("expected .launch_dependents or .wait");
  return decoder.expectOperands(0);
}

static bool decodeNanosleep(Decoder &decoder) {
  decoder.inst().kind = Class::Other;
  decoder.inst().run = runNothing;
  decoder.take("u32");
  return decoder.expectOperands(1) && decoder.readSource(0, Type::U32);
}

const OpcodeEntry sparsedrop::ptx::kFenceOpcodes[] = {
    {"fence", decodeFence},
    {"membar", decodeFence},
    {"griddepcontrol", decodeGridControl},
    {"nanosleep", decodeNanosleep},
    {"", nullptr},
};
