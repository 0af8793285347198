#include "cli/beam_flags.h"

#include "base/message.h"

typedef enum beam_flag { BEAM_CENTRE, BEAM_CLOSE, BEAM_ORIGIN, BEAM_FLAGS } beam_flag;

static const flag_id IDS[BEAM_FLAGS][2] = {[BEAM_CENTRE] = {FLAG_XBEAM, FLAG_YBEAM},
                                           [BEAM_CLOSE] = {FLAG_XCLOSE, FLAG_YCLOSE},
                                           [BEAM_ORIGIN] = {FLAG_ORGX, FLAG_ORGY}};

/* Those that place the detector, the first one given comes first; returns how many. */
static int effective(const options *o, options_pivot pivot, beam_flag order[BEAM_FLAGS]) {
    const options_convention c = o->detector.convention;
    const bool by_edges = c == CONVENTION_MOSFLM || c == CONVENTION_DENZO || c == CONVENTION_ADXV;
    const bool close_used = !defect_active(o->defects, DEFECT_CLOSE_BEAM_IGNORED);
    const bool at_close_point = pivot == PIVOT_SAMPLE;
    int n = 0;
    if (at_close_point && close_used) order[n++] = BEAM_CLOSE;
    if (at_close_point ? c == CONVENTION_CUSTOM : true) order[n++] = BEAM_CENTRE;
    if (!at_close_point && by_edges) {
        if (close_used) order[n++] = BEAM_CLOSE;
        return n;
    }
    if (n == 1 && order[0] == BEAM_CENTRE) order[n++] = BEAM_CLOSE;
    order[n++] = BEAM_ORIGIN;
    return n;
}

/* Given by a flag or by the header of an image. */
static bool is_given(const options_detector *d, beam_flag flag, int axis) {
    const double values[BEAM_FLAGS][2] = {[BEAM_CENTRE] = {d->Xbeam_m, d->Ybeam_m},
                                          [BEAM_CLOSE] = {d->Xclose_m, d->Yclose_m},
                                          [BEAM_ORIGIN] = {d->ORGX_pixels, d->ORGY_pixels}};
    return !isnan(values[flag][axis]);
}

static void warn_axis(const options *o, options_pivot pivot, int axis) {
    beam_flag order[BEAM_FLAGS];
    const int n = effective(o, pivot, order);
    /* about the beam spot: detector_move_spot_to_near_point warns */
    const bool told_elsewhere = pivot == PIVOT_BEAM && !defect_active(o->defects, DEFECT_CLOSE_BEAM_IGNORED);
    int first = 0;
    while (first < n && !is_given(&o->detector, order[first], axis)) first++;
    for (beam_flag flag = 0; flag < BEAM_FLAGS; flag++) {
        const flag_id id = IDS[flag][axis];
        if (!o->given[id] || (first < n && order[first] == flag)) continue;
        if (flag == BEAM_CLOSE && told_elsewhere) continue;
        const bool off = flag == BEAM_CLOSE && defect_active(o->defects, DEFECT_CLOSE_BEAM_IGNORED);
        const char *more = off ? " (defect close_beam_ignored; use it with -defects default,-close_beam_ignored)" : "";
        if (first < n)
            message_warn(o->warnings, "%s does not move the detector: %s is given and comes first%s", flags_name(id),
                         flags_name(IDS[order[first]][axis]), more);
        else
            message_warn(o->warnings,
                         "%s does not move the detector in the %s convention with the pivot %s; %s does%s",
                         flags_name(id), options_convention_name(o->detector.convention),
                         pivot == PIVOT_SAMPLE ? "sample" : "beam", flags_name(IDS[order[0]][axis]), more);
    }
}

void beam_flags_warn(const options *o, options_pivot pivot) {
    if (o->detector.pix0_m.given && !defect_active(o->defects, DEFECT_PIX0_IGNORED)) return;
    for (int axis = 0; axis < 2; axis++) warn_axis(o, pivot, axis);
}
