/* Mean and spread of the image. Section 13 of docs/physics.md.
 *
 * (13.1) mean = sum I/n,  rms = sqrt(sum I^2/(n - 1)),  rmsd = sqrt(sum over the region (I - mean)^2/(n_roi - 1))
 */
#include "io/statistics.h"

#include <math.h>

/* n - 1, but at least 1 */
static double degrees_of_freedom(size_t n) { return n <= 1 ? 1.0 : (double)(n - 1); }

statistics statistics_of(const float *photons, const detector *d) {
    statistics s = {0};
    size_t n_computed = 0, n_roi = 0;
    double sum = 0.0, sum_squares = 0.0, sum_deviations = 0.0;
    for (size_t slow = d->roi[2]; slow <= d->roi[3]; slow++)
        for (size_t fast = d->roi[0]; fast <= d->roi[1]; fast++) {
            if (!detector_computes(d, slow, fast)) continue;
            double value = (double)photons[slow * d->n_fast + fast];
            n_computed++;
            s.n_not_finite += isfinite(value) ? 0 : 1;
            sum += value;
            sum_squares += value * value;
            if (value > s.max) {
                s.max = value;
                s.max_slow = slow;
                s.max_fast = fast;
            }
        }
    s.mean = n_computed > 0 ? sum / (double)n_computed : 0.0;
    s.rms = sqrt(sum_squares / degrees_of_freedom(n_computed));
    for (size_t slow = d->roi[2]; slow <= d->roi[3]; slow++)
        for (size_t fast = d->roi[0]; fast <= d->roi[1]; fast++, n_roi++) {
            double deviation = (double)photons[slow * d->n_fast + fast] - s.mean;
            sum_deviations += deviation * deviation;
        }
    s.rmsd = sqrt(sum_deviations / degrees_of_freedom(n_roi));
    return s;
}
