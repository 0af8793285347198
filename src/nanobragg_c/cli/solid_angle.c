#include "cli/solid_angle.h"

#include <math.h>
#include <stdlib.h>

#include "base/message.h"

#define MOST_NODES 24
#define AGREEMENT 1e-10

/* Gauss' rule on -1..1. */
typedef struct gauss_rule {
    int n;
    double place[MOST_NODES], weight[MOST_NODES];
} gauss_rule;

/* P_n(x) and its derivative, by the recurrence of the Legendre polynomials. */
static double legendre(int n, double x, double *derivative) {
    double before = 1.0, now = x;
    for (int k = 2; k <= n; k++) {
        double next = ((2.0 * k - 1.0) * x * now - (k - 1.0) * before) / k;
        before = now;
        now = next;
    }
    *derivative = n * (x * now - before) / (x * x - 1.0);
    return now;
}

static gauss_rule make_rule(int n) {
    gauss_rule rule = {.n = n};
    for (int i = 0; i < n; i++) {
        double x = cos(VEC_PI * (i + 0.75) / (n + 0.5)), derivative = 1.0;
        for (int step = 0; step < 8; step++) {
            double value = legendre(n, x, &derivative);
            x -= value / derivative;
        }
        legendre(n, x, &derivative);
        rule.place[i] = x;
        rule.weight[i] = 2.0 / ((1.0 - x * x) * derivative * derivative);
    }
    return rule;
}

/* Solid angle of a pixel with its middle at this position (pixels). */
static double at(const detector *d, double fast, double slow) {
    double R_m = vec_length(detector_position_m(d, fast * d->pixel_m, slow * d->pixel_m, 0.0));
    return detector_solid_angle_sr(d, R_m, d->close_distance_m / R_m);
}

/* Integral over pixels `first[0]` to below `end[0]` along fast, and the same along slow. */
static double integral(const detector *d, const gauss_rule *rule, const double first[2], const double end[2]) {
    const double half[2] = {(end[0] - first[0]) / 2.0, (end[1] - first[1]) / 2.0};
    double sum = 0.0;
    for (int i = 0; i < rule->n; i++)
        for (int j = 0; j < rule->n; j++)
            sum += rule->weight[i] * rule->weight[j] *
                   at(d, first[0] + half[0] * (1.0 + rule->place[i]), first[1] + half[1] * (1.0 + rule->place[j]));
    return sum * half[0] * half[1];
}

static double sum_of_pixels(const detector *d) {
    const gauss_rule rule = make_rule(2);
    double *row = message_allocate(d->n_slow, sizeof row[0], "row sums"), sum = 0.0;
#pragma omp parallel for schedule(static)
    for (size_t slow = d->roi[2]; slow <= d->roi[3]; slow++)
        for (size_t fast = d->roi[0]; fast <= d->roi[1]; fast++)
            if (detector_computes(d, slow, fast)) {
                const double first[2] = {(double)fast, (double)slow}, end[2] = {first[0] + 1.0, first[1] + 1.0};
                row[slow] += integral(d, &rule, first, end);
            }
    for (size_t slow = d->roi[2]; slow <= d->roi[3]; slow++) sum += row[slow];
    free(row);
    return sum;
}

double solid_angle_sr(const detector *d) {
    if (d->mask == NULL) {
        const gauss_rule coarse = make_rule(16), fine = make_rule(MOST_NODES);
        const double first[2] = {(double)d->roi[0], (double)d->roi[2]};
        const double end[2] = {(double)d->roi[1] + 1.0, (double)d->roi[3] + 1.0};
        double rough = integral(d, &coarse, first, end), sum = integral(d, &fine, first, end);
        if (fabs(rough - sum) <= AGREEMENT * fabs(sum)) return sum;
    }
    return sum_of_pixels(d);
}
