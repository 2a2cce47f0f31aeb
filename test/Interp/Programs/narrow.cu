// f16, bf16 and their pairs.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void half_polynomial(const __half2 *x, __half2 *y,
                                           int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  __half2 value = __float2half2_rn(0.25f);
  value = __hfma2(value, x[i], __float2half2_rn(-1.5f));
  value = __hfma2(value, x[i], __float2half2_rn(0.75f));
  y[i] = __hmax2(value, __float2half2_rn(0.0f));
}

extern "C" __global__ void bfloat_sums(const __nv_bfloat16 *a,
                                       const __nv_bfloat16 *b,
                                       __nv_bfloat16 *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    out[i] = __float2bfloat16(__bfloat162float(a[i]) * 2.0f +
                              __bfloat162float(b[i]));
}

extern "C" __global__ void bfloat_fma(const __nv_bfloat162 *a,
                                      const __nv_bfloat162 *b,
                                      __nv_bfloat162 *c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n)
    c[i] = __hmin2(__hfma2(a[i], b[i], c[i]), __float2bfloat162_rn(1000.0f));
}
