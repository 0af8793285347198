"""The table of all continuous parameters."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

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
from nanobrag_torch.parameters import number
from nanobrag_torch.parameters.conventions import CONVENTIONS

if TYPE_CHECKING:
    from nanobrag_torch.parameters import Experiment, Scalar

T = TypeVar("T")


POSITIVE = (0.0, math.inf)


def _text(value: Scalar | None) -> str:
    """A number as text that reads back to the same double."""
    assert value is not None  # only parameters that the experiment states are written
    return repr(number(value))


def _stated(value: T | None) -> T:
    """The part of the experiment that holds the parameter; raises an error if the experiment does not state it."""
    if value is None:
        raise ValueError("the experiment does not state this parameter")
    return value


def _split(line: str) -> list[str]:
    return line.split()


def _plain(*stated: str) -> Flags:
    """Flags that do not depend on the experiment."""
    return lambda experiment, folder: list(stated)


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
    extra = _plain(*needs.split()) if isinstance(needs, str) and needs else needs or None
    draft = Parameter(name, field, unit, kind, why, needs=extra, **more)
    if flag is None:
        return draft

    def flags(experiment: Experiment, folder: Path) -> list[str]:
        return [flag, _text(draft.value(experiment))]

    return Parameter(name, field, unit, kind, why, flags, draft.needs, draft.start, draft.single, draft.range)


def _told(name: str, field: str, unit: Unit, flag: str, why: str, also: Flags, **more: Any) -> Parameter:
    """A parameter whose flag changes more than its field, and the flags that undo the rest."""
    row = _row(name, field, unit, flag, why, **more)

    def flags(experiment: Experiment, folder: Path) -> list[str]:
        return [flag, _text(row.value(experiment)), *also(experiment, folder)]

    return replace(row, flags=flags)


def _same_sources(experiment: Experiment, folder: Path) -> list[str]:
    """The sources of a file, each with its own wavelength: one that states none has that of -lambda."""
    return [] if experiment.beam.sources is None else _source_flags(experiment, folder)


def _same_polarization(experiment: Experiment, folder: Path) -> list[str]:
    return [] if experiment.beam.polarized else ["-nopolar"]


def _same_reflections(experiment: Experiment, folder: Path) -> list[str]:
    """The table with its gaps, which are filled with the default when a file is read."""
    return [] if experiment.structure_factors.table is None else _reflection_flags(experiment, folder)


def _vector_rows(
    names: str, field: str, unit: Unit, flag: str, why: str, needs: Flags | None = None, **more: Any
) -> Iterator[Parameter]:
    """Parameters for the components of a flag that takes several numbers."""

    def flags(experiment: Experiment, folder: Path) -> list[str]:
        group, attribute = field.split(".")
        values = getattr(getattr(experiment, group), attribute)
        return [flag, *(_text(unit.from_field(value)) for value in values)]

    kind = more.pop("kind", "differentiable")
    for axis, name in enumerate(names.split()):
        yield Parameter(name, f"{field}[{axis}]", unit, kind, why, flags, needs, **more)


def _cell_flags(experiment: Experiment, folder: Path) -> list[str]:
    crystal = experiment.crystal
    lengths_A: Any = _stated(crystal.cell_lengths_A)
    return ["-cell", *(_text(number) for number in (*lengths_A, *crystal.cell_angles_deg))]


def _cell_rows() -> Iterator[Parameter]:
    why = "real and reciprocal vectors; not where three angles are just no longer those of a cell"
    for axis, (length, angle) in enumerate(
        (("cell_a", "cell_alpha"), ("cell_b", "cell_beta"), ("cell_c", "cell_gamma"))
    ):
        yield Parameter(length, f"crystal.cell_lengths_A[{axis}]", ANGSTROM, "differentiable", why, _cell_flags)
        yield Parameter(angle, f"crystal.cell_angles_deg[{axis}]", DEGREE, "differentiable", why, _cell_flags)


def _matrix_flags(experiment: Experiment, folder: Path) -> list[str]:
    path = folder / "orientation.mat"
    rows = _stated(experiment.crystal.orientation_matrix).tolist()
    path.write_text("".join(" ".join(map(_text, row)) + "\n" for row in rows))
    return ["-mat", str(path)]


def _some_mosaic(experiment: Experiment, folder: Path) -> list[str]:
    """Three domains, unless the experiment has some."""
    return [] if experiment.crystal.mosaic_spread_rad else ["-mosaic", "0.03", "-mosaic_dom", "3"]


def _some_matrix(experiment: Experiment, folder: Path) -> list[str]:
    """The orientation of the experiment's cell as a matrix file."""
    (folder / "orientation.mat").write_text("0.03 0.004 -0.002\n-0.001 0.025 0.003\n0.002 0.001 0.022\n")
    return ["-mat", str(folder / "orientation.mat")]


