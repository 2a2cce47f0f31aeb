/*===- compiler.c - The flat C API, from C --------------------------------===*\
|*
|* Part of the SparseDrop project, under the Apache License v2.0 with LLVM
|* Exceptions. See LICENSE for license information.
|* SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
|*
\*===----------------------------------------------------------------------===*/

#include "sparsedrop-c/Compiler.h"

#include <math.h>
#include <pthread.h>
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

/* y = dropout(x) * w, and a donated accumulator: a += x. */
static const char program[] =
    "func.func @f(%x: tensor<?x12xf32>, %w: tensor<12x5xf32>,\n"
    "             %a: tensor<?x12xf32> {sparsedrop.donate = 1 : i64})\n"
    "    -> (tensor<?x5xf32>, tensor<?x12xf32>) {\n"
    "  %c0 = arith.constant 0 : index\n"
    "  %zero = arith.constant 0.0 : f32\n"
    "  %m = tensor.dim %x, %c0 : tensor<?x12xf32>\n"
    "  %e = tensor.empty(%m) : tensor<?x5xf32>\n"
    "  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<?x5xf32>)\n"
    "      -> tensor<?x5xf32>\n"
    "  %y = linalg.matmul {sparsedrop.dropout = #sparsedrop.dropout<row,\n"
    "      operand = 0, rate = 0.5, site = \"s\">}\n"
    "      ins(%x, %w : tensor<?x12xf32>, tensor<12x5xf32>)\n"
    "      outs(%z : tensor<?x5xf32>) -> tensor<?x5xf32>\n"
    "  %b = linalg.add ins(%x, %a : tensor<?x12xf32>, tensor<?x12xf32>)\n"
    "      outs(%a : tensor<?x12xf32>) -> tensor<?x12xf32>\n"
    "  return %y, %b : tensor<?x5xf32>, tensor<?x12xf32>\n"
    "}\n";

enum { M = 7, K = 12, N = 5 };

struct text {
  char *data;
  size_t length;
};

static void append(const char *piece, size_t length, void *user) {
  struct text *text = user;
  text->data = realloc(text->data, text->length + length + 1);
  memcpy(text->data + text->length, piece, length);
  text->length += length;
  text->data[text->length] = '\0';
}

struct seen {
  int errors, notes, remarks, line, column;
  char message[512];
};

static void note(const sparsedrop_diagnostic *diagnostic, void *user) {
  struct seen *seen = user;
  seen->errors += diagnostic->severity == SPARSEDROP_ERROR;
  seen->notes += diagnostic->severity == SPARSEDROP_NOTE;
  seen->remarks += diagnostic->severity == SPARSEDROP_REMARK;
  if (diagnostic->severity == SPARSEDROP_ERROR) {
    seen->line = diagnostic->line;
    seen->column = diagnostic->column;
    snprintf(seen->message, sizeof(seen->message), "%s", diagnostic->message);
  }
}

static sparsedrop_module *parse(sparsedrop_context *context) {
  sparsedrop_module *module =
      sparsedrop_module_parse(context, program, sizeof(program) - 1, "program");
  CHECK(module);
  return module;
}

static void test_diagnostics(void) {
  sparsedrop_context *context = sparsedrop_context_create();
  struct seen seen = {0};
  sparsedrop_context_set_callback(context, note, &seen);
  const char bad[] = "func.func @f() {\n  return %x : f32\n}\n";
  CHECK(!sparsedrop_module_parse(context, bad, sizeof(bad) - 1, "bad"));
  CHECK(seen.errors >= 1 && seen.line == 2 && seen.column == 10);
  CHECK(!strncmp(sparsedrop_last_error(), "bad:2:10: ", 10));
  CHECK(!sparsedrop_module_load(context, "/no/such/file.mlir"));
  CHECK(strstr(sparsedrop_last_error(), "/no/such/file.mlir"));

  sparsedrop_module *module = parse(context);
  CHECK(sparsedrop_module_run(module, "builtin.module(no-such-pass)"));
  CHECK(strstr(sparsedrop_last_error(), "no-such-pass"));
  CHECK(sparsedrop_module_run(module, "func.func(canonicalize)"));
  CHECK(strstr(sparsedrop_last_error(), "builtin.module"));

  sparsedrop_compile_options options = {sizeof(options)};
  options.entry = "g";
  CHECK(!sparsedrop_compile(module, &options));
  CHECK(strstr(sparsedrop_last_error(), "'g'"));
  options.entry = NULL;
  options.mode = "fast";
  CHECK(!sparsedrop_compile(module, &options));
  CHECK(strstr(sparsedrop_last_error(), "'fast'"));
  options.mode = NULL;
  options.target = "abacus";
  CHECK(!sparsedrop_compile(module, &options));
  CHECK(strstr(sparsedrop_last_error(), "'abacus'"));

  CHECK(sparsedrop_context_enable_remarks(context, "("));
  CHECK(!sparsedrop_context_enable_remarks(context, "sparsedrop.*"));
  CHECK(sparsedrop_context_enable_remarks(context, "sparsedrop.*"));
  CHECK(!sparsedrop_module_run(module, "builtin.module(sparsedrop-pipeline)"));
  CHECK(seen.remarks > 0);
  /* The context first: the module keeps what it needs. */
  sparsedrop_context_destroy(context);
  sparsedrop_module_destroy(module);
}

