// Calls: recursion, function pointers, a switch.

__device__ __noinline__ unsigned ackermann(unsigned m, unsigned n) {
  if (m == 0)
    return n + 1;
  if (n == 0)
    return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}
extern "C" __global__ void run_ackermann(const unsigned *m, const unsigned *n,
                                         unsigned *out) {
  int i = threadIdx.x;
  out[i] = ackermann(m[i], n[i]);
}

typedef float (*Function)(float);
__device__ __noinline__ float half_of(float x) { return x * 0.5f; }
__device__ __noinline__ float square_of(float x) { return x * x; }
__device__ __noinline__ float next_of(float x) { return x + 1; }
__device__ Function functions[3] = {half_of, square_of, next_of};
extern "C" __global__ void call_functions(const int *which, float *values) {
  int i = threadIdx.x;
  values[i] = functions[which[i]](values[i]);
}

extern "C" __global__ void interpret(const unsigned char *code, int length,
                                     int *out) {
  int value = threadIdx.x;
  for (int at = 0; at < length; ++at) {
    switch (code[at] ^ (threadIdx.x & 1)) {
    case 0: value += 3; break;
    case 1: value *= 5; break;
    case 2: value ^= 0x55; break;
    case 3: value -= 7; break;
    case 4: value = -value; break;
    case 5: value <<= 1; break;
    case 6: value >>= 2; break;
    case 7: value |= 9; break;
    case 8: value = value * value; break;
    default: value ^= value >> 5; break;
    }
  }
  out[threadIdx.x] = value;
}

struct Complex {
  double re, im;
};
__device__ __noinline__ Complex product(Complex a, Complex b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
extern "C" __global__ void power(Complex base, const int *exponents,
                                 Complex *out) {
  Complex result = {1, 0};
  for (int i = 0; i < exponents[threadIdx.x]; ++i)
    result = product(result, base);
  out[threadIdx.x] = result;
}
