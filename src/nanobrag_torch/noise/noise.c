/* Photons and read-out of many frames, a pixel at a time: the operations of functions.py, poisson.py and detector.py in
 * their order, so that the bytes are the same. C for a CPU, CUDA for a GPU; to be compiled without contraction of
 * products and sums. The coefficients are defined before this text, from the tables in those files. */

typedef unsigned int word;
typedef long long integer;
typedef unsigned long long wide;

#if defined(__CUDACC__) || defined(__HIPCC__) || defined(__CUDACC_RTC__) || defined(__HIPCC_RTC__)
#define ON_GPU
#define FUNCTION static __device__ __forceinline__
#define TABLE static __device__ const double
#define EACH(at, count) \
    for (wide at = (wide)blockIdx.x * blockDim.x + threadIdx.x; at < (wide)(count); at = ~0ull)
#define ENTRY extern "C" __global__ void
#else
#include <math.h>
#include <string.h>
#define FUNCTION static inline
#define TABLE static const double
#define EACH(at, count) for (wide at = 0; at < (wide)(count); at++)
#define ENTRY void
#endif

TABLE odd_reciprocals[] = ODD_RECIPROCALS;
TABLE exponential[] = EXPONENTIAL;
TABLE central_over[] = CENTRAL_OVER;
TABLE central_under[] = CENTRAL_UNDER;
TABLE middle_over[] = MIDDLE_OVER;
TABLE middle_under[] = MIDDLE_UNDER;
TABLE tail_over[] = TAIL_OVER;
TABLE tail_under[] = TAIL_UNDER;
TABLE stirling[] = STIRLING;
TABLE deviance_terms[] = DEVIANCE;
#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))
#define POLYNOMIAL(x, table) polynomial(x, table, LENGTH(table))

/* What all frames share, then the number of each frame: whole numbers, and the bits of doubles. */
enum { PIXELS, COUNT_OF_ALL, SERIES, KEY0, KEY1, GAIN, OFFSET, SIGMA, LARGEST, FRAMES };

typedef struct {
    word c[4];
} block;

