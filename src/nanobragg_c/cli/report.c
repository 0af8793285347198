#include "cli/report.h"

#include <inttypes.h>

#include "cli/solid_angle.h"

#define MOST_LISTED 20

static double degrees(double rad) { return rad * VEC_DEGREES_PER_RADIAN; }

static double angle_deg(vec3 a, vec3 b) { return degrees(acos(vec_dot(a, b) / (vec_length(a) * vec_length(b)))); }

static void report_detector(FILE *out, const detector *d) {
    fprintf(out, "%s convention, detector rotated about the %s\n", options_convention_name(d->convention),
            d->pivot == PIVOT_SAMPLE ? "sample" : "direct beam spot");
    fprintf(out, "%zu x %zu pixels (fast x slow) of %g mm, region fast %zu..%zu slow %zu..%zu\n", d->n_fast, d->n_slow,
            1000.0 * d->pixel_m, d->roi[0], d->roi[1], d->roi[2], d->roi[3]);
    fprintf(out, "distance %g mm, close distance %g mm\n", 1000.0 * d->distance_m, 1000.0 * d->close_distance_m);
    fprintf(out, "beam at fast %g mm, slow %g mm; nearest point at fast %g mm, slow %g mm\n", 1000.0 * d->Fbeam_m,
            1000.0 * d->Sbeam_m, 1000.0 * d->Fclose_m, 1000.0 * d->Sclose_m);
    fprintf(out, "DETECTOR_FAST_AXIS %.15g %.15g %.15g\n", d->axes.fast.x, d->axes.fast.y, d->axes.fast.z);
    fprintf(out, "DETECTOR_SLOW_AXIS %.15g %.15g %.15g\n", d->axes.slow.x, d->axes.slow.y, d->axes.slow.z);
    fprintf(out, "DETECTOR_NORMAL_AXIS %.15g %.15g %.15g\n", d->axes.normal.x, d->axes.normal.y, d->axes.normal.z);
    fprintf(out, "DETECTOR_PIX0_VECTOR %.15g %.15g %.15g\n", d->pix0_m.x, d->pix0_m.y, d->pix0_m.z);
    fprintf(out, "sensor: %zu layer(s), pitch %g um, attenuation %g per m\n", d->layers, 1e6 * d->layer_pitch_m,
            d->attenuation_per_m);
}

static void report_crystal(FILE *out, const crystal *c) {
    const vec3 *A = c->real_A, *S = c->reciprocal_A_inv;
    fprintf(out, "cell %g %g %g A, %g %g %g deg, volume %g A^3\n", vec_length(A[0]), vec_length(A[1]), vec_length(A[2]),
            angle_deg(A[1], A[2]), angle_deg(A[2], A[0]), angle_deg(A[0], A[1]), fabs(c->volume_A3));
    fprintf(out, "reciprocal cell %g %g %g 1/A, %g %g %g deg\n", vec_length(S[0]), vec_length(S[1]), vec_length(S[2]),
            angle_deg(S[1], S[2]), angle_deg(S[2], S[0]), angle_deg(S[0], S[1]));
    for (int i = 0; i < 3; i++)
        fprintf(out, "%c = %12.6g %12.6g %12.6g A   %c* = %12.6g %12.6g %12.6g 1/A\n", "abc"[i], A[i].x, A[i].y, A[i].z,
                "abc"[i], S[i].x, S[i].y, S[i].z);
    fprintf(out, "misset %.9f %.9f %.9f deg\n", degrees(c->misset_rad.x), degrees(c->misset_rad.y),
            degrees(c->misset_rad.z));
    fprintf(out, "%" PRId64 " x %" PRId64 " x %" PRId64 " cells = %g x %g x %g um\n", c->n_cells[0], c->n_cells[1],
            c->n_cells[2], 1e6 * vec_length(c->real_m[0]) * (double)c->n_cells[0],
            1e6 * vec_length(c->real_m[1]) * (double)c->n_cells[1],
            1e6 * vec_length(c->real_m[2]) * (double)c->n_cells[2]);
    fprintf(out, "%zu mosaic domain(s) over %g deg\n", c->domains, degrees(c->mosaic_spread_rad));
    fprintf(out, "%zu spindle step(s) from %g deg, step %g deg, range %g deg\n", c->phi_steps,
            degrees(c->phi_start_rad), degrees(c->phi_step_rad), degrees(c->phi_range_rad));
}

