#include "io/smv_header.h"

#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "io/text.h"

#define SMV_MAX_HEADER_BYTES (1024 * 1024)

typedef struct span {
    const char *start;
    size_t length;
} span;

typedef struct field {
    span key, value; /* key of no length: text without `=` */
} field;

/* Walks through the fields from `cursor` to `end`. */
typedef struct scanner {
    const char *cursor, *end;
    const char *behind;   /* the closing brace, once it was found; else NULL */
    const span *unclosed; /* the key of a value whose brace is never closed; else NULL */
    field now;
} scanner;

static bool is_blank(char c) { return c != '\0' && strchr(" \t\r\n\v\f", c) != NULL; }

static span without_blanks(const char *start, const char *end) {
    while (start < end && is_blank(*start)) start++;
    while (start < end && is_blank(end[-1])) end--;
    return (span){start, (size_t)(end - start)};
}

static const char *end_of_field(const char *start, const char *end) {
    while (start < end && *start != ';' && *start != '\n') start++;
    return start;
}

/* The brace that closes the one at `opening`; NULL if there is none. */
static const char *closing_brace(const char *opening, const char *end) {
    int depth = 0;
    for (const char *c = opening; c < end; c++) {
        if (*c == '{') depth++;
        if (*c == '}' && --depth == 0) return c;
    }
    return NULL;
}

/* Whether nothing follows the brace: a form feed ends headers, else blanks up to the end. */
static bool ends_header(const char *brace, const char *end) {
    const char *c = brace + 1;
    if (c < end && *c == '\f') return true;
    while (c < end && (is_blank(*c) || *c == '\0')) c++;
    return c == end;
}

/* A field whose value has no braces of its own; the closing brace of the header may stand on its line. */
static void take_plain(scanner *s, span key, const char *start, const char *end) {
    for (const char *c = start; c < end && s->behind == NULL; c++)
        if (*c == '}' && ends_header(c, s->end)) s->behind = c + 1;
    s->now = (field){key, without_blanks(start, s->behind == NULL ? end : s->behind - 1)};
    s->cursor = s->behind == NULL ? end : s->behind;
}

static void take_field(scanner *s) {
    const char *start = s->cursor, *end = end_of_field(start, s->end);
    const char *equals = memchr(start, '=', (size_t)(end - start));
    if (equals == NULL) {
        take_plain(s, (span){start, 0}, start, end);
        return;
    }
    span key = without_blanks(start, equals);
    const char *value = equals + 1;
    while (value < end && (*value == ' ' || *value == '\t')) value++;
    if (value == end || *value != '{') {
        take_plain(s, key, equals + 1, end);
        return;
    }
    const char *closing = closing_brace(value, s->end);
    s->now.key = key;
    if (closing == NULL) {
        s->unclosed = &s->now.key;
        return;
    }
    s->cursor = end_of_field(closing, s->end);
    s->now.value = without_blanks(value, s->cursor);
}

/* The next field; false at the end. */
static bool next_field(scanner *s) {
    while (s->behind == NULL && s->unclosed == NULL && s->cursor < s->end) {
        if (is_blank(*s->cursor) || *s->cursor == ';') {
            s->cursor++;
        } else if (*s->cursor == '}') {
            s->behind = s->cursor + 1;
        } else {
            take_field(s);
            return s->unclosed == NULL;
        }
    }
    return false;
}

static char capital(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c; }

static bool is_key(span name, const char *key) {
    if (name.length != strlen(key)) return false;
    for (size_t i = 0; i < name.length; i++)
        if (capital(name.start[i]) != key[i]) return false;
    return true;
}

static void copy(span value, char word[SMV_WORD_SIZE]) {
    bool too_long = value.length >= SMV_WORD_SIZE;
    size_t length = too_long ? 40 : value.length;
    memcpy(word, value.start, length);
    for (size_t i = 0; i < length; i++)
        if (word[i] == '\0') word[i] = '?';
    memcpy(word + length, too_long ? "..." : "", too_long ? 4 : 1);
}

bool smv_header_value(const smv_text *text, const char *key, char word[SMV_WORD_SIZE]) {
    bool found = false;
    span value = {"", 0};
    scanner s = {.cursor = text->start, .end = text->start + text->length};
    while (next_field(&s))
        if (s.now.key.length > 0 && is_key(s.now.key, key)) {
            value = s.now.value;
            found = true;
        }
    copy(value, word);
    return found;
}

