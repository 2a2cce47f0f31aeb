// A histogram of bytes: each block counts in shared memory, then adds up.

extern "C" __global__ void histogram(const unsigned char *in, unsigned *counts,
                                     int n) {
  __shared__ unsigned own[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x)
    own[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += gridDim.x * blockDim.x)
    atomicAdd(&own[in[i]], 1);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x)
    if (own[i])
      atomicAdd(&counts[i], own[i]);
}

// One atomic a warp: the lanes that want to append agree on a leader.
extern "C" __global__ void filter(const int *in, int *out, unsigned *count,
                                  int limit, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  bool wants = i < n && in[i] > limit;
  unsigned wanting = __ballot_sync(~0u, wants);
  if (!wants)
    return;
  int leader = __ffs(wanting) - 1, lane = threadIdx.x % 32;
  unsigned base = 0;
  if (lane == leader)
    base = atomicAdd(count, __popc(wanting));
  base = __shfl_sync(wanting, base, leader);
  out[base + __popc(wanting & ((1u << lane) - 1))] = in[i];
}

// Lanes with one key add once.
extern "C" __global__ void count_keys(const unsigned *keys, unsigned *counts,
                                      int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned active = __ballot_sync(~0u, i < n);
  if (i >= n)
    return;
  unsigned same = __match_any_sync(active, keys[i]);
  if ((int)(threadIdx.x % 32) == __ffs(same) - 1)
    atomicAdd(&counts[keys[i]], __popc(same));
}
