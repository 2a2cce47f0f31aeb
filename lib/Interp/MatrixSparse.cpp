//===- MatrixSparse.cpp - Sparse multiplicands ----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MatrixSparse.h"

#include <algorithm>

using namespace sparsedrop::ptx;

namespace {

constexpr unsigned kRows = 16;

/// Elements of a chunk.
unsigned getChunk(Element element) {
  unsigned bits = getBits(element);
  return bits == 32 ? 2 : bits == 4 ? 8 : 4;
}
/// Chunks of a row whose metadata are in one lane.
unsigned getLaneChunks(Element element) {
  return getBits(element) >= 16 ? 4 : 8;
}

/// Where the metadata of a chunk are.
struct Place {
  unsigned lane, shift;
};
Place getPlace(const SparseForm &form, unsigned row, unsigned chunk) {
  unsigned count = getLaneChunks(form.element);
  unsigned part = chunk / count, half = row / 8, inside = chunk % count;
  unsigned parts = form.k / getChunk(form.element) / count;
  unsigned lanes = count == 4 ? parts : 2 * parts; // of a group
  Place place{4 * (row % 8) + form.selector * lanes, 4 * inside};
  if (count == 4) {
    place.lane += part;
    place.shift += 16 * half;
  } else {
    place.lane += 2 * part + half;
  }
  return place;
}

/// Whether four bits choose two different places, in the order that they must
/// have; of tf32, the two halves of an element.
bool isValid(const SparseForm &form, unsigned bits) {
  unsigned first = bits & 3, second = bits >> 2;
  if (getBits(form.element) == 32)
    return bits == 4 || bits == 14;
  return form.isOrdered ? first < second : first != second;
}

} // namespace

unsigned SparseForm::getNumSelectors() const {
  unsigned count = getLaneChunks(element);
  unsigned parts = k / getChunk(element) / count;
  return 4 / (count == 4 ? parts : 2 * parts);
}

template <typename T>
int sparsedrop::ptx::expandSparse(const SparseForm &form,
                                  const uint32_t *metadata, const T *stored,
                                  T *whole) {
  unsigned size = getChunk(form.element), half = size / 2;
  // Neighbours that are chosen together.
  unsigned run = std::max(half / 2, 1u), runs = half / run;
  std::fill(whole, whole + kRows * form.k, T(0));
  for (unsigned row = 0; row < kRows; ++row) {
    for (unsigned chunk = 0; chunk < form.k / size; ++chunk) {
      Place place = getPlace(form, row, chunk);
      unsigned bits = metadata[place.lane] >> place.shift & 15;
      if (!isValid(form, bits))
        return static_cast<int>(place.lane);
      for (unsigned i = 0; i < half; ++i) {
        unsigned index = runs == 1 ? bits >> 3 : bits >> (i / run * 2) & 3;
        whole[row * form.k + chunk * size + index * run + i % run] =
            stored[row * (form.k / 2) + chunk * half + i];
      }
    }
  }
  return -1;
}

template int sparsedrop::ptx::expandSparse<float>(const SparseForm &,
                                                  const uint32_t *,
                                                  const float *, float *);
template int sparsedrop::ptx::expandSparse<int32_t>(const SparseForm &,
                                                    const uint32_t *,
                                                    const int32_t *, int32_t *);
