//===- Philox.cpp - Random bits -------------------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Sampling/Philox.h"

using namespace sparsedrop::sampling;

Words sparsedrop::sampling::philox4x32(std::array<uint32_t, 2> key,
                                       Words counter) {
  for (int round = 0; round < 10; ++round) {
    if (round > 0) {
      key[0] += 0x9E3779B9u;
      key[1] += 0xBB67AE85u;
    }
    uint64_t product0 = uint64_t{0xD2511F53u} * counter[0];
    uint64_t product1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
  }
  return counter;
}

static uint64_t hashByte(uint64_t hash, uint8_t byte) {
  return (hash ^ byte) * 0x100000001b3u;
}

uint64_t sparsedrop::sampling::siteHash(const char *site, size_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < length; ++i)
    hash = hashByte(hash, static_cast<uint8_t>(site[i]));
  return hash;
}

uint64_t sparsedrop::sampling::siteHashIndex(uint64_t hash, int64_t index) {
  auto bits = static_cast<uint64_t>(index);
  for (int i = 0; i < 8; ++i)
    hash = hashByte(hash, static_cast<uint8_t>(bits >> (8 * i)));
  return hash;
}

Words sparsedrop::sampling::drawWords(int64_t seed, int64_t step,
                                      uint64_t hash) {
  auto s = static_cast<uint64_t>(seed), t = static_cast<uint64_t>(step);
  return philox4x32({static_cast<uint32_t>(s), static_cast<uint32_t>(s >> 32)},
                    {static_cast<uint32_t>(t), static_cast<uint32_t>(t >> 32),
                     static_cast<uint32_t>(hash),
                     static_cast<uint32_t>(hash >> 32)});
}

uint32_t sparsedrop::sampling::elementWord(int64_t seed, int64_t step,
                                           uint64_t hash, int64_t index) {
  auto i = static_cast<uint64_t>(index);
  return drawWords(seed, step, hash + 1 + i / 4)[i % 4];
}
