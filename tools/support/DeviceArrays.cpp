//===- DeviceArrays.cpp - Arrays of one run on a device -------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "DeviceArrays.h"

#include <cstring>

using namespace mlir::sparsedrop::run;

DeviceArrays::~DeviceArrays() {
  for (uint64_t address : addresses)
    sparsedrop_device_free(device, address);
  releaseResults();
}

void *DeviceArrays::add(const Tensor &tensor) {
  uint64_t address = 0;
  if (sparsedrop_device_alloc(device, tensor.bytes.size(), &address) != 0)
    return nullptr;
  addresses.push_back(address);
  sparsedrop_device_upload(device, nullptr, address, tensor.bytes.data(),
                           tensor.bytes.size());
  return reinterpret_cast<void *>(address);
}

bool DeviceArrays::add(llvm::MutableArrayRef<Tensor> inputs,
                       llvm::ArrayRef<const Slot *> slots) {
  for (auto [tensor, slot] : llvm::zip(inputs, slots)) {
    void *data = slot->isTensor ? add(tensor) : tensor.bytes.data();
    if (!data && slot->isTensor && !tensor.bytes.empty())
      return false;
    operands.push_back({data, tensor.shape, nullptr, slot->isTensor});
  }
  return sparsedrop_device_synchronize(device) == 0;
}

int32_t DeviceArrays::upload(llvm::ArrayRef<Tensor> inputs) {
  int32_t status = 0;
  for (auto [tensor, operand] : llvm::zip(inputs, operands))
    if (operand.onDevice)
      status |= sparsedrop_device_upload(
          device, nullptr, reinterpret_cast<uint64_t>(operand.data),
          tensor.bytes.data(), tensor.bytes.size());
  return sparsedrop_device_synchronize(device) | status;
}

bool DeviceArrays::fetch(const Executable::Array &array, bool onDevice,
                         std::vector<uint8_t> &bytes) const {
  if (!onDevice) {
    std::memcpy(bytes.data(), array.data, bytes.size());
    return true;
  }
  return sparsedrop_device_download(device, nullptr, bytes.data(),
                                    reinterpret_cast<uint64_t>(array.data),
                                    bytes.size()) == 0 &&
         sparsedrop_device_synchronize(device) == 0;
}

void DeviceArrays::releaseResults() {
  for (Executable::Array &array : results)
    if (array.onDevice)
      sparsedrop_program_release(device, array.allocation);
    else
      sparsedrop_free(array.allocation);
  results.clear();
}
