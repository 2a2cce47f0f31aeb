//===- ProgramCapture.h - Graphs of programs --------------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_PROGRAMCAPTURE_H
#define SPARSEDROP_LIB_RUNTIME_PROGRAMCAPTURE_H

#include "Programs.h"

namespace sparsedrop::runtime {

/// What a thread's programs do on one stream becomes a graph.
class ProgramCapture {
public:
  ProgramCapture(std::shared_ptr<Device> device,
                 std::shared_ptr<Stream> stream);
  ~ProgramCapture();
  ProgramCapture(const ProgramCapture &) = delete;
  ProgramCapture &operator=(const ProgramCapture &) = delete;

  /// The calling thread's, or null.
  static ProgramCapture *get();

  bool isOn(const Stream &other) const { return stream.get() == &other; }
  /// Whose memory programs allocate, in words of the pool.
  uint64_t getMemoryUser() const { return memoryUser; }
  /// A program has entered; a status.
  int32_t start(LoadedImage &image);
  /// A program in the capture has failed, as the thread's last error says.
  void noteFailure();
  /// Null after fail().
  sparsedrop_graph *end();

private:
  int32_t startRecording();

  // Handles may go before the capture ends.
  std::shared_ptr<Device> device;
  std::shared_ptr<Stream> stream;
  uint64_t memoryUser;
  std::shared_ptr<void> memory; ///< ends with its last owner
  bool isStarted = false;
  std::string failure;
};

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_PROGRAMCAPTURE_H
