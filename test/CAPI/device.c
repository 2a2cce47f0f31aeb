/*===- device.c - Functions on a device, from C ---------------------------===*\
|*
|* Part of the SparseDrop project, under the Apache License v2.0 with LLVM
|* Exceptions. See LICENSE for license information.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

#include "sparsedrop-c/Compiler.h"
#include "sparsedrop-c/Program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) {                                                        \
      fprintf(stderr, "%s:%d: failed: %s (last error: %s)\n", __FILE__,        \
              __LINE__, #condition, sparsedrop_last_error());                  \
      exit(1);                                                                 \
    }                                                                          \
  } while (0)

/* y = x + a, an element of x, and a donated accumulator: a += s * x. */
static const char program[] =
    "func.func @f(%x: tensor<4x3xf32>, %s: f32,\n"
    "             %a: tensor<4x3xf32> {sparsedrop.donate = 2 : i64})\n"
    "    -> (tensor<4x3xf32>, f32, tensor<4x3xf32>) {\n"
    "  %c1 = arith.constant 1 : index\n"
    "  %c2 = arith.constant 2 : index\n"
    "  %v = tensor.extract %x[%c2, %c1] : tensor<4x3xf32>\n"
    "  %e = tensor.empty() : tensor<4x3xf32>\n"
    "  %y = linalg.add ins(%x, %a : tensor<4x3xf32>, tensor<4x3xf32>)\n"
    "      outs(%e : tensor<4x3xf32>) -> tensor<4x3xf32>\n"
    "  %b = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>,\n"
    "      affine_map<(i, j) -> (i, j)>],\n"
    "      iterator_types = [\"parallel\", \"parallel\"]}\n"
    "      ins(%x : tensor<4x3xf32>) outs(%a : tensor<4x3xf32>) {\n"
    "  ^bb0(%p: f32, %q: f32):\n"
    "    %t = arith.mulf %p, %s : f32\n"
    "    %u = arith.addf %q, %t : f32\n"
    "    linalg.yield %u : f32\n"
    "  } -> tensor<4x3xf32>\n"
    "  return %y, %v, %b : tensor<4x3xf32>, f32, tensor<4x3xf32>\n"
    "}\n";

/* The same without the element, which the host reads. */
static const char steady[] =
    "func.func @f(%x: tensor<4x3xf32>, %s: f32,\n"
    "             %a: tensor<4x3xf32> {sparsedrop.donate = 1 : i64})\n"
    "    -> (tensor<4x3xf32>, tensor<4x3xf32>) {\n"
    "  %e = tensor.empty() : tensor<4x3xf32>\n"
    "  %y = linalg.add ins(%x, %a : tensor<4x3xf32>, tensor<4x3xf32>)\n"
    "      outs(%e : tensor<4x3xf32>) -> tensor<4x3xf32>\n"
    "  %b = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>,\n"
    "      affine_map<(i, j) -> (i, j)>],\n"
    "      iterator_types = [\"parallel\", \"parallel\"]}\n"
    "      ins(%x : tensor<4x3xf32>) outs(%a : tensor<4x3xf32>) {\n"
    "  ^bb0(%p: f32, %q: f32):\n"
    "    %t = arith.mulf %p, %s : f32\n"
    "    %u = arith.addf %q, %t : f32\n"
    "    linalg.yield %u : f32\n"
    "  } -> tensor<4x3xf32>\n"
    "  return %y, %b : tensor<4x3xf32>, tensor<4x3xf32>\n"
    "}\n";

enum { M = 4, N = 3, COUNT = M * N };
static const int64_t shape[2] = {M, N};

static sparsedrop_executable *compile_text(const char *text, const char *target,
                                           const char *chip, int32_t tf32,
                                           const char *kernelTable) {
  sparsedrop_context *context = sparsedrop_context_create();
  sparsedrop_module *module =
      sparsedrop_module_parse(context, text, strlen(text), "program");
  CHECK(module);
  sparsedrop_compile_options options = {sizeof(options)};
  options.target = target;
  options.chip = chip;
  options.tf32 = tf32;
  options.kernelTable = kernelTable;
  sparsedrop_executable *executable = sparsedrop_compile(module, &options);
  sparsedrop_module_destroy(module);
  sparsedrop_context_destroy(context);
  return executable;
}

