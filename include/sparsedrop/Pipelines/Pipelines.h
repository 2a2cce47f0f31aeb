//===- Pipelines.h - The pipelines of SparseDrop ----------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `sparsedrop-pipeline` takes annotated linalg to upstream dialects plus calls
// to the runtime library; `sparsedrop-to-cpu` takes that on to the LLVM dialect
// for the host, `sparsedrop-to-nvvm` to GPU kernels and host code.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_PIPELINES_PIPELINES_H
#define SPARSEDROP_PIPELINES_PIPELINES_H

#include "sparsedrop/Dialect/SparseDrop/Transforms/Transforms.h"

#include "mlir/Pass/PassOptions.h"

#include <memory>

namespace mlir {
class OpPassManager;

namespace sparsedrop {

class KernelTable;

/// What becomes of the annotated dropouts.
enum class DropoutMode {
  Compact,   ///< the dropped work is removed
  Masked,    ///< the reference: dense compute, masks of the same patterns
  Bernoulli, ///< ordinary dropout, an independent draw per element
  Dense      ///< no dropout at all
};

/// Options of `sparsedrop-pipeline`.
struct SparseDropPipelineOptions
    : public PassPipelineOptions<SparseDropPipelineOptions> {
  PassOptions::Option<DropoutMode> mode{
      *this, "mode", llvm::cl::desc("What becomes of the annotated dropouts"),
      llvm::cl::init(DropoutMode::Compact),
      llvm::cl::values(
          clEnumValN(DropoutMode::Compact, "compact", "remove dropped work"),
          clEnumValN(DropoutMode::Masked, "masked",
                     "dense compute with masks of the same patterns"),
          clEnumValN(DropoutMode::Bernoulli, "bernoulli",
                     "ordinary dropout, a draw per element"),
          clEnumValN(DropoutMode::Dense, "dense", "no dropout"))};
  PassOptions::Option<SearchMethod> method{
      *this, "method", llvm::cl::desc("How distributions are searched"),
      llvm::cl::init(SearchMethod::SGD),
      llvm::cl::values(
          clEnumValN(SearchMethod::SGD, "sgd", "gradient descent on logits"),
          clEnumValN(SearchMethod::MaxEnt, "maxent", "closed form"))};
  PassOptions::ListOption<int64_t> periods{
      *this, "periods",
      llvm::cl::desc("Candidate periods, ascending; all from 1 without it")};
  PassOptions::ListOption<std::string> exclude{
      *this, "exclude", llvm::cl::desc("Sites at which nothing is dropped")};
  PassOptions::Option<bool> instrument{
      *this, "instrument",
      llvm::cl::desc("Count the work of each product at run time"),
      llvm::cl::init(false)};
  PassOptions::Option<bool> im2col{
      *this, "im2col",
      llvm::cl::desc("Compute convolutions by matrices of patches"),
      llvm::cl::init(false)};
};

/// Annotated linalg in, upstream dialects and runtime calls out.
void buildSparseDropPipeline(OpPassManager &pm,
                             const SparseDropPipelineOptions &options);

/// Upstream dialects on tensors in, the LLVM dialect for the host out.
void buildToCPUPipeline(OpPassManager &pm);

/// Options of `sparsedrop-to-nvvm`.
struct ToNVVMPipelineOptions
    : public PassPipelineOptions<ToNVVMPipelineOptions> {
  PassOptions::Option<std::string> chip{
      *this, "chip", llvm::cl::desc("The GPU: sm_80, sm_86, sm_89, sm_90a ..."),
      llvm::cl::init("sm_90a")};
  PassOptions::Option<bool> tf32{
      *this, "tf32",
      llvm::cl::desc("Round the factors of f32 products to tf32"),
      llvm::cl::init(false)};
  PassOptions::Option<bool> overlap{
      *this, "overlap",
      llvm::cl::desc("Kernels begin before the one before has ended and wait "
                     "for it (programmatic dependent launch); sm_90 and later "
                     "only"),
      llvm::cl::init(true)};
  PassOptions::Option<std::string> family{
      *this, "family",
      llvm::cl::desc("Family of products where it can be obeyed: wgmma, "
                     "tensor_core or plain (default: the cheapest)")};
  PassOptions::Option<std::string> table{
      *this, "table",
      llvm::cl::desc("File of measured kernels of products, which go before "
                     "the estimate (sparsedrop-tune)")};
};

/// Upstream dialects on tensors in; the same on buffers of the host and the
/// device out, where each op that becomes a kernel is one: the first part of
/// the pipeline below.
void buildToDeviceBuffersPipeline(OpPassManager &pm,
                                  const ToNVVMPipelineOptions &options);

/// Upstream dialects on tensors in; a `gpu.binary` with the kernels and the
/// LLVM dialect for the host, which calls only the runtime library, out. A
/// table in memory is used instead of that of the options unless it is null.
void buildToNVVMPipeline(OpPassManager &pm,
                         const ToNVVMPipelineOptions &options,
                         std::shared_ptr<const KernelTable> measured = nullptr);

/// Registers all under their command-line names; may be called twice.
void registerSparseDropPipelines();

} // namespace sparsedrop
} // namespace mlir

#endif // SPARSEDROP_PIPELINES_PIPELINES_H
