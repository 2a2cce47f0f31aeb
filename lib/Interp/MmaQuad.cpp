//===- MmaQuad.cpp - mma.m8n8k4 of f16
//-------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Four products of 8x4 by 4x8 at once (ISA 9.7.14.5.1): lanes 4q to 4q + 3 and
// 16 above them compute the q-th. Its fragments are like no other's.
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "FloatFormats.h"
#include "Machine.h"
#include "MatrixCompute.h"
#include "Mma.h"

using namespace sparsedrop::ptx;

namespace {

constexpr unsigned kSize = 8, kDepth = 4;

/// The place of accumulator `i` of a lane in the 8x8 tile: of f16, a row; of
/// f32, pairs here and there.
unsigned getPlace(Accumulator kind, unsigned lane, unsigned i) {
  unsigned row = lane % 4, column = i;
  if (kind == Accumulator::F32) {
    row = (lane & 1) + (i & 2);
    column = (i & 4) + (lane & 2) + (i & 1);
  }
  return (row + (lane < 16 ? 0 : 4)) * kSize + column;
}

float getHalf(Warp &warp, const std::vector<uint32_t> &slots, unsigned lane,
              unsigned i) {
  return fromHalf(warp.lanes<uint16_t>(slots[i / 2])[2 * lane + i % 2]);
}

float getSum(Warp &warp, const MmaData &data, unsigned lane, unsigned i) {
  return data.c == Accumulator::F16 ? getHalf(warp, data.slotsC, lane, i)
                                    : warp.lanes<float>(data.slotsC[i])[lane];
}

void setSum(Warp &warp, const MmaData &data, unsigned lane, unsigned i,
            float sum) {
  if (data.d == Accumulator::F16)
    warp.lanes<uint16_t>(data.slotsD[i / 2])[2 * lane + i % 2] = toHalf(sum);
  else
    warp.lanes<float>(data.slotsD[i])[lane] =
        sum != sum ? bitCast<float>(0x7FFFFFFFu) : sum;
}

/// Calls visit(lane) for the eight lanes of a quad pair.
template <typename Visitor> void forQuad(unsigned quad, Visitor visit) {
  for (unsigned i = 0; i < 8; ++i)
    visit(4 * quad + i % 4 + (i < 4 ? 0 : 16));
}

void multiplyQuad(Warp &warp, const MmaData &data, unsigned quad, float *sums) {
  float a[kSize * kDepth], b[kDepth * kSize];
  forQuad(quad, [&](unsigned lane) {
    unsigned high = lane < 16 ? 0 : 4;
    for (unsigned i = 0; i < kDepth; ++i) {
      unsigned row = data.isColumnA ? i + high : lane % 4 + high;
      unsigned depth = data.isColumnA ? lane % 4 : i;
      a[row * kDepth + depth] = getHalf(warp, data.slotsA, lane, i);
      unsigned column = data.isColumnB ? lane % 4 + high : i + high;
      depth = data.isColumnB ? i : lane % 4;
      b[depth * kSize + column] = getHalf(warp, data.slotsB, lane, i);
    }
    for (unsigned i = 0; i < kSize; ++i)
      sums[getPlace(data.c, lane, i)] = getSum(warp, data, lane, i);
  });
  multiplyAdd(sums, a, b, kSize, kSize, kDepth);
}

Flow runQuadMma(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  const auto &data = inst.getData<MmaData>();
  float sums[4][kSize * kSize];
  for (unsigned quad = 0; quad < 4; ++quad)
    multiplyQuad(warp, data, quad, sums[quad]);
  for (unsigned quad = 0; quad < 4; ++quad)
    forQuad(quad, [&](unsigned lane) {
      for (unsigned i = 0; i < kSize; ++i)
        setSum(warp, data, lane, i, sums[quad][getPlace(data.d, lane, i)]);
    });
  countMultiplyAdds(warp, 4 * kSize * kSize * kDepth);
  return Flow::Next;
}

} // namespace

bool sparsedrop::ptx::finishQuadMma(Decoder &decoder, const MmaData &from) {
  auto &data = decoder.setData<MmaData>();
  data = from;
  decoder.inst().run = runQuadMma;
  auto count = [](Accumulator kind) {
    return kind == Accumulator::F16 ? 4 : 8;
  };
  return readFragment(decoder, 0, count(data.d), getRegisterType(data.d), true,
                      data.slotsD) &&
         readFragment(decoder, 1, 2, Type::B32, false, data.slotsA) &&
         readFragment(decoder, 2, 2, Type::B32, false, data.slotsB) &&
         readFragment(decoder, 3, count(data.c), getRegisterType(data.c), false,
                      data.slotsC);
}
