//===- DeviceLaunchTest.cpp - Launches and streams of the interpreter -----===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "InterpTest.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

using namespace sparsedrop::test;

//===----------------------------------------------------------------------===//
// Launches
//===----------------------------------------------------------------------===//

TEST_F(InterpTest, Launch) {
  sparsedrop_binary *binary = load(kPTX);
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "scale");
  std::vector<float> values = makeFloats(1000), result(1000);
  uint64_t p = allocate(4000);
  EXPECT_OK(sparsedrop_device_upload(device, nullptr, p, values.data(), 4000));
  EXPECT_OK(scale(kernel, nullptr, p, 1000, 3));
  EXPECT_OK(
      sparsedrop_device_download(device, nullptr, result.data(), p, 4000));
  // The binary waits for what runs.
  sparsedrop_binary_destroy(binary);
  EXPECT_OK(sparsedrop_device_synchronize(device));
  for (size_t i = 0; i < 1000; ++i)
    ASSERT_EQ(result[i], 3 * values[i]);
}

TEST_F(InterpTest, BadLaunches) {
  sparsedrop_binary *binary = load(kPTX);
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "scale");
  uint64_t p = allocate(4);
  auto expect = [&](Launcher launcher, const char *error) {
    EXPECT_NE(launcher.run(kernel, nullptr), 0);
    EXPECT_ERROR(error);
  };
  auto make = [&](uint32_t grid, uint32_t block) {
    return Launcher(grid, block).add(p).add(1u).add(2.f);
  };
  expect(make(0, 1), "kernel 'scale': the grid 0x1x1 has no elements");
  expect(make(~0u, 1), "the grid 4294967295x1x1 is too large: at most");
  expect(make(1, 0), "the block 0x1x1 has no elements");
  expect(make(1, 257), "has 257 threads, but the kernel allows 256");
  expect(make(1, 32).setShared(228 * 1024),
         "the kernel needs 233472 bytes of shared memory, but PTX interpreter "
         "(sm_90a) has 232448");
  expect(make(1, 32).setCluster(2), "is not a multiple of the cluster 2x1x1");
  expect(make(2, 32).setCluster(2), "sm_80");
  expect(make(1, 1).add(1), "the kernel has 3 parameters, but got 4");
  expect(Launcher(1, 1).add(p).add(uint64_t(1)).add(2.f),
         "parameter 1 has 4 bytes, but got 8");
  sparsedrop_launch launch = {};
  EXPECT_NE(sparsedrop_kernel_launch(kernel, nullptr, &launch), 0);
  EXPECT_ERROR("the size of a sparsedrop_launch is 0, but expected");
  EXPECT_OK(sparsedrop_device_synchronize(device));
  sparsedrop_binary_destroy(binary);
}

TEST_F(InterpTest, FindingsAreErrors) {
  sparsedrop_binary *binary = load(kPTX);
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "scale");
  uint64_t p = allocate(64);
  EXPECT_OK(sparsedrop_device_fill(device, nullptr, p, 0, 4, 16));
  EXPECT_OK(scale(kernel, nullptr, p, 17, 2));
  EXPECT_NE(sparsedrop_device_synchronize(device), 0);
  EXPECT_ERROR(
      "kernel scale, line 23, block (0,0,0), thread (16,0,0): bounds: ");
  uint64_t q = allocate(64);
  EXPECT_OK(scale(kernel, nullptr, q, 16, 2));
  EXPECT_NE(sparsedrop_stream_synchronize(device, nullptr), 0);
  EXPECT_ERROR("uninitialized: ");
  sparsedrop_binary_destroy(binary);
}

//===----------------------------------------------------------------------===//
// Streams and events
//===----------------------------------------------------------------------===//

TEST_F(InterpTest, EventsOrderStreams) {
  sparsedrop_binary *binary = load(kPTX);
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "scale");
  sparsedrop_stream *streams[2];
  sparsedrop_event *events[2];
  for (int i = 0; i < 2; ++i) {
    streams[i] = sparsedrop_stream_create(device);
    events[i] = sparsedrop_event_create(device);
  }
  std::vector<float> values = makeFloats(256), result(256);
  uint64_t p = allocate(1024);
  EXPECT_OK(
      sparsedrop_device_upload(device, streams[1], p, values.data(), 1024));
  for (int i = 0; i < 20; ++i) {
    EXPECT_OK(scale(kernel, streams[1], p, 256, i % 2 ? 0.5f : 2));
    EXPECT_OK(sparsedrop_event_record(events[0], streams[1]));
    EXPECT_OK(sparsedrop_stream_wait(device, streams[0], events[0]));
    EXPECT_OK(scale(kernel, streams[0], p, 256, i % 2 ? 2 : 0.5f));
    EXPECT_OK(sparsedrop_event_record(events[1], streams[0]));
    EXPECT_OK(sparsedrop_stream_wait(device, streams[1], events[1]));
  }
  EXPECT_OK(
      sparsedrop_device_download(device, streams[1], result.data(), p, 1024));
  EXPECT_OK(sparsedrop_stream_synchronize(device, streams[1]));
  EXPECT_EQ(result, values);
  int32_t isDone = 0;
  EXPECT_OK(sparsedrop_stream_query(device, streams[1], &isDone));
  EXPECT_EQ(isDone, 1);
  EXPECT_OK(sparsedrop_event_synchronize(events[1]));
  EXPECT_OK(sparsedrop_event_query(events[1], &isDone));
  EXPECT_EQ(isDone, 1);
  double took = -1;
  EXPECT_OK(sparsedrop_event_elapsed(events[0], events[1], &took));
  EXPECT_GE(took, 0);
  for (int i = 0; i < 2; ++i) {
    sparsedrop_stream_destroy(streams[i]);
    sparsedrop_event_destroy(events[i]);
  }
  sparsedrop_binary_destroy(binary);
}

