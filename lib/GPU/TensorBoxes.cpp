//===- TensorBoxes.cpp - Tiles by bulk copies -----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorBoxes.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr int64_t kDynamic = ShapedType::kDynamic;
/// What tensor maps can have (CUDA driver API, cuTensorMapEncodeTiled).
static constexpr int64_t kMostBox = 256;
static constexpr size_t kMostDims = 5;
/// Rows after which a swizzle repeats, and the bytes that it moves at a time.
static constexpr int64_t kSwizzleRows = 8, kSwizzleBytes = 16;

//===----------------------------------------------------------------------===//
// The plan
//===----------------------------------------------------------------------===//

/// The product of the extents of loops; kDynamic if one is unknown.
static int64_t countIterations(const Product &product,
                               ArrayRef<unsigned> loops) {
  int64_t extent = 1;
  for (unsigned loop : loops) {
    if (product.extents[loop] == kDynamic)
      return kDynamic;
    extent *= product.extents[loop];
  }
  return extent;
}

/// The loops of a role as dimensions, from the fastest on; loops whose
/// addresses follow one another are one.
static SmallVector<BoxDim> getDims(const Product &product, unsigned operand,
                                   Role role) {
  SmallVector<BoxDim> dims;
  const LoopStrides &strides = product.strides[operand];
  for (unsigned loop : llvm::reverse(product.get(role))) {
    if (!dims.empty()) {
      SmallVector<unsigned> &loops = dims.back().loops;
      int64_t extent = countIterations(product, loops);
      int64_t stride = strides[loops.back()];
      if (extent != kDynamic && stride != kDynamic &&
          strides[loop] == extent * stride) {
        loops.insert(loops.begin(), loop);
        continue;
      }
    }
    dims.push_back({role, {loop}, 1});
  }
  return dims;
}

/// Gives the dimensions of a role the boxes that `count` iterations, which
/// begin at a multiple of `count`, consist of.
static bool cutBoxes(const Product &product, int64_t count,
                     MutableArrayRef<BoxDim> dims) {
  for (auto [i, dim] : llvm::enumerate(dims)) {
    if (i + 1 == dims.size()) {
      dim.box = count;
      return count <= kMostBox;
    }
    dim.box = 1;
    if (count == 1)
      continue;
    int64_t extent = countIterations(product, dim.loops);
    if (extent == kDynamic || extent == 0)
      return false;
    dim.box = std::min(count, extent);
    if (count % dim.box != 0 || extent % dim.box != 0 || dim.box > kMostBox)
      return false;
    count /= dim.box;
  }
  return true;
}

/// The longest row of shared memory that fits the contiguous role, of which
/// tiles have `count` iterations.
static int64_t chooseSpan(const Product &product, ArrayRef<BoxDim> dims,
                          int64_t count, int64_t elementBytes) {
  int64_t extent = countIterations(product, dims[0].loops);
  for (int64_t span : {128, 64, 32, 16}) {
    int64_t elements = span / elementBytes;
    if (count % elements == 0 &&
        (dims.size() == 1 || (extent != kDynamic && extent % elements == 0)))
      return span;
  }
  return 0;
}

/// The boxes of the contiguous role: a row of shared memory, or all rows if the
/// fastest dimension is as long as one.
static bool cutContiguous(const Product &product, TensorBoxes &boxes,
                          MutableArrayRef<BoxDim> dims) {
  if (dims.size() > 1 && boxes.sharers == 1 &&
      countIterations(product, dims[0].loops) == boxes.spanElements() &&
      cutBoxes(product, boxes.length, dims)) {
    boxes.isWhole = true;
    return true;
  }
  return cutBoxes(product, boxes.spanElements(), dims);
}

/// Whether no stride is known to be zero.
static bool hasStrides(const Product &product, const TensorBoxes &boxes) {
  return llvm::all_of(boxes.dims, [&](const BoxDim &dim) {
    return llvm::none_of(dim.loops, [&](unsigned loop) {
      return product.strides[boxes.operand][loop] == 0;
    });
  });
}

