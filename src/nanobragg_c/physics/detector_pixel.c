/* Position, solid angle and absorption of a pixel. Section 7 of docs/physics.md.
 *
 * (7.2)  r = Fdet F + Sdet S + Odet O + pix0                                [m]
 * (7.3)  curved, with curved_axes: r = Raxis(Raxis(distance b; S, r_y/distance); F, r_z/distance)   [m]
 *        without: r = Raxis(Raxis(close O; S, g (Fdet - Fclose)/close); F, -g (Sdet - Sclose)/close)
 *        g = sign((F x S).O)
 * (7.5)  omega = p^2/R^2 close/R;  (close + Odet)/R flat without layer_front_face;  1/R^2 with -point_pixel        [sr]
 * (7.6)  cap = exp(-t dT mu/(d.O)) - exp(-(t + 1) dT mu/(d.O));  1 without a thickness;  0 where d.O <= 0
 *        curved without curved_axes: 1 for d.O
 */
#include "physics/detector.h"

/* A sphere around the sample that touches the flat panel at its near point: arcs along fast and slow, from that point.
 * The depth has no effect, since rays run along the normal. (7.3) */
static vec3 bent_position_m(const detector *d, double fast_m, double slow_m) {
    const detector_axes *a = &d->axes;
    /* so that an arc runs along its own axis, in a left-handed basis too */
    double hand = vec_dot(vec_cross(a->fast, a->slow), a->normal) < 0.0 ? -1.0 : 1.0;
    double about_slow = hand * (fast_m - d->Fclose_m) / d->close_distance_m;
    double about_fast = -hand * (slow_m - d->Sclose_m) / d->close_distance_m;
    vec3 near_point = vec_scale(d->close_distance_m, a->normal);
    return vec_rotate_axis(vec_rotate_axis(near_point, a->slow, about_slow), a->fast, about_fast);
}

/* (7.2) */
vec3 detector_position_m(const detector *d, double fast_m, double slow_m, double depth_m) {
    const detector_axes *a = &d->axes;
    if (d->curved && !d->curved_by_lab_axes) return bent_position_m(d, fast_m, slow_m);
    vec3 flat = vec_make(fast_m * a->fast.x + slow_m * a->slow.x + depth_m * a->normal.x + d->pix0_m.x,
                         fast_m * a->fast.y + slow_m * a->slow.y + depth_m * a->normal.y + d->pix0_m.y,
                         fast_m * a->fast.z + slow_m * a->slow.z + depth_m * a->normal.z + d->pix0_m.z);
    if (!d->curved) return flat;
    vec3 beam_spot = vec_scale(d->distance_m, d->beam);
    vec3 about_slow = vec_rotate_axis(beam_spot, a->slow, flat.y / d->distance_m);
    return vec_rotate_axis(about_slow, a->fast, flat.z / d->distance_m);
}

double detector_plane_m(const detector *d, double depth_m) {
    return d->front_face || d->curved ? d->close_distance_m : d->close_distance_m + depth_m;
}

/* (7.5) */
double detector_solid_angle_sr(const detector *d, double R_m, double obliquity) {
    if (d->point_pixel) return 1.0 / R_m / R_m;
    return d->pixel_m * d->pixel_m / R_m / R_m * obliquity;
}

double detector_incidence(const detector *d, vec3 diffracted) {
    return d->curved && !d->curved_by_lab_axes ? 1.0 : vec_dot(diffracted, d->axes.normal);
}

/* (7.6) */
double detector_capture(const detector *d, size_t layer, vec3 diffracted) {
    double cosine = detector_incidence(d, diffracted);
    if (!(cosine > 0.0) && !d->negative_back) return 0.0;
    double per_layer = d->layer_pitch_m * d->attenuation_per_m / cosine;
    return exp(-(double)layer * per_layer) - exp(-(double)(layer + 1) * per_layer);
}

bool detector_computes(const detector *d, size_t slow, size_t fast) {
    if (fast < d->roi[0] || fast > d->roi[1] || slow < d->roi[2] || slow > d->roi[3]) return false;
    return d->mask == NULL || d->mask[slow * d->n_fast + fast];
}
