/* One pixel: the stages in the order that light travels, and their sum. Sections 7 and 12 of docs/physics.md.
 *
 * (7.1)  Fdet = p' (f n + v) + p'/2,  Sdet = p' (s n + u) + p'/2,  p' = p/n [m]
 *        Odet = t dT with layer_front_face;  (t + 1/2) dT without
 * (7.4)  R = |r|,  d = r/R                                                  [m]
 * (12.1) I = sum over layers, sub-pixels, sources, spindle steps and domains of F_cell^2 F_latt^2 w
 */
#include "physics/pixel.h"

#include "base/seam.h"
#include "physics/polarization.h"
#include "trace/trace.h"

/* Spindle steps are traced one by one for SQUARE crystals. */
#define TRACED_BY_STEP(e, key) ((e)->lattice.shape == SHAPE_SQUARE ? (key) : NULL)

/* The source and ray whose scattering angle is traced. */
#define IS_LAST_RAY(p)                                                                                       \
    ((p)->step.source + 1 == (p)->e->sources.count && (p)->step.layer + 1 == (p)->e->detector.layers &&      \
     (p)->step.sub_slow + 1 == (p)->e->oversample && (p)->step.sub_fast + 1 == (p)->e->oversample)

/* The state of the current pixel. */
typedef struct pixel_pass {
    const experiment *e;
    pixel_workspace *w;
    trace_log *log;
    pixel_step step;
    pixel_result result;
} pixel_pass;

void pixel_prepare(pixel_workspace *w, const experiment *e) {
    w->first = w->count = 0;
    w->interpolation = e->structure_factor.interpolate;
}

/* Term of orientation i without the factors; false: it does not take part. */
static bool diffraction(const pixel_pass *p, size_t i, double *value) {
    double L = p->w->lattice.product[i], F = p->w->F_electrons[i];
    *value = 0.0;
    if (L == 0.0 && !p->e->scaling.water) return false;
    *value = F * F * (L * L);
    return true;
}

/* Historic accumulation: the factors multiply the whole sum after every term. */
static void accumulate_product(pixel_pass *p, double weight, scaling_factors f) {
    for (size_t i = 0; i < p->w->count; i++) {
        double value;
        bool counts = diffraction(p, i, &value);
        p->w->term[i] = value * weight * f.capture * f.polar * f.omega_sr;
        if (counts) p->result.sum = (p->result.sum + value * weight) * f.capture * f.polar * f.omega_sr;
    }
}

/* (12.1) */
static void accumulate_terms(pixel_pass *p, double weight, scaling_factors f) {
    double factor = weight * f.capture * f.polar * f.omega_sr, sum = p->result.sum;
    for (size_t i = 0; i < p->w->count; i++) {
        double value;
        diffraction(p, i, &value);
        p->w->term[i] = value * factor;
        SEAM_TERM("term.value", i, p->w->term[i]);
        sum += p->w->term[i];
    }
    p->result.sum = sum;
}

