// Matrices: transposes and products of any size, with strides.

extern "C" __global__ void transpose(const float *in, float *out, int rows,
                                     int columns) {
  __shared__ float tile[32][33];
  int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
  for (int i = 0; i < 32; i += 8)
    if (x < columns && y + i < rows)
      tile[threadIdx.y + i][threadIdx.x] = in[(y + i) * columns + x];
  __syncthreads();
  x = blockIdx.y * 32 + threadIdx.x;
  y = blockIdx.x * 32 + threadIdx.y;
  for (int i = 0; i < 32; i += 8)
    if (x < rows && y + i < columns)
      out[(y + i) * rows + x] = tile[threadIdx.x][threadIdx.y + i];
}

template <typename T>
__device__ void multiply(const T *a, const T *b, T *c, int m, int n, int k,
                         int row_step, int row_first) {
  __shared__ T tile_a[16][17], tile_b[16][17];
  int x = threadIdx.x, y = threadIdx.y;
  int row = blockIdx.y * 16 + y, column = blockIdx.x * 16 + x;
  T sum = 0;
  for (int base = 0; base < k; base += 16) {
    bool in_a = row < m && base + x < k, in_b = base + y < k && column < n;
    tile_a[y][x] = in_a ? a[row * k + base + x] : T(0);
    int from = (base + y) * row_step + row_first;
    tile_b[y][x] = in_b ? b[from * n + column] : T(0);
    __syncthreads();
    for (int i = 0; i < 16; ++i)
      sum += tile_a[y][i] * tile_b[i][x];
    __syncthreads();
  }
  if (row < m && column < n)
    c[row * n + column] = sum;
}

extern "C" __global__ void matmul(const float *a, const float *b, float *c,
                                  int m, int n, int k) {
  multiply(a, b, c, m, n, k, 1, 0);
}
extern "C" __global__ void matmul_double(const double *a, const double *b,
                                         double *c, int m, int n, int k) {
  multiply(a, b, c, m, n, k, 1, 0);
}
// Every `period`-th row of b is kept, from `first` on: a has only what is kept.
extern "C" __global__ void matmul_kept_rows(const float *a, const float *b,
                                            float *c, int m, int n, int k,
                                            int period, int first) {
  multiply(a, b, c, m, n, k, period, first);
}

// A row a warp, four elements a load, rows `stride` elements apart.
extern "C" __global__ void matvec(const float *a, const float *x, float *y,
                                  int m, int n, int stride) {
  int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
  int lane = threadIdx.x % 32;
  if (row >= m)
    return;
  float sum = 0;
  for (int i = lane * 4; i < n; i += 128) {
    float4 left = *(const float4 *)(a + row * stride + i);
    float4 right = *(const float4 *)(x + i);
    sum += left.x * right.x + left.y * right.y + left.z * right.z +
           left.w * right.w;
  }
  for (int step = 16; step; step /= 2)
    sum += __shfl_xor_sync(~0u, sum, step);
  if (lane == 0)
    y[row] = sum;
}
