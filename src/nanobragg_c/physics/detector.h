/* The detector: basis, placement, pixels, sensor layers. Lengths in m, laboratory frame. */
#ifndef NANOBRAGG_DETECTOR_H
#define NANOBRAGG_DETECTOR_H

#include <stddef.h>

#include "cli/options.h"

typedef struct detector_axes {
    vec3 fast, slow, normal; /* unit vectors */
} detector_axes;

/* The steps of the placement, for the log. */
typedef struct detector_construction {
    detector_axes initial, after_xyz;
    mat3 rotation_x, rotation_y, rotation_z; /* rotations of axes and corner, in this order */
    mat3 rotation;                           /* their product, for the log only: it rounds differently */
    double Fclose_m, Sclose_m, Fbeam_m, Sbeam_m, close_distance_m, distance_m, ratio;
    vec3 term_fast_m, term_slow_m, term_third_m; /* third: along the normal (SAMPLE) or the beam (BEAM) */
    vec3 pix0_unrotated_m, pix0_after_xyz_m, pix0_m;
} detector_construction;

typedef struct detector {
    options_convention convention;
    options_pivot pivot;
    vec3 beam, polar, spindle; /* unit vectors */
    vec3 twotheta_axis, rotation_rad;
    double twotheta_rad;
    double pixel_m, size_fast_m, size_slow_m;
    size_t n_fast, n_slow;
    size_t roi[4]; /* first fast, last fast, first slow, last slow; inclusive, inside the detector */
    double Xbeam_m, Ybeam_m, Xclose_m, Yclose_m;
    detector_construction built;
    /* final placement */
    detector_axes axes;
    vec3 pix0_m; /* outer corner of pixel (0, 0) */
    double close_distance_m, distance_m, Fbeam_m, Sbeam_m, Fclose_m, Sclose_m, ORGX_pixels, ORGY_pixels;
    vec3 dials_origin_mm;
    bool curved, curved_by_lab_axes, point_pixel;
    /* sensor */
    double thickness_m, attenuation_per_m, layer_pitch_m;
    size_t layers;
    bool front_face;   /* historic: layers at their entrance, with the obliquity of the front face */
    double into_layer; /* depth of a layer's point as a fraction of it */
    bool blank_without_thickness;
    bool negative_back; /* historic: rays from behind count negative */
    const bool *mask; /* false: do not compute; NULL: compute all */
} detector;

detector detector_build(const options *o);

/* Position of a sub-pixel: distances along fast and slow from the corner, and the depth of the layer. */
vec3 detector_position_m(const detector *d, double fast_m, double slow_m, double depth_m);

/* Solid angle of a whole pixel seen at distance R: p^2/R^2 * obliquity, or 1/R^2 for a point pixel. */
double detector_solid_angle_sr(const detector *d, double R_m, double obliquity);

/* Fraction of the photons along `diffracted` that layer `layer` absorbs. */
double detector_capture(const detector *d, size_t layer, vec3 diffracted);

/* Distance of the plane that holds the layers' points at this depth. */
double detector_plane_m(const detector *d, double depth_m);

/* Distance from the sample to the nearest point of the detector. */
double detector_nearest_m(const detector *d);

/* Refuses a panel that shows its back to the sample; warns of single pixels that are reached from behind. */
void detector_check_front(const detector *d, const options *o);

/* Cosine between a ray and the sensor's normal; the normal of a bent detector lies along the ray. */
double detector_incidence(const detector *d, vec3 diffracted);

bool detector_computes(const detector *d, size_t slow, size_t fast);

#endif
