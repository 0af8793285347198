"""Scenario files: read, checked, and turned into the one command line of both programs."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from trace_audit.config.scenario_errors import NO_AMPLITUDES, checked, in_lines
from trace_audit.config.scenario_model import Scenario
from trace_audit.core.errors import InputError
from trace_audit.core.files import read_yaml, readable_json, sha256_of_file, write_atomic

_HERE = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class ScenarioFiles:
    """Input files of a run on disk: orientation matrix, hkl text, source file, mask image."""

    matrix: Path | None = None
    hkl: Path | None = None
    sources: Path | None = None
    mask: Path | None = None

    @property
    def given(self) -> dict[str, Path]:
        """The files that there are, by role."""
        return {field.name: path for field in fields(self) if (path := getattr(self, field.name)) is not None}

    def hashes(self) -> dict[str, str]:
        """SHA-256 of each file by role."""
        return {role: sha256_of_file(path) for role, path in self.given.items()}


def scenario_path(name: str, folder: Path | None = None) -> Path:
    """Where scenario `name` is: a path to a YAML file, or a name looked up in `folder` (default config/scenarios)."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    folders = [folder] if folder else [Path("config/scenarios"), _HERE / "config" / "scenarios"]
    for candidate in folders:
        if (candidate / f"{name}.yaml").is_file():
            return candidate / f"{name}.yaml"
    known = sorted({path.stem for candidate in folders for path in candidate.glob("*.yaml")})
    raise InputError(f"scenario {name!r}: no {folders[0] / name}.yaml; known: {', '.join(known) or 'none'}")


