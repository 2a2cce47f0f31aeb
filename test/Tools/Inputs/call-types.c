/* Calls functions of all kinds of arguments and results that were compiled ahead
   of time for a device. */

#include "types.h"

#include <stdio.h>

static int fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, sparsedrop_last_error());
  return 1;
}

int main(void) {
  sparsedrop_device *device = sparsedrop_device_open("interp", 0);
  uint64_t address;
  /* 1, 2, ... 6 and their doubles as bf16. */
  uint16_t values[6] = {0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0}, back[6];
  uint16_t *doubled = NULL;
  int64_t extents[2] = {0, 0}, sum = 0;
  uint8_t inverse = 7;
  float one = 0;
  if (!device || sparsedrop_device_alloc(device, sizeof(values), &address) != 0 ||
      sparsedrop_device_upload(device, NULL, address, values, sizeof(values)) != 0)
    return fail("upload");
  if (nothing(device, NULL) != 0 || constant(device, NULL, &one) != 0 || one != 1)
    return fail("constant");
  if (scalars(device, NULL, 5, 1, 37, &sum, &inverse) != 0 || sum != 42 || inverse != 0)
    return fail("scalars");
  if (twice(device, NULL, (uint16_t *)address, 3, &doubled, extents) != 0 || extents[0] != 3 || extents[1] != 2)
    return fail("twice");
  if (sparsedrop_device_download(device, NULL, back, (uint64_t)doubled, sizeof(back)) != 0 ||
      sparsedrop_device_synchronize(device) != 0)
    return fail("download");
  for (int i = 0; i < 6; ++i)
    if (back[i] != values[i] + 0x80)
      return fail("values");
  sparsedrop_program_release(device, doubled);
  sparsedrop_device_close(device);
  return 0;
}
