/* Uniform numbers, and rotations made from them. */
#ifndef NANOBRAGG_RANDOM_NUMBERS_H
#define NANOBRAGG_RANDOM_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/vector.h"

#define RANDOM_TABLE_SIZE 32

/* Shuffle table and last output; every seed variable of a run shares them. Start with all zeros. */
typedef struct random_table {
    int64_t table[RANDOM_TABLE_SIZE];
    int64_t last;
} random_table;

/* One draw, 0 < u < 1 (a single-precision number). `seed` is the seed variable: zero or negative starts a new table. */
float random_uniform(random_table *shared, int64_t *seed);

/* The generator of one seed: the historic one, or a separate one (SplitMix64). */
typedef enum random_use { RANDOM_MISSET = 1, RANDOM_MOSAIC = 2 } random_use;
typedef struct random_stream {
    bool historic;
    random_table *shared;
    int64_t seed; /* seed variable of the historic generator: minus the number on the command line */
    uint64_t state;
} random_stream;

random_stream random_start(random_table *shared, int64_t seed_variable, random_use use, bool historic);
double random_draw(random_stream *s);

/* Rotation about a random axis by spread_rad * cbrt(1 - r^2), historic; three draws. */
mat3 random_rotation_in_cap(random_stream *s, double spread_rad);

/* Rotation evenly distributed over all orientations (Shoemake); three draws. */
mat3 random_rotation(random_stream *s);

/* Rotation for three numbers in (0, 1): even numbers make rotations that are evenly distributed among all those by at
 * most `spread_rad`. */
mat3 random_even_rotation(const double shares[3], double spread_rad);

#endif
