/* Integer images: photons scaled to 16 bit, and preview bytes. */
#ifndef NANOBRAGG_COUNTS_H
#define NANOBRAGG_COUNTS_H

#include "io/statistics.h"

#define COUNTS_LARGEST 65535.0 /* of 16 bits */

/* Counts per photon: `given` if positive, else such that the maximum becomes 55000. */
double counts_scale(double given, const statistics *s);

/* floor(value * scale + adc + 1/2) from 0 to 65535 inside the region of interest, 0 outside. The caller frees. */
uint16_t *counts_image(const float *photons, const detector *d, double scale, double adc);

#endif
