/* From the sum over all terms to photons: fluence, number of steps, background, final product. */
#ifndef NANOBRAGG_SCALING_H
#define NANOBRAGG_SCALING_H

#include "cli/options.h"

typedef struct scaling {
    double r_e_sqr_m2, r_e_m; /* classical electron radius: squared, and itself */
    double fluence_photons_per_m2, flux_photons_per_s;
    double sample_m[3];        /* clipped by the beam */
    double background_photons; /* of the water, before solid angle, polarization and absorption */
    uint64_t steps;            /* sources * domains * phi steps * oversample^2 */
    bool water, water_rescaled;
    bool oversample_thick, oversample_polar, oversample_omega; /* factors multiply every term, not the sum */
    bool running_product; /* historic: they multiply the whole sum after every term */
} scaling;

/* Beam and sample; the steps are set by scaling_count_steps. */
scaling scaling_build(const options *o);
void scaling_count_steps(scaling *s, size_t sources, size_t domains, size_t phi_steps, size_t oversample);

/* The factors that multiply the sum, or each term. */
typedef struct scaling_factors {
    double capture, polar, omega_sr;
} scaling_factors;

/* The factors that multiply each term; 1 where the factor multiplies the sum. */
scaling_factors scaling_of_term(const scaling *s, scaling_factors f);

/* The background: the start of the sum (rescaled water) or an addition at its end (water scaled once). `mean_factors`
 * is the mean over sub-pixels and sources, and the sum over layers, of the factors that multiply each term. */
double scaling_background(const scaling *s, double mean_factors);

/* photons = r_e^2 [m^2] * fluence [1/m^2] * sum / steps * capture * polar * omega [sr] */
double scaling_photons(const scaling *s, double sum, scaling_factors f);

#endif
