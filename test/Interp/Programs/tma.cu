// Bulk copies, with and without tensor maps, and multicast.

#include "hopper.h"

// Doubles what is between two bulk copies.
extern "C" __global__ void bulk_double(const int *in, int *out) {
  __shared__ __align__(128) int room[512];
  __shared__ __align__(8) unsigned long long barrier;
  unsigned own = address_of(&barrier), to = address_of(room);
  if (threadIdx.x == 0) {
    init(own, 1);
    fence_init();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    expect(own, 2048);
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::"
                 "bytes [%0], [%1], 2048, [%2];" ::"r"(to),
                 "l"(in + blockIdx.x * 512), "r"(own)
                 : "memory");
  }
  wait(own, 0);
  for (int i = threadIdx.x; i < 512; i += blockDim.x)
    room[i] *= 2;
  fence_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], "
                 "2048;" ::"l"(out + blockIdx.x * 512),
                 "r"(to)
                 : "memory");
    commit_stores();
    wait_stores();
  }
}

// A tile of 64 rows of 32 floats: transposed within the tile and stored again.
extern "C" __global__ void tma_transpose(const __grid_constant__ Map in,
                                         const __grid_constant__ Map out) {
  __shared__ __align__(1024) float tile[64][32];
  __shared__ __align__(1024) float turned[32][64];
  __shared__ __align__(8) unsigned long long barrier;
  unsigned own = address_of(&barrier);
  if (threadIdx.x == 0) {
    init(own, 1);
    fence_init();
    expect(own, sizeof(tile));
    load_tile(address_of(tile), &in, blockIdx.x * 32, blockIdx.y * 64, own);
  }
  __syncthreads();
  wait(own, 0);
  for (int i = threadIdx.x; i < 2048; i += blockDim.x)
    turned[i % 32][i / 32] = tile[i / 32][i % 32];
  fence_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    store_tile(&out, blockIdx.y * 64, blockIdx.x * 32, address_of(turned));
    commit_stores();
    wait_stores();
  }
}

// One block of a pair loads a tile for both, in the 128-byte swizzle; each
// unswizzles its copy and adds its rank.
extern "C" __global__ void __cluster_dims__(2, 1, 1)
    tma_multicast(const __grid_constant__ Map in, float *out) {
  __shared__ __align__(1024) float tile[16][32];
  __shared__ __align__(8) unsigned long long barrier;
  unsigned own = address_of(&barrier), rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  if (threadIdx.x == 0) {
    init(own, 1);
    fence_init();
    expect(own, sizeof(tile));
  }
  asm volatile("barrier.cluster.arrive.release;\nbarrier.cluster.wait.acquire;"
               ::: "memory");
  if (rank == 0 && threadIdx.x == 0)
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::"
        "complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3}], [%4], %5;"
        ::"r"(address_of(tile)),
        "l"(&in), "r"(0), "r"(blockIdx.x / 2 * 16), "r"(own),
        "h"((unsigned short)3)
        : "memory");
  wait(own, 0);
  for (int i = threadIdx.x; i < 512; i += blockDim.x) {
    int row = i / 32, column = i % 32;
    int chunk = column / 4 ^ row % 8;
    out[blockIdx.x * 512 + i] = tile[row][chunk * 4 + column % 4] + rank;
  }
  asm volatile("barrier.cluster.arrive;\nbarrier.cluster.wait;" ::: "memory");
}

// A producer warp and four consumer warps: sums of columns through a ring of
// tiles, with full and empty mbarriers.
extern "C" __global__ void __launch_bounds__(160)
    pipeline_sums(const __grid_constant__ Map in, float *out, int tiles) {
  constexpr int kStages = 3;
  __shared__ __align__(1024) float ring[kStages][8][128];
  __shared__ __align__(8) unsigned long long barriers[2 * kStages];
  unsigned full = address_of(barriers), empty = full + 8 * kStages;
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) {
      init(full + 8 * i, 1);
      init(empty + 8 * i, 128);
    }
    fence_init();
  }
  __syncthreads();
  if (threadIdx.x >= 128) {
    if (threadIdx.x == 128)
      for (int i = 0; i < tiles; ++i) {
        int stage = i % kStages;
        if (i >= kStages)
          wait(empty + 8 * stage, (i / kStages - 1) & 1);
        expect(full + 8 * stage, sizeof(ring[0]));
        load_tile(address_of(ring[stage]), &in, blockIdx.x * 128, i * 8,
                  full + 8 * stage);
      }
    return;
  }
  float sum = 0;
  for (int i = 0; i < tiles; ++i) {
    int stage = i % kStages;
    wait(full + 8 * stage, i / kStages & 1);
    for (int row = 0; row < 8; ++row)
      sum += ring[stage][row][threadIdx.x];
    arrive(empty + 8 * stage);
  }
  out[blockIdx.x * 128 + threadIdx.x] = sum;
}
