#include "cli/options_header.h"

#include <string.h>

#include "base/message.h"

typedef struct source {
    options *o;
    const smv_image *image;
    const char *flag, *path;
} source;

/* The number of a key; false if the header has none. */
static bool number_of(const source *from, const char *key, double *value) {
    return smv_header_number(from->image, from->flag, from->path, key, value);
}

/* Reads a number, given in `units_per_si` of the header. */
static void take(const source *from, const char *key, double units_per_si, double *target) {
    double value = 0.0;
    if (number_of(from, key, &value)) *target = value / units_per_si;
}

/* A length that must be more than 0: if it is not, or only d*TREK's keyword states it, a flag has to supply it. */
static void take_length(const source *from, options_header_length which, const char *key, double units_per_m,
                        double *target) {
    static const char *const DTREK_KEYS[] = {[HEADER_PIXEL] = "SPATIAL_DISTORTION_INFO",
                                             [HEADER_DISTANCE] = "GONIO_VALUES",
                                             [HEADER_WAVELENGTH] = "SOURCE_WAVELENGTH"};
    options_header_doubt *doubt = &from->o->header_doubts[which];
    options_header_doubt open = {.flag = from->flag, .path = from->path};
    double value = 0.0;
    if (number_of(from, key, &value)) {
        *doubt = (options_header_doubt){0};
        snprintf(open.what, sizeof open.what, "%s is %g, expected more than 0", key, value);
        if (value <= 0.0)
            *doubt = open;
        else
            *target = value / units_per_m;
    } else if (smv_header_ends_with(&from->image->header, DTREK_KEYS[which])) {
        snprintf(open.what, sizeof open.what, "it has %s of d*TREK, which is not read, and no %s", DTREK_KEYS[which],
                 key);
        *doubt = open;
    }
}

/* A close distance of 0 means that the program that wrote the header had none. */
static void take_close_distance(const source *from) {
    options *o = from->o;
    double close_m = NAN;
    take(from, "CLOSE_DISTANCE", 1000.0, &close_m);
    if (close_m == 0.0)
        message_warn(o->warnings, "%s: header of '%s': CLOSE_DISTANCE is 0 and is not used", from->flag, from->path);
    else if (!isnan(close_m))
        o->detector.close_distance_m = close_m;
}

static void take_beam_centre(const source *from, bool is_mask) {
    options_detector *d = &from->o->detector;
    double Ybeam_m = NAN;
    take(from, "BEAM_CENTER_X", 1000.0, &d->Xbeam_m);
    take(from, "BEAM_CENTER_Y", 1000.0, &Ybeam_m);
    if (!isnan(Ybeam_m)) {
        d->Ybeam_m = is_mask ? d->pixel_m * (double)d->n_slow - Ybeam_m : Ybeam_m;
        from->o->mask_Ybeam_m = is_mask ? Ybeam_m : NAN;
    }
    take(from, "XDS_ORGX", 1.0, &d->ORGX_pixels);
    take(from, "ORGX", 1.0, &d->ORGX_pixels);
    take(from, "XDS_ORGY", 1.0, &d->ORGY_pixels);
    take(from, "ORGY", 1.0, &d->ORGY_pixels);
}

/* Whether one of the first three numbers, the rotations of a goniometer, is not 0. */
static bool turns(const char *word) {
    double angles[3] = {0.0, 0.0, 0.0};
    int read = sscanf(word, "%lf %lf %lf", &angles[0], &angles[1], &angles[2]);
    return read < 3 || angles[0] != 0.0 || angles[1] != 0.0 || angles[2] != 0.0;
}

/* Keeps the value of a d*TREK keyword if the header lacks the `standard` key for it. */
static void note_dtrek(const source *from, options_header_dtrek kind, const char *tail, const char *standard) {
    options_header_doubt *note = &from->o->header_dtrek[kind];
    char value[SMV_WORD_SIZE], word[SMV_WORD_SIZE];
    if (smv_header_value(&from->image->header, standard, word)) {
        *note = (options_header_doubt){0};
        return;
    }
    if (!smv_header_tail_value(&from->image->header, tail, "CRYSTAL", value)) return;
    if (kind == DTREK_SWING && !turns(value)) return;
    *note = (options_header_doubt){.flag = from->flag, .path = from->path};
    snprintf(note->what, sizeof note->what, "%s=%.60s of d*TREK is not read, and it has no %s", tail, value, standard);
}

/* Geometry from an image header: defaults for the flags that follow. */
static void apply_header(const source *from, bool is_mask) {
    options *o = from->o;
    options_detector *d = &o->detector;
    double twotheta_deg = 0.0;
    d->n_fast = from->image->n_fast;
    d->n_slow = from->image->n_slow;
    take_length(from, HEADER_PIXEL, "PIXEL_SIZE", 1000.0, &d->pixel_m);
    take_length(from, HEADER_DISTANCE, "DISTANCE", 1000.0, &d->distance_m);
    take_length(from, HEADER_WAVELENGTH, "WAVELENGTH", 1e10, &o->beam.wavelength_m);
    take_close_distance(from);
    take_beam_centre(from, is_mask);
    take(from, "PHI", VEC_DEGREES_PER_RADIAN, &o->spindle.phi_rad);
    take(from, "OSC_RANGE", VEC_DEGREES_PER_RADIAN, &o->spindle.osc_rad);
    take(from, "TWOTHETA", 1.0, &twotheta_deg);
    note_dtrek(from, DTREK_BEAM, "SPATIAL_DISTORTION_INFO", "BEAM_CENTER_X");
    note_dtrek(from, DTREK_ROTATION, "ROTATION", "PHI");
    note_dtrek(from, DTREK_SWING, "GONIO_VALUES", "TWOTHETA");
    if (twotheta_deg != 0.0)
        message_warn(o->warnings, "%s: TWOTHETA=%g in the header of '%s' is not used; give -twotheta if you want it",
                     from->flag, twotheta_deg, from->path);
}

