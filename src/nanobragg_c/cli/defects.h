/* The historic defects that can be switched by name (`-defects`), from the shared table. */
#ifndef NANOBRAGG_DEFECTS_H
#define NANOBRAGG_DEFECTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/tables_generated.h"

typedef enum defect_id {
#define X(ID, name, number, default_on, warns, meaning) DEFECT_##ID,
    DEFECT_TABLE(X)
#undef X
        DEFECT_COUNT
} defect_id;

typedef uint64_t defect_set; /* bit i: defect_id i is reproduced */

_Static_assert(DEFECT_COUNT <= 64, "one bit for each defect");

static inline bool defect_active(defect_set set, defect_id id) { return (set >> id & 1u) != 0; }

/* The set that is reproduced unless the user says otherwise. */
defect_set defects_default(void);

/* `PRESET[,+name][,-name]...`, presets default, historic, none. Ends the program on anything else. */
defect_set defects_parse(const char *specification);

/* The whole table: name, number, state in `default`, meaning. */
void defects_print_table(FILE *out);

/* The active names in alphabetical order, separated by commas; `none` if there are none. */
void defects_print_active(FILE *out, defect_set set);

#endif
