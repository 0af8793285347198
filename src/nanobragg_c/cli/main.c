/* nanobragg: the absolute diffraction image of a small crystal. Parses, runs the stages, writes the files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/message.h"
#include "cli/report.h"
#include "io/counts.h"
#include "io/hkl.h"
#include "io/output.h"
#include "io/pgm.h"
#include "io/smv.h"
#include "physics/noise.h"
#include "physics/simulate.h"
#include "trace/trace.h"

#define NANOBRAGG_VERSION "1.0.0"

/* What a finished run writes; every pointer stays owned by the caller. */
typedef struct run_result {
    const options *o;
    const experiment *e;
    const simulated_image *image;
    random_table *random;
} run_result;

static bool writes_dump(const options *o) {
    return o->structure_factors.dump_file != NULL && o->structure_factors.hkl_file != NULL;
}

/* An output may replace the image of -img, which is often the result of an earlier run: only its header is read. */
static void check_inputs_survive(const options *o, const char *output_flag, const char *output) {
    const options_structure_factors *f = &o->structure_factors;
    const struct {
        const char *flag, *path;
    } inputs[] = {{"-hkl", f->hkl_file},
                  {"-dumpfile", f->hkl_file == NULL ? f->dump_file : NULL},
                  {f->stol_flag, f->stol_file},
                  {"-mat", o->crystal.matrix_file},
                  {"-sourcefile", o->beam.source_file},
                  {"-mask", o->detector.mask_file}};
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++)
        if (inputs[i].path != NULL && output_same_file(output, inputs[i].path))
            message_fail("%s '%s' would overwrite the input of %s; name another file", output_flag, output,
                         inputs[i].flag);
}

static void check_outputs(const options *o) {
    const struct {
        bool written;
        const char *flag, *path;
    } files[] = {{true, "-floatfile", o->output.float_file},
                 {o->output.double_file != NULL, "-doublefile", o->output.double_file},
                 {true, "-intfile", o->output.int_file},
                 {o->output.pgm, "-pgmfile", o->output.pgm_file},
                 {o->output.noise, "-noisefile", o->output.noise_file},
                 {writes_dump(o), "-dumpfile", o->structure_factors.dump_file}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!files[i].written || !output_check(files[i].flag, files[i].path)) continue;
        for (size_t j = 0; j < i; j++)
            if (files[j].written && output_same_file(files[i].path, files[j].path))
                message_fail("%s and %s both name '%s'; give each its own file", files[j].flag, files[i].flag,
                             files[i].path);
        check_inputs_survive(o, files[i].flag, files[i].path);
        output_warn_of_killed(files[i].flag, files[i].path, o->warnings);
    }
}

/* `first` and `second` are the values as the flag takes them, in the order `names`. */
static _Noreturn void fail_pixel(const char *flag, int64_t first, int64_t second, const char *names,
                                 const char *problem) {
    message_fail("%s %lld %lld (%s) %s; give a pixel inside", flag, (long long)first, (long long)second, names,
                 problem);
}

/* Why the requested pixel is not computed; NULL if it is. */
static const char *problem_of_pixel(const detector *d, int64_t slow, int64_t fast) {
    if (slow >= (int64_t)d->n_slow || fast >= (int64_t)d->n_fast) return "is outside the detector";
    if (!detector_computes(d, (size_t)slow, (size_t)fast)) return "is not computed: it is outside -roi or masked";
    return NULL;
}

static void check_pixels(const options_output *o, const detector *d) {
    const char *traced = o->trace ? problem_of_pixel(d, o->trace_slow, o->trace_fast) : NULL;
    if (traced != NULL) fail_pixel("-trace_pixel", o->trace_slow, o->trace_fast, "slow fast", traced);
    const char *printed = o->printout_one ? problem_of_pixel(d, o->printout_slow, o->printout_fast) : NULL;
    if (printed != NULL) fail_pixel("-printout_pixel", o->printout_fast, o->printout_slow, "fast slow", printed);
}