/* (N1) */
FUNCTION block philox(word pixel, word frame, word series, word use, word k0, word k1) {
    block b = {{pixel, frame, series, use}};
    for (int round = 0; round < 10; round++) {
        wide first = (wide)0xD2511F53u * b.c[0], second = (wide)0xCD9E8D57u * b.c[2];
        block next = {{(word)(second >> 32) ^ b.c[1] ^ k0, (word)second, (word)(first >> 32) ^ b.c[3] ^ k1, (word)first}};
        b = next;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return b;
}

/* (N2) */
FUNCTION double uniform(word first, word second) {
    return ((double)(((integer)first << 20) | (integer)(second >> 12)) + 0.5) * 2.220446049250313e-16;
}

FUNCTION integer bits_of(double x) {
#ifdef ON_GPU
    return __double_as_longlong(x);
#else
    integer bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
#endif
}

FUNCTION double of_bits(integer bits) {
#ifdef ON_GPU
    return __longlong_as_double(bits);
#else
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
#endif
}

FUNCTION double polynomial(double x, const double *coefficients, int count) {
    double total = coefficients[count - 1];
    for (int i = count - 2; i >= 0; i--) total = total * x + coefficients[i];
    return total;
}

FUNCTION double logarithm(double x) {
    integer bits = bits_of(x);
    double exponent = (double)((bits >> 52) - 1023);
    double fraction = of_bits((bits & 0xFFFFFFFFFFFFFll) | (1023ll << 52));
    if (fraction > 1.4142135623730951) {
        fraction = fraction * 0.5;
        exponent = exponent + 1.0;
    }
    double t = (fraction - 1.0) / (fraction + 1.0);
    return exponent * LN_2 + 2.0 * t * POLYNOMIAL(t * t, odd_reciprocals);
}

FUNCTION double exp_of_minus(double x) {
    double power = floor(x * PER_LN_2 + 0.5);
    return POLYNOMIAL(power * LN_2 - x, exponential) * of_bits((1023 - (integer)power) << 52);
}

FUNCTION double normal_quantile(double u) {
    double q = u - 0.5;
    if (fabs(q) <= 0.425) {
        double x = 0.180625 - q * q;
        return q * (POLYNOMIAL(x, central_over) / POLYNOMIAL(x, central_under));
    }
    double r = sqrt(-logarithm(q < 0.0 ? u : 1.0 - u));
    double outer = r <= 5.0 ? POLYNOMIAL(r - 1.6, middle_over) / POLYNOMIAL(r - 1.6, middle_under)
                            : POLYNOMIAL(r - 5.0, tail_over) / POLYNOMIAL(r - 5.0, tail_under);
    return q < 0.0 ? -outer : outer;
}

/* (N3) */
FUNCTION double by_inversion(double mean, double u) {
    double term = exp_of_minus(mean), total = term;
    int count = 0;
    while (u > total && count < MOST_BY_INVERSION) {
        count++;
        term = term * mean * (1.0 / (double)count);
        total = total + term;
    }
    return (double)count;
}

FUNCTION double log_probability(double count, double mean, double log_mean) {
    int few = count < EXACT_BELOW;
    double shifted = few ? count + (double)SHIFT : count;
    double inverse = 1.0 / shifted;
    double correction = inverse * POLYNOMIAL(inverse * inverse, stirling);
    double log_shifted = logarithm(shifted);
    if (few) {
        double product = 1.0;
        for (int step = 1; step <= SHIFT; step++) product = product * (count + (double)step);
        double log_factorial =
            (shifted + 0.5) * log_shifted - shifted + HALF_LOG_2_PI + correction - logarithm(product);
        return count * log_mean - mean - log_factorial;
    }
    double off = shifted - mean, v = off / (shifted + mean);
    double deviance = fabs(v) < 0.1
                          ? off * v + 2.0 * shifted * v * (v * v) * POLYNOMIAL(v * v, deviance_terms)
                          : shifted * (log_shifted - log_mean) + mean - shifted;
    return -deviance - 0.5 * log_shifted - HALF_LOG_2_PI - correction;
}

/* (N4) */
FUNCTION double by_rejection(double mean, word pixel, word frame, const integer *given) {
    double b = 0.931 + 2.53 * sqrt(mean), a = -0.059 + 0.02483 * b;
    double sure = 0.9277 - 3.6224 * (1.0 / (b - 2.0)), peak = 1.1239 + 1.1328 * (1.0 / (b - 3.4));
    double log_mean = logarithm(mean);
    for (int attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
        block drawn = philox(pixel, frame, (word)given[SERIES], (word)attempt, (word)given[KEY0], (word)given[KEY1]);
        double off = uniform(drawn.c[0], drawn.c[1]) - 0.5, v = uniform(drawn.c[2], drawn.c[3]);
        double w = 0.5 - fabs(off);
        double count = floor((2.0 * a / w + b) * off + mean + 0.43);
        if (w >= 0.07 && v <= sure) return count;
        if (count < 0.0 || (w < 0.013 && v > w)) continue;
        double height = v * peak / (a / (w * w) + b);
        if (logarithm(height) <= log_probability(count, mean, log_mean)) return count;
    }
    return floor(mean);
}

#define PIXEL(at) (word)((at) % (wide)given[PIXELS])
#define FRAME(at) (word)given[FRAMES + (at) / (wide)given[PIXELS]]
#define BLOCK_OF(at, use) philox(PIXEL(at), FRAME(at), (word)given[SERIES], use, (word)given[KEY0], (word)given[KEY1])

#ifdef STEP_photons
ENTRY photons(const integer *given, const IMAGE *expected, double *drawn) {
    EACH(at, given[COUNT_OF_ALL]) {
        double mean = (double)expected[at], found = 0.0;
        if (mean > LARGEST_MEAN) {
            found = floor(mean);
        } else if (mean >= INVERSION_BELOW) {
            found = by_rejection(mean, PIXEL(at), FRAME(at), given);
        } else if (mean > 0.0) {
            block words = BLOCK_OF(at, 0u);
            found = by_inversion(mean, uniform(words.c[0], words.c[1]));
        }
        drawn[at] = found;
    }
}
#endif

/* (N5) after the point spread. */
#ifdef STEP_read_out
ENTRY read_out(const integer *given, const double *signal, COUNT *stored) {
    const double gain = of_bits(given[GAIN]), offset = of_bits(given[OFFSET]);
    const double sigma = of_bits(given[SIGMA]), largest = of_bits(given[LARGEST]);
    EACH(at, given[COUNT_OF_ALL]) {
        double counts = signal[at] * gain + offset;
        if (sigma > 0.0) {
            block words = BLOCK_OF(at, READOUT_USE);
            counts = counts + sigma * normal_quantile(uniform(words.c[0], words.c[1]));
        }
        double rounded = floor(counts + 0.5);
        stored[at] = (COUNT)(rounded < 0.0 ? 0.0 : rounded > largest ? largest : rounded);
    }
}
#endif

/* (N6) along one dimension, whose pixels are `STRIDE` numbers apart. */
#ifdef STEP_spread
enum { SIZE, STRIDE, SPREAD_COUNT, REACH, WEIGHTS };

FUNCTION integer reflected(integer place, integer size) {
    integer around = place % (2 * size);
    if (around < 0) around += 2 * size;
    return around < size ? around : 2 * size - 1 - around;
}

ENTRY spread(const integer *given, const double *photons, double *shared) {
    const integer size = given[SIZE], stride = given[STRIDE], reach = given[REACH];
    EACH(at, given[SPREAD_COUNT]) {
        const integer place = (integer)at / stride % size;
        const double *line = photons + ((integer)at - place * stride);
        double total = photons[at] * of_bits(given[WEIGHTS]);
        for (integer step = 1; step <= reach; step++) {
            integer before = place - step, after = place + step;
            if (before < 0) before = reflected(before, size);
            if (after >= size) after = reflected(after, size);
            total = total + (line[before * stride] + line[after * stride]) * of_bits(given[WEIGHTS + step]);
        }
        shared[at] = total;
    }
}
#endif
