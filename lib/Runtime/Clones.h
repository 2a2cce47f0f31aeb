//===- Clones.h - Functions for several processors --------------*- C++ -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_LIB_RUNTIME_CLONES_H
#define SPARSEDROP_LIB_RUNTIME_CLONES_H

// SPARSEDROP_CLONES compiles a function once for each level of the instruction
// set; the loader picks. What it calls has to be SPARSEDROP_INLINE. Sanitizers
// cannot run the resolvers of cloned functions.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SPARSEDROP_NO_CLONES 1
#endif
#endif
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) &&                   \
    !defined(__SANITIZE_THREAD__) && !defined(SPARSEDROP_NO_CLONES)
#define SPARSEDROP_CLONES                                                      \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define SPARSEDROP_CLONES
#endif

#define SPARSEDROP_INLINE inline __attribute__((always_inline))

#endif // SPARSEDROP_LIB_RUNTIME_CLONES_H
