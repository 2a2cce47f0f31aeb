// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-exclude-sites{sites=a},canonicalize)' | FileCheck %s
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-exclude-sites{sites=a,b},canonicalize)' | FileCheck %s --check-prefix=BOTH
// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-pipeline{mode=masked exclude=a,b})' | FileCheck %s --check-prefix=PIPELINE
// RUN: not sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-exclude-sites{sites=a,c})' 2>&1 | FileCheck %s --check-prefix=ERROR

// ERROR: exclude-sites.mlir:{{.*}}: error: expected sites of dropouts to exclude, but nothing is dropped at 'c'

// CHECK-LABEL: func.func @f(
//  CHECK-SAME:   %[[X:.*]]: tensor<8x64xf32>
//       CHECK:   %[[P:.*]] = sparsedrop.sample "b"
//       CHECK:   %[[Y:.*]] = sparsedrop.dropout %[[X]], %[[P]]
//       CHECK:   return %[[X]], %[[Y]]

// Seed and step stay.
// BOTH-LABEL: func.func @f(
//  BOTH-SAME:   %[[X:.*]]: tensor<8x64xf32>, %{{.*}}: i64, %{{.*}}: i64
//   BOTH-NOT:   sparsedrop
//       BOTH:   return %[[X]], %[[X]]

// PIPELINE-LABEL: func.func @f(
//  PIPELINE-SAME:   %[[X:.*]]: tensor<8x64xf32>
//       PIPELINE:   return %[[X]], %[[X]]
func.func @f(%x: tensor<8x64xf32>, %seed: i64, %step: i64) -> (tensor<8x64xf32>, tensor<8x64xf32>) {
  %n = arith.constant 64 : index
  %p = sparsedrop.sample "a" seed(%seed) step(%step) extents(%n) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
  %0 = sparsedrop.dropout %x, %p dim(1) : tensor<8x64xf32>, !sparsedrop.pattern<row>
  %q = sparsedrop.sample "b" seed(%seed) step(%step) extents(%n) {rate = 0.5 : f64} : !sparsedrop.pattern<row>
  %1 = sparsedrop.dropout %x, %q dim(1) : tensor<8x64xf32>, !sparsedrop.pattern<row>
  return %0, %1 : tensor<8x64xf32>, tensor<8x64xf32>
}
