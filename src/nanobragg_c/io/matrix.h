/* Orientation matrix files. */
#ifndef NANOBRAGG_MATRIX_H
#define NANOBRAGG_MATRIX_H

#include "base/vector.h"

/* Nine numbers by rows: row = x, y, z; column = a*, b*, c*; dimensionless (1/A times the wavelength in A). Ends the
 * program on anything less, and on a singular matrix. */
mat3 matrix_read(const char *path);

#endif
