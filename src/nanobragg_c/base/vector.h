/* 3-vectors, 3x3 matrices and rotations in the right-handed laboratory frame. */
#ifndef NANOBRAGG_VECTOR_H
#define NANOBRAGG_VECTOR_H

#include <math.h>

#define VEC_PI 3.14159265358979323846
#define VEC_M_PER_A 1e-10
#define VEC_DEGREES_PER_RADIAN (180.0 / VEC_PI)

typedef struct vec3 {
    double x, y, z;
} vec3;

typedef struct mat3 {
    double m[3][3]; /* row, column */
} mat3;

static inline vec3 vec_make(double x, double y, double z) { return (vec3){x, y, z}; }

static inline vec3 vec_add(vec3 a, vec3 b) { return vec_make(a.x + b.x, a.y + b.y, a.z + b.z); }

static inline vec3 vec_subtract(vec3 a, vec3 b) { return vec_make(a.x - b.x, a.y - b.y, a.z - b.z); }

static inline vec3 vec_scale(double s, vec3 a) { return vec_make(s * a.x, s * a.y, s * a.z); }

static inline double vec_dot(vec3 a, vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

static inline vec3 vec_cross(vec3 a, vec3 b) {
    return vec_make(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

static inline double vec_length(vec3 a) { return sqrt(vec_dot(a, a)); }

/* Unit vector along `a`; a zero vector stays zero. */
static inline vec3 vec_unit(vec3 a) {
    double length = vec_length(a);
    return length > 0.0 ? vec_make(a.x / length, a.y / length, a.z / length) : a;
}

/* About lab x, then y, then z, right-handedly; `angles_rad` holds the three angles. */
vec3 vec_rotate_xyz(vec3 v, vec3 angles_rad);

/* About `axis` by `angle_rad` (Rodrigues). The axis is used as given: not of unit length, it shears. */
vec3 vec_rotate_axis(vec3 v, vec3 axis, double angle_rad);

/* Matrices of the same rotations. */
mat3 mat_rotation_x(double angle_rad);
mat3 mat_rotation_y(double angle_rad);
mat3 mat_rotation_z(double angle_rad);
mat3 mat_identity(void);
mat3 mat_multiply(mat3 a, mat3 b);
vec3 mat_apply(mat3 a, vec3 v);

#endif
