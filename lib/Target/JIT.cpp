//===- JIT.cpp - Programs compiled and run in the process -----------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "sparsedrop/Target/JIT.h"

#include "sparsedrop/Target/HostCode.h"

#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace mlir::sparsedrop;

struct JIT::State {
  std::unique_ptr<llvm::orc::LLJIT> engine;
};

JIT::JIT() : state(std::make_unique<State>()) {}
JIT::~JIT() = default;

/// Symbols of the runtime library and of what it links (the C library and
/// libm). They are looked up there rather than in the process: a language that
/// loads this library does so without making its symbols global.
static llvm::Error addRuntime(llvm::orc::LLJIT &engine) {
  auto generator = llvm::orc::DynamicLibrarySearchGenerator::Load(
      findRuntime().c_str(), engine.getDataLayout().getGlobalPrefix());
  if (!generator)
    return generator.takeError();
  engine.getMainJITDylib().addGenerator(std::move(*generator));
  return llvm::Error::success();
}

std::unique_ptr<JIT> JIT::create(ModuleOp module) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto fail = [&](llvm::Error error) -> std::unique_ptr<JIT> {
    module.emitError() << "cannot compile for the host: "
                       << llvm::toString(std::move(error));
    return nullptr;
  };
  auto context = std::make_unique<llvm::LLVMContext>();
  auto host = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!host)
    return fail(host.takeError());
  host->setCodeGenOptLevel(llvm::CodeGenOptLevel::Default);
  auto machine = host->createTargetMachine();
  if (!machine)
    return fail(machine.takeError());
  std::unique_ptr<llvm::Module> llvmModule =
      translateForHost(module, *context, **machine);
  if (!llvmModule)
    return nullptr;
  auto engine = llvm::orc::LLJITBuilder()
                    .setJITTargetMachineBuilder(std::move(*host))
                    .create();
  if (!engine)
    return fail(engine.takeError());
  if (llvm::Error error = addRuntime(**engine))
    return fail(std::move(error));
  if (llvm::Error error = (*engine)->addIRModule(llvm::orc::ThreadSafeModule(
          std::move(llvmModule), std::move(context))))
    return fail(std::move(error));
  std::unique_ptr<JIT> jit(new JIT());
  jit->state->engine = std::move(*engine);
  return jit;
}

void *JIT::lookup(Location loc, StringRef name) {
  auto address = state->engine->lookup(("sparsedrop_invoke_" + name).str());
  if (address)
    return address->toPtr<void *>();
  emitError(loc) << "cannot find the entry point of '" << name
                 << "': " << llvm::toString(address.takeError());
  return nullptr;
}
