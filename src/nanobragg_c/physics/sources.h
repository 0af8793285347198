/* The beam: position and wavelength of each source. */
#ifndef NANOBRAGG_SOURCES_H
#define NANOBRAGG_SOURCES_H

#include <stddef.h>

#include "cli/options.h"
#include "physics/steps.h"

typedef struct source {
    vec3 incident;   /* unit vector along the beam */
    vec3 position_m; /* as given or generated, before normalisation */
    double wavelength_m, wavelength_A;
    double weight;
    double term_factor; /* factor of every term of this source: 1 when weights are ignored */
} source;

typedef struct source_list {
    source *items;
    size_t count;
    bool from_file;
} source_list;

/* `beam` and `polar` are unit vectors. */
source_list sources_build(const options *o, vec3 beam, vec3 polar);
void sources_free(source_list *list);

#endif
