#include "cli/flags.h"

#include <math.h>
#include <string.h>

#include "base/message.h"
#include "io/text.h"

typedef enum argument_type { ARGUMENT_FLOAT, ARGUMENT_INT, ARGUMENT_FILE, ARGUMENT_WORD } argument_type;

typedef struct flag_row {
    const char *name, *aliases;
    int min_arguments, max_arguments;
    const char *unit, *default_text, *meaning;
} flag_row;

typedef struct usage_row {
    const char *group, *usage, *effect;
} usage_row;

typedef struct argument_row {
    flag_id flag;
    int index;
    const char *name;
    argument_type type;
    double min, above, max, below; /* limits: min <= x, above < x, x <= max, x < below */
    bool infinite_allowed;
    const char *words;
} argument_row;

static const flag_row FLAG_ROWS[FLAG_COUNT] = {
#define X(ID, name, aliases, min_args, max_args, unit, default_text, meaning) \
    {name, aliases, min_args, max_args, unit, default_text, meaning},
    FLAG_TABLE(X)
#undef X
};

static const usage_row USAGE_ROWS[FLAG_COUNT] = {
#define X(ID, group, usage, effect) {group, usage, effect},
    FLAG_USAGE_TABLE(X)
#undef X
};

static const argument_row ARGUMENT_ROWS[] = {
#define X(ID, index, name, TYPE, min, above, max, below, infinite, words) \
    {FLAG_##ID, index, name, ARGUMENT_##TYPE, min, above, max, below, (infinite) != 0, words},
    FLAG_ARG_TABLE(X)
#undef X
};

const char *flags_name(flag_id id) { return FLAG_ROWS[id].name; }

/* `word` is one of the blank-separated words of `list`. */
static bool is_in_list(const char *word, const char *list) {
    size_t length = strlen(word);
    while (*list != '\0') {
        size_t entry = strcspn(list, " ");
        if (entry == length && strncmp(list, word, length) == 0) return true;
        list += entry;
        list += *list == ' ';
    }
    return false;
}

/* For flags of other versions of nanoBragg, or of its documentation, the flag with the same effect here; else NULL. */
static const char *flag_elsewhere(const char *word) {
    static const char *const ROWS[][2] = {{"-thick", "-detector_thick, in um"},
                                          {"-hdiv", "-hdivrange, in mrad"},
                                          {"-vdiv", "-vdivrange, in mrad"},
                                          {"-dispstep", "-dispsteps, a number of wavelengths"},
                                          {"-source_distance", "a line of -sourcefile"},
                                          {"-source_dist", "a line of -sourcefile"},
                                          {"-random_xtal", "-misset random"},
                                          {"-precision", "always double; leave it out"}};
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++)
        if (strcmp(word, ROWS[i][0]) == 0) return ROWS[i][1];
    return NULL;
}

static flag_id find_flag(const char *word) {
    for (int i = 0; i < FLAG_COUNT; i++)
        if (strcmp(FLAG_ROWS[i].name, word) == 0 || is_in_list(word, FLAG_ROWS[i].aliases)) return (flag_id)i;
    const char *here = flag_elsewhere(word);
    if (here != NULL) message_fail("unknown flag '%s': here it is %s; `nanobragg --help` lists the flags", word, here);
    if (word[0] == '-') message_fail("unknown flag '%.80s'; `nanobragg --help` lists the flags", word);
    message_fail("unexpected word '%.80s', expected a flag; `nanobragg --help` lists the flags and their values", word);
}

static const argument_row *find_argument(flag_id id, int index) {
    for (size_t i = 0; i < sizeof ARGUMENT_ROWS / sizeof ARGUMENT_ROWS[0]; i++)
        if (ARGUMENT_ROWS[i].flag == id && ARGUMENT_ROWS[i].index == index) return &ARGUMENT_ROWS[i];
    message_fail("internal: the table has no argument %d of %s", index, flags_name(id));
}

static const char *type_name(argument_type type) {
    static const char *const NAMES[] = {"a number of ordinary size", "a whole number", "a file name", "a word"};
    return NAMES[type];
}

static _Noreturn void fail_value(const argument_row *row, const char *value, const char *expected) {
    message_fail("%s: %s is '%.80s', expected %s; usage: %s%s%s", flags_name(row->flag), row->name, value, expected,
                 USAGE_ROWS[row->flag].usage, FLAG_ROWS[row->flag].unit[0] != '\0' ? ", unit: " : "",
                 FLAG_ROWS[row->flag].unit);
}

