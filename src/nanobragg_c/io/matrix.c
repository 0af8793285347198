#include "io/matrix.h"

#include "base/message.h"
#include "io/text.h"

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

mat3 matrix_read(const char *path) {
    static const char *const NAMES[3][3] = {
        {"a*_x", "b*_x", "c*_x"}, {"a*_y", "b*_y", "c*_y"}, {"a*_z", "b*_z", "c*_z"}};
    text_reader reader = text_open_words("-mat", path);
    mat3 a;
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++) a.m[row][column] = text_next_real(&reader, NAMES[row][column]);
    text_close(&reader);
    check_regular(path, a);
    return a;
}
