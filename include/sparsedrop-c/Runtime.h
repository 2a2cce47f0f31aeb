//===- sparsedrop-c/Runtime.h - C ABI of the runtime library ------*- C -*-===//
//
// Part of the SparseDrop project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What compiled programs call, and what any program may call on its own:
// drawing patterns, searching pattern distributions, products on the CPU,
// threads, memory and the counters behind `sparsedrop-run --report`.
//
// Conventions. Functions that can fail return a status: 0 is success, anything
// else is failure, and sparsedrop_last_error() then holds one line of text.
// Extents, indices and strides count elements unless a comment says bytes.
// All functions may be called from several threads; the error text and the
// guarded section of sparsedrop_enter() belong to the calling thread.
//
//===----------------------------------------------------------------------===//

#ifndef SPARSEDROP_C_RUNTIME_H
#define SPARSEDROP_C_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SPARSEDROP_API __attribute__((visibility("default")))

/// Raised by one whenever a function below changes its meaning or is removed.
#define SPARSEDROP_RUNTIME_VERSION 1

/// The version the loaded library was built with.
SPARSEDROP_API int32_t sparsedrop_runtime_version(void);

//===----------------------------------------------------------------------===//
// Errors
//===----------------------------------------------------------------------===//

/// The text of the calling thread's last failure; "" when there was none.
/// Valid until the thread's next failing call.
SPARSEDROP_API const char *sparsedrop_last_error(void);

/// Records `message` as the calling thread's last failure. Inside a guarded
/// section (sparsedrop_enter) the first failure since entering is the one that
/// is kept, and the section ends with a status of 1. Outside of one, a failure
/// in a function *that has no status to return* (the ones compiled code calls:
/// sparsedrop_draw, sparsedrop_check_pattern, sparsedrop_contract ...) prints
/// "error: <message>" to stderr and exits with code 1, so that a program
/// lowered by the stock upstream passes never goes on with a wrong number.
SPARSEDROP_API void sparsedrop_fail(const char *message);

/// Opens a guarded section on the calling thread. Sections nest.
SPARSEDROP_API void sparsedrop_enter(void);

/// Closes the innermost guarded section; 1 if something failed in it, else 0.
SPARSEDROP_API int32_t sparsedrop_leave(void);

//===----------------------------------------------------------------------===//
// Random bits and draws (docs/sampling.md has test vectors)
//===----------------------------------------------------------------------===//

/// FNV-1a 64 of the site's UTF-8 bytes.
SPARSEDROP_API uint64_t sparsedrop_site_hash(const char *site, size_t length);

/// Continues `hash` over the 8 little-endian bytes of `index` (a pattern per
/// time step).
SPARSEDROP_API uint64_t sparsedrop_site_hash_index(uint64_t hash,
                                                   int64_t index);

/// Philox 4x32-10 (Salmon et al., SC 2011): four 32-bit words from a 128-bit
/// counter and a 64-bit key, low words first.
SPARSEDROP_API void sparsedrop_philox4x32_10(const uint32_t key[2],
                                             const uint32_t counter[4],
                                             uint32_t out[4]);

/// Rounds `count` probabilities to millionths that sum to exactly 1,000,000
/// (largest remainders first, ties to the lower index; an entry that is zero
/// stays zero). Fails when an entry is negative or not finite, or when the sum
/// is off from 1 by more than 1e-6.
SPARSEDROP_API int32_t sparsedrop_round_distribution(const double *probability,
                                                     int64_t count,
                                                     int32_t *millionths);

/// Draws the period and the bias of a row or tile pattern for (seed, step,
/// site). `millionths[i]` is the probability of period i + 1. `units` is the
/// number of units (row: ceil(extent / granularity); tile: tile columns in
/// skewed order, tiles in linear order); a period with a probability above 0
/// that exceeds it is a failure, and so are millionths that are negative or do
/// not sum to 1,000,000. An empty dimension (0 units) takes the dense pattern.
/// Returns period | bias << 32; on failure the dense pattern (1, 0) after
/// sparsedrop_fail.
SPARSEDROP_API int64_t sparsedrop_draw(int64_t seed, int64_t step,
                                       uint64_t siteHash,
                                       const int32_t *millionths, int64_t count,
                                       int64_t units);

/// Checks an explicit pattern: 1 <= period <= max(units, 1) and below 2^31,
/// 0 <= bias < period.
/// Returns period | bias << 32; on failure (1, 0) after sparsedrop_fail.
SPARSEDROP_API int64_t sparsedrop_check_pattern(int64_t period, int64_t bias,
                                                int64_t units);

/// How many tile rows further a tile pattern in linear order, of period
/// `period` and with `columns` tile columns, keeps the same columns again:
/// period / gcd(columns, period). 1 for what is no period.
SPARSEDROP_API int64_t sparsedrop_tile_row_period(int64_t period,
                                                  int64_t columns);