static void check_range(const argument_row *row, double value, const char *word) {
    char expected[96];
    if (value < row->min) {
        snprintf(expected, sizeof expected, "at least %.10g", row->min);
    } else if (value <= row->above) {
        snprintf(expected, sizeof expected, "more than %.10g", row->above);
    } else if (value > row->max) {
        snprintf(expected, sizeof expected, "at most %.10g", row->max);
    } else if (value >= row->below) {
        snprintf(expected, sizeof expected, "less than %.10g", row->below);
    } else {
        return;
    }
    fail_value(row, word, expected);
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

/* `word`, its case aside, contains the first `length` characters of `part`. */
static bool contains(const char *word, const char *part, size_t length) {
    for (; *word != '\0'; word++) {
        size_t same = 0;
        while (same < length && lower(word[same]) == part[same]) same++;
        if (same == length) return true;
    }
    return false;
}

/* The first of the blank-separated `choices` that `word` contains; false: none. */
static bool choose(const char *choices, const char *word, int *choice) {
    for (*choice = 0; *choices != '\0'; ++*choice) {
        size_t length = strcspn(choices, " ");
        if (contains(word, choices, length)) return true;
        choices += length;
        choices += *choices == ' ';
    }
    return false;
}

static bool is_infinity(const char *word) {
    return strcmp(word, "inf") == 0 || strcmp(word, "+inf") == 0 || strcmp(word, "infinity") == 0;
}

/* Reads `word` as argument `row`; false, with nothing stored, if it is not of the type. */
static bool read_argument(const argument_row *row, const char *word, flag_use *use) {
    if (row->type == ARGUMENT_FLOAT) {
        if (row->infinite_allowed && is_infinity(word)) {
            use->real[row->index] = HUGE_VAL;
            return true;
        }
        if (!text_parse_real(word, &use->real[row->index])) return false;
        check_range(row, use->real[row->index], word);
    } else if (row->type == ARGUMENT_INT) {
        if (!text_parse_integer(word, &use->integer[row->index])) return false;
        check_range(row, (double)use->integer[row->index], word);
    } else {
        if (word[0] == '\0' || word[0] == '-') return false;
        if (row->words[0] != '\0' && !choose(row->words, word, &use->choice)) return false;
        use->word = word;
    }
    return true;
}

static _Noreturn void fail_missing(const argument_row *row) {
    message_fail("%s: value %s is missing at the end of the command line; usage: %s%s%s", flags_name(row->flag),
                 row->name, USAGE_ROWS[row->flag].usage, FLAG_ROWS[row->flag].unit[0] != '\0' ? ", unit: " : "",
                 FLAG_ROWS[row->flag].unit);
}

static bool stands_for_all_numbers(const argument_row *row, const char *word) {
    bool number = row->type == ARGUMENT_FLOAT || row->type == ARGUMENT_INT;
    return number && row->index == 0 && row->words[0] != '\0' && word[0] != '-' && contains(word, row->words, 4);
}

flag_use flags_next(int argc, char **argv, int *position) {
    flag_use use = {.id = find_flag(argv[*position])};
    const flag_row *flag = &FLAG_ROWS[use.id];
    ++*position;
    int required = flag->min_arguments;
    while (use.n_arguments < flag->max_arguments) {
        const argument_row *row = find_argument(use.id, use.n_arguments);
        bool optional = use.n_arguments >= required;
        if (*position >= argc) {
            if (optional) break;
            fail_missing(row);
        }
        const char *word = argv[*position];
        if (stands_for_all_numbers(row, word)) {
            use.word = word;
            ++*position;
            return use;
        }
        if (row->words[0] != '\0' && row->type == ARGUMENT_FLOAT) required = flag->max_arguments;
        if (!read_argument(row, word, &use)) {
            if (optional) break;
            fail_value(row, word, row->words[0] != '\0' ? row->words : type_name(row->type));
        }
        use.n_arguments++;
        ++*position;
    }
    return use;
}

void flags_print_usage(FILE *out) {
    const char *group = "";
    for (int i = 0; i < FLAG_COUNT; i++) {
        const flag_row *row = &FLAG_ROWS[i];
        if (strcmp(group, USAGE_ROWS[i].group) != 0) fprintf(out, "\n%s\n", USAGE_ROWS[i].group);
        group = USAGE_ROWS[i].group;
        fprintf(out, "  %s", USAGE_ROWS[i].usage);
        if (row->aliases[0] != '\0') fprintf(out, "  (also %s)", row->aliases);
        fprintf(out, "\n      %s", row->meaning);
        if (row->unit[0] != '\0') fprintf(out, " [%s]", row->unit);
        if (row->default_text[0] != '\0') fprintf(out, "; default: %s", row->default_text);
        fprintf(out, "%s%s\n", USAGE_ROWS[i].effect[0] != '\0' ? "; " : "", USAGE_ROWS[i].effect);
    }
}
