#!/usr/bin/env bash
# Compiles the programs to PTX, which is kept here for machines without nvcc. The
# version of the compiler is not part of what is kept.
set -euo pipefail
cd "$(dirname "$0")"
nvcc=${NVCC:-nvcc}
compile() { # NAME TARGET
  "$nvcc" -ptx -arch="$2" -O3 -std=c++17 "$1.cu" -o - 2>/dev/null |
    sed -e '/^\/\/ \(Compiler Build\|Cuda compilation\|Based on\)/d' >"$1.$2.ptx" || {
    "$nvcc" -ptx -arch="$2" -O3 -std=c++17 "$1.cu" -o /dev/null
    exit 1
  }
}
for name in bits calls histogram locks matrices mma narrow reductions rows scans \
  signals tiles wmma; do
  compile "$name" sm_80
  compile "$name" sm_90a
done
for name in clusters fp8 tma wgmma; do
  compile "$name" sm_90a
done
