/* The preview. Section 13 of docs/physics.md.
 *
 * (13.3) grey = I pgmscale from 0 to 255,  pgmscale = 250/(5 rmsd) where not given
 */
#include "io/pgm.h"

#include <stdlib.h>

#include "base/message.h"

#define GREY_LARGEST 255.0
#define GREY_TARGET 250.0 /* at this many standard deviations: */
#define RMSD_IN_TARGET 5.0

double pgm_scale(double given, const statistics *s, double int_scale) {
    if (given > 0.0) return given;
    return s->rmsd > 0.0 ? GREY_TARGET / (RMSD_IN_TARGET * s->rmsd) : int_scale;
}

void pgm_write(FILE *file, const float *photons, const detector *d, double scale) {
    fprintf(file, "P5\n%zu %zu\n# pixels scaled by %g\n255\n", d->n_fast, d->n_slow, scale);
    unsigned char *row = message_allocate(d->n_fast, 1, "a row of the preview");
    for (size_t slow = 0; slow < d->n_slow; slow++) {
        for (size_t fast = 0; fast < d->n_fast; fast++) {
            double grey = (double)photons[slow * d->n_fast + fast] * scale;
            row[fast] = grey > 0.0 ? (unsigned char)(grey < GREY_LARGEST ? grey : GREY_LARGEST) : 0;
        }
        fwrite(row, 1, d->n_fast, file);
    }
    free(row);
}
