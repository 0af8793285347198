/* Polarization factor of the scattered beam (Kahn et al. 1982). */
#ifndef NANOBRAGG_POLARIZATION_H
#define NANOBRAGG_POLARIZATION_H

#include "base/vector.h"

/* (1 + cos^2(2 theta) - K cos(2 psi) sin^2(2 theta))/2; psi: angle of the scattering plane about the beam from the
 * polarization direction `polar`. */
double polarization_factor(double kahn, vec3 incident, vec3 diffracted, vec3 polar, double cos_2theta);

#endif