static void report_sources(FILE *out, const source_list *list) {
    fprintf(out, "%zu source(s): x y z (m), weight, wavelength (m)\n", list->count);
    for (size_t i = 0; i < list->count && i < MOST_LISTED; i++) {
        const source *s = &list->items[i];
        fprintf(out, "  %g %g %g  %g %g\n", s->position_m.x, s->position_m.y, s->position_m.z, s->weight,
                s->wavelength_m);
    }
    if (list->count > MOST_LISTED) fprintf(out, "  and %zu more\n", list->count - MOST_LISTED);
}

void report_experiment(FILE *out, const experiment *e) {
    static const char *const SHAPES[] = {"square", "round", "gauss", "tophat"};
    const scaling *s = &e->scaling;
    fprintf(out, "defects reproduced: ");
    defects_print_active(out, e->defects);
    fputc('\n', out);
    report_detector(out, &e->detector);
    report_crystal(out, &e->crystal);
    report_sources(out, &e->sources);
    if (e->structure_factor.table.rows > 0)
        fprintf(out, "structure factors of %s: text h k l F; %zu rows, %zu reflections, %zu in P1\n", e->hkl_file,
                e->structure_factor.table.rows, e->structure_factor.table.distinct, e->structure_factor.table.distinct);
    fprintf(out, "%s crystal, structure factors: %s\n", SHAPES[e->crystal.shape],
            e->structure_factor.interpolate ? "interpolated (tricubic)" : "nearest index");
    fprintf(out, "fluence %g photons/m^2, flux %g photons/s, polarization %g%s\n", s->fluence_photons_per_m2,
            s->flux_photons_per_s, e->kahn, e->polarization_active ? "" : " (off)");
    fprintf(out, "%zu x %zu sub-pixels, %" PRIu64 " steps\n", e->oversample, e->oversample, s->steps);
}

void report_pixel(FILE *out, const experiment *e, size_t slow, size_t fast, const pixel_result *r,
                  const pixel_workspace *w) {
    const scattering_indices *x = &w->indices;
    const crystal_orientations *list = &e->crystal.orientations;
    fprintf(out, "%4zu %4zu : stol = %.10g 1/m, position %.10g %.10g %.10g m\n", fast, slow, r->q.stol_per_m,
            r->geometry.position_m.x, r->geometry.position_m.y, r->geometry.position_m.z);
    if (w->count > 0) {
        size_t i = w->count - 1;
        fprintf(out, "  hkl %.10g %.10g %.10g = %.0f %.0f %.0f, F_cell %.10g, F_latt %.10g\n", x->h[0][i], x->h[1][i],
                x->h[2][i], x->rounded[0][i] + 0.0, x->rounded[1][i] + 0.0, x->rounded[2][i] + 0.0, w->F_electrons[i],
                w->lattice.product[i]);
        for (size_t axis = 0; axis < 3; axis++)
            fprintf(out, "  %c = %.10g %.10g %.10g A\n", "abc"[axis], 1e10 * list->axis[3 * axis][list->count - 1],
                    1e10 * list->axis[3 * axis + 1][list->count - 1], 1e10 * list->axis[3 * axis + 2][list->count - 1]);
    }
    fprintf(out, "  I %.10g, I/steps %.10g, polar %.10g, omega %.10g sr, capture %.10g, pixel %.10g photons\n", r->sum,
            r->sum / (double)e->scaling.steps, r->factors.polar, r->factors.omega_sr, r->factors.capture, r->photons);
}

void report_image(FILE *out, const experiment *e, const simulated_image *image, const statistics *s) {
    const detector *d = &e->detector;
    const double omega_sr = solid_angle_sr(d);
    const double last_sub_pixel = 1.0 - 0.5 / (double)e->oversample;
    fprintf(out, "%zu pixels computed, solid angle %g sr (%g of the sphere)\n", image->n_computed,
            omega_sr, omega_sr / 4.0 / VEC_PI);
    fprintf(out, "max_I = %g at %g %g m (fast %zu, slow %zu)\n", s->max,
            d->pixel_m * ((double)s->max_fast + last_sub_pixel), d->pixel_m * ((double)s->max_slow + last_sub_pixel),
            s->max_fast, s->max_slow);
    fprintf(out, "mean= %g rms= %g rmsd= %g\n", s->mean, s->rms, s->rmsd);
}
