//===- FactorBoxes.cpp - Tiles of a factor by bulk copies -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "FactorBoxes.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr int64_t kDynamic = ShapedType::kDynamic;
/// What tensor maps can have (CUDA driver API, cuTensorMapEncodeTiled).
static constexpr int64_t kMostBox = 256;
static constexpr size_t kMostDims = 5;
/// Bytes of depth of one wgmma, rows of a core matrix, bytes of its rows.
static constexpr int64_t kStep = 32, kCoreRows = 8, kCoreBytes = 16;

//===----------------------------------------------------------------------===//
// Layout in shared memory
//===----------------------------------------------------------------------===//

int64_t FactorBoxes::getOffset(int64_t line, int64_t step) const {
  if (!alongDepth) {
    int64_t depths = step * (kStep / elementBytes);
    return line / spanElements() * chunkBytes() + depths * span;
  }
  int64_t byte = step * kStep;
  return byte / span * chunkBytes() + line * span + byte % span;
}

int64_t FactorBoxes::getDescriptor() const {
  // Strides between core matrices of 8 rows of 16 bytes. Along the depth:
  // leading is the one to the next 16 bytes (not read if swizzled), stride the
  // one to the next 8 lines. Along the lines: leading is the one to the next
  // chunk of lines and stride the one to the next 8 depths; the other way
  // around without a swizzle.
  int64_t group = kCoreRows * span;
  int64_t leading = span == kCoreBytes || !alongDepth ? chunkBytes() : 0;
  int64_t stride = group;
  if (!alongDepth && span == kCoreBytes)
    std::swap(leading, stride);
  int64_t mode = span == 128 ? 1 : span == 64 ? 2 : span == 32 ? 3 : 0;
  return static_cast<int64_t>(static_cast<uint64_t>(leading / 16) << 16 |
                              static_cast<uint64_t>(stride / 16) << 32 |
                              static_cast<uint64_t>(mode) << 62);
}

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
static bool cutContiguous(const Product &product, int64_t count,
                          FactorBoxes &boxes, MutableArrayRef<BoxDim> dims) {
  if (dims.size() > 1 && boxes.sharers == 1 &&
      countIterations(product, dims[0].loops) == boxes.spanElements() &&
      cutBoxes(product, count, dims)) {
    boxes.isWhole = true;
    return true;
  }
  return cutBoxes(product, boxes.spanElements(), dims);
}

/// The stride of each loop is known not to be zero or is not known.
static bool hasStrides(const Product &product, const FactorBoxes &boxes) {
  return llvm::all_of(boxes.dims, [&](const BoxDim &dim) {
    return llvm::none_of(dim.loops, [&](unsigned loop) {
      return product.strides[boxes.operand][loop] == 0;
    });
  });
}

