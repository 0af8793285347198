"""Both programs do what flags.json states for each flag: parameter, unit and default."""

import dataclasses
import math
import subprocess

import pytest

from nanobrag_torch.cli.invocation import Outputs
from nanobrag_torch.cli.settings import Settings, apply, conversion
from nanobrag_torch.cli.tokens import split
from nanobrag_torch.parameters import experiment
from nanobragg_tables import Flag, flags

SECTIONS = {
    "crystal": experiment.Crystal,
    "beam": experiment.Beam,
    "spindle": experiment.Spindle,
    "detector": experiment.Detector,
    "structure_factors": experiment.StructureFactors,
    "outputs": Outputs,
}
NOT_FIELDS = {"outputs.pgm", "outputs.noise"}  # whether those files are written at all
FROM_FILES = {"crystal.orientation_matrix", "structure_factors.table", "beam.sources", "detector.mask"}
BASE = {"-cell": "50 60 70 90 90 90", "-default_F": "5", "-detpixels": "8", "-pixel": "3", "-oversample": "1"}
QUIET = ["-nonoise", "-nopgm", "-floatfile", "image.bin"]
WITHOUT_EFFECT_ON_PIXELS = {"Output", "Program"}


def numbers(default: str) -> list[float]:
    """The default as numbers; an empty list where it is described in words. `0 = use -N` is 0."""
    try:
        return [float(number) for number in default.split(" = ")[0].split()]
    except ValueError:
        return []


TORCH_FLAGS = [flag for flag in flags() if "torch" in flag.programs]
SETTING_FLAGS = [flag for flag in TORCH_FLAGS if flag.name not in ("--help", "--version", "-config")]  # others answer
NUMERIC_DEFAULTS = [flag for flag in flags() if numbers(flag.default) and not flag.effect]
DEFAULTS_OF_PIXELS = [  # of the C program; no experiment leaves -N and -default_F out
    flag
    for flag in NUMERIC_DEFAULTS
    if flag.group not in WITHOUT_EFFECT_ON_PIXELS and "c" in flag.programs and flag.name not in ("-N", "-default_F")
]


def settings_of(*arguments: str) -> Settings:
    return apply(split(list(arguments)), Settings())


def sample(flag: Flag) -> list[str]:
    """A value within every limit of the flag, and no default."""
    by_type = {"float": "0.375", "int": "7", "file": "some_file", "word": "default"}
    values = [arg.choices[-1] if arg.choices else by_type[arg.type] for arg in flag.args]
    return ["50", "60", "70", "80", "95", "100"] if flag.name == "-cell" else values


@pytest.mark.parametrize("flag", TORCH_FLAGS, ids=lambda flag: flag.name)
def test_named_parameters_exist(flag):
    for setting in flag.sets["torch"].settings:
        section, field = setting.name.split("[")[0].split(".")
        if section in SECTIONS and f"{section}.{field}" not in NOT_FIELDS:
            assert field in {field.name for field in dataclasses.fields(SECTIONS[section])}, setting.name


@pytest.mark.parametrize("flag", SETTING_FLAGS, ids=lambda flag: flag.name)
def test_a_flag_sets_what_the_table_says(flag):
    settings = settings_of(flag.name, *sample(flag))
    changed = {f"{s}.{n}" for s in (*SECTIONS, "run") for n in getattr(settings, s)}
    order = {"detector.pivot"} if flag.sets_pivot else set()
    order |= {"detector.convention"} if flag.sets_convention else set()
    named = {setting.name.split("[")[0] for setting in flag.sets["torch"].settings} - FROM_FILES
    may_stay = {"detector.thickness_m"} if flag.name == "-detector_abs" else set()  # set by a length of 0 alone
    assert named - may_stay <= changed <= named | order


def default_of(name: str):
    """The default of `section.field` or `section.field[axis]`."""
    section, field = name.split("[")[0].split(".")
    value = {f.name: f.default for f in dataclasses.fields(SECTIONS[section])}[field]
    return value[int(name[-2])] if name.endswith("]") else value


@pytest.mark.parametrize("flag", NUMERIC_DEFAULTS, ids=lambda flag: flag.name)
def test_defaults_of_the_torch_program(flag):
    for setting in flag.sets["torch"].settings:
        if setting.constant is not None or flag.sets["torch"].by_code:
            continue
        convert = conversion(flag, setting)
        stated = numbers(flag.default)[0]
        stated = convert(stated) if convert else stated
        kept = default_of(setting.name)
        if kept is None and flag.name.startswith("-detsize"):
            kept = 0.1024  # of `conventions`, where no number of pixels is given
        assert stated == pytest.approx(kept, rel=1e-15), setting.name


@pytest.mark.parametrize("flag", DEFAULTS_OF_PIXELS, ids=lambda flag: flag.name)
def test_defaults_of_the_c_program(build_folder, tmp_path, flag):
    left_out = {flag.name, "-detpixels"} if flag.name.startswith("-detsize") else {flag.name}
    base = [argument for name, value in BASE.items() if name not in left_out for argument in (name, *value.split())]
    base += ["-beam_vector", "1", "0", "0"] if flag.sets_convention == "CUSTOM" else []
    defaults = flag.default.split(" = ")[0].split()
    images = []
    for more in ([], [flag.name, *defaults]):
        command = [build_folder / "nanobragg", *base, *more, *QUIET]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
        images.append((tmp_path / "image.bin").read_bytes())
    assert images[0] == images[1]


def test_conversions_keep_ordinary_numbers():
    for flag in TORCH_FLAGS:
        for setting in flag.sets["torch"].settings:
            convert = conversion(flag, setting) if setting.constant is None else None
            if convert:
                assert math.isfinite(convert(1.0)) and convert(1.0) != 0
