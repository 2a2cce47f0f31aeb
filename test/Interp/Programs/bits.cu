// Bits and bytes, wide products, and a pseudo-random generator.

extern "C" __global__ void bit_tricks(const unsigned *in, unsigned *out,
                                      int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  unsigned x = in[i];
  unsigned swapped = __byte_perm(x, 0, 0x0123);
  int products = __dp4a((int)x, (int)swapped, 7);
  unsigned shifted = __funnelshift_l(x, swapped, x & 31);
  out[4 * i] = __brev(x) ^ swapped;
  out[4 * i + 1] = __popc(x) * 1000 + __clz(x) * 32 + __ffs(x);
  out[4 * i + 2] = (unsigned)products;
  out[4 * i + 3] = ((x & shifted) | (~x & swapped)) ^ (x >> 3);
}

extern "C" __global__ void multiply_wide(const unsigned long long *a,
                                         const unsigned long long *b,
                                         unsigned long long *low,
                                         unsigned long long *high,
                                         unsigned long long *rest) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  low[i] = a[i] * b[i];
  high[i] = __umul64hi(a[i], b[i]);
  rest[i] = a[i] % (b[i] | 1) + a[i] / (b[i] | 1);
}

// Philox 4x32-10.
extern "C" __global__ void philox(unsigned seed, uint4 *out) {
  unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  uint4 c = {i, 0, 0, 0};
  unsigned key0 = seed, key1 = ~seed;
  for (int round = 0; round < 10; ++round) {
    unsigned high0 = __umulhi(0xD2511F53u, c.x), low0 = 0xD2511F53u * c.x;
    unsigned high1 = __umulhi(0xCD9E8D57u, c.z), low1 = 0xCD9E8D57u * c.z;
    c = {high1 ^ c.y ^ key0, low1, high0 ^ c.w ^ key1, low0};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  out[i] = c;
}

// Plain arithmetic in a loop: what the speed of the interpreter is measured
// with.
extern "C" __global__ void mix(unsigned *bits, float *sums, int rounds) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned x = i;
  float sum = i;
  for (int round = 0; round < rounds; ++round) {
    x = x * 1664525u + 1013904223u;
    x ^= x >> 13;
    sum = sum * 0.5f + (x & 7);
  }
  bits[i] = x;
  sums[i] = sum;
}
