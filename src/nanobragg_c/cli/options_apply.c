#include "cli/options_apply.h"

#include <string.h>

#include "base/message.h"

#define METRES_PER_MICROMETRE 1e-6
#define ENERGY_TIMES_WAVELENGTH_EV_A 12398.42

static double mm(double x) { return x / 1000.0; }
static double mrad(double x) { return x / 1000.0; }
static double degrees(double x) { return x / VEC_DEGREES_PER_RADIAN; }

/* What each flag sets besides its value: the last flag that sets a pivot or a convention wins. */
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
        c->cell_angles_rad[i] = degrees(angle_given ? use->real[i + 3] : 90.0);
    }
}

static void apply_misset(options_crystal *c, const flag_use *use) {
    c->misset_given = true;
    c->misset_random = use->word != NULL;
    c->misset_rad = vec_make(degrees(use->real[0]), degrees(use->real[1]), degrees(use->real[2]));
}

static bool apply_crystal(options_crystal *c, const flag_use *use) {
    const double x = use->real[0];
    const int64_t n = use->integer[0];
    switch (use->id) {
        case FLAG_MAT: c->matrix_file = use->word; return true;
        case FLAG_CELL: apply_cell(c, use); return true;
        case FLAG_MISSET: apply_misset(c, use); return true;
        case FLAG_MISSET_SEED: c->misset_seed = -n; return true;
        case FLAG_N: c->n_cells[0] = c->n_cells[1] = c->n_cells[2] = n; return true;
        case FLAG_NA: c->n_cells[0] = n; return true;
        case FLAG_NB: c->n_cells[1] = n; return true;
        case FLAG_NC: c->n_cells[2] = n; return true;
        case FLAG_SAMPLESIZE: c->sample_m[0] = c->sample_m[1] = c->sample_m[2] = mm(x); return true;
        case FLAG_SAMPLE_THICK: c->sample_m[0] = mm(x); return true;
        case FLAG_SAMPLE_WIDTH: c->sample_m[1] = mm(x); return true;
        case FLAG_SAMPLE_HEIGHT: c->sample_m[2] = mm(x); return true;
        case FLAG_SQUARE_XTAL: c->shape = SHAPE_SQUARE; return true;
        case FLAG_ROUND_XTAL: c->shape = SHAPE_ROUND; return true;
        case FLAG_GAUSS_XTAL: c->shape = SHAPE_GAUSS; return true;
        case FLAG_TOPHAT_SPOTS: c->shape = SHAPE_TOPHAT; return true;
        case FLAG_FUDGE: c->fudge = x; return true;
        case FLAG_MOSAIC: c->mosaic_spread_rad = degrees(x); return true;
        case FLAG_MOSAIC_DOM: c->mosaic_domains = n; return true;
        case FLAG_MOSAIC_SEED: c->mosaic_seed = -n; return true;
        case FLAG_DENSITY:
        case FLAG_MW: return true; /* no effect on the image */
        default: return false;
    }
}

static bool apply_structure_factors(options_structure_factors *f, const flag_use *use) {
    switch (use->id) {
        case FLAG_HKL: f->hkl_file = use->word; return true;
        case FLAG_DUMPFILE: f->dump_file = use->word; return true;
        case FLAG_DEFAULT_F: f->default_F = use->real[0]; return true;
        case FLAG_INTERPOLATE: f->interpolation = INTERPOLATION_ON; return true;
        case FLAG_NOINTERPOLATE: f->interpolation = INTERPOLATION_OFF; return true;
        case FLAG_DMIN: f->dmin_m = use->real[0] * 1e-10; return true;
        case FLAG_WATER: f->water_m = use->real[0] * METRES_PER_MICROMETRE; return true;
        case FLAG_STOL:
        case FLAG_4STOL:
        case FLAG_Q:
            f->stol_flag = flags_name(use->id);
            f->stol_file = use->word;
            return true;
        case FLAG_STOLOUT: return true; /* nothing is written */
        default: return false;
    }
}

