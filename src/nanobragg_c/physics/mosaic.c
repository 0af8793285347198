/* The tilts of the mosaic domains. Section 5 of docs/physics.md.
 *
 * (5.9)  quadrature of M domains: U_j of (5.8) and its inverse, j = 0 .. floor(M/2) - 1;  for an odd M also U = 1
 *        u1 = frac(1/2 + j/g),  u2 = frac(1/2 + j/g^2),  u3 = (2 j + 1 + M mod 2)/M,  g^3 = g + 1
 */
#include "physics/mosaic.h"

#include "base/message.h"

#define PLASTIC_RATIO 1.32471795724474602596 /* its powers spread points in the plane: x^3 = x + 1 */

static double fraction(double x) { return x - floor(x); }

/* Pairs of opposite tilts about the same axis, so that the mean orientation stays; an odd one is untilted. (5.9) */
static void fill_quadrature(mat3 *domain, size_t count, double spread_rad) {
    size_t odd = count % 2;
    if (odd) domain[0] = mat_identity();
    for (size_t j = 0; j < count / 2; j++) {
        const double shares[3] = {fraction(0.5 + (double)j / PLASTIC_RATIO),
                                  fraction(0.5 + (double)j / (PLASTIC_RATIO * PLASTIC_RATIO)),
                                  (double)(2 * j + 1 + odd) / (double)count};
        mat3 there = random_even_rotation(shares, spread_rad);
        domain[odd + 2 * j] = there;
        for (int row = 0; row < 3; row++)
            for (int column = 0; column < 3; column++) domain[odd + 2 * j + 1].m[row][column] = there.m[column][row];
    }
}

mat3 *mosaic_build(const options *o, size_t count, double spread_rad, random_table *random) {
    mat3 *domain = message_allocate(count, sizeof domain[0], "mosaic domains");
    bool uneven = defect_active(o->defects, DEFECT_MOSAIC_UNEVEN);
    bool historic_draws = defect_active(o->defects, DEFECT_DRAWS_LINEAR_IN_SEED);
    random_stream stream = random_start(random, o->crystal.mosaic_seed, RANDOM_MOSAIC, historic_draws);
    for (size_t m = 0; m < count; m++) {
        if (uneven) {
            domain[m] = random_rotation_in_cap(&stream, spread_rad);
        } else {
            double shares[3];
            for (int i = 0; i < 3; i++) shares[i] = random_draw(&stream);
            domain[m] = random_even_rotation(shares, spread_rad);
        }
    }
    if (uneven || spread_rad == 0.0) domain[0] = mat_identity();
    if (!uneven && o->crystal.mosaic_quadrature) fill_quadrature(domain, count, spread_rad);
    if (uneven && o->crystal.mosaic_quadrature)
        message_warn(o->warnings,
                     "-mosaic_quadrature is not used (defect mosaic_uneven); add `-defects default,-mosaic_uneven`");
    return domain;
}
