# Sourced by demo.sh and test.sh: installs what is missing and builds the
# release preset. A second call only does what is missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build/release

# MLIR 22 and what builds and runs with it, by Debian's names.
packages=(
  libmlir-22-dev mlir-22-tools llvm-22-dev llvm-22-tools clang-22 lld-22
  libclang-rt-22-dev libclc-22 libclc-22-dev ninja-build cmake g++ libopenblas-pthread-dev libgtest-dev
  python3 python3-numpy git ca-certificates
)

# sparsedrop_install [more packages...]
sparsedrop_install() {
  local missing=()
  for package in "${packages[@]}" "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
      grep -q 'install ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "installing: ${missing[*]}"
  local run=()
  [ "$(id -u)" -eq 0 ] || run=(sudo)
  "${run[@]}" apt-get update -qq
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# sparsedrop_build [targets...]
sparsedrop_build() {
  if [ ! -f "$build/build.ninja" ]; then
    (cd "$root" && cmake --preset release -DPython3_EXECUTABLE=/usr/bin/python3 \
      >"$root/build.log" 2>&1) || { cat "$root/build.log"; exit 1; }
    rm -f "$root/build.log"
  fi
  ninja -C "$build" "$@"
}
