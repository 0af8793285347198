#include "trace/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/message.h"

#define VEC_FORMAT "%.15g %.15g %.15g"
#define VEC_VALUES(v) (v).x, (v).y, (v).z

typedef struct text_buffer {
    char *text;
    size_t length, capacity;
} text_buffer;

struct trace_log {
    text_buffer lines;
    text_buffer terms; /* of the current sub-pixel: they follow its other lines */
};

static void append(text_buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(text_buffer *b, const char *format, ...) {
    const size_t longest_line = 1024;
    if (b->length + longest_line > b->capacity) {
        b->capacity = 2 * b->capacity + 4 * longest_line;
        b->text = message_reallocate(b->text, b->capacity, 1, "the trace");
    }
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(b->text + b->length, longest_line, format, arguments);
    va_end(arguments);
    if (n > 0) b->length += (size_t)n < longest_line ? (size_t)n : longest_line - 1;
}

trace_log *trace_create(void) { return message_allocate(1, sizeof(trace_log), "the trace"); }

void trace_print(FILE *out, trace_log *log) {
    fwrite(log->lines.text, 1, log->lines.length, out);
    free(log->lines.text);
    free(log->terms.text);
    free(log);
}

static void setup_vector(FILE *out, const char *key, vec3 v) {
    fprintf(out, "TRACE_C:%s=" VEC_FORMAT "\n", key, VEC_VALUES(v));
}

static void setup_real(FILE *out, const char *key, double x) { fprintf(out, "TRACE_C:%s=%.15g\n", key, x); }

static void setup_matrix(FILE *out, const char *key, mat3 a) {
    fprintf(out, "TRACE_C:%s=[" VEC_FORMAT "; " VEC_FORMAT "; " VEC_FORMAT "]\n", key, a.m[0][0], a.m[0][1], a.m[0][2],
            a.m[1][0], a.m[1][1], a.m[1][2], a.m[2][0], a.m[2][1], a.m[2][2]);
}

static void setup_start(FILE *out, const detector *d) {
    bool sample = d->pivot == PIVOT_SAMPLE;
    fprintf(out, "TRACE_C:detector_convention=%s\n", options_convention_name(d->convention));
    fprintf(out, "TRACE_C:angles_rad=rotx:%.15g roty:%.15g rotz:%.15g twotheta:%.15g\n", VEC_VALUES(d->rotation_rad),
            d->twotheta_rad);
    fprintf(out, "TRACE_C:beam_center_m=%s:%.15g %s:%.15g pixel_mm:%.15g\n", sample ? "Xclose" : "X",
            (sample ? d->Xclose_m : d->Xbeam_m) / 1000.0, sample ? "Yclose" : "Y",
            (sample ? d->Yclose_m : d->Ybeam_m) / 1000.0, d->pixel_m * 1000.0);
    setup_vector(out, "initial_fdet", d->built.initial.fast);
    setup_vector(out, "initial_sdet", d->built.initial.slow);
    setup_vector(out, "initial_odet", d->built.initial.normal);
}

static void setup_distances(FILE *out, const detector_construction *b) {
    setup_real(out, "close_distance_m", b->close_distance_m);
    setup_real(out, "ratio", b->ratio);
    setup_real(out, "distance_m", b->distance_m);
}

static void setup_axes(FILE *out, const detector *d) {
    setup_vector(out, "fdet_after_rotz", d->built.after_xyz.fast);
    setup_vector(out, "sdet_after_rotz", d->built.after_xyz.slow);
    setup_vector(out, "odet_after_rotz", d->built.after_xyz.normal);
    setup_vector(out, "twotheta_axis", d->twotheta_axis);
    setup_vector(out, "fdet_after_twotheta", d->axes.fast);
    setup_vector(out, "sdet_after_twotheta", d->axes.slow);
    setup_vector(out, "odet_after_twotheta", d->axes.normal);
}

static void setup_about_sample(FILE *out, const detector *d) {
    const detector_construction *b = &d->built;
    setup_real(out, "Fclose_m", b->Fclose_m);
    setup_real(out, "Sclose_m", b->Sclose_m);
    setup_distances(out, b);
    setup_vector(out, "term_fast_before_rot", b->term_fast_m);
    setup_vector(out, "term_slow_before_rot", b->term_slow_m);
    setup_vector(out, "term_close_before_rot", b->term_third_m);
    setup_vector(out, "pix0_before_rotation", b->pix0_unrotated_m);
    setup_vector(out, "pix0_after_rotz", b->pix0_after_xyz_m);
    setup_vector(out, "pix0_after_twotheta", b->pix0_m);
    setup_axes(out, d);
}

static void setup_about_beam(FILE *out, const detector *d) {
    const detector_construction *b = &d->built;
    setup_matrix(out, "Rx", b->rotation_x);
    setup_matrix(out, "Ry", b->rotation_y);
    setup_matrix(out, "Rz", b->rotation_z);
    setup_matrix(out, "R_total", b->rotation);
    setup_axes(out, d);
    setup_real(out, "Fbeam_m", b->Fbeam_m);
    setup_real(out, "Sbeam_m", b->Sbeam_m);
    setup_distances(out, b);
    setup_vector(out, "term_fast", b->term_fast_m);
    setup_vector(out, "term_slow", b->term_slow_m);
    setup_vector(out, "term_beam", b->term_third_m);
    setup_vector(out, "pix0_vector", b->pix0_m);
}

void trace_print_setup(FILE *out, const detector *d) {
    setup_start(out, d);
    if (d->pivot == PIVOT_SAMPLE)
        setup_about_sample(out, d);
    else
        setup_about_beam(out, d);
}

void trace_print_context(FILE *out, const experiment *e, size_t slow, size_t fast) {
    fprintf(out, "TRACE_C: pixel_slow_fast %zu %zu\nTRACE_C: defects ", slow, fast);
    defects_print_active(out, e->defects);
    fprintf(out, "\nTRACE_C: beam_vector " VEC_FORMAT "\n", VEC_VALUES(e->detector.beam));
    fprintf(out, "TRACE_C: polar_vector " VEC_FORMAT "\n", VEC_VALUES(e->detector.polar));
    fprintf(out, "TRACE_C: spindle_axis " VEC_FORMAT "\n", VEC_VALUES(e->detector.spindle));
    fprintf(out, "TRACE_C: sources %zu\nTRACE_C: mosaic_domains %zu\nTRACE_C: phi_steps %zu\n", e->sources.count,
            e->crystal.domains, e->crystal.phi_steps);
    fprintf(out, "TRACE_C: oversample %zu\nTRACE_C: thick_steps %zu\n", e->oversample, e->detector.layers);
    fprintf(out, "TRACE_C: N_cells %" PRId64 " %" PRId64 " %" PRId64 "\n", e->crystal.n_cells[0], e->crystal.n_cells[1],
            e->crystal.n_cells[2]);
}

static void line_vector(trace_log *log, const char *key, vec3 v) {
    append(&log->lines, "TRACE_C: %s " VEC_FORMAT "\n", key, VEC_VALUES(v));
}

static void line_real(trace_log *log, const char *key, double x) { append(&log->lines, "TRACE_C: %s %.15g\n", key, x); }

void trace_sub_pixel(trace_log *log, const experiment *e, const pixel_step *step, const pixel_result *r) {
    const detector *d = &e->detector;
    const source *beam = &e->sources.items[step->source];
    append(&log->lines, "TRACE_C: subpixel %zu %zu %zu\n", step->layer, step->sub_slow, step->sub_fast);
    line_vector(log, "pix0_vector_meters", d->pix0_m);
    line_vector(log, "fdet_vec", d->axes.fast);
    line_vector(log, "sdet_vec", d->axes.slow);
    line_vector(log, "pixel_pos_meters", r->geometry.position_m);
    line_real(log, "R_distance_meters", r->geometry.R_m);
    line_real(log, "omega_pixel_sr", r->factors.omega_sr);
    line_real(log, "close_distance_meters", d->close_distance_m);
    line_real(log, "obliquity_factor", r->geometry.obliquity);
    line_vector(log, "diffracted_vec", r->geometry.diffracted);
    line_vector(log, "incident_vec", beam->incident);
    line_real(log, "lambda_meters", beam->wavelength_m);
    line_real(log, "lambda_angstroms", beam->wavelength_A);
    line_vector(log, "scattering_vec_A_inv", r->q.per_m);
}

static void line_phi(trace_log *log, const experiment *e, const pixel_workspace *w, size_t i, size_t phi_tic) {
    if (e->lattice.shape != SHAPE_SQUARE) return;
    append(&log->lines, "TRACE_C_PHI phi_tic=%zu phi_deg=%.15g k_frac=%.15g F_latt_b=%.15g F_latt=%.15g\n", phi_tic,
           e->crystal.phi_deg[phi_tic], w->indices.h[1][i], w->lattice.axis[1][i], w->lattice.product[i]);
}

/* Orientation, indices and factors of the first orientation. */
static void lines_orientation(trace_log *log, const experiment *e, const pixel_workspace *w) {
    static const char *const AXIS_KEYS[] = {"rot_a_angstroms", "rot_b_angstroms", "rot_c_angstroms"};
    static const char *const STAR_KEYS[] = {"rot_a_star_A_inv", "rot_b_star_A_inv", "rot_c_star_A_inv"};
    static const char *const LATTICE_KEYS[] = {"F_latt_a", "F_latt_b", "F_latt_c"};
    const crystal_orientations *list = &e->crystal.orientations;
    for (int i = 0; i < 3; i++)
        line_vector(
            log, AXIS_KEYS[i],
            vec_make(1e10 * list->axis[3 * i][0], 1e10 * list->axis[3 * i + 1][0], 1e10 * list->axis[3 * i + 2][0]));
    for (int i = 0; i < 3; i++) line_vector(log, STAR_KEYS[i], e->crystal.reciprocal_A_inv[i]);
    const scattering_indices *x = &w->indices;
    line_vector(log, "hkl_frac", vec_make(x->h[0][0], x->h[1][0], x->h[2][0]));
    append(&log->lines, "TRACE_C: hkl_rounded %.0f %.0f %.0f\n", x->rounded[0][0] + 0.0, x->rounded[1][0] + 0.0,
           x->rounded[2][0] + 0.0);
    if (e->lattice.shape == SHAPE_SQUARE)
        for (int i = 0; i < 3; i++) line_real(log, LATTICE_KEYS[i], w->lattice.axis[i][0]);
    line_real(log, "F_latt", w->lattice.product[0]);
    line_phi(log, e, w, 0, 0);
    line_real(log, "F_cell", w->F_electrons[0]);
}

void trace_block(trace_log *log, const experiment *e, const pixel_step *step, const pixel_workspace *w,
                 scaling_factors f) {
    for (size_t i = 0; i < w->count; i++) {
        size_t phi_tic = (w->first + i) / e->crystal.domains, domain = (w->first + i) % e->crystal.domains;
        if (step->source == 0 && domain == 0) {
            if (phi_tic == 0)
                lines_orientation(log, e, w);
            else
                line_phi(log, e, w, i, phi_tic);
        }
        append(&log->terms,
               "TRACE_C: term %zu %zu %zu %zu %zu %zu %.0f %.0f %.0f %.15g %.15g %.15g %.15g %.15g %.15g\n",
               step->layer, step->sub_slow, step->sub_fast, step->source, phi_tic, domain,
               w->indices.rounded[0][i] + 0.0, w->indices.rounded[1][i] + 0.0, w->indices.rounded[2][i] + 0.0,
               w->lattice.product[i], w->F_electrons[i], f.capture, f.polar, f.omega_sr, w->term[i]);
    }
}

void trace_end_sub_pixel(trace_log *log) {
    text_buffer *lines = &log->lines;
    if (lines->length + log->terms.length > lines->capacity) {
        lines->capacity = 2 * (lines->length + log->terms.length);
        lines->text = message_reallocate(lines->text, lines->capacity, 1, "the trace");
    }
    if (log->terms.length > 0) memcpy(lines->text + lines->length, log->terms.text, log->terms.length);
    lines->length += log->terms.length;
    log->terms.length = 0;
}

void trace_end_pixel(trace_log *log, const experiment *e, const pixel_result *r) {
    const scaling *s = &e->scaling;
    line_real(log, "I_background", r->background);
    line_real(log, "I_before_scaling", r->sum);
    line_real(log, "r_e_meters", s->r_e_m);
    line_real(log, "r_e_sqr", s->r_e_sqr_m2);
    line_real(log, "fluence_photons_per_m2", s->fluence_photons_per_m2);
    append(&log->lines, "TRACE_C: steps %" PRIu64 "\n", s->steps);
    append(&log->lines, "TRACE_C: oversample_thick %d\n", s->oversample_thick);
    append(&log->lines, "TRACE_C: oversample_polar %d\n", s->oversample_polar);
    append(&log->lines, "TRACE_C: oversample_omega %d\n", s->oversample_omega);
    line_real(log, "capture_fraction", r->factors.capture);
    line_real(log, "polar", r->factors.polar);
    line_real(log, "omega_pixel", r->factors.omega_sr);
    line_real(log, "cos_2theta", r->cos_2theta);
    line_real(log, "I_pixel_final", r->photons);
    line_real(log, "floatimage_accumulated", (double)r->stored_photons);
}
