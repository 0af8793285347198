/* The intensity of one pixel: the one place where the stages are chained. */
#ifndef NANOBRAGG_PIXEL_H
#define NANOBRAGG_PIXEL_H

#include "physics/experiment.h"

/* Intermediate values of the block of orientations last evaluated; one for each thread. */
typedef struct pixel_workspace {
    scattering_indices indices;
    lattice_factors lattice;
    double F_electrons[CRYSTAL_BLOCK];
    double term[CRYSTAL_BLOCK]; /* contribution to the sum */
    size_t first, count;        /* which orientations */
    bool interpolation;         /* false: off, or ended by the latch */
} pixel_workspace;

/* The place of a value in the sums. */
typedef struct pixel_step {
    size_t layer, sub_slow, sub_fast, source;
} pixel_step;

typedef struct pixel_geometry {
    vec3 position_m, diffracted;
    double R_m, obliquity;
} pixel_geometry;

typedef struct pixel_result {
    double background, sum;  /* sum includes the background */
    double water;            /* sum over layers, sub-pixels and sources of the factors that multiply each term */
    scaling_factors factors; /* as stored at the end */
    double cos_2theta;       /* of the last source and sub-pixel */
    double photons;
    float stored_photons;    /* as the image holds them */
    double fast_m, slow_m;   /* of the last sub-pixel */
    pixel_geometry geometry; /* of the last sub-pixel and layer */
    scattering_vector q;     /* of the last source */
} pixel_result;

/* Receives the live values of one pixel; see trace.h. */
typedef struct trace_log trace_log;

void pixel_prepare(pixel_workspace *w, const experiment *e);

/* `log` NULL: nothing is recorded. */
pixel_result pixel_compute(const experiment *e, size_t slow, size_t fast, pixel_workspace *w, trace_log *log);

#endif
