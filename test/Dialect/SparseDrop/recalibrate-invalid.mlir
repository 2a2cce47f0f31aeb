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

// expected-error @below {{expects 'sparsedrop.statistic' on a ranked tensor of floats, but got 'tensor<4xi32>'}}
func.func private @type(tensor<4xi32>) -> (tensor<4xi32> {sparsedrop.statistic = 0})

// -----

// expected-error @below {{expects one statistic for argument 0, but got results 0 and 1}}
func.func private @both(tensor<4xf32>) -> (tensor<4xf32> {sparsedrop.statistic = 0}, tensor<4xf32> {sparsedrop.statistic = 0})

// -----

// expected-error @below {{carries an unknown attribute 'sparsedrop.seed' on result 0}}
func.func private @unknown(tensor<4xf32>) -> (tensor<4xf32> {sparsedrop.seed})
