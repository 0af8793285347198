/* The whole image: rows in parallel. Any number of threads gives the same bytes. */
#ifndef NANOBRAGG_SIMULATE_H
#define NANOBRAGG_SIMULATE_H

#include "cli/options.h"
#include "physics/pixel.h"

typedef struct simulated_image {
    float *photons;        /* index slow * n_fast + fast; 0 where not computed */
    double *unrounded;     /* the same before rounding to single; NULL: not requested (-doublefile) */
    size_t n_computed;
} simulated_image;

/* `log` records the pixel (trace_slow, trace_fast) of the output options; NULL: none. Free with simulate_free. */
simulated_image simulate(const experiment *e, const options_output *o, trace_log *log);
void simulate_free(simulated_image *image);

#endif
