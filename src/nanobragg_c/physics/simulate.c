/* All pixels of the image, rows in parallel; `pixel.c` computes each of them. */
#include "physics/simulate.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdlib.h>

#include "base/message.h"
#include "base/signals.h"
#include "cli/report.h"

typedef struct row_task {
    const experiment *e;
    const options_output *o;
    trace_log *log;
    float *photons;
    double *unrounded;
    size_t *row_computed;
} row_task;

static bool is_pixel(size_t slow, size_t fast, int64_t wanted_slow, int64_t wanted_fast) {
    return (int64_t)slow == wanted_slow && (int64_t)fast == wanted_fast;
}

static void compute_row(const row_task *t, size_t slow, pixel_workspace *w) {
    const detector *d = &t->e->detector;
    const options_output *o = t->o;
    for (size_t fast = d->roi[0]; fast <= d->roi[1]; fast++) {
        if (!detector_computes(d, slow, fast)) continue;
        bool traced = t->log != NULL && is_pixel(slow, fast, o->trace_slow, o->trace_fast);
        pixel_result r = pixel_compute(t->e, slow, fast, w, traced ? t->log : NULL);
        t->photons[slow * d->n_fast + fast] = r.stored_photons;
        if (t->unrounded != NULL) t->unrounded[slow * d->n_fast + fast] = r.photons;
        t->row_computed[slow]++;
        if (o->printout && (!o->printout_one || is_pixel(slow, fast, o->printout_slow, o->printout_fast)))
            report_pixel(stdout, t->e, slow, fast, &r, w);
    }
}

/* The order of pixels matters for a printout and for the interpolation latch. */
static int count_threads(const experiment *e, const options_output *o) {
    bool in_order = (o->printout && !o->printout_one) || (e->structure_factor.interpolate && e->structure_factor.latch);
    if (in_order) return 1;
#ifdef _OPENMP
    return o->threads > 0 ? (int)o->threads : omp_get_max_threads();
#else
    (void)o;
    return 1;
#endif
}

static void show_progress(size_t done, size_t rows) {
    const size_t parts = 20;
    if (done * parts / rows != (done - 1) * parts / rows) {
        printf("%zu%% done\n", done * 100 / rows);
        fflush(stdout);
    }
}

static void compute_rows(const row_task *t, int threads, bool progress) {
    (void)threads; /* unused without OpenMP */
    const size_t first = t->e->detector.roi[2], rows = t->e->detector.roi[3] - first + 1;
    size_t done = 0;
    /* Signals go to this thread, never to those that it starts: it delays them while files are written. */
    signals_held *held = signals_hold();
#pragma omp parallel num_threads(threads)
    {
#pragma omp master
        signals_release(held);
        pixel_workspace workspace;
        pixel_prepare(&workspace, t->e);
#pragma omp for schedule(dynamic, 1)
        for (size_t row = 0; row < rows; row++) {
            compute_row(t, first + row, &workspace);
#pragma omp critical(progress)
            {
                done++;
                if (progress) show_progress(done, rows);
            }
        }
    }
}

simulated_image simulate(const experiment *e, const options_output *o, trace_log *log) {
    const detector *d = &e->detector;
    simulated_image image = {.photons = message_allocate(d->n_fast * d->n_slow, sizeof(float), "the image")};
    if (o->double_file != NULL)
        image.unrounded = message_allocate(d->n_fast * d->n_slow, sizeof(double), "the image");
    row_task task = {.e = e,
                     .o = o,
                     .log = log,
                     .photons = image.photons,
                     .unrounded = image.unrounded,
                     .row_computed = message_allocate(d->n_slow, sizeof(size_t), "row sums")};
    compute_rows(&task, count_threads(e, o), o->progress && !o->printout);
    for (size_t slow = 0; slow < d->n_slow; slow++) image.n_computed += task.row_computed[slow];
    free(task.row_computed);
    return image;
}

void simulate_free(simulated_image *image) {
    free(image->photons);
    free(image->unrounded);
    image->photons = NULL;
    image->unrounded = NULL;
}
