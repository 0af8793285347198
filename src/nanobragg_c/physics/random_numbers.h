/* The historic generator of uniform numbers and of random rotations. */
#ifndef NANOBRAGG_RANDOM_NUMBERS_H
#define NANOBRAGG_RANDOM_NUMBERS_H

#include <stdint.h>

#include "base/vector.h"

#define RANDOM_TABLE_SIZE 32

/* Shuffle table and last output; every seed variable of a run shares them. Start with all zeros. */
typedef struct random_table {
    int64_t table[RANDOM_TABLE_SIZE];
    int64_t last;
} random_table;

/* One draw, 0 < u < 1 (a single-precision number). `seed` is the seed variable: zero or negative starts anew. */
float random_uniform(random_table *shared, int64_t *seed);

/* Rotation about a random axis by spread_rad * cbrt(1 - r^2); three draws. */
mat3 random_rotation_in_cap(random_table *shared, int64_t *seed, double spread_rad);

/* Rotation evenly distributed over all orientations (Shoemake); three draws. */
mat3 random_rotation(random_table *shared, int64_t *seed);

#endif