static sparsedrop_executable *compile(const char *target, const char *chip,
                                      int32_t tf32, const char *kernelTable) {
  return compile_text(program, target, chip, tf32, kernelTable);
}

static void test_options(void) {
  CHECK(!compile("abacus", NULL, 0, NULL));
  CHECK(strstr(sparsedrop_last_error(), "to be cpu or nvptx"));
  CHECK(!compile("cpu", "sm_90a", 0, NULL));
  CHECK(strstr(sparsedrop_last_error(), "the target is cpu"));
  CHECK(!compile(NULL, NULL, 1, NULL));
  CHECK(strstr(sparsedrop_last_error(), "the target is cpu"));
  CHECK(!compile("cpu", NULL, 0, "absent.json"));
  CHECK(strstr(sparsedrop_last_error(), "the target is cpu"));
  CHECK(!compile("nvptx", "sm_90a", 0, "absent.json"));
  CHECK(strstr(sparsedrop_last_error(), "table of kernels 'absent.json'"));
  CHECK(!compile("nvptx", NULL, 0, NULL));
  CHECK(strstr(sparsedrop_last_error(), "expected a chip"));
  CHECK(!compile("nvptx", "gfx942", 0, NULL));
  CHECK(strstr(sparsedrop_last_error(), "'gfx942'"));
}

/* Arrays of the host, and what a call on the device takes. */
struct data {
  float x[COUNT], a[COUNT], s;
  sparsedrop_array hostX, hostA, inputs[3];
};

static void prepare(struct data *d, sparsedrop_device *device) {
  for (int i = 0; i < COUNT; ++i)
    d->x[i] = (float)i, d->a[i] = (float)(100 * i);
  d->s = 2;
  sparsedrop_array x = {d->x, SPARSEDROP_F32, 2, shape, NULL, 1, 0, NULL};
  sparsedrop_array a = {d->a, SPARSEDROP_F32, 2, shape, NULL, 0, 0, NULL};
  sparsedrop_array s = {&d->s, SPARSEDROP_F32, 0, NULL, NULL, 0, 0, NULL};
  d->hostX = x, d->hostA = a, d->inputs[1] = s;
  CHECK(!sparsedrop_array_upload(device, NULL, &x, &d->inputs[0]));
  CHECK(!sparsedrop_array_upload(device, NULL, &a, &d->inputs[2]));
  CHECK(d->inputs[0].onDevice && d->inputs[0].owner);
}

static void release(struct data *d) {
  sparsedrop_array_release(&d->inputs[0]);
  sparsedrop_array_release(&d->inputs[2]);
  CHECK(!d->inputs[0].data);
}

static void expect(sparsedrop_device *device, const sparsedrop_array *array,
                   float factor, float slope) {
  float values[COUNT * 2];
  int64_t strides[2] = {2 * N, 2};
  sparsedrop_array host = {values, SPARSEDROP_F32, 2, shape, strides, 0, 0,
                           NULL};
  CHECK(!sparsedrop_array_download(device, NULL, array, &host));
  for (int i = 0; i < COUNT; ++i)
    CHECK(values[2 * i] == factor * (float)(100 * i) + slope * (float)i);
}

static void test_call(const sparsedrop_executable *executable,
                      sparsedrop_device *device, sparsedrop_stream *stream) {
  struct data d;
  prepare(&d, device);
  sparsedrop_array results[3];
  memset(results, 0, sizeof(results));
  CHECK(!sparsedrop_executable_call_on(executable, device, stream, d.inputs, 3,
                                       0, 0, results, 3));
  CHECK(!sparsedrop_stream_synchronize(device, stream));
  CHECK(results[0].onDevice && results[0].owner && results[0].rank == 2);
  expect(device, &results[0], 1, 1);
  CHECK(!results[1].onDevice && *(float *)results[1].data == 7);
  CHECK(results[2].data == d.inputs[2].data && !results[2].owner);
  expect(device, &results[2], 1, 2);
  /* The caller's own memory for a result, and none for another. */
  sparsedrop_array own = d.inputs[0], second[3] = {results[0], own, own};
  second[1].data = second[2].data = NULL;
  CHECK(!sparsedrop_executable_call_on(executable, device, stream, d.inputs, 3,
                                       0, 0, second, 3));
  CHECK(!sparsedrop_stream_synchronize(device, stream));
  CHECK(second[0].data == results[0].data);
  expect(device, &second[0], 1, 3);
  sparsedrop_array_release(&second[1]);
  sparsedrop_array_release(&results[0]);
  sparsedrop_array_release(&results[1]);
  release(&d);
}

