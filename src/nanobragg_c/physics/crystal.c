/* The crystal: cell, orientation, size, spindle steps and mosaic domains. Section 4 of docs/physics.md.
 *
 * (4.1)  Vc = 2 a b c sqrt(sin S sin(S - alpha) sin(S - beta) sin(S - gamma)),  S = (alpha + beta + gamma)/2  [A^3]
 * (4.2)  |a*| = b c sin(alpha) / Vc;  |b*|, |c*| cyclic                   [1/A]
 * (4.3)  cos(alpha*) = (cos(beta) cos(gamma) - cos(alpha)) / (sin(beta) sin(gamma));  beta*, gamma* cyclic
 * (4.4)  sin(gamma*) = c / (Vc |a*| |b*|)
 * (4.5)  a* = (|a*|, 0, 0)
 *        b* = (|b*| cos(gamma*), |b*| sin(gamma*), 0)
 *        c* = (|c*| cos(beta*), |c*| (cos(alpha*) - cos(beta*) cos(gamma*))/sin(gamma*), z)
 *        z = |c*| Vc/(a b c sin(gamma*)) with triclinic_cstar;  1/c without  [1/A]
 * (4.6)  (a*, b*, c*) = M 1e-10/lambda_0 with -mat                          [1/A]
 * (4.7)  a* <- Rxyz(a*; misset),  b*, c* likewise
 * (4.8)  misset of a random rotation U = (atan2(Uzy, Uzz), atan2(-Uzx, sqrt(Uzy^2 + Uzz^2)), atan2(Uyx, Uxx))  [rad]
 * (4.9)  a = (b* x c*)/V*;  b, c cyclic;  V* = a*.(b* x c*)               [A]
 *        with -cell: V* = 1/Vc, and a, b, c get the lengths of the cell
 * (4.10) a* = (b x c) V*;  b*, c* cyclic;  V* = 1/(a.(b x c)) without nominal_cell_volume           [1/A]
 * (4.11) Na = ceil(X/|a|), Nb = ceil(Y/|b|), Nc = ceil(Z/|c|) where an extent is given;  at least 1
 *        ceil((1 - 1e-9) X/|a|) and so on without sample_size_rounded_up
 * (4.12) phi_j = phi_0 + dphi j with phi_slice_start;  phi_0 + dphi (j + 1/2) without               [rad]
 * (4.13) a_jm = U_m Raxis(a; spindle, phi_j);  b, c likewise                     [m]
 */
#include "physics/crystal.h"

#include <float.h>
#include <stdlib.h>
#include <time.h>

#include "base/message.h"
#include "base/seam.h"
#include "io/matrix.h"
#include "physics/mosaic.h"
#include "physics/steps.h"

#define CRYSTAL_MAX_ORIENTATIONS 10000000 /* of 72 bytes */
#define SHORTEST_AXIS_A 1e-6
#define LONGEST_AXIS_A 1e9
#define COUNT_TOLERANCE 1e-9
#define HISTORIC_MISSET_SPREAD_RAD 90.0

static double clamp_cosine(double x) { return x > 1.0 || x < -1.0 ? 1.0 : x; }

/* sin(s) sin(s-alpha) sin(s-beta) sin(s-gamma), s half the sum of the angles: positive for a possible cell. (4.1) */
static double volume_factor(const double angles_rad[3]) {
    double s = (angles_rad[0] + angles_rad[1] + angles_rad[2]) / 2.0;
    return sin(s) * sin(s - angles_rad[0]) * sin(s - angles_rad[1]) * sin(s - angles_rad[2]);
}

static double cell_volume_A3(const options_crystal *o) {
    double factor = volume_factor(o->cell_angles_rad);
    if (!(factor > 1e-12))
        message_fail(
            "-cell: no cell has the angles %g %g %g; each must be less than the sum of the others, and their sum "
            "less than 360",
            o->cell_angles_rad[0] * VEC_DEGREES_PER_RADIAN, o->cell_angles_rad[1] * VEC_DEGREES_PER_RADIAN,
            o->cell_angles_rad[2] * VEC_DEGREES_PER_RADIAN);
    double volume_A3 = 2.0 * o->cell_A[0] * o->cell_A[1] * o->cell_A[2] * sqrt(factor);
    if (!(volume_A3 > 0.0 && isfinite(volume_A3)))
        message_fail("-cell: lengths %g %g %g make a cell without volume; give lengths in A", o->cell_A[0],
                     o->cell_A[1], o->cell_A[2]);
    return volume_A3;
}

