//===- DeviceArrays.h - Arrays of one run on a device -----------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_TOOLS_SUPPORT_DEVICEARRAYS_H
#define SPARSEDROP_TOOLS_SUPPORT_DEVICEARRAYS_H

#include "Tensor.h"

#include "sparsedrop-c/Program.h"

namespace mlir::sparsedrop::run {

using mlir::sparsedrop::Executable;

/// Arrays of a device that go with their scope. What fails leaves its line in
/// sparsedrop_last_error().
class DeviceArrays {
public:
  explicit DeviceArrays(sparsedrop_device *device) : device(device) {}
  DeviceArrays(const DeviceArrays &) = delete;
  ~DeviceArrays();

  /// A copy of `tensor` on the device; null after a failure.
  void *add(const Tensor &tensor);
  /// Copies of a call's inputs as its operands, scalars on the host. False
  /// after a failure.
  bool add(llvm::MutableArrayRef<Tensor> inputs,
           llvm::ArrayRef<const Slot *> slots);
  /// Copies the values of the inputs there again and waits; a status.
  int32_t upload(llvm::ArrayRef<Tensor> inputs);
  /// The bytes of an array of either side.
  bool fetch(const Executable::Array &array, bool onDevice,
             std::vector<uint8_t> &bytes) const;
  /// Gives the results back.
  void releaseResults();

  /// Of a call, on either side.
  llvm::SmallVector<Executable::Array> operands, results;

private:
  sparsedrop_device *device;
  llvm::SmallVector<uint64_t> addresses;
};

} // namespace mlir::sparsedrop::run

#endif // SPARSEDROP_TOOLS_SUPPORT_DEVICEARRAYS_H
