// Inclusive prefix sums: in a block through shared memory, by shuffles, and over
// blocks that look back at those before them.

extern "C" __global__ void scan_shared(const int *in, int *out, int n) {
  extern __shared__ int room[];
  int i = threadIdx.x, from = 0;
  room[i] = i < n ? in[i] : 0;
  __syncthreads();
  for (unsigned step = 1; step < blockDim.x; step *= 2) {
    int *source = room + from * blockDim.x;
    int *target = room + (1 - from) * blockDim.x;
    target[i] = source[i] + (i >= (int)step ? source[i - step] : 0);
    from = 1 - from;
    __syncthreads();
  }
  if (i < n)
    out[i] = room[from * blockDim.x + i];
}

__device__ int scan_of_warp(int value) {
  for (int step = 1; step < 32; step *= 2) {
    int other = __shfl_up_sync(~0u, value, step);
    if (threadIdx.x % 32 >= step)
      value += other;
  }
  return value;
}

__device__ int scan_of_block(int value, int *sums) {
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  value = scan_of_warp(value);
  if (lane == 31)
    sums[warp] = value;
  __syncthreads();
  if (warp == 0) {
    int total = lane < blockDim.x / 32 ? sums[lane] : 0;
    total = scan_of_warp(total);
    if (lane < blockDim.x / 32)
      sums[lane] = total;
  }
  __syncthreads();
  return value + (warp ? sums[warp - 1] : 0);
}

extern "C" __global__ void scan_shuffle(const int *in, int *out, int n) {
  __shared__ int sums[32];
  int i = threadIdx.x;
  int value = scan_of_block(i < n ? in[i] : 0, sums);
  if (i < n)
    out[i] = value;
}

// state: 0 nothing, 1 the block's own sum, 2 the sum up to it; in the high word.
extern "C" __global__ void scan_lookback(const int *in, int *out,
                                         unsigned long long *state,
                                         unsigned *ticket, int n) {
  __shared__ int sums[32];
  __shared__ int before;
  __shared__ unsigned block;
  if (threadIdx.x == 0)
    block = atomicAdd(ticket, 1);
  __syncthreads();
  int i = block * blockDim.x + threadIdx.x;
  int value = scan_of_block(i < n ? in[i] : 0, sums);
  if (threadIdx.x == 0) {
    int total = sums[blockDim.x / 32 - 1], sum = 0;
    volatile unsigned long long *states = state;
    states[block] = 1ull << 32 | (unsigned)total;
    __threadfence();
    for (int other = (int)block - 1; other >= 0;) {
      unsigned long long seen = states[other];
      if (seen >> 32 == 0)
        continue;
      sum += (int)seen;
      if (seen >> 32 == 2)
        break;
      --other;
    }
    states[block] = 2ull << 32 | (unsigned)(sum + total);
    before = sum;
  }
  __syncthreads();
  if (i < n)
    out[i] = value + before;
}
