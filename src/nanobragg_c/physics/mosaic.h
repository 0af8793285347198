/* The tilts of the mosaic domains. */
#ifndef NANOBRAGG_MOSAIC_H
#define NANOBRAGG_MOSAIC_H

#include <stddef.h>

#include "cli/options.h"
#include "physics/random_numbers.h"

/* Rotations of `count` domains that are tilted by up to `spread_rad`; the caller frees. Three draws each, even if
 * unneeded, since the noise may continue with the same generator. */
mat3 *mosaic_build(const options *o, size_t count, double spread_rad, random_table *random);

#endif
