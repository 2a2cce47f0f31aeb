//===- saxpy.c - A kernel on a GPU or on the interpreter ----------*- C -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// saxpy KIND FILE.ptx COUNT: KIND is cuda or interp. The kernel gets COUNT
// elements, of which there are 1000.
//
//===----------------------------------------------------------------------===//

#include "sparsedrop-c/Device.h"

#include <stdio.h>
#include <stdlib.h>

enum { kCount = 1000, kThreads = 128 };

static void check(int isGood) {
  if (isGood)
    return;
  fprintf(stderr, "error: %s\n", sparsedrop_last_error());
  exit(1);
}

static size_t readFile(const char *path, char *text, size_t most) {
  FILE *file = fopen(path, "rb");
  size_t size = file ? fread(text, 1, most, file) : 0;
  if (file)
    fclose(file);
  return size;
}

/// Memory of the device with a copy of `values`.
static uint64_t upload(sparsedrop_device *device, sparsedrop_stream *stream,
                       const float *values) {
  uint64_t address = 0, bytes = kCount * sizeof(float);
  check(sparsedrop_device_alloc(device, bytes, &address) == 0);
  check(sparsedrop_device_upload(device, stream, address, values, bytes) == 0);
  return address;
}

static void launch(sparsedrop_kernel *kernel, sparsedrop_stream *stream,
                   uint64_t x, uint64_t y, float a, uint32_t n) {
  const void *parameters[] = {&x, &y, &a, &n};
  const uint64_t bytes[] = {sizeof x, sizeof y, sizeof a, sizeof n};
  sparsedrop_launch sizes = {0};
  sizes.size = sizeof sizes;
  sizes.grid[0] = (n + kThreads - 1) / kThreads;
  sizes.block[0] = kThreads;
  sizes.grid[1] = sizes.grid[2] = sizes.block[1] = sizes.block[2] = 1;
  sizes.parameters = parameters;
  sizes.parameterBytes = bytes;
  sizes.parameterCount = 4;
  check(sparsedrop_kernel_launch(kernel, stream, &sizes) == 0);
}

int main(int argc, char **argv) {
  static char text[1 << 16];
  float x[kCount], y[kCount], result[kCount];
  if (argc != 4)
    return fprintf(stderr, "usage: saxpy KIND FILE.ptx COUNT\n"), 2;
  for (int i = 0; i < kCount; ++i)
    x[i] = (float)i, y[i] = 1;

  sparsedrop_device *device = sparsedrop_device_open(argv[1], 0);
  check(device != NULL);
  size_t size = readFile(argv[2], text, sizeof text);
  sparsedrop_binary *binary = sparsedrop_binary_load(device, text, size);
  check(binary != NULL);
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "saxpy");
  check(kernel != NULL);

  sparsedrop_stream *stream = sparsedrop_stream_create(device);
  check(stream != NULL);
  uint64_t onDeviceX = upload(device, stream, x);
  uint64_t onDeviceY = upload(device, stream, y);
  launch(kernel, stream, onDeviceX, onDeviceY, 2, (uint32_t)atoi(argv[3]));
  check(sparsedrop_device_download(device, stream, result, onDeviceY,
                                   sizeof result) == 0);
  check(sparsedrop_stream_synchronize(device, stream) == 0);
  printf("%g %g %g\n", result[0], result[1], result[kCount - 1]);

  check(sparsedrop_device_free(device, onDeviceX) == 0);
  check(sparsedrop_device_free(device, onDeviceY) == 0);
  sparsedrop_stream_destroy(stream);
  sparsedrop_binary_destroy(binary);
  sparsedrop_device_close(device);
  return 0;
}
