#!/usr/bin/env bash
# Sets up a bare Debian 12, builds, and runs all tests: unit tests, the lit
# suite in its three drivers, examples, documentation, random programs, and the
# Python package as pip installs it.
# Ends with 'N passed, N failed'.
source "$(dirname "$0")/setup.sh"
sparsedrop_install python3-venv python3-pip python3-setuptools python3-wheel \
  python3-pytest dataset-fashion-mnist
sparsedrop_build

log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
passed=0
failed=0

# suite NAME COMMAND...: runs a lit suite and counts its tests.
suite() {
  local name=$1
  shift
  echo "== $name"
  "$@" 2>&1 | tee "$log/$name" || true
  local ok bad
  ok=$(grep -E '^ *Passed *: ' "$log/$name" | grep -oE '[0-9]+' | head -1 || true)
  bad=$(grep -E '^ *(Failed|Unresolved|Timed Out) *: ' "$log/$name" |
    sed -E "s/^[^:]*: *([0-9]+).*/\1/" | awk "{s += \$1} END {print s}" || true)
  # A suite that says nothing has failed.
  [ -n "$ok$bad" ] || bad=1
  passed=$((passed + ${ok:-0}))
  failed=$((failed + ${bad:-0}))
}

echo "== unit tests"
if "$build/bin/sparsedrop-unit-tests" --gtest_brief=1 2>&1 | tee "$log/unit"; then
  :
fi
ok=$(grep -oE '^\[  PASSED  \] [0-9]+' "$log/unit" | grep -oE '[0-9]+' || echo 0)
all=$(grep -oE '[0-9]+ tests? from' "$log/unit" | grep -oE '[0-9]+' | head -1 || echo 1)
passed=$((passed + ok))
failed=$((failed + all - ok))

for target in check-sparsedrop check-sparsedrop-plugin check-sparsedrop-roundtrip; do
  suite "$target" ninja -C "$build" "$target"
done

# As a user does it, but with Debian's setuptools and pytest: Debian's Python
# refuses to install packages itself, and nothing else need be downloaded.
test_python_package() {
  [ -x "$build/venv/bin/pip" ] ||
    /usr/bin/python3 -m venv --system-site-packages "$build/venv" || return 1
  "$build/venv/bin/pip" install --quiet --disable-pip-version-check --no-index \
    --no-build-isolation --force-reinstall --no-deps "$root/python" || return 1
  rm -rf "$root/python/build" "$root/python/sparsedrop.egg-info"
  # From another folder: what is tested is the installed package.
  (cd "$log" && env -u SPARSEDROP_LIBRARY "$build/venv/bin/python" -m pytest -q \
    -p no:cacheprovider "$root/python/tests")
}

echo "== python package"
test_python_package 2>&1 | tee "$log/pytest" || true
ok=$(grep -oE '[0-9]+ passed' "$log/pytest" | tail -1 | grep -oE '[0-9]+' || true)
bad=$(grep -oE '[0-9]+ (failed|error)' "$log/pytest" | grep -oE '[0-9]+' | awk '{s += $1} END {print s}' || true)
[ -n "$ok$bad" ] || bad=1
passed=$((passed + ${ok:-0}))
failed=$((failed + ${bad:-0}))

echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
