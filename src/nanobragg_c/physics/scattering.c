/* Scattering vector and Miller indices. Sections 8 and 11 of docs/physics.md.
 *
 * (8.1)  q = (d - i)/lambda                                                 [1/m]
 * (8.2)  a source is left out where dmin |q| > 1
 * (8.3)  h = a.q,  k = b.q,  l = c.q
 * (8.4)  h0 = ceil(h - 1/2),  k0, l0 likewise
 * (11.1) cos(2theta) = i.d
 */
#include "physics/scattering.h"

#include "base/rounding.h"

/* (8.1) (11.1) */
scattering_vector scattering_between(vec3 diffracted, const source *beam) {
    double per_wavelength = 1.0 / beam->wavelength_m;
    scattering_vector q;
    q.per_m = vec_scale(per_wavelength, vec_subtract(diffracted, beam->incident));
    q.stol_per_m = 0.5 * vec_length(q.per_m);
    q.cos_2theta = vec_dot(beam->incident, diffracted);
    return q;
}

/* (8.2) */
bool scattering_beyond_dmin(const scattering_vector *q, double dmin_m) {
    return dmin_m > 0.0 && q->stol_per_m > 0.0 && dmin_m > 0.5 / q->stol_per_m;
}

/* (8.3) */
static void find_index(const double *restrict x, const double *restrict y, const double *restrict z, size_t count,
                       vec3 q, double *restrict index) {
#pragma omp simd
    for (size_t i = 0; i < count; i++) index[i] = x[i] * q.x + y[i] * q.y + z[i] * q.z;
}

void scattering_find_indices(const crystal_orientations *list, size_t first, size_t count, vec3 q_per_m,
                             scattering_indices *out) {
    for (int i = 0; i < 3; i++)
        find_index(list->axis[3 * i] + first, list->axis[3 * i + 1] + first, list->axis[3 * i + 2] + first, count,
                   q_per_m, out->h[i]);
}

/* (8.4) */
static void round_index(const double *restrict index, size_t count, double *restrict rounded) {
#pragma omp simd
    for (size_t i = 0; i < count; i++) rounded[i] = rounding_half_down(index[i]);
}

void scattering_round_indices(size_t count, scattering_indices *out) {
    for (int i = 0; i < 3; i++) round_index(out->h[i], count, out->rounded[i]);
}