void options_read_headers(options *o) {
    options_detector *d = &o->detector;
    if (d->mask_file != NULL) {
        d->mask = smv_read("-mask", d->mask_file, true);
        apply_header(&(source){o, &d->mask, "-mask", d->mask_file}, true);
    }
    if (d->image_file != NULL) {
        smv_image image = smv_read("-img", d->image_file, false);
        apply_header(&(source){o, &image, "-img", d->image_file}, false);
        smv_free(&image);
    }
}

/* Flags that supply each length; error messages advise the first. */
static void settle_length(options *o, options_header_length which, flag_id first, flag_id second) {
    const options_header_doubt *doubt = &o->header_doubts[which];
    if (doubt->flag == NULL) return;
    flag_id wins = o->given[first] ? first : second;
    bool edge = which == HEADER_PIXEL && !isnan(o->mask_Ybeam_m) && !o->given[FLAG_YBEAM];
    if (!o->given[wins] || edge)
        message_fail("%s: header of '%s': %s; add %s%s", doubt->flag, doubt->path, doubt->what, flags_name(first),
                     edge ? " and -Ybeam" : "");
    message_warn(o->warnings, "%s: header of '%s': %s; %s counts", doubt->flag, doubt->path, doubt->what,
                 flags_name(wins));
}

/* A mask counts BEAM_CENTER_Y from the other edge than an image. */
static void tell_mask_beam(options *o) {
    const options_detector *d = &o->detector;
    bool used = d->convention != CONVENTION_XDS && d->convention != CONVENTION_DIALS;
    if (!isnan(o->mask_Ybeam_m) && used && !o->given[FLAG_YBEAM])
        message_warn(o->warnings,
                     "-mask: BEAM_CENTER_Y=%g of '%s' is counted from the other edge than that of -img (historic), so "
                     "Ybeam is %g mm; give -Ybeam to set it",
                     1000.0 * o->mask_Ybeam_m, d->mask_file, 1000.0 * d->Ybeam_m);
}

static void tell_unused(options *o) {
    const options_detector *d = &o->detector;
    const char *flag = d->image_file != NULL ? "-img" : "-mask";
    const char *path = d->image_file != NULL ? d->image_file : d->mask_file;
    if (path == NULL) return;
    bool by_org = d->convention == CONVENTION_XDS || d->convention == CONVENTION_DIALS;
    bool header_beam = (!isnan(d->Xbeam_m) && !o->given[FLAG_XBEAM]) || (!isnan(d->Ybeam_m) && !o->given[FLAG_YBEAM]);
    if (by_org && header_beam && isnan(d->ORGX_pixels) && isnan(d->ORGY_pixels))
        message_warn(o->warnings,
                     "%s: the beam centre in the header of '%s' has no effect in the %s convention; give -ORGX and "
                     "-ORGY",
                     flag, path, options_convention_name(d->convention));
    if (o->given[FLAG_DISTANCE] && !o->given[FLAG_CLOSE_DISTANCE] && !isnan(d->close_distance_m))
        message_warn(o->warnings,
                     "-distance is not used: CLOSE_DISTANCE=%g in the header of '%s' comes first (historic); give "
                     "-close_distance",
                     1000.0 * d->close_distance_m, path);
}

/* A warning, unless one of the flags that set the same is given; it advises the first flags. */
static void tell_dtrek(options *o) {
    static const struct {
        const char *advice;
        flag_id flags[6];
    } SETTLED[] = {
        [DTREK_BEAM] = {"-Xbeam and -Ybeam",
                        {FLAG_XBEAM, FLAG_YBEAM, FLAG_XCLOSE, FLAG_YCLOSE, FLAG_ORGX, FLAG_ORGY}},
        [DTREK_ROTATION] = {"-phi and -osc", {FLAG_PHI, FLAG_OSC, FLAG_PHI, FLAG_PHI, FLAG_PHI, FLAG_PHI}},
        [DTREK_SWING] = {"-twotheta",
                         {FLAG_TWOTHETA, FLAG_DETECTOR_ROTX, FLAG_DETECTOR_ROTY, FLAG_DETECTOR_ROTZ, FLAG_TWOTHETA,
                          FLAG_TWOTHETA}},
    };
    for (int kind = 0; kind < DTREK_KINDS; kind++) {
        const options_header_doubt *note = &o->header_dtrek[kind];
        bool settled = note->flag == NULL;
        for (int i = 0; i < 6; i++) settled = settled || o->given[SETTLED[kind].flags[i]];
        if (!settled)
            message_warn(o->warnings, "%s: header of '%s': %s; give %s", note->flag, note->path, note->what,
                         SETTLED[kind].advice);
    }
}

void options_settle_headers(options *o) {
    settle_length(o, HEADER_PIXEL, FLAG_PIXEL, FLAG_PIXEL);
    settle_length(o, HEADER_DISTANCE, FLAG_DISTANCE, FLAG_CLOSE_DISTANCE);
    settle_length(o, HEADER_WAVELENGTH, FLAG_LAMBDA, FLAG_ENERGY);
    tell_mask_beam(o);
    tell_dtrek(o);
    tell_unused(o);
}
