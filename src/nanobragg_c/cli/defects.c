#include "cli/defects.h"

#include <stdlib.h>
#include <string.h>

#include "base/message.h"

typedef struct defect_row {
    const char *name, *number;
    bool default_on;
    const char *meaning;
} defect_row;

static const defect_row DEFECT_ROWS[DEFECT_COUNT] = {
#define X(ID, name, number, default_on, warns, meaning) {name, number, (default_on) != 0, meaning},
    DEFECT_TABLE(X)
#undef X
};

defect_set defects_default(void) {
    defect_set set = 0;
    for (int i = 0; i < DEFECT_COUNT; i++)
        if (DEFECT_ROWS[i].default_on) set |= (defect_set)1 << i;
    return set;
}

static defect_set preset(const char *name, size_t length, const char *specification) {
    if (length == 7 && strncmp(name, "default", length) == 0) return defects_default();
    if (length == 8 && strncmp(name, "historic", length) == 0) return ((defect_set)1 << DEFECT_COUNT) - 1;
    if (length == 4 && strncmp(name, "none", length) == 0) return 0;
    message_fail(
        "-defects '%.200s': '%.*s' is not a preset; start with default, historic or none, then ,+name or ,-name",
        specification, length < 80 ? (int)length : 80, name);
}

static defect_set one_bit(const char *name, size_t length, const char *specification) {
    for (int i = 0; i < DEFECT_COUNT; i++)
        if (strlen(DEFECT_ROWS[i].name) == length && strncmp(DEFECT_ROWS[i].name, name, length) == 0)
            return (defect_set)1 << i;
    message_fail("-defects '%.200s': no defect is called '%.*s'; `-defects list` prints the names", specification,
                 length < 80 ? (int)length : 80, name);
}

defect_set defects_parse(const char *specification) {
    size_t length = strcspn(specification, ",");
    defect_set set = preset(specification, length, specification);
    const char *cursor = specification + length;
    while (*cursor == ',') {
        const char sign = cursor[1];
        if (sign != '+' && sign != '-')
            message_fail("-defects '%.200s': expected +name or -name after each comma, got '%.80s'", specification,
                         cursor + 1);
        const char *name = cursor + 2;
        length = strcspn(name, ",");
        defect_set bit = one_bit(name, length, specification);
        set = sign == '+' ? (set | bit) : (set & ~bit);
        cursor = name + length;
    }
    return set;
}

void defects_print_table(FILE *out) {
    for (int i = 0; i < DEFECT_COUNT; i++)
        fprintf(out, "%-27s %s  %s  %s\n", DEFECT_ROWS[i].name, DEFECT_ROWS[i].number,
                DEFECT_ROWS[i].default_on ? "on " : "off", DEFECT_ROWS[i].meaning);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void defects_print_active(FILE *out, defect_set set) {
    const char *names[DEFECT_COUNT];
    size_t count = 0;
    for (int i = 0; i < DEFECT_COUNT; i++)
        if (defect_active(set, (defect_id)i)) names[count++] = DEFECT_ROWS[i].name;
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 0; i < count; i++) fprintf(out, "%s%s", i > 0 ? "," : "", names[i]);
    if (count == 0) fputs("none", out);
}