/// Draws the kept groups of a channel pattern by Gumbel-top-k: the groups with
/// the largest ln(sensitivity + 1e-12) / tau + Gumbel(0, 1) noise, ties to the
/// lower index. Groups are `granularity` neighbouring channels, the last one
/// may be partial; a group's sensitivity is the sum over its channels. The
/// noise of group j is word j mod 4 of Philox at the counter (step low, step
/// high, h low, h high) with h = siteHash + 1 + j div 4 and the seed as key.
/// `sensitivity` may be null (all equal); `stride` is its stride in elements.
/// Writes the kept channels in ascending order to `kept` (room for `channels`
/// entries) and returns their number. `count` is the number of channels to
/// keep; whole groups are kept while their sum does not exceed max(count,
/// granularity). Where tau is negative the groups with the smallest
/// sensitivities are the likely ones. Negative, NaN or infinite sensitivities,
/// a count outside [1, channels] and tau = 0 fail: every channel is kept after
/// sparsedrop_fail. Without `kept`, or with 2^31 channels and more, nothing is
/// written and 0 returned after it.
SPARSEDROP_API int64_t sparsedrop_sample_channels(
    int64_t seed, int64_t step, uint64_t siteHash, const float *sensitivity,
    int64_t stride, int64_t channels, int64_t granularity, int64_t count,
    double tau, int64_t *kept);

/// Writes to `list`, which has room for 2 * channels + 1 entries, the `count`
/// kept channels of `wanted` (which may be the same memory) in order; from
/// entry `channels` on the place of each channel among them, or -1 where it is
/// dropped; and at the end their number, which is returned. An empty list, and
/// one that is not strictly ascending in [0, channels), fail: every channel is
/// kept after sparsedrop_fail. Without `list`, or with 2^31 channels and more,
/// nothing is written and 0 returned after it.
SPARSEDROP_API int64_t sparsedrop_list_channels(const int64_t *wanted,
                                                int64_t count, int64_t channels,
                                                int64_t *list);

/// Writes to `slice`, which has room for 2 * extent + 1 entries, the list (as of
/// sparsedrop_list_channels) of the kept channels among [offset, offset +
/// extent) of a `list` of `channels`, counted from `offset` on. Returns their
/// number, which may be 0. A slice that does not lie in [0, channels) fails:
/// every channel is kept after sparsedrop_fail. Without `list` or `slice`, or
/// with 2^31 channels and more, nothing is written and 0 returned after it.
SPARSEDROP_API int64_t sparsedrop_slice_channels(const int64_t *list,
                                                 int64_t channels,
                                                 int64_t offset, int64_t extent,
                                                 int64_t *slice);

/// Channels kept at drop rate `rate`: max(m, m * round((1 - rate) * channels /
/// m)) with m = multiple, at most `channels`.
SPARSEDROP_API int64_t sparsedrop_channel_count(double rate, int64_t channels,
                                                int64_t multiple);

/// The factor that keeps the energy of what is kept (paper, section C.3): the
/// sum of the importances of all channels over that of the `count` channels in
/// `kept`, at most channels / count, which it is where those have none.
/// `stride` is that of the importances in elements. A negative, NaN or infinite
/// importance fails: 1 after sparsedrop_fail.
SPARSEDROP_API float sparsedrop_energy_scale(const float *importance,
                                             int64_t stride, int64_t channels,
                                             const int64_t *kept,
                                             int64_t count);

/// When channels are dropped (paper, section C.3). All but the rate are numbers
/// of steps of at least 0.
typedef struct sparsedrop_schedule {
  double rate;     ///< in [0, 1)
  int64_t warmup;  ///< the first steps, which keep all channels
  int64_t ramp;    ///< while step < ramp the rate is rate * step / ramp
  int64_t refresh; ///< multiples of it keep all channels; 0: there are none
} sparsedrop_schedule;

/// The drop rate of a step, from 0 on.
SPARSEDROP_API int32_t sparsedrop_scheduled_rate(
    const sparsedrop_schedule *schedule, int64_t step, double *rate);

/// A layer whose channels can be dropped.
typedef struct sparsedrop_layer {
  const float *sensitivity; ///< of each channel: finite, at least 0
  int64_t channels;         ///< at least 1
  double flops;             ///< what all channels cost, above 0
} sparsedrop_layer;

/// Turns one budget into a drop rate for each layer (paper, section C.3): a
/// layer's rate is the share of its channels whose sensitivity, over the 2-norm
/// of the layer's, lies below a threshold that is the same for all layers, at
/// most `largest`; the threshold is where the mean of the rates, weighted by
/// flops, is `rate`. Channels on the threshold count in equal shares. Needs 0
/// <= rate <= largest < 1.
SPARSEDROP_API int32_t sparsedrop_layer_rates(const sparsedrop_layer *layers,
                                              int64_t count, double rate,
                                              double largest, double *rates);

