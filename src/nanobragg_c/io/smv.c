#include "io/smv.h"

#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "io/text.h"

#define SMV_BLOCK_BYTES 512
#define SMV_MAX_HEADER_BYTES (1024 * 1024)
#define SMV_MAX_SIDE 100000
#define SMV_WORD_SIZE 128

static bool machine_is_little_endian(void) {
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 1;
}

typedef struct span {
    const char *start;
    size_t length;
} span;

static span without_blanks(const char *start, size_t length) {
    static const char BLANKS[] = " \t\r\n\v\f";
    while (length > 0 && memchr(BLANKS, *start, sizeof BLANKS - 1) != NULL) start++, length--;
    while (length > 0 && memchr(BLANKS, start[length - 1], sizeof BLANKS - 1) != NULL) length--;
    return (span){start, length};
}

/* Bytes before the first of `;`, newline and the end. */
static size_t field_length(const char *start, size_t length) {
    size_t n = 0;
    while (n < length && start[n] != ';' && start[n] != '\n') n++;
    return n;
}

/* The value of the last field `key=value`; fields end with `;` or a newline. False if there is none. */
static bool find_value(span header, const char *key, span *value) {
    bool found = false;
    const char *end = header.start + header.length;
    for (const char *field = header.start; field < end;) {
        size_t length = field_length(field, (size_t)(end - field));
        const char *equals = memchr(field, '=', length);
        if (equals != NULL) {
            span name = without_blanks(field, (size_t)(equals - field));
            if (name.length == strlen(key) && memcmp(name.start, key, name.length) == 0) {
                *value = without_blanks(equals + 1, length - (size_t)(equals + 1 - field));
                found = true;
            }
        }
        field += length + 1;
    }
    return found;
}

/* Header text between the opening and the closing brace. */
static span header_text(const char *bytes, size_t n_bytes) {
    const char *close = memchr(bytes, '}', n_bytes);
    size_t length = close == NULL ? n_bytes : (size_t)(close - bytes);
    size_t braces = 0;
    while (braces < length && bytes[braces] == '{') braces++;
    return (span){bytes + braces, length - braces};
}

/* Copies a value, empty if there is none; what is too long for any number, or holds a zero byte, is no number then. */
static bool copy_value(span header, const char *key, char word[SMV_WORD_SIZE]) {
    span value = {"", 0};
    bool found = find_value(header, key, &value);
    bool too_long = value.length >= SMV_WORD_SIZE;
    size_t length = too_long ? 40 : value.length;
    memcpy(word, value.start, length);
    for (size_t i = 0; i < length; i++)
        if (word[i] == '\0') word[i] = '?';
    memcpy(word + length, too_long ? "..." : "", too_long ? 4 : 1);
    return found;
}

static span header_of(const smv_image *image) { return (span){image->header, image->header_length}; }

bool smv_header_number(const smv_image *image, const char *flag, const char *path, const char *key, double *value) {
    char word[SMV_WORD_SIZE];
    if (!copy_value(header_of(image), key, word)) return false;
    if (!text_parse_real(word, value))
        message_fail("%s: header of '%s': %s is '%s', expected a number of ordinary size; correct the header", flag,
                     path, key, word);
    return true;
}

/* One to nine digits. */
static bool parse_count(const char *word, int64_t *value) {
    size_t digits = strspn(word, "0123456789");
    return digits >= 1 && digits <= 9 && word[digits] == '\0' && text_parse_integer(word, value);
}

static size_t header_size(const char *flag, const char *path, const char *bytes, size_t n_bytes) {
    static const char START[] = "{\nHEADER_BYT";
    if (n_bytes < SMV_BLOCK_BYTES || memcmp(bytes, START, sizeof START - 1) != 0)
        message_fail(
            "%s: '%s' (%zu bytes) is not an SMV image: expected a header of at least 512 bytes that begins with "
            "`{` and HEADER_BYTES; name an SMV image",
            flag, path, n_bytes);
    char word[SMV_WORD_SIZE];
    int64_t size = 0;
    copy_value(header_text(bytes, SMV_BLOCK_BYTES), "HEADER_BYTES", word);
    if (!parse_count(word, &size) || size < SMV_BLOCK_BYTES || size > SMV_MAX_HEADER_BYTES || (size_t)size > n_bytes)
        message_fail(
            "%s: '%s': HEADER_BYTES is '%s', expected a whole number from 512 to the size of the file (%zu); "
            "correct the header",
            flag, path, word, n_bytes);
    return (size_t)size;
}

/* A count of the header; 0 if it is not there. */
static int64_t read_count(const smv_image *image, const char *flag, const char *path, const char *key) {
    char word[SMV_WORD_SIZE];
    int64_t value = 0;
    if (copy_value(header_of(image), key, word) && !parse_count(word, &value))
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

/* The value of `key` is one of two words, in capitals or not; the first if it is not there. Which one? */
static int read_choice(const smv_image *image, const char *flag, const char *path, const char *key,
                       const char *const words[2]) {
    char word[SMV_WORD_SIZE];
    if (!copy_value(header_of(image), key, word)) return 0;
    for (char *c = word; *c != '\0'; c++)
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
    for (int i = 0; i < 2; i++)
        if (strcmp(word, words[i]) == 0) return i;
    message_fail("%s: header of '%s': %s is '%s', expected %s or %s; convert the image", flag, path, key, word,
                 words[0], words[1]);
}

static uint16_t *copy_pixels(const smv_image *image, const char *flag, const char *path, const char *data,
                             size_t data_bytes) {
    size_t n_pixels = (size_t)image->n_fast * (size_t)image->n_slow;
    if (data_bytes / 2 < n_pixels)
        message_fail(
            "%s: '%s' ends early: %zu bytes of pixels, expected %zu (%lld x %lld of 16 bit); name a complete image",
            flag, path, data_bytes, 2 * n_pixels, (long long)image->n_fast, (long long)image->n_slow);
    static const char *const TYPES[2] = {"unsigned_short", "unsigned short int"};
    static const char *const ORDERS[2] = {"little_endian", "big_endian"};
    read_choice(image, flag, path, "TYPE", TYPES);
    bool file_is_little = read_choice(image, flag, path, "BYTE_ORDER", ORDERS) == 0;
    uint16_t *pixels = message_allocate(n_pixels, sizeof pixels[0], "image pixels");
    memcpy(pixels, data, n_pixels * sizeof pixels[0]);
    if (file_is_little != machine_is_little_endian())
        for (size_t i = 0; i < n_pixels; i++) pixels[i] = (uint16_t)(pixels[i] << 8 | pixels[i] >> 8);
    return pixels;
}

smv_image smv_read(const char *flag, const char *path, bool with_pixels) {
    size_t n_bytes = 0;
    char *bytes = text_read_file(flag, path, &n_bytes);
    size_t n_header = header_size(flag, path, bytes, n_bytes);
    span text = header_text(bytes, n_header);
    smv_image image = {.header = message_allocate(text.length, 1, "an image header"), .header_length = text.length};
    memcpy(image.header, text.start, text.length);
    read_sides(&image, flag, path);
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
