// RUN: sparsedrop-opt %s --pass-pipeline='builtin.module(sparsedrop-lower-to-upstream)' --split-input-file | FileCheck %s

// The list of a sample: kept channels, where each channel is among them, their number.

// CHECK-LABEL: func.func @gather(
//  CHECK-SAME:   %[[X:.*]]: tensor<4x16xf32>
//       CHECK:   %[[LIST:.*]] = memref.alloc(%{{.*}}) : memref<?xindex>
//       CHECK:   %[[COUNT:.*]] = call @sparsedrop_sample_channels(
//       CHECK:   call @sparsedrop_list_channels(%[[ADDRESS:.*]], %[[COUNT]], %{{.*}}, %[[ADDRESS2:.*]])
//       CHECK:   %[[KEPT:.*]] = memref.load %[[LIST]][%{{.*}}]
//       CHECK:   %[[ALL:.*]] = bufferization.to_tensor %[[LIST]] restrict
//       CHECK:   %[[CHANNELS:.*]] = tensor.extract_slice %[[ALL]][0] [%[[KEPT]]] [1]
//       CHECK:   linalg.generic {{.*}} ins(%[[CHANNELS]] : tensor<?xindex>)
//       CHECK:   ^bb0(%[[CHANNEL:.*]]: index, %{{.*}}: f32):
//       CHECK:     %[[ROW:.*]] = linalg.index 0
//       CHECK:     tensor.extract %[[X]][%[[ROW]], %[[CHANNEL]]]
func.func @gather(%x: tensor<4x16xf32>, %seed: i64, %step: i64) -> tensor<4x?xf32> {
  %c16 = arith.constant 16 : index
  %c8 = arith.constant 8 : index
  %p = sparsedrop.sample "c" seed(%seed) step(%step) extents(%c16) count(%c8) {rate = 0.5 : f64, scale = #sparsedrop.scale_mode<inverse>} : !sparsedrop.pattern<channel>
  %0 = sparsedrop.compact %x, %p dim(1) : tensor<4x16xf32>, !sparsedrop.pattern<channel> -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// -----

// Zeros, and the kept channels where their places are not -1. A list of the program's is
// checked and copied.

// CHECK-LABEL: func.func @expand(
//  CHECK-SAME:   %[[Y:.*]]: tensor<4x?xf32>, %[[GIVEN:.*]]: tensor<?xindex>
//       CHECK:   %[[BUFFER:.*]] = bufferization.to_buffer %[[GIVEN]] read_only
//       CHECK:   call @sparsedrop_list_channels(
//       CHECK:   %[[ZEROS:.*]] = linalg.fill
//       CHECK:   %[[PLACES:.*]] = tensor.extract_slice %{{.*}}[16] [16] [1] : tensor<?xindex> to tensor<16xindex>
//       CHECK:   linalg.generic {{.*}} ins(%[[PLACES]] : tensor<16xindex>) outs(%[[ZEROS]] : tensor<4x16xf32>)
//       CHECK:   ^bb0(%[[PLACE:.*]]: index, %[[OLD:.*]]: f32):
//       CHECK:     %[[KEPT:.*]] = arith.cmpi sge, %[[PLACE]], %[[NONE:.*]] : index
//       CHECK:     %[[SAFE:.*]] = arith.maxsi %[[PLACE]], %[[NONE]]
//       CHECK:     %[[VALUE:.*]] = tensor.extract %[[Y]][%{{.*}}, %[[SAFE]]]
//       CHECK:     arith.select %[[KEPT]], %[[VALUE]], %[[OLD]]
func.func @expand(%y: tensor<4x?xf32>, %list: tensor<?xindex>) -> tensor<4x16xf32> {
  %c16 = arith.constant 16 : index
  %p = sparsedrop.make_pattern kept(%list : tensor<?xindex>) extents(%c16) : !sparsedrop.pattern<channel>
  %0 = sparsedrop.expand %y, %p dim(1) : tensor<4x?xf32>, !sparsedrop.pattern<channel> -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// -----

// A slice has a list of its own. It may keep nothing: where nothing is kept, nothing is
// read.

// CHECK-LABEL: func.func @slice(
//  CHECK-SAME:   %[[Y:.*]]: tensor<4x?xf32>
//       CHECK:   %[[WHOLE:.*]] = memref.alloc(%{{.*}}) : memref<?xindex>
//       CHECK:   call @sparsedrop_list_channels(
//       CHECK:   %[[LIST:.*]] = memref.alloc(%{{.*}}) : memref<?xindex>
//       CHECK:   memref.extract_aligned_pointer_as_index %[[WHOLE]]
//       CHECK:   memref.extract_aligned_pointer_as_index %[[LIST]]
//       CHECK:   call @sparsedrop_slice_channels(
//       CHECK:   bufferization.to_tensor %[[LIST]] restrict
//       CHECK:   ^bb0(%[[PLACE:.*]]: index, %[[OLD:.*]]: f32):
//       CHECK:     %[[KEPT:.*]] = arith.cmpi sge, %[[PLACE]], %{{.*}} : index
//       CHECK:     scf.if %[[KEPT]] -> (f32) {
//  CHECK-NEXT:       tensor.extract %[[Y]][%{{.*}}, %[[PLACE]]]
//       CHECK:     } else {
//  CHECK-NEXT:       scf.yield %[[OLD]]
func.func @slice(%y: tensor<4x?xf32>, %list: tensor<?xindex>) -> tensor<4x6xf32> {
  %c16 = arith.constant 16 : index
  %c6 = arith.constant 6 : index
  %p = sparsedrop.make_pattern kept(%list : tensor<?xindex>) extents(%c16) : !sparsedrop.pattern<channel>
  %s = sparsedrop.slice_pattern %p offset(%c6) extent(%c6) : !sparsedrop.pattern<channel>
  %0 = sparsedrop.expand %y, %s dim(1) : tensor<4x?xf32>, !sparsedrop.pattern<channel> -> tensor<4x6xf32>
  return %0 : tensor<4x6xf32>
}
