/* Text of -hkl. The program states that an index box takes 4 GiB at most. */
#include "checks.h"
#include "harness.h"
#include "io/hkl.h"

#define DEFAULT_F 7.5

static void parse(const uint8_t *data, size_t size) {
    (void)data, (void)size;
    hkl_table table = hkl_read_text(HARNESS_INPUT, DEFAULT_F);
    check_table(&table);
    hkl_free(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return harness_run((harness_limits){1 << 17, 32, (size_t)8 << 29}, parse, data, size);
}
