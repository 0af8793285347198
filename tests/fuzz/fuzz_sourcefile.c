/* Source files, up to the beam that they make. */
#include "checks.h"
#include "harness.h"

static void parse(const uint8_t *data, size_t size) {
    (void)data, (void)size;
    static char *words[] = {"nanobragg", "-sourcefile", HARNESS_INPUT,  "-default_F", "1",       "-detpixels", "4",
                            "-cell",     "50",          "-oversample", "1",          "-defects", "none"};
    check_command_line(sizeof words / sizeof words[0], words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return harness_run((harness_limits){1 << 14, 200, 0}, parse, data, size);
}
