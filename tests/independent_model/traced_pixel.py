"""A second, plain statement of the physics for tests: numpy and loops, one pixel, no code shared with the product.

Everything is written from the formulas: explicit rotation matrices, direct sin(N pi h)/sin(pi h), atan2 for the
polarization angle. Slow and obvious on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

R_E_SQR = 7.94079248018965e-30


def rot(axis, angle):
    """Rotation matrix about a unit axis."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * (k @ k)


def rot_xyz(rx, ry, rz):
    return rot((0, 0, 1), rz) @ rot((0, 1, 0), ry) @ rot((1, 0, 0), rx)


def unit(v):
    v = np.asarray(v, dtype=float)
    return v / np.sqrt((v**2).sum())


@dataclass
class PlainExperiment:
    """Numbers of an experiment in SI units and degrees."""

    matrix: np.ndarray  # columns a*, b*, c* times the wavelength in A
    n_cells: tuple
    wavelength_m: float
    amplitudes: dict  # (h, k, l) -> F
    default_F: float
    flux: float
    exposure_s: float
    beamsize_m: float
    kahn: float
    pixel_m: float
    fast_m: float  # near point, along fast and slow
    slow_m: float
    distance_m: float
    fdet: tuple
    sdet: tuple
    beam: tuple
    polar: tuple
    spindle: tuple
    twotheta_axis: tuple
    detector_deg: tuple
    twotheta_deg: float
    thickness_m: float
    attenuation_m: float
    layers: int
    phi_deg: list
    misset_deg: tuple = (0, 0, 0)
    trace: dict = field(default_factory=dict)


def trace_pixel(e: PlainExperiment, slow: int, fast: int) -> dict:
    """Every factor of one pixel for a SAMPLE-pivot detector, one sub-pixel, one source, one mosaic domain."""
    f, s, b = unit(e.fdet), unit(e.sdet), unit(e.beam)
    o = unit(np.cross(f, s))
    turn = rot_xyz(*np.radians(e.detector_deg))
    swing = rot(unit(e.twotheta_axis), np.radians(e.twotheta_deg))
    ratio = b @ (turn @ o)
    close = abs(ratio * e.distance_m)
    terms = [-e.fast_m * f, -e.slow_m * s, close * o]
    before = sum(terms)
    pix0 = swing @ turn @ before
    F, S, O = (swing @ turn @ v for v in (f, s, o))
    close_distance = pix0 @ O
    out = {
        "angles_rad": np.radians([*e.detector_deg, e.twotheta_deg]),
        "initial_fdet": f, "initial_sdet": s, "initial_odet": o,
        "Fclose_m": e.fast_m, "Sclose_m": e.slow_m, "close_distance_m": close, "ratio": ratio,
        "distance_m": close / ratio,
        "term_fast_before_rot": terms[0], "term_slow_before_rot": terms[1], "term_close_before_rot": terms[2],
        "pix0_before_rotation": before, "pix0_after_rotz": turn @ before, "pix0_after_twotheta": pix0,
        "fdet_after_rotz": turn @ f, "sdet_after_rotz": turn @ s, "odet_after_rotz": turn @ o,
        "twotheta_axis": unit(e.twotheta_axis),
        "fdet_after_twotheta": F, "sdet_after_twotheta": S, "odet_after_twotheta": O,
        "pixel_slow_fast": (slow, fast), "beam_vector": b, "polar_vector": unit(e.polar),
        "spindle_axis": unit(e.spindle), "sources": 1, "mosaic_domains": 1, "phi_steps": len(e.phi_deg),
        "oversample": 1, "thick_steps": e.layers, "N_cells": e.n_cells,
        "subpixel": [], "phi": [], "term": [],
    }  # fmt: skip
    star = (e.matrix * (1e-10 / e.wavelength_m)).T @ rot_xyz(*np.radians(e.misset_deg)).T
    real = np.linalg.inv(star).T  # rows a, b, c in A
    pitch = e.thickness_m / (e.layers - 1) if e.layers > 1 else 0.0
    total = 0.0
    for layer in range(e.layers):
        r = e.pixel_m * (fast + 0.5) * F + e.pixel_m * (slow + 0.5) * S + layer * pitch * O + pix0
        R = np.sqrt(r @ r)
        d = r / R
        q = (d - b) / e.wavelength_m
        block = {
            "pix0_vector_meters": pix0, "fdet_vec": F, "sdet_vec": S, "pixel_pos_meters": r, "R_distance_meters": R,
            "close_distance_meters": close_distance, "obliquity_factor": close_distance / R, "diffracted_vec": d,
            "incident_vec": b, "lambda_meters": e.wavelength_m, "lambda_angstroms": e.wavelength_m * 1e10,
            "scattering_vec_A_inv": q,
        }  # fmt: skip
        omega = e.pixel_m**2 / R**2 * close_distance / R
        if layer == 0:
            out["omega_pixel"] = omega
            out["polar"] = _kahn(e, b, d)
        block["omega_pixel_sr"] = out["omega_pixel"]
        par = d @ O
        mu = 1 / e.attenuation_m
        out["capture_fraction"] = np.exp(-layer * pitch * mu / par) - np.exp(-(layer + 1) * pitch * mu / par)
        out["cos_2theta"] = b @ d
        for step, phi in enumerate(e.phi_deg):
            abc = real @ rot(unit(e.spindle), np.radians(phi)).T
            hkl = abc @ q * 1e-10
            whole = np.ceil(hkl - 0.5).astype(int)
            G = [np.sin(np.pi * n * x) / np.sin(np.pi * x) for n, x in zip(e.n_cells, hkl, strict=True)]
            L, A = np.prod(G), e.amplitudes.get(tuple(int(v) for v in whole), e.default_F)
            term = A**2 * L**2
            total += term
            out["phi"].append((step, phi, hkl[1], G[1], L))
            out["term"].append((layer, 0, 0, 0, step, 0, *whole, L, A, 1, 1, 1, term))
            if step == 0:
                block |= {f"rot_{n}_angstroms": v for n, v in zip("abc", abc, strict=True)}
                block |= {f"rot_{n}_star_A_inv": v for n, v in zip("abc", star, strict=True)}
                block |= {"hkl_frac": hkl, "hkl_rounded": whole, "F_latt": L, "F_cell": A}
                block |= {f"F_latt_{n}": v for n, v in zip("abc", G, strict=True)}
        out["subpixel"].append(block)
    fluence = e.flux * e.exposure_s / e.beamsize_m**2
    steps = len(e.phi_deg)
    final = R_E_SQR * fluence * total / steps * out["capture_fraction"] * out["polar"] * out["omega_pixel"]
    return out | {
        "I_background": 0.0, "I_before_scaling": total, "r_e_meters": np.sqrt(R_E_SQR), "r_e_sqr": R_E_SQR,
        "fluence_photons_per_m2": fluence, "steps": steps, "oversample_thick": 0, "oversample_polar": 0,
        "oversample_omega": 0, "I_pixel_final": final, "floatimage_accumulated": float(np.float32(final)),
    }  # fmt: skip


def _kahn(e: PlainExperiment, incident, d):
    c = incident @ d
    across = unit(np.cross(unit(e.polar), incident))
    along = unit(np.cross(incident, across))
    psi = -np.arctan2(d @ across, d @ along)
    return 0.5 * (1 + c * c - e.kahn * np.cos(2 * psi) * (1 - c * c))