TEST_F(InterpTest, FailuresPassOnThroughEvents) {
  sparsedrop_stream *first = sparsedrop_stream_create(device),
                    *second = sparsedrop_stream_create(device);
  sparsedrop_event *event = sparsedrop_event_create(device);
  uint64_t p = allocate(4);
  uint32_t value = 5, result = 1;
  EXPECT_OK(sparsedrop_device_fill(device, first, p, 7, 4, 1));
  EXPECT_OK(sparsedrop_device_fill(device, first, p, 7, 4, 2));
  EXPECT_OK(sparsedrop_event_record(event, first));
  EXPECT_OK(sparsedrop_stream_wait(device, second, event));
  EXPECT_OK(sparsedrop_device_upload(device, second, p, &value, 4));
  EXPECT_NE(sparsedrop_event_synchronize(event), 0);
  EXPECT_ERROR("a fill of 8 bytes at byte 0 of an allocation of 4 bytes");
  EXPECT_NE(sparsedrop_stream_synchronize(device, second), 0);
  EXPECT_ERROR("a fill of 8 bytes");
  // What depends on what failed did not run; then everything goes on.
  EXPECT_OK(sparsedrop_device_download(device, second, &result, p, 4));
  EXPECT_OK(sparsedrop_stream_synchronize(device, second));
  EXPECT_EQ(result, 7u);
  // A stream that goes hands its failure to the device.
  sparsedrop_stream_destroy(first);
  EXPECT_NE(sparsedrop_device_synchronize(device), 0);
  EXPECT_ERROR("a fill of 8 bytes");
  EXPECT_OK(sparsedrop_device_synchronize(device));
  sparsedrop_stream_destroy(second);
  sparsedrop_event_destroy(event);
}

TEST_F(InterpTest, StreamErrors) {
  sparsedrop_device *other = sparsedrop_device_open("interp", 0);
  sparsedrop_stream *stream = sparsedrop_stream_create(other);
  sparsedrop_event *event = sparsedrop_event_create(other);
  EXPECT_NE(sparsedrop_stream_synchronize(device, stream), 0);
  EXPECT_ERROR("the stream belongs to another device");
  EXPECT_NE(sparsedrop_stream_wait(device, nullptr, event), 0);
  EXPECT_ERROR("the event belongs to another device");
  EXPECT_EQ(sparsedrop_stream_wrap(device, nullptr), nullptr);
  EXPECT_ERROR("the interpreter has no streams but its own");
  double took = 0;
  EXPECT_NE(sparsedrop_event_elapsed(event, event, &took), 0);
  EXPECT_ERROR("has not been recorded");
  EXPECT_OK(sparsedrop_event_synchronize(event));
  // In any order.
  sparsedrop_device_close(other);
  sparsedrop_event_destroy(event);
  sparsedrop_stream_destroy(stream);
}

TEST_F(InterpTest, ManyThreads) {
  sparsedrop_binary *binary = load(kPTX);
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  std::atomic<int> wrong{0};
  auto work = [&](float factor) {
    std::vector<float> values = makeFloats(300), result(300);
    uint64_t p = 0;
    wrong += sparsedrop_device_alloc(device, 1200, &p);
    sparsedrop_stream *stream = sparsedrop_stream_create(device);
    sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "scale");
    for (int i = 0; i < 5; ++i) {
      wrong += sparsedrop_device_upload(device, stream, p, values.data(), 1200);
      wrong += scale(kernel, stream, p, 300, factor);
      wrong +=
          sparsedrop_device_download(device, stream, result.data(), p, 1200);
      wrong += sparsedrop_stream_synchronize(device, stream);
      for (size_t j = 0; j < 300; ++j)
        wrong += result[j] != factor * values[j];
    }
    sparsedrop_stream_destroy(stream);
    wrong += sparsedrop_device_free(device, p);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back(work, i + 2.f);
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
  sparsedrop_binary_destroy(binary);
}

