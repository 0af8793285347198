"""Scenario files: the published command line comes out, mistakes are refused by name, the schema is fresh."""

from pathlib import Path

import pytest
import yaml

from trace_audit.config.scenario import (
    ScenarioFiles,
    arguments,
    check_pixel,
    load_scenario,
    scenario_path,
    schema_text,
    write_matrix,
)
from trace_audit.core.errors import InputError
from trace_audit.inputs.prepare import prepare_inputs

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "config/scenarios"
PUBLISHED = (
    "-nonoise -nointerpolate -oversample 1 -exposure 1 -flux 1e18 -beamsize 1.0 -spindle_axis -1 0 0 "
    "-Xbeam 217.742295 -Ybeam 213.907080 -distance 231.274660 -lambda 0.976800 -pixel 0.172 -detpixels_x 2463 "
    "-detpixels_y 2527 -odet_vector -0.000088 0.004914 -0.999988 -sdet_vector -0.005998 -0.999970 -0.004913 "
    "-fdet_vector 0.999982 -0.005998 -0.000118 -pix0_vector_mm -216.336293 215.205512 -230.200866 "
    "-beam_vector 0.00051387949 0.0 -0.99999986 -Na 36 -Nb 47 -Nc 29 -osc 0.1 -phi 0 -phisteps 10 "
    "-detector_rotx 0 -detector_roty 0 -detector_rotz 0 -twotheta 0"
)
FILES = ScenarioFiles(Path("A.mat"), Path("F.hkl"))


def flags_of(arguments):
    """Numbers behind each flag."""
    flags, name = {}, None
    for argument in arguments:
        if argument.startswith("-") and not argument[1:2].isdigit():
            name = argument
            flags[name] = []
        else:
            flags[name].append(argument)
    return flags


def numbers(texts):
    return [float(text) for text in texts]


def test_supervisor_is_the_published_command_line():
    published = flags_of(PUBLISHED.split())
    ours = flags_of(arguments(load_scenario("supervisor", SCENARIOS), FILES))
    assert ours.pop("-mat") == ["A.mat"] and ours.pop("-hkl") == ["F.hkl"]
    assert {flag: numbers(values) for flag, values in ours.items()} == {f: numbers(w) for f, w in published.items()}


def test_the_last_flag_that_sets_a_pivot_is_the_published_one():
    flags = arguments(load_scenario("supervisor", SCENARIOS), FILES)
    setters = [flag for flag in flags if flag in ("-distance", "-Xbeam", "-Ybeam", "-twotheta", "-pivot")]
    assert setters[-1] == "-twotheta"


def test_historic_scenario_differs_by_one_defect():
    plain, historic = (load_scenario(name, SCENARIOS) for name in ("supervisor", "supervisor_historic"))
    assert arguments(historic, FILES) == [*arguments(plain, FILES), "-defects", "default,+phi_carryover"]
    assert plain.pixels == historic.pixels == [[685, 1039], [1039, 685]]
    assert plain.structure_factors == historic.structure_factors


def test_matrix_is_written_as_nine_numbers(tmp_path):
    path = write_matrix(load_scenario("supervisor", SCENARIOS), tmp_path)
    assert numbers(path.read_text().split())[:3] == [-0.02837711, -0.00305386, 0.02535816]
    assert len(path.read_text().split()) == 9


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_scenario_loads_and_fits_the_schema(path):
    import jsonschema

    assert load_scenario(path.stem, SCENARIOS).name == path.stem
    jsonschema.validate(yaml.safe_load(path.read_text()), yaml.safe_load(schema_text()))


def test_schema_file_is_fresh():
    committed = (ROOT / "workflow/schemas/scenario.schema.json").read_text()
    assert committed == schema_text(), "run python -m trace_audit schema"


MINIMAL = {
    "name": "tiny",
    "description": "a test",
    "crystal": {"cell": {"a_A": 50, "b_A": 60, "c_A": 70}, "N_cells": [5, 5, 5]},
    "structure_factors": {"default_F_electrons": 100},
    "beam": {"wavelength_A": 1.0, "fluence_photons_per_m2": 1.0e24},
    "detector": {"pixel_mm": 0.1, "pixels_fast": 16, "pixels_slow": 12, "distance_mm": 100},
    "sampling": {"oversample": 1},
    "pixels": [[3, 4]],
}


def changed(path, value):
    """The minimal scenario with one value set, or a key removed where the value is None."""
    data = yaml.safe_load(yaml.safe_dump(MINIMAL))
    *folders, last = path.split(".")
    parent = data
    for name in folders:
        parent = parent[name]
    if value is None:
        del parent[last]
    else:
        parent[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("detector.distnce_mm", 100, "unknown key 'detector.distnce_mm'; did you mean 'distance_mm'?"),
        ("crystal.cell.d_A", 1, "unknown key 'crystal.cell.d_A'"),
        ("detectr", {}, "unknown key 'detectr'; did you mean 'detector'?"),
        ("pixels", [[12, 0]], r"pixel \[12, 0\] \(slow, fast\) is off the detector: slow 0 to 11, fast 0 to 15"),
        ("pixels", [[-1, 0]], "pixels.0.0 = -1"),
        ("pixels", [], "pixels"),
        ("detector.pixel_mm", -0.1, "detector.pixel_mm = -0.1"),
        ("detector.pixels_fast", "many", "detector.pixels_fast = 'many'"),
        ("beam.wavelength_A", None, "beam: give wavelength_A or energy_eV"),
        ("crystal.matrix", [1, 2, 3, 4, 5, 6, 7, 8], r"crystal.matrix.*at least 9 items"),
        ("structure_factors.file", "F.mtz", None),
        ("structure_factors.synthetic", {"seed": -1}, "structure_factors.synthetic.seed = -1"),
        ("detector.fdet_vector", [1, 0, 0], "convention: custom"),
        ("name", "other", "name is 'other', expected 'tiny' like the file"),
        ("name", "../x", "name = '../x'"),
        ("defects", "default; rm", "defects = 'default; rm'"),
        ("crystal", None, "key 'crystal' is missing"),
        ("beam.flux_photons_per_s", float("nan"), "beam.flux_photons_per_s = nan"),
    ],
)
def test_mistakes_are_refused_in_one_line(tmp_path, path, value, message):
    file = tmp_path / "tiny.yaml"
    file.write_text(yaml.safe_dump(changed(path, value)))
    if message is None:
        assert load_scenario("tiny", tmp_path).structure_factors.file == value
        return
    with pytest.raises(InputError, match=message) as error:
        load_scenario("tiny", tmp_path)
    assert "\n" not in str(error.value) and "tiny.yaml" in str(error.value)


