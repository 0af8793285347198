/* Rounding that compilers turn into vector instructions on every machine; for |x| < 2^51. */
#ifndef NANOBRAGG_ROUNDING_H
#define NANOBRAGG_ROUNDING_H

#define ROUNDING_SHIFT 6755399441055744.0 /* 1.5 * 2^52: adding it leaves no fraction bits */

/* Nearest integer, halves to even. */
static inline double rounding_nearest(double x) { return (x + ROUNDING_SHIFT) - ROUNDING_SHIFT; }

/* ceil(x - 0.5): nearest integer, halves down. */
static inline double rounding_half_down(double x) {
    double shifted = x - 0.5, nearest = rounding_nearest(shifted);
    return nearest + (nearest < shifted ? 1.0 : 0.0);
}

#endif
