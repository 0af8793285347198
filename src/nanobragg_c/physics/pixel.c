#include "physics/pixel.h"

#include "physics/polarization.h"
#include "trace/trace.h"

/* One pixel under way. */
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

static void accumulate_terms(pixel_pass *p, double weight, scaling_factors f) {
    double factor = weight * f.capture * f.polar * f.omega_sr, sum = p->result.sum;
    for (size_t i = 0; i < p->w->count; i++) {
        double value;
        diffraction(p, i, &value);
        p->w->term[i] = value * factor;
        sum += p->w->term[i];
    }
    p->result.sum = sum;
}

/* All orientations for one source and one direction. */
static void add_orientations(pixel_pass *p, double weight) {
    const experiment *e = p->e;
    const crystal_orientations *list = &e->crystal.orientations;
    pixel_workspace *w = p->w;
    scaling_factors f = scaling_of_term(&e->scaling, p->result.factors);
    for (w->first = 0; w->first < list->count; w->first += CRYSTAL_BLOCK) {
        size_t left = list->count - w->first;
        w->count = left < CRYSTAL_BLOCK ? left : CRYSTAL_BLOCK;
        size_t padded = (w->count + CRYSTAL_LANES - 1) / CRYSTAL_LANES * CRYSTAL_LANES;
        scattering_find_indices(list, w->first, padded, p->result.q.per_m, &w->indices);
        lattice_evaluate(&e->lattice, &w->indices, padded, &w->lattice);
        structure_factor_evaluate(&e->structure_factor, &w->indices, w->count, w->lattice.product, e->scaling.water,
                                  &w->interpolation, w->F_electrons);
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

static void add_source(pixel_pass *p) {
    const experiment *e = p->e;
    pixel_result *r = &p->result;
    const source *beam = &e->sources.items[p->step.source];
    r->q = scattering_between(r->geometry.diffracted, beam);
    if (p->log != NULL && p->step.source == 0) trace_sub_pixel(p->log, e, &p->step, r);
    if (scattering_beyond_dmin(&r->q, e->dmin_m)) return;
    if (e->polarization_active && (r->factors.polar == 0.0 || e->scaling.oversample_polar))
        r->factors.polar = polarization_of(p);
    add_orientations(p, beam->term_factor);
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

static void add_sub_pixel(pixel_pass *p, size_t slow, size_t fast) {
    const experiment *e = p->e;
    const detector *d = &e->detector;
    pixel_result *r = &p->result;
    double size_m = d->pixel_m / (double)e->oversample;
    r->fast_m = size_m * (double)(fast * e->oversample + p->step.sub_fast) + size_m / 2.0;
    r->slow_m = size_m * (double)(slow * e->oversample + p->step.sub_slow) + size_m / 2.0;
    pixel_geometry *g = &r->geometry;
    g->position_m = detector_position_m(d, r->fast_m, r->slow_m, (double)p->step.layer * d->layer_pitch_m);
    g->R_m = vec_length(g->position_m);
    g->diffracted = vec_make(g->position_m.x / g->R_m, g->position_m.y / g->R_m, g->position_m.z / g->R_m);
    g->obliquity = d->close_distance_m / g->R_m;
    if (r->factors.omega_sr == 0.0 || e->scaling.oversample_omega)
        r->factors.omega_sr = detector_solid_angle_sr(d, g->R_m, g->obliquity);
    update_capture(p);
    for (p->step.source = 0; p->step.source < e->sources.count; p->step.source++) add_source(p);
    p->step.source = e->sources.count - 1;
    r->cos_2theta = r->q.cos_2theta;
    if (p->log != NULL) trace_end_sub_pixel(p->log);
}

/* Background that is scaled once joins the sum at the end, when its factors are known. */
static void finish_background(pixel_pass *p) {
    const scaling *s = &p->e->scaling;
    if (!s->water || s->water_rescaled) return;
    if (p->result.factors.polar == 0.0 && p->e->polarization_active) p->result.factors.polar = polarization_of(p);
    p->result.background = scaling_background(s, p->result.factors);
    p->result.sum += p->result.background;
}

pixel_result pixel_compute(const experiment *e, size_t slow, size_t fast, pixel_workspace *w, trace_log *log) {
    pixel_pass p = {.e = e, .w = w, .log = log};
    pixel_result *r = &p.result;
    r->factors.polar = e->unpolarized ? 1.0 : 0.0;
    if (e->scaling.water_rescaled) r->background = r->sum = scaling_background(&e->scaling, r->factors);
    for (p.step.layer = 0; p.step.layer < e->detector.layers; p.step.layer++) {
        r->factors.capture = e->detector.thickness_m > 0.0 ? 0.0 : 1.0;
        for (p.step.sub_slow = 0; p.step.sub_slow < e->oversample; p.step.sub_slow++)
            for (p.step.sub_fast = 0; p.step.sub_fast < e->oversample; p.step.sub_fast++) add_sub_pixel(&p, slow, fast);
    }
    finish_background(&p);
    r->photons = scaling_photons(&e->scaling, r->sum, r->factors);
    if (log != NULL) trace_end_pixel(log, e, r);
    return *r;
}