def _source_flags(experiment: Experiment, folder: Path) -> list[str]:
    table = _stated(experiment.beam.sources)
    columns = zip(table.position_m.tolist(), table.weight.tolist(), table.wavelength_m.tolist(), strict=True)
    path = folder / "sources.txt"
    path.write_text("".join(" ".join(map(_text, (*position, *rest))) + "\n" for position, *rest in columns))
    return ["-sourcefile", str(path)]


def _three_sources(experiment: Experiment, folder: Path) -> list[str]:
    """Three sources with different weights, wavelengths and positions around the beam; the weights are used."""
    beam, wavelength_m = _beam(experiment), float(experiment.beam.wavelength_m)
    rows = []
    for place, weight in enumerate((1.0, 2.0, 0.5)):
        position = [-10.0 * b + 0.004 * (place - 1) * (1 + axis) for axis, b in enumerate(beam)]
        rows.append((*position, weight, wavelength_m * (1 + 0.002 * (place - 1))))
    (folder / "sources.txt").write_text("".join(" ".join(map(_text, row)) + "\n" for row in rows))
    return ["-sourcefile", str(folder / "sources.txt"), "-defects", "default,-source_weights_ignored"]


def _beam(experiment: Experiment) -> tuple[float, ...]:
    panel = experiment.detector
    stated = panel.beam_vector if panel.convention == "CUSTOM" else None
    if stated is None:
        return CONVENTIONS[panel.convention].beam_vector
    return tuple(map(number, stated))


def _reflection_flags(experiment: Experiment, folder: Path) -> list[str]:
    table = _stated(experiment.structure_factors.table)
    path = folder / "reflections.hkl"
    with path.open("w") as stream:
        for i, plane in enumerate(table.F_electrons.tolist()):
            for j, line in enumerate(plane):
                for k, value in enumerate(line):
                    stream.write(f"{table.h_min + i} {table.k_min + j} {table.l_min + k} {value!r}\n")
    return ["-hkl", str(path)]


def _far_reflection(experiment: Experiment, folder: Path) -> list[str]:
    """A table without any reflection that the detector sees."""
    (folder / "far.hkl").write_text("90 90 90 1\n")
    return ["-hkl", str(folder / "far.hkl"), "-default_F", "20"]


def _axes(experiment: Experiment, folder: Path) -> list[str]:
    """A CUSTOM detector tilted about every axis, with pivot SAMPLE."""
    vectors = {
        "-fdet_vector": (0.02, -0.01, 1.0),
        "-sdet_vector": (0.01, -1.0, 0.03),
        "-beam_vector": (1.0, 0.02, -0.01),
        "-polar_vector": (0.03, 0.1, 1.0),
        "-spindle_axis": (0.1, 0.05, 1.0),
        "-twotheta_axis": (0.02, -0.03, -1.0),
    }
    arguments = [word for flag, vector in vectors.items() for word in (flag, *map(_text, vector))]
    return [*arguments, "-pivot", "sample", "-twotheta", "5"]


