//===- BufferizableOpInterfaceImpl.cpp - Kernels on buffers ---------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Dialect/SparseDrop/Transforms/BufferizableOpInterfaceImpl.h"

#include "sparsedrop/Dialect/SparseDrop/IR/SparseDrop.h"

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace mlir::sparsedrop;

namespace {
/// Destination style: results lie in the buffers of `inits`.
struct ContractInterface
    : public DstBufferizableOpInterfaceExternalModel<ContractInterface,
                                                     ContractOp> {
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand,
                              const AnalysisState &) const {
    auto contract = cast<ContractOp>(op);
    unsigned number = operand.getOperandNumber();
    return number < contract.getFirstInit() ||
           contract.readsOld(number - contract.getFirstInit());
  }

  /// An output may lie where an extra of the same map lies: each element is
  /// read right before it is written. Factors are read many times.
  bool bufferizesToElementwiseAccess(Operation *op, const AnalysisState &,
                                     ArrayRef<OpOperand *> operands) const {
    auto contract = cast<ContractOp>(op);
    AffineMap map = contract.getMap(operands.front()->getOperandNumber());
    bool isOutput =
        llvm::any_of(llvm::seq<unsigned>(0, contract.getInits().size()),
                     [&](unsigned i) { return contract.getInitMap(i) == map; });
    return isOutput && llvm::all_of(operands, [&](OpOperand *operand) {
             return operand->getOperandNumber() >= 2 &&
                    contract.getMap(operand->getOperandNumber()) == map;
           });
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto contract = cast<ContractOp>(op);
    SmallVector<Value> buffers, results;
    for (OpOperand &operand : op->getOpOperands()) {
      if (isa<MemRefType>(operand.get().getType())) {
        buffers.push_back(operand.get());
        continue;
      }
      FailureOr<Value> buffer =
          getBuffer(rewriter, operand.get(), options, state);
      if (failed(buffer))
        return failure();
      buffers.push_back(*buffer);
    }
    ValueRange all(buffers);
    unsigned first = contract.getFirstInit();
    auto lowered =
        ContractOp::create(rewriter, op->getLoc(), TypeRange(), all[0], all[1],
                           all.slice(2, first - 2), all.drop_front(first),
                           contract.getIndexingMaps(), contract.getJointAttr());
    lowered->setDiscardableAttrs(op->getDiscardableAttrDictionary());
    lowered.getEpilogue().takeBody(contract.getEpilogue());
    for (OpResult result : op->getResults())
      results.push_back(
          all[contract.getTiedOpOperand(result)->getOperandNumber()]);
    replaceOpWithBufferizedValues(rewriter, op, results);
    return success();
  }
};
} // namespace

void mlir::sparsedrop::registerBufferizableOpInterfaceExternalModels(
    DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, SparseDropDialect *) {
    ContractOp::attachInterface<ContractInterface>(*context);
  });
}
