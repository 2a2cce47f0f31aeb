// Sums of an array: through shared memory, by shuffles, with a last block that
// adds what the others left.

extern "C" __global__ void reduce_shared(const float *in, float *out, int n) {
  __shared__ float part[256];
  float sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += gridDim.x * blockDim.x)
    sum += in[i];
  part[threadIdx.x] = sum;
  __syncthreads();
  for (unsigned width = blockDim.x / 2; width; width /= 2) {
    if (threadIdx.x < width)
      part[threadIdx.x] += part[threadIdx.x + width];
    __syncthreads();
  }
  if (threadIdx.x == 0)
    out[blockIdx.x] = part[0];
}

__device__ double sum_of_warp(double value) {
  for (int step = 16; step; step /= 2)
    value += __shfl_down_sync(~0u, value, step);
  return value;
}

extern "C" __global__ void reduce_shuffle(const double *in, double *out,
                                          int n) {
  __shared__ double part[32];
  double sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    sum += in[i];
  sum = sum_of_warp(sum);
  if (threadIdx.x % 32 == 0)
    part[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x < 32) {
    sum = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0;
    sum = sum_of_warp(sum);
    if (threadIdx.x == 0)
      *out = sum;
  }
}

extern "C" __global__ void reduce_last_block(const int *in, int *partial,
                                             unsigned *done, int *out, int n) {
  __shared__ int part[8];
  __shared__ bool is_last;
  int sum = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;
       i += gridDim.x * blockDim.x)
    sum += in[i];
  sum = __reduce_add_sync(~0u, sum);
  if (threadIdx.x % 32 == 0)
    part[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    int total = 0;
    for (unsigned i = 0; i < blockDim.x / 32; ++i)
      total += part[i];
    partial[blockIdx.x] = total;
    __threadfence();
    is_last = atomicAdd(done, 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (is_last && threadIdx.x == 0) {
    int total = 0;
    for (unsigned i = 0; i < gridDim.x; ++i)
      total += ((volatile int *)partial)[i];
    *out = total;
  }
}
