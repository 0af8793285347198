#include "io/pgm.h"

#include <stdlib.h>

#include "base/message.h"

double pgm_scale(double given, const statistics *s, double int_scale) {
    if (given > 0.0) return given;
    return s->rmsd > 0.0 ? 250.0 / (5.0 * s->rmsd) : int_scale;
}

void pgm_write(FILE *file, const float *photons, const detector *d, double scale) {
    fprintf(file, "P5\n%zu %zu\n# pixels scaled by %g\n255\n", d->n_fast, d->n_slow, scale);
    unsigned char *row = message_allocate(d->n_fast, 1, "a row of the preview");
    for (size_t slow = 0; slow < d->n_slow; slow++) {
        for (size_t fast = 0; fast < d->n_fast; fast++) {
            double grey = (double)photons[slow * d->n_fast + fast] * scale;
            row[fast] = grey > 0.0 ? (unsigned char)(grey < 255.0 ? grey : 255.0) : 0;
        }
        fwrite(row, 1, d->n_fast, file);
    }
    free(row);
}
