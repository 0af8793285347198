/* Text on standard output: the resolved experiment, and the results. */
#ifndef NANOBRAGG_REPORT_H
#define NANOBRAGG_REPORT_H

#include "cli/options.h"
#include "io/statistics.h"
#include "physics/pixel.h"
#include "physics/simulate.h"

void report_experiment(FILE *out, const experiment *e);

/* One pixel of -printout, from its last-evaluated state. */
void report_pixel(FILE *out, const experiment *e, size_t slow, size_t fast, const pixel_result *r,
                  const pixel_workspace *w);

void report_image(FILE *out, const experiment *e, const simulated_image *image, const statistics *s);

#endif
