/* The resolved experiment: everything that the pixel loop reads; the loop does not change it. */
#ifndef NANOBRAGG_EXPERIMENT_H
#define NANOBRAGG_EXPERIMENT_H

#include "physics/crystal.h"
#include "physics/detector.h"
#include "physics/lattice.h"
#include "physics/scaling.h"
#include "physics/sources.h"
#include "physics/structure_factor.h"

typedef struct experiment {
    detector detector;
    source_list sources;
    crystal crystal;
    lattice lattice;
    structure_factor structure_factor;
    scaling scaling;
    size_t oversample, recommended_oversample; /* recommended: at least 3 sub-pixels to a spot */
    const char *hkl_file; /* NULL: no text of structure factors */
    double dmin_m;
    double kahn;
    bool unpolarized;         /* -nopolar */
    bool polarization_active; /* the polarization factor is evaluated */
    defect_set defects;
} experiment;

/* Uses the random numbers of `random` in the order misset, mosaic domains. */
experiment experiment_build(const options *o, random_table *random);
void experiment_free(experiment *e);

#endif
