// RUN: sparsedrop-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(sparsedrop-recalibrate)'

// expected-error @below {{cannot be recalibrated: it has no body}}
func.func private @declared(tensor<4xf32>) -> (tensor<4xf32> {sparsedrop.statistic = 0})

// -----

func.func @taken(%x: tensor<4xf32>) -> (tensor<4xf32> {sparsedrop.statistic = 0}) {
  return %x : tensor<4xf32>
}
// expected-error @below {{has the name of the recalibration of 'taken'}}
func.func private @taken_recalibrate()

// -----

// expected-error @below {{cannot be recalibrated: it calls itself}}
func.func @again(%x: tensor<4xf32>) -> (tensor<4xf32> {sparsedrop.statistic = 0}) {
  %0 = call @again(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// expected-error @below {{cannot be recalibrated: it has branches between blocks; lift them to scf first}}
func.func @blocks(%x: tensor<4xf32>) -> (tensor<4xf32> {sparsedrop.statistic = 0}) {
  cf.br ^next
^next:
  return %x : tensor<4xf32>
}

// -----

// expected-error @below {{expects 'sparsedrop.statistic' to be the number of one of 1 arguments, but got 1 : i64}}
func.func private @range(tensor<4xf32>) -> (tensor<4xf32> {sparsedrop.statistic = 1})

// -----

// expected-error @below {{expects a statistic and its running value of the same type, but result 0 is 'tensor<4xf32>' and argument 0 is 'tensor<5xf32>'}}
func.func private @shape(tensor<5xf32>) -> (tensor<4xf32> {sparsedrop.statistic = 0})

// -----

// expected-error @below {{cannot be recalibrated: expected statistics that are ranked tensors of floats, but result 0 is 'tensor<4xi32>'}}
func.func private @type(tensor<4xi32>) -> (tensor<4xi32> {sparsedrop.statistic = 0})

// -----

// expected-error @below {{expected statistics that are ranked tensors of floats, but result 0 is 'f32'}}
func.func @scalar(%x: f32) -> (f32 {sparsedrop.statistic = 0}) {
  return %x : f32
}

// -----

// What is not inlined would go on dropping.
func.func private @branches(%x: tensor<4x8xf32>, %y: tensor<8x4xf32>, %z: tensor<4x4xf32>) -> tensor<4x4xf32> {
  cf.br ^next
^next:
  %0 = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
      ins(%x, %y : tensor<4x8xf32>, tensor<8x4xf32>) outs(%z : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}
func.func @calls(%x: tensor<4x8xf32>, %y: tensor<8x4xf32>, %z: tensor<4x4xf32>) -> (tensor<4x4xf32> {sparsedrop.statistic = 2}) {
  // expected-error @below {{cannot be recalibrated: it calls 'branches', which has branches between blocks; lift them to scf first}}
  %0 = call @branches(%x, %y, %z) : (tensor<4x8xf32>, tensor<8x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// -----

// expected-error @below {{expects one statistic for argument 0, but got results 0 and 1}}
func.func private @both(tensor<4xf32>) -> (tensor<4xf32> {sparsedrop.statistic = 0}, tensor<4xf32> {sparsedrop.statistic = 0})

// -----

// expected-error @below {{carries an unknown attribute 'sparsedrop.seed' on result 0}}
func.func private @unknown(tensor<4xf32>) -> (tensor<4xf32> {sparsedrop.seed})
