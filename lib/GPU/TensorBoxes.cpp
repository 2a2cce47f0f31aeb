//===- TensorBoxes.cpp - Tiles by bulk copies -----------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TensorBoxes.h"

#include "Bodies.h"

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

namespace {
/// Lists the dimensions of a tensor map.
class DimList {
public:
  DimList(const Product &product, unsigned operand)
      : product(product), operand(operand) {}

  /// Tells how many numbers of a role a copy takes; false if they are no box.
  bool setCopies(Role role, int64_t count);
  /// Why the operand cannot have a map, or nothing.
  std::string checkImages();
  /// Those that boxes along the loops of a role are cut out of, from the
  /// fastest on; loops whose addresses follow one another are one.
  SmallVector<BoxDim> get(Role role) const;

private:
  std::optional<int64_t> getLimit(unsigned loop) const;
  /// Dimensions that a loop indexes.
  int64_t countUses(unsigned loop) const {
    return llvm::count_if(product.indices[operand], [&](const LinearIndex &i) {
      return i.coefficients[loop] != 0;
    });
  }
  bool follows(const BoxDim &dim, unsigned loop) const;

  const Product &product;
  unsigned operand;
  /// Iterations of loops that a copy takes, where tiles are boxes.
  DenseMap<unsigned, int64_t> copies;
  /// Of loops that index an image: its dimension.
  DenseMap<unsigned, unsigned> images;
  /// Those among them that boxes are not cut along.
  llvm::SmallDenseSet<unsigned> taps;
};
} // namespace

/// Iterations of a loop in a tile; nothing if tiles are not cut along loops.
std::optional<int64_t> DimList::getLimit(unsigned loop) const {
  Role role = product.getRole(loop);
  if (role == Role::Batch)
    return 1;
  ArrayRef<int64_t> boxes = product.getBoxes(role);
  if (boxes.empty())
    return std::nullopt;
  return boxes[llvm::find(product.get(role), loop) - product.get(role).begin()];
}

bool DimList::setCopies(Role role, int64_t count) {
  if (!product.isBox(role, count))
    return false;
  auto loops = llvm::zip(product.get(role), product.getBoxes(role));
  SmallVector<std::tuple<unsigned, int64_t>> list(loops.begin(), loops.end());
  for (auto [loop, box] : llvm::reverse(list)) {
    copies[loop] = std::min(count, box);
    count /= copies[loop];
  }
  return true;
}

std::string DimList::checkImages() {
  for (auto [dim, index] : llvm::enumerate(product.indices[operand])) {
    if (!product.isImage(operand, static_cast<unsigned>(dim)))
      continue;
    std::optional<unsigned> moving;
    for (auto [loop, coefficient] : llvm::enumerate(index.coefficients)) {
      if (coefficient == 0)
        continue;
      auto number = static_cast<unsigned>(loop);
      if (!getLimit(number))
        return "is indexed by a sum of loops, of which tiles are not boxes";
      if (!images.insert({number, static_cast<unsigned>(dim)}).second ||
          countUses(number) > 1)
        return "has two dimensions that one loop indexes";
      // Loops of the batch have one iteration.
      bool isMoving = copies.lookup_or(number, 1) > 1;
      if (isMoving && moving && copies.lookup_or(*moving, 1) > 1)
        return "has tiles of several iterations of two loops in one dimension";
      // Without any, the first loop may as well be that one.
      if (!moving || isMoving) {
        if (moving)
          taps.insert(*moving);
        moving = number;
      } else {
        taps.insert(number);
      }
    }
    if (moving && index.coefficients[*moving] < 1 &&
        copies.lookup_or(*moving, 1) > 1)
      return "is indexed backwards";
  }
  return "";
}

/// Whether the addresses of `dim` follow those of `loop`'s neighbours.
bool DimList::follows(const BoxDim &dim, unsigned loop) const {
  if (dim.imageDim || images.contains(loop))
    return false;
  // Boxes are of single loops, unless they are of one iteration of each.
  if (!product.getBoxes(dim.role).empty() &&
      (dim.limit != 1 || getLimit(loop) != 1))
    return false;
  const LoopStrides &strides = product.strides[operand];
  int64_t extent = countIterations(product, dim.loops);
  int64_t stride = strides[dim.loops.back()];
  return extent != kDynamic && stride != kDynamic &&
         strides[loop] == extent * stride;
}

