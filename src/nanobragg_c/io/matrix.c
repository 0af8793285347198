#include "io/matrix.h"

#include <stdio.h>
#include <string.h>

#include "base/message.h"
#include "io/text.h"

#define SHORTEST_LIKELY_A 2.0 /* no crystal has axes that are all shorter */
#define MATRIX_SINGULAR 1e-9 /* determinant over the product of the column lengths */

static void check_regular(const char *path, mat3 a) {
    vec3 column[3];
    for (int i = 0; i < 3; i++) column[i] = vec_make(a.m[0][i], a.m[1][i], a.m[2][i]);
    double volume = fabs(vec_dot(column[0], vec_cross(column[1], column[2])));
    double box = vec_length(column[0]) * vec_length(column[1]) * vec_length(column[2]);
    if (!(volume > MATRIX_SINGULAR * box) || !isfinite(box))
        message_fail(
            "-mat: the matrix in '%s' is singular (its columns lie in one plane); give three independent "
            "reciprocal vectors",
            path);
}

/* Three numbers behind the matrix, not all 0, are the missets of MOSFLM. */
static void warn_missets(const char *path, const char *rest, message_list *warnings) {
    double angle[3] = {0.0, 0.0, 0.0};
    char end = '\0';
    if (sscanf(rest, " %lf %lf %lf%c", &angle[0], &angle[1], &angle[2], &end) < 3) return;
    if ((end == '\0' || strchr(" \t\r\n", end) != NULL) && (angle[0] != 0.0 || angle[1] != 0.0 || angle[2] != 0.0))
        message_warn(warnings, "-mat %s: the missets behind the matrix (%g %g %g deg) are not used; see -misset", path,
                     angle[0], angle[1], angle[2]);
}

void matrix_warn(const char *path, const vec3 star_A_inv[3], message_list *warnings) {
    double length_A[3];
    vec3 cross[3];
    for (int i = 0; i < 3; i++) cross[i] = vec_cross(star_A_inv[(i + 1) % 3], star_A_inv[(i + 2) % 3]);
    double volume = vec_dot(star_A_inv[0], cross[0]);
    for (int i = 0; i < 3; i++) length_A[i] = vec_length(cross[i]) / fabs(volume);
    if (volume < 0.0)
        message_warn(warnings, "-mat %s: its axes are left-handed; expected right-handed a*, b*, c*", path);
    if (fmax(length_A[0], fmax(length_A[1], length_A[2])) < SHORTEST_LIKELY_A)
        message_warn(warnings,
                     "-mat %s: makes cell axes of %.3g x %.3g x %.3g A, so it looks like a real-space matrix; expected "
                     "a*, b*, c* times the wavelength",
                     path, length_A[0], length_A[1], length_A[2]);
}

mat3 matrix_read(const char *path, message_list *warnings) {
    static const char *const NAMES[3][3] = {
        {"a*_x", "b*_x", "c*_x"}, {"a*_y", "b*_y", "c*_y"}, {"a*_z", "b*_z", "c*_z"}};
    text_reader reader = text_open_words("-mat", path);
    mat3 a;
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++) a.m[row][column] = text_next_real(&reader, NAMES[row][column]);
    warn_missets(path, reader.cursor, warnings);
    text_close(&reader);
    check_regular(path, a);
    return a;
}
