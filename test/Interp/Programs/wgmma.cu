// Products by wgmma: of tiles that TMA brings, by a producer and two consumer
// warpgroups; and with matrix A in registers.

#include "hopper.h"
#include <cuda_fp16.h>

// Of a tile whose rows are 128 bytes, swizzled: rows of 8 are 1024 bytes apart
// (ISA 9.7.15.5.1.2).
__device__ inline unsigned long long describe(unsigned address) {
  return (unsigned long long)(address >> 4 & 0x3FFF) | 1ull << 16 |
         64ull << 32 | 1ull << 62;
}

__device__ inline void multiply(float (&d)[64], unsigned long long a, unsigned long long b,
                              int adds) {
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 "
               "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
               "%64, %65, p, 1, 1, 0, 0;\n}"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]),
                 "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                 "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]),
                 "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
                 "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]),
                 "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
                 "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]),
                 "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
                 "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]),
                 "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
                 "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]),
                 "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
                 "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]),
                 "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
                 "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]),
                 "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
               : "l"(a), "l"(b), "r"(adds));
}

__device__ inline void multiply_registers(float (&d)[16], const unsigned (&a)[4], unsigned long long b,
                              int adds) {
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %21, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n32k16.f32.f16.f16 "
               "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, "
               "{%16, %17, %18, %19}, %20, p, 1, 1, 0;\n}"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]),
                 "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                 "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]),
                 "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(adds));
}

// c (m x n) = a (m x k) * b (n x k) transposed. Tiles of 128 x 128 x 64.
extern "C" __global__ void __launch_bounds__(384)
    wgmma_matmul(const __grid_constant__ Map a, const __grid_constant__ Map b,
                 float *c, int m, int n, int k) {
  constexpr int kStages = 3, kBytes = 128 * 64 * 2;
  extern __shared__ __align__(1024) unsigned char room[];
  __shared__ __align__(8) unsigned long long barriers[2 * kStages];
  unsigned full = address_of(barriers), empty = full + 8 * kStages;
  unsigned tiles = address_of(room);
  int group = threadIdx.x / 128, steps = (k + 63) / 64;
  int row = blockIdx.y * 128, column = blockIdx.x * 128;
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) {
      init(full + 8 * i, 1);
      init(empty + 8 * i, 2);
    }
    fence_init();
  }
  __syncthreads();
  if (group == 0) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (threadIdx.x == 0)
      for (int i = 0; i < steps; ++i) {
        int stage = i % kStages;
        unsigned tile = tiles + stage * 2 * kBytes;
        if (i >= kStages)
          wait(empty + 8 * stage, (i / kStages - 1) & 1);
        expect(full + 8 * stage, 2 * kBytes);
        load_tile(tile, &a, i * 64, row, full + 8 * stage);
        load_tile(tile + kBytes, &b, i * 64, column, full + 8 * stage);
      }
    return;
  }
  asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
  float d[64];
  for (int i = 0; i < steps; ++i) {
    int stage = i % kStages;
    unsigned left = tiles + stage * 2 * kBytes + (group - 1) * kBytes / 2;
    unsigned right = tiles + stage * 2 * kBytes + kBytes;
    wait(full + 8 * stage, i / kStages & 1);
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int step = 0; step < 4; ++step)
      multiply(d, describe(left + step * 32), describe(right + step * 32),
               i + step);
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
    if (threadIdx.x % 128 == 0)
      arrive(empty + 8 * stage);
  }
  int warp = threadIdx.x % 128 / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < 64; ++i) {
    int y = row + (group - 1) * 64 + warp * 16 + lane / 4 + i / 2 % 2 * 8;
    int x = column + i / 4 * 8 + lane % 4 * 2 + i % 2;
    if (y < m && x < n)
      c[(long long)y * n + x] = d[i];
  }
}

// c (64 x 32) = a (64 x 64), scaled on its way into registers, times b (32 x 64)
// transposed, which the threads put into shared memory themselves.
extern "C" __global__ void __launch_bounds__(128)
    wgmma_registers(const half *a, const half *b, float *c, float scale) {
  __shared__ __align__(1024) half tile[32 * 64];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int i = threadIdx.x; i < 32 * 8; i += 128) {
    int row = i / 8, chunk = i % 8;
    *(uint4 *)(tile + row * 64 + (chunk ^ row % 8) * 8) =
        *(const uint4 *)(b + row * 64 + chunk * 8);
  }
  fence_async();
  __syncthreads();
  unsigned left[4][4];
#pragma unroll
  for (int step = 0; step < 4; ++step)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      int row = warp * 16 + lane / 4 + i % 2 * 8;
      int column = step * 16 + lane % 4 * 2 + i / 2 * 8;
      half2 value = *(const half2 *)(a + row * 64 + column);
      value = __hmul2(value, __float2half2_rn(scale));
      left[step][i] = *(unsigned *)&value;
    }
  float d[16];
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
  for (int step = 0; step < 4; ++step)
    multiply_registers(d, left[step], describe(address_of(tile) + step * 32),
                       step);
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
  for (int i = 0; i < 16; ++i)
    c[(warp * 16 + lane / 4 + i / 2 % 2 * 8) * 32 + i / 4 * 8 + lane % 4 * 2 +
      i % 2] = d[i];
}
