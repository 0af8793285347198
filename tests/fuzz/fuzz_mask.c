/* SMV images: the header and the pixels of -mask, up to the detector that it makes. */
#include "checks.h"
#include "harness.h"

static void parse(const uint8_t *data, size_t size) {
    (void)data, (void)size;
    static char *words[] = {"nanobragg", "-mask", HARNESS_INPUT, "-default_F", "1", "-cell", "50", "-oversample", "1"};
    check_command_line(sizeof words / sizeof words[0], words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return harness_run((harness_limits){1 << 14, 4, 0}, parse, data, size);
}