SmallVector<BoxDim> DimList::get(Role role) const {
  SmallVector<BoxDim> dims;
  for (unsigned loop : llvm::reverse(product.get(role))) {
    // Nor does a loop of one iteration, where the index has been simplified.
    if (taps.contains(loop) ||
        (product.extents[loop] == 1 && product.strides[operand][loop] == 0))
      continue;
    if (!dims.empty() && follows(dims.back(), loop)) {
      dims.back().loops.insert(dims.back().loops.begin(), loop);
      continue;
    }
    BoxDim dim{role, {loop}};
    if (!product.getBoxes(role).empty())
      dim.limit = *getLimit(loop);
    if (auto image = images.find(loop); image != images.end()) {
      dim.imageDim = image->second;
      dim.step = std::max<int64_t>(
          product.indices[operand][image->second].coefficients[loop], 1);
    }
    dims.push_back(dim);
  }
  if (product.getBoxes(role).empty())
    for (BoxDim &dim : dims)
      dim.limit = countIterations(product, dim.loops);
  return dims;
}

/// Gives the dimensions of a role the boxes that `count` iterations, which
/// begin at a multiple of `count`, consist of.
static bool cutBoxes(const Product &product, int64_t count,
                     MutableArrayRef<BoxDim> dims) {
  for (auto [i, dim] : llvm::enumerate(dims)) {
    bool isLast = i + 1 == dims.size();
    bool isCut = !product.getBoxes(dim.role).empty();
    int64_t most = kMostBox / dim.step;
    if (isLast && !isCut) {
      dim.box = count;
      return count <= most;
    }
    dim.box = 1;
    if (count == 1)
      continue;
    if (dim.limit == kDynamic || dim.limit == 0)
      return false;
    dim.box = std::min(count, dim.limit);
    if (count % dim.box != 0 || dim.limit % dim.box != 0 || dim.box > most)
      return false;
    count /= dim.box;
  }
  return count == 1;
}

/// The longest row of shared memory that fits the contiguous role, of which
/// tiles have `count` iterations.
static int64_t chooseSpan(const Product &product, ArrayRef<BoxDim> dims,
                          int64_t count, int64_t elementBytes) {
  int64_t extent = dims[0].limit;
  bool isCut = !product.getBoxes(dims[0].role).empty();
  for (int64_t span : {128, 64, 32, 16}) {
    int64_t elements = span / elementBytes;
    if (count % elements == 0 &&
        ((dims.size() == 1 && !isCut) ||
         (extent != kDynamic && extent % elements == 0)))
      return span;
  }
  return 0;
}

/// Cuts the dimensions of `boxes`, whose span is known; why that is not
/// possible, or nothing. `isWhole`: one copy moves all rows of the contiguous
/// role, of which the fastest dimension is as long as one.
static std::string cutDims(const Product &product, TensorBoxes &boxes,
                           bool isWhole) {
  int64_t length = isWhole ? boxes.length : boxes.spanElements();
  int64_t rows = boxes.rows / boxes.sharers;
  std::string shape =
      std::to_string(boxes.length) + " x " + std::to_string(boxes.rows);
  std::string problem = "has loops that tiles of " + shape + " do not divide";
  DimList list(product, boxes.operand);
  if (!list.setCopies(boxes.along, length) ||
      !list.setCopies(boxes.across, rows))
    return problem;
  if (std::string image = list.checkImages(); !image.empty())
    return image;
  SmallVector<BoxDim> inner = list.get(boxes.along);
  SmallVector<BoxDim> outer = list.get(boxes.across);
  if (inner.empty() || inner[0].imageDim)
    return "is contiguous along a dimension that a sum of loops indexes";
  if (outer.empty())
    outer.push_back({boxes.across, {}, 1});
  if (isWhole && (inner.size() == 1 || boxes.sharers != 1 ||
                  inner[0].limit != boxes.spanElements()))
    return problem;
  if (!cutBoxes(product, length, inner) || !cutBoxes(product, rows, outer))
    return problem;
  boxes.isWhole = isWhole;
  boxes.dims.assign(1, inner[0]);
  llvm::append_range(boxes.dims, outer);
  llvm::append_range(boxes.dims, ArrayRef(inner).drop_front());
  llvm::append_range(boxes.dims, list.get(Role::Batch));
  return "";
}

