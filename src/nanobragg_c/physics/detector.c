/* The detector: conventions, placement, sensor. Section 6 of docs/physics.md.
 *
 * (6.1)  nF = ceil(sizeF/p - 1/2),  nS = ceil(sizeS/p - 1/2)
 * (6.4)  O = unit(F x S) where |O| is not exactly 1 with normal_exact_length;  where no O is given without
 *        its sign so that b.O > 0 without normal_by_handedness
 * (6.5)  ratio = b.Rxyz(O; rotation);  b.O of (6.7) for BEAM and a given close without distance_without_twotheta
 * (6.6)  close = |ratio distance| where not given,  distance = close/ratio  [m]
 * (6.7)  F, S, O <- Raxis(Rxyz(F; rotation); two-theta axis, two-theta),  S, O likewise
 * (6.8)  SAMPLE: pix0 = Raxis(Rxyz(-Fclose F - Sclose S + close O; rotation); two-theta axis, two-theta)        [m]
 * (6.9)  BEAM: pix0 = -Fbeam F - Sbeam S + distance b                       [m]
 * (6.10) close = pix0.O,  distance = close/ratio,  Fclose = -pix0.F,  Sclose = -pix0.S              [m]
 * (6.11) Fbeam = F.(distance b - pix0),  Sbeam = S.(distance b - pix0)      [m]
 */
#include "physics/detector.h"

#include <float.h>

#include "base/message.h"
#include "base/seam.h"
#include "cli/beam_flags.h"
#include "physics/detector_centre.h"
#include "physics/steps.h"

#define DETECTOR_MAX_PIXELS 2147483647.0

typedef struct convention_row {
    vec3 beam, fast, slow, normal, twotheta_axis, polar, spindle;
    options_pivot pivot;
} convention_row;

static const convention_row CONVENTIONS[] = {
    [CONVENTION_MOSFLM] = {{1, 0, 0}, {0, 0, 1}, {0, -1, 0}, {1, 0, 0}, {0, 0, -1}, {0, 0, 1}, {0, 0, 1}, PIVOT_BEAM},
    [CONVENTION_DENZO] = {{1, 0, 0}, {0, 0, 1}, {0, -1, 0}, {1, 0, 0}, {0, 0, -1}, {0, 0, 1}, {0, 0, 1}, PIVOT_BEAM},
    [CONVENTION_ADXV] = {{0, 0, 1}, {1, 0, 0}, {0, -1, 0}, {0, 0, 1}, {-1, 0, 0}, {1, 0, 0}, {1, 0, 0}, PIVOT_BEAM},
    [CONVENTION_XDS] = {{0, 0, 1}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}, PIVOT_SAMPLE},
    [CONVENTION_DIALS] = {{0, 0, 1}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0, 1, 0}, {0, 1, 0}, {0, 1, 0}, PIVOT_SAMPLE},
    [CONVENTION_CUSTOM] = {{1, 0, 0}, {0, 0, 1}, {0, -1, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {0, 0, 1}, PIVOT_NONE},
};

/* (6.1) */
static void set_size(detector *d, const options_detector *o) {
    d->pixel_m = o->pixel_m;
    d->size_fast_m = o->n_fast > 0 ? d->pixel_m * (double)o->n_fast : o->size_fast_m;
    d->size_slow_m = o->n_slow > 0 ? d->pixel_m * (double)o->n_slow : o->size_slow_m;
    double n_fast = ceil(d->size_fast_m / d->pixel_m - 0.5), n_slow = ceil(d->size_slow_m / d->pixel_m - 0.5);
    if (!(n_fast >= 1.0 && n_slow >= 1.0 && n_fast * n_slow <= DETECTOR_MAX_PIXELS))
        message_fail(
            "the detector would have %g x %g pixels, expected from 1 to %.0f in all; check -detsize, -detpixels "
            "and -pixel",
            n_fast + 0.0, n_slow + 0.0, DETECTOR_MAX_PIXELS);
    d->n_fast = (size_t)n_fast;
    d->n_slow = (size_t)n_slow;
    if (o->mask.counted != NULL && ((size_t)o->mask.n_fast != d->n_fast || (size_t)o->mask.n_slow != d->n_slow))
        message_fail("-mask: '%s' has %lld x %lld pixels, the detector %zu x %zu; give a mask of the detector's size",
                     o->mask_file, (long long)o->mask.n_fast, (long long)o->mask.n_slow, d->n_fast, d->n_slow);
    d->mask = o->mask.counted;
}

