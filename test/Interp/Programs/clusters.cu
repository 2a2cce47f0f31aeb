// Clusters: exchange through distributed shared memory, a histogram whose bins
// are shared out, signals by st.async.

#include "hopper.h"

#include <cooperative_groups.h>
namespace cg = cooperative_groups;

extern "C" __global__ void __cluster_dims__(4, 1, 1)
    rotate_blocks(const int *in, int *out) {
  __shared__ int room[64];
  auto cluster = cg::this_cluster();
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  room[threadIdx.x] = in[i];
  cluster.sync();
  int *other = cluster.map_shared_rank(room, (cluster.block_rank() + 1) % 4);
  out[i] = other[63 - threadIdx.x];
  cluster.sync();
}

extern "C" __global__ void __cluster_dims__(2, 1, 1)
    cluster_histogram(const unsigned char *in, unsigned *counts, int n) {
  __shared__ unsigned own[128];
  auto cluster = cg::this_cluster();
  for (int i = threadIdx.x; i < 128; i += blockDim.x)
    own[i] = 0;
  cluster.sync();
  int threads = gridDim.x * blockDim.x;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads)
    atomicAdd(cluster.map_shared_rank(own, in[i] / 128) + in[i] % 128, 1);
  cluster.sync();
  int first = cluster.block_rank() * 128;
  for (int i = threadIdx.x; i < 128; i += blockDim.x)
    atomicAdd(&counts[first + i], own[i]);
}

// Each block sends its sum to the first one, whose mbarrier counts the bytes.
extern "C" __global__ void __cluster_dims__(4, 1, 1)
    send_sums(const int *in, int *out) {
  __shared__ __align__(8) unsigned long long barrier;
  __shared__ int sums[4];
  auto cluster = cg::this_cluster();
  unsigned rank = cluster.block_rank();
  unsigned own = (unsigned)__cvta_generic_to_shared(&barrier);
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(own));
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  cluster.sync();
  if (rank == 0 && threadIdx.x == 0)
    asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], 16;" ::"r"(own)
        : "memory");
  int sum = __reduce_add_sync(~0u, in[blockIdx.x * blockDim.x + threadIdx.x]);
  if (threadIdx.x == 0) {
    unsigned to = (unsigned)__cvta_generic_to_shared(&sums[rank]), far, signal;
    asm volatile("mapa.shared::cluster.u32 %0, %1, 0;" : "=r"(far) : "r"(to));
    asm volatile("mapa.shared::cluster.u32 %0, %1, 0;"
                 : "=r"(signal)
                 : "r"(own));
    asm volatile(
        "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.s32"
        " [%0], %1, [%2];" ::"r"(far),
        "r"(sum), "r"(signal)
        : "memory");
  }
  if (rank == 0) {
    asm volatile("{\n.reg .pred done;\nWAIT: "
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], 0;\n"
                 "@!done bra WAIT;\n}" ::"r"(own)
                 : "memory");
    if (threadIdx.x < 4)
      out[blockIdx.x + threadIdx.x] = sums[threadIdx.x];
  }
  cluster.sync();
}

extern "C" __global__ void misc(int *out) {
  asm volatile("griddepcontrol.wait;" ::: "memory");
  unsigned elected;
  asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\n"
               "selp.u32 %0, 1, 0, p;\n}"
               : "=r"(elected));
  long long start = clock64();
  __nanosleep(100);
  bool later = clock64() >= start;
  int leaders = __reduce_add_sync(~0u, (int)elected);
  out[threadIdx.x] = leaders * 10 + later;
  asm volatile("griddepcontrol.launch_dependents;");
}

// Threads whose value is above a limit add to a counter of the first block by
// red.async; its mbarrier counts four bytes for each thread.
extern "C" __global__ void __cluster_dims__(2, 1, 1)
    count_above(const int *in, unsigned *out, int limit) {
  __shared__ __align__(8) unsigned long long barrier;
  __shared__ unsigned counter;
  auto cluster = cg::this_cluster();
  unsigned own = address_of(&barrier), bytes = 2 * blockDim.x * 4;
  if (threadIdx.x == 0) {
    counter = 0;
    init(own, 1);
    fence_init();
  }
  cluster.sync();
  bool is_first = cluster.block_rank() == 0;
  if (is_first && threadIdx.x == 0)
    expect(own, bytes);
  unsigned far, signal;
  asm volatile("mapa.shared::cluster.u32 %0, %1, 0;"
               : "=r"(far)
               : "r"(address_of(&counter)));
  asm volatile("mapa.shared::cluster.u32 %0, %1, 0;" : "=r"(signal) : "r"(own));
  unsigned above = in[blockIdx.x * blockDim.x + threadIdx.x] > limit;
  asm volatile(
      "red.async.relaxed.cluster.shared::cluster."
      "mbarrier::complete_tx::bytes.add.u32 [%0], %1, [%2];" ::"r"(far),
      "r"(above), "r"(signal)
      : "memory");
  if (is_first) {
    wait(own, 0);
    if (threadIdx.x == 0)
      out[blockIdx.x / 2] = counter;
  }
}
