/* Random numbers and the rotations made of them. Section 5 of docs/physics.md.
 *
 * (5.1)  x <- 16807 x mod (2^31 - 1)
 * (5.2)  u = y/(2^31 - 1), at most 0.99999988, with j = floor(y/67108864), y <- T[j], T[j] <- x
 * (5.3)  n = (w sin(pi r1), w cos(pi r1), r2),  w = sqrt(1 - r2^2),  r = 2 u - 1
 * (5.4)  t = spread (1 - r3^2)^(1/3)                                        [rad]
 * (5.5)  U = cos t I + sin t [n]x + (1 - cos t) n n^T
 * (5.6)  U evenly over all rotations: unit quaternion (sqrt(1 - u1) sin(2 pi u2), sqrt(1 - u1) cos(2 pi u2),
 *            sqrt(u1) sin(2 pi u3), sqrt(u1) cos(2 pi u3))
 * (5.7)  s <- s + 0x9E3779B97F4A7C15 mod 2^64,  u = (floor(mix(s)/2^11) + 1/2)/2^53
 *        mix: z <- (z ^ z/2^30) 0xBF58476D1CE4E5B9, z <- (z ^ z/2^27) 0x94D049BB133111EB, z ^ z/2^31
 * (5.8)  U = turn by t about n:  t - sin t = u3 (spread - sin spread),  spread at most pi
 *        n = (sqrt(1 - z^2) cos(2 pi u2), sqrt(1 - z^2) sin(2 pi u2), z),  z = 2 u1 - 1
 */
#include "physics/random_numbers.h"

#include <math.h>

#define MODULUS INT64_C(2147483647)
#define MULTIPLIER INT64_C(16807)
#define BIN_WIDTH (1 + (MODULUS - 1) / RANDOM_TABLE_SIZE)
#define WARM_UP_STEPS 40
#define LARGEST_DRAW (1.0 - 1.2e-7)
#define CUBE_ROOT_EXPONENT 0.3333333432674408 /* one third as a single-precision number */

static int64_t step(int64_t x) { return MULTIPLIER * x % MODULUS; }

static void initialise(random_table *shared, int64_t *seed) {
    *seed = -*seed < 1 ? 1 : -*seed;
    for (int i = WARM_UP_STEPS - 1; i >= 0; i--) {
        *seed = step(*seed);
        if (i < RANDOM_TABLE_SIZE) shared->table[i] = *seed;
    }
    shared->last = shared->table[0];
}

/* (5.1) (5.2) */
float random_uniform(random_table *shared, int64_t *seed) {
    const float largest = (float)LARGEST_DRAW;
    if (*seed <= 0 || shared->last == 0) initialise(shared, seed);
    *seed = step(*seed);
    int64_t bin = shared->last / BIN_WIDTH;
    shared->last = shared->table[bin];
    shared->table[bin] = *seed;
    float u = (float)((double)shared->last * (1.0 / (double)MODULUS));
    return u > largest ? largest : u;
}

/* (5.5) */
static mat3 rotation_about(vec3 n, double angle_rad) {
    double c = cos(angle_rad), s = sin(angle_rad), d = 1.0 - c;
    return (mat3){{{c + n.x * n.x * d, n.x * n.y * d - n.z * s, n.x * n.z * d + n.y * s},
                   {n.y * n.x * d + n.z * s, c + n.y * n.y * d, n.y * n.z * d - n.x * s},
                   {n.z * n.x * d - n.y * s, n.z * n.y * d + n.x * s, c + n.z * n.z * d}}};
}

random_stream random_start(random_table *shared, int64_t seed_variable, random_use use, bool historic) {
    uint64_t apart = (uint64_t)use * UINT64_C(0xD1B54A32D192ED03);
    return (random_stream){historic, shared, seed_variable, (uint64_t)-seed_variable ^ apart};
}

/* (5.7), or historically (5.2) */
double random_draw(random_stream *s) {
    if (s->historic) return (double)random_uniform(s->shared, &s->seed);
    uint64_t z = s->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
}

/* (5.3) (5.4) */
mat3 random_rotation_in_cap(random_stream *s, double spread_rad) {
    double r[3];
    for (int i = 0; i < 3; i++) r[i] = 2.0 * random_draw(s) - 1.0;
    double w = sqrt(1.0 - r[1] * r[1]);
    vec3 axis = vec_make(w * sin(VEC_PI * r[0]), w * cos(VEC_PI * r[0]), r[1]);
    float fraction = (float)pow((double)(float)(1.0 - r[2] * r[2]), CUBE_ROOT_EXPONENT);
    float angle_rad = (float)spread_rad * fraction;
    return rotation_about(axis, (double)angle_rad);
}

/* (5.6) */
mat3 random_rotation(random_stream *s) {
    double u[3];
    for (int i = 0; i < 3; i++) u[i] = random_draw(s);
    double x = sqrt(1.0 - u[0]) * sin(2.0 * VEC_PI * u[1]), y = sqrt(1.0 - u[0]) * cos(2.0 * VEC_PI * u[1]);
    double z = sqrt(u[0]) * sin(2.0 * VEC_PI * u[2]), w = sqrt(u[0]) * cos(2.0 * VEC_PI * u[2]);
    return (mat3){{{1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)},
                   {2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)},
                   {2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)}}};
}

/* t - sin t, which is proportional to the share of all rotations by less than t. By its series for small t. */
static double rotations_within(double t) {
    if (t > 1.0) return t - sin(t);
    double sum = 1.0, square = t * t;
    for (int k = 8; k >= 1; k--) sum = 1.0 - sum * square / (double)((2 * k + 2) * (2 * k + 3));
    return sum * square * t / 6.0;
}

/* The tilt within which `share` of the rotations by at most `spread_rad` lie: Newton's method, from above. */
static double tilt_rad(double share, double spread_rad) {
    double wanted = share * rotations_within(spread_rad), t = spread_rad * cbrt(share);
    for (int i = 0; i < 100; i++) {
        double half_sine = sin(t / 2.0), step = (rotations_within(t) - wanted) / (2.0 * half_sine * half_sine);
        t -= step;
        if (!(fabs(step) > 4e-16 * t)) break;
    }
    return t;
}

/* (5.8) */
mat3 random_even_rotation(const double shares[3], double spread_rad) {
    double z = 2.0 * shares[0] - 1.0, w = sqrt(1.0 - z * z), azimuth = 2.0 * VEC_PI * shares[1];
    vec3 axis = vec_make(w * cos(azimuth), w * sin(azimuth), z);
    return rotation_about(axis, tilt_rad(shares[2], fmin(spread_rad, VEC_PI)));
}