/* Limits that are not given or negative are the edges; limits beyond the edge are cut. */
static void set_roi(detector *d, const int64_t given[4]) {
    const int64_t edge[2] = {(int64_t)d->n_fast - 1, (int64_t)d->n_slow - 1};
    for (int i = 0; i < 2; i++) {
        int64_t first = given[2 * i] < 0 ? 0 : given[2 * i];
        int64_t last = given[2 * i + 1] < 0 || given[2 * i + 1] > edge[i] ? edge[i] : given[2 * i + 1];
        if (first > last)
            message_fail(
                "-roi: %s limits %lld %lld hold no pixel of the detector (0 to %lld); usage: -roi xmin xmax ymin ymax",
                i == 0 ? "fast" : "slow", (long long)given[2 * i], (long long)given[2 * i + 1], (long long)edge[i]);
        d->roi[2 * i] = (size_t)first;
        d->roi[2 * i + 1] = (size_t)last;
    }
}

static vec3 choose(options_vector given, bool custom, vec3 fallback) {
    return custom && given.given ? given.value : fallback;
}

/* (6.4) */
static vec3 choose_normal(const options *o, bool custom, vec3 fallback, const detector_axes *a, vec3 beam) {
    const options_vector *given = &o->detector.odet;
    vec3 product = vec_unit(vec_cross(a->fast, a->slow));
    bool upstream = vec_dot(product, beam) < 0.0;
    if (upstream && !defect_active(o->defects, DEFECT_NORMAL_BY_HANDEDNESS)) product = vec_scale(-1.0, product);
    bool by_length = defect_active(o->defects, DEFECT_NORMAL_EXACT_LENGTH);
    if (!custom) return fallback;
    if (!by_length) return given->given ? vec_unit(given->value) : product;
    vec3 normal = given->given ? given->value : fallback;
    if (vec_length(normal) == 1.0) return normal;
    message_warn(o->warnings,
                 "-odet_vector: its length is not exactly 1, so the detector normal is made of fast x slow: %g %g %g "
                 "(defect normal_exact_length)",
                 product.x, product.y, product.z);
    return product;
}

static void set_directions(detector *d, const options *o) {
    const options_detector *given = &o->detector;
    d->convention = given->convention;
    bool custom = d->convention == CONVENTION_CUSTOM;
    const convention_row *row = &CONVENTIONS[d->convention];
    d->beam = vec_unit(choose(given->beam, custom, row->beam));
    SEAM("beam_vector", d->beam);
    d->polar = vec_unit(choose(given->polar, custom, row->polar));
    SEAM("polar_vector", d->polar);
    d->spindle = vec_unit(choose(given->spindle, custom, row->spindle));
    SEAM("spindle_axis", d->spindle);
    d->twotheta_axis = choose(given->twotheta_axis, custom, row->twotheta_axis);
    if (!defect_active(o->defects, DEFECT_AXIS_NOT_NORMALISED)) d->twotheta_axis = vec_unit(d->twotheta_axis);
    SEAM("twotheta_axis", d->twotheta_axis);
    d->built.initial.fast = vec_unit(choose(given->fdet, custom, row->fast));
    d->built.initial.slow = vec_unit(choose(given->sdet, custom, row->slow));
    SEAM("initial_fdet", d->built.initial.fast);
    SEAM("initial_sdet", d->built.initial.slow);
    if (vec_length(vec_cross(d->built.initial.fast, d->built.initial.slow)) < 1e-9)
        message_fail(
            "-fdet_vector, -sdet_vector: the fast and slow directions are parallel; give two different directions");
    d->built.initial.normal = choose_normal(o, custom, row->normal, &d->built.initial, d->beam);
    SEAM("initial_odet", d->built.initial.normal);
}

static void set_pivot(detector *d, const options *o) {
    options_pivot forced = CONVENTIONS[d->convention].pivot, wanted = o->detector.explicit_pivot;
    d->pivot = forced != PIVOT_NONE ? forced : o->detector.pivot;
    if (d->pivot == PIVOT_NONE) d->pivot = PIVOT_BEAM;
    if (!defect_active(o->defects, DEFECT_PIVOT_OVERWRITTEN)) {
        if (wanted != PIVOT_NONE) d->pivot = wanted;
    } else if (wanted != PIVOT_NONE && wanted != d->pivot) {
        message_warn(
            o->warnings,
            "-pivot %s is not used: the %s (defect pivot_overwritten); add `-defects default,-pivot_overwritten` "
            "to use it",
            wanted == PIVOT_SAMPLE ? "sample" : "beam",
            forced != PIVOT_NONE ? "convention sets the pivot" : "last flag that implies a pivot wins");
    }
}