/// Whether no stride is known to be zero.
static bool hasStrides(const Product &product, const TensorBoxes &boxes) {
  return llvm::all_of(boxes.dims, [&](const BoxDim &dim) {
    return dim.imageDim || llvm::none_of(dim.loops, [&](unsigned loop) {
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
  SmallVector<BoxDim> inner = DimList(product, operand).get(along);
  boxes.span = chooseSpan(product, inner, length, boxes.elementBytes);
  if (boxes.span == 0)
    return fail("has loops that tiles of " + llvm::Twine(length) + " x " +
                llvm::Twine(rows) + " do not divide");
  std::string problem = cutDims(product, boxes, /*isWhole=*/true);
  if (!problem.empty())
    problem = cutDims(product, boxes, /*isWhole=*/false);
  if (!problem.empty())
    return fail(problem);
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

MapDim BoxedTensor::getMapDim(const BoxDim &dim) {
  if (dim.imageDim) {
    Value buffer = access.getProduct().op->getOperand(boxes.operand);
    return {getExtent(k, buffer, *dim.imageDim),
            getStrides(k, buffer)[*dim.imageDim], dim.box, dim.step};
  }
  // A role without loops: one iteration, with any stride.
  MapDim map{k.hostConstant(1),
             k.hostConstant(kSwizzleBytes / boxes.elementBytes), dim.box};
  if (!dim.loops.empty())
    map.stride = access.getLoopStride(boxes.operand, dim.loops.back());
  for (unsigned loop : dim.loops)
    map.extent = k.hostMul(map.extent, access.getLoopExtent(loop));
  return map;
}

void BoxedTensor::addMap(Value buffer, bool isFactor) {
  SmallVector<MapDim> dims;
  for (const BoxDim &dim : boxes.dims)
    dims.push_back(getMapDim(dim));
  map = k.getMap(buffer, dims, boxes.swizzle(), isFactor);
}

/// The index of each loop of the roles whose tiles are boxes; null for others.
SmallVector<Value> BoxedTensor::getIndices(TileStart start) {
  const Product &product = access.getProduct();
  SmallVector<Value> indices(product.extents.size());
  bool hasImage = llvm::any_of(
      boxes.dims, [](const BoxDim &dim) { return dim.imageDim.has_value(); });
  for (Role role : {Role::Batch, Role::Rows, Role::Columns, Role::Depth}) {
    bool isCut =
        !product.getBoxes(role).empty() || (role == Role::Batch && hasImage);
    if (!isCut || !start[role])
      continue;
    for (auto [loop, index] :
         llvm::zip(product.get(role), access.getIndices(role, start[role])))
      indices[loop] = index;
  }
  return indices;
}

/// The first element of a box in a dimension of an image.
Value BoxedTensor::getImageCoordinate(unsigned dim, ArrayRef<Value> indices) {
  const LinearIndex &index = access.getProduct().indices[boxes.operand][dim];
  Value sum = k.constant(index.offset);
  for (auto [loop, coefficient] : llvm::zip(indices, index.coefficients))
    if (coefficient != 0)
      sum = k.add(sum, k.mul(loop, k.constant(coefficient)));
  return sum;
}

/// The first element of a box in each dimension.
SmallVector<Value> BoxedTensor::getCoordinates(TileStart start) {
  SmallVector<Value> coordinates, indices = getIndices(start);
  for (const BoxDim &dim : boxes.dims) {
    if (dim.imageDim) {
      coordinates.push_back(getImageCoordinate(*dim.imageDim, indices));
      continue;
    }
    if (!dim.loops.empty() && indices[dim.loops[0]]) {
      Value sum = indices[dim.loops[0]];
      for (unsigned loop : ArrayRef(dim.loops).drop_front())
        sum = k.add(k.mul(sum, k.getInt(access.getLoopExtent(loop))),
                    indices[loop]);
      coordinates.push_back(sum);
      continue;
    }
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
