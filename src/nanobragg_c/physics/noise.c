/* Photon-counting noise. Section 13 of docs/physics.md.
 *
 * (13.4) noise, I < 12: the number of draws u whose product stays above exp(-I)
 * (13.5) noise, 12 <= I <= 1e6: k = floor(sqrt(2 I) tan(pi u) + I), accepted if
 *        u' <= 0.9 (1 + tan^2(pi u)) exp(k ln I - ln Gamma(k + 1) - I ln I + ln Gamma(I + 1))
 * (13.6) noise, I > 1e6: I + sqrt(I) times a normal number
 */
#include "physics/noise.h"

#include <math.h>

#include "base/message.h"
#include "io/counts.h"

#define NORMAL_ABOVE_MEAN 1e6f
#define COUNTING_BELOW_MEAN 12.0f
#define REJECTION_MARGIN 0.9 /* (13.5) */

static float uniform(noise_source *n) { return random_uniform(n->shared, &n->seed); }

/* Normal number of unit variance; made in pairs. (13.6) */
static float normal(noise_source *n) {
    if (n->has_spare) {
        n->has_spare = false;
        return n->spare;
    }
    float v1, v2, r;
    do {
        v1 = 2.0f * uniform(n) - 1.0f;
        v2 = 2.0f * uniform(n) - 1.0f;
        r = v1 * v1 + v2 * v2;
    } while (r >= 1.0f || r == 0.0f);
    float factor = (float)sqrt(-2.0 * log((double)r) / (double)r);
    n->spare = v1 * factor;
    n->has_spare = true;
    return v2 * factor;
}

/* ln Gamma(x) by the Lanczos series, rounded to single. */
static float log_gamma(float argument) {
    static const double C[6] = {76.18009172947146,  -86.50532032941677,   24.01409824083091,
                                -1.231739572450155, 0.001208650973866179, -0.000005395239384953};
    const double x = (double)argument;
    double t = x + 5.5;
    t -= (x + 0.5) * log(t);
    double series = 1.000000000190015;
    for (int j = 0; j < 6; j++) series += C[j] / (x + (double)(j + 1));
    return (float)(-t + log(2.5066282746310005 * series / x));
}

/* Product of uniform numbers until it falls below exp(-mean). (13.4) */
static double poisson_by_counting(noise_source *n, float mean) {
    float limit = (float)exp(-(double)mean), product = 1.0f;
    double count = -1.0;
    do {
        count += 1.0;
        product *= uniform(n);
    } while (product > limit);
    return count;
}

/* Rejection from a Lorentzian. (13.5) */
static double poisson_by_rejection(noise_source *n, float mean) {
    float width = (float)sqrt(2.0 * (double)mean), log_mean = (float)log((double)mean);
    float g = mean * log_mean - log_gamma(mean + 1.0f);
    float count, t;
    do {
        float y;
        do {
            y = (float)tan(VEC_PI * (double)uniform(n));
            count = width * y + mean;
        } while (count < 0.0f);
        count = floorf(count);
        float exponent = count * log_mean - log_gamma(count + 1.0f) - g;
        t = (float)(REJECTION_MARGIN * (1.0 + (double)(y * y)) * exp((double)exponent));
    } while (uniform(n) > t);
    return (double)count;
}

double noise_poisson(noise_source *n, float mean) {
    if (mean > NORMAL_ABOVE_MEAN) return (double)(float)((double)mean + sqrt((double)mean) * (double)normal(n));
    if (mean < COUNTING_BELOW_MEAN) return poisson_by_counting(n, mean);
    return poisson_by_rejection(n, mean);
}

/* No count can be drawn for a mean that is not a number, nor for an infinite one. */
static void check_means(const float *photons, const detector *d) {
    for (size_t slow = d->roi[2]; slow <= d->roi[3]; slow++)
        for (size_t fast = d->roi[0]; fast <= d->roi[1]; fast++) {
            double mean = (double)photons[slow * d->n_fast + fast];
            if (!isfinite(mean))
                message_fail("noise: pixel slow %zu fast %zu has %s photons, expected a finite number; check -default_F, "
                             "-hkl and -fluence, or leave the noise out (-nonoise) to see the image",
                             slow, fast, isnan(mean) ? "nan" : mean > 0.0 ? "inf" : "-inf");
        }
}

noise_image noise_image_of(const float *photons, const detector *d, double adc, noise_source *n) {
    check_means(photons, d);
    noise_image image = {.counts = message_allocate(d->n_fast * d->n_slow, sizeof(uint16_t), "the noise image")};
    for (size_t slow = d->roi[2]; slow <= d->roi[3]; slow++)
        for (size_t fast = d->roi[0]; fast <= d->roi[1]; fast++) {
            size_t i = slow * d->n_fast + fast;
            double count = noise_poisson(n, photons[i]);
            double t = count + adc;
            image.total_photons += count;
            if (t > COUNTS_LARGEST) {
                t = COUNTS_LARGEST;
                image.overloads++;
            }
            image.counts[i] = t > 0.0 ? (uint16_t)t : 0;
        }
    return image;
}
