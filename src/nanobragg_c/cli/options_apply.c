/* The values of each flag, converted to SI units. Section 1 of docs/physics.md.
 *
 * (1.1)  lambda = 12398.42 / E                                              [A, E in eV]
 */
#include "cli/options_apply.h"

#include <string.h>

#include "base/message.h"

#define METRES_PER_MICROMETRE 1e-6
#define ENERGY_TIMES_WAVELENGTH_EV_A 12398.42

/* From the units of the command line; named in flags.json. */
static double mm(double x) { return x / 1000.0; }
static double um(double x) { return x * METRES_PER_MICROMETRE; }
static double deg(double x) { return x / VEC_DEGREES_PER_RADIAN; }
static double mrad(double x) { return x / 1000.0; }
static double percent(double x) { return x / 100.0; }
static double spacing_A(double x) { return x * VEC_M_PER_A; }
static double wavelength_A(double x) { return x / 1e10; }
static double energy_eV(double x) { return ENERGY_TIMES_WAVELENGTH_EV_A / x / 1e10; }
static int64_t negative(int64_t n) { return -n; }

/* Sets the fields that flags.json lists for the flag; false: its effect is written below. */
static bool apply_settings(options *o, const flag_use *use) {
    switch (use->id) {
#define X(ID, assignments) \
    case FLAG_##ID: assignments; return true;
        FLAG_SET_TABLE(X)
#undef X
        default: return false;
    }
}

/* The convention and pivot that a flag implies: the last flag that sets one wins. */
static void apply_order(options_detector *d, flag_id id) {
    enum { P_NONE = PIVOT_NONE, P_BEAM = PIVOT_BEAM, P_SAMPLE = PIVOT_SAMPLE };
    enum {
        C_NONE = -1,
        C_MOSFLM = CONVENTION_MOSFLM,
        C_DENZO = CONVENTION_DENZO,
        C_ADXV = CONVENTION_ADXV,
        C_XDS = CONVENTION_XDS,
        C_DIALS = CONVENTION_DIALS,
        C_CUSTOM = CONVENTION_CUSTOM
    };
    static const signed char ORDER[FLAG_COUNT][2] = {
#define X(ID, pivot, convention) {P_##pivot, C_##convention},
        FLAG_ORDER_TABLE(X)
#undef X
    };
    if (ORDER[id][0] != P_NONE) d->pivot = (options_pivot)ORDER[id][0];
    if (ORDER[id][1] != C_NONE) d->convention = (options_convention)ORDER[id][1];
}

static void apply_cell(options_crystal *c, const flag_use *use) {
    c->cell_given = true;
    for (int i = 0; i < 3; i++) {
        bool given = i < use->n_arguments && use->real[i] > 0.0;
        c->cell_A[i] = given ? use->real[i] : use->real[0];
        bool angle_given = i + 3 < use->n_arguments && use->real[i + 3] > 0.0;
        c->cell_angles_rad[i] = deg(angle_given ? use->real[i + 3] : 90.0);
    }
}

static void apply_misset(options_crystal *c, const flag_use *use) {
    c->misset_given = true;
    c->misset_random = use->word != NULL;
    c->misset_rad = vec_make(deg(use->real[0]), deg(use->real[1]), deg(use->real[2]));
}

static bool apply_vector(options_detector *d, const flag_use *use) {
    vec3 v = vec_make(use->real[0], use->real[1], use->real[2]);
    options_vector *target = NULL;
    switch (use->id) {
        case FLAG_FDET_VECTOR: target = &d->fdet; break;
        case FLAG_SDET_VECTOR: target = &d->sdet; break;
        case FLAG_ODET_VECTOR: target = &d->odet; break;
        case FLAG_BEAM_VECTOR: target = &d->beam; break;
        case FLAG_POLAR_VECTOR: target = &d->polar; break;
        case FLAG_SPINDLE_AXIS: target = &d->spindle; break;
        case FLAG_TWOTHETA_AXIS: target = &d->twotheta_axis; break;
        case FLAG_PIX0_VECTOR: target = &d->pix0_m; break;
        case FLAG_PIX0_VECTOR_MM:
            target = &d->pix0_m;
            v = vec_make(mm(v.x), mm(v.y), mm(v.z));
            break;
        default: return false;
    }
    bool direction = target != &d->pix0_m;
    if (direction && !(vec_length(v) > 1e-100 && vec_length(v) < 1e100))
        message_fail("%s: the vector %g %g %g has no direction; give a vector of about unit length",
                     flags_name(use->id), v.x, v.y, v.z);
    *target = (options_vector){v, true};
    return true;
}

/* An attenuation length of 0 or infinity means that there is no sensor at all. */
static void apply_attenuation(options_detector *d, double length_um) {
    bool no_sensor = length_um == 0.0 || isinf(length_um);
    d->attenuation_per_m = no_sensor ? 0.0 : 1.0 / (length_um * METRES_PER_MICROMETRE);
    if (no_sensor) d->thickness_m = 0.0;
}

static void apply_printout_pixel(options_output *out, const int64_t *fast_slow) {
    out->printout = out->printout_one = true;
    out->printout_fast = fast_slow[0];
    out->printout_slow = fast_slow[1];
}

static void apply_trace_pixel(options_output *out, const int64_t *slow_fast) {
    out->trace = true;
    out->trace_slow = slow_fast[0];
    out->trace_fast = slow_fast[1];
}

static void apply_defects(options *o, const char *specification) {
    o->list_defects = strcmp(specification, "list") == 0;
    if (!o->list_defects) o->defects = defects_parse(specification);
}

void options_apply(options *o, const flag_use *use) {
    options_detector *d = &o->detector;
    apply_order(d, use->id);
    if (apply_settings(o, use) || apply_vector(d, use)) return;
    switch (use->id) {
        case FLAG_CELL: apply_cell(&o->crystal, use); return;
        case FLAG_MISSET: apply_misset(&o->crystal, use); return;
        case FLAG_STOL:
        case FLAG_4STOL:
        case FLAG_Q:
            o->structure_factors.stol_flag = flags_name(use->id);
            o->structure_factors.stol_file = use->word;
            return;
        case FLAG_PIVOT: d->pivot = d->explicit_pivot = use->choice == 1 ? PIVOT_SAMPLE : PIVOT_BEAM; return;
        case FLAG_DETECTOR_ABS: apply_attenuation(d, use->real[0]); return;
        case FLAG_ROI: memcpy(d->roi, use->integer, sizeof d->roi); return;
        case FLAG_PRINTOUT_PIXEL: apply_printout_pixel(&o->output, use->integer); return;
        case FLAG_TRACE_PIXEL: apply_trace_pixel(&o->output, use->integer); return;
        case FLAG_DEFECTS: apply_defects(o, use->word); return;
        default: message_fail("internal: %s is in the flag table but not handled", flags_name(use->id));
    }
}
