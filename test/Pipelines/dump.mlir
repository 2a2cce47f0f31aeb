// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=compact instrument=true})' --dump-pass-pipeline 2>&1 | FileCheck %s --check-prefix=COMPACT
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=masked method=maxent periods=1,2,4})' --dump-pass-pipeline 2>&1 | FileCheck %s --check-prefix=MASKED
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=dense})' --dump-pass-pipeline 2>&1 | FileCheck %s --check-prefix=DENSE

// COMPACT: sparsedrop-search-distribution{method=sgd
// COMPACT: sparsedrop-materialize
// COMPACT: inline
// COMPACT: sparsedrop-compact
// COMPACT: sparsedrop-instrument
// COMPACT-NOT: sparsedrop-lower-to-masked
// COMPACT: sparsedrop-lower-to-upstream

// MASKED: sparsedrop-search-distribution{method=maxent periods={1,2,4}
// MASKED: sparsedrop-materialize
// MASKED-NOT: sparsedrop-compact
// MASKED: sparsedrop-lower-to-masked{masks=pattern}
// MASKED: sparsedrop-lower-to-upstream

// DENSE: sparsedrop-lower-to-masked{masks=none}
