//===- Product.cpp - One product of a batch -------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Product.h"

#include "Parallel.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

using namespace sparsedrop::runtime;

/// What one more thread has to bring: about ten microseconds of work.
static constexpr double kFlopsPerWorker = 1e6;
/// A thread's block of packed A or unrounded C: fits the second-level cache.
static constexpr int64_t kBlockBytes = int64_t{2} << 20;
/// Panels that all threads share.
static constexpr int64_t kPanelABytes = int64_t{16} << 20;
static constexpr int64_t kMinPanelBBytes = int64_t{4} << 20;
static constexpr int64_t kMaxPanelBBytes = int64_t{32} << 20;
/// Sums of 16-bit or scattered C that wait for their last panel of depth.
static constexpr int64_t kMaxSumsBytes = int64_t{32} << 20;
/// Depth at which reading and writing C once more no longer shows.
static constexpr int64_t kMinPanel = 256, kMaxBlockDepth = 4096;
/// Rows of A or columns of B that make copying them inside BLAS pay.
static constexpr int64_t kMinPiece = 64, kMaxBlockColumns = 1024;

static int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Whole vectors of BLAS's kernels, whole cache lines of a workspace.
static int64_t round16(int64_t value) { return ceilDiv(value, 16) * 16; }

/// Views of one item.
template <typename T> struct Product<T>::Item {
  View a, b, c;

  const T *get(const View &view) const {
    return static_cast<const T *>(view.data) + view.offset;
  }
  T *getTarget() const { return const_cast<T *>(get(c)); }
};

/// What a panel of depth is multiplied from and to.
template <typename T> struct Product<T>::Operands {
  std::optional<Matrix<T>> left; ///< none: packed by piece
  Matrix<T> right;
  T *sums; ///< none: stored by piece
  int64_t ld;
  Range band; ///< rows that `sums` holds
  Range depths;
  bool accumulate;
};

//===----------------------------------------------------------------------===//
// Planning
//===----------------------------------------------------------------------===//

template <typename T>
Product<T>::Product(const Problem &problem, int64_t team)
    : problem(problem), rows(problem.nest.m.extent()),
      columns(problem.nest.n.extent()), depth(problem.nest.k.extent()) {
  const LoopNest &nest = problem.nest;
  left = getLayout<T>(problem.a.type, A, nest.m, nest.k);
  right = getLayout<T>(problem.b.type, B, nest.k, nest.n);
  if (auto target = getLayout<T>(problem.c.type, C, nest.m, nest.n);
      target && !target->transposed)
    targetLd = target->ld;
  chooseMethod(team);
  choosePanel();
  chooseGrid();
}

template <typename T> void Product<T>::chooseMethod(int64_t team) {
  double flops = 2.0 * static_cast<double>(rows) *
                 static_cast<double>(columns) * static_cast<double>(depth);
  workers = static_cast<int64_t>(
      std::min(static_cast<double>(team), 1 + flops / kFlopsPerWorker));
  bool vector = fitsVector();
  // C too small to be cut, or so much depth to be packed that each thread
  // should pack a part of its own.
  bool small = vector ? std::max(rows, columns) < 16 * workers
                      : rows * columns <= kMinPiece * kMinPiece * workers;
  bool deep = (!left || !right) && depth / 8 > std::max(rows, columns) &&
              rows * columns * static_cast<int64_t>(sizeof(T)) <= kBlockBytes;
  if (workers > 1 && depth / workers >= 2 * kMinPanel && (small || deep))
    method = Method::SplitDepth;
  else if (vector)
    method = Method::Vector;
}

/// A matrix times a vector, with any increments of both vectors.
template <typename T> bool Product<T>::fitsVector() const {
  if ((columns != 1 && rows != 1) || depth > kMaxBlasExtent)
    return false;
  bool oneColumn = columns == 1;
  const View &vector = oneColumn ? problem.b : problem.a;
  const LoopGroup &outputs = oneColumn ? problem.nest.m : problem.nest.n;
  std::optional<int64_t> incX = problem.nest.k.getStride(vector.operand);
  std::optional<int64_t> incY = outputs.getStride(C);
  auto fits = [](std::optional<int64_t> inc, int64_t extent) {
    return inc && (extent == 1 || (*inc > 0 && *inc <= kMaxBlasExtent));
  };
  return (oneColumn ? left : right) && vector.type == getSumType<T>() &&
         problem.c.type == getSumType<T>() && fits(incX, depth) &&
         fits(incY, outputs.extent());
}

