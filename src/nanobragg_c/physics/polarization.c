/* Polarization factor. Section 11 of docs/physics.md.
 *
 * (11.2) psi = -atan2(d.B, d.E),  B = unit(P x i),  E = unit(i x B)         [rad]
 * (11.3) polar = (1 + cos^2(2theta) - K cos(2 psi) sin^2(2theta))/2
 */
#include "physics/polarization.h"

/* (11.2) (11.3) */
double polarization_factor(double kahn, vec3 incident, vec3 diffracted, vec3 polar, double cos_2theta) {
    double cos2 = cos_2theta * cos_2theta, psi_rad = 0.0;
    if (kahn != 0.0) {
        vec3 b_in = vec_unit(vec_cross(polar, incident)), e_in = vec_unit(vec_cross(incident, b_in));
        psi_rad = -atan2(vec_dot(diffracted, b_in), vec_dot(diffracted, e_in));
    }
    return 0.5 * (1.0 + cos2 - kahn * cos(2.0 * psi_rad) * (1.0 - cos2));
}
