/* The detector seen from the sample: its nearest point, its front or back. Sections 6 and 7 of docs/physics.md.
 *
 * (6.13) close > 0 but with back_face_negative
 * (7.7)  nearest = sqrt(close^2 + x^2 + y^2),  x, y how far the near point lies beside the panel    [m]
 */
#include "base/message.h"
#include "physics/detector.h"

/* (7.7) */
double detector_nearest_m(const detector *d) {
    double beyond_fast_m = fmax(0.0, fmax(-d->Fclose_m, d->Fclose_m - d->size_fast_m));
    double beyond_slow_m = fmax(0.0, fmax(-d->Sclose_m, d->Sclose_m - d->size_slow_m));
    if (d->curved) beyond_fast_m = beyond_slow_m = 0.0;
    return vec_length(vec_make(beyond_fast_m, beyond_slow_m, d->close_distance_m));
}

/* Pixels whose sensor is reached from behind; 0 without a sensor. */
static size_t pixels_behind(const detector *d) {
    const detector_axes *a = &d->axes;
    bool perpendicular = fabs(vec_dot(a->fast, a->normal)) < 1e-12 && fabs(vec_dot(a->slow, a->normal)) < 1e-12;
    if (d->thickness_m <= 0.0 || (d->curved ? !d->curved_by_lab_axes : perpendicular)) return 0;
    size_t behind = 0;
    for (size_t slow = 0; slow < d->n_slow; slow++)
        for (size_t fast = 0; fast < d->n_fast; fast++) {
            vec3 centre_m =
                detector_position_m(d, d->pixel_m * ((double)fast + 0.5), d->pixel_m * ((double)slow + 0.5), 0.0);
            if (!(detector_incidence(d, centre_m) > 0.0)) behind++;
        }
    return behind;
}

/* A flat panel shows the sample one side only. Rays may reach a sensor from behind one by one where its normal is not
 * perpendicular to it, or where it is bent by more than a quarter turn and its normal is not. (6.13) */
void detector_check_front(const detector *d, const options *o) {
    if (d->negative_back) return;
    if (!(d->close_distance_m > 0.0))
        message_fail(
            "the detector shows its back to the sample: its plane is at %g mm along its normal, expected more than 0; "
            "turn it by 180 degrees or check -close_distance, -distance, -twotheta, the vectors and rotations",
            1000.0 * d->close_distance_m);
    size_t behind = pixels_behind(d);
    if (behind > 0)
        message_warn(o->warnings,
                     "%zu of %zu pixels are reached from behind and count 0; check -odet_vector and -curved_det",
                     behind, d->n_fast * d->n_slow);
}
