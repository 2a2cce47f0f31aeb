//===- Matrix.cpp - Opcodes of matrix instructions ------------------------===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Decoder.h"
#include "Mma.h"

using namespace sparsedrop::ptx;

const OpcodeEntry sparsedrop::ptx::kMatrixOpcodes[] = {
    {"mma", decodeMma},
    {"mma.sp", decodeMma},
    {"mma.sp::ordered_metadata", decodeMma},
    {"ldmatrix", decodeLoadMatrix},
    {"stmatrix", decodeStoreMatrix},
    {"movmatrix", decodeMoveMatrix},
    {"wmma.load", decodeWmmaLoad},
    {"wmma.store", decodeWmmaStore},
    {"wmma.mma", decodeWmmaMma},
    {{}, nullptr},
};
