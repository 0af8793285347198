/* Counts and steps that are not given. Section 2 of docs/physics.md.
 *
 * (2.1)  n = ceil(r/d) with divergence_grid;  floor(r/d + 1/2) + 1 without
 * (2.2)  d = r/(n - 1)
 * (2.3)  dT = T/(n - 1), n at least 2, with layer_pitch;  T/n without       [m]
 */
#include "physics/steps.h"

#include <math.h>

#include "base/message.h"
#include "base/seam.h"

#define STEPS_LIMIT 1e9
#define SPREAD_WITHOUT_COUNT_DOMAINS 10

/* A count computed from range/step, refused when absurd. */
static int64_t counted(double n, const char *what) {
    if (!(n <= STEPS_LIMIT))
        message_fail("%s: range and step make %g steps, expected at most %g; use a larger step", what, n, STEPS_LIMIT);
    return (int64_t)n;
}

static steps_grid single_step(void) { return (steps_grid){1, 0.0, 0.0}; }

static steps_grid without_empty(steps_grid g) {
    return g.range <= 0.0 || g.step <= 0.0 || g.count <= 0 ? single_step() : g;
}

/* Count given, step not. (2.2) */
static steps_grid from_count(options_grid given, bool historic_grid, const char *what) {
    if (isnan(given.range)) {
        if (!historic_grid)
            message_fail(
                "%s: a number of steps needs a range; give the range, or the defect divergence_grid for one radian",
                what);
        return (steps_grid){given.count, 1.0, 1.0 / (double)given.count};
    }
    int64_t count = given.count <= 1 ? 2 : given.count;
    return (steps_grid){count, given.range, given.range / (double)(count - 1)};
}

/* (2.1) */
steps_grid steps_resolve(options_grid given, bool historic_grid, const char *what) {
    bool has_count = given.count > 0, has_range = !isnan(given.range), has_step = given.step > 0.0;
    steps_grid g = {given.count, given.range, given.step};
    if (!has_range && has_step) {
        g = (steps_grid){2, given.step, given.step};
    } else if (has_count && !has_step) {
        g = from_count(given, historic_grid, what);
    } else if (!has_range) {
        g = single_step();
    } else if (!has_count && !has_step) {
        g = (steps_grid){2, given.range, given.range};
    } else if (!has_count) {
        double intervals = given.range / given.step;
        g.count = counted(historic_grid ? ceil(intervals) : floor(intervals + 0.5) + 1.0, what);
    }
    return without_empty(g);
}

/* (2.3) */
steps_grid steps_resolve_layers(int64_t count, double thickness_m, bool historic_pitch) {
    if (thickness_m <= 0.0) return single_step();
    if (count <= 0) return (steps_grid){2, thickness_m, thickness_m / 2.0};
    if (!historic_pitch) return (steps_grid){count, thickness_m, thickness_m / (double)count};
    if (count == 1) count = 2;
    return (steps_grid){count, thickness_m, thickness_m / (double)(count - 1)};
}

steps_grid steps_resolve_phi(const options_spindle *given) {
    bool has_count = given->phisteps >= 0, has_range = given->osc_rad >= 0.0, has_step = given->phistep_rad > 0.0;
    int64_t count = given->phisteps == 0 ? 1 : given->phisteps;
    double range = given->osc_rad, step = given->phistep_rad;
    if (!has_range && has_step) return (steps_grid){2, step, step};
    if (!has_count) {
        if (!has_range) return single_step();
        if (!has_step) return (steps_grid){2, range, range / 2.0};
        return (steps_grid){counted(fmax(1.0, ceil(range / step)), "-osc, -phistep"), range, step};
    }
    SEAM_NUMBER("phi_steps", count);
    if (!has_range) range = 1.0 / VEC_DEGREES_PER_RADIAN;
    if (isnan(step) || !has_range) step = range / (double)count;
    return (steps_grid){count, range, step};
}

steps_mosaic steps_resolve_mosaic(int64_t domains, double spread_rad) {
    if (isnan(spread_rad) || spread_rad == 0.0) return (steps_mosaic){1, 0.0};
    return (steps_mosaic){domains > 0 ? domains : SPREAD_WITHOUT_COUNT_DOMAINS, spread_rad};
}