template <typename T> void Product<T>::choosePanel() {
  constexpr int64_t size = sizeof(T);
  panel = std::min(depth, kMaxBlasExtent);
  if (method == Method::SplitDepth) {
    if (!left || !right)
      panel = std::clamp(kBlockBytes / size / (rows + columns), kMinPiece,
                         2 * kMinPanel);
    return;
  }
  sharesA = !left && (rows < kMinPiece * workers || columns > kMaxBlasExtent);
  // Each thread's share of a panel stays in its cache until it is used.
  int64_t bytesB =
      std::clamp(kBlockBytes * workers, kMinPanelBBytes, kMaxPanelBBytes);
  if (!right)
    panel = std::min(panel, std::max(kMinPanel, bytesB / size / columns));
  if (sharesA)
    panel = std::min(panel, std::max(kMinPanel, kPanelABytes / size / rows));
  else if (!left)
    panel = std::min(panel, kMaxBlockDepth);
  panel = std::min(depth, round16(ceilDiv(depth, ceilDiv(depth, panel))));
  // 16-bit and scattered C is rounded and stored after its last panel only.
  keepsSums = !targetLd && panel < depth;
  bandRows = rows;
  if (keepsSums && !sharesA)
    bandRows =
        std::min(rows, std::max(4 * kMinPiece * workers,
                                kMaxSumsBytes / size / columns / 16 * 16));
}

/// Cuts C into one piece a thread: the grid whose largest piece takes the
/// least time, copying of operands inside BLAS included.
template <typename T> void Product<T>::chooseGrid() {
  constexpr int64_t size = sizeof(T);
  // Copying an element costs about as much as this many multiplications.
  constexpr int64_t kCopy = 24;
  double best = 0;
  for (int64_t down = 1; down <= workers; ++down) {
    int64_t height = round16(ceilDiv(bandRows, down));
    int64_t width = round16(ceilDiv(columns, workers / down));
    double cost = static_cast<double>(height + kCopy) *
                  static_cast<double>(width + kCopy);
    if (down > 1 && cost >= best)
      continue;
    best = cost;
    pieceRows = height;
    pieceColumns = width;
  }
  if (!left && !sharesA) {
    pieceRows =
        std::min(round16(ceilDiv(bandRows, workers)),
                 std::max(kMinPiece, kBlockBytes / size / panel / 16 * 16));
    pieceColumns = columns;
  }
  pieceRows = std::min(pieceRows, kMaxBlasExtent);
  pieceColumns = std::min(pieceColumns, kMaxBlasExtent);
  blockRows = pieceRows;
  blockColumns = pieceColumns;
  if (targetLd || keepsSums)
    return;
  blockColumns = std::min(blockColumns, kMaxBlockColumns);
  blockRows =
      std::min(blockRows, std::max(kMinPiece, kBlockBytes / size /
                                                  blockColumns / 16 * 16));
}

template <typename T> int64_t Product<T>::getSlotSize() const {
  int64_t count = 0;
  if (method == Method::SplitDepth) {
    count += round16(rows * columns);
    count += left ? 0 : round16(rows * panel);
    count += right ? 0 : round16(panel * columns);
    return count;
  }
  count += left || sharesA ? 0 : round16(blockRows * panel);
  count += targetLd || keepsSums ? 0 : round16(blockRows * blockColumns);
  return count;
}

template <typename T> int64_t Product<T>::getWorkspace() const {
  if (method == Method::Vector)
    return 0;
  int64_t count = workers * getSlotSize();
  if (method == Method::SplitDepth)
    return count;
  count += sharesA ? round16(rows * panel) : 0;
  count += right ? 0 : round16(panel * columns);
  count += keepsSums ? round16(bandRows * columns) : 0;
  return count;
}

//===----------------------------------------------------------------------===//
// Packing
//===----------------------------------------------------------------------===//

/// How costly it is to read along the innermost loop: long runs of a small
/// stride are best.
static double getReadCost(const LoopGroup &group, Operand operand) {
  Loop inner = group.getInner();
  if (inner.extent == 1)
    return 1e30;
  double stride = static_cast<double>(std::abs(inner.strides[operand]));
  return stride * std::max(1.0, 16.0 / static_cast<double>(inner.extent));
}

