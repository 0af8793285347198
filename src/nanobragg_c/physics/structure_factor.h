/* Structure factor amplitude at a fractional index: nearest reflection or tricubic interpolation. */
#ifndef NANOBRAGG_STRUCTURE_FACTOR_H
#define NANOBRAGG_STRUCTURE_FACTOR_H

#include <stdbool.h>

#include "cli/options.h"
#include "io/hkl.h"
#include "physics/scattering.h"

typedef struct structure_factor {
    hkl_table table;
    bool interpolate;
    bool latch; /* the first index too near to the edge of the table ends interpolation for good */
} structure_factor;

/* Reads the table and decides on interpolation; `final_cells` are Na, Nb, Nc as used. */
structure_factor structure_factor_build(const options *o, const int64_t final_cells[3]);
void structure_factor_free(structure_factor *f);

/* Amplitudes in electrons for `count` orientations. `*interpolation`: interpolate; the latch sets it to false.
 * Orientations whose lattice factor is 0 do not set the latch, unless `all_count`. */
void structure_factor_evaluate(const structure_factor *f, const scattering_indices *indices, size_t count,
                               const double *lattice_factor, bool all_count, bool *interpolation, double *F_electrons);

#endif
