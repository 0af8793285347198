#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/message.h"

#define MAX_BLOCKS 4096
#define MAX_OPEN 8
#define MAX_FILES 16
#define LONGEST_MESSAGE 2200

typedef struct block {
    void *memory;
    size_t size;
} block;

typedef struct provided_file {
    const char *name;
    int descriptor;
} provided_file;

static struct {
    bool running;
    int exit_code;
    jmp_buf back;
    size_t allowed, documented;
    block blocks[MAX_BLOCKS];
    size_t n_blocks, held;
    FILE *open[MAX_OPEN];
    size_t n_open;
    FILE *true_stderr, *said;
    char message[2 * LONGEST_MESSAGE];
    provided_file files[MAX_FILES];
    size_t n_files;
} state;

void harness_require(bool condition, const char *text, const char *file, int line) {
    if (condition) return;
    state.running = false;
    fprintf(state.true_stderr, "%s:%d: not so: %s\n", file, line, text);
    abort();
}

/* ---- what the parsers call in place of the C library */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *memory);
FILE *__real_fopen(const char *path, const char *mode);
int __real_fclose(FILE *file);
_Noreturn void __real_exit(int code);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *memory);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_fclose(FILE *file);
_Noreturn void __wrap_exit(int code);

static size_t find_block(const void *memory) {
    size_t i = state.n_blocks;
    while (i > 0 && state.blocks[i - 1].memory != memory) i--;
    return i; /* 0: not there */
}

static bool granted(size_t size) {
    if (size <= state.allowed && state.held <= state.allowed - size) return true;
    REQUIRE(size <= state.documented);
    return false;
}

static void *note(void *memory, size_t size) {
    REQUIRE(state.n_blocks < MAX_BLOCKS);
    state.blocks[state.n_blocks++] = (block){memory, size};
    state.held += size;
    return memory;
}

static void forget(size_t found) {
    state.held -= state.blocks[found - 1].size;
    state.blocks[found - 1] = state.blocks[--state.n_blocks];
}

void *__wrap_calloc(size_t count, size_t size) {
    size_t bytes = 0;
    if (!state.running) return __real_calloc(count, size);
    if (__builtin_mul_overflow(count, size, &bytes) || !granted(bytes)) return NULL;
    return note(__real_calloc(count, size), bytes);
}

void *__wrap_malloc(size_t size) { return state.running ? __wrap_calloc(1, size) : __real_malloc(size); }

void *__wrap_realloc(void *old, size_t size) {
    if (!state.running) return __real_realloc(old, size);
    size_t found = old == NULL ? 0 : find_block(old);
    REQUIRE(old == NULL || found > 0);
    if (!granted(size)) return NULL;
    if (found > 0) forget(found);
    return note(__real_realloc(old, size), size);
}

void __wrap_free(void *memory) {
    if (state.running && memory != NULL) {
        size_t found = find_block(memory);
        if (found > 0) forget(found);
    }
    __real_free(memory);
}

FILE *__wrap_fopen(const char *path, const char *mode) {
    if (!state.running) return __real_fopen(path, mode);
    REQUIRE(mode[0] == 'r' && state.n_open < MAX_OPEN);
    for (size_t i = 0; i < state.n_files; i++)
        if (strcmp(path, state.files[i].name) == 0) {
            char there[64];
            snprintf(there, sizeof there, "/proc/self/fd/%d", state.files[i].descriptor);
            return state.open[state.n_open++] = __real_fopen(there, mode);
        }
    errno = ENOENT;
    return NULL;
}

int __wrap_fclose(FILE *file) {
    for (size_t i = 0; state.running && i < state.n_open; i++)
        if (state.open[i] == file) {
            state.open[i] = state.open[--state.n_open];
            break;
        }
    return __real_fclose(file);
}

_Noreturn void __wrap_exit(int code) {
    if (!state.running) __real_exit(code);
    state.exit_code = code;
    longjmp(state.back, 1);
}

/* ---- one input */

static void fill(int descriptor, const void *content, size_t size) {
    bool good = ftruncate(descriptor, 0) == 0 && pwrite(descriptor, content, size, 0) == (ssize_t)size;
    REQUIRE(good);
}

void harness_provide(const char *name, const void *content, size_t size) {
    int descriptor = memfd_create(name, 0);
    REQUIRE(descriptor >= 0 && state.n_files < MAX_FILES);
    state.files[state.n_files++] = (provided_file){name, descriptor};
    fill(descriptor, content, size);
}

/* The first file is the input. */
static void provide_input(const uint8_t *data, size_t size) {
    if (state.said == NULL) {
        state.true_stderr = stderr;
        state.said = fmemopen(state.message, sizeof state.message, "w");
        setvbuf(state.said, NULL, _IONBF, 0);
    }
    size_t i = 0;
    while (i < state.n_files && strcmp(state.files[i].name, HARNESS_INPUT) != 0) i++;
    if (i == state.n_files)
        harness_provide(HARNESS_INPUT, data, size);
    else
        fill(state.files[i].descriptor, data, size);
}

/* An error is one line, says who speaks, and holds nothing that could upset a terminal. */
static void check_message(void) {
    static const char START[] = "nanobragg: error: ";
    size_t length = strnlen(state.message, sizeof state.message);
    REQUIRE(state.exit_code == MESSAGE_EXIT_CODE);
    REQUIRE(length > sizeof START + 10 && length < LONGEST_MESSAGE);
    REQUIRE(strncmp(state.message, START, sizeof START - 1) == 0);
    REQUIRE(strchr(state.message, '\n') == state.message + length - 1);
    const unsigned char *c = (const unsigned char *)state.message;
    for (size_t i = 0; i + 1 < length; i++) REQUIRE(c[i] >= 0x20 && c[i] != 0x7f);
}

static void release_all(void) {
    while (state.n_blocks > 0) __real_free(state.blocks[--state.n_blocks].memory);
    while (state.n_open > 0) __real_fclose(state.open[--state.n_open]);
    state.held = 0;
}

static void write_verdict(const char *verdict) {
    const char *path = getenv("FUZZ_VERDICTS");
    if (path == NULL) return;
    FILE *file = __real_fopen(path, "a");
    REQUIRE(file != NULL);
    fprintf(file, "%s\n", verdict);
    __real_fclose(file);
}

int harness_run(harness_limits limits, harness_parse *parse, const uint8_t *data, size_t size) {
    provide_input(data, size);
    rewind(state.said);
    memset(state.message, 0, sizeof state.message);
    state.allowed = limits.fixed + limits.per_input_byte * size;
    state.documented = limits.documented > state.allowed ? limits.documented : state.allowed;
    state.exit_code = 0;
    stderr = state.said;
    state.running = true;
    if (setjmp(state.back) == 0) {
        parse(data, size);
        REQUIRE(state.n_blocks == 0 && state.n_open == 0);
    }
    state.running = false;
    stderr = state.true_stderr;
    if (state.exit_code != 0) {
        check_message();
        state.message[strcspn(state.message, "\n")] = '\0';
    }
    release_all();
    write_verdict(state.exit_code == 0 ? "accepted" : state.message);
    return 0;
}
