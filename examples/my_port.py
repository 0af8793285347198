"""A port of nanoBragg in one page of numpy, with one mistake in it: the audit of docs/tutorial/audit_your_port.md.

It knows a crystal with three right angles, one wavelength, one orientation and a flat detector in nanoBragg's default
(MOSFLM) place, takes nanoBragg's flags and writes the image as raw float32.
"""

import argparse
import sys

import numpy as np


def options():
    parser = argparse.ArgumentParser(prefix_chars="-", allow_abbrev=False)
    parser.add_argument("-cell", type=float, nargs=6, required=True)
    parser.add_argument("-default_F", type=float, required=True)
    parser.add_argument("-N", type=int)
    for axis in "abc":
        parser.add_argument(f"-N{axis}", type=int)
    parser.add_argument("-lambda", dest="wavelength_A", type=float, required=True)
    parser.add_argument("-distance", dest="distance_mm", type=float, required=True)
    parser.add_argument("-detpixels", type=int)
    parser.add_argument("-detpixels_x", dest="n_fast", type=int)
    parser.add_argument("-detpixels_y", dest="n_slow", type=int)
    parser.add_argument("-pixel", dest="pixel_mm", type=float, required=True)
    parser.add_argument("-oversample", type=int, choices=[1], default=1)
    for always in ("-mosflm", "-nointerpolate", "-nonoise", "-nopgm"):
        parser.add_argument(always, action="store_true")
    parser.add_argument("-trace_pixel", type=int, nargs=2)
    parser.add_argument("-print", dest="keys", nargs="*", default=[], metavar="KEY", help="more keys of that pixel")
    parser.add_argument("-floatfile")
    return parser.parse_args()


def lattice_factor(index, cells):
    """sin(pi N h) / sin(pi h), N where h is whole."""
    offset = index - np.round(index)
    below = np.sin(np.pi * offset)
    return np.where(below == 0, cells, np.sin(np.pi * cells * offset) / np.where(below == 0, 1, below))


def main():
    given = options()
    pixel_m, distance_m = given.pixel_mm / 1000, given.distance_mm / 1000
    n_fast, n_slow = given.n_fast or given.detpixels, given.n_slow or given.detpixels
    cells = [count or given.N for count in (given.Na, given.Nb, given.Nc)]

    # The beam goes along x and meets the detector one pixel beyond its middle; fast is z, slow is -y.
    slow, fast = np.meshgrid(np.arange(n_slow), np.arange(n_fast), indexing="ij")
    z_m = (fast + 0.5 - n_fast / 2 - 1) * pixel_m
    y_m = (n_slow / 2 + 1 - slow - 0.5) * pixel_m
    position_m = np.stack([np.full(z_m.shape, distance_m), y_m, z_m], axis=-1)
    airpath_m = np.linalg.norm(position_m, axis=-1)
    diffracted = position_m / airpath_m[..., None]

    incident = np.array([1.0, 0.0, 0.0])
    scattering_per_A = (diffracted - incident) / given.wavelength_A
    hkl = scattering_per_A * np.array(given.cell[:3])
    F_latt = np.prod(lattice_factor(hkl, np.array(cells)), axis=-1)

    omega_sr = pixel_m**2 / airpath_m**2  # the mistake: a pixel that is seen at a slant looks smaller
    cos_2theta = diffracted @ incident
    polar = (1 + cos_2theta**2) / 2
    r_e_sqr_fluence = 1.0  # nanoBragg's default fluence makes it so
    image = r_e_sqr_fluence * given.default_F**2 * F_latt**2 * omega_sr * polar

    if given.trace_pixel:
        at = tuple(given.trace_pixel)
        values = {
            "diffracted_vec": diffracted[at],
            "hkl_frac": hkl[at],
            "F_latt": F_latt[at],
            "omega_pixel": omega_sr[at],
            "polar": polar[at],
        }
        for key in given.keys:
            print(f"TRACE_PY: {key}", *(f"{number:.15g}" for number in np.atleast_1d(values[key])))
        print(f"TRACE_PY: floatimage_accumulated {image[at]:.15g}")
    if given.floatfile:
        image.astype(np.float32).tofile(given.floatfile)


if __name__ == "__main__":
    sys.exit(main())
