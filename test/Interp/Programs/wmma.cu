// A product by wmma: 16x16 of the result a warp.

#include <mma.h>
using namespace nvcuda;

extern "C" __global__ void wmma_matmul(const half *a, const half *b, float *c,
                                       int m, int n, int k) {
  int warp = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
  int columns = n / 16, row = warp / columns, column = warp % columns;
  if (row >= m / 16)
    return;
  wmma::fragment<wmma::accumulator, 16, 16, 16, float> sums;
  wmma::fill_fragment(sums, 0.0f);
  for (int at = 0; at < k; at += 16) {
    wmma::fragment<wmma::matrix_a, 16, 16, 16, half, wmma::row_major> left;
    wmma::fragment<wmma::matrix_b, 16, 16, 16, half, wmma::row_major> right;
    wmma::load_matrix_sync(left, a + row * 16 * k + at, k);
    wmma::load_matrix_sync(right, b + at * n + column * 16, n);
    wmma::mma_sync(sums, left, right, sums);
  }
  wmma::store_matrix_sync(c + row * 16 * n + column * 16, sums, n,
                          wmma::mem_row_major);
}