static bool apply_beam(options_beam *b, const flag_use *use) {
    const double x = use->real[0];
    const int64_t n = use->integer[0];
    switch (use->id) {
        case FLAG_LAMBDA: b->wavelength_m = x / 1e10; return true;
        case FLAG_ENERGY: b->wavelength_m = ENERGY_TIMES_WAVELENGTH_EV_A / x / 1e10; return true;
        case FLAG_FLUENCE: b->fluence_photons_per_m2 = x; return true;
        case FLAG_FLUX: b->flux_photons_per_s = x; return true;
        case FLAG_EXPOSURE: b->exposure_s = x; return true;
        case FLAG_BEAMSIZE: b->beamsize_m = mm(x); return true;
        case FLAG_POLAR:
            b->polarization_factor = x;
            b->unpolarized = false;
            return true;
        case FLAG_NOPOLAR: b->unpolarized = true; return true;
        case FLAG_DISPERSION: b->dispersion.range = x / 100.0; return true;
        case FLAG_DISPSTEPS: b->dispersion.count = n; return true;
        case FLAG_DIVERGENCE: b->hdiv_rad.range = b->vdiv_rad.range = mrad(x); return true;
        case FLAG_HDIVRANGE: b->hdiv_rad.range = mrad(x); return true;
        case FLAG_VDIVRANGE: b->vdiv_rad.range = mrad(x); return true;
        case FLAG_HDIVSTEP: b->hdiv_rad.step = mrad(x); return true;
        case FLAG_VDIVSTEP: b->vdiv_rad.step = mrad(x); return true;
        case FLAG_HDIVSTEPS: b->hdiv_rad.count = n; return true;
        case FLAG_VDIVSTEPS: b->vdiv_rad.count = n; return true;
        case FLAG_DIVSTEPS: b->hdiv_rad.count = b->vdiv_rad.count = n; return true;
        case FLAG_ROUND_DIV: b->square_divergence = false; return true;
        case FLAG_SQUARE_DIV: b->square_divergence = true; return true;
        case FLAG_SOURCEFILE: b->source_file = use->word; return true;
        case FLAG_COHERENT: return true; /* no effect on the image */
        default: return false;
    }
}