static void set_rotation(detector_construction *b, vec3 angles_rad) {
    b->rotation_x = mat_rotation_x(angles_rad.x);
    b->rotation_y = mat_rotation_y(angles_rad.y);
    b->rotation_z = mat_rotation_z(angles_rad.z);
    SEAM("Rx", b->rotation_x);
    SEAM("Ry", b->rotation_y);
    SEAM("Rz", b->rotation_z);
    b->rotation = mat_multiply(b->rotation_z, mat_multiply(b->rotation_y, b->rotation_x));
    SEAM("R_total", b->rotation);
}

/* About lab x, then y, then z. (6.7) */
static vec3 turn(const detector_construction *b, vec3 v) {
    return mat_apply(b->rotation_z, mat_apply(b->rotation_y, mat_apply(b->rotation_x, v)));
}

static vec3 swing(const detector *d, vec3 v) { return vec_rotate_axis(v, d->twotheta_axis, d->twotheta_rad); }

/* (6.8) */
static void place_about_sample(detector *d) {
    detector_construction *b = &d->built;
    b->term_fast_m = vec_scale(-b->Fclose_m, b->initial.fast);
    b->term_slow_m = vec_scale(-b->Sclose_m, b->initial.slow);
    b->term_third_m = vec_scale(b->close_distance_m, b->initial.normal);
    SEAM("term_fast_before_rot", b->term_fast_m);
    SEAM("term_slow_before_rot", b->term_slow_m);
    SEAM("term_close_before_rot", b->term_third_m);
    b->pix0_unrotated_m = vec_add(vec_add(b->term_fast_m, b->term_slow_m), b->term_third_m);
    SEAM("pix0_before_rotation", b->pix0_unrotated_m);
    b->pix0_after_xyz_m = turn(b, b->pix0_unrotated_m);
    SEAM("pix0_after_rotz", b->pix0_after_xyz_m);
    b->pix0_m = swing(d, b->pix0_after_xyz_m);
    SEAM("pix0_after_twotheta", b->pix0_m);
}

/* (6.9) */
static void place_about_beam(detector *d) {
    detector_construction *b = &d->built;
    b->term_fast_m = vec_scale(-b->Fbeam_m, d->axes.fast);
    b->term_slow_m = vec_scale(-b->Sbeam_m, d->axes.slow);
    b->term_third_m = vec_scale(b->distance_m, d->beam);
    SEAM("term_fast", b->term_fast_m);
    SEAM("term_slow", b->term_slow_m);
    SEAM("term_beam", b->term_third_m);
    b->pix0_m = vec_add(vec_add(b->term_fast_m, b->term_slow_m), b->term_third_m);
    SEAM("pix0_vector", b->pix0_m);
}

/* A ratio of 0 would put the detector at infinity along the beam. */
static double safe_ratio(double ratio) { return ratio == 0.0 ? DBL_MIN : ratio; }

/* A given close distance holds through all rotations. Historically, two-theta changes it for a detector that pivots
 * about the beam spot. (6.5) (6.6) */
static void set_distances(detector *d, const options *o) {
    detector_construction *b = &d->built;
    b->close_distance_m = o->detector.close_distance_m;
    bool kept = !isnan(b->close_distance_m) && d->pivot == PIVOT_BEAM &&
                !defect_active(o->defects, DEFECT_DISTANCE_WITHOUT_TWOTHETA);
    b->ratio = safe_ratio(vec_dot(d->beam, kept ? d->axes.normal : b->after_xyz.normal));
    SEAM("ratio", b->ratio);
    if (isnan(b->close_distance_m)) b->close_distance_m = fabs(b->ratio * o->detector.distance_m);
    SEAM("close_distance_m", b->close_distance_m);
    b->distance_m = b->close_distance_m / b->ratio;
    SEAM("distance_m", b->distance_m);
}

static void place(detector *d, const options *o) {
    detector_construction *b = &d->built;
    const detector_axes *initial = &b->initial;
    set_rotation(b, d->rotation_rad);
    b->after_xyz = (detector_axes){turn(b, initial->fast), turn(b, initial->slow), turn(b, initial->normal)};
    SEAM("fdet_after_rotz", b->after_xyz.fast);
    SEAM("sdet_after_rotz", b->after_xyz.slow);
    SEAM("odet_after_rotz", b->after_xyz.normal);
    d->axes = (detector_axes){swing(d, b->after_xyz.fast), swing(d, b->after_xyz.slow), swing(d, b->after_xyz.normal)};
    SEAM("fdet_after_twotheta", d->axes.fast);
    SEAM("sdet_after_twotheta", d->axes.slow);
    SEAM("odet_after_twotheta", d->axes.normal);
    set_distances(d, o);
    if (d->pivot == PIVOT_SAMPLE) {
        place_about_sample(d);
    } else {
        detector_move_spot_to_near_point(d, o);
        place_about_beam(d);
    }
    d->pix0_m = b->pix0_m;
    if (!o->detector.pix0_m.given) return;
    if (defect_active(o->defects, DEFECT_PIX0_IGNORED))
        message_warn(o->warnings,
                     "-pix0_vector: its numbers are not used, only its CUSTOM convention is (defect pix0_ignored); add "
                     "`-defects default,-pix0_ignored` to use them");
    else
        d->pix0_m = o->detector.pix0_m.value;
}

