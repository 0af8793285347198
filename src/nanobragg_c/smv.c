#include "smv.h"

#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "text.h"

#define SMV_BLOCK_BYTES 512
#define SMV_MAX_HEADER_BYTES (1024 * 1024)
#define SMV_MAX_SIDE 100000

static bool machine_is_little_endian(void) {
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

/* Start of the value of the last `key=` that begins a line (after blanks), NULL if there is none. */
static const char *find_value(const char *header, const char *key) {
    size_t length = strlen(key);
    const char *found = NULL;
    for (const char *line = header; line != NULL; line = strchr(line, '\n')) {
        line += strspn(line, "\r\n\t {");
        if (strncmp(line, key, length) == 0) {
            const char *after = line + length + strspn(line + length, " \t");
            if (*after == '=') found = after + 1;
        }
    }
    return found;
}

/* Copies a value up to `;` or the end of its line, without blanks around it. */
static bool copy_value(const char *header, const char *key, char *out, size_t out_size) {
    const char *value = find_value(header, key);
    if (value == NULL) return false;
    value += strspn(value, " \t");
    size_t length = strcspn(value, ";\r\n");
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t')) length--;
    if (length >= out_size) length = out_size - 1;
    memcpy(out, value, length);
    out[length] = '\0';
    return true;
}

bool smv_header_number(const smv_image *image, const char *flag, const char *path, const char *key, double *value) {
    char word[64];
    if (!copy_value(image->header, key, word, sizeof word)) return false;
    if (!text_parse_real(word, value))
        message_fail("%s: header of '%s': %s is '%s', expected a finite number; correct the header", flag, path, key,
                     word);
    return true;
}

static size_t header_size(const char *flag, const char *path, const char *bytes, size_t n_bytes) {
    if (n_bytes < SMV_BLOCK_BYTES || strncmp(bytes, "{\nHEADER_BYTES", 14) != 0)
        message_fail(
            "%s: '%s' (%zu bytes) is not an SMV image: expected a header of at least 512 bytes that begins with "
            "`{` and HEADER_BYTES; name an SMV image",
            flag, path, n_bytes);
    char word[64];
    int64_t size = 0;
    const char *value = bytes + 14;
    value += strspn(value, " \t=");
    size_t length = strcspn(value, "; \t\r\n");
    if (length >= sizeof word) length = sizeof word - 1;
    memcpy(word, value, length);
    word[length] = '\0';
    if (!text_parse_integer(word, &size) || size < SMV_BLOCK_BYTES || size > SMV_MAX_HEADER_BYTES ||
        (size_t)size > n_bytes)
        message_fail(
            "%s: '%s': HEADER_BYTES is '%s', expected a whole number from 512 to the size of the file (%zu); "
            "correct the header",
            flag, path, word, n_bytes);
    return (size_t)size;
}

static int64_t read_side(const smv_image *image, const char *flag, const char *path, const char *key) {
    double value = 0.0;
    bool given = smv_header_number(image, flag, path, key, &value);
    if ((!given || value == 0.0) && !smv_header_number(image, flag, path, "DETECTOR_DIMENSIONS", &value))
        message_fail("%s: header of '%s' gives no %s; name an image with its size in the header", flag, path, key);
    if (!(value >= 1.0 && value <= SMV_MAX_SIDE) || value != (double)(int64_t)value)
        message_fail("%s: header of '%s': %s is %g, expected a whole number from 1 to %d; correct the header", flag,
                     path, key, value, SMV_MAX_SIDE);
    return (int64_t)value;
}

static uint16_t *copy_pixels(const smv_image *image, const char *flag, const char *path, const char *data,
                             size_t data_bytes) {
    size_t n_pixels = (size_t)image->n_fast * (size_t)image->n_slow;
    if (data_bytes / 2 < n_pixels)
        message_fail(
            "%s: '%s' ends early: %zu bytes of pixels, expected %zu (%lld x %lld of 16 bit); name a complete image",
            flag, path, data_bytes, 2 * n_pixels, (long long)image->n_fast, (long long)image->n_slow);
    uint16_t *pixels = message_allocate(n_pixels, sizeof pixels[0], "image pixels");
    memcpy(pixels, data, n_pixels * sizeof pixels[0]);
    char order[32] = "";
    bool given = copy_value(image->header, "BYTE_ORDER", order, sizeof order);
    bool file_is_little = given ? strcmp(order, "big_endian") != 0 : machine_is_little_endian();
    if (file_is_little != machine_is_little_endian())
        for (size_t i = 0; i < n_pixels; i++) pixels[i] = (uint16_t)(pixels[i] << 8 | pixels[i] >> 8);
    return pixels;
}

smv_image smv_read(const char *flag, const char *path, bool with_pixels) {
    size_t n_bytes = 0;
    char *bytes = text_read_file(flag, path, &n_bytes);
    size_t n_header = header_size(flag, path, bytes, n_bytes);
    smv_image image = {.header = message_allocate(n_header + 1, 1, "an image header")};
    memcpy(image.header, bytes, n_header);
    char *end = memchr(image.header, '}', n_header);
    if (end != NULL) *end = '\0';
    image.n_fast = read_side(&image, flag, path, "SIZE1");
    image.n_slow = read_side(&image, flag, path, "SIZE2");
    if (with_pixels) image.pixels = copy_pixels(&image, flag, path, bytes + n_header, n_bytes - n_header);
    free(bytes);
    return image;
}

void smv_free(smv_image *image) {
    free(image->header);
    free(image->pixels);
    *image = (smv_image){0};
}

/* The header text without its padding; returns its length. */
static size_t format_header(const smv_header *h, int header_bytes, char *text, size_t size) {
    int length = snprintf(
        text, size,
        "{\nHEADER_BYTES=%d;\nDIM=2;\nBYTE_ORDER=%s;\nTYPE=unsigned_short;\nSIZE1=%zu;\nSIZE2=%zu;\nPIXEL_SIZE=%g;\n"
        "DISTANCE=%g;\nWAVELENGTH=%g;\nBEAM_CENTER_X=%g;\nBEAM_CENTER_Y=%g;\nADXV_CENTER_X=%g;\nADXV_CENTER_Y=%g;\n"
        "MOSFLM_CENTER_X=%g;\nMOSFLM_CENTER_Y=%g;\nDENZO_X_BEAM=%g;\nDENZO_Y_BEAM=%g;\nDIALS_ORIGIN=%g,%g,%g;\n"
        "XDS_ORGX=%g;\nXDS_ORGY=%g;\nCLOSE_DISTANCE=%g;\nPHI=%g;\nOSC_START=%g;\nOSC_RANGE=%g;\nTWOTHETA=%g;\n"
        "DETECTOR_SN=000;\nBEAMLINE=fake;\n}\f",
        header_bytes, machine_is_little_endian() ? "little_endian" : "big_endian", h->n_fast, h->n_slow, h->pixel_mm,
        h->distance_mm, h->wavelength_A, h->Xbeam_mm, h->Ybeam_mm, h->adxv_x_mm, h->adxv_y_mm, h->mosflm_x_mm,
        h->mosflm_y_mm, h->denzo_x_mm, h->denzo_y_mm, h->dials_x_mm, h->dials_y_mm, h->dials_z_mm, h->ORGX_pixels,
        h->ORGY_pixels, h->close_distance_mm, h->phi_deg, h->phi_deg, h->osc_deg, h->twotheta_deg);
    return (size_t)length;
}

void smv_write(FILE *file, const smv_header *header, const uint16_t *pixels) {
    char text[2 * SMV_BLOCK_BYTES + 1];
    size_t header_bytes = SMV_BLOCK_BYTES;
    size_t length = format_header(header, SMV_BLOCK_BYTES, text, sizeof text);
    if (length > SMV_BLOCK_BYTES) {
        header_bytes = 2 * SMV_BLOCK_BYTES;
        length = format_header(header, (int)header_bytes, text, sizeof text);
    }
    memset(text + length, ' ', header_bytes - length);
    fwrite(text, 1, header_bytes, file);
    fwrite(pixels, sizeof pixels[0], header->n_fast * header->n_slow, file);
}