//===----------------------------------------------------------------------===//
// Kept indices and masks
//===----------------------------------------------------------------------===//
//
// A negative extent, a granularity or tile size below 1, and a bias outside
// [0, period) go to sparsedrop_fail: the functions then write nothing and
// return 0.

/// Number of units j < extent with (j div granularity) mod period == bias.
SPARSEDROP_API int64_t sparsedrop_row_kept_count(int64_t extent,
                                                 int64_t granularity,
                                                 int64_t period, int64_t bias);

/// Writes those units in ascending order; returns their number.
SPARSEDROP_API int64_t sparsedrop_row_kept_indices(int64_t extent,
                                                   int64_t granularity,
                                                   int64_t period, int64_t bias,
                                                   int64_t *indices);

/// mask[j] = 1 where unit j is kept, else 0; `extent` bytes.
SPARSEDROP_API void sparsedrop_row_mask(int64_t extent, int64_t granularity,
                                        int64_t period, int64_t bias,
                                        uint8_t *mask);

/// Order in which the tiles of a weight are counted.
enum sparsedrop_tile_order {
  SPARSEDROP_TILE_SKEWED = 0, ///< keep (r, c) iff (r + c) mod period == bias
  SPARSEDROP_TILE_LINEAR = 1  ///< keep iff (r * C + c) mod period == bias
};

/// Mask of a tile pattern over a rows x cols weight in row-major order;
/// tiles are tileRows x tileCols, the last ones cropped.
SPARSEDROP_API void sparsedrop_tile_mask(int64_t rows, int64_t cols,
                                         int64_t tileRows, int64_t tileCols,
                                         int32_t order, int64_t period,
                                         int64_t bias, uint8_t *mask);

/// Writes the kept tiles as indices r * C + c in ascending order (C tile
/// columns); returns their number. `tiles` may be null.
SPARSEDROP_API int64_t sparsedrop_tile_kept_tiles(int64_t rows, int64_t cols,
                                                  int64_t tileRows,
                                                  int64_t tileCols,
                                                  int32_t order, int64_t period,
                                                  int64_t bias, int64_t *tiles);

//===----------------------------------------------------------------------===//
// Pattern distributions
//===----------------------------------------------------------------------===//

/// Searches a distribution over periods 1..maxPeriod whose mean drop rate is
/// `rate`, by gradient descent on softmax logits (rate term plus entropy term,
/// lambda2 = 0.01), stopped at max |dL/dv| < 1e-8 and then tilted so that the
/// mean is exact. `steps`, if not null, receives the number of steps. Fails
/// for a rate outside [0, 1) or one that the periods cannot reach:
/// rate > (maxPeriod - 1) / maxPeriod, or equal to it (a single period), other
/// than rate 0 (always dense). maxPeriod is 1 to 1024.
SPARSEDROP_API int32_t sparsedrop_search_sgd(double rate, int64_t maxPeriod,
                                             double *probability,
                                             int64_t *steps);

/// The maximum-entropy distribution with mean drop rate `rate`, by bisection:
/// the closed form that the search converges to. Fails as the search does.
SPARSEDROP_API int32_t sparsedrop_search_maxent(double rate, int64_t maxPeriod,
                                                double *probability);

/// The same two searches over any candidate periods, 1 to 1024 each, ascending:
/// {1, 2, 4, 8} for kernels that want powers of two. `probability` receives
/// `count` entries, one for each candidate. They fail as the others do, and for
/// a rate below the drop rate of the shortest candidate.
SPARSEDROP_API int32_t sparsedrop_search_sgd_among(double rate,
                                                   const int64_t *periods,
                                                   int64_t count,
                                                   double *probability,
                                                   int64_t *steps);
SPARSEDROP_API int32_t sparsedrop_search_maxent_among(double rate,
                                                      const int64_t *periods,
                                                      int64_t count,
                                                      double *probability);

/// The default longest period at a rate: the smallest N with
/// (N - 1) / N >= rate + 0.4 (1 - rate), at most 32.
SPARSEDROP_API int64_t sparsedrop_default_max_period(double rate);

/// Mean drop rate of a rounded distribution: sum of d_i (i - 1) / i.
SPARSEDROP_API double sparsedrop_mean_rate(const int32_t *millionths,
                                           int64_t count);

/// Probability that two units at distance `delta` are both kept:
/// the sum of d_i / i over the periods i that divide delta.
SPARSEDROP_API double sparsedrop_joint_keep(const int32_t *millionths,
                                            int64_t count, int64_t delta);

/// Expectation over all draws of kept_count to the power `power` (1 or more).
SPARSEDROP_API double sparsedrop_expected_kept(const int32_t *millionths,
                                               int64_t count, int64_t extent,
                                               int64_t granularity,
                                               int32_t power);

