/* SMV images: a text header of `KEY=value;` lines, then pixels; 16 bit unsigned where we write. */
#ifndef NANOBRAGG_SMV_H
#define NANOBRAGG_SMV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "io/smv_header.h"

typedef struct smv_image {
    int64_t n_fast, n_slow;
    smv_text header;
    bool *counted; /* pixels that are not 0; index slow * n_fast + fast */
} smv_image;

/* Reads a whole image; `with_pixels` false: the header only. Ends the program if the file is not a complete SMV image.
 */
smv_image smv_read(const char *flag, const char *path, bool with_pixels);
void smv_free(smv_image *image);

/* The number of the last field `key=value;` (the whole key). False if there is none; ends the program on a value that
 * is not a number. */
bool smv_header_number(const smv_image *image, const char *flag, const char *path, const char *key, double *value);

/* Geometry that the header records; all in the units of the header. */
typedef struct smv_header {
    size_t n_fast, n_slow;
    double pixel_mm, distance_mm, wavelength_A, Xbeam_mm, Ybeam_mm, adxv_x_mm, adxv_y_mm, mosflm_x_mm, mosflm_y_mm,
        denzo_x_mm, denzo_y_mm, dials_x_mm, dials_y_mm, dials_z_mm, ORGX_pixels, ORGY_pixels, close_distance_mm,
        phi_deg, osc_deg, twotheta_deg;
} smv_header;

/* Writes header and pixels; the header takes 512 bytes, or 1024 if it does not fit. */
void smv_write(FILE *file, const smv_header *header, const uint16_t *pixels);

#endif
