/* Photon-counting noise with the historic generator of Poisson numbers. */
#ifndef NANOBRAGG_NOISE_H
#define NANOBRAGG_NOISE_H

#include "physics/detector.h"
#include "physics/random_numbers.h"

typedef struct noise_source {
    random_table *shared;
    int64_t seed;
    bool has_spare;
    float spare; /* second of a pair of normal numbers */
} noise_source;

/* A random count with the given mean. */
double noise_poisson(noise_source *n, float mean);

typedef struct noise_image {
    uint16_t *counts; /* the caller frees */
    double total_photons;
    size_t overloads;
} noise_image;

/* Counts plus `adc` for every pixel of the region of interest, in storage order; 0 outside. Ends the program if one of
 * them is not finite. */
noise_image noise_image_of(const float *photons, const detector *d, double adc, noise_source *n);

#endif
