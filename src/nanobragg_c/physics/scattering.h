/* Scattering vector and Miller indices. */
#ifndef NANOBRAGG_SCATTERING_H
#define NANOBRAGG_SCATTERING_H

#include "physics/crystal.h"
#include "physics/sources.h"

typedef struct scattering_vector {
    vec3 per_m;        /* (diffracted - incident) / wavelength, in 1/m */
    double stol_per_m; /* sin(theta)/wavelength = |q|/2 */
    double cos_2theta;
} scattering_vector;

/* Miller indices of one block of orientations: fractional, and rounded (halves down). */
typedef struct scattering_indices {
    double h[3][CRYSTAL_BLOCK];
    double rounded[3][CRYSTAL_BLOCK];
} scattering_indices;

scattering_vector scattering_between(vec3 diffracted, const source *beam);

/* True if the spacing 1/|q| is below dmin; dmin 0: never. */
bool scattering_beyond_dmin(const scattering_vector *q, double dmin_m);

/* Indices h = a.q, k = b.q, l = c.q of orientations first .. first+count-1; count is a multiple of CRYSTAL_LANES. */
void scattering_find_indices(const crystal_orientations *list, size_t first, size_t count, vec3 q_per_m,
                             scattering_indices *out);
void scattering_round_indices(size_t count, scattering_indices *out);

#endif
