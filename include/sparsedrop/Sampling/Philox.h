//===- Philox.h - Random bits -----------------------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_SAMPLING_PHILOX_H
#define SPARSEDROP_SAMPLING_PHILOX_H

#include <array>
#include <cstddef>
#include <cstdint>

namespace sparsedrop::sampling {

using Words = std::array<uint32_t, 4>;

/// Philox 4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2,
/// 3", SC 2011).
Words philox4x32(std::array<uint32_t, 2> key, Words counter);

/// FNV-1a 64 of the bytes of a site's name.
uint64_t siteHash(const char *site, size_t length);

/// Continues `hash` over the 8 little-endian bytes of `index`.
uint64_t siteHashIndex(uint64_t hash, int64_t index);

/// The four words for (seed, step, hash): the seed is the key, the counter is
/// (step low, step high, hash low, hash high).
Words drawWords(int64_t seed, int64_t step, uint64_t hash);

/// The word of element `index` of a site: word index mod 4 at the counter of
/// hash + 1 + index div 4. Bernoulli masks and channel noise come from it.
uint32_t elementWord(int64_t seed, int64_t step, uint64_t hash, int64_t index);

} // namespace sparsedrop::sampling

#endif // SPARSEDROP_SAMPLING_PHILOX_H
