//===- DeviceMemory.h - Allocations of the interpreter's device -*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Device pointers are host pointers. Every allocation knows which of its bytes
// were ever written.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_INTERP_DEVICEMEMORY_H
#define SPARSEDROP_LIB_INTERP_DEVICEMEMORY_H

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

namespace sparsedrop::ptx {

/// An allocation of global memory. The bytes have a guard zone on both sides
/// that belongs to nobody.
struct Allocation {
  uint64_t address = 0;
  uint64_t size = 0;
  bool isReadOnly = false;    ///< .const
  std::string name;           ///< of a module variable, or empty
  uint8_t *written = nullptr; ///< for each byte: 0 or 1

  bool contains(uint64_t from, uint64_t count) const {
    return from >= address && from - address <= size &&
           count <= size - (from - address);
  }
  uint8_t *data() const { return reinterpret_cast<uint8_t *>(address); }
};

/// The global memory of a device. Thread-safe.
class DeviceMemory {
public:
  ~DeviceMemory();

  /// Memory that nothing has written, aligned to 256 bytes and filled with a
  /// pattern that is NaN in every float type; null if there is none.
  Allocation *allocate(uint64_t size, std::string name = "");
  /// False if `address` is not the start of an allocation.
  bool free(uint64_t address);
  /// The allocation that an address belongs to, or null. Valid until it is
  /// freed.
  const Allocation *find(uint64_t address) const;
  /// What is at an address that belongs to no allocation, for messages: "16
  /// bytes past the end of an allocation of 4096 bytes".
  std::string describe(uint64_t address) const;
  /// Marks bytes as written: host copies, memset. False if they are not inside
  /// one allocation.
  bool markWritten(uint64_t address, uint64_t size);
  uint64_t getUsedBytes() const;

private:
  mutable std::shared_mutex mutex;
  std::map<uint64_t, std::unique_ptr<Allocation>> allocations;
  uint64_t used = 0;
};

} // namespace sparsedrop::ptx

#endif // SPARSEDROP_LIB_INTERP_DEVICEMEMORY_H
