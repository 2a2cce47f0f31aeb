// RUN: sparsedrop-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(sparsedrop-differentiate)'

// What cannot be differentiated is named, where it stands.

// expected-error @below {{'func.func' op cannot be differentiated: argument 1 is no float and no tensor of floats but 'tensor<4xi32>'}}
func.func @integer(%x: tensor<4xf32>, %i: tensor<4xi32>) -> tensor<4xf32> attributes {sparsedrop.differentiate = {wrt = [1]}} {
  return %x : tensor<4xf32>
}

// -----

// expected-error @below {{'func.func' op expects 'wrt' to name arguments in [0, 1), but got 1}}
func.func @no_such_argument(%x: tensor<4xf32>) -> tensor<4xf32> attributes {sparsedrop.differentiate = {wrt = [1]}} {
  return %x : tensor<4xf32>
}

// -----

// expected-error @below {{'func.func' op cannot be differentiated: result 0 is no float and no tensor of floats but 'i32'; name others with 'of'}}
func.func @no_float_result(%x: tensor<4xf32>) -> i32 attributes {sparsedrop.differentiate} {
  %c = arith.constant 1 : i32
  return %c : i32
}

// -----

// expected-error @below {{'func.func' op cannot be differentiated: result 1 is no float and no tensor of floats but 'i32'}}
func.func @integer_result(%x: tensor<4xf32>) -> (tensor<4xf32>, i32) attributes {sparsedrop.differentiate = {of = [1]}} {
  %c = arith.constant 1 : i32
  return %x, %c : tensor<4xf32>, i32
}

// -----

func.func @in_body(%x: tensor<4xf32>, %y: tensor<4xf32>) -> tensor<4xf32> attributes {sparsedrop.differentiate} {
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<4xf32>) outs(%y : tensor<4xf32>) {
    ^bb0(%a: f32, %o: f32):
      // expected-error @below {{'math.copysign' op cannot be differentiated}}
      %c = math.copysign %a, %a : f32
      linalg.yield %c : f32
  } -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

func.func @product_reduction(%x: tensor<4xf32>, %y: tensor<f32>) -> tensor<f32> attributes {sparsedrop.differentiate} {
  // expected-error @below {{'linalg.reduce' op cannot be differentiated: its reduction is neither a sum nor a maximum or minimum}}
  %r = linalg.reduce { arith.mulf } ins(%x : tensor<4xf32>) outs(%y : tensor<f32>) dimensions = [0]
  return %r : tensor<f32>
}

// -----

func.func @unknown_op(%x: tensor<4xf32>) -> tensor<4xf32> attributes {sparsedrop.differentiate} {
  // expected-error @below {{'tosa.exp' op cannot be differentiated}}
  %r = tosa.exp %x : (tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

func.func @annotated(%x: tensor<4x8xf32>, %w: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> attributes {sparsedrop.differentiate} {
  // expected-error @below {{carries a dropout annotation that has not been materialized; run sparsedrop-materialize first}}
  %q = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row, operand = 0, rate = 0.5, site = "s">}
    ins(%x, %w : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %q : tensor<4x4xf32>
}

// -----

func.func private @elsewhere(%x: tensor<4xf32>) -> tensor<4xf32>
func.func @external(%x: tensor<4xf32>) -> tensor<4xf32> attributes {sparsedrop.differentiate} {
  // expected-error @below {{'func.call' op cannot be differentiated}}
  %r = call @elsewhere(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}

// -----

// expected-error @below {{'func.func' op cannot be differentiated: it calls itself}}
func.func @recursive(%x: tensor<4xf32>) -> tensor<4xf32> attributes {sparsedrop.differentiate} {
  %r = call @recursive(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %r : tensor<4xf32>
}
