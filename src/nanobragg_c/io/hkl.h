/* Tables of structure factor amplitudes. */
#ifndef NANOBRAGG_HKL_H
#define NANOBRAGG_HKL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Amplitudes on a box of Miller indices, l running fastest; without a table: every reflection has default_F. */
typedef struct hkl_table {
    double default_F;
    double *F_electrons; /* NULL: no table */
    int64_t min[3], max[3];
    size_t size[3]; /* max - min + 1 */
    size_t rows, distinct; /* reflections in the text, and the number of different ones */
} hkl_table;

/* Text: h k l F, four numbers a reflection, `#` comments. The last duplicate wins. */
hkl_table hkl_read_text(const char *path, double default_F);

/* Binary dump as hkl_write_dump makes it. */
hkl_table hkl_read_dump(const char *path, double default_F);
void hkl_write_dump(FILE *file, const hkl_table *table);

void hkl_free(hkl_table *table);

#endif
