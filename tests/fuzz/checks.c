#include "checks.h"

#include <math.h>

#include "harness.h"

#define REQUIRE_FINITE(v) REQUIRE(isfinite((v).x) && isfinite((v).y) && isfinite((v).z))

static bool is_unit(vec3 v) { return fabs(vec_length(v) - 1.0) < 1e-9; }

/* Positive, and so is its square and its inverse: nothing that is divided by it or multiplied with it is lost. */
static bool is_positive(double x) { return x > 0.0 && x * x > 0.0 && isfinite(x * x) && isfinite(1.0 / (x * x)); }

static bool absent_or(double x, bool good) { return isnan(x) || good; }

void check_table(const hkl_table *table) {
    REQUIRE(isfinite(table->default_F));
    if (table->F_electrons == NULL) return;
    for (int i = 0; i < 3; i++) {
        REQUIRE(table->min[i] <= table->max[i]);
        REQUIRE(table->size[i] == (size_t)(table->max[i] - table->min[i] + 1));
    }
    for (size_t i = 0; i < table->size[0] * table->size[1] * table->size[2]; i++)
        REQUIRE(isfinite(table->F_electrons[i]));
}

void check_sources(const source_list *sources) {
    REQUIRE(sources->count > 0);
    for (size_t i = 0; i < sources->count; i++) {
        const source *s = &sources->items[i];
        REQUIRE_FINITE(s->position_m);
        REQUIRE(is_unit(s->incident));
        REQUIRE(is_positive(s->wavelength_m));
        REQUIRE(s->weight >= 0.0 && isfinite(s->weight));
        REQUIRE(s->term_factor >= 0.0 && isfinite(s->term_factor));
    }
}

void check_detector(const detector *d) {
    REQUIRE(d->n_fast >= 1 && d->n_slow >= 1 && (double)d->n_fast * (double)d->n_slow <= 2147483647.0);
    REQUIRE(is_positive(d->pixel_m) && is_positive(d->size_fast_m) && is_positive(d->size_slow_m));
    REQUIRE(d->roi[0] <= d->roi[1] && d->roi[1] < d->n_fast && d->roi[2] <= d->roi[3] && d->roi[3] < d->n_slow);
    REQUIRE(is_unit(d->beam) && is_unit(d->polar) && is_unit(d->spindle));
    REQUIRE_FINITE(d->axes.fast);
    REQUIRE_FINITE(d->axes.slow);
    REQUIRE_FINITE(d->axes.normal);
    REQUIRE_FINITE(d->pix0_m);
    REQUIRE(isfinite(d->distance_m) && d->close_distance_m != 0.0 && isfinite(d->close_distance_m));
    REQUIRE(isfinite(d->Fbeam_m) && isfinite(d->Sbeam_m) && isfinite(d->ORGX_pixels) && isfinite(d->ORGY_pixels));
    REQUIRE(d->layers >= 1 && d->thickness_m >= 0.0 && isfinite(d->layer_pitch_m) && isfinite(d->attenuation_per_m));
}

void check_crystal(const crystal *c) {
    REQUIRE(isfinite(c->volume_A3) && c->volume_A3 != 0.0);
    for (int i = 0; i < 3; i++) {
        REQUIRE(is_positive(vec_length(c->real_A[i])) && is_positive(vec_length(c->reciprocal_A_inv[i])));
        REQUIRE(c->n_cells[i] >= 1);
    }
    REQUIRE(c->fudge >= 0.0 && isfinite(c->fudge) && c->mosaic_spread_rad >= 0.0 && isfinite(c->mosaic_spread_rad));
    REQUIRE(c->phi_steps >= 1 && c->domains >= 1 && c->orientations.count == c->phi_steps * c->domains);
    for (size_t i = 0; i < c->orientations.count; i++)
        for (int axis = 0; axis < 9; axis++) REQUIRE(isfinite(c->orientations.axis[axis][i]));
}

static void check_options(const options *o) {
    REQUIRE(is_positive(o->beam.wavelength_m));
    REQUIRE(o->beam.fluence_photons_per_m2 >= 0.0 && o->beam.flux_photons_per_s >= 0.0 && o->beam.exposure_s >= 0.0);
    REQUIRE(o->beam.beamsize_m >= 0.0 && fabs(o->beam.polarization_factor) <= 1.0);
    REQUIRE(is_positive(o->detector.pixel_m));
    REQUIRE(o->detector.n_fast == OPTIONS_NO_COUNT || o->detector.n_fast >= 1);
    REQUIRE(o->detector.n_slow == OPTIONS_NO_COUNT || o->detector.n_slow >= 1);
    REQUIRE(is_positive(o->detector.distance_m));
    REQUIRE(absent_or(o->detector.close_distance_m, isfinite(o->detector.close_distance_m)));
    REQUIRE(absent_or(o->spindle.phistep_rad, o->spindle.phistep_rad >= 0.0));
    REQUIRE(isfinite(o->structure_factors.default_F) && o->structure_factors.dmin_m >= 0.0);
    if (o->crystal.cell_given)
        for (int i = 0; i < 3; i++) {
            REQUIRE(is_positive(o->crystal.cell_A[i]));
            REQUIRE(o->crystal.cell_angles_rad[i] > 0.0 && o->crystal.cell_angles_rad[i] < VEC_PI);
        }
    if (o->detector.mask_file != NULL)
        REQUIRE(o->detector.mask.counted != NULL && o->detector.mask.n_fast >= 1 && o->detector.mask.n_slow >= 1);
}

void check_command_line(int argc, char **argv) {
    options o = options_parse(argc, argv);
    if (!o.help && !o.version && !o.list_defects) {
        check_options(&o);
        random_table random = {0};
        experiment e = experiment_build(&o, &random);
        check_detector(&e.detector);
        check_sources(&e.sources);
        check_crystal(&e.crystal);
        check_table(&e.structure_factor.table);
        REQUIRE(e.oversample >= 1 && e.scaling.steps >= 1);
        REQUIRE(isfinite(e.scaling.fluence_photons_per_m2) && isfinite(e.scaling.background_photons));
        experiment_free(&e);
    }
    options_free(&o);
}
