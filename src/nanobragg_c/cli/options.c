#include "cli/options.h"

#include <stdlib.h>

#include "base/message.h"
#include "cli/options_apply.h"
#include "cli/options_header.h"

#define DEFAULT_WAVELENGTH_M 1e-10
#define DEFAULT_BEAMSIZE_M 1e-4
#define DEFAULT_PIXEL_M 1e-4
#define DEFAULT_DETECTOR_SIZE_M 0.1024
#define DEFAULT_FLUENCE_PHOTONS_PER_M2 125932015286227086360700780544.0
#define DEFAULT_MOSAIC_SEED (-12345678)

static options default_options(void) {
    const options_grid no_grid = {OPTIONS_NO_COUNT, NAN, NAN};
    options o = {.defects = defects_default(), .mask_Ybeam_m = NAN, .warnings = message_list_create()};
    o.crystal = (options_crystal){.misset_seed = INT64_MIN,
                                  .mosaic_seed = DEFAULT_MOSAIC_SEED,
                                  .n_cells = {1, 1, 1},
                                  .fudge = 1.0,
                                  .mosaic_spread_rad = NAN,
                                  .mosaic_domains = OPTIONS_NO_COUNT};
    o.beam = (options_beam){.wavelength_m = DEFAULT_WAVELENGTH_M,
                            .fluence_photons_per_m2 = DEFAULT_FLUENCE_PHOTONS_PER_M2,
                            .exposure_s = 1.0,
                            .beamsize_m = DEFAULT_BEAMSIZE_M,
                            .hdiv_rad = no_grid,
                            .vdiv_rad = no_grid,
                            .dispersion = {OPTIONS_NO_COUNT, 0.0, NAN}};
    o.spindle = (options_spindle){0.0, NAN, NAN, OPTIONS_NO_COUNT};
    o.detector = (options_detector){.pixel_m = DEFAULT_PIXEL_M,
                                    .size_fast_m = DEFAULT_DETECTOR_SIZE_M,
                                    .size_slow_m = DEFAULT_DETECTOR_SIZE_M,
                                    .n_fast = OPTIONS_NO_COUNT,
                                    .n_slow = OPTIONS_NO_COUNT,
                                    .distance_m = 0.1,
                                    .close_distance_m = NAN,
                                    .Xbeam_m = NAN,
                                    .Ybeam_m = NAN,
                                    .Xclose_m = NAN,
                                    .Yclose_m = NAN,
                                    .ORGX_pixels = NAN,
                                    .ORGY_pixels = NAN,
                                    .attenuation_per_m = NAN,
                                    .thick_steps = OPTIONS_NO_COUNT,
                                    .oversample = OPTIONS_NO_COUNT,
                                    .roi = {-1, -1, -1, -1}};
    o.output = (options_output){.float_file = "floatimage.bin",
                                .int_file = "intimage.img",
                                .pgm_file = "image.pgm",
                                .noise_file = "noiseimage.img",
                                .pgm = true,
                                .noise = true,
                                .adc = 40.0,
                                .noise_seed = INT64_MIN,
                                .progress = true};
    return o;
}

static void check_sources_of_input(const options *o) {
    const options_structure_factors *f = &o->structure_factors;
    if (f->hkl_file == NULL && f->dump_file == NULL && f->default_F == 0.0)
        message_fail(
            "no structure factors: expected -hkl FILE, -dumpfile FILE or -default_F x; `nanobragg --help` lists "
            "the flags");
    if (o->crystal.matrix_file == NULL && !o->crystal.cell_given)
        message_fail(
            "no unit cell: expected -cell a b c alpha beta gamma or -mat FILE; `nanobragg --help` lists the flags");
}

/* `x` is NAN if not given. */
static void check_length(const char *what, double x_m) {
    if (!isnan(x_m) && !(fabs(x_m) >= OPTIONS_SHORTEST_M && fabs(x_m) <= OPTIONS_LONGEST_M))
        message_fail("%s of %g m, expected from %g to %g m; check its unit", what, x_m, OPTIONS_SHORTEST_M,
                     OPTIONS_LONGEST_M);
}

static void check_lengths(const options *o) {
    check_length("-lambda: a wavelength", o->beam.wavelength_m);
    check_length("-pixel: a size", o->detector.pixel_m);
    check_length("-distance: a distance", o->detector.distance_m);
    check_length("-close_distance: a distance", o->detector.close_distance_m);
}

options options_parse(int argc, char **argv) {
    options o = default_options();
    int n_uses = 0;
    flag_use *uses = message_allocate((size_t)argc, sizeof uses[0], "the command line");
    for (int position = 1; position < argc;) {
        flag_use use = flags_next(argc, argv, &position);
        if (use.id == FLAG_MASK) o.detector.mask_file = use.word;
        if (use.id == FLAG_IMG) o.detector.image_file = use.word;
        if (use.id == FLAG_HELP) o.help = true;
        if (use.id == FLAG_VERSION) o.version = true;
        uses[n_uses++] = use;
    }
    if (!o.help && !o.version) options_read_headers(&o);
    for (int i = 0; i < n_uses; i++) {
        options_apply(&o, &uses[i]);
        o.given[uses[i].id] = true;
    }
    free(uses);
    if (!o.help && !o.version && !o.list_defects) {
        options_settle_headers(&o);
        check_sources_of_input(&o);
        check_lengths(&o);
    }
    return o;
}

void options_free(options *o) {
    smv_free(&o->detector.mask);
    message_list_free(o->warnings);
}

const char *options_convention_name(options_convention convention) {
    static const char *const NAMES[] = {"MOSFLM", "DENZO", "ADXV", "XDS", "DIALS", "CUSTOM"};
    return NAMES[convention];
}

void options_print_help(FILE *out) {
    fputs(
        "usage: nanobragg -cell a b c alpha beta gamma | -mat FILE   -hkl FILE | -default_F x   [flags]\n"
        "The absolute diffraction image of a small crystal, in photons per pixel.\n"
        "Writes floatimage.bin, intimage.img, image.pgm and noiseimage.img unless told otherwise.\n",
        out);
    flags_print_usage(out);
    fputs("\nExit codes: 0 done; 2 the command line or an input file was refused (one line on stderr says why).\n",
          out);
}
