"""A port with one planted mistake: our torch program, run as somebody else's, with one stage of it changed.

    python planted.py MISTAKE KEYS SLOW FAST IMAGE FLAGS...

KEYS: `all`, `half` or the name of one key to print. The mistake is in the image as well as in the trace.
"""

import sys
from collections.abc import Callable, Sequence

Values = list[float]


def scaled(factor: float) -> Callable[[Values], Values]:
    return lambda values: [value * factor for value in values]


def swapped(values: Values) -> Values:
    return [values[1], values[0], *values[2:]]


def negated_last(values: Values) -> Values:
    return [*values[:-1], -values[-1]]


def shifted(by: float) -> Callable[[Values], Values]:
    return lambda values: [values[0] + by, *values[1:]]


# key of the stage, and what it does to the values that the stage has worked out
MISTAKES: dict[str, tuple[str, Callable[[Values], Values]]] = {
    "half_pixel": ("pixel_pos_meters", shifted(5e-5)),
    "pix0_swapped": ("pix0_vector_meters", swapped),
    "pix0_sign": ("pix0_vector_meters", negated_last),
    "fdet_reversed": ("fdet_vec", scaled(-1.0)),
    "sdet_reversed": ("sdet_vec", scaled(-1.0)),
    "distance_in_cm": ("R_distance_meters", scaled(100.0)),
    "solid_angle_without_obliquity": ("omega_pixel_sr", scaled(1.01)),
    "solid_angle_squared_pixel": ("omega_pixel_sr", scaled(1e-4)),
    "direction_not_normalised": ("diffracted_vec", scaled(1.02)),
    "beam_reversed": ("incident_vec", scaled(-1.0)),
    "beam_y_and_x_swapped": ("incident_vec", swapped),
    "wavelength_energy_constant": ("lambda_meters", scaled(12398.42 / 12398.0)),
    "q_with_two_pi": ("scattering_vec_A_inv", scaled(6.283185307179586)),
    "q_sign": ("scattering_vec_A_inv", scaled(-1.0)),
    "a_star_scaled": ("rot_a_star_A_inv", scaled(1.001)),
    "b_star_swapped": ("rot_b_star_A_inv", swapped),
    "a_scaled": ("rot_a_angstroms", scaled(1.0003)),
    "hkl_offset": ("hkl_frac", shifted(0.01)),
    "hkl_swapped": ("hkl_frac", swapped),
    "F_latt_a_squared_root": ("F_latt_a", lambda values: [abs(values[0]) ** 0.5]),
    "F_latt_b_wrong_N": ("F_latt_b", scaled(1.2)),
    "F_latt_factor_missing": ("F_latt", scaled(1.0 / 3.0)),
    "F_cell_twice": ("term.F_cell", scaled(2.0)),
    "fluence_per_mm2": ("fluence_photons_per_m2", scaled(1e-6)),
    "r_e_not_squared": ("r_e_sqr", lambda values: [values[0] ** 0.5]),
    "steps_not_divided": ("steps", lambda _: [1.0]),
    "polar_off": ("polar", lambda _: [1.0]),
    "capture_wrong": ("capture_fraction", scaled(0.97)),
    "omega_twice": ("omega_pixel", lambda values: [values[0] ** 2]),
    "scale_at_the_end": ("I_pixel_final", scaled(1.7)),
}


def visitor(key: str, change: Callable[[Values], Values]) -> Callable[[str, object, Sequence[float]], Values | None]:
    """Change the values of one stage, whenever it runs."""

    def visit(name: str, _context: object, values: Sequence[float]) -> Values | None:
        return change([float(value) for value in values]) if name == key else None

    return visit


def main(arguments: list[str]) -> None:
    import numpy as np
    import torch

    from nanobrag_torch.cli import parse
    from trace_audit.stages.intervene import watched_trace

    mistake, keys, slow, fast, image, *flags = arguments
    pixel = int(slow), int(fast)
    key, change = MISTAKES[mistake]
    experiment = parse(flags).experiment
    lines = watched_trace(experiment, pixel, device="cpu", dtype=torch.float64, visit=visitor(key, change))
    shape = experiment.detector.n_slow, experiment.detector.n_fast
    photons = np.full(shape, np.nan, dtype=np.float32)
    for number, line in enumerate(lines):
        name = line.split(": ", 1)[-1].split("=")[0].split()[0]
        if keys == "all" or (keys == "half" and number % 2) or name in keys.split(","):
            print(line)
        if name == "floatimage_accumulated":
            photons[pixel] = float(line.split()[-1])
    if image != "-":
        np.save(image, photons)


if __name__ == "__main__":
    main(sys.argv[1:])
