//===- Tensor.cpp - Arrays that go in and come out ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tensor.h"

#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace mlir::sparsedrop::run;

bool mlir::sparsedrop::run::isWidened(mlir::Type type) {
  return mlir::isa<mlir::FloatType>(type) && type.getIntOrFloatBitWidth() < 32;
}

int64_t Tensor::size() const {
  int64_t size = 1;
  for (int64_t extent : shape)
    size *= extent;
  return size;
}

double Tensor::get(int64_t i) const {
  int64_t width = getElementBytes(elementType);
  uint64_t bits = 0;
  std::memcpy(&bits, bytes.data() + i * width, static_cast<size_t>(width));
  if (auto type = mlir::dyn_cast<mlir::FloatType>(elementType)) {
    llvm::APFloat value(type.getFloatSemantics(),
                        llvm::APInt(type.getWidth(), bits));
    bool lossy;
    value.convert(llvm::APFloat::IEEEdouble(),
                  llvm::APFloat::rmNearestTiesToEven, &lossy);
    return value.convertToDouble();
  }
  if (elementType.isInteger(1))
    return static_cast<double>(bits & 1);
  return static_cast<double>(
      llvm::SignExtend64(bits, static_cast<unsigned>(8 * width)));
}

void Tensor::set(int64_t i, double value) {
  int64_t width = getElementBytes(elementType);
  uint64_t bits = 0;
  if (auto type = mlir::dyn_cast<mlir::FloatType>(elementType)) {
    llvm::APFloat number(value);
    bool lossy;
    number.convert(type.getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven,
                   &lossy);
    bits = number.bitcastToAPInt().getZExtValue();
  } else {
    auto number = static_cast<int64_t>(value);
    // A boolean has one bit, whatever its byte has.
    bits =
        elementType.isInteger(1) ? number != 0 : static_cast<uint64_t>(number);
  }
  std::memcpy(bytes.data() + i * width, &bits, static_cast<size_t>(width));
}
