/* The sources of the beam. Section 3 of docs/physics.md.
 *
 * (3.2)  eta_h = dh i - rh/2,  eta_v = dv j - rv/2 with divergence_grid     [rad]
 *        eta_h = dh (i - (nh - 1)/2),  eta_v = dv (j - (nv - 1)/2) without
 * (3.3)  4 ((eta_h^2 - e_h dh^2/4)/rh^2 + (eta_v^2 - e_v dv^2/4)/rv^2) <= 1.1,  e = 1 for an even count, else 0
 * (3.4)  s = Raxis(Raxis(-10 b; P, eta_v); V, eta_h),  V = unit(b x P)      [m]
 * (3.5)  lambda_k = lambda_0 (1 + dd k - rd/2);  dd (k - (nd - 1)/2) without divergence_grid        [m]
 * (3.6)  i = -unit(s)
 * (3.7)  w = weight n_src / sum of the weights, 1 with source_weights_ignored
 */
#include "physics/sources.h"

#include <stdlib.h>

#include "base/message.h"
#include "base/seam.h"
#include "io/source_file.h"

#define SOURCE_DISTANCE_M 10.0
#define ROUND_DIVERGENCE_LIMIT 1.1 /* (3.3) */
#define SOURCES_MAX 10000000 /* of 104 bytes */

/* Inside the ellipse of a round divergence. A range of 0 puts no limit. (3.3) */
static bool inside_ellipse(double h, double v, const steps_grid *horizontal, const steps_grid *vertical) {
    double even_h = (double)(1 - horizontal->count % 2), even_v = (double)(1 - vertical->count % 2);
    double h_term = h * h - horizontal->step * horizontal->step / 4.0 * even_h;
    double v_term = v * v - vertical->step * vertical->step / 4.0 * even_v;
    if (horizontal->range == 0.0 || vertical->range == 0.0) return true;
    double e = h_term / (horizontal->range * horizontal->range) + v_term / (vertical->range * vertical->range);
    return !(e * 4.0 > ROUND_DIVERGENCE_LIMIT);
}

/* The distance from the first point of a grid to its middle: half its range, or half its steps. */
static double half_extent(const steps_grid *g, bool historic) {
    return historic ? g->range / 2.0 : g->step * (double)(g->count - 1) / 2.0;
}

/* (3.2) (3.4) (3.5) */
static source_list generate(const options *o, vec3 beam, vec3 polar) {
    bool historic = defect_active(o->defects, DEFECT_DIVERGENCE_GRID);
    steps_grid h_grid = steps_resolve(o->beam.hdiv_rad, historic, "-hdivsteps");
    steps_grid v_grid = steps_resolve(o->beam.vdiv_rad, historic, "-vdivsteps");
    steps_grid wave_grid = steps_resolve(o->beam.dispersion, historic, "-dispsteps");
    double most = (double)h_grid.count * (double)v_grid.count * (double)wave_grid.count;
    if (most > SOURCES_MAX)
        message_fail("divergence and dispersion make %g sources, expected at most %d; use fewer steps", most,
                     SOURCES_MAX);
    source_list list = {.items = message_allocate((size_t)most, sizeof(source), "sources")};
    vec3 vertical_axis = vec_unit(vec_cross(beam, polar));
    for (int64_t i = 0; i < h_grid.count; i++) {
        for (int64_t j = 0; j < v_grid.count; j++) {
            double h = h_grid.step * (double)i - half_extent(&h_grid, historic);
            double v = v_grid.step * (double)j - half_extent(&v_grid, historic);
            if (!o->beam.square_divergence && !inside_ellipse(h, v, &h_grid, &v_grid)) continue;
            vec3 tilted = vec_rotate_axis(vec_scale(-SOURCE_DISTANCE_M, beam), polar, v);
            vec3 position_m = vec_rotate_axis(tilted, vertical_axis, h);
            for (int64_t k = 0; k < wave_grid.count; k++) {
                double shift = wave_grid.step * (double)k - half_extent(&wave_grid, historic);
                list.items[list.count++] = (source){.position_m = position_m,
                                                    .weight = 1.0,
                                                    .term_factor = 1.0,
                                                    .wavelength_m = o->beam.wavelength_m * (1.0 + shift)};
            }
        }
    }
    return list;
}

/* (3.7) */
static void apply_weights(source_list *list, const options *o) {
    double total = 0.0;
    bool equal = true;
    for (size_t i = 0; i < list->count; i++) {
        total += list->items[i].weight;
        equal = equal && list->items[i].weight == list->items[0].weight;
    }
    if (defect_active(o->defects, DEFECT_SOURCE_WEIGHTS_IGNORED)) {
        if (!equal)
            message_warn(
                o->warnings,
                "-sourcefile: the weights are not used, all sources count alike (defect source_weights_ignored); "
                "add `-defects default,-source_weights_ignored` to use them");
        return;
    }
    if (!(total > 0.0 && isfinite(total)))
        message_fail("-sourcefile: the weights add up to %g, expected more than 0; correct the file", total);
    for (size_t i = 0; i < list->count; i++)
        list->items[i].term_factor = list->items[i].weight * (double)list->count / total;
}

/* (3.6) */
source_list sources_build(const options *o, vec3 beam, vec3 polar) {
    source_list list =
        o->beam.source_file == NULL
            ? generate(o, beam, polar)
            : source_file_read(o->beam.source_file, vec_scale(-SOURCE_DISTANCE_M, beam), o->beam.wavelength_m);
    if (list.count == 0) message_fail("the divergence leaves no source; give a range with its steps, or -square_div");
    SEAM_NUMBER("sources", list.count);
    SEAM("lambda_meters", list.items[0].wavelength_m);
    for (size_t i = 0; i < list.count; i++) {
        source *s = &list.items[i];
        if (!(s->wavelength_m > 0.0))
            message_fail(
                "-dispersion: wavelength %g m of source %zu, expected more than 0; give a dispersion below 200 percent",
                s->wavelength_m, i);
        s->wavelength_A = 1e10 * s->wavelength_m;
        s->incident = vec_scale(-1.0, vec_unit(s->position_m));
    }
    SEAM("lambda_angstroms", list.items[0].wavelength_A);
    SEAM("incident_vec", list.items[0].incident);
    if (list.from_file) apply_weights(&list, o);
    return list;
}

void sources_free(source_list *list) {
    free(list->items);
    *list = (source_list){0};
}
