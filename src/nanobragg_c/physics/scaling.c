#include "physics/scaling.h"

#include "base/message.h"

#define AVOGADRO_PER_MOL 6.02214179e23
#define WATER_AMPLITUDE 2.57
#define WATER_MOLAR_MASS 18.0
#define WATER_DENSITY 1e6
#define SCALING_MAX_STEPS 9007199254740992.0 /* 2^53 */

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
    scaling s = {.fluence_photons_per_m2 = fluence(b),
                 .water = water_m > 0.0,
                 .water_rescaled = defect_active(o->defects, DEFECT_WATER_RESCALED),
                 .running_product = defect_active(o->defects, DEFECT_RUNNING_PRODUCT)};
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
    s.background_photons = WATER_AMPLITUDE * WATER_AMPLITUDE * SCALING_R_E_SQR_M2 * s.fluence_photons_per_m2 * water_m *
                           water_m * water_m * WATER_DENSITY * AVOGADRO_PER_MOL / WATER_MOLAR_MASS;
    if (!isfinite(s.fluence_photons_per_m2) || !isfinite(s.background_photons))
        message_fail(
            "the fluence of %g photons/m^2 or the background of %g photons is out of range; check -flux, -exposure, "
            "-beamsize, -fluence and -water",
            s.fluence_photons_per_m2, s.background_photons);
    bool every_term = !defect_active(o->defects, DEFECT_LAST_VALUE_FACTORS);
    s.oversample_thick = every_term || o->detector.oversample_thick;
    s.oversample_polar = every_term || o->detector.oversample_polar;
    s.oversample_omega = every_term || o->detector.oversample_omega;
    return s;
}

void scaling_count_steps(scaling *s, size_t sources, size_t domains, size_t phi_steps, size_t oversample) {
    double steps = (double)sources * (double)domains * (double)phi_steps * (double)oversample * (double)oversample;
    if (steps > SCALING_MAX_STEPS)
        message_fail(
            "%zu sources, %zu mosaic domains, %zu spindle steps and an oversampling of %zu make %g steps, expected at "
            "most %.0f; reduce them",
            sources, domains, phi_steps, oversample, steps, SCALING_MAX_STEPS);
    s->steps = (uint64_t)steps;
}

scaling_factors scaling_of_term(const scaling *s, scaling_factors f) {
    return (scaling_factors){s->oversample_thick ? f.capture : 1.0, s->oversample_polar ? f.polar : 1.0,
                             s->oversample_omega ? f.omega_sr : 1.0};
}

double scaling_background(const scaling *s, scaling_factors f) {
    if (s->water_rescaled || !s->water) return s->background_photons;
    scaling_factors of_term = scaling_of_term(s, f);
    double photons_per_unit = SCALING_R_E_SQR_M2 * s->fluence_photons_per_m2 / (double)s->steps;
    if (photons_per_unit == 0.0) return 0.0;
    return s->background_photons / photons_per_unit * of_term.capture * of_term.polar * of_term.omega_sr;
}

double scaling_photons(const scaling *s, double sum, scaling_factors f) {
    return SCALING_R_E_SQR_M2 * s->fluence_photons_per_m2 * sum / (double)s->steps *
           (s->oversample_thick ? 1.0 : f.capture) * (s->oversample_polar ? 1.0 : f.polar) *
           (s->oversample_omega ? 1.0 : f.omega_sr);
}
