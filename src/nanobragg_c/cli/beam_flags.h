/* The flags of the beam centre: which of them place the detector. */
#ifndef NANOBRAGG_BEAM_FLAGS_H
#define NANOBRAGG_BEAM_FLAGS_H

#include "cli/options.h"

/* A warning for each that was given and does nothing, with those that would. `pivot` is the one in effect. */
void beam_flags_warn(const options *o, options_pivot pivot);

#endif