static smv_header header_of(const options *o, const experiment *e) {
    const detector *d = &e->detector;
    return (smv_header){.n_fast = d->n_fast,
                        .n_slow = d->n_slow,
                        .pixel_mm = d->pixel_m * 1000.0,
                        .distance_mm = d->distance_m * 1000.0,
                        .wavelength_A = o->beam.wavelength_m * 1e10,
                        .Xbeam_mm = d->Xbeam_m * 1000.0,
                        .Ybeam_mm = d->Ybeam_m * 1000.0,
                        .adxv_x_mm = d->Fbeam_m * 1000.0,
                        .adxv_y_mm = (d->size_slow_m - d->Sbeam_m) * 1000.0,
                        .mosflm_x_mm = (d->Sbeam_m - 0.5 * d->pixel_m) * 1000.0,
                        .mosflm_y_mm = (d->Fbeam_m - 0.5 * d->pixel_m) * 1000.0,
                        .denzo_x_mm = d->Sbeam_m * 1000.0,
                        .denzo_y_mm = d->Fbeam_m * 1000.0,
                        .dials_x_mm = d->dials_origin_mm.x,
                        .dials_y_mm = d->dials_origin_mm.y,
                        .dials_z_mm = d->dials_origin_mm.z,
                        .ORGX_pixels = d->ORGX_pixels,
                        .ORGY_pixels = d->ORGY_pixels,
                        .close_distance_mm = d->close_distance_m * 1000.0,
                        .phi_deg = e->crystal.phi_start_rad * VEC_DEGREES_PER_RADIAN,
                        .osc_deg = e->crystal.phi_range_rad * VEC_DEGREES_PER_RADIAN,
                        .twotheta_deg = d->twotheta_rad * VEC_DEGREES_PER_RADIAN};
}

static void write_counts(output_set *set, const run_result *run, double scale) {
    smv_header header = header_of(run->o, run->e);
    uint16_t *counts = counts_image(run->image->photons, &run->e->detector, scale, run->o->output.adc);
    smv_write(output_open(set, run->o->output.int_file), &header, counts);
    free(counts);
}

/* The noise is drawn before the first file is opened, so that a signal ends it at once and a pixel without a finite
 * mean leaves no file behind. */
static noise_image draw_noise(const run_result *run) {
    const options_output *o = &run->o->output;
    if (!o->noise) return (noise_image){.counts = NULL};
    noise_source source = {.shared = run->random,
                           .seed = o->noise_seed == INT64_MIN ? -(int64_t)time(NULL) : o->noise_seed};
    return noise_image_of(run->image->photons, &run->e->detector, o->adc, &source);
}

static void write_noise(output_set *set, const run_result *run, const noise_image *noise) {
    smv_header header = header_of(run->o, run->e);
    smv_write(output_open(set, run->o->output.noise_file), &header, noise->counts);
    printf("%.0f photons on the noise image, %zu overloads\n", noise->total_photons, noise->overloads);
}

static void write_outputs(const run_result *run, const statistics *s) {
    const options_output *o = &run->o->output;
    const detector *d = &run->e->detector;
    noise_image noise = draw_noise(run);
    output_set set = {.count = 0};
    fwrite(run->image->photons, sizeof(float), d->n_fast * d->n_slow, output_open(&set, o->float_file));
    if (o->double_file != NULL)
        fwrite(run->image->unrounded, sizeof(double), d->n_fast * d->n_slow, output_open(&set, o->double_file));
    double int_scale = counts_scale(o->int_scale, s);
    printf("intfile_scale = %g\n", int_scale);
    write_counts(&set, run, int_scale);
    if (o->pgm) {
        double scale = pgm_scale(o->pgm_scale, s, int_scale);
        printf("pgm_scale = %g\n", scale);
        pgm_write(output_open(&set, o->pgm_file), run->image->photons, d, scale);
    }
    if (o->noise) write_noise(&set, run, &noise);
    if (writes_dump(run->o))
        hkl_write_dump(output_open(&set, run->o->structure_factors.dump_file), &run->e->structure_factor.table);
    output_commit(&set);
    free(noise.counts);
}

static void run(const options *o) {
    random_table random = {0};
    check_outputs(o);
    experiment e = experiment_build(o, &random);
    check_pixels(&o->output, &e.detector);
    message_list_print(o->warnings);
    report_experiment(stdout, &e);
    trace_log *log = NULL;
    if (o->output.trace) {
        log = trace_create();
        trace_print_setup(stdout, &e.detector);
        trace_print_context(stdout, &e, (size_t)o->output.trace_slow, (size_t)o->output.trace_fast);
    }
    simulated_image image = simulate(&e, &o->output, log);
    if (log != NULL) trace_print(stdout, log);
    statistics s = statistics_of(image.photons, &e.detector);
    if (s.n_not_finite > 0)
        message_warn(o->warnings,
                     "%zu pixels are not finite numbers; check the magnitudes of -default_F, -hkl and -fluence",
                     s.n_not_finite);
    report_image(stdout, &e, &image, &s);
    message_list_print(o->warnings);
    write_outputs(&(run_result){o, &e, &image, &random}, &s);
    simulate_free(&image);
    experiment_free(&e);
}

int main(int argc, char **argv) {
    options o = options_parse(argc, argv);
    if (o.help)
        options_print_help(stdout);
    else if (o.version)
        printf("nanobragg %s\n", NANOBRAGG_VERSION);
    else if (o.list_defects)
        defects_print_table(stdout);
    else
        run(&o);
    options_free(&o);
    if (fflush(stdout) != 0 || ferror(stdout) != 0)
        message_fail("standard output could not be written; check where it goes");
    return 0;
}
