#include "base/message.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_LINE 2048

struct message_list {
    char *text; /* whole lines */
    size_t length;
};

/* Control characters, line separators, marks without a shape or that turn the writing direction, halves of surrogates,
 * characters for private use. */
static bool is_unprintable(uint32_t character) {
    return character < 0x20 || (character >= 0x7f && character < 0xa0) ||
           (character >= 0x200b && character <= 0x200f) || (character >= 0x2028 && character <= 0x202e) ||
           (character >= 0x2060 && character <= 0x206f) || (character >= 0xd800 && character < 0xf900) ||
           character == 0xad || character == 0xfeff || (character >= 0xfff0 && character <= 0xffff) ||
           character >= 0xe0000;
}

/* Number of bytes of the UTF-8 character at `c`; 0 if it is none or not printable. */
static size_t printable_bytes(const char *c) {
    static const uint32_t SMALLEST[] = {0, 0, 0x80, 0x800, 0x10000}; /* of each length; less is not UTF-8 */
    const unsigned char first = (unsigned char)*c;
    if (first < 0x80) return is_unprintable(first) ? 0 : 1;
    size_t n = first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
    uint32_t character = first & (n == 2 ? 0x1fu : n == 3 ? 0x0fu : 0x07u);
    for (size_t i = 1; i < n; i++) {
        if (((unsigned char)c[i] & 0xc0) != 0x80) return 0;
        character = character << 6 | ((unsigned char)c[i] & 0x3fu);
    }
    return n == 0 || character < SMALLEST[n] || is_unprintable(character) ? 0 : n;
}

/* One line, NUL-terminated; a character that is not printable (in text quoted from a file, for example) becomes `?`. */
static void format_line(char line[LONGEST_LINE], const char *format, va_list arguments) {
    vsnprintf(line, LONGEST_LINE, format, arguments);
    for (char *c = line; *c != '\0';) {
        size_t n = printable_bytes(c);
        if (n == 0) *c = '?';
        c += n == 0 ? 1 : n;
    }
}

void message_fail(const char *format, ...) {
    char line[LONGEST_LINE];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, format, arguments);
    va_end(arguments);
    fflush(stdout);
    fprintf(stderr, "nanobragg: error: %s\n", line);
    exit(MESSAGE_EXIT_CODE);
}

message_list *message_list_create(void) { return message_allocate(1, sizeof(message_list), "warnings"); }

void message_list_free(message_list *list) {
    free(list->text);
    free(list);
}

void message_warn(message_list *list, const char *format, ...) {
    static const char START[] = "nanobragg: warning: ";
    char line[LONGEST_LINE];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, format, arguments);
    va_end(arguments);
    size_t added = strlen(START) + strlen(line) + 1;
    list->text = message_reallocate(list->text, list->length + added + 1, 1, "warnings");
    snprintf(list->text + list->length, added + 1, "%s%s\n", START, line);
    list->length += added;
}

void message_list_print(message_list *list) {
    fflush(stdout);
    if (list->length > 0) fwrite(list->text, 1, list->length, stderr);
    list->length = 0;
}

static _Noreturn void fail_allocation(size_t count, size_t size, const char *what) {
    message_fail("out of memory: cannot allocate %zu elements of %zu bytes for %s; make the problem smaller", count,
                 size, what);
}

void *message_allocate(size_t count, size_t size, const char *what) {
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) fail_allocation(count, size, what);
    return memory;
}

void *message_reallocate(void *old, size_t count, size_t size, const char *what) {
    if (size != 0 && count > SIZE_MAX / size) fail_allocation(count, size, what);
    void *memory = realloc(old, count * size > 0 ? count * size : 1);
    if (memory == NULL) fail_allocation(count, size, what);
    return memory;
}
