"""Writes every file of a run, each whole or not at all."""

from __future__ import annotations

import shlex
import time
from functools import partial

import numpy as np

from nanobrag_torch import __version__
from nanobrag_torch import outputs as scaling
from nanobrag_torch.cli.invocation import Invocation
from nanobrag_torch.io.fdump import write_fdump
from nanobrag_torch.io.float_image import write_double_image, write_float_image
from nanobrag_torch.io.hdf5 import Nxmx, write_nxmx
from nanobrag_torch.io.hkl import Box
from nanobrag_torch.io.noise import Noise
from nanobrag_torch.io.pgm import write_pgm
from nanobrag_torch.io.smv import SmvHeader, write_smv
from nanobrag_torch.physics import steps
from nanobrag_torch.physics.constants import DEG_PER_RAD
from nanobrag_torch.physics.random_numbers import UniformStream
from nanobrag_torch.simulator import Simulation


def write_all(
    invocation: Invocation, simulation: Simulation, unrounded: np.ndarray, image: np.ndarray, stats: scaling.Statistics
) -> list[str]:
    """Write the float image (slow, fast) and all that is made from it; returns what to print.

    `unrounded` is the image in the precision it was asked for in, `image` the same in single precision.
    """
    to, roi = invocation.outputs, simulation.roi
    header = smv_header(simulation)
    said = []
    write_float_image(to.float_file, image)
    if to.double_file is not None:
        write_double_image(to.double_file, unrounded)
        said.append(f"wrote {to.double_file} (photons, 64-bit)")
    int_scale = scaling.integer_scale(to.int_scale, stats)
    counts = partial(scaling.integer_counts, scale=int_scale, adc=to.adc_counts)
    write_smv(to.int_file, header, scaling.in_blocks(image, roi, counts))
    said.append(f"wrote {to.float_file} (photons) and {to.int_file} (intfile_scale = {int_scale:g})")
    if to.pgm_file is not None:
        grey_scale = scaling.pgm_scale(to.pgm_scale, stats, int_scale)
        grey = scaling.in_blocks(image, roi, lambda rows, _: scaling.grey_values(rows, grey_scale))
        write_pgm(to.pgm_file, image.shape, grey, grey_scale)
        said.append(f"wrote {to.pgm_file} (pgm_scale = {grey_scale:g})")
    if to.noise_file is not None:
        seed = -int(time.time()) if to.noise_seed is None else to.noise_seed
        noise = Noise(to.adc_counts, UniformStream(simulation.random_table, seed))
        write_smv(to.noise_file, header, scaling.in_blocks(image, roi, noise.counts))
        said.append(f"wrote {to.noise_file} ({noise.photons:.0f} photons, {noise.overloads} overloads, -seed {-seed})")
    if to.hdf5_file is not None:
        write_nxmx(to.hdf5_file, image, nxmx(invocation, simulation))
        said.append(f"wrote {to.hdf5_file} (NXmx)")
    table = invocation.experiment.structure_factors.table
    if to.dump_file is not None and table is not None:
        write_fdump(to.dump_file, Box(table.F_electrons.numpy(), table.h_min, table.k_min, table.l_min))
        said.append(f"wrote {to.dump_file} (structure factors)")
    return said


def smv_header(simulation: Simulation) -> SmvHeader:
    """The SMV header of an experiment: mm, deg, A."""
    g, experiment = simulation.geometry, simulation.experiment
    phi = steps.phi_steps(experiment.spindle)
    return SmvHeader(
        n_fast=g.n_fast,
        n_slow=g.n_slow,
        pixel_mm=float(g.pixel_size_m) * 1e3,
        distance_mm=float(g.distance_m) * 1e3,
        wavelength_A=float(experiment.beam.wavelength_m) * 1e10,
        Xbeam_mm=float(g.centre.Xbeam_m) * 1e3,
        Ybeam_mm=float(g.centre.Ybeam_m) * 1e3,
        Fbeam_mm=float(g.Fbeam_m) * 1e3,
        Sbeam_mm=float(g.Sbeam_m) * 1e3,
        size_slow_mm=float(g.size_slow_m) * 1e3,
        dials_origin_mm=tuple(g.dials_origin_mm.tolist()),
        ORGX_pixels=float(g.ORGX_pixels),
        ORGY_pixels=float(g.ORGY_pixels),
        close_distance_mm=float(g.close_distance_m) * 1e3,
        phi_deg=float(phi.start_rad) * DEG_PER_RAD,
        osc_deg=float(phi.osc_rad) * DEG_PER_RAD,
        twotheta_deg=float(experiment.detector.twotheta_rad) * DEG_PER_RAD,
    )


def nxmx(invocation: Invocation, simulation: Simulation) -> Nxmx:
    """What the HDF5 file says about an experiment."""
    g, experiment = simulation.geometry, simulation.experiment
    phi = steps.phi_steps(experiment.spindle)
    fast, slow, pix0, beam, polar, spindle = (
        vector.cpu().numpy() for vector in (g.fdet, g.sdet, g.pix0_m, g.beam_vector, g.polar_vector, g.spindle_axis)
    )
    return Nxmx(
        fast=fast,
        slow=slow,
        pix0_m=pix0,
        beam=beam,
        polar=polar,
        spindle=spindle,
        pixel_m=float(g.pixel_size_m),
        distance_m=float(g.distance_m),
        beam_fast_pixels=float(g.Fbeam_m / g.pixel_size_m),
        beam_slow_pixels=float(g.Sbeam_m / g.pixel_size_m),
        wavelength_A=float(experiment.beam.wavelength_m) * 1e10,
        fluence_photons_per_m2=float(simulation.model.fluence_photons_per_m2),
        thickness_m=float(experiment.detector.thickness_m),
        phi_start_deg=float(phi.start_rad) * DEG_PER_RAD,
        osc_deg=float(phi.osc_rad) * DEG_PER_RAD,
        command_line=shlex.join(invocation.command_line),
        version=__version__,
    )