def add_scenario_options(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Add the options that name a scenario and its files."""
    parser.add_argument("--config", required=required, metavar="SCENARIO", help="name of a scenario, or its YAML file")
    parser.add_argument("--scenario-dir", type=Path, metavar="DIR", help="where scenarios are (config/scenarios)")
    parser.add_argument("--hkl", type=Path, metavar="FILE", help="prepared structure factors, hkl text")


def require_one_experiment(options: argparse.Namespace) -> None:
    """Raise InputError unless either `--config` or `--flags` states the experiment."""
    if (options.config is None) == (options.flags is None):
        raise InputError("give the experiment once: --config SCENARIO or --flags '-cell ...'")


def load_scenario(name: str, folder: Path | None = None, hkl_elsewhere: bool = True) -> Scenario:
    """Read and check a scenario. Raises InputError with every mistake: file, key, value, expectation, a line to type.

    With `hkl_elsewhere` structure factors may be left out, since the caller provides a file.
    """
    path = scenario_path(name, folder)
    data = read_yaml(path, "scenario")
    if not isinstance(data, dict):
        raise InputError(f"scenario {path}: expected keys like name, crystal, detector; found {type(data).__name__}")
    wrong = []
    if isinstance(data.get("name"), str) and data["name"] != path.stem:
        wrong.append(f"name is {data['name']!r}, expected {path.stem!r} like the file")
    scenario, named = checked(data)
    wrong = named if any(line.startswith("name = ") for line in named) else [*wrong, *named]
    if not hkl_elsewhere and _without_amplitudes(data):
        wrong.append(NO_AMPLITUDES)
    if scenario is None or wrong:
        raise InputError(in_lines(f"scenario {path}", wrong))
    return scenario


def _without_amplitudes(data: dict[str, Any]) -> bool:
    """Whether a scenario, valid or not, names no origin of its structure factors."""
    factors = data.get("structure_factors", {})
    return isinstance(factors, dict) and not {"synthetic", "file", "default_F_electrons"} & set(factors)


def check_pixel(scenario: Scenario, slow: int, fast: int) -> None:
    """Raises InputError if pixel (slow, fast) is not on the detector of the scenario."""
    detector = scenario.detector
    if not (0 <= slow < detector.pixels_slow and 0 <= fast < detector.pixels_fast):
        raise InputError(
            f"pixel {slow} {fast} (slow fast) is off the detector of scenario {scenario.name}: "
            f"slow 0 to {detector.pixels_slow - 1}, fast 0 to {detector.pixels_fast - 1}"
        )


def write_matrix(scenario: Scenario, folder: Path) -> Path | None:
    """Write the orientation matrix as three lines to `folder`/A.mat; None if the scenario has none."""
    numbers = scenario.crystal.matrix
    if numbers is None:
        return None
    path = Path(folder) / "A.mat"
    write_atomic(path, "".join(" ".join(map(repr, numbers[i : i + 3])) + "\n" for i in (0, 3, 6)))
    return path


def arguments(scenario: Scenario, files: ScenarioFiles) -> list[str]:
    """The scenario as arguments of a nanoBragg command line. The last pivot-setting flag wins, so the order matters."""
    argv: list[str] = []
    for flag, value in _flags(scenario, files):
        if value is None or value is False:
            continue
        argv.append(flag)
        if value is not True:
            argv += [_word(item) for item in (value if isinstance(value, list) else [value])]
    return argv + list(scenario.extra_flags)


def _word(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _flags(s: Scenario, files: ScenarioFiles) -> Iterator[tuple[str, Any]]:
    c, f = s.crystal, s.structure_factors
    yield "-mat", files.matrix
    yield "-hkl", files.hkl
    yield "-mask", files.mask
    yield "-sourcefile", files.sources
    yield "-cell", list(c.cell.model_dump().values()) if c.cell else None
    yield "-misset", c.misset_deg or ("random" if c.misset_random_seed else None)
    yield "-misset_seed", c.misset_random_seed
    yield from zip(("-Na", "-Nb", "-Nc"), c.N_cells or (None, None, None), strict=True)
    yield "-samplesize", c.sample_size_mm
    yield from ((f"-sample_{axis}", getattr(c, f"sample_{axis}_mm")) for axis in "xyz")
    yield {"tophat": "-tophat_spots"}.get(c.shape, f"-{c.shape}_xtal"), c.shape != "square"
    yield "-fudge", c.fudge
    yield "-mosaic", c.mosaic_spread_deg
    yield "-mosaic_dom", c.mosaic_domains
    yield "-mosaic_seed", c.mosaic_seed
    yield "-mosaic_quadrature", c.mosaic_quadrature
    yield "-default_F", f.default_F_electrons
    yield "-interpolate", f.interpolate
    yield "-nointerpolate", f.interpolate is False
    yield "-dmin", f.d_min_A
    yield "-water", f.water_um
    yield from _beam_flags(s)
    yield from _detector_flags(s)
    yield "-oversample", s.sampling.oversample
    yield "-oversample_thick", s.sampling.oversample_thick
    yield "-oversample_polar", s.sampling.oversample_polar
    yield "-oversample_omega", s.sampling.oversample_omega
    yield "-nonoise", True
    yield "-defects", None if s.defects == "default" else s.defects


def _beam_flags(s: Scenario) -> Iterator[tuple[str, Any]]:
    b, spindle = s.beam, s.spindle
    yield "-lambda", b.wavelength_A
    yield "-energy", b.energy_eV
    yield "-fluence", b.fluence_photons_per_m2
    yield "-flux", b.flux_photons_per_s
    yield "-exposure", b.exposure_s
    yield "-beamsize", b.beamsize_mm
    yield "-polar", b.polarization_factor
    yield "-nopolar", not b.polarization
    yield "-dispersion", b.dispersion_percent
    yield "-dispsteps", b.dispersion_steps
    for axis in "hv":
        yield f"-{axis}divrange", getattr(b, f"{axis}divrange_mrad")
        yield f"-{axis}divstep", getattr(b, f"{axis}divstep_mrad")
        yield f"-{axis}divsteps", getattr(b, f"{axis}divsteps")
    yield "-square_div", b.square_divergence
    yield "-spindle_axis", spindle.axis
    yield "-phi", spindle.phi_start_deg
    yield "-osc", spindle.osc_deg
    yield "-phistep", spindle.phistep_deg
    yield "-phisteps", spindle.phisteps


def _detector_flags(s: Scenario) -> Iterator[tuple[str, Any]]:
    d = s.detector
    yield "-pixel", d.pixel_mm
    yield "-detpixels_x", d.pixels_fast
    yield "-detpixels_y", d.pixels_slow
    yield f"-{d.convention}", d.convention != "custom"
    yield "-distance", d.distance_mm
    yield "-close_distance", d.close_distance_mm
    yield "-Xbeam", d.Xbeam_mm
    yield "-Ybeam", d.Ybeam_mm
    yield "-Xclose", d.Xclose_mm
    yield "-Yclose", d.Yclose_mm
    yield "-ORGX", d.ORGX_pixels
    yield "-ORGY", d.ORGY_pixels
    for name in ("odet_vector", "sdet_vector", "fdet_vector", "pix0_vector_mm", "beam_vector", "polar_vector"):
        yield f"-{name}", getattr(d, name)
    for name in ("rotx", "roty", "rotz"):
        yield f"-detector_{name}", getattr(d, f"{name}_deg")
    yield "-twotheta_axis", d.twotheta_axis
    yield "-twotheta", d.twotheta_deg
    yield "-pivot", d.pivot
    yield "-curved_det", d.curved
    yield "-point_pixel", d.point_pixel
    yield "-detector_abs", d.attenuation_length_um
    yield "-detector_thick", d.thickness_um
    yield "-detector_thicksteps", d.thick_steps
    yield "-roi", [*d.roi.fast, *d.roi.slow] if d.roi else None


def schema_text() -> str:
    """The JSON schema of a scenario file, as committed in workflow/schemas/scenario.schema.json."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Scenario.model_json_schema()}
    return readable_json(schema)
