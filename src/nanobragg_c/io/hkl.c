#include "io/hkl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "io/text.h"

#define HKL_MAX_INDEX 1e8
#define HKL_MAX_BOX 536870912.0 /* elements, 4 GiB */

typedef struct reflection {
    int32_t index[3];
    double F_electrons;
} reflection;

typedef struct reflection_list {
    reflection *items;
    size_t count, capacity;
} reflection_list;

static void append(reflection_list *list, reflection r) {
    if (list->count == list->capacity) {
        list->capacity = 2 * list->capacity + 1024;
        list->items = message_reallocate(list->items, list->capacity, sizeof list->items[0], "reflections");
    }
    list->items[list->count++] = r;
}

static int32_t to_index(const text_reader *reader, double value, char name) {
    if (value != floor(value) || fabs(value) > HKL_MAX_INDEX)
        message_fail("-hkl: '%s' line %ld: index %c is %.10g, expected a whole number; give integer Miller indices",
                     reader->path, reader->line, name, value);
    return (int32_t)value;
}

/* Reflections may be in any layout, but a table of three, five or more columns is refused. */
static void check_columns(const char *path) {
    text_reader reader = text_open_words("-hkl", path);
    size_t first = 0, words = 0, lines = 0;
    bool alike = true, more = true;
    for (long line = 0; more;) {
        more = text_next_word(&reader) != NULL;
        if (words > 0 && (!more || reader.line != line)) {
            first = lines == 0 ? words : first;
            alike = alike && words == first;
            lines++;
            words = 0;
        }
        line = reader.line;
        words += more;
    }
    text_close(&reader);
    if (lines > 1 && alike && first > 2 && first != 4)
        message_fail("-hkl: '%s' has %zu columns, expected four: h k l F; keep those: awk '{print $1, $2, $3, $4}'", path,
                     first);
}

static reflection_list read_reflections(const char *path) {
    check_columns(path);
    text_reader reader = text_open_words("-hkl", path);
    reflection_list list = {0};
    for (const char *word; (word = text_next_word(&reader)) != NULL;) {
        double value = 0.0;
        if (!text_parse_real(word, &value))
            message_fail(
                "-hkl: '%s' line %ld: expected index h (a whole number), got '%s'; the file must hold lines of "
                "h k l F",
                path, reader.line, word);
        reflection r = {.index = {to_index(&reader, value, 'h')}};
        r.index[1] = to_index(&reader, text_next_real(&reader, "index k"), 'k');
        r.index[2] = to_index(&reader, text_next_real(&reader, "index l"), 'l');
        r.F_electrons = text_next_real(&reader, "amplitude F");
        append(&list, r);
    }
    text_close(&reader);
    if (list.count == 0) message_fail("-hkl: '%s' holds no reflection; expected lines of h k l F", path);
    return list;
}

/* Sizes from min and max. */
static void set_box_size(hkl_table *t, const char *flag, const char *path) {
    double elements = 1.0;
    for (int i = 0; i < 3; i++) {
        t->size[i] = (size_t)(t->max[i] - t->min[i] + 1);
        elements *= (double)t->size[i];
    }
    if (elements > HKL_MAX_BOX)
        message_fail(
            "%s: the indices of '%s' span a box of %.4g reflections, expected at most %.4g; remove stray indices", flag,
            path, elements, HKL_MAX_BOX);
}

static double *allocate_box(const hkl_table *t) {
    return message_allocate(t->size[0] * t->size[1] * t->size[2], sizeof(double), "structure factors");
}

static size_t box_index(const hkl_table *t, const int32_t index[3]) {
    size_t h = (size_t)(index[0] - t->min[0]), k = (size_t)(index[1] - t->min[1]), l = (size_t)(index[2] - t->min[2]);
    return (h * t->size[1] + k) * t->size[2] + l;
}

