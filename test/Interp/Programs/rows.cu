// Softmax and layer normalization, a row a block.

#include <math_constants.h>

__device__ float of_block(float value, bool is_max, float *room) {
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int step = 16; step; step /= 2) {
    float other = __shfl_xor_sync(~0u, value, step);
    value = is_max ? fmaxf(value, other) : value + other;
  }
  if (lane == 0)
    room[warp] = value;
  __syncthreads();
  value = room[0];
  for (unsigned i = 1; i < blockDim.x / 32; ++i)
    value = is_max ? fmaxf(value, room[i]) : value + room[i];
  __syncthreads();
  return value;
}

extern "C" __global__ void softmax(const float *in, float *out, int n) {
  __shared__ float room[32];
  const float *row = in + blockIdx.x * n;
  float most = -CUDART_INF_F, sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    most = fmaxf(most, row[i]);
  most = of_block(most, true, room);
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    sum += expf(row[i] - most);
  sum = of_block(sum, false, room);
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    out[blockIdx.x * n + i] = expf(row[i] - most) / sum;
}

extern "C" __global__ void layer_norm(const float *in, const float *scale,
                                      float *out, int n, float epsilon) {
  __shared__ float room[32];
  const float *row = in + blockIdx.x * n;
  float sum = 0, squares = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    sum += row[i];
  float mean = of_block(sum, false, room) / n;
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    squares += (row[i] - mean) * (row[i] - mean);
  float factor = rsqrtf(of_block(squares, false, room) / n + epsilon);
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    out[blockIdx.x * n + i] = (row[i] - mean) * factor * scale[i];
}
