/* Calls a training step that was compiled ahead of time: arrays from a file of
   their bytes, one behind another, to a file of the loss and the arrays. */

#include "step.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT 9

static const size_t sizes[COUNT] = {32 * 96, 32 * 10, 96 * 160, 160, 160 * 128, 128, 128 * 10, 10, 1};

static int fail(const char *what) {
  fprintf(stderr, "%s: %s\n", what, sparsedrop_last_error());
  return 1;
}

int main(int argc, char **argv) {
  if (argc != 4)
    return 2;
  sparsedrop_device *device = sparsedrop_device_open(argv[1], 0);
  if (!device)
    return fail("open");
  FILE *input = fopen(argv[2], "rb"), *output = fopen(argv[3], "wb");
  float *host[COUNT], *arrays[COUNT], *loss = NULL;
  for (int i = 0; i < COUNT; ++i) {
    uint64_t address;
    host[i] = malloc(sizes[i] * sizeof(float));
    if (fread(host[i], sizeof(float), sizes[i], input) != sizes[i])
      return 3;
    if (sparsedrop_device_alloc(device, sizes[i] * sizeof(float), &address) != 0 ||
        sparsedrop_device_upload(device, NULL, address, host[i], sizes[i] * sizeof(float)) != 0)
      return fail("upload");
    arrays[i] = (float *)address;
  }
  /* An array of the host is refused, and the next call works. */
  if (step(device, NULL, host[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5], arrays[6], arrays[7], arrays[8], 3, 1, &loss) == 0)
    return 4;
  fprintf(stderr, "refused: %s\n", sparsedrop_last_error());
  for (int i = 0; i < 2; ++i) {
    if (step(device, NULL, arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5], arrays[6], arrays[7], arrays[8], 3, i, &loss) != 0)
      return fail("step");
    float value;
    if (sparsedrop_device_download(device, NULL, &value, (uint64_t)loss, sizeof(value)) != 0 ||
        sparsedrop_device_synchronize(device) != 0)
      return fail("download");
    fwrite(&value, sizeof(value), 1, output);
    sparsedrop_program_release(device, loss);
  }
  for (int i = 2; i < COUNT - 1; ++i) {
    if (sparsedrop_device_download(device, NULL, host[i], (uint64_t)arrays[i], sizes[i] * sizeof(float)) != 0 ||
        sparsedrop_device_synchronize(device) != 0)
      return fail("download");
    fwrite(host[i], sizeof(float), sizes[i], output);
  }
  fclose(input);
  fclose(output);
  sparsedrop_device_close(device);
  return 0;
}
