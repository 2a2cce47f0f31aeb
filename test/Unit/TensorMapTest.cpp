//===- TensorMapTest.cpp - What tensor maps may say -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each requirement that cuTensorMapEncodeTiled documents, at both of its sides.
//
//===----------------------------------------------------------------------===//

#include "TensorMap.h"

#include "gtest/gtest.h"

#include <functional>

using namespace sparsedrop::ptx;

namespace {

/// A map of rank 3 that is right.
TensorMapInfo makeMap() {
  TensorMapInfo info;
  info.dataType = TensorMapInfo::Float16;
  info.rank = 3;
  info.address = 0x10000;
  const uint64_t dims[] = {100, 30, 7}, strides[] = {208, 6240};
  const uint32_t box[] = {64, 8, 2}, steps[] = {1, 2, 8};
  for (unsigned i = 0; i < 3; ++i) {
    info.dims[i] = dims[i];
    info.box[i] = box[i];
    info.elementStrides[i] = steps[i];
    if (i > 0)
      info.strides[i - 1] = strides[i - 1];
  }
  info.swizzle = TensorMapInfo::Swizzle128;
  info.promotion = TensorMapInfo::L2x256;
  info.fill = TensorMapInfo::NaN;
  return info;
}

using Change = std::function<void(TensorMapInfo &)>;

/// The message about a map that is right but for a change.
std::string encodeWith(const Change &change) {
  TensorMapInfo info = makeMap();
  change(info);
  uint8_t bytes[TensorMapInfo::kBytes];
  return encodeTensorMap(info, bytes);
}

void expectGood(const Change &change) { EXPECT_EQ(encodeWith(change), ""); }

void expectError(const Change &change, const std::string &part) {
  std::string error = encodeWith(change);
  EXPECT_NE(error.find(part), std::string::npos)
      << "expected '" << part << "' in '" << error << "'";
}

void expectEqual(const TensorMapInfo &a, const TensorMapInfo &b) {
  EXPECT_EQ(a.dataType, b.dataType);
  EXPECT_EQ(a.rank, b.rank);
  EXPECT_EQ(a.address, b.address);
  for (unsigned i = 0; i < a.rank; ++i) {
    EXPECT_EQ(a.dims[i], b.dims[i]);
    EXPECT_EQ(a.box[i], b.box[i]);
    EXPECT_EQ(a.elementStrides[i], b.elementStrides[i]);
    if (i > 0)
      EXPECT_EQ(a.strides[i - 1], b.strides[i - 1]);
  }
  EXPECT_EQ(a.interleave, b.interleave);
  EXPECT_EQ(a.swizzle, b.swizzle);
  EXPECT_EQ(a.promotion, b.promotion);
  EXPECT_EQ(a.fill, b.fill);
}

TEST(TensorMap, RoundTrip) {
  TensorMapInfo info = makeMap(), back;
  info.dims[2] = uint64_t(1) << 32;
  info.strides[1] = (uint64_t(1) << 40) - 16;
  uint8_t bytes[TensorMapInfo::kBytes];
  std::string error;
  ASSERT_EQ(encodeTensorMap(info, bytes), "");
  ASSERT_TRUE(decodeTensorMap(bytes, back, error)) << error;
  expectEqual(info, back);
}

TEST(TensorMap, OtherBytes) {
  uint8_t bytes[TensorMapInfo::kBytes] = {};
  TensorMapInfo info;
  std::string error;
  EXPECT_FALSE(decodeTensorMap(bytes, info, error));
  EXPECT_EQ(error, "the bytes are not a tensor map");
  ASSERT_EQ(encodeTensorMap(makeMap(), bytes), "");
  for (unsigned i = 0; i < TensorMapInfo::kBytes; ++i) {
    bytes[i] ^= 4;
    EXPECT_FALSE(decodeTensorMap(bytes, info, error)) << "byte " << i;
    bytes[i] ^= 4;
  }
  EXPECT_TRUE(decodeTensorMap(bytes, info, error));
}

TEST(TensorMap, WrongFieldsAreFoundLate) {
  TensorMapInfo info = makeMap(), back;
  info.box[1] = 0;
  uint8_t bytes[TensorMapInfo::kBytes];
  packTensorMap(info, bytes);
  std::string error;
  EXPECT_TRUE(unpackTensorMap(bytes, back));
  EXPECT_FALSE(decodeTensorMap(bytes, back, error));
  EXPECT_EQ(error, "the box size of dimension 1 is 0, expected 1 to 256");
}

TEST(TensorMap, Types) {
  const unsigned sizes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
  for (unsigned i = 0; i < TensorMapInfo::kNumDataTypes; ++i) {
    TensorMapInfo info;
    info.dataType = static_cast<TensorMapInfo::DataType>(i);
    EXPECT_EQ(info.getElementSize(), sizes[i]);
    TensorMapInfo::DataType parsed;
    ASSERT_TRUE(parseTensorMapType(getName(info.dataType), parsed));
    EXPECT_EQ(parsed, info.dataType);
  }
  TensorMapInfo::DataType parsed;
  EXPECT_FALSE(parseTensorMapType("e4m3", parsed));
}

TEST(TensorMap, BoxBytes) {
  // 64 elements of 2 bytes, 4 of 8 rows, 1 of 2.
  EXPECT_EQ(makeMap().getBoxBytes(), 64u * 2 * 4 * 1);
}

TEST(TensorMap, Ranks) {
  expectError([](TensorMapInfo &info) { info.rank = 0; }, "the rank is 0");
  expectError([](TensorMapInfo &info) { info.rank = 6; }, "expected 1 to 5");
  expectGood([](TensorMapInfo &info) { info.rank = 1; });
  expectError(
      [](TensorMapInfo &info) {
        info.rank = 2;
        info.interleave = TensorMapInfo::Interleave16;
      },
      "expected 3 to 5 with an interleave");
}

TEST(TensorMap, Addresses) {
  expectError([](TensorMapInfo &info) { info.address = 0; }, "null");
  expectError([](TensorMapInfo &info) { info.address += 8; },
              "not a multiple of 16");
  expectGood([](TensorMapInfo &info) { info.address += 16; });
  auto leave = [](TensorMapInfo &info) {
    info.interleave = TensorMapInfo::Interleave32;
    info.swizzle = TensorMapInfo::Swizzle32;
    info.strides[0] = 224;
  };
  expectGood(leave);
  expectError(
      [&](TensorMapInfo &info) {
        leave(info);
        info.address += 16;
      },
      "not a multiple of 32");
  expectError(
      [&](TensorMapInfo &info) {
        leave(info);
        info.strides[0] = 208;
      },
      "expected a multiple of 32");
}

TEST(TensorMap, Dimensions) {
  expectError([](TensorMapInfo &info) { info.dims[1] = 0; },
              "the size of dimension 1 is 0");
  expectError(
      [](TensorMapInfo &info) { info.dims[2] = (uint64_t(1) << 32) + 1; },
      "expected 1 to 2^32");
  expectError([](TensorMapInfo &info) { info.strides[0] = 200; },
              "the stride of dimension 1 is 200 bytes");
  expectError([](TensorMapInfo &info) { info.strides[1] = uint64_t(1) << 40; },
              "less than 2^40");
}

TEST(TensorMap, Boxes) {
  expectGood([](TensorMapInfo &info) { info.box[2] = 256; });
  expectError([](TensorMapInfo &info) { info.box[2] = 257; },
              "the box size of dimension 2 is 257");
  expectError([](TensorMapInfo &info) { info.box[0] = 0; },
              "the box size of dimension 0 is 0");
  expectError([](TensorMapInfo &info) { info.box[0] = 60; },
              "120 bytes, which is no multiple of 16");
  expectGood([](TensorMapInfo &info) { info.box[0] = 8; });
  expectError([](TensorMapInfo &info) { info.elementStrides[1] = 0; },
              "the element stride of dimension 1 is 0");
  expectError([](TensorMapInfo &info) { info.elementStrides[2] = 9; },
              "expected 1 to 8");
  // That of dimension 0 is ignored without an interleave.
  expectGood([](TensorMapInfo &info) { info.elementStrides[0] = 0; });
}

TEST(TensorMap, Swizzles) {
  const std::pair<TensorMapInfo::Swizzle, unsigned> spans[] = {
      {TensorMapInfo::Swizzle32, 32},
      {TensorMapInfo::Swizzle64, 64},
      {TensorMapInfo::Swizzle128, 128}};
  for (auto [swizzle, span] : spans) {
    auto set = [swizzle = swizzle, span = span](TensorMapInfo &info) {
      info.swizzle = swizzle;
      info.box[0] = span / 2;
    };
    expectGood(set);
    expectError(
        [&](TensorMapInfo &info) {
          set(info);
          info.box[0] += 8;
        },
        "of the swizzle");
  }
  expectGood([](TensorMapInfo &info) {
    info.swizzle = TensorMapInfo::NoSwizzle;
    info.box[0] = 256;
  });
  expectError(
      [](TensorMapInfo &info) {
        info.interleave = TensorMapInfo::Interleave32;
        info.strides[0] = 224;
      },
      "needs the swizzle of 32 bytes");
}

TEST(TensorMap, Fills) {
  expectError(
      [](TensorMapInfo &info) { info.dataType = TensorMapInfo::UInt16; },
      "elements of type u16 cannot be filled with NaN");
  expectGood([](TensorMapInfo &info) {
    info.dataType = TensorMapInfo::UInt16;
    info.fill = TensorMapInfo::Zero;
  });
}

TEST(TensorMap, Enumerators) {
  expectError(
      [](TensorMapInfo &info) {
        info.dataType = static_cast<TensorMapInfo::DataType>(13);
      },
      "the data type 13");
  expectError(
      [](TensorMapInfo &info) {
        info.swizzle = static_cast<TensorMapInfo::Swizzle>(4);
      },
      "the swizzle 4");
  expectError(
      [](TensorMapInfo &info) {
        info.interleave = static_cast<TensorMapInfo::Interleave>(3);
      },
      "the interleave 3");
  expectError(
      [](TensorMapInfo &info) {
        info.promotion = static_cast<TensorMapInfo::Promotion>(4);
      },
      "the L2 promotion 4");
  expectError(
      [](TensorMapInfo &info) {
        info.fill = static_cast<TensorMapInfo::Fill>(2);
      },
      "out of bounds 2");
}

} // namespace
