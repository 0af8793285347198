/* Solvent scattering tables. */
#include "io/stol.h"

#include "harness.h"

static void parse(const uint8_t *data, size_t size) {
    (void)data, (void)size;
    stol_check("-stol", HARNESS_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return harness_run((harness_limits){1 << 12, 2, 0}, parse, data, size);
}
