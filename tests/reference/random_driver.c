/* Prints numbers of the random streams, for test_random_numbers.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "physics/noise.h"
#include "physics/random_numbers.h"

/* uniform SEED COUNT | cap SEED SPREAD_RAD COUNT | poisson SEED MEAN COUNT */
int main(int argc, char **argv) {
    if (argc < 4) return 1;
    random_table table = {0};
    int64_t seed = strtoll(argv[2], NULL, 10);
    if (strcmp(argv[1], "uniform") == 0) {
        for (int i = 0; i < atoi(argv[3]); i++) printf("%.9g\n", (double)random_uniform(&table, &seed));
    } else if (strcmp(argv[1], "cap") == 0) {
        random_stream stream = random_start(&table, seed, RANDOM_MOSAIC, true);
        for (int i = 0; i < atoi(argv[4]); i++) {
            mat3 u = random_rotation_in_cap(&stream, strtod(argv[3], NULL));
            for (int k = 0; k < 9; k++) printf("%.15g%c", u.m[k / 3][k % 3], k < 8 ? ' ' : '\n');
        }
    } else {
        noise_source noise = {.shared = &table, .seed = seed};
        for (int i = 0; i < atoi(argv[4]); i++) printf("%.9g\n", noise_poisson(&noise, strtof(argv[3], NULL)));
    }
    return 0;
}
