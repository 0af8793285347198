/* Lattice factor: the interference of the unit cells of one mosaic domain. */
#ifndef NANOBRAGG_LATTICE_H
#define NANOBRAGG_LATTICE_H

#include "physics/scattering.h"

typedef struct lattice {
    options_shape shape;
    double n_cells[3], all_cells; /* Na Nb Nc and their product */
    double fudge;
    bool radius_all_cells;    /* GAUSS, TOPHAT: historic radius */
    bool closed_form;         /* ROUND: historic loss of digits next to a spot */
    vec3 reciprocal_A_inv[3];
} lattice;

typedef struct lattice_factors {
    double axis[3][CRYSTAL_BLOCK]; /* SQUARE only: factor of each axis, with its sign */
    double product[CRYSTAL_BLOCK]; /* F_latt */
} lattice_factors;

lattice lattice_of(const crystal *c, defect_set defects);

/* Factors of `count` orientations; count is a multiple of CRYSTAL_LANES. */
void lattice_evaluate(const lattice *l, const scattering_indices *indices, size_t count, lattice_factors *out);

#endif
