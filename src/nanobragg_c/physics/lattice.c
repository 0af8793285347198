/* Lattice factor of each crystal shape. Section 9 of docs/physics.md.
 *
 * (9.1)  SQUARE: F_latt = G(h, Na) G(k, Nb) G(l, Nc)
 * (9.2)  G(h, N) = sin(pi N h)/sin(pi h);  N (-1)^((N - 1) h) at a whole h
 * (9.3)  ROUND: F_latt = Na Nb Nc 0.723601254558268 B(x)
 *        x = pi sqrt(fudge (((h - h0) Na)^2 + ((k - k0) Nb)^2 + ((l - l0) Nc)^2))
 * (9.4)  B(x) = 3 (sin(x)/x - cos(x))/x^2,  B(0) = 1
 * (9.5)  rho^2 = ((h - h0) Na)^2 + ((k - k0) Nb)^2 + ((l - l0) Nc)^2 without spot_radius_all_cells
 *        |(h - h0) a* + (k - k0) b* + (l - l0) c*|^2 (Na Nb Nc)^2 with it   [1/A^2]
 * (9.6)  GAUSS: F_latt = Na Nb Nc exp(-rho^2 fudge/0.63)
 * (9.7)  TOPHAT: F_latt = Na Nb Nc where rho^2 fudge < 0.3969, else 0
 */
#include "physics/lattice.h"

#include <math.h>

#include "base/rounding.h"
#include "base/seam.h"

#define SPHERE_SCALE 0.723601254558268 /* (9.3): amplitude of the ellipsoid at its centre, relative to Na Nb Nc */
#define GAUSS_WIDTH 0.63               /* (9.6) */
#define TOPHAT_RADIUS_SQR 0.3969       /* (9.7): 0.63 squared */
#define BALL_SERIES_BELOW 1e-3

lattice lattice_of(const crystal *c, defect_set defects) {
    lattice l = {.shape = c->shape,
                 .fudge = c->fudge,
                 .all_cells = 1.0,
                 .radius_all_cells = defect_active(defects, DEFECT_SPOT_RADIUS_ALL_CELLS),
                 .closed_form = defect_active(defects, DEFECT_SPHERE_CANCELLATION)};
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

/* sin(pi N h)/sin(pi h) of h = d + h0, |d| <= 1/2 and h0 whole; +-N at d = 0. sin(pi N d) is taken from the distance of
 * N d to the nearest integer, the sign from the half turns of both sines: N d rounded and (N - 1) h0, where `odd_steps`
 * is 1 for an odd N - 1, else 0. (9.2) */
static inline double grating(double d, double h0, double n_cells, double odd_steps) {
    double phase = n_cells * d, turns = rounding_nearest(phase);
    double half_turns = 0.5 * (turns + odd_steps * h0);
    double odd = half_turns - rounding_nearest(half_turns); /* +-1/2 for an odd number of turns, else 0 */
    double quotient = sin_pi(phase - turns) / sin_pi(d);
    return (1.0 - 8.0 * odd * odd) * (d == 0.0 ? n_cells : quotient);
}

static void evaluate_axis(double n_cells, const double *restrict h, const double *restrict rounded, size_t count,
                          double *restrict factor) {
    if (n_cells <= 1.0) {
        for (size_t i = 0; i < count; i++) factor[i] = 1.0;
        return;
    }
    const double odd_steps = fmod(rounding_nearest(n_cells) - 1.0, 2.0); /* a count that is not whole: the nearest */
#pragma omp simd
    for (size_t i = 0; i < count; i++) factor[i] = grating(h[i] - rounded[i], rounded[i], n_cells, odd_steps);
}

/* (9.1) */
static void evaluate_square(const lattice *l, const scattering_indices *x, size_t count, lattice_factors *out) {
    for (int i = 0; i < 3; i++) evaluate_axis(l->n_cells[i], x->h[i], x->rounded[i], count, out->axis[i]);
    SEAM_TERMS("F_latt_a", NULL, 0, NULL, out->axis[0], 1, 0);
    SEAM_TERMS("F_latt_b", "TRACE_PHI.F_latt_b", 0, NULL, out->axis[1], 1, 0);
    SEAM_TERMS("F_latt_c", NULL, 0, NULL, out->axis[2], 1, 0);
#pragma omp simd
    for (size_t i = 0; i < count; i++) out->product[i] = out->axis[0][i] * out->axis[1][i] * out->axis[2][i];
}

/* 3 (sin x / x - cos x)/x^2, by its series where the difference loses its digits. (9.4) */
static double ball_transform(double x, bool closed_form) {
    if (closed_form ? x == 0.0 : x < BALL_SERIES_BELOW) return 1.0 - x * x / 10.0;
    return 3.0 * (sin(x) / x - cos(x)) / (x * x);
}

/* (9.3) */
static double round_factor(const lattice *l, const double d[3]) {
    double radius = 0.0;
    for (int i = 0; i < 3; i++) radius += d[i] * d[i] * l->n_cells[i] * l->n_cells[i];
    return l->all_cells * SPHERE_SCALE * ball_transform(VEC_PI * sqrt(radius * l->fudge), l->closed_form);
}

/* Squared distance from the lattice point: each offset times the cells along its axis; historically that in 1/A times
 * the number of all cells. (9.5) */
static double offset_sqr(const lattice *l, const double d[3]) {
    if (!l->radius_all_cells) {
        double a = d[0] * l->n_cells[0], b = d[1] * l->n_cells[1], c = d[2] * l->n_cells[2];
        return a * a + b * b + c * c;
    }
    vec3 g = vec_add(vec_add(vec_scale(d[0], l->reciprocal_A_inv[0]), vec_scale(d[1], l->reciprocal_A_inv[1])),
                     vec_scale(d[2], l->reciprocal_A_inv[2]));
    return vec_dot(g, g) * l->all_cells * l->all_cells;
}

/* (9.6) (9.7) */
static double shape_factor(const lattice *l, const double d[3]) {
    switch (l->shape) {
        case SHAPE_ROUND: return round_factor(l, d);
        case SHAPE_GAUSS: return l->all_cells * exp(-(offset_sqr(l, d) / GAUSS_WIDTH * l->fudge));
        case SHAPE_TOPHAT: return offset_sqr(l, d) * l->fudge < TOPHAT_RADIUS_SQR ? l->all_cells : 0.0;
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
