/* Fluence, number of steps, and the way from the sum to photons. Sections 3 and 12 of docs/physics.md.
 *
 * (3.1)  fluence = flux exposure / beamsize^2, where a flux is given        [photons/m^2]
 * (12.2) steps = n_src n_domains n_phi n^2
 * (12.3) photons = r_e^2 fluence I / steps cap polar omega
 * (12.4) water = 2.57^2 r_e^2 fluence W^3 1e6 N_A/18                        [photons/sr]
 * (12.5) I += water steps/(r_e^2 fluence) sum(cap polar omega w)/(n_src n^2) without water_rescaled
 */
#include "physics/scaling.h"

#include "base/message.h"
#include "base/seam.h"

#define R_E_SQR_M2 7.94079248018965e-30 /* classical electron radius squared */
#define AVOGADRO_PER_MOL 6.02214179e23
#define WATER_AMPLITUDE_ELECTRONS 2.57
#define WATER_MOLAR_MASS_G 18.0
#define WATER_G_PER_M3 1e6
#define SCALING_MAX_STEPS 9007199254740992.0 /* 2^53 */

/* (3.1) */
static double fluence(const options_beam *b) {
    if (b->flux_photons_per_s == 0.0 || b->exposure_s <= 0.0) return b->fluence_photons_per_m2;
    if (b->beamsize_m == 0.0)
        message_fail("-beamsize 0 with -flux %g makes an infinite fluence; give a beam size above 0 mm, or -fluence",
                     b->flux_photons_per_s);
    return b->flux_photons_per_s * b->exposure_s / b->beamsize_m / b->beamsize_m;
}

scaling scaling_build(const options *o) {
    const options_beam *b = &o->beam;
    const double water_m = o->structure_factors.water_m;
    scaling s = {.r_e_sqr_m2 = R_E_SQR_M2,
                 .fluence_photons_per_m2 = fluence(b),
                 .water = water_m > 0.0,
                 .water_rescaled = defect_active(o->defects, DEFECT_WATER_RESCALED),
                 .running_product = defect_active(o->defects, DEFECT_RUNNING_PRODUCT)};
    SEAM("r_e_sqr", s.r_e_sqr_m2);
    s.r_e_m = sqrt(s.r_e_sqr_m2);
    SEAM("r_e_meters", s.r_e_m);
    SEAM("fluence_photons_per_m2", s.fluence_photons_per_m2);
    for (int i = 0; i < 3; i++) s.sample_m[i] = o->crystal.sample_m[i];
    for (int i = 1; i < 3; i++)
        if (s.sample_m[i] > b->beamsize_m) {
            message_warn(o->warnings,
                         "the beam of %g mm clips the sample of %g mm along %c; give -beamsize if the beam is larger",
                         1000.0 * b->beamsize_m, 1000.0 * s.sample_m[i], "abc"[i]);
            s.sample_m[i] = b->beamsize_m;
        }
    s.flux_photons_per_s = b->exposure_s > 0.0
                               ? s.fluence_photons_per_m2 / b->exposure_s * b->beamsize_m * b->beamsize_m
                               : b->flux_photons_per_s;
    /* (12.4) */
    s.background_photons = WATER_AMPLITUDE_ELECTRONS * WATER_AMPLITUDE_ELECTRONS * s.r_e_sqr_m2 *
                           s.fluence_photons_per_m2 * water_m * water_m * water_m * WATER_G_PER_M3 * AVOGADRO_PER_MOL /
                           WATER_MOLAR_MASS_G;
    if (!isfinite(s.fluence_photons_per_m2) || !isfinite(s.background_photons))
        message_fail(
            "the fluence of %g photons/m^2 or the background of %g photons is out of range; check -flux, -exposure, "
            "-beamsize, -fluence and -water",
            s.fluence_photons_per_m2, s.background_photons);
    bool every_term = !defect_active(o->defects, DEFECT_LAST_VALUE_FACTORS);
    s.oversample_thick = every_term || o->detector.oversample_thick;
    s.oversample_polar = every_term || o->detector.oversample_polar;
    s.oversample_omega = every_term || o->detector.oversample_omega;
    SEAM_NUMBER("oversample_thick", s.oversample_thick);
    SEAM_NUMBER("oversample_polar", s.oversample_polar);
    SEAM_NUMBER("oversample_omega", s.oversample_omega);
    return s;
}

/* (12.2) */
void scaling_count_steps(scaling *s, size_t sources, size_t domains, size_t phi_steps, size_t oversample) {
    double steps = (double)sources * (double)domains * (double)phi_steps * (double)oversample * (double)oversample;
    if (steps > SCALING_MAX_STEPS)
        message_fail(
            "%zu sources, %zu mosaic domains, %zu spindle steps and an oversampling of %zu make %g steps, expected at "
            "most %.0f; reduce them",
            sources, domains, phi_steps, oversample, steps, SCALING_MAX_STEPS);
    s->steps = (uint64_t)steps;
    SEAM_NUMBER("steps", s->steps);
}

scaling_factors scaling_of_term(const scaling *s, scaling_factors f) {
    return (scaling_factors){s->oversample_thick ? f.capture : 1.0, s->oversample_polar ? f.polar : 1.0,
                             s->oversample_omega ? f.omega_sr : 1.0};
}

/* (12.5) */
double scaling_background(const scaling *s, double mean_factors) {
    if (s->water_rescaled || !s->water) return s->background_photons;
    double photons_per_unit = s->r_e_sqr_m2 * s->fluence_photons_per_m2 / (double)s->steps;
    if (photons_per_unit == 0.0) return 0.0;
    return s->background_photons / photons_per_unit * mean_factors;
}

/* (12.3) */
double scaling_photons(const scaling *s, double sum, scaling_factors f) {
    return s->r_e_sqr_m2 * s->fluence_photons_per_m2 * sum / (double)s->steps *
           (s->oversample_thick ? 1.0 : f.capture) * (s->oversample_polar ? 1.0 : f.polar) *
           (s->oversample_omega ? 1.0 : f.omega_sr);
}