static void test_printing(void) {
  sparsedrop_context *context = sparsedrop_context_create();
  sparsedrop_module *module = parse(context);
  sparsedrop_module *copy = sparsedrop_module_clone(module);
  struct text text = {0}, bytecode = {0}, again = {0};
  CHECK(!sparsedrop_module_run(
      copy, "builtin.module(sparsedrop-pipeline{mode=compact})"));
  CHECK(!sparsedrop_module_print(copy, 0, append, &text));
  CHECK(strstr(text.data, "sparsedrop_draw") &&
        !strstr(text.data, "sparsedrop.dropout"));
  text.length = 0;
  CHECK(!sparsedrop_module_print(module, 0, append, &text));
  CHECK(strstr(text.data, "#sparsedrop.dropout<row"));
  CHECK(!sparsedrop_module_print(module, SPARSEDROP_PRINT_BYTECODE, append,
                                 &bytecode));
  sparsedrop_module *read = sparsedrop_module_parse(
      context, bytecode.data, bytecode.length, "bytecode");
  CHECK(read && !sparsedrop_module_print(read, 0, append, &again));
  CHECK(!strcmp(text.data, again.data));
  CHECK(sparsedrop_module_print(
      module, SPARSEDROP_PRINT_BYTECODE | SPARSEDROP_PRINT_GENERIC, append,
      &text));
  free(text.data), free(bytecode.data), free(again.data);
  sparsedrop_module_destroy(read);
  sparsedrop_module_destroy(copy);
  sparsedrop_module_destroy(module);
  sparsedrop_context_destroy(context);
}

/* What a call works on. x is a matrix of K columns in rows of K + 3. */
struct data {
  float x[M * (K + 3)], w[K * N], a[M * K], start[M * K];
  int64_t xShape[2], xStrides[2], wShape[2], aShape[2];
  sparsedrop_array inputs[3];
};

static void prepare(struct data *d) {
  for (int i = 0; i < M * (K + 3); ++i)
    d->x[i] = (float)((i * 37) % 19) - 9;
  for (int i = 0; i < K * N; ++i)
    d->w[i] = (float)((i * 11) % 7) - 3;
  for (int i = 0; i < M * K; ++i)
    d->a[i] = d->start[i] = (float)i;
  d->xShape[0] = d->aShape[0] = M, d->xShape[1] = d->aShape[1] = K;
  d->wShape[0] = K, d->wShape[1] = N;
  d->xStrides[0] = K + 3, d->xStrides[1] = 1;
  sparsedrop_array inputs[3] = {
      {d->x, SPARSEDROP_F32, 2, d->xShape, d->xStrides, 1, 0, NULL},
      {d->w, SPARSEDROP_F32, 2, d->wShape, NULL, 1, 0, NULL},
      {d->a, SPARSEDROP_F32, 2, d->aShape, NULL, 0, 0, NULL}};
  memcpy(d->inputs, inputs, sizeof(inputs));
}

/* The pattern as the compiled program draws it. */
static void draw(int64_t seed, int64_t step, unsigned char *kept,
                 double *scale) {
  double probability[4];
  int32_t millionths[4];
  CHECK(sparsedrop_default_max_period(0.5) == 4);
  CHECK(!sparsedrop_search_sgd(0.5, 4, probability, NULL));
  CHECK(!sparsedrop_round_distribution(probability, 4, millionths));
  int64_t drawn = sparsedrop_draw(seed, step, sparsedrop_site_hash("s", 1),
                                  millionths, 4, K);
  sparsedrop_row_mask(K, 1, drawn & 0xffffffff, drawn >> 32, kept);
  *scale = 1 / (1 - sparsedrop_mean_rate(millionths, 4));
}

