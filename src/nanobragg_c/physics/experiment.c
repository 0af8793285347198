/* The resolved experiment, and the number of sub-pixels. Section 2 of docs/physics.md.
 *
 * (2.4)  n_sub = max(1, ceil(3 L / (lambda D / p))),  L = max(|a| Na, |b| Nb, |c| Nc)
 */
#include "physics/experiment.h"

#include <math.h>

#include "base/message.h"
#include "base/seam.h"
#include "io/stol.h"

#define MAX_OVERSAMPLE 1e6
#define SUB_PIXELS_PER_SPOT 3.0 /* (2.4) */
#define COUNT_TOLERANCE 1e-9

/* Three sub-pixels across the width of a spot of the largest crystal dimension. (2.4) */
static size_t recommend_oversample(const experiment *e, double wavelength_m) {
    bool historic = defect_active(e->defects, DEFECT_DISTANCE_WITHOUT_TWOTHETA);
    double largest_m = 0.0;
    for (int i = 0; i < 3; i++)
        largest_m = fmax(largest_m, vec_length(e->crystal.real_m[i]) * (double)e->crystal.n_cells[i]);
    double spot_m = wavelength_m * (historic ? e->detector.distance_m : detector_nearest_m(&e->detector));
    double recommended = SUB_PIXELS_PER_SPOT * largest_m / (spot_m / e->detector.pixel_m);
    recommended = ceil(historic ? recommended : recommended * (1.0 - COUNT_TOLERANCE));
    if (!(recommended > 1.0)) return 1;
    return recommended > MAX_OVERSAMPLE ? (size_t)MAX_OVERSAMPLE + 1 : (size_t)recommended;
}

static void set_oversample(experiment *e, const options *o) {
    e->recommended_oversample = recommend_oversample(e, o->beam.wavelength_m);
    if (o->detector.oversample > 0) {
        e->oversample = (size_t)o->detector.oversample;
        if (e->oversample < e->recommended_oversample)
            message_warn(o->warnings,
                         "-oversample %zu is less than the recommended %zu: sub-pixels are wider than a third of "
                         "a spot",
                         e->oversample, e->recommended_oversample);
        return;
    }
    if ((double)e->recommended_oversample > MAX_OVERSAMPLE)
        message_fail(
            "-oversample: the automatic choice is more than %.0f; give -oversample, or check the crystal size and "
            "-pixel",
            MAX_OVERSAMPLE);
    e->oversample = e->recommended_oversample;
}

static void set_polarization(experiment *e, const options *o) {
    if (o->beam.polarization_factor != 0.0 && vec_length(vec_cross(e->detector.beam, e->detector.polar)) < 1e-9)
        message_warn(
            o->warnings,
            "-polar: the polarization direction is along the beam, so the factor does not depend on the azimuth; "
            "give a -polar_vector across the beam");
    bool overridden = defect_active(o->defects, DEFECT_NOPOLAR_OVERRIDDEN) && o->detector.oversample_polar;
    e->kahn = o->beam.polarization_factor;
    e->unpolarized = o->beam.unpolarized;
    e->polarization_active = !e->unpolarized || overridden;
    if (e->unpolarized && overridden)
        message_warn(
            o->warnings,
            "-nopolar is not used together with -oversample_polar (defect nopolar_overridden); leave one of them out, "
            "or add `-defects default,-nopolar_overridden`");
}

experiment experiment_build(const options *o, random_table *random) {
    experiment e = {.hkl_file = o->structure_factors.hkl_file,
                    .dmin_m = o->structure_factors.dmin_m,
                    .defects = o->defects};
    const options_structure_factors *given = &o->structure_factors;
    if (given->stol_file != NULL) {
        stol_check(given->stol_flag, given->stol_file);
        message_warn(o->warnings, "%s: '%s' was checked and has no effect on the image", given->stol_flag,
                     given->stol_file);
    }
    e.scaling = scaling_build(o);
    e.detector = detector_build(o);
    e.sources = sources_build(o, e.detector.beam, e.detector.polar);
    e.crystal = crystal_build(o, e.scaling.sample_m, e.detector.spindle, random);
    e.lattice = lattice_of(&e.crystal, o->defects);
    e.structure_factor = structure_factor_build(o, e.crystal.n_cells);
    set_oversample(&e, o);
    SEAM_NUMBER("oversample", e.oversample);
    set_polarization(&e, o);
    scaling_count_steps(&e.scaling, e.sources.count, e.crystal.domains, e.crystal.phi_steps, e.oversample);
    return e;
}

void experiment_free(experiment *e) {
    sources_free(&e->sources);
    crystal_free(&e->crystal);
    structure_factor_free(&e->structure_factor);
}
