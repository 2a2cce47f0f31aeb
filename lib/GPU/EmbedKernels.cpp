//===- EmbedKernels.cpp - PTX becomes data of the host's module -----------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "sparsedrop-c/Program.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_EMBEDKERNELS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

static constexpr StringLiteral kImageName = "sparsedrop_image";

namespace {
/// Writes the image of a module.
class ImageBuilder {
public:
  explicit ImageBuilder(ModuleOp module)
      : b(module.getContext()), loc(module.getLoc()),
        pointer(LLVM::LLVMPointerType::get(module.getContext())) {
    b.setInsertionPointToStart(module.getBody());
  }

  LLVM::GlobalOp addBytes(StringRef name, StringRef bytes);
  LLVM::GlobalOp addNames(StringRef name, ArrayRef<StringRef> names);
  void addImage(ArrayRef<Attribute> fields);

private:
  Value get(Attribute field);

  OpBuilder b;
  Location loc;
  Type pointer;
};
} // namespace

LLVM::GlobalOp ImageBuilder::addBytes(StringRef name, StringRef bytes) {
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), bytes.size());
  return LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/true,
                                LLVM::Linkage::Internal, name,
                                b.getStringAttr(bytes), /*alignment=*/16);
}

/// Addresses of strings that end with a zero.
LLVM::GlobalOp ImageBuilder::addNames(StringRef name,
                                      ArrayRef<StringRef> names) {
  SmallVector<LLVM::GlobalOp> strings;
  for (auto [i, text] : llvm::enumerate(names))
    strings.push_back(addBytes((name + "_" + Twine(i)).str(),
                               StringRef((text + Twine('\0')).str())));
  auto type = LLVM::LLVMArrayType::get(pointer, names.size());
  auto array =
      LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/true,
                             LLVM::Linkage::Internal, name, Attribute());
  OpBuilder::InsertionGuard guard(b);
  b.createBlock(&array.getInitializerRegion());
  Value value = LLVM::PoisonOp::create(b, loc, type);
  for (auto [i, string] : llvm::enumerate(strings))
    value = LLVM::InsertValueOp::create(
        b, loc, value, LLVM::AddressOfOp::create(b, loc, string),
        static_cast<int64_t>(i));
  LLVM::ReturnOp::create(b, loc, value);
  return array;
}

/// A number, or the address of a global by its name.
Value ImageBuilder::get(Attribute field) {
  if (auto number = dyn_cast<IntegerAttr>(field))
    return LLVM::ConstantOp::create(b, loc, b.getI64Type(), number);
  if (auto symbol = dyn_cast<FlatSymbolRefAttr>(field))
    return LLVM::AddressOfOp::create(b, loc, pointer, symbol.getValue());
  return LLVM::ZeroOp::create(b, loc, pointer);
}

void ImageBuilder::addImage(ArrayRef<Attribute> fields) {
  SmallVector<Type> types;
  for (Attribute field : fields)
    types.push_back(isa<IntegerAttr>(field) ? b.getI64Type() : pointer);
  auto type = LLVM::LLVMStructType::getLiteral(b.getContext(), types);
  auto image = LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/true,
                                      LLVM::Linkage::Internal, kImageName,
                                      Attribute(), /*alignment=*/16);
  b.createBlock(&image.getInitializerRegion());
  Value value = LLVM::PoisonOp::create(b, loc, type);
  for (auto [i, field] : llvm::enumerate(fields))
    value = LLVM::InsertValueOp::create(b, loc, value, get(field),
                                        static_cast<int64_t>(i));
  LLVM::ReturnOp::create(b, loc, value);
}

/// The strings of an array attribute, if it is there.
static SmallVector<StringRef> getStrings(Operation *op, StringRef name) {
  SmallVector<StringRef> strings;
  if (auto array = op->getAttrOfType<ArrayAttr>(name))
    for (auto text : array.getAsRange<StringAttr>())
      strings.push_back(text.getValue());
  return strings;
}

namespace {
struct EmbedKernels
    : public mlir::sparsedrop::impl::EmbedKernelsBase<EmbedKernels> {
  using EmbedKernelsBase::EmbedKernelsBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto declaration = module.lookupSymbol<LLVM::GlobalOp>(kImageName);
    if (!declaration)
      return;
    declaration.erase();
    // A module that launches nothing has an image all the same.
    std::string ptx = ".version 8.0\n.target " + chip + "\n.address_size 64\n";
    SmallVector<StringRef> kernels, constants;
    std::string cubin;
    bool overlaps = false;
    for (auto binary : llvm::to_vector(module.getOps<gpu::BinaryOp>())) {
      kernels = getStrings(binary, "kernels");
      constants = getStrings(binary, mlir::sparsedrop::kConstantsAttrName);
      overlaps = binary->hasAttr(mlir::sparsedrop::kOverlapsAttrName);
      for (auto object : binary.getObjects().getAsRange<gpu::ObjectAttr>())
        (object.getFormat() == gpu::CompilationTarget::Binary ? cubin : ptx) =
            object.getObject().getValue().str();
      embed(module, ptx, cubin, kernels, constants, overlaps);
      binary.erase();
      return;
    }
    embed(module, ptx, cubin, kernels, constants, overlaps);
  }

  void embed(ModuleOp module, StringRef ptx, StringRef cubin,
             ArrayRef<StringRef> kernels, ArrayRef<StringRef> constants,
             bool overlaps) {
    ImageBuilder builder(module);
    Builder b(&getContext());
    auto number = [&](size_t value) -> Attribute {
      return b.getI64IntegerAttr(static_cast<int64_t>(value));
    };
    auto symbol = [&](LLVM::GlobalOp global) -> Attribute {
      return FlatSymbolRefAttr::get(global.getSymNameAttr());
    };
    std::string chipText = chip;
    chipText.push_back('\0');
    SmallVector<Attribute> fields{
        number(sizeof(sparsedrop_program_image)),
        symbol(builder.addBytes("sparsedrop_chip", chipText)),
        symbol(builder.addBytes("sparsedrop_ptx", ptx)),
        number(ptx.size()),
        cubin.empty() ? b.getUnitAttr()
                      : symbol(builder.addBytes("sparsedrop_cubin", cubin)),
        number(cubin.size()),
        symbol(builder.addNames("sparsedrop_kernel_names", kernels)),
        number(kernels.size()),
        symbol(builder.addNames("sparsedrop_constant_names", constants)),
        number(constants.size()),
        number(overlaps ? 1 : 0)};
    builder.addImage(fields);
  }
};
} // namespace
