//===- Memory.cpp - Memory of compiled programs ---------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Blocks that a step frees are what the next step asks for: they are kept by
// size class, so that a step neither maps memory nor touches fresh pages.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Runtime.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// A cached block would hide uses after free.
#define SPARSEDROP_NO_CACHE 1
#endif
#endif

namespace {
/// Stands right before each block.
struct Header {
  void *base;
  uint64_t classBytes, alignment, bytes;
};

class BlockCache {
public:
  void *allocate(uint64_t alignment, uint64_t bytes);
  void release(void *pointer);
  void trim();

  std::mutex mutex;
  int64_t inUse = 0, peak = 0;

private:
  void *take(uint64_t alignment, uint64_t classBytes);
  void *map(uint64_t alignment, uint64_t classBytes);
  void dropCached();

  using Key = std::pair<uint64_t, uint64_t>; // class, alignment
  std::map<Key, std::vector<void *>> blocks;
  uint64_t cached = 0;
};
} // namespace

static constexpr uint64_t kMinAlignment = 64;
static constexpr uint64_t kMinCache = uint64_t{64} << 20;

static Header *getHeader(void *pointer) {
  return reinterpret_cast<Header *>(static_cast<char *>(pointer) -
                                    sizeof(Header));
}

/// Four classes to a doubling: at most a fifth of a block is unused. 0 when the
/// size cannot be represented.
static uint64_t getClassBytes(uint64_t bytes) {
  uint64_t size = 256;
  while (size < bytes) {
    if (size > (uint64_t{1} << 62))
      return 0;
    size *= 2;
  }
  uint64_t step = size / 8;
  while (size > 256 && size - step >= bytes)
    size -= step;
  return size;
}

void *BlockCache::take(uint64_t alignment, uint64_t classBytes) {
  auto it = blocks.find({classBytes, alignment});
  if (it == blocks.end() || it->second.empty())
    return nullptr;
  void *pointer = it->second.back();
  it->second.pop_back();
  cached -= classBytes;
  return pointer;
}

/// A new block. Room for the header in front keeps it aligned.
void *BlockCache::map(uint64_t alignment, uint64_t classBytes) {
  void *base = nullptr;
  if (classBytes > UINT64_MAX - alignment ||
      posix_memalign(&base, alignment, classBytes + alignment) != 0)
    return nullptr;
  void *pointer = static_cast<char *>(base) + alignment;
  *getHeader(pointer) = {base, classBytes, alignment, 0};
  return pointer;
}

void *BlockCache::allocate(uint64_t alignment, uint64_t bytes) {
  alignment = std::max(alignment, kMinAlignment);
  uint64_t classBytes = getClassBytes(bytes);
  if (classBytes == 0)
    return nullptr;
  std::lock_guard<std::mutex> lock(mutex);
  void *pointer = take(alignment, classBytes);
  if (!pointer)
    pointer = map(alignment, classBytes);
  if (!pointer && cached > 0) {
    // What the cache holds may be what is missing.
    dropCached();
    pointer = map(alignment, classBytes);
  }
  if (!pointer)
    return nullptr;
  getHeader(pointer)->bytes = bytes;
  inUse += static_cast<int64_t>(bytes);
  peak = std::max(peak, inUse);
  return pointer;
}

void BlockCache::release(void *pointer) {
  std::lock_guard<std::mutex> lock(mutex);
  Header *header = getHeader(pointer);
  inUse -= static_cast<int64_t>(header->bytes);
  // In use and cached together stay below twice the most that was in use.
  uint64_t held = cached + static_cast<uint64_t>(inUse);
  uint64_t limit = std::max(kMinCache, 2 * static_cast<uint64_t>(peak));
#ifdef SPARSEDROP_NO_CACHE
  limit = 0;
#endif
  if (held + header->classBytes > limit) {
    std::free(header->base);
    return;
  }
  cached += header->classBytes;
  blocks[{header->classBytes, header->alignment}].push_back(pointer);
}

void BlockCache::trim() {
  std::lock_guard<std::mutex> lock(mutex);
  dropCached();
}

void BlockCache::dropCached() {
  for (auto &[key, pointers] : blocks)
    for (void *pointer : pointers)
      std::free(getHeader(pointer)->base);
  blocks.clear();
  cached = 0;
}

static BlockCache &getCache() {
  // Never destroyed: results may outlive the library's static objects.
  static BlockCache *cache = new BlockCache();
  return *cache;
}

void *sparsedrop_alloc(uint64_t alignment, uint64_t bytes) {
  void *pointer = getCache().allocate(alignment, bytes);
  if (!pointer)
    sparsedrop_fail(
        ("out of memory: " + std::to_string(bytes) + " bytes were asked for")
            .c_str());
  return pointer;
}

void sparsedrop_free(void *pointer) {
  if (pointer)
    getCache().release(pointer);
}

int64_t sparsedrop_memory_in_use() {
  BlockCache &cache = getCache();
  std::lock_guard<std::mutex> lock(cache.mutex);
  return cache.inUse;
}

int64_t sparsedrop_memory_peak() {
  BlockCache &cache = getCache();
  std::lock_guard<std::mutex> lock(cache.mutex);
  return cache.peak;
}

void sparsedrop_memory_reset_peak() {
  BlockCache &cache = getCache();
  std::lock_guard<std::mutex> lock(cache.mutex);
  cache.peak = cache.inUse;
}

void sparsedrop_memory_trim() { getCache().trim(); }