/* Distances and points that follow from the final corner and axes. (6.10) (6.11) */
static void rederive(detector *d, bool ratio_without_twotheta) {
    SEAM("pix0_vector_meters", d->pix0_m);
    double ratio = ratio_without_twotheta ? d->built.ratio : safe_ratio(vec_dot(d->beam, d->axes.normal));
    d->Fclose_m = -vec_dot(d->pix0_m, d->axes.fast);
    d->Sclose_m = -vec_dot(d->pix0_m, d->axes.slow);
    d->close_distance_m = vec_dot(d->pix0_m, d->axes.normal);
    SEAM("close_distance_meters", d->close_distance_m);
    d->distance_m = d->close_distance_m / ratio;
    vec3 to_beam_spot = vec_subtract(vec_scale(d->distance_m, d->beam), d->pix0_m);
    d->Fbeam_m = vec_dot(d->axes.fast, to_beam_spot);
    d->Sbeam_m = vec_dot(d->axes.slow, to_beam_spot);
    d->ORGX_pixels = d->Fclose_m / d->pixel_m + 0.5;
    d->ORGY_pixels = d->Sclose_m / d->pixel_m + 0.5;
    d->dials_origin_mm = vec_make(1000.0 * d->pix0_m.z, 1000.0 * d->pix0_m.y, 1000.0 * -d->pix0_m.x);
    if (!isfinite(vec_length(d->pix0_m)) || d->close_distance_m == 0.0 || !isfinite(d->distance_m))
        message_fail(
            "the detector cannot be placed: its plane holds the sample or the beam does not meet it (close distance "
            "%g m, distance %g m); check -distance, -close_distance, the vectors and rotations",
            d->close_distance_m, d->distance_m);
}

static void set_sensor(detector *d, const options *o) {
    const options_detector *given = &o->detector;
    d->thickness_m = given->thickness_m;
    steps_grid layers =
        steps_resolve_layers(given->thick_steps, given->thickness_m, defect_active(o->defects, DEFECT_LAYER_PITCH));
    d->layers = (size_t)layers.count;
    SEAM_NUMBER("thick_steps", d->layers);
    d->layer_pitch_m = layers.step;
    d->attenuation_per_m = given->attenuation_per_m;
    if (isnan(d->attenuation_per_m)) d->attenuation_per_m = d->thickness_m > 0.0 ? 1.0 / d->thickness_m : 0.0;
    if (d->thickness_m > 0.0 && d->attenuation_per_m == 0.0)
        message_warn(
            o->warnings,
            "-detector_thick: a sensor that absorbs nothing (-detector_abs inf or 0) makes the image 0; give an "
            "attenuation length in um");
    d->front_face = defect_active(o->defects, DEFECT_LAYER_FRONT_FACE);
    d->into_layer = d->front_face ? 0.0 : 0.5;
    d->blank_without_thickness = defect_active(o->defects, DEFECT_BLANK_WITHOUT_THICKNESS);
}

detector detector_build(const options *o) {
    detector d = {.rotation_rad = o->detector.rotation_rad,
                  .twotheta_rad = o->detector.twotheta_rad,
                  .curved = o->detector.curved,
                  .point_pixel = o->detector.point_pixel,
                  .curved_by_lab_axes = defect_active(o->defects, DEFECT_CURVED_AXES),
                  .negative_back = defect_active(o->defects, DEFECT_BACK_FACE_NEGATIVE)};
    SEAM_ANGLES(d.rotation_rad, d.twotheta_rad);
    set_size(&d, &o->detector);
    set_roi(&d, o->detector.roi);
    set_directions(&d, o);
    detector_warn_of_unused_vectors(o);
    set_pivot(&d, o);
    beam_flags_warn(o, d.pivot);
    detector_set_centre(&d, o);
    place(&d, o);
    rederive(&d, defect_active(o->defects, DEFECT_DISTANCE_WITHOUT_TWOTHETA));
    SEAM("fdet_vec", d.axes.fast);
    SEAM("sdet_vec", d.axes.slow);
    set_sensor(&d, o);
    detector_check_front(&d, o);
    return d;
}
