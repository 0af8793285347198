/* The crystal: cell, orientation, size, spindle steps and mosaic domains. */
#ifndef NANOBRAGG_CRYSTAL_H
#define NANOBRAGG_CRYSTAL_H

#include <stddef.h>

#include "cli/options.h"
#include "physics/random_numbers.h"

/* Orientations are stored and evaluated in groups of this many, so that the compiler can use vector units. */
#define CRYSTAL_LANES 4
#define CRYSTAL_BLOCK 64 /* orientations evaluated in one go; a multiple of the lanes */

/* Real-space vectors of every (spindle step, mosaic domain), the domain index running fastest. */
typedef struct crystal_orientations {
    size_t count;    /* phi_steps * domains */
    double *axis[9]; /* a_x a_y a_z b_x b_y b_z c_x c_y c_z in m; padded to whole blocks with copies of the last */
} crystal_orientations;

typedef struct crystal {
    vec3 reciprocal_A_inv[3]; /* a*, b*, c* */
    vec3 real_A[3];           /* a, b, c */
    vec3 real_m[3];           /* at phi = 0, unrotated by mosaicity */
    double volume_A3;
    vec3 misset_rad;
    int64_t n_cells[3];
    options_shape shape;
    double fudge;
    vec3 spindle_axis;
    size_t phi_steps;
    double phi_start_rad, phi_range_rad, phi_step_rad;
    double phi_into_slice; /* position of a step in its slice: 0 at the start, 1/2 in the middle */
    double *phi_deg;       /* of each step */
    size_t domains;
    double mosaic_spread_rad;
    crystal_orientations orientations;
} crystal;

/* `sample_m` along a, b, c is already clipped by the beam. Draws the misset and the mosaic domains, in this order. */
crystal crystal_build(const options *o, const double sample_m[3], vec3 spindle_axis, random_table *random);
void crystal_free(crystal *c);

#endif