def test_all_mistakes_are_told_at_once(tmp_path):
    data = changed("detector.distance_mm", None)
    data["name"], data["detector"]["pixel_mm"] = "another", "small"
    data["beam"] = {"wavelenght_A": 1.0}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(InputError) as error:
        load_scenario("tiny", tmp_path)
    start, *lines = str(error.value).splitlines()
    assert len(lines) == 3
    assert start.endswith(f"tiny.yaml: {len(lines)} mistakes:")
    for flags in (
        "name is 'another', expected 'tiny'",
        "detector.pixel_mm = 'small': input should be a valid number",
        "for example: pixel_mm: 0.172",
        "unknown key 'beam.wavelenght_A'; did you mean 'wavelength_A'?",
    ):
        assert any(flags in line for line in lines), (flags, lines)


def test_mistakes_that_others_hide_are_told_with_them(tmp_path):
    """The checks of a whole section are made even if one of its keys is wrong."""
    data = changed("detector.pixel_mm", -1)
    data["detector"]["fdet_vector"] = [1, 0, 0]
    data["crystal"] = {"N_cells": [5, 5, 0]}
    data["beam"] = {"wavelength_A": 1.0, "energy_eV": 12000, "hdivsteps": "many"}
    data["pixels"] = [[99, 0], [0, 99]]
    del data["structure_factors"]
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(InputError) as error:
        load_scenario("tiny", tmp_path, hkl_elsewhere=False)
    lines = str(error.value).splitlines()[1:]
    for flags in (
        "detector.pixel_mm = -1",
        "detector: fdet_vector selects convention custom",
        "crystal.N_cells.2 = 0",
        "crystal: give matrix",
        "beam: give wavelength_A or energy_eV, one of them",
        "beam.hdivsteps = 'many'",
        "structure_factors: expected synthetic, file or default_F_electrons, or structure_factors.file in the config; "
        "for example: structure_factors: { file: my.mtz }",
    ):
        assert any(flags in line for line in lines), (flags, lines)
    assert len(lines) == 7  # pixels are judged when the detector is known
    data = changed("pixels", [[99, 0], [0, 99]])
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(InputError, match=r"pixel \[99, 0\] .*; pixel \[0, 99\] "):
        load_scenario("tiny", tmp_path)


def test_structure_factors_may_come_from_elsewhere(tmp_path):
    data = changed("structure_factors", None)
    del data["description"]
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(data))
    scenario = load_scenario("tiny", tmp_path)
    with pytest.raises(InputError, match="expected synthetic, file or default_F_electrons.*or give --hkl"):
        prepare_inputs(scenario, tmp_path, hkl=None, scenario_folder=tmp_path)
    (tmp_path / "x.hkl").write_text("1 0 0 5\n")
    files = prepare_inputs(scenario, tmp_path, hkl=tmp_path / "x.hkl", scenario_folder=tmp_path)
    assert "-hkl" in arguments(scenario, files)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extra_flags: ["a\\0b"]\n', r"line 1 .* U\+0000"),
        ("a: 2020-13-45\n", "unknown key 'a'"),
        ("a: 0x_\n", "unknown key 'a'"),
        ("a: &a [*a]\n", r"line 1 .*\*a stands in what it names"),
        ("a: &a [x, x]\nb: [*a, *c]\n", "line 2 "),
        ("a: [1\n", "line 2 is not YAML"),
        ("- 1\n", "found list"),
        ("", "found NoneType"),
        ("a: 1\na: 2\n", "twice"),
    ],
)
def test_files_that_are_no_scenario_are_refused(tmp_path, text, message):
    (tmp_path / "tiny.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_scenario("tiny", tmp_path)


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent / "data/abuse").glob("*.yaml")), ids=lambda path: path.stem
)
def test_scenarios_that_mean_harm_are_refused(path):
    with pytest.raises(InputError, match=f"^scenario .*{path.name}: ") as error:
        load_scenario(path.stem, path.parent)
    assert str(error.value).replace("\n", " ").isprintable()


def test_unknown_scenario_lists_the_known_ones():
    with pytest.raises(InputError, match="known: .*supervisor"):
        scenario_path("supervizor", SCENARIOS)
    with pytest.raises(InputError, match="nowhere.yaml"):
        load_scenario("nowhere.yaml")


def test_pixel_off_the_detector_is_refused():
    scenario = load_scenario("supervisor", SCENARIOS)
    check_pixel(scenario, 2526, 2462)
    for pixel in ((2527, 0), (0, 2463), (-1, 0)):
        with pytest.raises(InputError, match="off the detector of scenario supervisor: slow 0 to 2526, fast 0 to 2462"):
            check_pixel(scenario, *pixel)