/// Packs (firsts, seconds) of a view on up to `slots` threads. The group that
/// is cheaper to read along becomes the contiguous one.
template <typename T>
static Matrix<T> packMatrix(const View &view, const LoopGroup &first,
                            const LoopGroup &second, Range firsts,
                            Range seconds, T *buffer, int64_t slots) {
  bool transposed =
      getReadCost(first, view.operand) < getReadCost(second, view.operand);
  const LoopGroup &outer = transposed ? second : first;
  const LoopGroup &inner = transposed ? first : second;
  Range outers = transposed ? seconds : firsts;
  Range inners = transposed ? firsts : seconds;
  int64_t lines =
      slots <= 1 ? outers.count : std::max<int64_t>(1, 32768 / inners.count);
  forPieces(slots, ceilDiv(outers.count, lines), [&](int64_t, int64_t piece) {
    int64_t begin = piece * lines;
    Range part{outers.begin + begin, std::min(lines, outers.count - begin)};
    pack(view, outer, inner, part, inners, buffer + begin * inners.count);
  });
  return {buffer, inners.count, transposed};
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

template <typename T> void Product<T>::run(int64_t index, T *workspace) const {
  Item item{problem.a, problem.b, problem.c};
  const LoopGroup &batch = problem.nest.batch;
  item.a.offset += batch.getOffset(A, index);
  item.b.offset += batch.getOffset(B, index);
  item.c.offset += batch.getOffset(C, index);
  switch (method) {
  case Method::Vector:
    return runVector(item);
  case Method::Grid:
    return runGrid(item, workspace);
  case Method::SplitDepth:
    return runSplitDepth(item, workspace);
  }
}

template <typename T> void Product<T>::runVector(const Item &item) const {
  bool oneColumn = columns == 1;
  const View &vector = oneColumn ? item.b : item.a;
  int64_t count = oneColumn ? rows : columns;
  int64_t incX = depth == 1 ? 1 : *problem.nest.k.getStride(vector.operand);
  const LoopGroup &outputs = oneColumn ? problem.nest.m : problem.nest.n;
  int64_t incY = count == 1 ? 1 : *outputs.getStride(C);
  // B is k x n: seen from its columns it is the other way round.
  Matrix<T> matrix = oneColumn ? *left : *right;
  matrix.data = item.get(oneColumn ? item.a : item.b);
  if (!oneColumn)
    matrix.transposed = !matrix.transposed;
  int64_t size = std::min(round16(ceilDiv(count, workers)), kMaxBlasExtent);
  forPieces(workers, ceilDiv(count, size), [&](int64_t, int64_t piece) {
    int64_t begin = piece * size;
    gemv(matrix.from(begin, 0), item.get(vector), incX,
         item.getTarget() + begin * incY, incY, std::min(size, count - begin),
         depth, problem.accumulate);
  });
}

template <typename T>
void Product<T>::runGrid(const Item &item, T *workspace) const {
  for (int64_t begin = 0; begin < rows; begin += bandRows)
    runBand(item, {begin, std::min(bandRows, rows - begin)}, workspace);
}

template <typename T>
void Product<T>::runBand(const Item &item, Range band, T *workspace) const {
  const LoopNest &nest = problem.nest;
  auto take = [&](int64_t count) {
    return std::exchange(workspace, workspace + round16(count));
  };
  T *packedA = sharesA ? take(rows * panel) : nullptr;
  T *packedB = right ? nullptr : take(panel * columns);
  T *sums = keepsSums ? take(bandRows * columns) : nullptr;
  int64_t pieces =
      ceilDiv(band.count, pieceRows) * ceilDiv(columns, pieceColumns);
  for (int64_t begin = 0; begin < depth; begin += panel) {
    Range depths{begin, std::min(panel, depth - begin)};
    Operands operands{getLeft(item, depths, packedA),
                      getRight(item, depths, packedB),
                      sums,
                      columns,
                      band,
                      depths,
                      begin > 0};
    if (targetLd) {
      operands.sums = item.getTarget() + band.begin * *targetLd;
      operands.ld = *targetLd;
      operands.accumulate |= problem.accumulate;
    }
    forPieces(workers, pieces, [&](int64_t slot, int64_t piece) {
      runPiece(item, operands, piece, workspace + slot * getSlotSize());
    });
  }
  if (!keepsSums)
    return;
  int64_t lines = std::max<int64_t>(1, 32768 / columns);
  forPieces(workers, ceilDiv(band.count, lines), [&](int64_t, int64_t piece) {
    int64_t begin = piece * lines;
    Range part{band.begin + begin, std::min(lines, band.count - begin)};
    store(item.c, nest.m, nest.n, part, {0, columns}, sums + begin * columns,
          columns, problem.accumulate);
  });
}

/// A over all rows at a panel of depth, packed by all threads if they share
/// it; none if each of their blocks is to be packed.
template <typename T>
std::optional<Matrix<T>> Product<T>::getLeft(const Item &item, Range depths,
                                             T *packed) const {
  if (left)
    return Matrix<T>{item.get(item.a), left->ld, left->transposed}.from(
        0, depths.begin);
  if (!sharesA)
    return std::nullopt;
  return packMatrix(item.a, problem.nest.m, problem.nest.k, {0, rows}, depths,
                    packed, workers);
}

template <typename T>
Matrix<T> Product<T>::getRight(const Item &item, Range depths,
                               T *packed) const {
  if (right)
    return Matrix<T>{item.get(item.b), right->ld, right->transposed}.from(
        depths.begin, 0);
  return packMatrix(item.b, problem.nest.k, problem.nest.n, depths,
                    {0, columns}, packed, workers);
}

/// Multiplies a piece of C for one panel of depth, block by block.
template <typename T>
void Product<T>::runPiece(const Item &item, const Operands &operands,
                          int64_t piece, T *scratch) const {
  const LoopNest &nest = problem.nest;
  int64_t across = ceilDiv(columns, pieceColumns);
  const Range &band = operands.band;
  int64_t top = band.begin + piece / across * pieceRows;
  int64_t bottom = std::min(top + pieceRows, band.begin + band.count);
  int64_t first = piece % across * pieceColumns;
  int64_t last = std::min(first + pieceColumns, columns);
  T *block = operands.left ? scratch : scratch + round16(blockRows * panel);
  for (int64_t i = top; i < bottom; i += blockRows) {
    Range down{i, std::min(blockRows, bottom - i)};
    Matrix<T> left = operands.left
                         ? operands.left->from(i, 0)
                         : packMatrix(item.a, nest.m, nest.k, down,
                                      operands.depths, scratch, /*slots=*/1);
    for (int64_t j = first; j < last; j += blockColumns) {
      Range over{j, std::min(blockColumns, last - j)};
      T *sums = operands.sums
                    ? operands.sums + (i - band.begin) * operands.ld + j
                    : block;
      int64_t ld = operands.sums ? operands.ld : over.count;
      multiply(left, operands.right.from(0, j), sums, ld, down.count,
               over.count, operands.depths.count, operands.accumulate);
      if (!operands.sums)
        store(item.c, nest.m, nest.n, down, over, sums, ld, problem.accumulate);
    }
  }
}

/// Each thread sums a part of the depth; the sums are added in a fixed order,
/// so that a number of threads always gives the same bits.
template <typename T>
void Product<T>::runSplitDepth(const Item &item, T *workspace) const {
  int64_t slotSize = getSlotSize(), outputs = rows * columns;
  int64_t length = round16(ceilDiv(depth, workers));
  int64_t parts = ceilDiv(depth, length);
  forPieces(parts, parts, [&](int64_t, int64_t part) {
    Range depths{part * length, std::min(length, depth - part * length)};
    sumDepth(item, depths, workspace + part * slotSize);
  });
  for (int64_t part = 1; part < parts; ++part)
    for (int64_t i = 0; i < outputs; ++i)
      workspace[i] += workspace[part * slotSize + i];
  store(item.c, problem.nest.m, problem.nest.n, {0, rows}, {0, columns},
        workspace, columns, problem.accumulate);
}

/// scratch[0 : rows x columns] = A[:, depths] * B[depths, :].
template <typename T>
void Product<T>::sumDepth(const Item &item, Range depths, T *scratch) const {
  const LoopNest &nest = problem.nest;
  T *packedA = scratch + round16(rows * columns);
  T *packedB = left ? packedA : packedA + round16(rows * panel);
  int64_t end = depths.begin + depths.count;
  for (int64_t begin = depths.begin; begin < end; begin += panel) {
    Range part{begin, std::min(panel, end - begin)};
    Matrix<T> partLeft =
        left ? Matrix<T>{item.get(item.a), left->ld, left->transposed}.from(
                   0, begin)
             : packMatrix(item.a, nest.m, nest.k, {0, rows}, part, packedA,
                          /*slots=*/1);
    Matrix<T> partRight =
        right ? Matrix<T>{item.get(item.b), right->ld, right->transposed}.from(
                    begin, 0)
              : packMatrix(item.b, nest.k, nest.n, part, {0, columns}, packedB,
                           /*slots=*/1);
    multiply(partLeft, partRight, scratch, columns, rows, columns, part.count,
             /*accumulate=*/begin > depths.begin);
  }
}

template class sparsedrop::runtime::Product<float>;
template class sparsedrop::runtime::Product<double>;
