//===- DeviceCapture.h - Recording what is enqueued -------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What captures of all kinds of devices share. What cannot be recorded is
// refused before a driver hears of it, with the same words on each kind.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_DEVICECAPTURE_H
#define SPARSEDROP_LIB_RUNTIME_DEVICECAPTURE_H

#include "Device.h"

namespace sparsedrop::runtime {

inline constexpr const char *kNoWaiting =
    "nobody can wait for it before its graph is launched";
inline constexpr const char *kNoEvents =
    "it neither records events nor waits for them";
inline constexpr const char *kNoGraphs =
    "it does not take graphs, whose memory may go before its own graph does";

/// Lets a stream record from now on; a status.
int32_t beginCapture(Device &device, Stream &stream);
/// The graph of a capture, which ends in any case; null after fail().
sparsedrop_graph *endCapture(const std::shared_ptr<Device> &device,
                             Stream &stream);
/// Forgets what was recorded.
void cancelCapture(Stream &stream);

/// 0 unless the stream records: then a failure, which says `why`, and there
/// will be no graph.
int32_t refuseCaptured(Stream &stream, const char *why);
/// 0 unless a stream of the device records: nobody can wait for the device.
int32_t refuseCaptures(Device &device);

/// Records an upload of bytes that are copied now; a status.
int32_t uploadCaptured(Stream &stream, uint64_t to, const void *from,
                       uint64_t bytes);

} // namespace sparsedrop::runtime

#endif // SPARSEDROP_LIB_RUNTIME_DEVICECAPTURE_H
