#!/usr/bin/env bash
# Sets up a bare Debian 12, builds, and shows what dropout costs as a mask and
# what it saves as a smaller program: the MLP 784-2048-2048-10, batch 256.
source "$(dirname "$0")/setup.sh"
sparsedrop_install
sparsedrop_build sparsedrop-run sparsedrop-opt
model=$root/docs/examples/mlp.mlir
steps=${SPARSEDROP_DEMO_STEPS:-200}

echo
echo "== compact against masked, same seed and step, 20 steps"
"$build/bin/sparsedrop-run" "$model" --random=1 --seed=1 --step=0 --check --steps=20
echo
echo "== $steps steps, the same patterns in all modes"
"$build/bin/sparsedrop-run" "$model" --random=1 --seed=1 --step=0 --time="$steps"
