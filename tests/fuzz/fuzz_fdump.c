/* Binary dumps of -dumpfile. */
#include "checks.h"
#include "harness.h"
#include "io/hkl.h"

#define DEFAULT_F 7.5

static void parse(const uint8_t *data, size_t size) {
    (void)data, (void)size;
    hkl_table table = hkl_read_dump(HARNESS_INPUT, DEFAULT_F);
    check_table(&table);
    hkl_free(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return harness_run((harness_limits){1 << 12, 3, 0}, parse, data, size);
}