/* Reciprocal vectors with a* along x and b* in the xy plane. (4.2) (4.3) (4.4) (4.5) */
static void reciprocal_from_cell(const options_crystal *o, bool historic_cstar, vec3 star[3]) {
    const double *A = o->cell_A, *angle = o->cell_angles_rad;
    double volume_A3 = cell_volume_A3(o), sine[3], cosine[3], length[3], cosine_star[3];
    for (int i = 0; i < 3; i++) {
        sine[i] = sin(angle[i]);
        cosine[i] = cos(angle[i]);
    }
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        length[i] = A[j] * A[k] * sine[i] / volume_A3;
        cosine_star[i] = clamp_cosine((cosine[j] * cosine[k] - cosine[i]) / (sine[j] * sine[k]));
    }
    double sin_gamma_star = fmin(1.0, fmax(-1.0, A[2] / (volume_A3 * length[0] * length[1])));
    double c_star_z = historic_cstar ? length[2] * volume_A3 / (A[0] * A[1] * A[2] * sin_gamma_star) : 1.0 / A[2];
    star[0] = vec_make(length[0], 0.0, 0.0);
    star[1] = vec_make(length[1] * cosine_star[2], length[1] * sin_gamma_star, 0.0);
    star[2] = vec_make(length[2] * cosine_star[1],
                       length[2] * (cosine_star[0] - cosine_star[1] * cosine_star[2]) / sin_gamma_star, c_star_z);
}

/* (4.6) */
static void reciprocal_from_matrix(const options *o, vec3 star[3]) {
    const char *path = o->crystal.matrix_file;
    const double wavelength_m = o->beam.wavelength_m;
    mat3 a = matrix_read(path, o->warnings);
    double per_A = VEC_M_PER_A / wavelength_m;
    for (int i = 0; i < 3; i++) star[i] = vec_make(a.m[0][i] * per_A, a.m[1][i] * per_A, a.m[2][i] * per_A);
    matrix_warn(path, star, o->warnings);
}

/* Angles about x, y, z that make the rotation `u`. (4.8) */
static vec3 angles_of(mat3 u) {
    for (int row = 0; row < 3; row++) {
        vec3 r = vec_unit(vec_make(u.m[row][0], u.m[row][1], u.m[row][2]));
        u.m[row][0] = r.x, u.m[row][1] = r.y, u.m[row][2] = r.z;
    }
    double zx = u.m[2][0], zy = u.m[2][1], zz = u.m[2][2];
    if (zx * zx >= 1.0) return vec_make(VEC_PI, VEC_PI / 2.0, atan2(u.m[0][1], -u.m[1][1]));
    return vec_make(atan2(zy, zz), atan2(-zx, sqrt(zy * zy + zz * zz)), atan2(u.m[1][0], u.m[0][0]));
}

static vec3 misset_angles(const options *o, random_table *random) {
    if (!o->crystal.misset_random) return o->crystal.misset_rad;
    int64_t seed = o->crystal.misset_seed == INT64_MIN ? -(int64_t)time(NULL) : o->crystal.misset_seed;
    random_stream stream =
        random_start(random, seed, RANDOM_MISSET, defect_active(o->defects, DEFECT_DRAWS_LINEAR_IN_SEED));
    bool historic = defect_active(o->defects, DEFECT_RANDOM_MISSET_RADIANS);
    return angles_of(historic ? random_rotation_in_cap(&stream, HISTORIC_MISSET_SPREAD_RAD)
                              : random_rotation(&stream));
}

/* Real-space vectors; with -cell their lengths are those of the cell. Reciprocal vectors are derived anew from them.
 * (4.9) (4.10) */
