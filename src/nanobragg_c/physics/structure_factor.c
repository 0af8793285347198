/* Structure factor amplitudes. Section 10 of docs/physics.md.
 *
 * (10.1) F_cell = table(h0, k0, l0);  default_F outside the table
 * (10.2) F_cell = sum over i, j, k from -1 to 2 of w_i(x) w_j(y) w_k(z) table(H + i, K + j, L + k)
 *        H = floor(h), x = h - H;  K, y, L, z likewise
 * (10.3) w_-1(x) = -x (x - 1)(x - 2)/6,  w_0(x) = (x + 1)(x - 1)(x - 2)/2
 *        w_1(x) = -(x + 1) x (x - 2)/2,  w_2(x) = (x + 1) x (x - 1)/6
 */
#include "physics/structure_factor.h"

#include <math.h>

static bool few_cells(const int64_t n_cells[3]) { return n_cells[0] <= 2 || n_cells[1] <= 2 || n_cells[2] <= 2; }

structure_factor structure_factor_build(const options *o, const int64_t final_cells[3]) {
    const options_structure_factors *given = &o->structure_factors;
    structure_factor f = {.latch = defect_active(o->defects, DEFECT_INTERPOLATION_LATCH)};
    if (given->hkl_file != NULL)
        f.table = hkl_read_text(given->hkl_file, given->default_F);
    else if (given->dump_file != NULL)
        f.table = hkl_read_dump(given->dump_file, given->default_F);
    else
        f.table = (hkl_table){.default_F = given->default_F};
    bool early = defect_active(o->defects, DEFECT_EARLY_INTERPOLATION_CHOICE);
    bool automatic = few_cells(early ? o->crystal.n_cells : final_cells);
    f.interpolate =
        given->interpolation == INTERPOLATION_AUTOMATIC ? automatic : given->interpolation == INTERPOLATION_ON;
    if (f.table.F_electrons == NULL) f.interpolate = false;
    return f;
}

void structure_factor_free(structure_factor *f) { hkl_free(&f->table); }

/* (10.1) */
static double nearest(const hkl_table *t, const double h0[3]) {
    if (t->F_electrons == NULL) return t->default_F;
    size_t index = 0;
    for (int i = 0; i < 3; i++) {
        if (!(h0[i] >= (double)t->min[i] && h0[i] <= (double)t->max[i])) return t->default_F;
        index = index * t->size[i] + (size_t)((int64_t)h0[i] - t->min[i]);
    }
    return t->F_electrons[index];
}

/* Whether the 4 x 4 x 4 reflections around h are in the table. */
static bool surrounded(const hkl_table *t, const double h[3]) {
    for (int i = 0; i < 3; i++)
        if (!(h[i] >= (double)t->min[i] + 2.0 && h[i] <= (double)t->max[i] - 2.0)) return false;
    return true;
}

/* Cubic Lagrange polynomial through (-1, y0), (0, y1), (1, y2), (2, y3) at x. (10.3) */
static double cubic(const double y[4], double x) {
    return -y[0] * x * (x - 1.0) * (x - 2.0) / 6.0 + y[1] * (x + 1.0) * (x - 1.0) * (x - 2.0) / 2.0 -
           y[2] * (x + 1.0) * x * (x - 2.0) / 2.0 + y[3] * (x + 1.0) * x * (x - 1.0) / 6.0;
}

/* (10.2) */
static double tricubic(const hkl_table *t, const double h[3]) {
    size_t node[3];
    double x[3], over_l[4], over_k[4];
    for (int i = 0; i < 3; i++) {
        double below = floor(h[i]);
        node[i] = (size_t)((int64_t)below - 1 - t->min[i]);
        x[i] = h[i] - below;
    }
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            size_t row = (node[0] + i) * t->size[1] + node[1] + j;
            over_l[j] = cubic(t->F_electrons + row * t->size[2] + node[2], x[2]);
        }
        over_k[i] = cubic(over_l, x[1]);
    }
    return cubic(over_k, x[0]);
}

void structure_factor_evaluate(const structure_factor *f, const scattering_indices *x, size_t count,
                               const double *lattice_factor, bool all_count, bool *interpolation, double *F_electrons) {
    for (size_t i = 0; i < count; i++) {
        const double h0[3] = {x->rounded[0][i], x->rounded[1][i], x->rounded[2][i]};
        if (*interpolation) {
            const double h[3] = {x->h[0][i], x->h[1][i], x->h[2][i]};
            bool inside = surrounded(&f->table, h);
            F_electrons[i] = inside ? tricubic(&f->table, h) : nearest(&f->table, h0);
            if (!inside && f->latch && (all_count || lattice_factor[i] != 0.0)) *interpolation = false;
        } else {
            F_electrons[i] = nearest(&f->table, h0);
        }
    }
}
