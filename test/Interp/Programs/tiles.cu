// Cooperative groups: tiles of a warp.

#include <cooperative_groups.h>
namespace cg = cooperative_groups;

extern "C" __global__ void sums_of_tiles(const int *in, int *out) {
  auto tile = cg::tiled_partition<8>(cg::this_thread_block());
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  int value = in[i];
  for (int step = 4; step; step /= 2)
    value += tile.shfl_xor(value, step);
  int most = value;
  if (tile.any(in[i] < 0))
    most = -most;
  out[i] = most + (int)tile.thread_rank();
}

extern "C" __global__ void exchange(int *values) {
  __shared__ int room[128];
  // Half of the block produces, half consumes, by named barriers.
  int lane = threadIdx.x % 64;
  for (int round = 0; round < 4; ++round) {
    if (threadIdx.x < 64) {
      if (round)
        asm volatile("bar.sync 2, 128;" ::: "memory");
      room[lane] = values[lane] * (round + 1);
      asm volatile("bar.arrive 1, 128;" ::: "memory");
    } else {
      asm volatile("bar.sync 1, 128;" ::: "memory");
      values[64 + lane] += room[63 - lane];
      if (round < 3)
        asm volatile("bar.arrive 2, 128;" ::: "memory");
    }
  }
}