static void check_values(const struct data *d, const float *y, int64_t seed,
                         int64_t step) {
  unsigned char kept[K];
  double scale;
  draw(seed, step, kept, &scale);
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) {
      double sum = 0;
      for (int k = 0; k < K; ++k)
        sum += kept[k] * (double)d->x[i * (K + 3) + k] * d->w[k * N + j];
      /* Small integers are exact; the scale rounds to f32, and so does the
         product. The rate of the distribution is exact to a millionth. */
      CHECK(fabs(y[i * N + j] - scale * sum) <= 4e-6 * fabs(scale * sum));
    }
}

static void test_call(const sparsedrop_executable *executable) {
  struct data d;
  for (int64_t step = 0; step < 20; ++step) {
    prepare(&d);
    sparsedrop_array results[2];
    memset(results, 0, sizeof(results));
    CHECK(!sparsedrop_executable_call(executable, d.inputs, 3, 5, step, results,
                                      2));
    CHECK(results[0].rank == 2 && results[0].shape[0] == M &&
          results[0].shape[1] == N && results[0].owner);
    check_values(&d, results[0].data, 5, step);
    CHECK(results[1].data == d.a && !results[1].owner);
    for (int i = 0; i < M * K; ++i)
      CHECK(d.a[i] == d.start[i] + d.x[i / K * (K + 3) + i % K]);
    sparsedrop_array_release(&results[0]);
    CHECK(!results[0].data);
    sparsedrop_array_release(&results[1]);
    CHECK(results[1].data == d.a);
  }
}

static void test_strides(const sparsedrop_executable *executable) {
  struct data d;
  prepare(&d);
  /* The donated one is transposed memory, the result has gaps. */
  float a[M * K], y[M * 2 * N];
  int64_t aStrides[2] = {1, M}, yShape[2] = {M, N}, yStrides[2] = {2 * N, 2};
  for (int i = 0; i < M * K; ++i)
    a[i % K * M + i / K] = d.start[i];
  for (int i = 0; i < M * 2 * N; ++i)
    y[i] = -1;
  d.inputs[2].data = a, d.inputs[2].strides = aStrides;
  sparsedrop_array results[2] = {
      {y, SPARSEDROP_F32, 2, yShape, yStrides, 0, 0, NULL},
      {NULL, 0, 0, NULL, NULL, 0, 0, NULL}};
  CHECK(!sparsedrop_executable_call(executable, d.inputs, 3, 5, 1, results, 2));
  float packed[M * N];
  for (int i = 0; i < M * N; ++i) {
    packed[i] = y[i / N * 2 * N + 2 * (i % N)];
    CHECK(y[i / N * 2 * N + 2 * (i % N) + 1] == -1);
  }
  check_values(&d, packed, 5, 1);
  for (int i = 0; i < M * K; ++i)
    CHECK(a[i % K * M + i / K] == d.start[i] + d.x[i / K * (K + 3) + i % K]);
}

static void refuse(const sparsedrop_executable *executable, struct data *d,
                   sparsedrop_array *results, const char *why) {
  float before[M * K];
  memcpy(before, d->a, sizeof(before));
  CHECK(sparsedrop_executable_call(executable, d->inputs, 3, 0, 0, results,
                                   results ? 2 : 0));
  CHECK(strstr(sparsedrop_last_error(), why));
  CHECK(!memcmp(before, d->a, sizeof(before)));
  prepare(d);
}

static void test_refusals(const sparsedrop_executable *executable) {
  struct data d;
  prepare(&d);
  CHECK(sparsedrop_executable_call(executable, d.inputs, 2, 0, 0, NULL, 0));
  CHECK(strstr(sparsedrop_last_error(), "expected 3 inputs, but got 2"));
  d.inputs[0].type = SPARSEDROP_F64;
  refuse(executable, &d, NULL, "input 0: expected ?x12xf32, but got 7x12xf64");
  d.wShape[0] = K - 1;
  refuse(executable, &d, NULL, "input 1: expected 12x5xf32, but got 11x5xf32");
  d.inputs[2].readOnly = 1;
  refuse(executable, &d, NULL, "input 2: is read-only");
  d.inputs[0].data = (char *)d.x + 2;
  refuse(executable, &d, NULL, "not aligned");
  d.inputs[0].data = d.a, d.inputs[0].strides = NULL;
  refuse(executable, &d, NULL, "overlaps");
  d.aShape[0] = M - 1; /* the sizes of x and a must agree at run time */
  refuse(executable, &d, NULL, "f: ");
  float y[M * N];
  int64_t shape[2] = {M - 1, N}, zeros[2] = {0, 1};
  sparsedrop_array results[2] = {
      {y, SPARSEDROP_F32, 2, shape, NULL, 1, 0, NULL},
      {NULL, 0, 0, NULL, NULL, 0, 0, NULL}};
  refuse(executable, &d, results, "result 0: is read-only");
  results[0].readOnly = 0, results[0].strides = zeros;
  refuse(executable, &d, results, "repeats its elements");
  results[0].strides = NULL, results[0].data = d.w;
  refuse(executable, &d, results, "result 0 overlaps input 1");
  sparsedrop_slot slot;
  CHECK(sparsedrop_executable_input(executable, 3, &slot));
  CHECK(!sparsedrop_executable_input(executable, 2, &slot));
  CHECK(slot.donation == 1 && slot.shape[0] == SPARSEDROP_DYNAMIC);
  CHECK(!sparsedrop_executable_result(executable, 1, &slot));
  CHECK(slot.donation == 2 && slot.type == SPARSEDROP_F32 && slot.isTensor);
}

