#include "physics/lattice.h"

#include <math.h>

#include "base/rounding.h"

lattice lattice_of(const crystal *c) {
    lattice l = {.shape = c->shape, .fudge = c->fudge, .all_cells = 1.0};
    for (int i = 0; i < 3; i++) {
        l.n_cells[i] = (double)c->n_cells[i];
        l.all_cells *= l.n_cells[i];
        l.reciprocal_A_inv[i] = c->reciprocal_A_inv[i];
    }
    return l;
}

/* sin(pi r) for |r| <= 1/2, to 3e-16 relative: odd polynomial through Chebyshev nodes. */
static inline double sin_pi(double r) {
    double z = r * r;
    double p = 7.725743030789876e-07;
    p = p * z - 2.1906201655131958e-05;
    p = p * z + 0.00046630087411496363;
    p = p * z - 0.007370430719634586;
    p = p * z + 0.08214588659675232;
    p = p * z - 0.599264529320343;
    p = p * z + 2.55016403987734;
    p = p * z - 5.16771278004997;
    return r * VEC_PI + r * z * p;
}

/* sin(pi N d)/sin(pi d), |d| <= 1/2; N at d = 0. sin(pi N d) is taken from the distance of N d to the nearest integer.
 */
static inline double grating(double d, double n_cells) {
    double phase = n_cells * d, turns = rounding_nearest(phase);
    double odd = 0.5 * turns - rounding_nearest(0.5 * turns); /* +-1/2 for odd turns, else 0 */
    double numerator = sin_pi(phase - turns) * (1.0 - 8.0 * odd * odd);
    double quotient = numerator / sin_pi(d);
    return d == 0.0 ? n_cells : quotient;
}

static void evaluate_axis(double n_cells, const double *restrict h, const double *restrict rounded, size_t count,
                          double *restrict factor) {
    if (n_cells <= 1.0) {
        for (size_t i = 0; i < count; i++) factor[i] = 1.0;
        return;
    }
#pragma omp simd
    for (size_t i = 0; i < count; i++) factor[i] = grating(h[i] - rounded[i], n_cells);
}

static void evaluate_square(const lattice *l, const scattering_indices *x, size_t count, lattice_factors *out) {
    for (int i = 0; i < 3; i++) evaluate_axis(l->n_cells[i], x->h[i], x->rounded[i], count, out->axis[i]);
#pragma omp simd
    for (size_t i = 0; i < count; i++) out->product[i] = out->axis[0][i] * out->axis[1][i] * out->axis[2][i];
}

/* 3 (sin x / x - cos x)/x^2, by its series where the difference loses its digits. */
static double ball_transform(double x) {
    if (x < 1e-3) return 1.0 - x * x / 10.0;
    return 3.0 * (sin(x) / x - cos(x)) / (x * x);
}

static double round_factor(const lattice *l, const double d[3]) {
    const double fill = 0.723601254558268;
    double radius = 0.0;
    for (int i = 0; i < 3; i++) radius += d[i] * d[i] * l->n_cells[i] * l->n_cells[i];
    return l->all_cells * fill * ball_transform(VEC_PI * sqrt(radius * l->fudge));
}

/* Squared distance from the lattice point in 1/A^2, times the number of cells squared. */
static double scaled_distance2(const lattice *l, const double d[3]) {
    vec3 g = vec_add(vec_add(vec_scale(d[0], l->reciprocal_A_inv[0]), vec_scale(d[1], l->reciprocal_A_inv[1])),
                     vec_scale(d[2], l->reciprocal_A_inv[2]));
    return vec_dot(g, g) * l->all_cells * l->all_cells;
}

static double shape_factor(const lattice *l, const double d[3]) {
    switch (l->shape) {
        case SHAPE_ROUND: return round_factor(l, d);
        case SHAPE_GAUSS: return l->all_cells * exp(-(scaled_distance2(l, d) / 0.63 * l->fudge));
        case SHAPE_TOPHAT: return scaled_distance2(l, d) * l->fudge < 0.3969 ? l->all_cells : 0.0;
        case SHAPE_SQUARE: break;
    }
    return 0.0;
}

void lattice_evaluate(const lattice *l, const scattering_indices *x, size_t count, lattice_factors *out) {
    if (l->shape == SHAPE_SQUARE) {
        evaluate_square(l, x, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double d[3];
        for (int axis = 0; axis < 3; axis++) d[axis] = x->h[axis][i] - x->rounded[axis][i];
        out->product[i] = shape_factor(l, d);
    }
}

double lattice_sign(double n_cells, double rounded_index) {
    return fmod((n_cells - 1.0) * rounded_index, 2.0) == 0.0 ? 1.0 : -1.0;
}
