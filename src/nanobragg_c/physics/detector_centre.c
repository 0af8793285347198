/* Where on the detector the beam spot and the nearest point are. Section 6 of docs/physics.md.
 *
 * (6.2)  Fclose = (ORGX - 1/2) p, Sclose = (ORGY - 1/2) p where given, else sizeF/2 and sizeS/2     [m]
 *        from Xclose, Yclose as (6.3) where these are given, without close_beam_ignored
 * (6.3)  Fbeam, Sbeam from Xbeam, Ybeam by the table of the conventions     [m]
 * (6.12) BEAM: Fbeam = Fclose + distance b.F where the near point is stated and the spot is not;  Sbeam too
 */
#include "physics/detector_centre.h"

#include "base/message.h"
#include "base/seam.h"

static double or_else(double given, double fallback) { return isnan(given) ? fallback : given; }

/* (6.2) */
static void set_near_point(detector *d, const options *o) {
    const options_detector *given = &o->detector;
    detector_construction *b = &d->built;
    b->Fclose_m = isnan(given->ORGX_pixels) ? d->size_fast_m / 2.0 : (given->ORGX_pixels - 0.5) * d->pixel_m;
    b->Sclose_m = isnan(given->ORGY_pixels) ? d->size_slow_m / 2.0 : (given->ORGY_pixels - 0.5) * d->pixel_m;
    d->Xclose_m = or_else(given->Xclose_m, b->Fclose_m);
    d->Yclose_m = or_else(given->Yclose_m, b->Sclose_m);
}

/* -Xclose and -Yclose as fast and slow of the near point, NAN where not given: mapped as -Xbeam and -Ybeam are, or
 * historically X to fast and Y to slow. */
static void stated_near_point(const detector *d, const options *o, double *fast_m, double *slow_m) {
    double x = o->detector.Xclose_m, y = o->detector.Yclose_m;
    *fast_m = x, *slow_m = y;
    if (defect_active(o->defects, DEFECT_CLOSE_AXES_AS_FAST_SLOW)) return;
    if (d->convention == CONVENTION_ADXV) *slow_m = d->size_slow_m - y;
    if (d->convention != CONVENTION_MOSFLM && d->convention != CONVENTION_DENZO) return;
    double half = d->convention == CONVENTION_MOSFLM ? d->pixel_m / 2.0 : 0.0;
    *fast_m = y + half, *slow_m = x + half;
}

static void set_stated_near_point(detector *d, const options *o) {
    double fast_m, slow_m;
    stated_near_point(d, o, &fast_m, &slow_m);
    d->built.Fclose_m = or_else(fast_m, d->built.Fclose_m);
    d->built.Sclose_m = or_else(slow_m, d->built.Sclose_m);
}

/* (6.3) */
static void set_beam_spot(detector *d, const options *o) {
    const options_detector *given = &o->detector;
    detector_construction *b = &d->built;
    const double p = d->pixel_m;
    switch (d->convention) {
        case CONVENTION_MOSFLM:
        case CONVENTION_DENZO: {
            double half = d->convention == CONVENTION_MOSFLM ? p / 2.0 : 0.0;
            d->Xbeam_m = or_else(given->Xbeam_m, (d->size_slow_m + p) / 2.0);
            d->Ybeam_m = or_else(given->Ybeam_m, (d->size_fast_m + p) / 2.0);
            b->Fbeam_m = d->Ybeam_m + half;
            b->Sbeam_m = d->Xbeam_m + half;
            break;
        }
        case CONVENTION_ADXV:
            d->Xbeam_m = or_else(given->Xbeam_m, (d->size_fast_m + p) / 2.0);
            d->Ybeam_m = or_else(given->Ybeam_m, (d->size_slow_m - p) / 2.0);
            b->Fbeam_m = d->Xbeam_m;
            b->Sbeam_m = d->size_slow_m - d->Ybeam_m;
            break;
        case CONVENTION_XDS:
        case CONVENTION_DIALS:
        case CONVENTION_CUSTOM:
            d->Xbeam_m = or_else(given->Xbeam_m, d->Xclose_m);
            d->Ybeam_m = or_else(given->Ybeam_m, d->Yclose_m);
            b->Fbeam_m = d->Xbeam_m;
            b->Sbeam_m = d->Ybeam_m;
            break;
    }
    if (d->convention == CONVENTION_CUSTOM) {
        b->Fclose_m = d->Xbeam_m;
        b->Sclose_m = d->Ybeam_m;
    }
    if (!defect_active(o->defects, DEFECT_CLOSE_BEAM_IGNORED)) set_stated_near_point(d, o);
}

