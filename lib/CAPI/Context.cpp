//===- Context.cpp - Contexts and their diagnostics -----------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Context.h"

#include "sparsedrop/InitAll.h"

#include "mlir/IR/Remarks.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace mlir::sparsedrop::capi;

int32_t mlir::sparsedrop::capi::fail(const llvm::Twine &message) {
  // The one error text of a thread lies in the runtime library.
  sparsedrop_enter();
  sparsedrop_fail(message.str().c_str());
  return sparsedrop_leave();
}

ContextState::ContextState() {
  // Passes and pipelines are looked up by name in tables of the process.
  static std::once_flag registered;
  std::call_once(registered, [] {
    registerAllPasses();
    mlir::sparsedrop::registerAllSparseDropPasses();
  });
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllExtensions(registry);
  mlir::sparsedrop::registerSparseDropDialect(registry);
  context = std::make_unique<MLIRContext>(registry);
  // A diagnostic is one line and its place, not the module that it is in.
  context->printOpOnDiagnostic(false);
}

//===----------------------------------------------------------------------===//
// Sessions
//===----------------------------------------------------------------------===//

static int32_t toC(DiagnosticSeverity severity) {
  switch (severity) {
  case DiagnosticSeverity::Note:
    return SPARSEDROP_NOTE;
  case DiagnosticSeverity::Warning:
    return SPARSEDROP_WARNING;
  case DiagnosticSeverity::Error:
    return SPARSEDROP_ERROR;
  case DiagnosticSeverity::Remark:
    return SPARSEDROP_REMARK;
  }
  return SPARSEDROP_ERROR;
}

Session::Session(ContextState &state) : state(state), lock(state.mutex) {
  handler = std::make_unique<ScopedDiagnosticHandler>(
      state.context.get(), [this](Diagnostic &diagnostic) {
        std::lock_guard<std::mutex> guard(textMutex);
        report(diagnostic, toC(diagnostic.getSeverity()));
        for (Diagnostic &note : diagnostic.getNotes())
          report(note, SPARSEDROP_NOTE);
        return success();
      });
}

Session::~Session() {
  handler.reset();
  if (!errors.empty())
    fail(errors);
}

static void addLine(std::string &text, const llvm::Twine &line) {
  if (!text.empty())
    text += '\n';
  text += line.str();
}

void Session::addError(const llvm::Twine &message) {
  addLine(errors, message);
  std::string text = message.str();
  sparsedrop_diagnostic diagnostic{SPARSEDROP_ERROR, "", 0, 0, text.c_str()};
  if (state.callback)
    state.callback(&diagnostic, state.user);
}

void Session::addFallback(const llvm::Twine &message) {
  if (errors.empty())
    addError(message);
}

void Session::report(Diagnostic &diagnostic, int32_t severity) {
  std::string message = diagnostic.str(), file;
  int32_t line = 0, column = 0;
  Location loc = diagnostic.getLocation();
  if (auto place = loc->findInstanceOf<FileLineColLoc>()) {
    file = place.getFilename().str();
    line = static_cast<int32_t>(place.getLine());
    column = static_cast<int32_t>(place.getColumn());
  }
  if (severity == SPARSEDROP_ERROR) {
    if (file.empty())
      addLine(errors, message);
    else
      addLine(errors, file + ":" + llvm::Twine(line) + ":" +
                          llvm::Twine(column) + ": " + message);
  }
  sparsedrop_diagnostic text{severity, file.c_str(), line, column,
                             message.c_str()};
  if (state.callback)
    state.callback(&text, state.user);
}

//===----------------------------------------------------------------------===//
// The API
//===----------------------------------------------------------------------===//

int32_t sparsedrop_compiler_version() { return SPARSEDROP_COMPILER_VERSION; }

const char *sparsedrop_compiler_version_text() {
  return "SparseDrop " SPARSEDROP_VERSION_TEXT ", MLIR " LLVM_VERSION_STRING;
}

sparsedrop_context *sparsedrop_context_create() {
  return new sparsedrop_context{std::make_shared<ContextState>()};
}

void sparsedrop_context_destroy(sparsedrop_context *context) { delete context; }

void sparsedrop_context_set_callback(sparsedrop_context *context,
                                     sparsedrop_diagnostic_callback callback,
                                     void *user) {
  std::lock_guard<std::mutex> lock(context->state->mutex);
  context->state->callback = callback;
  context->state->user = user;
}

int32_t sparsedrop_context_enable_remarks(sparsedrop_context *context,
                                          const char *filter) {
  ContextState &state = *context->state;
  Session session(state);
  std::string message;
  if (!llvm::Regex(filter).isValid(message)) {
    session.addError("'" + llvm::Twine(filter) +
                     "' is not a regular expression: " + message);
    return 1;
  }
  if (state.remarks) {
    session.addError("remarks of this context are enabled already");
    return 1;
  }
  // MLIR builds the filter of a kind only where the kind has one of its own.
  std::string all = filter;
  remark::RemarkCategories categories{all, all, all, all, all};
  state.remarks = succeeded(remark::enableOptimizationRemarks(
      *state.context, nullptr,
      std::make_unique<remark::RemarkEmittingPolicyAll>(), categories,
      /*printAsEmitRemarks=*/true));
  if (!state.remarks)
    session.addError("remarks cannot be enabled");
  return state.remarks ? 0 : 1;
}
