"""Writes every file of a run, each whole or not at all."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial

import numpy as np

from nanobrag_torch._version import __version__
from nanobrag_torch.cli.invocation import Invocation, Outputs
from nanobrag_torch.io import pixel_values
from nanobrag_torch.io.fdump import write_fdump
from nanobrag_torch.io.float_image import write_double_image, write_float_image
from nanobrag_torch.io.hdf5 import Nxmx, write_nxmx
from nanobrag_torch.io.hkl import Box
from nanobrag_torch.io.noise import Noise, require_finite
from nanobrag_torch.io.pgm import write_pgm
from nanobrag_torch.io.smv import SmvHeader, write_smv
from nanobrag_torch.io.writing import together
from nanobrag_torch.parameters import ReflectionTable
from nanobrag_torch.physics import sampling
from nanobrag_torch.physics.constants import DEG_PER_RAD
from nanobrag_torch.physics.random_numbers import UniformStream
from nanobrag_torch.simulator import Simulation

_WRITERS = 4


def write_all(
    invocation: Invocation,
    simulation: Simulation,
    unrounded: np.ndarray,
    image: np.ndarray,
    stats: pixel_values.Statistics,
) -> list[str]:
    """Write the float image (slow, fast) and every file made from it, all or none; returns the lines to print.

    `unrounded` is the image in the precision that was asked for, `image` the same in single precision.
    """
    if invocation.outputs.noise_file is not None:
        require_finite(image, simulation.roi)
    work = _Work()
    files = _Files(invocation, simulation, unrounded, image, stats, work.go_on)
    with together(), ThreadPoolExecutor(_WRITERS) as pool:  # while one file is flushed to the disk another is made
        try:
            written = [pool.submit(copy_context().run, work.do, job) for job in files.wanted()]
            return [done.result() for done in written]
        finally:
            work.stop()


class _Work:
    """Jobs on a thread pool; it keeps track of every thread, also of one that an interrupt hits at its start."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at_work, self._stopped = 0, False

    def do(self, job: Callable[[], str]) -> str:
        """The result of the job, unless all were stopped before."""
        with self._changed:
            if self._stopped:
                raise CancelledError
            self._at_work += 1
        try:
            return job()
        finally:
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def go_on(self) -> None:
        """Raise CancelledError if all jobs were stopped; a long job calls this now and then."""
        if self._stopped:
            raise CancelledError

    def stop(self) -> None:
        """Begin no other job, and wait for those at work."""
        with self._changed:
            self._stopped = True
            self._changed.wait_for(lambda: not self._at_work)


