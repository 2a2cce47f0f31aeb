// Text: bytes four at a time.

// A bit for each byte that is between 'a' and 'z'. No byte's sum carries into
// the next one.
__device__ unsigned find_small(unsigned word) {
  unsigned low = word & 0x7f7f7f7f;
  unsigned from_a = low + 0x1f1f1f1f, after_z = low + 0x05050505, small;
  // from_a & ~after_z & ~word
  asm("lop3.b32 %0, %1, %2, %3, 0x10;"
      : "=r"(small)
      : "r"(from_a), "r"(after_z), "r"(word));
  return small & 0x80808080;
}

// Capitals, and how many letters were changed.
extern "C" __global__ void capitals(const unsigned *in, unsigned *out,
                                    unsigned *changed, int words) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned small = i < words ? find_small(in[i]) : 0;
  if (i < words)
    out[i] = in[i] ^ small >> 2;
  unsigned count = __reduce_add_sync(~0u, __popc(small));
  if (threadIdx.x % 32 == 0)
    atomicAdd(changed, count);
}

// Where a pattern of four bytes begins, at any byte: two words, shifted.
extern "C" __global__ void find_pattern(const unsigned *in, unsigned pattern,
                                        unsigned char *found, int words) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= words)
    return;
  unsigned low = in[i], high = i + 1 < words ? in[i + 1] : 0;
  for (int k = 0; k < 4; ++k)
    found[4 * i + k] = __byte_perm(low, high, 0x3210 + 0x1111 * k) == pattern;
}
