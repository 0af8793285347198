#include "io/smv.h"

#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "io/text.h"

#define SMV_MAX_SIDE 100000

static bool machine_is_little_endian(void) {
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

bool smv_header_number(const smv_image *image, const char *flag, const char *path, const char *key, double *value) {
    char word[SMV_WORD_SIZE];
    if (!smv_header_value(&image->header, key, word)) return false;
    if (!text_parse_real(word, value))
        message_fail("%s: header of '%s': %s is '%s', expected a number of ordinary size; correct the header", flag,
                     path, key, word);
    return true;
}

/* A count in the header; 0 if it is missing. */
static int64_t read_count(const smv_image *image, const char *flag, const char *path, const char *key) {
    char word[SMV_WORD_SIZE];
    int value = 0;
    if (smv_header_value(&image->header, key, word) && !smv_header_parse_count(word, &value))
        message_fail("%s: header of '%s': %s is '%s', expected a whole number; correct the header", flag, path, key,
                     word);
    return value;
}

/* From SIZE1 and SIZE2, or both from DETECTOR_DIMENSIONS. */
static void read_sides(smv_image *image, const char *flag, const char *path) {
    image->n_fast = read_count(image, flag, path, "SIZE1");
    if (image->n_fast == 0)
        image->n_fast = image->n_slow = read_count(image, flag, path, "DETECTOR_DIMENSIONS");
    else
        image->n_slow = read_count(image, flag, path, "SIZE2");
    if (image->n_fast < 1 || image->n_slow < 1 || image->n_fast > SMV_MAX_SIDE || image->n_slow > SMV_MAX_SIDE)
        message_fail(
            "%s: header of '%s' gives %lld x %lld pixels (SIZE1, SIZE2), expected 1 to %d a side; correct the header",
            flag, path, (long long)image->n_fast, (long long)image->n_slow, SMV_MAX_SIDE);
}

/* Small letters, `_` read as a blank, single blanks between words. */
static void normalise(char *word) {
    char *out = word;
    for (const char *c = word; *c != '\0'; c++) {
        char plain = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c == '_' || *c == '\t' ? ' ' : *c;
        if (plain != ' ' || (out > word && out[-1] != ' ')) *out++ = plain;
    }
    while (out > word && out[-1] == ' ') out--;
    *out = '\0';
}

/* The value under `key`, normalised; `word` is the original text, for messages. */
static bool read_words(const smv_image *image, const char *key, char word[SMV_WORD_SIZE], char plain[SMV_WORD_SIZE]) {
    bool found = smv_header_value(&image->header, key, word);
    memcpy(plain, word, SMV_WORD_SIZE);
    normalise(plain);
    return found;
}

/* The type of the stored pixels: the kind of number and its bytes. */
typedef struct pixel_type {
    const char *name;
    char kind; /* unsigned, integer, float */
    size_t bytes;
} pixel_type;

static const pixel_type PIXEL_TYPES[] = {
    {"unsigned short", 'u', 2},
    {"unsigned short int", 'u', 2},
    {"short", 'i', 2},
    {"short int", 'i', 2},
    {"signed short", 'i', 2},
    {"signed short int", 'i', 2},
    {"unsigned char", 'u', 1},
    {"signed char", 'i', 1},
    {"char", 'i', 1},
    {"long", 'i', 4},
    {"long int", 'i', 4},
    {"signed long", 'i', 4},
    {"signed long int", 'i', 4},
    {"int", 'i', 4},
    {"unsigned long", 'u', 4},
    {"unsigned long int", 'u', 4},
    {"unsigned int", 'u', 4},
    {"float", 'f', 4},
    {"float ieee", 'f', 4},
};

/* The type named under `key`; NULL if the key is missing. */
static const pixel_type *read_type(const smv_image *image, const char *flag, const char *path, const char *key) {
    char word[SMV_WORD_SIZE], plain[SMV_WORD_SIZE];
    if (!read_words(image, key, word, plain)) return NULL;
    for (size_t i = 0; i < sizeof PIXEL_TYPES / sizeof PIXEL_TYPES[0]; i++)
        if (strcmp(plain, PIXEL_TYPES[i].name) == 0) return &PIXEL_TYPES[i];
    message_fail("%s: header of '%s': %s is '%s', expected unsigned_short or one of d*TREK's types; convert the image",
                 flag, path, key, word);
}

/* TYPE (ADSC) or Data_type (d*TREK, fabio); unsigned 16 bit without both. */
static const pixel_type *choose_type(const smv_image *image, const char *flag, const char *path, bool *named) {
    const pixel_type *adsc = read_type(image, flag, path, "TYPE"), *dtrek = read_type(image, flag, path, "DATA_TYPE");
    if (adsc != NULL && dtrek != NULL && (adsc->kind != dtrek->kind || adsc->bytes != dtrek->bytes))
        message_fail("%s: header of '%s': TYPE is %s and Data_type is %s, which contradict each other; correct the "
                     "header",
                     flag, path, adsc->name, dtrek->name);
    *named = adsc != NULL || dtrek != NULL;
    return adsc != NULL ? adsc : dtrek != NULL ? dtrek : &PIXEL_TYPES[0];
}

/* Other keys about the pixels must agree with the type that is read. */
static void check_layout(const smv_image *image, const char *flag, const char *path) {
    static const struct {
        const char *key, *expected, *other;
    } RULES[] = {{"DIM", "2", "2"}, {"COMPRESSION", "none", ""}, {"BYTE_ORDER", "little endian", "big endian"}};
    char word[SMV_WORD_SIZE], plain[SMV_WORD_SIZE];
    for (size_t i = 0; i < sizeof RULES / sizeof RULES[0]; i++)
        if (read_words(image, RULES[i].key, word, plain) && strcmp(plain, RULES[i].expected) != 0 &&
            strcmp(plain, RULES[i].other) != 0)
            message_fail("%s: header of '%s': %s is '%s', expected %s%s%s; convert the image", flag, path,
                         RULES[i].key, word, RULES[i].expected, RULES[i].other[0] == 'b' ? " or " : "",
                         RULES[i].other[0] == 'b' ? RULES[i].other : "");
}

/* Not zero in any byte; a float may be minus zero. */
static bool is_counted(const unsigned char *pixel, const pixel_type *type, bool big_endian) {
    bool any = false;
    for (size_t i = 0; i < type->bytes; i++) {
        bool highest = i == (big_endian ? 0 : type->bytes - 1);
        any = any || (type->kind == 'f' && highest ? pixel[i] & 0x7f : pixel[i]) != 0;
    }
    return any;
}

static bool *copy_pixels(const smv_image *image, const char *flag, const char *path, const char *data,
                         size_t data_bytes) {
    size_t n_pixels = (size_t)image->n_fast * (size_t)image->n_slow;
    bool named = false;
    const pixel_type *type = choose_type(image, flag, path, &named);
    check_layout(image, flag, path);
    if (data_bytes / type->bytes < n_pixels)
        message_fail(
            "%s: '%s' ends early: %zu bytes of pixels, expected %zu (%lld x %lld of %zu bit); name a complete image",
            flag, path, data_bytes, type->bytes * n_pixels, (long long)image->n_fast, (long long)image->n_slow,
            8 * type->bytes);
    if (!named && data_bytes != type->bytes * n_pixels)
        message_fail(
            "%s: '%s' holds %zu bytes of pixels, expected %zu for 16 bit, and its header names no TYPE; add TYPE", flag,
            path, data_bytes, type->bytes * n_pixels);
    char word[SMV_WORD_SIZE], order[SMV_WORD_SIZE];
    bool big_endian = read_words(image, "BYTE_ORDER", word, order) && order[0] == 'b';
    bool *counted = message_allocate(n_pixels, sizeof counted[0], "image pixels");
    for (size_t i = 0; i < n_pixels; i++)
        counted[i] = is_counted((const unsigned char *)data + i * type->bytes, type, big_endian);
    return counted;
}

smv_image smv_read(const char *flag, const char *path, bool with_pixels) {
    size_t n_bytes = 0;
    char *bytes = text_read_file(flag, path, &n_bytes);
    smv_image image = {.header = smv_header_read(flag, path, bytes, n_bytes)};
    read_sides(&image, flag, path);
    size_t start = image.header.header_bytes < n_bytes ? image.header.header_bytes : n_bytes;
    if (with_pixels) image.counted = copy_pixels(&image, flag, path, bytes + start, n_bytes - start);
    free(bytes);
    return image;
}

void smv_free(smv_image *image) {
    free(image->header.start);
    free(image->counted);
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
