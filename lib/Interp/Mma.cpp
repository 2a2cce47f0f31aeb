//===- Mma.cpp - mma.sync
//--------------------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Products of a warp's fragments (ISA 9.7.14.5). Register i of A is the core
// matrix of rows 8 (i % (m / 8)) and of the (i / (m / 8))-th 16 bytes of k;
// register i of B has the i-th 16 bytes of k of 8 columns. Blocks of C and D
// follow each other as those of A do. MatrixCompute.h says how sums are
// rounded.
//
//===----------------------------------------------------------------------===//

#include "Mma.h"

#include "Decoder.h"
#include "Machine.h"
#include "MatrixCompute.h"

#include <algorithm>

using namespace sparsedrop::ptx;

//===----------------------------------------------------------------------===//
// Handler
//===----------------------------------------------------------------------===//

namespace {

/// Data of an mma whose numbers are T.
template <typename T> struct MmaOf : MmaData {
  CoreReader<T> readA = nullptr, readB = nullptr;
};

constexpr unsigned kMostM = 16, kMostN = 8, kMostK = 128;

template <typename T>
void readOperands(Warp &warp, const MmaOf<T> &data, T *a, T *b) {
  const MatrixShape &shape = data.shape;
  unsigned columns = getCoreColumns(data.a), blocks = shape.m / 8;
  unsigned k = data.getStoredK();
  for (unsigned i = 0; i < data.slotsA.size(); ++i)
    data.readA(warp.lanes<uint8_t>(data.slotsA[i]),
               a + i % blocks * 8 * k + i / blocks * columns, k);
  for (unsigned i = 0; i < data.slotsB.size(); ++i)
    data.readB(warp.lanes<uint8_t>(data.slotsB[i]), b + i * columns * shape.n,
               shape.n);
}

/// The registers of an 8x8 block of accumulators.
struct Block {
  uint8_t *registers[2];
  Block(Warp &warp, const std::vector<uint32_t> &slots, Accumulator kind,
        unsigned block) {
    unsigned count = getBlockRegisters(kind);
    for (unsigned i = 0; i < count; ++i)
      registers[i] = warp.lanes<uint8_t>(slots[block * count + i]);
  }
};

template <typename T> void readSums(Warp &warp, const MmaData &data, T *sums) {
  for (unsigned i = 0; i < data.shape.m / 8; ++i)
    readAccumulators<T>(data.c, Block(warp, data.slotsC, data.c, i).registers,
                        sums + 8 * i * data.shape.n, data.shape.n);
}

template <typename T> Flow runMma(Warp &warp, const Inst &inst, LaneMask mask) {
  Flow flow;
  if (!warp.converge(inst, mask, kAllLanes, flow))
    return flow;
  const auto &data = inst.getData<MmaOf<T>>();
  const MatrixShape &shape = data.shape;
  alignas(64) T a[kMostM * kMostK], b[kMostK * kMostN], sums[kMostM * kMostN];
  readOperands(warp, data, a, b);
  if constexpr (!std::is_same_v<T, double>)
    if (data.isSparse)
      flow = expandSparse(warp, inst, data.sparse, data.metadata, a);
  if (flow != Flow::Next)
    return flow;
  readSums(warp, data, sums);
  if (std::is_same_v<T, int32_t>) {
    alignas(64) T products[kMostM * kMostN] = {};
    multiplyAdd(products, a, b, shape.m, shape.n, shape.k);
    addIntegers(reinterpret_cast<int32_t *>(sums),
                reinterpret_cast<int32_t *>(products), shape.m * shape.n,
                data.isSaturating);
  } else {
    multiplyAdd(sums, a, b, shape.m, shape.n, shape.k);
  }
  for (unsigned i = 0; i < shape.m / 8; ++i)
    writeAccumulators<T>(data.d, Block(warp, data.slotsD, data.d, i).registers,
                         sums + 8 * i * shape.n, shape.n);
  countMultiplyAdds(warp, uint64_t(shape.m) * shape.n * shape.k);
  return Flow::Next;
}

} // namespace

template <typename T>
Flow sparsedrop::ptx::expandSparse(Warp &warp, const Inst &inst,
                                   const SparseForm &form, uint32_t metadata,
                                   T *a) {
  alignas(64) T whole[kMostM * kMostK];
  int lane = expandSparse(form, warp.lanes<uint32_t>(metadata), a, whole);
  if (lane >= 0)
    return warp.report(inst, lane, Check::Fault,
                       "the metadata of a sparse matrix choose no elements");
  std::copy(whole, whole + kMostM * form.k, a);
  return Flow::Next;
}

template Flow sparsedrop::ptx::expandSparse<float>(Warp &, const Inst &,
                                                   const SparseForm &, uint32_t,
                                                   float *);
template Flow sparsedrop::ptx::expandSparse<int32_t>(Warp &, const Inst &,
                                                     const SparseForm &,
                                                     uint32_t, int32_t *);

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

template <typename T>
static bool finish(Decoder &decoder, const MmaData &from) {
  auto &data = decoder.setData<MmaOf<T>>();
  static_cast<MmaData &>(data) = from;
  data.readA = getReader<T>(data.a, /*transposed=*/false);
  data.readB = getReader<T>(data.b, /*transposed=*/true);
  unsigned coreK = getCoreColumns(data.a), blocks = data.shape.m / 8;
  Type type = data.a == Element::F64 ? Type::F64 : Type::B32;
  decoder.inst().run = runMma<T>;
  return readFragment(decoder, 0, blocks * getBlockRegisters(data.d),
                      getRegisterType(data.d), true, data.slotsD) &&
         readFragment(decoder, 1, blocks * data.getStoredK() / coreK, type,
                      false, data.slotsA) &&
         readFragment(decoder, 2, data.shape.k / coreK, type, false,
                      data.slotsB) &&
         readFragment(decoder, 3, blocks * getBlockRegisters(data.c),
                      getRegisterType(data.c), false, data.slotsC) &&
         (!data.isSparse || readSparse(decoder, 4, data.sparse, data.metadata));
}

bool sparsedrop::ptx::finishMma(Decoder &decoder, const MmaData &data) {
  if (data.a == Element::F64)
    return finish<double>(decoder, data);
  return isInteger(data.a) ? finish<int32_t>(decoder, data)
                           : finish<float>(decoder, data);
}
