/* Parts of detector_build: the beam spot and the nearest point on the detector, and warnings about unused input. */
#ifndef NANOBRAGG_DETECTOR_CENTRE_H
#define NANOBRAGG_DETECTOR_CENTRE_H

#include "physics/detector.h"

/* Beam spot and near point as stated, or by default of the convention. Warns of values without effect. */
void detector_set_centre(detector *d, const options *o);

/* Warns of vectors that the convention does not use. */
void detector_warn_of_unused_vectors(const options *o);

/* For a detector that is turned about the beam spot: puts the spot where the near point is the one stated by
 * -Xclose and -Yclose, unless -Xbeam and -Ybeam state the spot. Needs the axes and the distance. */
void detector_move_spot_to_near_point(detector *d, const options *o);

#endif
