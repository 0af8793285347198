/* Rules that resolve counts, ranges and steps of which only some are given. */
#ifndef NANOBRAGG_STEPS_H
#define NANOBRAGG_STEPS_H

#include <stdbool.h>

#include "cli/options.h"

typedef struct steps_grid {
    int64_t count;
    double range, step;
} steps_grid;

/* Divergence or dispersion. `historic_grid` false: the end point belongs to the grid, and a count needs a range
 * (`what` names the flags in the error). */
steps_grid steps_resolve(options_grid given, bool historic_grid, const char *what);

/* Sensor layers of `thickness_m`; count < 1: not given. `historic_pitch`: n layers at thickness/(n-1), never one. */
steps_grid steps_resolve_layers(int64_t count, double thickness_m, bool historic_pitch);

/* Spindle steps; range and step in radians. */
steps_grid steps_resolve_phi(const options_spindle *given);

typedef struct steps_mosaic {
    int64_t domains;
    double spread_rad;
} steps_mosaic;

/* Mosaic domains; spread NAN or count < 1: not given. */
steps_mosaic steps_resolve_mosaic(int64_t domains, double spread_rad);

#endif