static void refuse(const sparsedrop_executable *executable,
                   sparsedrop_device *device, struct data *d,
                   const sparsedrop_array *inputs, sparsedrop_array *results,
                   const char *why) {
  CHECK(sparsedrop_executable_call_on(executable, device, NULL, inputs, 3, 0, 0,
                                      results, results ? 3 : 0));
  CHECK(strstr(sparsedrop_last_error(), why));
  expect(device, &d->inputs[2], 1, 0);
}

static void test_refusals(const sparsedrop_executable *executable,
                          sparsedrop_device *device) {
  struct data d;
  prepare(&d, device);
  sparsedrop_array inputs[3];
  memcpy(inputs, d.inputs, sizeof(inputs));
  inputs[0] = d.hostX;
  refuse(executable, device, &d, inputs, NULL,
         "input 0: expected memory of the device");
  inputs[0] = d.inputs[0], inputs[1].onDevice = 1;
  refuse(executable, device, &d, inputs, NULL,
         "input 1: expected memory of the host");
  inputs[1].onDevice = 0;
  int64_t strides[2] = {1, M};
  inputs[0].strides = strides;
  refuse(executable, device, &d, inputs, NULL, "input 0: is not contiguous");
  inputs[0].strides = NULL, inputs[0].data = (char *)inputs[0].data + 4;
  refuse(executable, device, &d, inputs, NULL, "input 0: is not at a multiple");
  inputs[0] = d.inputs[0], inputs[2] = d.inputs[0];
  refuse(executable, device, &d, inputs, NULL, "overlaps");
  sparsedrop_array results[3] = {d.hostX};
  refuse(executable, device, &d, d.inputs, results,
         "result 0: expected memory of the device");
  CHECK(sparsedrop_executable_call_on(executable, NULL, NULL, d.inputs, 3, 0, 0,
                                      NULL, 0));
  CHECK(strstr(sparsedrop_last_error(), "expected a device"));
  CHECK(sparsedrop_executable_call(executable, d.inputs, 3, 0, 0, NULL, 0));
  CHECK(strstr(sparsedrop_last_error(), "without a device"));
  sparsedrop_executable *host = compile("cpu", NULL, 0, NULL);
  refuse(host, device, &d, d.inputs, NULL, "compiled for the host");
  inputs[0] = d.inputs[0], inputs[2] = d.hostA;
  CHECK(sparsedrop_executable_call(host, inputs, 3, 0, 0, NULL, 0));
  CHECK(
      strstr(sparsedrop_last_error(), "input 0: expected memory of the host"));
  sparsedrop_executable_destroy(host);
  sparsedrop_array none = {NULL, SPARSEDROP_F32, 2, shape, NULL, 0, 0, NULL},
                   to;
  CHECK(sparsedrop_array_upload(device, NULL, &none, &to) && !to.owner);
  CHECK(sparsedrop_array_upload(device, NULL, &d.inputs[0], &to));
  CHECK(sparsedrop_array_download(device, NULL, &d.hostX, &d.hostA));
  d.hostX.type = SPARSEDROP_I32;
  CHECK(sparsedrop_array_download(device, NULL, &d.inputs[0], &d.hostX));
  CHECK(strstr(sparsedrop_last_error(), "expected room for 4x3xf32"));
  CHECK(!sparsedrop_array_to_dlpack(&d.hostA, 2, 0, 0));
  release(&d);
}

