/* Preview image (PGM). */
#ifndef NANOBRAGG_PGM_H
#define NANOBRAGG_PGM_H

#include <stdio.h>

#include "io/statistics.h"

/* Grey levels per photon: `given` if positive, else 250 at five standard deviations, else `int_scale`. */
double pgm_scale(double given, const statistics *s, double int_scale);

void pgm_write(FILE *file, const float *photons, const detector *d, double scale);

#endif
