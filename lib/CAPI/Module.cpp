//===- Module.cpp - Modules: in, through passes, out ----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Context.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/IR/AsmState.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace mlir::sparsedrop::capi;

static sparsedrop_module *wrap(std::shared_ptr<ContextState> state,
                               OwningOpRef<ModuleOp> module) {
  if (!module)
    return nullptr;
  auto *result = new sparsedrop_module{std::move(state), {}};
  result->module = std::move(module);
  return result;
}

static sparsedrop_module *parse(sparsedrop_context *context,
                                std::unique_ptr<llvm::MemoryBuffer> buffer) {
  std::shared_ptr<ContextState> state = context->state;
  OwningOpRef<ModuleOp> module;
  {
    Session session(*state);
    llvm::SourceMgr sources;
    sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
    module =
        parseSourceFile<ModuleOp>(sources, ParserConfig(state->context.get()));
  }
  return wrap(std::move(state), std::move(module));
}

sparsedrop_module *sparsedrop_module_parse(sparsedrop_context *context,
                                           const char *text, size_t length,
                                           const char *name) {
  // The parser wants a zero behind the text.
  return parse(context, llvm::MemoryBuffer::getMemBufferCopy(
                            StringRef(text, length), name));
}

sparsedrop_module *sparsedrop_module_load(sparsedrop_context *context,
                                          const char *path) {
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> file = openInputFile(path, &message);
  if (file)
    return parse(context, std::move(file));
  Session session(*context->state);
  session.addError(message);
  return nullptr;
}

sparsedrop_module *sparsedrop_module_clone(sparsedrop_module *module) {
  OwningOpRef<ModuleOp> copy;
  {
    Session session(*module->state);
    copy = cast<ModuleOp>((*module->module)->clone());
  }
  return wrap(module->state, std::move(copy));
}

void sparsedrop_module_destroy(sparsedrop_module *module) { delete module; }

int32_t sparsedrop_module_run(sparsedrop_module *module, const char *pipeline) {
  Session session(*module->state);
  std::string message;
  llvm::raw_string_ostream stream(message);
  FailureOr<OpPassManager> parsed = parsePassPipeline(pipeline, stream);
  if (failed(parsed)) {
    session.addError("'" + llvm::Twine(pipeline) +
                     "' is not a pipeline: " + StringRef(message).rtrim());
    return 1;
  }
  if (parsed->getOpAnchorName() != ModuleOp::getOperationName()) {
    session.addError("expected a pipeline on builtin.module, but got one on " +
                     llvm::Twine(parsed->getOpAnchorName()));
    return 1;
  }
  PassManager pm(module->state->context.get());
  static_cast<OpPassManager &>(pm) = std::move(*parsed);
  if (succeeded(pm.run(*module->module)))
    return 0;
  session.addFallback("the pipeline failed");
  return 1;
}

int32_t sparsedrop_module_print(sparsedrop_module *module, int32_t flags,
                                sparsedrop_text_callback callback, void *user) {
  std::string text;
  {
    Session session(*module->state);
    llvm::raw_string_ostream stream(text);
    if (flags & SPARSEDROP_PRINT_BYTECODE) {
      if (flags != SPARSEDROP_PRINT_BYTECODE) {
        session.addError("bytecode cannot be combined with other flags");
        return 1;
      }
      if (failed(writeBytecodeToFile(*module->module, stream))) {
        session.addFallback("the module cannot be written as bytecode");
        return 1;
      }
    } else {
      OpPrintingFlags printing;
      printing.enableDebugInfo(flags & SPARSEDROP_PRINT_LOCATIONS);
      printing.printGenericOpForm(flags & SPARSEDROP_PRINT_GENERIC);
      printing.printNameLocAsPrefix(flags & SPARSEDROP_PRINT_NAMES);
      module->module->print(stream, printing);
    }
  }
  callback(text.data(), text.size(), user);
  return 0;
}
