/* Mean, spread and maximum of the image. */
#ifndef NANOBRAGG_STATISTICS_H
#define NANOBRAGG_STATISTICS_H

#include "physics/detector.h"

typedef struct statistics {
    double mean, rms, rmsd;
    double max;
    size_t n_not_finite;
    size_t max_slow, max_fast; /* of the first pixel with the maximum; meaningful if max > 0 */
} statistics;

/* Mean and rms over the computed pixels; rmsd over all pixels of the region of interest. */
statistics statistics_of(const float *photons, const detector *d);

#endif