/* A beam spot where the near point counts, or the other way round. Headers of images state both. */
static void warn_of_unused_centre(const detector *d, const options *o) {
    const options_detector *given = &o->detector;
    bool spot = !isnan(given->Xbeam_m) || !isnan(given->Ybeam_m);
    bool near_point = !isnan(given->ORGX_pixels) || !isnan(given->ORGY_pixels);
    bool own_spot =
        d->convention == CONVENTION_MOSFLM || d->convention == CONVENTION_DENZO || d->convention == CONVENTION_ADXV;
    if (d->pivot == PIVOT_BEAM && own_spot && near_point && !spot)
        message_warn(o->warnings,
                     "-ORGX and -ORGY do not move a detector that pivots about the beam spot in the %s convention; use "
                     "-Xbeam and -Ybeam",
                     options_convention_name(d->convention));
    if (d->pivot == PIVOT_SAMPLE && d->convention != CONVENTION_CUSTOM && spot && !near_point)
        message_warn(o->warnings,
                     "-Xbeam and -Ybeam change the header alone: the detector pivots about the sample in the %s "
                     "convention; use -ORGX and -ORGY",
                     options_convention_name(d->convention));
}

void detector_set_centre(detector *d, const options *o) {
    set_near_point(d, o);
    set_beam_spot(d, o);
    warn_of_unused_centre(d, o);
    SEAM("Fclose_m", d->built.Fclose_m);
    SEAM("Sclose_m", d->built.Sclose_m);
}

static void warn_of_two_centres(const options *o, char close, char beam) {
    message_warn(o->warnings, "-%cclose does not move a detector that pivots about the beam spot which -%cbeam places",
                 close, beam);
}

/* (6.12) */
static void move_spot(detector *d, const options *o) {
    const options_detector *given = &o->detector;
    double fast_m, slow_m;
    stated_near_point(d, o, &fast_m, &slow_m);
    bool x_is_slow = d->convention == CONVENTION_MOSFLM || d->convention == CONVENTION_DENZO;
    bool swapped = x_is_slow && !defect_active(o->defects, DEFECT_CLOSE_AXES_AS_FAST_SLOW);
    double fast_beam_m = x_is_slow ? given->Ybeam_m : given->Xbeam_m;
    double slow_beam_m = x_is_slow ? given->Xbeam_m : given->Ybeam_m;
    detector_construction *b = &d->built;
    if (!isnan(fast_m) && isnan(fast_beam_m)) b->Fbeam_m = b->Fclose_m + b->distance_m * vec_dot(d->beam, d->axes.fast);
    if (!isnan(slow_m) && isnan(slow_beam_m)) b->Sbeam_m = b->Sclose_m + b->distance_m * vec_dot(d->beam, d->axes.slow);
    if (!isnan(fast_m) && !isnan(fast_beam_m)) warn_of_two_centres(o, swapped ? 'Y' : 'X', x_is_slow ? 'Y' : 'X');
    if (!isnan(slow_m) && !isnan(slow_beam_m)) warn_of_two_centres(o, swapped ? 'X' : 'Y', x_is_slow ? 'X' : 'Y');
}

void detector_move_spot_to_near_point(detector *d, const options *o) {
    if (!defect_active(o->defects, DEFECT_CLOSE_BEAM_IGNORED)) move_spot(d, o);
    SEAM("Fbeam_m", d->built.Fbeam_m);
    SEAM("Sbeam_m", d->built.Sbeam_m);
}

/* Vectors count in the CUSTOM convention alone. */
void detector_warn_of_unused_vectors(const options *o) {
    const options_detector *given = &o->detector;
    const struct {
        bool given;
        const char *name;
    } vectors[] = {{given->fdet.given, "-fdet_vector"},           {given->sdet.given, "-sdet_vector"},
                   {given->odet.given, "-odet_vector"},           {given->beam.given, "-beam_vector"},
                   {given->polar.given, "-polar_vector"},         {given->spindle.given, "-spindle_axis"},
                   {given->twotheta_axis.given, "-twotheta_axis"}};
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        if (given->convention != CONVENTION_CUSTOM && vectors[i].given)
            message_warn(o->warnings, "%s is not used: a later flag chose the %s convention; put %s behind it",
                         vectors[i].name, options_convention_name(given->convention), vectors[i].name);
}