static void invert_cell(crystal *c, const options_crystal *o, bool nominal_volume) {
    vec3 *star = c->reciprocal_A_inv, cross[3];
    for (int i = 0; i < 3; i++) cross[i] = vec_cross(star[(i + 1) % 3], star[(i + 2) % 3]);
    double star_volume = vec_dot(star[0], cross[0]);
    if (o->cell_given) {
        double volume_A3 = cell_volume_A3(o);
        for (int i = 0; i < 3; i++) cross[i] = vec_scale(o->cell_A[i] / volume_A3 / vec_length(cross[i]), cross[i]);
        star_volume = 1.0 / volume_A3;
    }
    c->volume_A3 = 1.0 / star_volume;
    for (int i = 0; i < 3; i++) c->real_A[i] = vec_scale(c->volume_A3, cross[i]);
    if (o->cell_given && !nominal_volume) {
        c->volume_A3 = vec_dot(c->real_A[0], vec_cross(c->real_A[1], c->real_A[2]));
        star_volume = 1.0 / c->volume_A3;
    }
    for (int i = 0; i < 3; i++) {
        star[i] = vec_scale(star_volume, vec_cross(c->real_A[(i + 1) % 3], c->real_A[(i + 2) % 3]));
        c->real_m[i] = vec_scale(VEC_M_PER_A, c->real_A[i]);
        double length_A = vec_length(c->real_A[i]);
        if (!(length_A >= SHORTEST_AXIS_A && length_A <= LONGEST_AXIS_A && isfinite(vec_length(star[i]))))
            message_fail("cell axis %c is %g A long, expected from %g to %g; check -cell, -mat and -lambda", "abc"[i],
                         length_A, SHORTEST_AXIS_A, LONGEST_AXIS_A);
    }
}

/* Numbers of cells: from the sample size where one is given, never less than 1. (4.11) */
static void count_cells(crystal *c, const options_crystal *o, const double sample_m[3], bool rounded_up) {
    for (int i = 0; i < 3; i++) {
        double n = (double)o->n_cells[i];
        if (sample_m[i] > 0.0) {
            double filled = sample_m[i] / vec_length(c->real_m[i]);
            n = ceil(rounded_up ? filled : filled * (1.0 - COUNT_TOLERANCE));
        }
        if (n > 1e15)
            message_fail(
                "the sample size %g m makes %g cells along axis %c, expected at most 1e15; check -samplesize and "
                "its unit, mm",
                sample_m[i], n, "abc"[i]);
        c->n_cells[i] = n <= 1.0 ? 1 : (int64_t)n;
    }
}

/* (4.12) */
static double phi_of_step_rad(const crystal *c, size_t j) {
    return c->phi_start_rad + c->phi_step_rad * ((double)j + c->phi_into_slice);
}

/* The step whose orientation step `j` uses. Historically a step at exactly 0 is not rotated and keeps the orientation
 * of the step before it, in cyclic order. */
static size_t step_of_orientation(const crystal *c, size_t j, bool carry_over) {
    if (!carry_over || c->phi_step_rad == 0.0) return j; /* without a step all orientations are the same */
    for (size_t back = 0; back < c->phi_steps; back++) {
        size_t candidate = (j + c->phi_steps - back) % c->phi_steps;
        if (phi_of_step_rad(c, candidate) != 0.0) return candidate;
    }
    return j;
}

static void store_orientation(crystal_orientations *list, size_t index, const vec3 axes[3]) {
    for (int i = 0; i < 3; i++) {
        list->axis[3 * i][index] = axes[i].x;
        list->axis[3 * i + 1][index] = axes[i].y;
        list->axis[3 * i + 2][index] = axes[i].z;
    }
}

/* (4.13) */
static void fill_orientations(crystal *c, const mat3 *domain, bool carry_over) {
    crystal_orientations *list = &c->orientations;
    for (size_t j = 0; j < c->phi_steps; j++) {
        double phi_rad = phi_of_step_rad(c, step_of_orientation(c, j, carry_over));
        c->phi_deg[j] = phi_of_step_rad(c, j) * VEC_DEGREES_PER_RADIAN;
        SEAM_PHI(j, phi_rad, c->phi_deg[j]);
        vec3 at_phi[3], axes[3];
        for (int i = 0; i < 3; i++) at_phi[i] = vec_rotate_axis(c->real_m[i], c->spindle_axis, phi_rad);
        for (size_t m = 0; m < c->domains; m++) {
            for (int i = 0; i < 3; i++)
                axes[i] = c->mosaic_spread_rad > 0.0 ? mat_apply(domain[m], at_phi[i]) : at_phi[i];
            SEAM_ORIENTATION(j, m, axes);
            store_orientation(list, j * c->domains + m, axes);
        }
    }
}

