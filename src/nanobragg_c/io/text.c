#define _POSIX_C_SOURCE 200809L
#include "io/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/message.h"

bool text_parse_real(const char *word, double *value) {
    if (word[0] == '\0' || word[strspn(word, "+-.0123456789eE")] != '\0') return false;
    char *end = NULL;
    double parsed = strtod(word, &end);
    double size = fabs(parsed);
    bool ordinary = parsed == 0.0 || (size >= TEXT_SMALLEST_REAL && size <= TEXT_LARGEST_REAL);
    if (end == word || *end != '\0' || !ordinary || strlen(word) > TEXT_WORD_LIMIT) return false;
    *value = parsed;
    return true;
}

bool text_parse_integer(const char *word, int64_t *value) {
    const char *digits = word + (*word == '+' || *word == '-');
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0') return false;
    errno = 0;
    long long parsed = strtoll(word, NULL, 10);
    if (errno != 0 || parsed < -INT32_MAX || parsed > INT32_MAX || strlen(word) > TEXT_INTEGER_LIMIT) return false;
    *value = parsed;
    return true;
}

static size_t checked_file_size(const char *flag, const char *path, FILE *file) {
    struct stat status;
    if (fstat(fileno(file), &status) != 0)
        message_fail("%s: cannot read '%s': %s; name a readable file", flag, path, strerror(errno));
    if (!S_ISREG(status.st_mode)) message_fail("%s: '%s' is not a regular file; name a readable file", flag, path);
    if (status.st_size > TEXT_FILE_LIMIT)
        message_fail("%s: '%s' is larger than %lld bytes; name another file", flag, path, TEXT_FILE_LIMIT);
    return (size_t)status.st_size;
}

/** Opens a file, but no pipe or device, which might never end: NULL, with the reason in errno. */
static FILE *open_file(const char *flag, const char *path) {
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        message_fail("%s: '%s' is not a regular file; name a readable file", flag, path);
    return fopen(path, "rb");
}

char *text_read_file(const char *flag, const char *path, size_t *n_bytes) {
    FILE *file = open_file(flag, path);
    if (file == NULL) message_fail("%s: cannot open '%s': %s; name a readable file", flag, path, strerror(errno));
    size_t size = checked_file_size(flag, path, file);
    char *bytes = message_allocate(size + 1, 1, "an input file");
    size_t n_read = fread(bytes, 1, size, file);
    if (n_read != size || ferror(file) != 0)
        message_fail("%s: could read only %zu of %zu bytes of '%s'; check the file", flag, n_read, size, path);
    fclose(file);
    bytes[size] = '\0';
    *n_bytes = size;
    return bytes;
}

static text_reader open_text(const char *flag, const char *path, long line) {
    size_t n_bytes = 0;
    char *buffer = text_read_file(flag, path, &n_bytes);
    size_t mark = strncmp(buffer, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* the byte order mark of UTF-8 */
    if (memchr(buffer, '\0', n_bytes) != NULL)
        message_fail("%s: '%s' is not a text file (it holds a zero byte); name a text file", flag, path);
    return (text_reader){.flag = flag, .path = path, .buffer = buffer, .cursor = buffer + mark, .line = line};
}

text_reader text_open_words(const char *flag, const char *path) { return open_text(flag, path, 1); }

text_reader text_open_lines(const char *flag, const char *path) { return open_text(flag, path, 0); }

void text_close(text_reader *reader) {
    free(reader->buffer);
    reader->buffer = reader->cursor = NULL;
}

static bool is_space(char c) { return isspace((unsigned char)c) != 0; }

const char *text_next_word(text_reader *reader) {
    const char *c = reader->cursor;
    while (is_space(*c) || *c == '#') {
        reader->line += *c == '\n';
        c += *c == '#' ? strcspn(c, "\n") : 1;
    }
    const char *start = c;
    while (*c != '\0' && !is_space(*c) && *c != '#') c++;
    reader->cursor += c - reader->cursor;
    if (c == start) return NULL;
    size_t length = (size_t)(c - start);
    if (length > TEXT_WORD_LIMIT)
        message_fail("%s: '%s' line %ld: the word '%.40s...' is longer than %d characters; correct the file",
                     reader->flag, reader->path, reader->line, start, TEXT_WORD_LIMIT);
    memcpy(reader->word, start, length);
    reader->word[length] = '\0';
    return reader->word;
}

double text_next_real(text_reader *reader, const char *what) {
    double value = 0.0;
    const char *word = text_next_word(reader);
    if (word == NULL)
        message_fail("%s: '%s' ends at line %ld where %s should be; complete the file", reader->flag, reader->path,
                     reader->line, what);
    if (!text_parse_real(word, &value))
        message_fail("%s: '%s' line %ld: expected %s (a number of ordinary size), got '%s'; correct the file",
                     reader->flag, reader->path, reader->line, what, word);
    return value;
}

char *text_next_line(text_reader *reader) {
    char *line = reader->cursor;
    if (*line == '\0') return NULL;
    size_t length = strcspn(line, "\n");
    reader->cursor = line + length + (line[length] == '\n');
    line[length] = '\0';
    reader->line++;
    return line;
}

char *text_cut_word(char **cursor, const char *separators) {
    char *word = *cursor + strspn(*cursor, separators);
    size_t length = strcspn(word, separators);
    *cursor = word + length + (word[length] != '\0');
    word[length] = '\0';
    return length > 0 ? word : NULL;
}
