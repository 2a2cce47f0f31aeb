// Vectors: grid-stride loops and strides.

extern "C" __global__ void add(const float *a, const float *b, float *c,
                               int n) {
  int threads = gridDim.x * blockDim.x;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads)
    c[i] = a[i] + b[i];
}

extern "C" __global__ void axpy_double(double a, const double *x, int step_x,
                                       double *y, int step_y, int n) {
  int threads = gridDim.x * blockDim.x;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += threads)
    y[(long long)i * step_y] =
        fma(a, x[(long long)i * step_x], y[(long long)i * step_y]);
}

// The rows that a dropout keeps, packed: row i of the result is row
// period * i + first. Four floats at a time where they are aligned.
extern "C" __global__ void gather_rows(const float *in, float *out, int columns,
                                       int stride, int period, int first) {
  const float *from = in + ((long long)blockIdx.x * period + first) * stride;
  float *to = out + (long long)blockIdx.x * columns;
  bool is_aligned = columns % 4 == 0 && stride % 4 == 0;
  if (is_aligned)
    for (int i = threadIdx.x; i < columns / 4; i += blockDim.x)
      ((float4 *)to)[i] = ((const float4 *)from)[i];
  else
    for (int i = threadIdx.x; i < columns; i += blockDim.x)
      to[i] = from[i];
}
