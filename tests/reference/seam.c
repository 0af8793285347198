/* The functions behind seam.h: they tell each value of a run, and put others in the place of those that a file names.
 *
 * Both files hold lines `key block source spindle_step domain count value...`, whole numbers that are not there being -1,
 * values in hexadecimal. NANOBRAGG_SEAM_OUT: file to write; NANOBRAGG_SEAM_IN: values to put in (none without it).
 */
#include "base/seam.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vector.h"

#define MOST_VALUES 9
#define MOST_RECORDS 20000

typedef struct context {
    long block, source, step, domain;
} context;

typedef struct record {
    char key[40];
    context where;
    size_t count;
    double values[MOST_VALUES];
} record;

static record replacements[MOST_RECORDS];
static size_t n_replacements, next_replacement;
static FILE *told;
static long block = -1, source = -1;
static size_t first_orientation, n_orientations, n_domains = 1;

static void fail(const char *what) {
    fprintf(stderr, "seam: %s\n", what);
    exit(3);
}

static void read_replacements(void) {
    const char *path = getenv("NANOBRAGG_SEAM_IN");
    FILE *in = path == NULL ? NULL : fopen(path, "r");
    if (path != NULL && in == NULL) fail("cannot read NANOBRAGG_SEAM_IN");
    while (in != NULL && n_replacements < MOST_RECORDS) {
        record *r = &replacements[n_replacements];
        context *c = &r->where;
        int n = fscanf(in, "%39s %ld %ld %ld %ld %zu", r->key, &c->block, &c->source, &c->step, &c->domain, &r->count);
        if (n != 6) break;
        for (size_t i = 0; i < r->count; i++)
            if (fscanf(in, "%lf", &r->values[i]) != 1) fail("a line is short");
        n_replacements++;
    }
    if (in != NULL) fclose(in);
}

static void start(void) {
    if (told != NULL) return;
    const char *path = getenv("NANOBRAGG_SEAM_OUT");
    told = path == NULL ? NULL : fopen(path, "w");
    if (told == NULL) fail("cannot write NANOBRAGG_SEAM_OUT");
    read_replacements();
}

static void visit_at(const char *key, context where, double *values, size_t count) {
    start();
    fprintf(told, "%s %ld %ld %ld %ld %zu", key, where.block, where.source, where.step, where.domain, count);
    for (size_t i = 0; i < count; i++) fprintf(told, " %a", values[i]);
    fputc('\n', told);
    for (size_t i = 0; i < n_replacements; i++) { // a file in the order of the run has the next one next
        size_t r = (next_replacement + i) % n_replacements;
        const record *with = &replacements[r];
        if (strcmp(with->key, key) != 0 || memcmp(&with->where, &where, sizeof where) != 0) continue;
        if (with->count != count) fail("a replacement has another number of values");
        memcpy(values, with->values, count * sizeof values[0]);
        next_replacement = r + 1;
        break;
    }
}

void seam_visit(const char *key, double *values, size_t count) {
    visit_at(key, (context){block, -1, -1, -1}, values, count);
}

void seam_visit_of_pixel(const char *key, double *values, size_t count) {
    visit_at(key, (context){-1, -1, -1, -1}, values, count);
}

void seam_block(size_t number) { block = (long)number; }

void seam_pass(size_t number, size_t first, size_t count, size_t domains) {
    source = (long)number;
    first_orientation = first;
    n_orientations = count;
    n_domains = domains;
}

void seam_source(const char *key, size_t number, double *value) {
    visit_at(key, (context){block, (long)number, 0, 0}, value, 1);
}

void seam_terms(const char *first_key, const char *phi_key, size_t phi_component, const char *term_key, double *values,
                size_t components, size_t stride) {
    for (size_t i = 0; i < n_orientations; i++) {
        long step = (long)((first_orientation + i) / n_domains), domain = (long)((first_orientation + i) % n_domains);
        double part[MOST_VALUES];
        for (size_t k = 0; k < components; k++) part[k] = values[k * stride + i];
        bool sample = source == 0 && domain == 0;
        if (first_key != NULL && sample && step == 0)
            visit_at(first_key, (context){block, -1, -1, -1}, part, components);
        if (phi_key != NULL && sample) visit_at(phi_key, (context){block, -1, step, -1}, part + phi_component, 1);
        if (term_key != NULL) visit_at(term_key, (context){block, source, step, domain}, part, components);
        for (size_t k = 0; k < components; k++) values[k * stride + i] = part[k];
    }
}

void seam_term(const char *key, size_t index, double *value) {
    long step = (long)((first_orientation + index) / n_domains), domain = (long)((first_orientation + index) % n_domains);
    visit_at(key, (context){block, source, step, domain}, value, 1);
}

void seam_whole_numbers(const char *key, int64_t *values, size_t count) {
    double numbers[MOST_VALUES];
    for (size_t i = 0; i < count; i++) numbers[i] = (double)values[i];
    seam_visit(key, numbers, count);
    for (size_t i = 0; i < count; i++) values[i] = (int64_t)numbers[i];
}

void seam_pixel(size_t *slow, size_t *fast) {
    double numbers[2] = {(double)*slow, (double)*fast};
    seam_visit("pixel_slow_fast", numbers, 2);
    *slow = (size_t)numbers[0];
    *fast = (size_t)numbers[1];
}

void seam_angles(double *three_rad, double *fourth_rad) {
    double angles[4] = {three_rad[0], three_rad[1], three_rad[2], *fourth_rad};
    seam_visit("angles_rad", angles, 4);
    memcpy(three_rad, angles, 3 * sizeof angles[0]);
    *fourth_rad = angles[3];
}

void seam_phi(size_t step, double *phi_rad, double *phi_deg) {
    double value = *phi_deg;
    visit_at("TRACE_PHI.phi_deg", (context){-1, -1, (long)step, -1}, &value, 1);
    if (value == *phi_deg) return;
    *phi_deg = value;
    *phi_rad = value / VEC_DEGREES_PER_RADIAN;
}

void seam_orientation(size_t step, size_t domain, double axes_m[9]) {
    static const char *const KEYS[] = {"rot_a_angstroms", "rot_b_angstroms", "rot_c_angstroms"};
    if (step != 0 || domain != 0) return;
    for (size_t i = 0; i < 3; i++) seam_visit(KEYS[i], axes_m + 3 * i, 3);
}
