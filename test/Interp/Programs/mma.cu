// A product of halves by mma.sync: tiles of 128x128x32 through shared memory, by
// cp.async with three stages, ldmatrix, swizzled rows; any size, with strides of
// rows. a is m x k, b is k x n, c is m x n, all row-major; strides are in elements
// and multiples of 8.

#include <cuda_fp16.h>

constexpr int kTile = 128, kDepth = 32, kStages = 3;

__device__ unsigned address_of(const void *pointer) {
  return (unsigned)__cvta_generic_to_shared(pointer);
}

// 16 bytes; what is outside of the matrix is zero.
__device__ void copy_16(unsigned to, const half *from, int valid) {
  int bytes = valid < 0 ? 0 : valid > 8 ? 16 : valid * 2;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to),
               "l"(from), "r"(bytes));
}

__device__ void load_matrices(unsigned (&r)[4], unsigned from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(from));
}
__device__ void load_transposed(unsigned (&r)[4], unsigned from) {
  asm volatile(
      "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
      : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
      : "r"(from));
}
__device__ void multiply_add(float (&d)[4], const unsigned (&a)[4],
                             unsigned b0, unsigned b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Offsets in bytes of 8 halves in the tiles: 4 of them a row of a, 16 a row of b.
__device__ unsigned place_a(int row, int chunk) {
  return row * 64 + ((chunk ^ (row >> 1 & 3)) * 16);
}
__device__ unsigned place_b(int row, int chunk) {
  return row * 256 + ((chunk ^ (row & 7)) * 16);
}

struct Sizes {
  int m, n, k, stride_a, stride_b, stride_c;
};

__device__ void fetch(unsigned tile_a, unsigned tile_b, const half *a,
                      const half *b, const Sizes &s, int row, int column,
                      int depth) {
  for (int i = threadIdx.x; i < kTile * kDepth / 8; i += blockDim.x) {
    int r = i / 4, c = i % 4;
    bool inside = row + r < s.m && depth + c * 8 < s.k;
    const half *from =
        inside ? a + (long long)(row + r) * s.stride_a + depth + c * 8 : a;
    copy_16(tile_a + place_a(r, c), from, inside ? s.k - depth - c * 8 : 0);
  }
  for (int i = threadIdx.x; i < kTile * kDepth / 8; i += blockDim.x) {
    int r = i / 16, c = i % 16;
    bool inside = depth + r < s.k && column + c * 8 < s.n;
    const half *from =
        inside ? b + (long long)(depth + r) * s.stride_b + column + c * 8 : b;
    copy_16(tile_b + place_b(r, c), from, inside ? s.n - column - c * 8 : 0);
  }
  asm volatile("cp.async.commit_group;");
}

__device__ void multiply(float (&sums)[4][4][4], unsigned tile_a,
                         unsigned tile_b, int row, int column) {
  int lane = threadIdx.x % 32;
  for (int step = 0; step < kDepth; step += 16) {
    unsigned left[4][4], right[2][4];
    for (int i = 0; i < 4; ++i)
      load_matrices(left[i], tile_a + place_a(row + i * 16 + lane % 16,
                                              step / 8 + lane / 16));
    for (int i = 0; i < 2; ++i)
      load_transposed(right[i], tile_b + place_b(step + lane % 16,
                                                 (column + i * 16) / 8 +
                                                     lane / 16));
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j)
        multiply_add(sums[i][j], left[i], right[j / 2][j % 2 * 2],
                     right[j / 2][j % 2 * 2 + 1]);
  }
}

extern "C" __global__ void __launch_bounds__(256)
    mma_matmul(const half *a, const half *b, float *c, Sizes s) {
  extern __shared__ __align__(128) unsigned char room[];
  constexpr int kBytes = kTile * kDepth * 2;
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int row = blockIdx.y * kTile, column = blockIdx.x * kTile;
  int own_row = warp / 4 * 64, own_column = warp % 4 * 32;
  unsigned tiles = address_of(room);
  int steps = (s.k + kDepth - 1) / kDepth;
  float sums[4][4][4] = {};
  for (int stage = 0; stage < kStages - 1; ++stage) {
    unsigned tile = tiles + stage * 2 * kBytes;
    fetch(tile, tile + kBytes, a, b, s, row, column, stage * kDepth);
  }
  for (int step = 0; step < steps; ++step) {
    asm volatile("cp.async.wait_group %0;" ::"n"(kStages - 2) : "memory");
    __syncthreads();
    int next = step + kStages - 1;
    unsigned tile = tiles + next % kStages * 2 * kBytes;
    fetch(tile, tile + kBytes, a, b, s, row, column, next * kDepth);
    tile = tiles + step % kStages * 2 * kBytes;
    multiply(sums, tile, tile + kBytes, own_row, own_column);
  }
  asm volatile("cp.async.wait_all;" ::: "memory");
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      for (int e = 0; e < 4; ++e) {
        int y = row + own_row + i * 16 + lane / 4 + e / 2 * 8;
        int x = column + own_column + j * 8 + lane % 4 * 2 + e % 2;
        if (y < s.m && x < s.n)
          c[(long long)y * s.stride_c + x] = sums[i][j][e];
      }
}

// A row of shifted sums, fetched block by block while the one before is used.
extern "C" __global__ void stream_sums(const int *in, int *out, int count) {
  __shared__ __align__(16) int room[2][128];
  unsigned to = address_of(&room[0][threadIdx.x]);
  int sum = 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to),
               "l"(in + threadIdx.x));
  asm volatile("cp.async.commit_group;");
  for (int i = 0; i < count; ++i) {
    if (i + 1 < count)
      asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(
                       to + (i + 1) % 2 * 512),
                   "l"(in + (i + 1) * 128 + threadIdx.x));
    asm volatile("cp.async.commit_group;");
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    __syncthreads();
    sum += room[i % 2][(threadIdx.x + i) % 128];
    __syncthreads();
  }
  out[threadIdx.x] = sum;
}
