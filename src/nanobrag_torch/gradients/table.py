"""The table of all continuous parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nanobrag_torch.gradients.experiment_flags import (
    always,
    arguments_of,
    cell_flags,
    custom_axes,
    far_reflection,
    matrix_flags,
    number_text,
    reflection_flags,
    same_polarization,
    same_reflections,
    same_sources,
    some_matrix,
    some_mosaic,
    source_flags,
    three_sources,
)
from nanobrag_torch.gradients.parameter import (
    ANGLE,
    ANGSTROM,
    ATTENUATION,
    DEGREE,
    ELECTRON,
    METRE,
    MM,
    MRAD,
    PERCENT,
    PIXEL,
    PLAIN,
    SPACING,
    UM,
    WAVELENGTH,
    Flags,
    Kind,
    Parameter,
    Unit,
)

if TYPE_CHECKING:
    from nanobrag_torch.parameters import Experiment

T = TypeVar("T")


POSITIVE = (0.0, math.inf)


def _row(
    name: str,
    field: str,
    unit: Unit,
    flag: str | None,
    why: str,
    kind: Kind = "differentiable",
    needs: str | Flags = "",
    **more: Any,
) -> Parameter:
    """A parameter with a flag of its own."""
    extra = always(*needs.split()) if isinstance(needs, str) and needs else needs or None
    draft = Parameter(name, field, unit, kind, why, needs=extra, **more)
    if flag is None:
        return draft

    def flags(experiment: Experiment, folder: Path) -> list[str]:
        return [flag, number_text(draft.value(experiment))]

    return Parameter(name, field, unit, kind, why, flags, draft.needs, draft.start, draft.single, draft.range)


def _told(name: str, field: str, unit: Unit, flag: str, why: str, also: Flags, **more: Any) -> Parameter:
    """A parameter whose flag changes more than its field, and the flags that undo the rest."""
    row = _row(name, field, unit, flag, why, **more)

    def flags(experiment: Experiment, folder: Path) -> list[str]:
        return [flag, number_text(row.value(experiment)), *also(experiment, folder)]

    return replace(row, flags=flags)


def _vector_rows(
    names: str, field: str, unit: Unit, flag: str, why: str, needs: Flags | None = None, **more: Any
) -> Iterator[Parameter]:
    """Parameters for the components of a flag that takes several numbers."""

    def flags(experiment: Experiment, folder: Path) -> list[str]:
        group, attribute = field.split(".")
        values = getattr(getattr(experiment, group), attribute)
        return [flag, *(number_text(unit.from_field(value)) for value in values)]

    kind = more.pop("kind", "differentiable")
    for axis, name in enumerate(names.split()):
        yield Parameter(name, f"{field}[{axis}]", unit, kind, why, flags, needs, **more)


def _cell_rows() -> Iterator[Parameter]:
    why = "real and reciprocal vectors; not where three angles are just no longer those of a cell"
    for axis, (length, angle) in enumerate(
        (("cell_a", "cell_alpha"), ("cell_b", "cell_beta"), ("cell_c", "cell_gamma"))
    ):
        yield Parameter(length, f"crystal.cell_lengths_A[{axis}]", ANGSTROM, "differentiable", why, cell_flags)
        yield Parameter(angle, f"crystal.cell_angles_deg[{axis}]", DEGREE, "differentiable", why, cell_flags)


def _vectors() -> Iterator[Parameter]:
    plain = "of a direction only the part across it matters; CUSTOM convention"
    for name in ("fdet_vector", "sdet_vector", "beam_vector", "polar_vector", "spindle_axis"):
        letters = " ".join(f"{name}_{axis}" for axis in "xyz")
        yield from _vector_rows(letters, f"detector.{name}", PLAIN, f"-{name}", plain, custom_axes)
    yield from _vector_rows(
        "twotheta_axis_x twotheta_axis_y twotheta_axis_z", "detector.twotheta_axis", PLAIN, "-twotheta_axis",
        "used as given, of whatever length (historic; with the defect axis_not_normalised off only its direction "
        "matters)", custom_axes,
    )  # fmt: skip
    yield from _vector_rows(
        "odet_vector_x odet_vector_y odet_vector_z", "detector.odet_vector", PLAIN, "-odet_vector",
        "a normal whose length is not exactly 1 is replaced by F x S (historic), so it has no effect; differentiable "
        "with the defect normal_exact_length off",
        lambda e, f: [*custom_axes(e, f), *arguments_of(f"-odet_vector 0.99 0.02 -0.03 {_ANY_NORMAL}")],
        kind="piecewise",
    )  # fmt: skip
    yield from _vector_rows(
        "pix0_x pix0_y pix0_z", "detector.pix0_vector_m", METRE, "-pix0_vector",
        "ignored (historic); differentiable with the defect pix0_ignored off",
        lambda e, f: [*custom_axes(e, f), *arguments_of("-pix0_vector 0.07 0.02 -0.02 -defects default,-pix0_ignored")],
        kind="piecewise",
    )  # fmt: skip


_ANY_NORMAL = "-defects default,-normal_exact_length"
_STEPS = "between changes of the number of steps, which comes from a division rounded up"
_TILT = "three rotations about lab x, y, z"
_COUNT = "no flag takes one, so a test holds it to C's lattice factor instead of the audit. Less than 1 counts as 1"
_CENTRE = "moves the origin of the detector"
_SAMPLE = "makes a whole number of cells, rounded up: state n_cells to differentiate"
_SENSOR = "-detector_thick 300 -detector_abs 400 -detector_thicksteps 3"
_GRID = "the sources move; their number is constant while it is stated"

ROWS: tuple[Parameter, ...] = (
    *_cell_rows(),
    *_vector_rows("misset_x misset_y misset_z", "crystal.misset_deg", DEGREE, "-misset", _TILT),
    Parameter("orientation_matrix", "crystal.orientation_matrix", PLAIN, "differentiable",
              "nine numbers, a* b* c* in columns, times the wavelength", matrix_flags, some_matrix),
    *(Parameter(f"N_{axis}", f"crystal.n_cells[{axis_number}]", PLAIN, "piecewise", f"a real number; {_COUNT}")
      for axis_number, axis in enumerate("abc")),
    _row("fudge", "crystal.fudge", PLAIN, "-fudge", "shapes ROUND and GAUSS; SQUARE does not use it, TOPHAT as a limit",
         needs="-gauss_xtal -fudge 1e-4", range=POSITIVE),
    _row("mosaic_spread", "crystal.mosaic_spread_rad", ANGLE, "-mosaic",
         "drawn tilts scale with it (reparameterised draws). The C program rounds each tilt to single precision, which "
         "a difference sees and a gradient does not. At 0 there is one domain without a tilt, and the derivative is 0: "
         "start above it", "piecewise",
         needs=some_mosaic, range=POSITIVE, single=True),
    *(Parameter(f"sample_{axis}", f"crystal.sample_size_m[{axis_number}]", MM, "none", _SAMPLE)
      for axis_number, axis in enumerate("xyz")),
    _told("wavelength", "beam.wavelength_m", WAVELENGTH, "-lambda", "scattering vector, and the scale of a matrix",
          same_sources, range=POSITIVE),
    _row("dispersion", "beam.dispersion_fraction", PERCENT, "-dispersion", _GRID, needs="-dispersion 1 -dispsteps 3",
         range=POSITIVE),
    *(_row(f"{axis}div_range", f"beam.{axis}div_range_rad", MRAD, f"-{axis}divrange", _GRID,
           needs="-hdivrange 3 -hdivsteps 3 -vdivrange 2 -vdivsteps 3", range=POSITIVE) for axis in "hv"),
    *(_row(f"{axis}div_step", f"beam.{axis}div_step_rad", MRAD, f"-{axis}divstep",
           f"{_GRID}, and the beam is square: a round one admits points by their distance", "piecewise",
           f"-hdivrange 3 -hdivsteps 3 -vdivrange 2 -vdivsteps 3 -square_div -{axis}divstep 1", range=POSITIVE)
      for axis in "hv"),
    *(Parameter(f"source_{name}", f"beam.sources.{field}", unit, "differentiable", why, source_flags, three_sources)
      for name, field, unit, why in (
          ("position", "position_m", METRE, "of a place only the direction matters"),
          ("weight", "weight", PLAIN, "over the mean weight; ignored with the defect source_weights_ignored (on)"),
          ("wavelength", "wavelength_m", METRE, "of each source by itself"))),
    _row("fluence", "beam.fluence_photons_per_m2", PLAIN, "-fluence", "the image is proportional to it",
         range=POSITIVE),
    _row("flux", "beam.flux_photons_per_s", PLAIN, "-flux", "fluence = flux exposure / beamsize^2; 0: not used",
         needs="-flux 1e18", range=POSITIVE),
    _row("exposure", "beam.exposure_s", PLAIN, "-exposure", "as flux", needs="-flux 1e18 -exposure 0.5",
         range=POSITIVE),
    _row("beamsize", "beam.beamsize_m", MM, "-beamsize", "as flux; also clips a sample, which is rounded to cells",
         needs="-flux 1e18 -beamsize 0.1", range=POSITIVE),
    _told("polarization", "beam.polarization_factor", PLAIN, "-polar", "the image is linear in the Kahn factor",
          same_polarization, start=0.5, range=(-1.0, 1.0)),
    _row("phi_start", "spindle.phi_start_deg", DEGREE, "-phi",
         "not at 0 with the defect phi_carryover on, where a step takes the orientation of another", "piecewise",
         start=1.0),
    _row("osc", "spindle.osc_deg", DEGREE, "-osc", f"with a stated number of steps; {_STEPS}", "piecewise",
         needs="-osc 0.3 -phisteps 3", range=POSITIVE),
    _row("phistep", "spindle.phistep_deg", DEGREE, "-phistep", f"with a stated number of steps; {_STEPS}", "piecewise",
         needs="-osc 0.3 -phisteps 3 -phistep 0.12", range=POSITIVE),
    _row("pixel_size", "detector.pixel_size_m", MM, "-pixel",
         "with a stated number of pixels; the number of sub-pixels must be stated too", "piecewise", range=POSITIVE),
    Parameter("size_fast", "detector.size_fast_m", MM, "none", "makes a whole number of pixels"),
    Parameter("size_slow", "detector.size_slow_m", MM, "none", "makes a whole number of pixels"),
    _row("distance", "detector.distance_m", MM, "-distance", "origin, solid angle", range=POSITIVE),
    _row("close_distance", "detector.close_distance_m", MM, "-close_distance", "instead of the distance", start=69.5),
    _row("Xbeam", "detector.Xbeam_m", MM, "-Xbeam", f"{_CENTRE}; BEAM pivot, and CUSTOM convention"),
    _row("Ybeam", "detector.Ybeam_m", MM, "-Ybeam", f"{_CENTRE}; BEAM pivot, and CUSTOM convention"),
    _row("Xclose", "detector.Xclose_m", MM, "-Xclose", f"{_CENTRE} with the defect close_beam_ignored off; SAMPLE",
         "piecewise", "-xds -defects default,-close_beam_ignored", start=20.0),
    _row("Yclose", "detector.Yclose_m", MM, "-Yclose", f"{_CENTRE} with the defect close_beam_ignored off; SAMPLE",
         "piecewise", "-xds -defects default,-close_beam_ignored", start=17.0),
    _row("ORGX", "detector.ORGX_pixels", PIXEL, "-ORGX", f"{_CENTRE}; SAMPLE pivot", needs="-xds", start=6.3),
    _row("ORGY", "detector.ORGY_pixels", PIXEL, "-ORGY", f"{_CENTRE}; SAMPLE pivot", needs="-xds", start=5.7),
    *(_row(f"rot{axis}", f"detector.rot{axis}_rad", ANGLE, f"-detector_rot{axis}", f"{_TILT}; both pivots", start=2.0)
      for axis in "xyz"),
    _row("twotheta", "detector.twotheta_rad", ANGLE, "-twotheta", "both pivots", start=5.0),
    *_vectors(),
    _row("thickness", "detector.thickness_m", UM, "-detector_thick",
         "with a stated number of layers; not at 0, one layer that captures all", "piecewise", _SENSOR, range=POSITIVE),
    _row("attenuation_length", "detector.attenuation_per_m", ATTENUATION, "-detector_abs",
         "of a sensor with a thickness",
         needs=_SENSOR, range=POSITIVE),
    Parameter("F_reflection", "structure_factors.table.F_electrons", ELECTRON, "differentiable",
              "each amplitude by itself: of the nearest reflection, or of the 64 around where it is interpolated. The "
              "image is quadratic in it, so the gradient is 0 where F is 0", reflection_flags),
    Parameter("default_F", "structure_factors.default_F", ELECTRON, "differentiable",
              "beyond the box of the table. Gaps within it are filled when a file is read, and are then elements of it",
              lambda e, f: ["-default_F", number_text(e.structure_factors.default_F), *same_reflections(e, f)],
              far_reflection, range=POSITIVE),
    Parameter("d_min", "structure_factors.d_min_m", SPACING, "none", "a limit: a pixel is in or out"),
    _row("water", "structure_factors.water_size_m", UM, "-water", "the background is proportional to its cube",
         needs="-water 2", range=POSITIVE),
)  # fmt: skip
