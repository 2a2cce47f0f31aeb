#!/usr/bin/env bash
# Compiles the programs to PTX, which is kept here for machines without nvcc. The
# version of the compiler is not part of what is kept.
set -euo pipefail
cd "$(dirname "$0")"
nvcc=${NVCC:-nvcc}
flags=(-ptx -O3 -std=c++17)
compile() { # NAME TARGET FLAGS...
  local name=$1 target=$2
  shift 2
  "$nvcc" "${flags[@]}" -arch="$target" "$@" "$name.cu" -o - 2>/dev/null |
    sed -e '/^\/\/ \(Compiler Build\|Cuda compilation\|Based on\)/d' >"$name.$target.ptx" || {
    "$nvcc" "${flags[@]}" -arch="$target" "$@" "$name.cu" -o /dev/null
    exit 1
  }
}
for name in bits calls histogram locks matrices mma narrow reductions rows scans \
  signals text tiles vectors wmma; do
  compile "$name" sm_80
  compile "$name" sm_90a
done
for name in clusters fp8 tma wgmma; do
  compile "$name" sm_90a
done
# nvcc makes no jump tables unless it is told to.
for target in sm_80 sm_90a; do
  compile switches "$target" --jump-table-density=10
done
