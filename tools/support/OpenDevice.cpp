//===- OpenDevice.cpp - A device that is closed at the end ----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "OpenDevice.h"

using namespace mlir::sparsedrop::run;

llvm::Error OpenDevice::open(const std::string &kind) {
  device = sparsedrop_device_open(kind.empty() ? "cuda" : kind.c_str(), 0);
  if (!device || sparsedrop_device_describe(device, &info) != 0)
    return llvm::createStringError(sparsedrop_last_error());
  return llvm::Error::success();
}

std::string OpenDevice::getChip() const {
  return "sm_" + std::to_string(info.arch) + (info.arch >= 90 ? "a" : "");
}
