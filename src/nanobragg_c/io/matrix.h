/* Orientation matrix files. */
#ifndef NANOBRAGG_MATRIX_H
#define NANOBRAGG_MATRIX_H

#include "base/message.h"
#include "base/vector.h"

/* Nine numbers by rows: row = x, y, z; column = a*, b*, c*; dimensionless (1/A times the wavelength in A). Ends the
 * program on anything less, and on a singular matrix; warns of missets behind the matrix, which are not used. */
mat3 matrix_read(const char *path, message_list *warnings);

/* Warns of reciprocal axes that are left-handed or unlikely to be reciprocal. */
void matrix_warn(const char *path, const vec3 star_A_inv[3], message_list *warnings);

#endif