bool smv_header_ends_with(const smv_text *text, const char *tail) {
    char word[SMV_WORD_SIZE];
    return smv_header_tail_value(text, tail, "", word);
}

bool smv_header_tail_value(const smv_text *text, const char *tail, const char *but_not, char word[SMV_WORD_SIZE]) {
    const size_t length = strlen(tail), other = strlen(but_not);
    scanner s = {.cursor = text->start, .end = text->start + text->length};
    while (next_field(&s)) {
        const span key = s.now.key;
        bool skip = other > 0 && key.length >= other && is_key((span){key.start, other}, but_not);
        if (skip || key.length < length || !is_key((span){key.start + key.length - length, length}, tail)) continue;
        copy(s.now.value, word);
        return true;
    }
    return false;
}

bool smv_header_parse_count(const char *word, int *value) {
    size_t digits = strspn(word, "0123456789");
    int64_t parsed = 0;
    if (digits < 1 || digits > 9 || word[digits] != '\0' || !text_parse_integer(word, &parsed)) return false;
    *value = (int)parsed;
    return true;
}

static size_t stated_size(const char *flag, const char *path, const char *bytes, size_t n_bytes) {
    static const char START[] = "{\nHEADER_BYT";
    if (n_bytes < SMV_BLOCK_BYTES || memcmp(bytes, START, sizeof START - 1) != 0)
        message_fail(
            "%s: '%s' (%zu bytes) is not an SMV image: expected a header of at least 512 bytes that begins with "
            "`{` and HEADER_BYTES; name an SMV image",
            flag, path, n_bytes);
    char word[SMV_WORD_SIZE];
    int size = 0;
    scanner s = {.cursor = bytes + 1, .end = bytes + SMV_BLOCK_BYTES};
    bool named = next_field(&s) && is_key(s.now.key, "HEADER_BYTES");
    copy(named ? s.now.value : (span){"", 0}, word);
    if (!smv_header_parse_count(word, &size) || size < SMV_BLOCK_BYTES || size > SMV_MAX_HEADER_BYTES ||
        (size_t)size > n_bytes)
        message_fail(
            "%s: '%s': HEADER_BYTES is '%s', expected a whole number from 512 to the size of the file (%zu); "
            "correct the header",
            flag, path, word, n_bytes);
    return (size_t)size;
}

/* Reads all fields; returns the end of the header, or NULL. */
static const char *scan(const char *flag, const char *path, const char *bytes, size_t n_bytes) {
    scanner s = {.cursor = bytes + 1, .end = bytes + n_bytes};
    while (next_field(&s)) continue;
    if (s.unclosed != NULL)
        message_fail("%s: header of '%s': %.*s={ has no closing brace in the header; correct the header", flag, path,
                     s.unclosed->length > 40 ? 40 : (int)s.unclosed->length, s.unclosed->start);
    return s.behind;
}

static bool is_text(const char *start, const char *end) {
    for (; start < end; start++)
        if ((*start < ' ' || *start > '~') && *start != '\n') return false;
    return true;
}

smv_text smv_header_read(const char *flag, const char *path, const char *bytes, size_t n_bytes) {
    size_t size = stated_size(flag, path, bytes, n_bytes);
    const char *behind = scan(flag, path, bytes, size);
    if (behind == NULL) { /* nanoBragg once wrote headers that are longer than they say */
        size_t limit = size + SMV_BLOCK_BYTES < n_bytes ? size + SMV_BLOCK_BYTES : n_bytes;
        const char *further = scan(flag, path, bytes, limit);
        if (further == NULL || !is_text(bytes + size, further))
            message_fail(
                "%s: header of '%s' is not closed with } in its %zu bytes (HEADER_BYTES); correct the header", flag,
                path, size);
        behind = further;
        size = (size_t)(behind - bytes) + 1; /* the form feed */
    }
    size_t length = (size_t)(behind - bytes) - 1;
    smv_text text = {message_allocate(length, 1, "an image header"), length, size};
    memcpy(text.start, bytes + 1, length);
    return text;
}