/* All orientations for one source and one direction. */
static void add_orientations(pixel_pass *p, double weight, scaling_factors f) {
    const experiment *e = p->e;
    const crystal_orientations *list = &e->crystal.orientations;
    pixel_workspace *w = p->w;
    for (w->first = 0; w->first < list->count; w->first += CRYSTAL_BLOCK) {
        size_t left = list->count - w->first;
        w->count = left < CRYSTAL_BLOCK ? left : CRYSTAL_BLOCK;
        size_t padded = (w->count + CRYSTAL_LANES - 1) / CRYSTAL_LANES * CRYSTAL_LANES;
        SEAM_PASS(p->step.source, w->first, w->count, e->crystal.domains);
        scattering_find_indices(list, w->first, padded, p->result.q.per_m, &w->indices);
        SEAM_TERMS("hkl_frac", TRACED_BY_STEP(e, "TRACE_PHI.k_frac"), 1, NULL, w->indices.h[0], 3, CRYSTAL_BLOCK);
        scattering_round_indices(padded, &w->indices);
        SEAM_TERMS("hkl_rounded", NULL, 0, "term.hkl_rounded", w->indices.rounded[0], 3, CRYSTAL_BLOCK);
        lattice_evaluate(&e->lattice, &w->indices, padded, &w->lattice);
        SEAM_TERMS("F_latt", TRACED_BY_STEP(e, "TRACE_PHI.F_latt"), 0, "term.F_latt", w->lattice.product, 1, 0);
        structure_factor_evaluate(&e->structure_factor, &w->indices, w->count, w->lattice.product, e->scaling.water,
                                  &w->interpolation, w->F_electrons);
        SEAM_TERMS("F_cell", NULL, 0, "term.F_cell", w->F_electrons, 1, 0);
        if (e->scaling.running_product)
            accumulate_product(p, weight, f);
        else
            accumulate_terms(p, weight, f);
        if (p->log != NULL) trace_block(p->log, e, &p->step, w, f);
    }
}

static double polarization_of(const pixel_pass *p) {
    const experiment *e = p->e;
    return polarization_factor(e->kahn, e->sources.items[p->step.source].incident, p->result.geometry.diffracted,
                               e->detector.polar, p->result.q.cos_2theta);
}

/* Water scatters in all directions, so no resolution limit applies, and its polarization is that of the ray. */
static void add_water(pixel_pass *p, double weight, scaling_factors f, bool beyond_dmin) {
    const experiment *e = p->e;
    if (beyond_dmin && e->polarization_active && e->scaling.oversample_polar)
        f.polar = e->unpolarized ? 1.0 : polarization_of(p);
    p->result.water += weight * f.capture * f.polar * f.omega_sr;
}

static void add_source(pixel_pass *p) {
    const experiment *e = p->e;
    pixel_result *r = &p->result;
    const source *beam = &e->sources.items[p->step.source];
    r->q = scattering_between(r->geometry.diffracted, beam);
    SEAM_IF(p->step.source == 0, "scattering_vec_A_inv", r->q.per_m);
    SEAM_OF_PIXEL_IF(IS_LAST_RAY(p), "cos_2theta", r->q.cos_2theta);
    if (p->log != NULL && p->step.source == 0) trace_sub_pixel(p->log, e, &p->step, r);
    bool beyond_dmin = scattering_beyond_dmin(&r->q, e->dmin_m);
    if (!beyond_dmin && e->polarization_active && (r->factors.polar == 0.0 || e->scaling.oversample_polar))
        r->factors.polar = polarization_of(p);
    scaling_factors f = scaling_of_term(&e->scaling, r->factors);
    SEAM_SOURCE("term.capture_fraction", p->step.source, f.capture);
    SEAM_SOURCE("term.polar", p->step.source, f.polar);
    SEAM_SOURCE("term.omega_sr", p->step.source, f.omega_sr);
    if (e->scaling.water) add_water(p, beam->term_factor, f, beyond_dmin);
    if (!beyond_dmin) add_orientations(p, beam->term_factor, f);
}

static void update_capture(pixel_pass *p) {
    const detector *d = &p->e->detector;
    double *capture = &p->result.factors.capture;
    if (d->thickness_m > 0.0) {
        if (*capture == 0.0 || p->e->scaling.oversample_thick)
            *capture = detector_capture(d, p->step.layer, p->result.geometry.diffracted);
    } else if (d->blank_without_thickness && p->e->scaling.oversample_thick) {
        *capture = 0.0;
    }
}

