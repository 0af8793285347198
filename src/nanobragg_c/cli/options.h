/* The command line as the user states it: SI units, radians, nothing derived.
 *
 * Real numbers that were not given are NAN and counts that were not given are OPTIONS_NO_COUNT, so that the
 * rules for missing values know what was given. Paths point into argv.
 */
#ifndef NANOBRAGG_OPTIONS_H
#define NANOBRAGG_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"
#include "base/vector.h"
#include "cli/defects.h"
#include "cli/flags.h"
#include "io/smv.h"

#define OPTIONS_NO_COUNT (-1)

/* Lengths are between these, so that their squares and inverses are numbers. */
#define OPTIONS_SHORTEST_M 1e-30
#define OPTIONS_LONGEST_M 1e30

typedef enum options_convention {
    CONVENTION_MOSFLM,
    CONVENTION_DENZO,
    CONVENTION_ADXV,
    CONVENTION_XDS,
    CONVENTION_DIALS,
    CONVENTION_CUSTOM
} options_convention;
typedef enum options_pivot { PIVOT_NONE, PIVOT_BEAM, PIVOT_SAMPLE } options_pivot;
typedef enum options_shape { SHAPE_SQUARE, SHAPE_ROUND, SHAPE_GAUSS, SHAPE_TOPHAT } options_shape;
typedef enum options_interpolation {
    INTERPOLATION_AUTOMATIC,
    INTERPOLATION_OFF,
    INTERPOLATION_ON
} options_interpolation;

typedef struct options_vector {
    vec3 value;
    bool given;
} options_vector;

typedef struct options_crystal {
    const char *matrix_file;
    bool cell_given;
    double cell_A[3], cell_angles_rad[3];
    bool misset_given, misset_random;
    vec3 misset_rad;
    int64_t misset_seed, mosaic_seed; /* seed variables: minus the number on the command line */
    int64_t n_cells[3];
    double sample_m[3]; /* along a, b, c; 0: not given */
    options_shape shape;
    double fudge;
    double mosaic_spread_rad;
    int64_t mosaic_domains;
    bool mosaic_quadrature;
} options_crystal;

typedef struct options_structure_factors {
    const char *hkl_file, *dump_file;
    const char *stol_flag, *stol_file;
    double default_F;
    options_interpolation interpolation;
    double dmin_m, water_m;
} options_structure_factors;

typedef struct options_grid {
    int64_t count;
    double range, step;
} options_grid;

typedef struct options_beam {
    double wavelength_m;
    double fluence_photons_per_m2, flux_photons_per_s, exposure_s, beamsize_m;
    double polarization_factor;
    bool unpolarized; /* -nopolar */
    options_grid hdiv_rad, vdiv_rad, dispersion;
    bool square_divergence;
    const char *source_file;
} options_beam;

typedef struct options_spindle {
    double phi_rad, osc_rad, phistep_rad;
    int64_t phisteps;
} options_spindle;

typedef struct options_detector {
    double pixel_m, size_fast_m, size_slow_m;
    int64_t n_fast, n_slow;
    options_convention convention;
    options_pivot pivot;          /* what the last pivot-setting flag chose */
    options_pivot explicit_pivot; /* what -pivot itself chose */
    double distance_m, close_distance_m;
    double Xbeam_m, Ybeam_m, Xclose_m, Yclose_m, ORGX_pixels, ORGY_pixels;
    options_vector fdet, sdet, odet, beam, polar, spindle, twotheta_axis, pix0_m;
    vec3 rotation_rad;
    double twotheta_rad;
    bool curved, point_pixel;
    double thickness_m, attenuation_per_m;
    int64_t thick_steps, oversample;
    bool oversample_thick, oversample_polar, oversample_omega;
    int64_t roi[4]; /* first fast, last fast, first slow, last slow; negative: the edge */
    const char *mask_file, *image_file;
    smv_image mask; /* no data: no mask */
} options_detector;

typedef struct options_output {
    const char *float_file, *double_file, *int_file, *pgm_file, *noise_file;
    bool pgm, noise;
    double int_scale, adc, pgm_scale; /* scale 0: automatic */
    int64_t noise_seed;
    bool printout, printout_one, progress, trace;
    int64_t printout_slow, printout_fast, trace_slow, trace_fast;
    int64_t threads;
} options_output;

/* Lengths that a header may lack, and the header's values for them. */
typedef enum options_header_length {
    HEADER_PIXEL,
    HEADER_DISTANCE,
    HEADER_WAVELENGTH,
    HEADER_LENGTHS
} options_header_length;

/* Values of d*TREK's keywords for which the header has no key of nanoBragg. */
typedef enum options_header_dtrek { DTREK_BEAM, DTREK_ROTATION, DTREK_SWING, DTREK_KINDS } options_header_dtrek;
typedef struct options_header_doubt {
    const char *flag, *path; /* flag NULL: nothing is missing */
    char what[160];
} options_header_doubt;

typedef struct options {
    options_crystal crystal;
    options_structure_factors structure_factors;
    options_beam beam;
    options_spindle spindle;
    options_detector detector;
    options_output output;
    defect_set defects;
    bool help, version, list_defects;
    bool given[FLAG_COUNT]; /* flags of the command line */
    options_header_doubt header_doubts[HEADER_LENGTHS];
    options_header_doubt header_dtrek[DTREK_KINDS];
    double mask_Ybeam_m; /* BEAM_CENTER_Y of the mask where it counts, NAN elsewhere */
    message_list *warnings; /* collected until the whole input is accepted */
} options;

/* Reads the command line and the headers that -mask and -img name. Ends the program on anything it does not
 * understand. Free with options_free. */
options options_parse(int argc, char **argv);
void options_free(options *o);

const char *options_convention_name(options_convention convention);

/* The help text, made from the flag table. */
void options_print_help(FILE *out);

#endif
