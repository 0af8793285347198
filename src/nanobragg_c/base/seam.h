/* Marks where each value of the trace is computed. A build with -DNANOBRAGG_SEAM passes every value to functions of a
 * test, which may replace it; in any other build the marks are empty.
 *
 * SEAM(key, x)           x: double, vec3, mat3 or array of doubles
 * SEAM_NUMBER(key, x)    x: a number of any other type
 * SEAM_IF(when, key, x)  as SEAM, under a condition
 * SEAM_TERMS(...)        one value of each orientation evaluated: see seam_terms
 */
#ifndef NANOBRAGG_SEAM_H
#define NANOBRAGG_SEAM_H

#ifdef NANOBRAGG_SEAM

#include <stddef.h>
#include <stdint.h>

/* A value that its key identifies, or of the current block of terms. */
void seam_visit(const char *key, double *values, size_t count);

void seam_visit_of_pixel(const char *key, double *values, size_t count);

/* The current sub-pixel and layer, counted in the order of the loops; then source and orientations. */
#define SEAM_WHOLE_PIXEL ((size_t)-1)
void seam_block(size_t block);
void seam_pass(size_t source, size_t first, size_t count, size_t domains);

/* A factor of all terms of a source. */
void seam_source(const char *key, size_t source, double *value);

/* A value of `components` numbers, `stride` apart, of each current orientation: traced for the first of them, for
 * each spindle step (`phi_component` of it) and for each term; NULL: not traced there. */
void seam_terms(const char *first_key, const char *phi_key, size_t phi_component, const char *term_key, double *values,
                size_t components, size_t stride);
void seam_term(const char *key, size_t index, double *value);

/* Values that are not stored side by side or not in the unit of the trace. */
void seam_whole_numbers(const char *key, int64_t *values, size_t count);
void seam_pixel(size_t *slow, size_t *fast);
void seam_angles(double *three_rad, double *fourth_rad);
void seam_phi(size_t step, double *phi_rad, double *phi_deg);
void seam_orientation(size_t step, size_t domain, double axes_m[9]);

#define SEAM(key, x) seam_visit(key, (double *)&(x), sizeof(x) / sizeof(double))
#define SEAM_NUMBER(key, x)                \
    do {                                   \
        double seam_number = (double)(x);  \
        seam_visit(key, &seam_number, 1);  \
        (x) = (__typeof__(x))seam_number; \
    } while (0)
#define SEAM_IF(when, key, x)      \
    do {                           \
        if (when) SEAM(key, x);    \
    } while (0)
#define SEAM_OF_PIXEL_IF(when, key, x)                                                  \
    do {                                                                                \
        if (when) seam_visit_of_pixel(key, (double *)&(x), sizeof(x) / sizeof(double)); \
    } while (0)
#define SEAM_BLOCK(block) seam_block(block)
#define SEAM_PASS(source, first, count, domains) seam_pass(source, first, count, domains)
#define SEAM_SOURCE(key, source, x) seam_source(key, source, &(x))
#define SEAM_TERMS(first_key, phi_key, phi_component, term_key, values, components, stride) \
    seam_terms(first_key, phi_key, phi_component, term_key, values, components, stride)
#define SEAM_TERM(key, index, x) seam_term(key, index, &(x))
#define SEAM_WHOLE_NUMBERS(key, values, count) seam_whole_numbers(key, values, count)
#define SEAM_ANGLES(three_rad, fourth_rad) seam_angles((double *)&(three_rad), &(fourth_rad))
#define SEAM_PIXEL(slow, fast) seam_pixel(&(slow), &(fast))
#define SEAM_PHI(step, phi_rad, phi_deg) seam_phi(step, &(phi_rad), &(phi_deg))
#define SEAM_ORIENTATION(step, domain, axes_m) seam_orientation(step, domain, (double *)(axes_m))

#else

#define SEAM_NOTHING ((void)0)
#define SEAM(key, x) SEAM_NOTHING
#define SEAM_NUMBER(key, x) SEAM_NOTHING
#define SEAM_IF(when, key, x) SEAM_NOTHING
#define SEAM_OF_PIXEL_IF(when, key, x) SEAM_NOTHING
#define SEAM_BLOCK(block) SEAM_NOTHING
#define SEAM_PASS(source, first, count, domains) SEAM_NOTHING
#define SEAM_SOURCE(key, source, x) SEAM_NOTHING
#define SEAM_TERMS(first_key, phi_key, phi_component, term_key, values, components, stride) SEAM_NOTHING
#define SEAM_TERM(key, index, x) SEAM_NOTHING
#define SEAM_WHOLE_NUMBERS(key, values, count) SEAM_NOTHING
#define SEAM_ANGLES(three_rad, fourth_rad) SEAM_NOTHING
#define SEAM_PIXEL(slow, fast) SEAM_NOTHING
#define SEAM_PHI(step, phi_rad, phi_deg) SEAM_NOTHING
#define SEAM_ORIENTATION(step, domain, axes_m) SEAM_NOTHING

#endif
#endif