/* (7.1) (7.4) */
static void add_sub_pixel(pixel_pass *p, size_t slow, size_t fast) {
    const experiment *e = p->e;
    const detector *d = &e->detector;
    pixel_result *r = &p->result;
    SEAM_BLOCK((p->step.layer * e->oversample + p->step.sub_slow) * e->oversample + p->step.sub_fast);
    double size_m = d->pixel_m / (double)e->oversample;
    r->fast_m = size_m * (double)(fast * e->oversample + p->step.sub_fast) + size_m / 2.0;
    r->slow_m = size_m * (double)(slow * e->oversample + p->step.sub_slow) + size_m / 2.0;
    pixel_geometry *g = &r->geometry;
    const double depth_m = ((double)p->step.layer + d->into_layer) * d->layer_pitch_m;
    g->position_m = detector_position_m(d, r->fast_m, r->slow_m, depth_m);
    SEAM("pixel_pos_meters", g->position_m);
    g->R_m = vec_length(g->position_m);
    SEAM("R_distance_meters", g->R_m);
    g->diffracted = vec_make(g->position_m.x / g->R_m, g->position_m.y / g->R_m, g->position_m.z / g->R_m);
    SEAM("diffracted_vec", g->diffracted);
    g->obliquity = detector_plane_m(d, depth_m) / g->R_m;
    SEAM("obliquity_factor", g->obliquity);
    if (r->factors.omega_sr == 0.0 || e->scaling.oversample_omega)
        r->factors.omega_sr = detector_solid_angle_sr(d, g->R_m, g->obliquity);
    SEAM("omega_pixel_sr", r->factors.omega_sr);
    update_capture(p);
    for (p->step.source = 0; p->step.source < e->sources.count; p->step.source++) add_source(p);
    p->step.source = e->sources.count - 1;
    r->cos_2theta = r->q.cos_2theta;
    if (p->log != NULL) trace_end_sub_pixel(p->log);
}

/* Background that is scaled once joins the sum at the end, when its factors are known. */
static void finish_background(pixel_pass *p) {
    const experiment *e = p->e;
    const scaling *s = &e->scaling;
    if (!s->water || s->water_rescaled) return;
    if (p->result.factors.polar == 0.0 && e->polarization_active) p->result.factors.polar = polarization_of(p);
    double rays = (double)e->sources.count * (double)e->oversample * (double)e->oversample;
    if (!s->oversample_thick) rays *= (double)e->detector.layers; /* the last layer's value is used for all layers */
    p->result.background = scaling_background(s, p->result.water / rays);
    SEAM("I_background", p->result.background);
    p->result.sum += p->result.background;
}

pixel_result pixel_compute(const experiment *e, size_t slow, size_t fast, pixel_workspace *w, trace_log *log) {
    SEAM_BLOCK(SEAM_WHOLE_PIXEL);
    SEAM_PIXEL(slow, fast);
    pixel_pass p = {.e = e, .w = w, .log = log};
    pixel_result *r = &p.result;
    r->factors.polar = e->unpolarized ? 1.0 : 0.0;
    if (e->scaling.water_rescaled) {
        r->background = scaling_background(&e->scaling, 1.0);
        SEAM("I_background", r->background);
        r->sum = r->background;
    }
    for (p.step.layer = 0; p.step.layer < e->detector.layers; p.step.layer++) {
        r->factors.capture = e->detector.thickness_m > 0.0 ? 0.0 : 1.0;
        for (p.step.sub_slow = 0; p.step.sub_slow < e->oversample; p.step.sub_slow++)
            for (p.step.sub_fast = 0; p.step.sub_fast < e->oversample; p.step.sub_fast++) add_sub_pixel(&p, slow, fast);
    }
    SEAM_BLOCK(SEAM_WHOLE_PIXEL);
    SEAM("capture_fraction", r->factors.capture);
    SEAM("polar", r->factors.polar);
    SEAM("omega_pixel", r->factors.omega_sr);
    finish_background(&p);
    SEAM("I_before_scaling", r->sum);
    r->photons = scaling_photons(&e->scaling, r->sum, r->factors);
    SEAM("I_pixel_final", r->photons);
    r->stored_photons = (float)r->photons;
    SEAM_NUMBER("floatimage_accumulated", r->stored_photons);
    if (log != NULL) trace_end_pixel(log, e, r);
    return *r;
}
