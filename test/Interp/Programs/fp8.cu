// e4m3 and e5m2.

#include <cuda_fp8.h>

extern "C" __global__ void to_fp8(const float2 *in, unsigned short *e4m3,
                                  unsigned short *e5m2, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  e4m3[i] = __nv_cvt_float2_to_fp8x2(in[i], __NV_SATFINITE, __NV_E4M3);
  e5m2[i] = __nv_cvt_float2_to_fp8x2(in[i], __NV_SATFINITE, __NV_E5M2);
}

extern "C" __global__ void from_fp8(const unsigned char *in, float *e4m3,
                                    float *e5m2) {
  int i = threadIdx.x;
  __nv_fp8_e4m3 a;
  __nv_fp8_e5m2 b;
  a.__x = b.__x = in[i];
  e4m3[i] = (float)a;
  e5m2[i] = (float)b;
}