hkl_table hkl_read_text(const char *path, double default_F) {
    reflection_list list = read_reflections(path);
    hkl_table t = {.default_F = default_F};
    for (int i = 0; i < 3; i++) t.min[i] = t.max[i] = list.items[0].index[i];
    for (size_t n = 1; n < list.count; n++)
        for (int i = 0; i < 3; i++) {
            int64_t value = list.items[n].index[i];
            if (value < t.min[i]) t.min[i] = value;
            if (value > t.max[i]) t.max[i] = value;
        }
    set_box_size(&t, "-hkl", path);
    t.F_electrons = allocate_box(&t);
    size_t n_box = t.size[0] * t.size[1] * t.size[2];
    for (size_t n = 0; n < n_box; n++) t.F_electrons[n] = default_F;
    unsigned char *seen = message_allocate(n_box / 8 + 1, 1, "reflections");
    t.rows = list.count;
    for (size_t n = 0; n < list.count; n++) {
        const size_t place = box_index(&t, list.items[n].index);
        const unsigned char bit = (unsigned char)(1u << place % 8);
        t.distinct += (seen[place / 8] & bit) == 0;
        seen[place / 8] |= bit;
        t.F_electrons[place] = list.items[n].F_electrons;
    }
    free(seen);
    free(list.items);
    return t;
}

/* Six indices, newline, form feed; returns the number of bytes, 0 if the text is not that. */
static size_t parse_dump_header(const char *bytes, size_t n_bytes, hkl_table *t) {
    const char *end = memchr(bytes, '\f', n_bytes < 256 ? n_bytes : 256);
    if (end == NULL || end == bytes || end[-1] != '\n') return 0;
    char text[256];
    size_t length = (size_t)(end - bytes) - 1;
    memcpy(text, bytes, length);
    text[length] = '\0';
    if (strlen(text) != length) return 0;
    int64_t value[6];
    char *word = text;
    for (int i = 0; i < 6; i++) {
        size_t size = strcspn(word, " ");
        bool last = word[size] == '\0';
        word[size] = '\0';
        if (!text_parse_integer(word, &value[i]) || last != (i == 5)) return 0;
        word += size + 1;
    }
    for (int i = 0; i < 3; i++) {
        t->min[i] = value[2 * i];
        t->max[i] = value[2 * i + 1];
        if (t->min[i] > t->max[i]) return 0;
    }
    return (size_t)(end - bytes) + 1;
}

hkl_table hkl_read_dump(const char *path, double default_F) {
    size_t n_bytes = 0;
    char *bytes = text_read_file("-dumpfile", path, &n_bytes);
    hkl_table t = {.default_F = default_F};
    size_t header = parse_dump_header(bytes, n_bytes, &t);
    if (header == 0)
        message_fail(
            "-dumpfile: '%s' is not a structure factor dump: expected six indices, a newline and a form feed first; "
            "make it anew with -hkl FILE -dumpfile FILE",
            path);
    set_box_size(&t, "-dumpfile", path);
    size_t expected = header + 8 * (t.size[0] + 1) * (t.size[1] + 1) * (t.size[2] + 1);
    if (n_bytes != expected)
        message_fail(
            "-dumpfile: '%s' has %zu bytes, expected %zu for its index box; make it anew with -hkl FILE -dumpfile "
            "FILE",
            path, n_bytes, expected);
    t.F_electrons = allocate_box(&t);
    for (size_t h = 0; h < t.size[0]; h++)
        for (size_t k = 0; k < t.size[1]; k++) {
            size_t row = (h * (t.size[1] + 1) + k) * (t.size[2] + 1);
            double *target = t.F_electrons + (h * t.size[1] + k) * t.size[2];
            memcpy(target, bytes + header + 8 * row, 8 * t.size[2]);
            for (size_t l = 0; l < t.size[2]; l++)
                if (!isfinite(target[l]))
                    message_fail(
                        "-dumpfile: '%s' holds an amplitude that is not finite; make it anew with -hkl FILE -dumpfile "
                        "FILE",
                        path);
        }
    free(bytes);
    return t;
}

void hkl_write_dump(FILE *file, const hkl_table *t) {
    fprintf(file, "%lld %lld %lld %lld %lld %lld\n\f", (long long)t->min[0], (long long)t->max[0], (long long)t->min[1],
            (long long)t->max[1], (long long)t->min[2], (long long)t->max[2]);
    const double zero = 0.0;
    for (size_t h = 0; h <= t->size[0]; h++)
        for (size_t k = 0; k <= t->size[1]; k++) {
            bool inside = h < t->size[0] && k < t->size[1];
            if (inside) fwrite(t->F_electrons + (h * t->size[1] + k) * t->size[2], 8, t->size[2], file);
            for (size_t l = inside ? t->size[2] : 0; l <= t->size[2]; l++) fwrite(&zero, 8, 1, file);
        }
}

void hkl_free(hkl_table *table) {
    free(table->F_electrons);
    table->F_electrons = NULL;
}
