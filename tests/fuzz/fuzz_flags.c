/* Command lines: words separated by newlines. Half of the mutations put in a flag of the table with numbers. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "cli/tables_generated.h"
#include "harness.h"

#define MAX_WORDS 200
#define MAX_TEXT 4096

static const struct {
    const char *name, *aliases;
    int max_arguments;
} FLAGS[] = {
#define X(ID, name, aliases, min_args, max_args, unit, default_text, meaning) {name, aliases, max_args},
    FLAG_TABLE(X)
#undef X
};

static const char *const VALUES[] = {
    "0",     "1",      "2",         "3",      "-1",      "0.5",   "90",     "120",  "100",   "1e-3", "1e6",
    "1e30",  "1e-290", "1e300",     "-7.25",  "inf",     "nan",   "random", "none", "a.hkl", "F.bin", "b.mat",
    "s.txt", "t.stol", "m.img",     "absent", "sample",  "beam",  "list",   "1000000", "2147483647", "4294967296",
    "40",    "historic,-phi_carryover", "default,+running_product"};

static void provide_files(void) {
    static const char HKL[] = "0 0 0 10\n1 2 3 40\n-2 0 1 5\n", MATRIX[] = "0.02 0 0\n0 0.016 0.001\n0 0 0.014\n";
    static const char SOURCES[] = "-10 0 0 1 1e-10\n-10 0.1 0 2 1.1e-10\n", STOL[] = "0 2.57\n0.5 1\n";
    char dump[14 + 8 * 8] = "0 0 0 0 0 0\n\f", image[512 + 2 * 16];
    memset(image, ' ', sizeof image);
    int length = snprintf(image, 512, "{\nHEADER_BYTES=512;\nSIZE1=4;\nSIZE2=4;\nPIXEL_SIZE=0.2;\nPHI=3;\n}\f");
    image[length] = ' ';
    harness_provide("a.hkl", HKL, strlen(HKL));
    harness_provide("b.mat", MATRIX, strlen(MATRIX));
    harness_provide("s.txt", SOURCES, strlen(SOURCES));
    harness_provide("t.stol", STOL, strlen(STOL));
    harness_provide("m.img", image, sizeof image);
    harness_provide("F.bin", dump, 13 + 8 * 8);
}

static void parse(const uint8_t *data, size_t size) {
    static char text[MAX_TEXT + 1];
    char *words[MAX_WORDS + 1] = {"nanobragg"};
    int n = 1;
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *word = text; *word != '\0' && n < MAX_WORDS;) {
        size_t length = strcspn(word, "\n");
        bool last = word[length] == '\0';
        word[length] = '\0';
        words[n++] = word;
        word += length + (last ? 0 : 1);
    }
    check_command_line(n, words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool provided;
    if (!provided) provide_files();
    provided = true;
    return harness_run((harness_limits){1 << 20, 200, (size_t)1 << 33}, parse, data, size < MAX_TEXT ? size : MAX_TEXT);
}

/* `name value value ...`, each on its line; now and then a value too few or too many. */
static size_t write_flag(char *out, size_t room, unsigned *seed) {
    size_t flag = (size_t)rand_r(seed) % (sizeof FLAGS / sizeof FLAGS[0]);
    int values = FLAGS[flag].max_arguments + (rand_r(seed) % 8 == 0 ? rand_r(seed) % 3 - 1 : 0);
    size_t length = (size_t)snprintf(out, room, "\n%s", FLAGS[flag].name);
    for (int i = 0; i < values && length < room; i++) {
        const char *value = VALUES[(size_t)rand_r(seed) % (sizeof VALUES / sizeof VALUES[0])];
        length += (size_t)snprintf(out + length, room - length, "\n%s", value);
    }
    if (length + 1 < room) out[length++] = '\n';
    return length < room ? length : room;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    if (rand_r(&seed) % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
    char added[256];
    size_t length = write_flag(added, sizeof added, &seed);
    if (size + length > max_size) return LLVMFuzzerMutate(data, size, max_size);
    size_t place = size == 0 ? 0 : (size_t)rand_r(&seed) % (size + 1);
    while (place > 0 && place < size && data[place] != '\n') place--;
    memmove(data + place + length, data + place, size - place);
    memcpy(data + place, added, length);
    return size + length;
}
