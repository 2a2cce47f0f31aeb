//===- DeviceHandles.h - What the handles of devices hold -------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_DEVICEHANDLES_H
#define SPARSEDROP_LIB_RUNTIME_DEVICEHANDLES_H

#include "Device.h"

#include <map>
#include <mutex>
#include <string>

// All handles share the device, so that they may be destroyed in any order;
// members are destroyed from the last to the first.

struct sparsedrop_device {
  std::shared_ptr<sparsedrop::runtime::Device> device;
  sparsedrop_device_info info = {};
};

struct sparsedrop_stream {
  std::shared_ptr<sparsedrop::runtime::Device> device;
  std::shared_ptr<sparsedrop::runtime::Stream> stream;
};

struct sparsedrop_graph {
  std::shared_ptr<sparsedrop::runtime::Device> device;
  std::vector<std::shared_ptr<void>> kept;
  std::unique_ptr<sparsedrop::runtime::Graph> graph;

  /// What it needs goes when nothing runs any more.
  ~sparsedrop_graph() {
    if (graph)
      graph->wait();
  }
};

struct sparsedrop_event {
  std::shared_ptr<sparsedrop::runtime::Device> device;
  std::unique_ptr<sparsedrop::runtime::Event> event;
};

struct sparsedrop_kernel {
  sparsedrop_binary *binary = nullptr;
  std::string name;
  std::unique_ptr<sparsedrop::runtime::Kernel> kernel;
  sparsedrop_kernel_info info = {};
  std::vector<uint64_t> parameterBytes;
};

struct sparsedrop_binary {
  std::shared_ptr<sparsedrop::runtime::Device> device;
  sparsedrop_device_info info = {};
  std::shared_ptr<sparsedrop::runtime::Binary> binary; ///< of graphs as well
  std::mutex mutex;                                    ///< of `kernels`
  std::map<std::string, sparsedrop_kernel> kernels;
};

namespace sparsedrop::runtime {

/// The stream of a handle, the default one for null; null after fail() if it is
/// one of another device.
Stream *findStream(Device &device, sparsedrop_stream *stream);

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_DEVICEHANDLES_H
