"""Small-angle X-ray scattering of one sphere into one detector pixel, the port of sphere.c to numpy.

    python sphere.py -radius_nm 5 -slow 60 -fast 80 [-print photons,qr] [-right]

One mistake is planted in it: the solid angle lacks its obliquity factor. `-right` takes the mistake out; `-print` names
the keys that are printed, as in a port that prints few.
"""

import argparse

import numpy as np

R_E_NM = 2.8179403262e-6  # classical electron radius


def form_amplitude(x: np.ndarray) -> np.ndarray:
    """3 (sin x - x cos x) / x^3, by its series where the difference would lose digits."""
    safe = np.where(x < 0.02, 1.0, x)
    return np.where(x < 0.02, 1 - x**2 / 10 + x**4 / 280, 3 * (np.sin(safe) - safe * np.cos(safe)) / safe**3)


def scatter(e: argparse.Namespace) -> dict[str, np.ndarray]:
    """Every factor of the pixel's photons, by its name in keys.yaml."""
    position = np.array([e.fast * e.pixel_mm, e.slow * e.pixel_mm, e.distance_mm])
    path = np.linalg.norm(position)
    two_theta = np.arctan2(np.hypot(position[0], position[1]), position[2])
    q = 4 * np.pi * np.sin(two_theta / 2) / e.wavelength_nm
    form = form_amplitude(q * e.radius_nm)
    volume = 4 / 3 * np.pi * e.radius_nm**3
    obliquity = e.distance_mm / path if e.right else 1.0
    omega = (e.pixel_mm / path) ** 2 * obliquity
    polarization = (1 + np.cos(two_theta) ** 2) / 2
    length = R_E_NM * e.electrons_per_nm3 * volume * form
    return {
        "pixel_position_mm": position,
        "path_mm": path,
        "two_theta_rad": two_theta,
        "q_per_nm": q,
        "qr": q * e.radius_nm,
        "form_amplitude": form,
        "volume_nm3": volume,
        "omega_sr": omega,
        "polarization": polarization,
        "photons": e.photons_per_nm2 * length**2 * omega * polarization,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="SAXS of a sphere, one pixel", allow_abbrev=False)
    lengths = {"radius_nm": 5.0, "wavelength_nm": 0.1, "distance_mm": 1000.0, "pixel_mm": 0.2}
    others = {"slow": 0.0, "fast": 0.0, "electrons_per_nm3": 100.0, "photons_per_nm2": 1e12}
    for name, value in {**lengths, **others}.items():
        parser.add_argument(f"-{name}", type=float, default=value)
    parser.add_argument("-print", dest="keys", default="", metavar="KEY,KEY", help="keys to print (all)")
    parser.add_argument("-right", action="store_true", help="without the planted mistake")
    options = parser.parse_args()
    wanted = options.keys.split(",") if options.keys else None
    for name, value in scatter(options).items():
        if wanted is None or name in wanted:
            print("TRACE", name, *(f"{number:.15g}" for number in np.atleast_1d(value)))


if __name__ == "__main__":
    main()