FailureOr<TensorBoxes> mlir::sparsedrop::planBoxes(
    const Product &product, unsigned operand, Role along, Role across,
    int64_t length, int64_t rows, int64_t sharers, std::string &reason) {
  TensorBoxes boxes;
  boxes.operand = operand;
  boxes.along = along;
  boxes.across = across;
  boxes.length = length;
  boxes.rows = rows;
  boxes.sharers = sharers;
  auto fail = [&](const llvm::Twine &why) {
    reason = ("operand " + llvm::Twine(operand) + " " + why).str();
    return failure();
  };
  Type element = product.getElement(operand);
  if (!element.isIntOrFloat())
    return fail("has elements that bulk copies do not move");
  boxes.elementBytes = element.getIntOrFloatBitWidth() / 8;
  if (boxes.elementBytes == 0 ||
      product.getVectorWidth(operand, along) * boxes.elementBytes !=
          kSwizzleBytes)
    return fail("is not known to be contiguous with an address and strides "
                "that are multiples of 16 bytes");
  if (rows % (sharers * kSwizzleRows) != 0)
    return fail("has tiles of " + llvm::Twine(rows) +
                " rows, of which blocks of a cluster cannot copy equal parts");
  SmallVector<BoxDim> inner = getDims(product, operand, along);
  SmallVector<BoxDim> outer = getDims(product, operand, across);
  if (outer.empty())
    outer.push_back({across, {}, 1});
  boxes.span = chooseSpan(product, inner, length, boxes.elementBytes);
  if (boxes.span == 0 || !cutContiguous(product, boxes, inner) ||
      !cutBoxes(product, rows / sharers, outer))
    return fail("has loops that tiles of " + llvm::Twine(length) + " x " +
                llvm::Twine(rows) + " do not divide");
  boxes.dims.push_back(inner[0]);
  llvm::append_range(boxes.dims, outer);
  llvm::append_range(boxes.dims, ArrayRef(inner).drop_front());
  llvm::append_range(boxes.dims, getDims(product, operand, Role::Batch));
  if (boxes.dims.size() > kMostDims)
    return fail("has " + llvm::Twine(boxes.dims.size()) +
                " dimensions, more than 5");
  if (!hasStrides(product, boxes))
    return fail("has a loop of stride 0");
  return boxes;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

void BoxedTensor::addMap(Value buffer, bool isFactor) {
  SmallVector<MapDim> dims;
  for (const BoxDim &dim : boxes.dims) {
    // A role without loops: one iteration, with any stride.
    MapDim map{k.hostConstant(1),
               k.hostConstant(kSwizzleBytes / boxes.elementBytes), dim.box};
    if (!dim.loops.empty())
      map.stride = access.getLoopStride(boxes.operand, dim.loops.back());
    for (unsigned loop : dim.loops)
      map.extent = k.hostMul(map.extent, access.getLoopExtent(loop));
    dims.push_back(map);
  }
  map = k.getMap(buffer, dims, boxes.swizzle(), isFactor);
}

/// The first element of a box in each dimension.
SmallVector<Value> BoxedTensor::getCoordinates(TileStart start) {
  SmallVector<Value> coordinates;
  for (const BoxDim &dim : boxes.dims) {
    Value &number = start[dim.role];
    bool isLast =
        std::none_of(&dim + 1, boxes.dims.end(),
                     [&](const BoxDim &next) { return next.role == dim.role; });
    if (isLast) {
      coordinates.push_back(number);
      continue;
    }
    HostIndex extent = k.hostConstant(1);
    for (unsigned loop : dim.loops)
      extent = k.hostMul(extent, access.getLoopExtent(loop));
    coordinates.push_back(k.remU(number, k.getInt(extent)));
    number = k.divU(number, k.getInt(extent));
  }
  return coordinates;
}

void BoxedTensor::load(TileStart start, Value shared, Value barrier) {
  Type i8 = k.b.getI8Type();
  if (blocks) {
    Value row = k.mul(part, k.constant(boxes.rows / boxes.sharers));
    shared = k.offset(shared, k.mul(row, k.constant(boxes.span)), i8);
    start[boxes.across] = k.add(start[boxes.across], row);
  }
  int64_t copies = boxes.isWhole ? 1 : boxes.chunks();
  for (int64_t chunk = 0; chunk < copies; ++chunk) {
    Value place = k.offset(shared, k.constant(chunk * boxes.chunkBytes()), i8);
    // The whole cluster's shared memory is what the instruction addresses.
    Value target = LLVM::AddrSpaceCastOp::create(
        k.b, LLVM::LLVMPointerType::get(k.b.getContext(), 7), place);
    NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
        k.b, target, map, getCoordinates(start), barrier,
        /*im2colOffsets=*/ValueRange(), /*multicastMask=*/blocks,
        /*l2CacheHint=*/Value(), NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false,
        NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
    start[boxes.along] =
        k.add(start[boxes.along], k.constant(boxes.spanElements()));
  }
}

void BoxedTensor::store(TileStart start, Value shared) {
  int64_t copies = boxes.isWhole ? 1 : boxes.chunks();
  for (int64_t chunk = 0; chunk < copies; ++chunk) {
    Value place = k.offset(shared, k.constant(chunk * boxes.chunkBytes()),
                           k.b.getI8Type());
    NVVM::CpAsyncBulkTensorSharedCTAToGlobalOp::create(
        k.b, map, place, getCoordinates(start), /*l2CacheHint=*/Value(),
        NVVM::TMAStoreMode::TILE, /*predicate=*/Value());
    start[boxes.along] =
        k.add(start[boxes.along], k.constant(boxes.spanElements()));
  }
}

Value BoxedTensor::getPlace(Value row, Value byte) {
  Value chunk = k.mul(k.divU(byte, k.constant(boxes.span)),
                      k.constant(boxes.chunkBytes()));
  Value inRow = k.remU(byte, k.constant(boxes.span));
  // 16 bytes change places with the row's number among those that fill the 128
  // bytes of all banks together (PTX ISA, "Swizzling modes").
  int64_t pieces = boxes.span / kSwizzleBytes;
  Value number = k.divU(row, k.constant(kSwizzleRows / pieces));
  Value swizzle =
      k.mul(k.andI(number, k.constant(pieces - 1)), k.constant(kSwizzleBytes));
  return k.add(
      chunk, k.add(k.mul(row, k.constant(boxes.span)), k.xorI(inRow, swizzle)));
}
