/* Source files: lines of X Y Z weight wavelength. */
#ifndef NANOBRAGG_SOURCE_FILE_H
#define NANOBRAGG_SOURCE_FILE_H

#include "physics/sources.h"

/* Reads positions, weights and wavelengths (m). Missing trailing columns: the components of `default_position_m`,
 * weight 1, `default_wavelength_m`. Ends the program on an empty file or a line that it does not understand. */
source_list source_file_read(const char *path, vec3 default_position_m, double default_wavelength_m);

#endif
