/* The trace: every factor of one pixel, printed from the values that the pixel pass computed.
 *
 * Setup lines `TRACE_C:key=value`, then `TRACE_C: key value`, reals with 15 significant digits. The trace computes
 * no physics: it only prints the values it receives.
 */
#ifndef NANOBRAGG_TRACE_H
#define NANOBRAGG_TRACE_H

#include <stdio.h>

#include "physics/pixel.h"

/* Lines that describe the experiment, before the pixel. */
void trace_print_setup(FILE *out, const detector *d);
void trace_print_context(FILE *out, const experiment *e, size_t slow, size_t fast);

/* An empty log; trace_print writes its lines and frees it. */
trace_log *trace_create(void);
void trace_print(FILE *out, trace_log *log);

/* Called by pixel_compute. */
void trace_sub_pixel(trace_log *log, const experiment *e, const pixel_step *step, const pixel_result *r);
void trace_block(trace_log *log, const experiment *e, const pixel_step *step, const pixel_workspace *w,
                 scaling_factors f);
void trace_end_sub_pixel(trace_log *log);
void trace_end_pixel(trace_log *log, const experiment *e, const pixel_result *r);

#endif