def _vectors() -> Iterator[Parameter]:
    plain = "of a direction only the part across it matters; CUSTOM convention"
    for name in ("fdet_vector", "sdet_vector", "beam_vector", "polar_vector", "spindle_axis"):
        letters = " ".join(f"{name}_{axis}" for axis in "xyz")
        yield from _vector_rows(letters, f"detector.{name}", PLAIN, f"-{name}", plain, _axes)
    yield from _vector_rows(
        "twotheta_axis_x twotheta_axis_y twotheta_axis_z", "detector.twotheta_axis", PLAIN, "-twotheta_axis",
        "used as given, of whatever length (historic; with the defect axis_not_normalised off only its direction "
        "matters)", _axes,
    )  # fmt: skip
    yield from _vector_rows(
        "odet_vector_x odet_vector_y odet_vector_z", "detector.odet_vector", PLAIN, "-odet_vector",
        "a normal whose length is not exactly 1 is replaced by F x S (historic), so it has no effect; differentiable "
        "with the defect normal_exact_length off",
        lambda e, f: [*_axes(e, f), *_split("-odet_vector 0.99 0.02 -0.03 -defects default,-normal_exact_length")],
        kind="piecewise",
    )  # fmt: skip
    yield from _vector_rows(
        "pix0_x pix0_y pix0_z", "detector.pix0_vector_m", METRE, "-pix0_vector",
        "ignored (historic); differentiable with the defect pix0_ignored off",
        lambda e, f: [*_axes(e, f), *_split("-pix0_vector 0.07 0.02 -0.02 -defects default,-pix0_ignored")],
        kind="piecewise",
    )  # fmt: skip


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
              "nine numbers, a* b* c* in columns, times the wavelength", _matrix_flags, _some_matrix),
    *(Parameter(f"N_{axis}", f"crystal.n_cells[{place}]", PLAIN, "piecewise", f"a real number; {_COUNT}")
      for place, axis in enumerate("abc")),
    _row("fudge", "crystal.fudge", PLAIN, "-fudge", "shapes ROUND and GAUSS; SQUARE does not use it, TOPHAT as a limit",
         needs="-gauss_xtal -fudge 1e-4", range=POSITIVE),
    _row("mosaic_spread", "crystal.mosaic_spread_rad", ANGLE, "-mosaic",
         "drawn tilts scale with it (reparameterised draws). The C program rounds each tilt to single precision, which "
         "a difference sees and a gradient does not. At 0 there is one domain without a tilt, and the derivative is 0: "
         "start above it", "piecewise",
         needs=_some_mosaic, range=POSITIVE, single=True),
    *(Parameter(f"sample_{axis}", f"crystal.sample_size_m[{place}]", MM, "none", _SAMPLE)
      for place, axis in enumerate("xyz")),
    _told("wavelength", "beam.wavelength_m", WAVELENGTH, "-lambda", "scattering vector, and the scale of a matrix",
          _same_sources, range=POSITIVE),
    _row("dispersion", "beam.dispersion_fraction", PERCENT, "-dispersion", _GRID, needs="-dispersion 1 -dispsteps 3",
         range=POSITIVE),
    *(_row(f"{axis}div_range", f"beam.{axis}div_range_rad", MRAD, f"-{axis}divrange", _GRID,
           needs="-hdivrange 3 -hdivsteps 3 -vdivrange 2 -vdivsteps 3", range=POSITIVE) for axis in "hv"),
    *(_row(f"{axis}div_step", f"beam.{axis}div_step_rad", MRAD, f"-{axis}divstep",
           f"{_GRID}, and the beam is square: a round one admits points by their distance", "piecewise",
           f"-hdivrange 3 -hdivsteps 3 -vdivrange 2 -vdivsteps 3 -square_div -{axis}divstep 1", range=POSITIVE)
      for axis in "hv"),
    *(Parameter(f"source_{name}", f"beam.sources.{field}", unit, "differentiable", why, _source_flags, _three_sources)
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
          _same_polarization, start=0.5, range=(-1.0, 1.0)),
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
              "image is quadratic in it, so the gradient is 0 where F is 0", _reflection_flags),
    Parameter("default_F", "structure_factors.default_F", ELECTRON, "differentiable",
              "beyond the box of the table. Gaps within it are filled when a file is read, and are then elements of it",
              lambda e, f: ["-default_F", _text(e.structure_factors.default_F), *_same_reflections(e, f)],
              _far_reflection, range=POSITIVE),
    Parameter("d_min", "structure_factors.d_min_m", SPACING, "none", "a limit: a pixel is in or out"),
    _row("water", "structure_factors.water_size_m", UM, "-water", "the background is proportional to its cube",
         needs="-water 2", range=POSITIVE),
)  # fmt: skip