static void build_orientations(crystal *c, const options *o, random_table *random) {
    crystal_orientations *list = &c->orientations;
    if ((double)c->phi_steps * (double)c->domains > CRYSTAL_MAX_ORIENTATIONS)
        message_fail(
            "%zu spindle steps of %zu mosaic domains are too many, expected at most %d together; reduce -phisteps "
            "or -mosaic_dom",
            c->phi_steps, c->domains, CRYSTAL_MAX_ORIENTATIONS);
    list->count = c->phi_steps * c->domains;
    size_t padded = (list->count + CRYSTAL_LANES - 1) / CRYSTAL_LANES * CRYSTAL_LANES;
    for (int i = 0; i < 9; i++) list->axis[i] = message_allocate(padded, sizeof(double), "crystal orientations");
    c->phi_deg = message_allocate(c->phi_steps, sizeof(double), "spindle steps");
    mat3 *domain = mosaic_build(o, c->domains, c->mosaic_spread_rad, random);
    fill_orientations(c, domain, defect_active(o->defects, DEFECT_PHI_CARRYOVER));
    free(domain);
    for (int i = 0; i < 9; i++)
        for (size_t pad = list->count; pad < padded; pad++) list->axis[i][pad] = list->axis[i][list->count - 1];
}

crystal crystal_build(const options *o, const double sample_m[3], vec3 spindle_axis, random_table *random) {
    crystal c = {.shape = o->crystal.shape, .fudge = o->crystal.fudge, .spindle_axis = spindle_axis};
    if (o->crystal.matrix_file != NULL)
        reciprocal_from_matrix(o, c.reciprocal_A_inv);
    else
        reciprocal_from_cell(&o->crystal, defect_active(o->defects, DEFECT_TRICLINIC_CSTAR), c.reciprocal_A_inv);
    if (o->crystal.misset_given) { /* (4.7) */
        c.misset_rad = misset_angles(o, random);
        for (int i = 0; i < 3; i++) c.reciprocal_A_inv[i] = vec_rotate_xyz(c.reciprocal_A_inv[i], c.misset_rad);
    }
    SEAM("rot_a_star_A_inv", c.reciprocal_A_inv[0]);
    SEAM("rot_b_star_A_inv", c.reciprocal_A_inv[1]);
    SEAM("rot_c_star_A_inv", c.reciprocal_A_inv[2]);
    invert_cell(&c, &o->crystal, defect_active(o->defects, DEFECT_NOMINAL_CELL_VOLUME));
    count_cells(&c, &o->crystal, sample_m, defect_active(o->defects, DEFECT_SAMPLE_SIZE_ROUNDED_UP));
    SEAM_WHOLE_NUMBERS("N_cells", c.n_cells, 3);
    steps_grid phi = steps_resolve_phi(&o->spindle);
    c.phi_steps = (size_t)phi.count;
    SEAM_NUMBER("phi_steps", c.phi_steps);
    c.phi_start_rad = o->spindle.phi_rad;
    c.phi_range_rad = phi.range;
    c.phi_step_rad = phi.step;
    c.phi_into_slice = defect_active(o->defects, DEFECT_PHI_SLICE_START) ? 0.0 : 0.5;
    steps_mosaic mosaic = steps_resolve_mosaic(o->crystal.mosaic_domains, o->crystal.mosaic_spread_rad);
    c.domains = (size_t)mosaic.domains;
    SEAM_NUMBER("mosaic_domains", c.domains);
    c.mosaic_spread_rad = mosaic.spread_rad;
    build_orientations(&c, o, random);
    return c;
}

void crystal_free(crystal *c) {
    for (int i = 0; i < 9; i++) free(c->orientations.axis[i]);
    free(c->phi_deg);
    c->phi_deg = NULL;
    c->orientations = (crystal_orientations){0};
}