//===----------------------------------------------------------------------===//
// Products on the CPU
//===----------------------------------------------------------------------===//

/// Element types of a product.
enum sparsedrop_type {
  SPARSEDROP_F32 = 0,
  SPARSEDROP_F64 = 1,
  SPARSEDROP_BF16 = 2,
  SPARSEDROP_F16 = 3,
  SPARSEDROP_F8E4M3FN = 4, ///< of arXiv 2209.05433: no infinity
  SPARSEDROP_F8E5M2 = 5    ///< likewise; the upper half of an f16
};

/// Which operands a loop of a product indexes (bits of `operands`). Batch
/// loops index all three, rows A and C, columns B and C, contracted ones A and
/// B.
enum sparsedrop_operand {
  SPARSEDROP_A = 1,
  SPARSEDROP_B = 2,
  SPARSEDROP_C = 4
};

/// One loop of a product: its extent and the stride of each operand along it
/// in elements (0 where the operand is not indexed). Strides may be any value,
/// overlapping reads included (a convolution), but distinct iterations must
/// not write one element of C.
typedef struct {
  int64_t extent;
  int64_t operands;
  int64_t strideA;
  int64_t strideB;
  int64_t strideC;
} sparsedrop_loop;

/// C = (accumulate ? C : 0) + sum over the contracted loops of A * B, for any
/// number of loops in any order. Operands of the three types may be mixed; the
/// sum is formed in f64 if C is f64, else in f32, and rounded to C's type once.
/// Views that BLAS can address are passed to it as they are; others are packed
/// panel by panel. A zero extent of a contracted loop leaves C as it was, or
/// zeroes it when not accumulating. Returns nothing: a failure (out of memory,
/// an unknown type, a loop that indexes one operand only) goes to
/// sparsedrop_fail and leaves C untouched.
SPARSEDROP_API void sparsedrop_contract(const sparsedrop_loop *loops,
                                        int64_t loopCount, int32_t typeA,
                                        int32_t typeB, int32_t typeC,
                                        const void *a, const void *b, void *c,
                                        int32_t accumulate);

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

/// Number of threads that products and parallel loops use: the processors the
/// process may run on, or SPARSEDROP_NUM_THREADS, or the last value set here
/// (at least 1).
SPARSEDROP_API int32_t sparsedrop_threads(void);
SPARSEDROP_API void sparsedrop_set_threads(int32_t count);

/// Calls body(lo, hi, context) on disjoint ranges that cover [begin, end), on
/// several threads when the range holds more than `grain` iterations. Returns
/// when all are done. A call from inside a body runs on the calling thread.
SPARSEDROP_API void
sparsedrop_parallel_for(int64_t begin, int64_t end, int64_t grain,
                        void (*body)(int64_t lo, int64_t hi, void *context),
                        void *context);

//===----------------------------------------------------------------------===//
// Memory of compiled programs
//===----------------------------------------------------------------------===//

/// Memory for temporaries and results, `alignment` a power of two. Freed
/// blocks are cached for the next step. Null when there is no memory left.
SPARSEDROP_API void *sparsedrop_alloc(uint64_t alignment, uint64_t bytes);
SPARSEDROP_API void sparsedrop_free(void *pointer);

/// Bytes in use now, and the most since the last reset (which sets the peak to
/// the bytes in use). Process-wide; cached blocks do not count.
SPARSEDROP_API int64_t sparsedrop_memory_in_use(void);
SPARSEDROP_API int64_t sparsedrop_memory_peak(void);
SPARSEDROP_API void sparsedrop_memory_reset_peak(void);

/// Returns cached blocks to the system.
SPARSEDROP_API void sparsedrop_memory_trim(void);

//===----------------------------------------------------------------------===//
// Counters of an instrumented program
//===----------------------------------------------------------------------===//

// Counters belong to the thread that calls the program; loops that the program
// runs on other threads count there too.

/// Sums over all executions of one product since the last reset.
typedef struct {
  double executions;
  double denseFlops, denseBytes;
  double actualFlops, actualBytes;
  double expectedFlops; ///< of the actual ones, over all draws
} sparsedrop_product_counts;

/// Adds one execution to the counters of product `id` (0 and up).
SPARSEDROP_API void sparsedrop_record_product(int64_t id, double denseFlops,
                                              double denseBytes,
                                              double actualFlops,
                                              double actualBytes,
                                              double expectedFlops);

/// Reads the counters of product `id`; all zero when it never ran.
SPARSEDROP_API void
sparsedrop_product_counts_of(int64_t id, sparsedrop_product_counts *counts);

/// Sets all counters to zero.
SPARSEDROP_API void sparsedrop_reset_counts(void);

#ifdef __cplusplus
}
#endif

#endif // SPARSEDROP_C_RUNTIME_H