@dataclass(frozen=True)
class _Files:
    """The files of a run; each method writes one and returns what to print."""

    invocation: Invocation
    simulation: Simulation
    unrounded: np.ndarray
    image: np.ndarray
    stats: pixel_values.Statistics
    go_on: Callable[[], None]

    @property
    def to(self) -> Outputs:
        return self.invocation.outputs

    @property
    def int_scale(self) -> float:
        return pixel_values.integer_scale(self.to.int_scale, self.stats)

    def wanted(self) -> list[Callable[[], str]]:
        """What is to be written, in the order it is told."""
        to = self.to
        table = self.invocation.experiment.structure_factors.table
        jobs: list[Callable[[], str]] = [self.floats]
        if to.double_file is not None:
            jobs.append(partial(self.doubles, to.double_file))
        jobs.append(self.integers)
        if to.pgm_file is not None:
            jobs.append(partial(self.preview, to.pgm_file))
        if to.noise_file is not None:
            jobs.append(partial(self.noise, to.noise_file))
        if to.hdf5_file is not None:
            jobs.append(partial(self.nexus, to.hdf5_file))
        if to.dump_file is not None and table is not None:
            jobs.append(partial(self.dump, to.dump_file, table))
        return jobs

    def floats(self) -> str:
        write_float_image(self.to.float_file, self.image)
        return f"wrote {self.to.float_file} (photons)"

    def doubles(self, path: str) -> str:
        write_double_image(path, self.unrounded)
        return f"wrote {path} (photons, 64-bit)"

    def integers(self) -> str:
        counts = partial(pixel_values.integer_counts, scale=self.int_scale, adc=self.to.adc_counts)
        self._smv(self.to.int_file, counts)
        return f"wrote {self.to.int_file} (intfile_scale = {self.int_scale:g})"

    def preview(self, path: str) -> str:
        scale = pixel_values.pgm_scale(self.to.pgm_scale, self.stats, self.int_scale)
        grey = pixel_values.in_blocks(
            self.image, self.simulation.roi, lambda rows, _: pixel_values.grey_values(rows, scale)
        )
        write_pgm(path, self.image.shape, grey, scale)
        return f"wrote {path} (pgm_scale = {scale:g})"

    def noise(self, path: str) -> str:
        seed = -int(time.time()) if self.to.noise_seed is None else self.to.noise_seed
        made = Noise(self.to.adc_counts, UniformStream(self.simulation.random_table, seed), self.go_on)
        self._smv(path, made.counts)
        return f"wrote {path} ({made.photons:.0f} photons, {made.overloads} overloads, -seed {-seed})"

    def nexus(self, path: str) -> str:
        write_nxmx(path, self.image, nxmx(self.invocation, self.simulation))
        return f"wrote {path} (NXmx)"

    def dump(self, path: str, table: ReflectionTable) -> str:
        write_fdump(path, Box(table.F_electrons.numpy(), table.h_min, table.k_min, table.l_min))
        return f"wrote {path} (structure factors)"

    def _smv(self, path: str, counts: Callable[[np.ndarray, pixel_values.Roi], np.ndarray]) -> None:
        write_smv(path, smv_header(self.simulation), pixel_values.in_blocks(self.image, self.simulation.roi, counts))


def smv_header(simulation: Simulation) -> SmvHeader:
    """The SMV header of an experiment: mm, deg, A."""
    g, experiment = simulation.geometry, simulation.experiment
    phi = sampling.phi_steps(experiment.spindle, simulation.model.defects)
    return SmvHeader(
        n_fast=g.n_fast,
        n_slow=g.n_slow,
        pixel_mm=float(g.pixel_size_m) * 1e3,
        distance_mm=float(g.distance_m) * 1e3,
        wavelength_A=float(experiment.beam.wavelength_m) * 1e10,
        Xbeam_mm=float(g.construction.centre.Xbeam_m) * 1e3,
        Ybeam_mm=float(g.construction.centre.Ybeam_m) * 1e3,
        Fbeam_mm=float(g.Fbeam_m) * 1e3,
        Sbeam_mm=float(g.Sbeam_m) * 1e3,
        size_slow_mm=float(g.size_slow_m) * 1e3,
        dials_origin_mm=tuple(g.construction.dials_origin_mm.tolist()),
        ORGX_pixels=float(g.construction.ORGX_pixels),
        ORGY_pixels=float(g.construction.ORGY_pixels),
        close_distance_mm=float(g.close_distance_m) * 1e3,
        phi_deg=float(phi.start_rad) * DEG_PER_RAD,
        osc_deg=float(phi.osc_rad) * DEG_PER_RAD,
        twotheta_deg=float(experiment.detector.twotheta_rad) * DEG_PER_RAD,
        made_by=_made_by(simulation),
    )


def _made_by(simulation: Simulation) -> tuple[tuple[str, str], ...]:
    """Header keys that describe compiled code; an image of eager code has nanoBragg's keys only."""
    made = simulation.made_by
    if not made.compiler:
        return ()
    return ("BACKEND", made.name), ("BACKEND_SHA256", made.source_sha256), ("BACKEND_COMPILER", made.compiler)


def nxmx(invocation: Invocation, simulation: Simulation) -> Nxmx:
    """What the HDF5 file says about an experiment."""
    g, experiment = simulation.geometry, simulation.experiment
    phi = sampling.phi_steps(experiment.spindle, simulation.model.defects)
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
        backend=str(simulation.made_by),
    )