/* Nothing is dropped at an excluded site; a site that is none is refused. */
static void test_exclusion(sparsedrop_module *module) {
  const char *sites[2] = {"s", "t"};
  sparsedrop_compile_options options = {sizeof(options)};
  options.exclude = sites;
  options.excludeCount = 2;
  CHECK(!sparsedrop_compile(module, &options));
  options.excludeCount = 1;
  sparsedrop_executable *executable = sparsedrop_compile(module, &options);
  CHECK(executable);
  struct data d;
  prepare(&d);
  sparsedrop_array results[2];
  memset(results, 0, sizeof(results));
  CHECK(!sparsedrop_executable_call(executable, d.inputs, 3, 5, 1, results, 2));
  const float *y = results[0].data;
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) {
      double sum = 0;
      for (int k = 0; k < K; ++k)
        sum += (double)d.x[i * (K + 3) + k] * d.w[k * N + j];
      CHECK(y[i * N + j] == sum); /* of small integers */
    }
  sparsedrop_array_release(&results[0]);
  sparsedrop_executable_destroy(executable);
}

/* Parses, compiles, calls and reports in a context of its own. */
static void *work(void *user) {
  const char *mode = user;
  sparsedrop_context *context = sparsedrop_context_create();
  sparsedrop_module *module = parse(context);
  sparsedrop_compile_options options = {sizeof(options)};
  options.mode = mode;
  options.instrument = 1;
  sparsedrop_executable *executable = sparsedrop_compile(module, &options);
  CHECK(executable);
  sparsedrop_module_destroy(module);
  sparsedrop_context_destroy(context);
  sparsedrop_reset_counts();
  test_call(executable);
  struct text text = {0};
  CHECK(!sparsedrop_executable_report(executable, 5, 0, append, &text));
  char expected[64];
  snprintf(expected, sizeof(expected), "\"flops\": %d", 20 * 2 * M * K * N);
  CHECK(strstr(text.data, expected)); /* dense, on this thread alone */
  free(text.data);
  sparsedrop_executable_destroy(executable);
  return NULL;
}

static void test_threads(void) {
  pthread_t threads[4];
  char modes[4][8] = {"compact", "masked", "compact", "masked"};
  for (int i = 0; i < 4; ++i)
    CHECK(!pthread_create(&threads[i], NULL, work, modes[i]));
  for (int i = 0; i < 4; ++i)
    CHECK(!pthread_join(threads[i], NULL));
}

static void *call_many(void *user) {
  for (int i = 0; i < 10; ++i)
    test_call(user);
  return NULL;
}

int main(void) {
  CHECK(sparsedrop_compiler_version() == SPARSEDROP_COMPILER_VERSION);
  CHECK(strstr(sparsedrop_compiler_version_text(), "MLIR 22"));
  test_diagnostics();
  test_printing();
  sparsedrop_context *context = sparsedrop_context_create();
  sparsedrop_module *module = parse(context);
  sparsedrop_executable *executable = sparsedrop_compile(module, NULL);
  CHECK(executable && !strcmp(sparsedrop_executable_name(executable), "f"));
  test_call(executable);
  test_strides(executable);
  test_refusals(executable);
  pthread_t thread;
  CHECK(!pthread_create(&thread, NULL, call_many, executable));
  call_many(executable);
  CHECK(!pthread_join(thread, NULL));
  struct text text = {0};
  CHECK(sparsedrop_executable_report(executable, 0, 0, append, &text));
  double seconds;
  int64_t bytes;
  sparsedrop_last_call_costs(&seconds, &bytes);
  CHECK(seconds > 0 && bytes > 0);
  test_exclusion(module);
  sparsedrop_context_destroy(context);
  sparsedrop_module_destroy(module);
  sparsedrop_executable_destroy(executable);
  test_threads();
  puts("ok");
  return 0;
}
