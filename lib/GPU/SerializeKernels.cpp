//===- SerializeKernels.cpp - Kernels to PTX ------------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/GPU/Passes.h"

#include "ChooseContraction.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IRReader/IRReader.h"
#include "llvm/Linker/Linker.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

namespace mlir::sparsedrop {
#define GEN_PASS_DEF_SERIALIZEKERNELS
#include "sparsedrop/GPU/Passes.h.inc"
} // namespace mlir::sparsedrop

using namespace mlir;

static constexpr StringLiteral kTriple = "nvptx64-nvidia-cuda";

static void initializeTarget() {
  static bool done = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)done;
}

/// PTX that drivers of CUDA 12 read already, or the least for newer chips.
static StringRef getFeatures(int64_t arch) { return arch > 90 ? "" : "+ptx80"; }

static std::unique_ptr<llvm::TargetMachine>
makeMachine(StringRef chip, int64_t arch, std::string &error) {
  initializeTarget();
  llvm::Triple triple(kTriple);
  const llvm::Target *target =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!target)
    return nullptr;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(
      triple, chip, getFeatures(arch), llvm::TargetOptions(), llvm::Reloc::PIC_,
      std::nullopt, llvm::CodeGenOptLevel::Aggressive));
}

/// Inline assembly with barriers in it must not become conditional on more than
/// it was; MLIR marks it as having side effects only.
static void markConvergent(llvm::Module &module) {
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *call = llvm::dyn_cast<llvm::CallBase>(&instruction))
        if (call->isInlineAsm())
          call->setConvergent();
}

/// Functions of libclc that kernels call.
static bool callsLibrary(llvm::Module &module) {
  return llvm::any_of(module, [](llvm::Function &function) {
    return function.isDeclaration() && function.getName().starts_with("_Z");
  });
}

/// Links what is called; false, with a message, if the library is not there.
static bool linkLibrary(llvm::Module &module, std::string &error) {
  const char *other = std::getenv("SPARSEDROP_LIBCLC");
  const char *path = other ? other : SPARSEDROP_LIBCLC;
  llvm::SMDiagnostic diagnostic;
  std::unique_ptr<llvm::Module> library =
      llvm::getLazyIRFileModule(path, diagnostic, module.getContext());
  if (!library) {
    error = (Twine("cannot read '") + path +
             "' (libclc-22): " + diagnostic.getMessage())
                .str();
    return false;
  }
  library->setTargetTriple(module.getTargetTriple());
  library->setDataLayout(module.getDataLayout());
  if (llvm::Linker::linkModules(module, std::move(library),
                                llvm::Linker::LinkOnlyNeeded)) {
    error = "cannot link libclc";
    return false;
  }
  // So that they are inlined, and no names are left.
  for (llvm::Function &function : module)
    if (!function.isDeclaration() &&
        function.getCallingConv() != llvm::CallingConv::PTX_Kernel)
      function.setLinkage(llvm::GlobalValue::InternalLinkage);
  return true;
}

/// A function that kernels call and nobody has; null if there is none. What the
/// driver brings itself is there.
static const llvm::Function *findMissing(const llvm::Module &module) {
  for (const llvm::Function &function : module)
    if (function.isDeclaration() && !function.isIntrinsic() &&
        !function.use_empty() &&
        !llvm::is_contained({"vprintf", "malloc", "free", "__assertfail"},
                            function.getName()))
      return &function;
  return nullptr;
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(module, modules);
}

/// The assembly of `module`, or nothing.
static std::optional<std::string> print(llvm::Module &module,
                                        llvm::TargetMachine &machine) {
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  if (machine.addPassesToEmitFile(passes, stream, nullptr,
                                  llvm::CodeGenFileType::AssemblyFile))
    return std::nullopt;
  passes.run(module);
  return text.str().str();
}

namespace {
struct SerializeKernels
    : public mlir::sparsedrop::impl::SerializeKernelsBase<SerializeKernels> {
  using SerializeKernelsBase::SerializeKernelsBase;

  void runOnOperation() override {
    FailureOr<mlir::sparsedrop::Chip> target =
        mlir::sparsedrop::getChip(getOperation().getLoc(), chip);
    if (failed(target))
      return signalPassFailure();
    registerBuiltinDialectTranslation(getContext());
    registerLLVMDialectTranslation(getContext());
    registerNVVMDialectTranslation(getContext());
    registerGPUDialectTranslation(getContext());
    auto modules = llvm::to_vector(getOperation().getOps<gpu::GPUModuleOp>());
    for (gpu::GPUModuleOp kernels : modules)
      if (failed(serialize(kernels, target->arch)))
        return signalPassFailure();
  }

  LogicalResult serialize(gpu::GPUModuleOp kernels, int64_t arch) {
    llvm::LLVMContext context;
    std::unique_ptr<llvm::Module> module =
        translateModuleToLLVMIR(kernels, context, kernels.getName());
    if (!module)
      return failure();
    std::string error;
    std::unique_ptr<llvm::TargetMachine> machine =
        makeMachine(chip, arch, error);
    if (!machine)
      return kernels.emitError() << "cannot compile for NVIDIA GPUs: " << error;
    module->setTargetTriple(machine->getTargetTriple());
    module->setDataLayout(machine->createDataLayout());
    if (callsLibrary(*module) && !linkLibrary(*module, error))
      return kernels.emitError() << "cannot compile the kernels: " << error;
    markConvergent(*module);
    optimize(*module, *machine);
    if (const llvm::Function *missing = findMissing(*module))
      return kernels.emitError()
             << "cannot compile the kernels: they call '" << missing->getName()
             << "', which no library for devices has";
    std::optional<std::string> text = print(*module, *machine);
    if (!text)
      return kernels.emitError()
             << "cannot print assembly for '" << chip << "'";
    OpBuilder builder(kernels);
    auto target = NVVM::NVVMTargetAttr::get(&getContext(), 3, kTriple, chip,
                                            getFeatures(arch));
    Attribute object = gpu::ObjectAttr::get(
        &getContext(), target, gpu::CompilationTarget::Assembly,
        builder.getStringAttr(*text), DictionaryAttr(), gpu::KernelTableAttr());
    SmallVector<Attribute> names;
    for (auto kernel : kernels.getOps<LLVM::LLVMFuncOp>())
      if (kernel->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName()))
        names.push_back(builder.getStringAttr(kernel.getName()));
    auto binary =
        gpu::BinaryOp::create(builder, kernels.getLoc(), kernels.getName(),
                              Attribute(), builder.getArrayAttr(object));
    binary->setAttr("kernels", builder.getArrayAttr(names));
    for (StringRef name : {mlir::sparsedrop::kConstantsAttrName,
                           mlir::sparsedrop::kOverlapsAttrName})
      if (Attribute value = kernels->getAttr(name))
        binary->setAttr(name, value);
    kernels.erase();
    return success();
  }
};
} // namespace