static void test_capture(sparsedrop_device *device, sparsedrop_stream *stream) {
  sparsedrop_executable *executable = compile_text(steady, NULL, "sm_90a", 0, NULL);
  CHECK(executable);
  struct data d;
  prepare(&d, device);
  sparsedrop_array results[2];
  memset(results, 0, sizeof(results));
  sparsedrop_captured *captured = sparsedrop_executable_capture(
      executable, device, d.inputs, 3, 0, 0, results, 2);
  CHECK(captured && results[0].onDevice && results[0].owner);
  CHECK(results[1].data == d.inputs[2].data && !results[1].owner);
  expect(device, &d.inputs[2], 1, 0); /* nothing has run */
  d.s = 1000;                         /* scalars are fixed */
  for (int i = 0; i < 3; ++i) {
    CHECK(!sparsedrop_captured_launch(captured, i % 2 ? NULL : stream));
    CHECK(!sparsedrop_device_synchronize(device));
    expect(device, &results[0], 1, (float)(2 * i + 1));
    expect(device, &results[1], 1, (float)(2 * i + 2));
  }
  /* The caller's own memory for a result, and none for another; arrays and the
     function go before the graph. */
  sparsedrop_array own[2] = {results[0], {0}};
  sparsedrop_captured *second = sparsedrop_executable_capture(
      executable, device, d.inputs, 3, 0, 0, own, 2);
  CHECK(second && own[0].data == results[0].data);
  sparsedrop_executable_destroy(executable);
  CHECK(!sparsedrop_captured_launch(second, stream));
  CHECK(!sparsedrop_device_synchronize(device));
  expect(device, &own[0], 1, 7);
  expect(device, &d.inputs[2], 1, 1006);
  release(&d);
  sparsedrop_array_release(&results[0]);
  CHECK(!sparsedrop_captured_launch(second, stream));
  sparsedrop_captured_destroy(captured);
  sparsedrop_captured_destroy(second);
  sparsedrop_captured_destroy(NULL);
  CHECK(!sparsedrop_device_synchronize(device));
}

static void test_captures_that_fail(const sparsedrop_executable *executable,
                                    sparsedrop_device *device) {
  struct data d;
  prepare(&d, device);
  sparsedrop_array results[3];
  memset(results, 0, sizeof(results));
  CHECK(!sparsedrop_executable_capture(executable, device, d.inputs, 3, 0, 0,
                                       results, 3));
  CHECK(strstr(sparsedrop_last_error(), "f: the program needs a value of the "
                                        "device on the host"));
  CHECK(!results[0].data && !results[2].data);
  CHECK(!sparsedrop_executable_capture(executable, NULL, d.inputs, 3, 0, 0,
                                       results, 3));
  CHECK(strstr(sparsedrop_last_error(), "f: expected a device"));
  CHECK(!sparsedrop_executable_capture(executable, device, d.inputs, 2, 0, 0,
                                       NULL, 0));
  CHECK(strstr(sparsedrop_last_error(), "expected 3 inputs, but got 2"));
  for (int i = 0; i < 2; ++i) {
    CHECK(!sparsedrop_executable_capture(executable, device, d.inputs,
                                         i ? 3 : -1, 0, 0, results, -i));
    CHECK(strstr(sparsedrop_last_error(),
                 "f: expected numbers of arrays of at least 0, but got -1"));
    CHECK(sparsedrop_executable_call_on(executable, device, NULL, d.inputs,
                                        i ? 3 : -1, 0, 0, results, -i));
    CHECK(strstr(sparsedrop_last_error(),
                 "f: expected numbers of arrays of at least 0, but got -1"));
  }
  sparsedrop_executable *host = compile("cpu", NULL, 0, NULL);
  CHECK(
      !sparsedrop_executable_capture(host, device, d.inputs, 3, 0, 0, NULL, 0));
  CHECK(strstr(sparsedrop_last_error(), "f: was compiled for the host"));
  sparsedrop_executable_destroy(host);
  expect(device, &d.inputs[2], 1, 0);
  CHECK(!sparsedrop_device_synchronize(device));
  release(&d);
}

int main(void) {
  test_options();
  sparsedrop_device *device = sparsedrop_device_open("interp", 0);
  CHECK(device);
  sparsedrop_stream *stream = sparsedrop_stream_create(device);
  sparsedrop_executable *executable = compile(NULL, "sm_90a", 0, NULL);
  CHECK(stream && executable);
  test_call(executable, device, NULL);
  test_call(executable, device, stream);
  test_refusals(executable, device);
  test_capture(device, stream);
  test_captures_that_fail(executable, device);
  sparsedrop_program_statistics statistics;
  sparsedrop_program_statistics_of(device, &statistics);
  CHECK(statistics.bytesInUse == 0 && statistics.launches > 0);
  sparsedrop_executable_destroy(executable);
  sparsedrop_stream_destroy(stream);
  sparsedrop_device_close(device);
  puts("ok");
  return 0;
}
