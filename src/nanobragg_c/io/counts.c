/* The integer image. Section 13 of docs/physics.md.
 *
 * (13.2) count = floor(I scale + adc + 1/2) from 0 to 65535,  scale = 55000/max I where not given
 */
#include "io/counts.h"

#include <math.h>

#include "base/message.h"

#define COUNTS_OF_BRIGHTEST 55000.0

double counts_scale(double given, const statistics *s) {
    if (given > 0.0) return given;
    return s->max > 0.0 ? COUNTS_OF_BRIGHTEST / s->max : 1.0;
}

static uint16_t count_of(double value, double scale, double adc) {
    double t = value * scale + adc;
    if (!(t > 0.0)) t = 0.0;
    if (t > COUNTS_LARGEST) t = COUNTS_LARGEST;
    return (uint16_t)fmin(COUNTS_LARGEST, floor((double)(float)(t + 0.5)));
}

uint16_t *counts_image(const float *photons, const detector *d, double scale, double adc) {
    uint16_t *image = message_allocate(d->n_fast * d->n_slow, sizeof image[0], "the integer image");
    for (size_t slow = d->roi[2]; slow <= d->roi[3]; slow++)
        for (size_t fast = d->roi[0]; fast <= d->roi[1]; fast++) {
            size_t i = slow * d->n_fast + fast;
            image[i] = count_of((double)photons[i], scale, adc);
        }
    return image;
}
