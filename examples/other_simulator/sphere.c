/* Small-angle X-ray scattering of one sphere into one detector pixel: photons, and every factor of them.
 *
 *     cc -O2 -o sphere sphere.c -lm
 *     ./sphere -radius_nm 5 -wavelength_nm 0.1 -distance_mm 1000 -pixel_mm 0.2 -slow 60 -fast 80
 *
 * The beam runs along z and meets the detector at its pixel (0, 0); slow is y, fast is x. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;
static const double r_e_nm = 2.8179403262e-6;  /* classical electron radius */

typedef struct {
    double radius_nm, wavelength_nm, distance_mm, pixel_mm, slow, fast;
    double electrons_per_nm3, photons_per_nm2;
} experiment;

static int read_flags(int count, char **words, experiment *e) {
    struct { const char *name; double *value; } flags[] = {
        {"-radius_nm", &e->radius_nm},     {"-wavelength_nm", &e->wavelength_nm},
        {"-distance_mm", &e->distance_mm}, {"-pixel_mm", &e->pixel_mm},
        {"-slow", &e->slow},               {"-fast", &e->fast},
        {"-electrons_per_nm3", &e->electrons_per_nm3},
        {"-photons_per_nm2", &e->photons_per_nm2},
    };
    for (int i = 1; i < count; i += 2) {
        size_t n = 0;
        while (n < sizeof flags / sizeof *flags && strcmp(words[i], flags[n].name) != 0) n++;
        if (n == sizeof flags / sizeof *flags || i + 1 == count) {
            fprintf(stderr, "sphere: %s: no such flag, or no number behind it\n", words[i]);
            return 2;
        }
        char *end;
        *flags[n].value = strtod(words[i + 1], &end);
        if (*end != '\0' || !isfinite(*flags[n].value)) {
            fprintf(stderr, "sphere: %s %s: expected a number\n", words[i], words[i + 1]);
            return 2;
        }
    }
    if (e->radius_nm > 0 && e->wavelength_nm > 0 && e->distance_mm > 0 && e->pixel_mm > 0) return 0;
    fprintf(stderr, "sphere: radius, wavelength, distance and pixel have to be above 0\n");
    return 2;
}

/* 3 (sin x - x cos x) / x^3, by its series where the difference would lose digits */
static double form_amplitude(double x) {
    if (x < 0.02) return 1.0 - x * x / 10.0 + x * x * x * x / 280.0;
    return 3.0 * (sin(x) - x * cos(x)) / (x * x * x);
}

int main(int count, char **words) {
    experiment e = {5.0, 0.1, 1000.0, 0.2, 0.0, 0.0, 100.0, 1e12};
    const int status = read_flags(count, words, &e);
    if (status) return status;

    const double x_mm = e.fast * e.pixel_mm, y_mm = e.slow * e.pixel_mm, z_mm = e.distance_mm;
    const double path_mm = sqrt(x_mm * x_mm + y_mm * y_mm + z_mm * z_mm);
    const double two_theta_rad = atan2(sqrt(x_mm * x_mm + y_mm * y_mm), z_mm);
    const double q_per_nm = 4.0 * pi * sin(two_theta_rad / 2.0) / e.wavelength_nm;
    const double qr = q_per_nm * e.radius_nm;
    const double form = form_amplitude(qr);
    const double volume_nm3 = 4.0 / 3.0 * pi * e.radius_nm * e.radius_nm * e.radius_nm;
    const double omega_sr = e.pixel_mm * e.pixel_mm * e.distance_mm / (path_mm * path_mm * path_mm);
    const double polarization = 0.5 * (1.0 + cos(two_theta_rad) * cos(two_theta_rad));
    const double length_nm = r_e_nm * e.electrons_per_nm3 * volume_nm3 * form;
    const double photons = e.photons_per_nm2 * length_nm * length_nm * omega_sr * polarization;

    printf("TRACE pixel_position_mm %.15g %.15g %.15g\n", x_mm, y_mm, z_mm);
    printf("TRACE path_mm %.15g\n", path_mm);
    printf("TRACE two_theta_rad %.15g\n", two_theta_rad);
    printf("TRACE q_per_nm %.15g\n", q_per_nm);
    printf("TRACE qr %.15g\n", qr);
    printf("TRACE form_amplitude %.15g\n", form);
    printf("TRACE volume_nm3 %.15g\n", volume_nm3);
    printf("TRACE omega_sr %.15g\n", omega_sr);
    printf("TRACE polarization %.15g\n", polarization);
    printf("TRACE photons %.15g\n", photons);
    return 0;
}
