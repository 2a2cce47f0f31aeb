// A convolution with weights in constant memory, and sorts.

__constant__ float weights[5] = {0.25f, -0.5f, 1.0f, 0.5f, 0.125f};

extern "C" __global__ void convolve(const float *in, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float sum = 0;
  for (int k = -2; k <= 2; ++k)
    if (i + k >= 0 && i + k < n)
      sum += in[i + k] * weights[k + 2];
  out[i] = sum;
}

extern "C" __global__ void bitonic_sort(unsigned *values) {
  extern __shared__ unsigned room[];
  unsigned i = threadIdx.x;
  room[i] = values[i];
  __syncthreads();
  for (unsigned size = 2; size <= blockDim.x; size *= 2) {
    for (unsigned step = size / 2; step; step /= 2) {
      unsigned other = i ^ step;
      unsigned own = room[i], theirs = room[other];
      __syncthreads();
      bool ascending = (i & size) == 0, is_low = i < other;
      room[i] = (own < theirs) == (ascending == is_low) ? own : theirs;
      __syncthreads();
    }
  }
  values[i] = room[i];
}

// Each thread sorts a short list of its own, in local memory, as long as it is.
extern "C" __global__ void insertion_sort(const int *in, const int *lengths,
                                          int *out) {
  int list[16];
  int i = blockIdx.x * blockDim.x + threadIdx.x, length = lengths[i];
  for (int k = 0; k < length; ++k)
    list[k] = in[i * 16 + k];
  for (int k = 1; k < length; ++k) {
    int value = list[k], at = k;
    for (; at > 0 && list[at - 1] > value; --at)
      list[at] = list[at - 1];
    list[at] = value;
  }
  for (int k = 0; k < length; ++k)
    out[i * 16 + k] = list[k];
}

// Neighbours change places until n values are in order: threads diverge by what
// they compare, and those past the end only wait.
extern "C" __global__ void odd_even_sort(int *values, int n) {
  extern __shared__ int list[];
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    list[i] = values[i];
  __syncthreads();
  for (int round = 0; round < n; ++round) {
    int i = 2 * threadIdx.x + round % 2;
    if (i + 1 < n && list[i] > list[i + 1]) {
      int value = list[i];
      list[i] = list[i + 1];
      list[i + 1] = value;
    }
    __syncthreads();
  }
  for (int i = threadIdx.x; i < n; i += blockDim.x)
    values[i] = list[i];
}
