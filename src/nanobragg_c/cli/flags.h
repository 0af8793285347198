/* The flag table: names, argument types, limits, and reading of one flag's arguments. */
#ifndef NANOBRAGG_FLAGS_H
#define NANOBRAGG_FLAGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/tables_generated.h"

#define FLAGS_MAX_ARGUMENTS 6

typedef enum flag_id {
#define X(ID, name, aliases, min_args, max_args, unit, default_text, meaning) FLAG_##ID,
    FLAG_TABLE(X)
#undef X
        FLAG_COUNT
} flag_id;

/* One flag of the command line with its checked arguments. */
typedef struct flag_use {
    flag_id id;
    int n_arguments;
    double real[FLAGS_MAX_ARGUMENTS];     /* FLOAT arguments */
    int64_t integer[FLAGS_MAX_ARGUMENTS]; /* INT arguments */
    const char *word;                     /* FILE or WORD argument, or the word that stands for all numbers */
    int choice;                           /* index of a WORD argument in its list of words */
} flag_use;

/* Reads the flag at argv[*position] and moves *position behind its arguments. Ends the program on an unknown
 * flag and on arguments that are missing, of the wrong type or out of range. */
flag_use flags_next(int argc, char **argv, int *position);

const char *flags_name(flag_id id);

void flags_print_usage(FILE *out);

#endif