FailureOr<FactorBoxes> mlir::sparsedrop::planBoxes(const Product &product,
                                                   unsigned operand, Role role,
                                                   int64_t lines, int64_t depth,
                                                   int64_t sharers,
                                                   std::string &reason) {
  FactorBoxes boxes;
  boxes.operand = operand;
  boxes.role = role;
  boxes.lines = lines;
  boxes.depth = depth;
  boxes.sharers = sharers;
  boxes.elementBytes = product.getElement(operand).getIntOrFloatBitWidth() / 8;
  auto fail = [&](const llvm::Twine &why) {
    reason = ("operand " + llvm::Twine(operand) + " " + why).str();
    return failure();
  };
  auto isAligned = [&](Role role) {
    return product.getVectorWidth(operand, role) * boxes.elementBytes ==
           kCoreBytes;
  };
  boxes.alongDepth = isAligned(Role::Depth);
  if (!boxes.alongDepth && !isAligned(role))
    return fail("is not known to be contiguous with an address and strides "
                "that are multiples of 16 bytes");
  if (!boxes.alongDepth && boxes.elementBytes != 2)
    return fail("is not contiguous along the depth, as wgmma wants it for "
                "elements that have no 16 bits");
  Role rowRole = boxes.alongDepth ? Role::Depth : role;
  Role otherRole = boxes.alongDepth ? role : Role::Depth;
  int64_t rowCount = boxes.alongDepth ? depth : lines;
  SmallVector<BoxDim> rows = getDims(product, operand, rowRole);
  SmallVector<BoxDim> others = getDims(product, operand, otherRole);
  if (others.empty())
    others.push_back({otherRole, {}, 1});
  if (boxes.rows() % (sharers * kCoreRows) != 0)
    return fail("has tiles of " + llvm::Twine(boxes.rows()) +
                " rows, of which blocks of a cluster cannot copy equal parts");
  boxes.span = chooseSpan(product, rows, rowCount, boxes.elementBytes);
  if (boxes.span == 0 || !cutContiguous(product, rowCount, boxes, rows) ||
      !cutBoxes(product, boxes.rows() / sharers, others))
    return fail("has loops that tiles of " + llvm::Twine(lines) + " x " +
                llvm::Twine(depth) + " do not divide");
  boxes.dims.push_back(rows[0]);
  llvm::append_range(boxes.dims, others);
  llvm::append_range(boxes.dims, ArrayRef(rows).drop_front());
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

void BoxedFactor::addMap(Value buffer) {
  SmallVector<MapDim> dims;
  for (const BoxDim &dim : boxes.dims) {
    // A role without loops: one iteration, with any stride.
    MapDim map{k.hostConstant(1),
               k.hostConstant(kCoreBytes / boxes.elementBytes), dim.box};
    if (!dim.loops.empty())
      map.stride = access.getLoopStride(boxes.operand, dim.loops.back());
    for (unsigned loop : dim.loops)
      map.extent = k.hostMul(map.extent, access.getLoopExtent(loop));
    dims.push_back(map);
  }
  map = k.getMap(buffer, dims, boxes.swizzle());
}

/// The first element of a box in each dimension.
SmallVector<Value> BoxedFactor::getCoordinates(Value batch, Value line,
                                               Value depth) {
  SmallVector<Value> coordinates;
  Value rest[4];
  for (Role role : {Role::Rows, Role::Columns})
    rest[static_cast<int>(role)] = line;
  rest[static_cast<int>(Role::Batch)] = batch;
  rest[static_cast<int>(Role::Depth)] = depth;
  for (const BoxDim &dim : boxes.dims) {
    Value &number = rest[static_cast<int>(dim.role)];
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

void BoxedFactor::copy(Value batch, Value line, Value depth, Value stage,
                       Value barrier) {
  int64_t copies = boxes.isWhole ? 1 : boxes.chunks();
  Value start = k.mul(stage, k.constant(stageBytes));
  if (blocks) {
    Value row = k.mul(part, k.constant(boxes.rows() / boxes.sharers));
    start = k.add(start, k.mul(row, k.constant(boxes.span)));
    Value &across = boxes.alongDepth ? line : depth;
    across = k.add(across, row);
  }
  Type i8 = k.b.getI8Type();
  for (int64_t chunk = 0; chunk < copies; ++chunk) {
    Value &along = boxes.alongDepth ? depth : line;
    Value place =
        k.offset(k.sharedMemory(base),
                 k.add(start, k.constant(chunk * boxes.chunkBytes())), i8);
    // The whole cluster's shared memory is what the instruction addresses.
    Value target = LLVM::AddrSpaceCastOp::create(
        k.b, LLVM::LLVMPointerType::get(k.b.getContext(), 7), place);
    NVVM::CpAsyncBulkTensorGlobalToSharedClusterOp::create(
        k.b, target, map, getCoordinates(batch, line, depth), barrier,
        /*im2colOffsets=*/ValueRange(), /*multicastMask=*/blocks,
        /*l2CacheHint=*/Value(), NVVM::TMALoadMode::TILE, /*isCTAOnly=*/false,
        NVVM::CTAGroupKindAttr(), /*predicate=*/Value());
    along = k.add(along, k.constant(boxes.spanElements()));
  }
}
