/* The effect of each flag on the options: the one place where command-line units become SI units. */
#ifndef NANOBRAGG_OPTIONS_APPLY_H
#define NANOBRAGG_OPTIONS_APPLY_H

#include "cli/flags.h"
#include "cli/options.h"

void options_apply(options *o, const flag_use *use);

#endif
