/* Vectors and rotations. Section 1 of docs/physics.md.
 *
 * (1.2)  Rxyz(v; ax, ay, az) = Rz(az) Ry(ay) Rx(ax) v
 * (1.3)  Raxis(v; n, t) = n (n.v) (1 - cos t) + v cos t + (n x v) sin t
 */
#include "base/vector.h"

/* (1.2) */
vec3 vec_rotate_xyz(vec3 v, vec3 angles_rad) {
    if (angles_rad.x != 0.0) {
        double c = cos(angles_rad.x), s = sin(angles_rad.x);
        v = vec_make(v.x, v.y * c - v.z * s, v.y * s + v.z * c);
    }
    if (angles_rad.y != 0.0) {
        double c = cos(angles_rad.y), s = sin(angles_rad.y);
        v = vec_make(v.x * c + v.z * s, v.y, -v.x * s + v.z * c);
    }
    if (angles_rad.z != 0.0) {
        double c = cos(angles_rad.z), s = sin(angles_rad.z);
        v = vec_make(v.x * c - v.y * s, v.x * s + v.y * c, v.z);
    }
    return v;
}

/* (1.3) */
vec3 vec_rotate_axis(vec3 v, vec3 axis, double angle_rad) {
    double c = cos(angle_rad), s = sin(angle_rad);
    double along = vec_dot(axis, v) * (1.0 - c);
    vec3 across = vec_cross(axis, v);
    return vec_make(axis.x * along + v.x * c + across.x * s, axis.y * along + v.y * c + across.y * s,
                    axis.z * along + v.z * c + across.z * s);
}

mat3 mat_rotation_x(double angle_rad) {
    double c = cos(angle_rad), s = sin(angle_rad);
    return (mat3){{{1, 0, 0}, {0, c, -s}, {0, s, c}}};
}

mat3 mat_rotation_y(double angle_rad) {
    double c = cos(angle_rad), s = sin(angle_rad);
    return (mat3){{{c, 0, s}, {0, 1, 0}, {-s, 0, c}}};
}

mat3 mat_rotation_z(double angle_rad) {
    double c = cos(angle_rad), s = sin(angle_rad);
    return (mat3){{{c, -s, 0}, {s, c, 0}, {0, 0, 1}}};
}

mat3 mat_identity(void) { return (mat3){{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}; }

mat3 mat_multiply(mat3 a, mat3 b) {
    mat3 product;
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            product.m[row][column] =
                a.m[row][0] * b.m[0][column] + a.m[row][1] * b.m[1][column] + a.m[row][2] * b.m[2][column];
    return product;
}

vec3 mat_apply(mat3 a, vec3 v) {
    return vec_make(a.m[0][0] * v.x + a.m[0][1] * v.y + a.m[0][2] * v.z,
                    a.m[1][0] * v.x + a.m[1][1] * v.y + a.m[1][2] * v.z,
                    a.m[2][0] * v.x + a.m[2][1] * v.y + a.m[2][2] * v.z);
}
