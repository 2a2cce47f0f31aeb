//===- Signature.cpp - What a measured kernel is for ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Signature.h"

#include "Product.h"

using namespace mlir;
using namespace mlir::sparsedrop;

static constexpr Role kRoles[] = {Role::Batch, Role::Rows, Role::Columns,
                                  Role::Depth};

static StringRef getName(Role role) {
  switch (role) {
  case Role::Batch:
    return "batch";
  case Role::Rows:
    return "rows";
  case Role::Columns:
    return "columns";
  case Role::Depth:
    return "depth";
  }
  return "";
}

static void printExtents(raw_ostream &stream, const Product &product,
                         Role role) {
  stream << " " << getName(role) << "=";
  bool isFirst = true;
  for (unsigned loop : product.get(role)) {
    int64_t extent = product.extents[loop];
    if (extent == 1)
      continue;
    stream << (isFirst ? "" : "x");
    if (ShapedType::isDynamic(extent))
      stream << "?";
    else
      stream << extent;
    if (ContractOp(product.op).getJoint() == loop)
      stream << "j";
    isFirst = false;
  }
  if (isFirst)
    stream << "1";
}

/// Where copies of a factor can be wide.
static void printMajors(raw_ostream &stream, const Product &product,
                        unsigned operand, Role lines) {
  bool isFirst = true;
  for (Role role : {Role::Depth, lines}) {
    if (!product.isContiguous(operand, role))
      continue;
    stream << (isFirst ? "" : ".") << getName(role) << "/"
           << product.getVectorWidth(operand, role);
    isFirst = false;
  }
  if (isFirst)
    stream << "strided";
}

/// An input or an output of the epilogue.
static void printArray(raw_ostream &stream, const Product &product,
                       unsigned operand) {
  stream << product.getElement(operand) << ":";
  bool isFirst = true;
  for (Role role : kRoles) {
    if (llvm::all_of(product.get(role), [&](unsigned loop) {
          return product.strides[operand][loop] == 0;
        }))
      continue;
    stream << (isFirst ? "" : ".") << getName(role);
    if (role == Role::Columns)
      stream << "/" << product.getVectorWidth(operand, role);
    isFirst = false;
  }
  if (isFirst)
    stream << "scalar";
}

std::string mlir::sparsedrop::getSignature(ContractOp op, const Chip &chip) {
  Product product(op);
  std::string text;
  llvm::raw_string_ostream stream(text);
  bool rounds = chip.tf32 && product.getElement(product.first).isF32();
  stream << chip.name << (rounds ? " tf32 " : " ")
         << product.getElement(product.first) << "*"
         << product.getElement(product.second) << "+" << op.getSum().getType();
  for (Role role : kRoles)
    printExtents(stream, product, role);
  if (getGroupedLoop(op))
    stream << " groups=?";
  stream << " first=";
  printMajors(stream, product, product.first, Role::Rows);
  stream << " second=";
  printMajors(stream, product, product.second, Role::Columns);
  unsigned init = op.getFirstInit(), count = op->getNumOperands();
  stream << " with=" << (init == 2 ? "none" : "");
  for (unsigned operand = 2; operand < init; ++operand) {
    stream << (operand == 2 ? "" : ",");
    printArray(stream, product, operand);
  }
  stream << " outs=";
  for (unsigned operand = init; operand < count; ++operand) {
    stream << (operand == init ? "" : ",");
    printArray(stream, product, operand);
    stream << (op.readsOld(operand - init) ? ":old" : "");
  }
  return text;
}
