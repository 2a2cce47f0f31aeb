//===- OpenDevice.h - A device that is closed at the end --------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_OPENDEVICE_H
#define SPARSEDROP_TOOLS_SUPPORT_OPENDEVICE_H

#include "sparsedrop-c/Device.h"

#include "llvm/Support/Error.h"

#include <string>

namespace mlir::sparsedrop::run {

/// The first device of a kind.
class OpenDevice {
public:
  OpenDevice() = default;
  OpenDevice(const OpenDevice &) = delete;
  ~OpenDevice() { sparsedrop_device_close(device); }

  /// `kind` is cuda (also when empty) or interp.
  llvm::Error open(const std::string &kind);
  sparsedrop_device *get() const { return device; }
  /// Of an open device.
  const sparsedrop_device_info &getInfo() const { return info; }
  /// The chip that programs for it are compiled for: what only this one has,
  /// they may use.
  std::string getChip() const;

private:
  sparsedrop_device *device = nullptr;
  sparsedrop_device_info info = {};
};

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_OPENDEVICE_H