static bool apply_spindle(options_spindle *s, const flag_use *use) {
    switch (use->id) {
        case FLAG_PHI: s->phi_rad = degrees(use->real[0]); return true;
        case FLAG_OSC: s->osc_rad = degrees(use->real[0]); return true;
        case FLAG_PHISTEP: s->phistep_rad = degrees(use->real[0]); return true;
        case FLAG_PHISTEPS: s->phisteps = use->integer[0]; return true;
        default: return false;
    }
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

static bool apply_placement(options_detector *d, const flag_use *use) {
    const double x = use->real[0];
    switch (use->id) {
        case FLAG_DISTANCE: d->distance_m = mm(x); return true;
        case FLAG_CLOSE_DISTANCE: d->close_distance_m = mm(x); return true;
        case FLAG_PIXEL: d->pixel_m = mm(x); return true;
        case FLAG_DETSIZE: d->size_fast_m = d->size_slow_m = mm(x); return true;
        case FLAG_DETSIZE_F: d->size_fast_m = mm(x); return true;
        case FLAG_DETSIZE_S: d->size_slow_m = mm(x); return true;
        case FLAG_DETPIXELS: d->n_fast = d->n_slow = use->integer[0]; return true;
        case FLAG_DETPIXELS_F: d->n_fast = use->integer[0]; return true;
        case FLAG_DETPIXELS_S: d->n_slow = use->integer[0]; return true;
        case FLAG_XBEAM: d->Xbeam_m = mm(x); return true;
        case FLAG_YBEAM: d->Ybeam_m = mm(x); return true;
        case FLAG_XCLOSE: d->Xclose_m = mm(x); return true;
        case FLAG_YCLOSE: d->Yclose_m = mm(x); return true;
        case FLAG_ORGX: d->ORGX_pixels = x; return true;
        case FLAG_ORGY: d->ORGY_pixels = x; return true;
        case FLAG_TWOTHETA: d->twotheta_rad = degrees(x); return true;
        case FLAG_DETECTOR_ROTX: d->rotation_rad.x = degrees(x); return true;
        case FLAG_DETECTOR_ROTY: d->rotation_rad.y = degrees(x); return true;
        case FLAG_DETECTOR_ROTZ: d->rotation_rad.z = degrees(x); return true;
        case FLAG_PIVOT:
            d->pivot = d->explicit_pivot = use->choice == 1 ? PIVOT_SAMPLE : PIVOT_BEAM;
            return true;
        case FLAG_MOSFLM:
        case FLAG_DENZO:
        case FLAG_ADXV:
        case FLAG_XDS:
        case FLAG_DIALS: return true; /* the order table sets the convention */
        default: return false;
    }
}

/* An attenuation length of 0 or infinity means that there is no sensor at all. */
static void apply_attenuation(options_detector *d, double length_um) {
    bool no_sensor = length_um == 0.0 || isinf(length_um);
    d->attenuation_per_m = no_sensor ? 0.0 : 1.0 / (length_um * METRES_PER_MICROMETRE);
    if (no_sensor) d->thickness_m = 0.0;
}

static bool apply_sampling(options_detector *d, const flag_use *use) {
    switch (use->id) {
        case FLAG_CURVED_DET: d->curved = true; return true;
        case FLAG_POINT_PIXEL: d->point_pixel = true; return true;
        case FLAG_DETECTOR_ABS: apply_attenuation(d, use->real[0]); return true;
        case FLAG_DETECTOR_THICK: d->thickness_m = use->real[0] * METRES_PER_MICROMETRE; return true;
        case FLAG_DETECTOR_THICKSTEPS: d->thick_steps = use->integer[0]; return true;
        case FLAG_OVERSAMPLE: d->oversample = use->integer[0]; return true;
        case FLAG_OVERSAMPLE_THICK: d->oversample_thick = true; return true;
        case FLAG_OVERSAMPLE_POLAR: d->oversample_polar = true; return true;
        case FLAG_OVERSAMPLE_OMEGA: d->oversample_omega = true; return true;
        case FLAG_ROI: memcpy(d->roi, use->integer, sizeof d->roi); return true;
        case FLAG_IMG:
        case FLAG_MASK: return true; /* read before all other flags */
        default: return false;
    }
}

static bool apply_output(options_output *out, const flag_use *use) {
    const int64_t *n = use->integer;
    switch (use->id) {
        case FLAG_FLOATFILE: out->float_file = use->word; return true;
        case FLAG_DOUBLEFILE: out->double_file = use->word; return true;
        case FLAG_INTFILE: out->int_file = use->word; return true;
        case FLAG_SCALE: out->int_scale = use->real[0]; return true;
        case FLAG_ADC: out->adc = use->real[0]; return true;
        case FLAG_PGMFILE:
            out->pgm_file = use->word;
            out->pgm = true;
            return true;
        case FLAG_PGMSCALE:
            out->pgm_scale = use->real[0];
            out->pgm = true;
            return true;
        case FLAG_NOPGM: out->pgm = false; return true;
        case FLAG_NOISEFILE:
            out->noise_file = use->word;
            out->noise = true;
            return true;
        case FLAG_NONOISE: out->noise = false; return true;
        case FLAG_SEED: out->noise_seed = -n[0]; return true;
        case FLAG_PRINTOUT: out->printout = true; return true;
        case FLAG_PRINTOUT_PIXEL:
            out->printout = out->printout_one = true;
            out->printout_fast = n[0];
            out->printout_slow = n[1];
            return true;
        case FLAG_PROGRESS: out->progress = true; return true;
        case FLAG_NOPROGRESS: out->progress = false; return true;
        case FLAG_TRACE_PIXEL:
            out->trace = true;
            out->trace_slow = n[0];
            out->trace_fast = n[1];
            return true;
        case FLAG_THREADS: out->threads = n[0]; return true;
        default: return false;
    }
}

void options_apply(options *o, const flag_use *use) {
    apply_order(&o->detector, use->id);
    if (apply_crystal(&o->crystal, use) || apply_structure_factors(&o->structure_factors, use) ||
        apply_beam(&o->beam, use) || apply_spindle(&o->spindle, use) || apply_vector(&o->detector, use) ||
        apply_placement(&o->detector, use) || apply_sampling(&o->detector, use) || apply_output(&o->output, use))
        return;
    switch (use->id) {
        case FLAG_DEFECTS:
            o->list_defects = strcmp(use->word, "list") == 0;
            if (!o->list_defects) o->defects = defects_parse(use->word);
            return;
        case FLAG_HELP: o->help = true; return;
        case FLAG_VERSION: o->version = true; return;
        default: message_fail("internal: %s is in the flag table but not handled", flags_name(use->id));
    }
}
