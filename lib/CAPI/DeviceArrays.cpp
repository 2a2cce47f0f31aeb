//===- DeviceArrays.cpp - Memory of arrays, and of those on devices -------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arrays.h"
#include "Context.h"

#include "sparsedrop-c/Program.h"

#include "llvm/Support/MathExtras.h"

#include <memory>
#include <new>

using namespace mlir::sparsedrop::capi;
using llvm::ArrayRef;

static uint64_t toAddress(const void *pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

void Owner::release() {
  if (--count > 0)
    return;
  switch (source) {
  case Source::Host:
    sparsedrop_free(allocation);
    break;
  case Source::Program:
    // The pool hands it to the work that follows on its own stream. What has
    // failed on the device is told once; where nobody can wait, since a stream
    // is being captured, the memory stays until the device goes.
    if (!isUsedElsewhere || sparsedrop_device_synchronize(device) == 0 ||
        sparsedrop_device_synchronize(device) == 0)
      sparsedrop_program_release(device, allocation);
    break;
  case Source::Device:
    sparsedrop_device_free(device, toAddress(allocation));
    break;
  }
  delete this;
}

void sparsedrop_array_release(sparsedrop_array *array) {
  if (!array->owner)
    return;
  static_cast<Owner *>(array->owner)->release();
  *array = {};
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// What is wrong with an array that is to be copied as it is; `bytes` receives
/// its size.
static std::string measure(const sparsedrop_array &array, bool onDevice,
                           int64_t &bytes) {
  if (array.rank < 0 || (array.rank > 0 && !array.shape))
    return "the array has no shape";
  bytes = getTypeBytes(array.type);
  if (!bytes)
    return "expected a type of arrays, but got " + getTypeName(array.type);
  std::optional<int64_t> count = countElements(getShape(array));
  if (!count || llvm::MulOverflow(*count, bytes, bytes))
    return "the array is too large: " + describe(array.type, getShape(array));
  if (bytes && !array.data)
    return "the array has no data";
  if (onDevice != (array.onDevice != 0))
    return onDevice ? "expected an array on a device, but got one of the host"
                    : "expected an array of the host, but got one on a device";
  return "";
}

/// Memory for an array without gaps; null after fail().
static std::unique_ptr<char[]> makeRoom(int64_t bytes) {
  std::unique_ptr<char[]> room(
      new (std::nothrow) char[static_cast<size_t>(bytes)]);
  if (!room)
    fail("there is no memory for " + std::to_string(bytes) + " bytes");
  return room;
}

/// Enqueues a copy of the host's memory and waits for it.
static int32_t upload(sparsedrop_device *device, sparsedrop_stream *stream,
                      uint64_t to, const sparsedrop_array &from,
                      int64_t bytes) {
  std::unique_ptr<char[]> packed;
  const void *data = from.data;
  if (!isContiguous(from)) {
    packed = makeRoom(bytes);
    if (!packed)
      return 1;
    copyFrom(from, packed.get());
    data = packed.get();
  }
  int32_t status = sparsedrop_device_upload(device, stream, to, data,
                                            static_cast<uint64_t>(bytes));
  // Also after a failure: `packed` goes.
  return sparsedrop_stream_synchronize(device, stream) != 0 || status != 0;
}

int32_t sparsedrop_array_upload(sparsedrop_device *device,
                                sparsedrop_stream *stream,
                                const sparsedrop_array *from,
                                sparsedrop_array *to) {
  *to = {};
  int64_t bytes = 0;
  std::string problem = measure(*from, /*onDevice=*/false, bytes);
  if (!problem.empty())
    return fail(problem);
  uint64_t address = 0;
  if (sparsedrop_device_alloc(device, static_cast<uint64_t>(bytes), &address))
    return 1;
  auto *data = reinterpret_cast<void *>(address);
  auto *owner = new Owner(Owner::Source::Device, data, getShape(*from), device);
  if (bytes && upload(device, stream, address, *from, bytes)) {
    std::string message = sparsedrop_last_error();
    owner->release();
    return fail(message);
  }
  *to = {data,    from->type, from->rank, owner->shape.data(),
         nullptr, 0,          1,          owner};
  return 0;
}

int32_t sparsedrop_array_download(sparsedrop_device *device,
                                  sparsedrop_stream *stream,
                                  const sparsedrop_array *from,
                                  const sparsedrop_array *to) {
  int64_t bytes = 0, room = 0;
  std::string problem = measure(*from, /*onDevice=*/true, bytes);
  if (problem.empty())
    problem = measure(*to, /*onDevice=*/false, room);
  if (problem.empty() && !isContiguous(*from))
    problem = "the array on the device is not contiguous";
  if (problem.empty() &&
      (from->type != to->type || getShape(*from) != getShape(*to)))
    problem = "expected room for " + describe(from->type, getShape(*from)) +
              ", but got " + describe(to->type, getShape(*to));
  if (!problem.empty())
    return fail(problem);
  std::unique_ptr<char[]> packed;
  void *data = to->data;
  if (!isContiguous(*to)) {
    packed = makeRoom(bytes);
    if (!packed)
      return 1;
    data = packed.get();
  }
  int32_t status =
      sparsedrop_device_download(device, stream, data, toAddress(from->data),
                                 static_cast<uint64_t>(bytes));
  if (sparsedrop_stream_synchronize(device, stream) != 0 || status != 0)
    return 1;
  if (packed)
    copyTo(*to, packed.get());
  return 0;
}

//===----------------------------------------------------------------------===//
// DLPack
//===----------------------------------------------------------------------===//

namespace {
/// DLManagedTensor as DLPack lays it out.
struct ManagedTensor {
  void *data;
  int32_t deviceType, deviceId, rank;
  uint8_t typeCode, typeBits;
  uint16_t lanes;
  int64_t *shape, *strides;
  uint64_t byteOffset;
  void *context;
  void (*deleter)(ManagedTensor *);
};

/// A tensor and the arrays that it points to.
struct Export {
  ManagedTensor tensor = {};
  std::vector<int64_t> shape, strides;
  Owner *owner = nullptr;
};
} // namespace

static void destroyExport(ManagedTensor *tensor) {
  auto *self = static_cast<Export *>(tensor->context);
  self->owner->release();
  delete self;
}

/// DLDataTypeCode of an element type.
static uint8_t getTypeCode(int32_t type) {
  switch (type) {
  case SPARSEDROP_F32:
  case SPARSEDROP_F64:
  case SPARSEDROP_F16:
    return 2;
  case SPARSEDROP_BF16:
    return 4;
  case SPARSEDROP_I1:
    return 6;
  case SPARSEDROP_F8E4M3FN:
    return 10;
  case SPARSEDROP_F8E5M2:
    return 12;
  default:
    return 0;
  }
}

void *sparsedrop_array_to_dlpack(const sparsedrop_array *array,
                                 int32_t deviceType, int32_t deviceId,
                                 int32_t elsewhere) {
  auto *owner = static_cast<Owner *>(array->owner);
  if (!owner || !owner->isOnDevice()) {
    fail("expected an array that the library allocated on a device");
    return nullptr;
  }
  owner->retain();
  if (elsewhere)
    owner->noteUseElsewhere();
  auto *result = new Export();
  result->owner = owner;
  result->shape = owner->shape;
  result->strides.resize(result->shape.size());
  int64_t stride = 1;
  for (size_t dim = result->shape.size(); dim-- > 0;) {
    result->strides[dim] = stride;
    stride *= result->shape[dim];
  }
  auto bits = static_cast<uint8_t>(8 * getTypeBytes(array->type));
  result->tensor = {array->data,
                    deviceType,
                    deviceId,
                    array->rank,
                    getTypeCode(array->type),
                    bits,
                    1,
                    result->shape.data(),
                    result->strides.data(),
                    0,
                    result,
                    destroyExport};
  return &result->tensor;
}
