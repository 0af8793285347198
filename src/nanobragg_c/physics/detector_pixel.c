/* What a pixel of a placed detector sees. Section 7 of docs/physics.md.
 *
 * (7.2)  r = Fdet F + Sdet S + Odet O + pix0                                [m]
 * (7.3)  curved: r = Raxis(Raxis(distance b; S, eta); F, zeta)              [m]
 *        eta = r_y/distance, zeta = r_z/distance with curved_axes
 *        eta = g (Fdet - Fbeam)/distance, zeta = -g (Sdet - Sbeam)/distance without;  g = sign((F x S).b)
 * (7.5)  omega = p^2/R^2 close/R;  1/R^2 with -point_pixel                  [sr]
 * (7.6)  cap = exp(-t dT mu/(d.O)) - exp(-(t + 1) dT mu/(d.O));  1 without a thickness
 */
#include "physics/detector.h"

vec3 detector_position_m(const detector *d, double fast_m, double slow_m, double depth_m) {
    const detector_axes *a = &d->axes;
    vec3 flat = vec_make(fast_m * a->fast.x + slow_m * a->slow.x + depth_m * a->normal.x + d->pix0_m.x,
                         fast_m * a->fast.y + slow_m * a->slow.y + depth_m * a->normal.y + d->pix0_m.y,
                         fast_m * a->fast.z + slow_m * a->slow.z + depth_m * a->normal.z + d->pix0_m.z);
    if (!d->curved) return flat;
    /* so that an arc runs along its own axis, in a left-handed basis too */
    double hand = vec_dot(vec_cross(a->fast, a->slow), d->beam) < 0.0 ? -1.0 : 1.0;
    double about_slow = d->curved_by_lab_axes ? flat.y / d->distance_m : hand * (fast_m - d->Fbeam_m) / d->distance_m;
    double about_fast = d->curved_by_lab_axes ? flat.z / d->distance_m : -hand * (slow_m - d->Sbeam_m) / d->distance_m;
    vec3 beam_spot = vec_scale(d->distance_m, d->beam);
    return vec_rotate_axis(vec_rotate_axis(beam_spot, a->slow, about_slow), a->fast, about_fast);
}

double detector_solid_angle_sr(const detector *d, double R_m, double obliquity) {
    if (d->point_pixel) return 1.0 / R_m / R_m;
    return d->pixel_m * d->pixel_m / R_m / R_m * obliquity;
}

double detector_capture(const detector *d, size_t layer, vec3 diffracted) {
    double per_layer = d->layer_pitch_m * d->attenuation_per_m / vec_dot(diffracted, d->axes.normal);
    return exp(-(double)layer * per_layer) - exp(-(double)(layer + 1) * per_layer);
}

bool detector_computes(const detector *d, size_t slow, size_t fast) {
    if (fast < d->roi[0] || fast > d->roi[1] || slow < d->roi[2] || slow > d->roi[3]) return false;
    return d->mask == NULL || d->mask[slow * d->n_fast + fast];
}
