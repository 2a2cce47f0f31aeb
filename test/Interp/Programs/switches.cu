// A switch that nvcc compiles to a jump table: each case has an effect of its
// own, so that no table of values can stand for it.

extern "C" __global__ void run_machine(const unsigned char *code, int length,
                                       unsigned *stacks, unsigned *out) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  unsigned *stack = stacks + i * 8;
  unsigned top = i, below = 1;
  int steps = 0;
  // Threads start at different places of the program.
  for (int at = i % 4; at < length && steps < 100; ++at, ++steps) {
    switch (code[at]) {
    case 0:
      top += below;
      break;
    case 1:
      below = top;
      break;
    case 2:
      stack[top & 7] = below;
      break;
    case 3:
      below = stack[top & 7];
      break;
    case 4:
      atomicAdd(&stack[0], top);
      break;
    case 5:
      top = top * 3 + 1;
      break;
    case 6:
      if (top & 1)
        at += 2;
      break;
    case 7:
      stack[7] ^= top;
      break;
    case 8:
      top = __popc(top);
      break;
    case 9:
      at = length;
      break;
    default:
      --top;
    }
  }
  out[i] = top * 7 + below + steps;
}
