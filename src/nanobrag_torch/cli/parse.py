"""From a command line to an `Invocation`: flags first, then small files, and torch only when both are sound."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from nanobrag_torch.cli.headers import apply_header, settle_headers
from nanobrag_torch.cli.invocation import Invocation, Outputs
from nanobrag_torch.cli.settings import Settings, apply
from nanobrag_torch.cli.tokens import Occurrence, UsageError, one_line, split
from nanobrag_torch.errors import ExperimentError
from nanobrag_torch.io.reading import LONGEST_M, SHORTEST_M, ReaderError, read_text
from nanobrag_torch.io.writing import WriterError, check_target
from nanobrag_torch.torch_start import use_the_wait
from nanobragg_tables import resolve_defects

if TYPE_CHECKING:
    from nanobrag_torch.io.reflections import ReflectionFile
    from nanobrag_torch.parameters import Experiment

_TABLES_OF_NO_EFFECT = ("-stol", "-4stol", "-Q")


def parse(argv: list[str]) -> Invocation:
    """Understand a command line (without the program's name), reading the files it names.

    Raises UsageError with one line that names the flag, the value and what was expected. Nothing is written.
    """
    words = expand_config(argv)
    occurrences = split(words)
    settings = _settings(occurrences)
    defects = _defects(settings)
    _check_inputs(settings)
    _check_sense(settings)
    outputs = _outputs(settings)
    ahead = _reflections_ahead(settings)
    use_the_wait()
    from nanobrag_torch.cli import experiment_builder

    built = _named(settings, lambda: experiment_builder.experiment(settings, defects, ahead))
    device, dtype = experiment_builder.compute_target(
        settings.run.get("device", "cpu"), settings.run.get("dtype", "float64")
    )
    trace_pixel = settings.run.get("trace_pixel")
    for flag, pixel in (("-trace_pixel", trace_pixel), ("-printout_pixel", outputs.printout_pixel)):
        if pixel is not None:
            _check_pixel(flag, pixel, built.experiment)
    return Invocation(
        command_line=tuple(words_without(words, "-show_config")),
        experiment=built.experiment,
        outputs=outputs,
        device=device,
        dtype=dtype,
        trace_pixel=trace_pixel,
        show_config=settings.run.get("show_config", False),
        taken=built.taken,
        warnings=[*_notes(settings), *built.warnings],
    )


def words_without(words: list[str], switch: str) -> list[str]:
    return [word for word in words if word != switch]


def expand_config(argv: list[str]) -> list[str]:
    """Put the words of -config files, in their order, before the rest of the line. Raises UsageError."""
    first, rest, position = [], [], 0
    while position < len(argv):
        if argv[position] != "-config":
            rest.append(argv[position])
            position += 1
            continue
        if position + 1 == len(argv) or not argv[position + 1] or argv[position + 1].startswith("-"):
            raise UsageError("-config: expected the name of a YAML file made by -show_config")
        first += _config_words(argv[position + 1])
        position += 2
    return first + rest


def _config_words(path: str) -> list[str]:
    import yaml

    expected = "expected YAML with a list command_line, as -show_config prints it"
    try:
        document = yaml.safe_load(read_text(path))
    except ReaderError as error:
        raise UsageError(f"-config {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        line = f" (line {place.line + 1})" if place else ""
        raise UsageError(f"-config {one_line(path)}: is no YAML{line}, {expected}") from None
    words = document.get("command_line") if isinstance(document, dict) else None
    if not isinstance(words, list):
        raise UsageError(f"-config {one_line(path)}: has no list command_line, {expected}")
    if any(isinstance(word, bool) or not isinstance(word, str | int | float) for word in words) or "-config" in words:
        raise UsageError(f"-config {one_line(path)}: command_line holds more than plain words, {expected}")
    return [str(word) for word in words]


def _settings(occurrences: list[Occurrence]) -> Settings:
    """Image headers first, mask before image, then all flags in order."""
    settings = Settings()
    for flag in ("-mask", "-img"):
        named = [str(occurrence.values[0]) for occurrence in occurrences if occurrence.name == flag]
        if named:
            try:
                apply_header(flag, named[-1], settings)
            except ReaderError as error:
                raise UsageError(f"{flag} {error}") from None
    apply(occurrences, settings)
    settle_headers(settings)
    return settings


def _defects(settings: Settings) -> frozenset[str]:
    try:
        return resolve_defects(settings.run.get("defects", "default"))
    except ValueError as error:
        raise UsageError(f"-defects: {one_line(str(error))}") from None


def _check_inputs(settings: Settings) -> None:
    """Every file that will be read can be opened; those of no effect are read here and now."""
    from nanobrag_torch.io.stol import read_stol

    for flag, path in settings.files.items():
        if flag == "-dumpfile" and "-hkl" in settings.files:
            continue
        if not os.access(path, os.R_OK) or not Path(path).exists():
            raise UsageError(f"{flag} {one_line(path)}: cannot be read, expected a readable file")
        if flag in _TABLES_OF_NO_EFFECT:
            _named(settings, lambda flag=flag, path=path: read_stol(path))


def _reflections_ahead(settings: Settings) -> ReflectionFile | None:
    """The reflections where reading them takes nothing else, before torch is imported: its library may be on its way.

    What is wrong with them is left to be found, and told, in its turn.
    """
    from nanobrag_torch.io.reflections import needs_resolution, read_reflections

    path, column = settings.files.get("-hkl"), settings.run.get("hkl_column")
    try:
        return None if path is None or needs_resolution(path) else read_reflections(path, column=column)
    except ReaderError:
        return None


def _check_sense(settings: Settings) -> None:
    """Combinations that cannot give an image, each with what to type instead."""
    files, panel = settings.files, settings.detector
    if not settings.structure_factors.get("default_F") and not {"-hkl", "-dumpfile"} & set(files):
        raise UsageError(
            "no structure factors: expected -hkl FILE or -default_F (electrons, not 0); --help lists all flags"
        )
    if "hkl_column" in settings.run and "-hkl" not in files:
        raise UsageError("-hkl_column: there is no -hkl, expected -hkl FILE with that column")
    has_cell = "-mat" in files or "cell_lengths_A" in settings.crystal
    if not has_cell and "-hkl" not in files:
        raise UsageError("no unit cell: expected -cell a b c alpha beta gamma or -mat FILE; --help lists all flags")
    exposed = settings.beam.get("flux_photons_per_s") and settings.beam.get("exposure_s", 1.0) > 0
    if exposed and settings.beam.get("beamsize_m") == 0:
        raise UsageError("-beamsize is 0 mm, expected above 0 with -flux (fluence = flux exposure / beamsize^2)")
    lengths = {
        "-lambda": settings.beam.get("wavelength_m", 1e-10),
        **{f"-{name}": panel.get(f"{name}_m") for name in ("distance", "close_distance")},
        "-pixel": panel.get("pixel_size_m"),
    }
    for flag, length_m in lengths.items():
        if length_m is not None and not SHORTEST_M <= abs(length_m) <= LONGEST_M:
            raise UsageError(f"{flag}: {length_m:g} m, expected {SHORTEST_M:g} to {LONGEST_M:g} m; check its unit")
    if "roi" in panel:
        x_min, x_max, y_min, y_max = panel["roi"]
        for low, high, axis in ((x_min, x_max, "x"), (y_min, y_max, "y")):
            if 0 <= high < low:
                raise UsageError(f"-roi: {axis}min {low} is above {axis}max {high}, expected xmin xmax ymin ymax")


def _outputs(settings: Settings) -> Outputs:
    wanted = dict(settings.outputs)
    pgm, noise = wanted.pop("pgm", True), wanted.pop("noise", True)
    defaults = Outputs()
    wanted["pgm_file"] = wanted.get("pgm_file", defaults.pgm_file) if pgm else None
    wanted["noise_file"] = wanted.get("noise_file", defaults.noise_file) if noise else None
    if "-hkl" in settings.files and "-dumpfile" in settings.files:
        wanted["dump_file"] = settings.files["-dumpfile"]
    outputs = Outputs(**wanted)
    if settings.run.get("show_config"):
        return outputs
    taken: dict[Path, str] = {}
    for flag, path in outputs.files.items():
        try:
            check_target(path)
        except WriterError as error:
            raise UsageError(f"{flag} {one_line(str(error))}") from None
        place = Path(os.path.realpath(path))
        other = taken.setdefault(place, flag)
        if other != flag and (place.is_file() or not place.exists()):
            raise UsageError(f"{flag} {one_line(path)}: is the file of {other} too, expected different files")
    for flag, path in settings.files.items():
        writer = taken.get(Path(os.path.realpath(path)))
        if writer and flag != "-img" and not (flag == writer == "-dumpfile"):
            raise UsageError(f"{writer} {one_line(path)}: would overwrite the input of {flag}, expected another file")
    return outputs


def _named(settings: Settings, work):
    """Run a piece of reading; a ReaderError gets the flag that named the file in front."""
    try:
        return work()
    except ReaderError as error:
        flag = next((flag for flag, path in settings.files.items() if str(path) == str(error.path)), "")
        raise UsageError(f"{flag} {error}".strip()) from None
    except UsageError:
        raise
    except ExperimentError as error:
        raise UsageError(one_line(str(error), 400)) from None


def _check_pixel(flag: str, pixel: tuple[int, int], experiment: Experiment) -> None:
    from nanobrag_torch.physics.conventions import pixel_counts

    n_fast, n_slow, _, _ = pixel_counts(experiment.detector)
    slow, fast = pixel
    if slow >= n_slow or fast >= n_fast:
        raise UsageError(f"{flag}: slow {slow} fast {fast} is off the detector, expected below {n_slow} and {n_fast}")
    x_min, x_max, y_min, y_max = experiment.detector.roi or (-1, -1, -1, -1)
    if fast < x_min or slow < y_min or 0 <= x_max < fast or 0 <= y_max < slow:
        raise UsageError(f"{flag}: slow {slow} fast {fast} is outside -roi, expected a pixel that is computed")
    mask = experiment.detector.mask
    if mask is not None and not bool(mask[slow, fast]):
        raise UsageError(f"{flag}: slow {slow} fast {fast} is masked, expected a pixel that is computed")


def _notes(settings: Settings) -> list[str]:
    return [*(f"{spelling} has no effect" for spelling in dict.fromkeys(settings.no_effect)), *settings.remarks]
