#!/usr/bin/env bash
# The GPU suite: correctness and speed on a machine that has a GPU and nothing else
# of ours.
#
#   tools/gpu-suite.sh pack [FILE.tar.xz]   on a machine with a build: one archive
#   ./gpu-suite.sh run [OPTIONS]            inside of it, with a Python that has
#                                           NumPy and PyTorch; --device=interp
#                                           checks on the CPU
#
# Programs of 16-bit and 8-bit types are there twice: for sm_80, and for sm_90a with
# its wgmma.
# `run` prints every case and a table, writes results.json and results.md, and ends
# by itself within eight minutes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

pack() {
  local root archive
  root=$(cd "$here/.." && pwd)
  archive=$(realpath -m "${1:-gpu-suite.tar.xz}")
  stage=$(mktemp -d)
  trap 'rm -rf "$stage"' EXIT
  local to=$stage/gpu-suite
  mkdir -p "$to/lib"
  python3 "$root/tools/gpu-suite/programs.py" "$root/build/release" "$to/programs" ${QUICK:+--quick}
  cp "$root/tools/gpu-suite.sh" "$root/tools/gpu-suite/suite.py" "$root/python/sparsedrop/bench/torch_lstm_step.py" "$to/"
  cp -L "$root/build/release/lib/libsparsedrop_runtime.so.1" "$to/lib/"
  [ -z "${WITH_INTERP:-}" ] || cp -L "$root/build/release/lib/libsparsedrop_interp.so" "$to/lib/"
  # What the runtime needs and a bare machine may lack.
  ldd "$root/build/release/lib/libsparsedrop_runtime.so.1" | awk '/openblas|gfortran|quadmath/ {print $3}' |
    while read -r library; do cp -L "$library" "$to/lib/"; done
  find "$to/programs" -name '*.so' -exec strip --strip-unneeded {} +
  tar -C "$stage" -cf - gpu-suite | xz -6 -T2 >"$archive"
  echo "$archive: $(stat -c %s "$archive") bytes"
  [ "$(stat -c %s "$archive")" -lt $((48 * 1024 * 1024)) ] || { echo "error: more than 48 MiB" >&2; exit 1; }
}

case "${1:-}" in
  pack) shift; pack "$@" ;;
  run)
    shift
    export LD_LIBRARY_PATH="$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    exec timeout 480 "${PYTHON:-python3}" "$here/suite.py" "$@"
    ;;
  *) sed -n '2,13p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