//===----------------------------------------------------------------------===//
// Tensor maps
//===----------------------------------------------------------------------===//

TEST_F(InterpTest, TensorMaps) {
  alignas(64) uint8_t bytes[SPARSEDROP_MAP_BYTES];
  sparsedrop_tensor_map good = makeMap(allocate(64 * 256));
  EXPECT_OK(sparsedrop_tensor_map_encode(device, &good, bytes));
  auto expect = [&](auto change, const char *error) {
    sparsedrop_tensor_map map = good;
    change(map);
    EXPECT_NE(sparsedrop_tensor_map_encode(device, &map, bytes), 0);
    EXPECT_ERROR(error);
  };
  using Map = sparsedrop_tensor_map;
  expect([](Map &map) { map.size = 1; }, "the size of a sparsedrop_tensor_map");
  expect([](Map &map) { map.type = 13; }, "tensor map: type 13 is unknown");
  expect([](Map &map) { map.rank = 6; },
         "expected 1 to 5 dimensions, but got 6");
  expect([](Map &map) { map.swizzle = 16; }, "expected a swizzle of 0, 32, 64");
  expect([](Map &map) { map.interleave = 8; },
         "expected an interleave of 0, 16");
  expect([](Map &map) { map.promotion = 32; }, "expected a promotion of 0, 64");
  expect([](Map &map) { map.address += 8; }, "tensor map: ");
  expect([](Map &map) { map.strides[0] += 8; }, "tensor map: ");
  expect([](Map &map) { map.box[0] = 257; }, "tensor map: ");
  expect([](Map &map) { map.box[0] = 128; }, "tensor map: ");
  expect([](Map &map) { map.elementStrides[0] = 9; }, "tensor map: ");
}

/// Each block of a cluster of two copies its box of 8 rows of 16 floats.
static constexpr const char *kTensorPTX = R"(.version 8.0
.target sm_90a
.address_size 64
.visible .entry tile(.param .align 64 .b8 map[128], .param .u64 p)
{
  .reg .b64 %rd<6>;
  .reg .b32 %r<9>;
  .reg .pred %p<3>;
  .shared .align 128 .b8 box[512];
  .shared .align 8 .b64 bar;
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %cluster_ctarank;
  shl.b32 %r3, %r2, 3;
  mov.u32 %r4, bar;
  mov.u32 %r5, box;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra WAIT;
  mbarrier.init.shared::cta.b64 [%r4], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r4], 512;
  mov.u64 %rd1, map;
  cvta.param.u64 %rd2, %rd1;
  cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes
      [%r5], [%rd2, {0, %r3}], [%r4];
WAIT:
  bar.sync 0;
AGAIN:
  mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r4], 0;
  @!%p2 bra AGAIN;
  shl.b32 %r6, %r1, 2;
  add.u32 %r7, %r5, %r6;
  ld.shared.b32 %r8, [%r7];
  ld.param.u64 %rd3, [p];
  mul.wide.u32 %rd4, %r2, 512;
  add.u64 %rd3, %rd3, %rd4;
  cvt.u64.u32 %rd5, %r6;
  add.u64 %rd3, %rd3, %rd5;
  st.global.b32 [%rd3], %r8;
  ret;
}
)";

TEST_F(InterpTest, TensorMapsReachKernels) {
  sparsedrop_binary *binary = load(kTensorPTX);
  ASSERT_NE(binary, nullptr) << sparsedrop_last_error();
  sparsedrop_kernel *kernel = sparsedrop_binary_kernel(binary, "tile");
  std::vector<float> values = makeFloats(16 * 16), result(16 * 16);
  uint64_t from = allocate(1024), to = allocate(1024);
  EXPECT_OK(
      sparsedrop_device_upload(device, nullptr, from, values.data(), 1024));
  sparsedrop_tensor_map map = makeMap(from);
  map.type = SPARSEDROP_MAP_F32;
  map.dims[0] = 16;
  map.dims[1] = 15; // the last row is out of bounds
  map.strides[0] = 64;
  map.box[0] = 16;
  map.box[1] = 8;
  map.swizzle = 0;
  std::array<uint8_t, SPARSEDROP_MAP_BYTES> bytes;
  EXPECT_OK(sparsedrop_tensor_map_encode(device, &map, bytes.data()));
  EXPECT_OK(
      Launcher(2, 128).setCluster(2).add(bytes).add(to).run(kernel, nullptr));
  EXPECT_OK(
      sparsedrop_device_download(device, nullptr, result.data(), to, 1024));
  EXPECT_OK(sparsedrop_device_synchronize(device));
  std::fill(values.end() - 16, values.end(), 0.f);
  EXPECT_EQ(result, values);
  sparsedrop_binary_destroy(binary);
}
