"""Every key of a scenario file has a description. A key that stands for a flag has that flag's unit and limits, and
sets that flag.
"""

import json
from pathlib import Path

import pytest

from nanobragg_tables import flags
from trace_audit.config.scenario import ScenarioFiles, arguments, schema_text
from trace_audit.config.scenario_document import scenario_document, undescribed
from trace_audit.config.scenario_model import Scenario

ROOT = Path(__file__).resolve().parents[2]
FLAGS = {flag.name: flag for flag in flags()}
SCHEMA = json.loads(schema_text())
SECTIONS = {
    "Crystal": "crystal",
    "StructureFactors": "structure_factors",
    "Beam": "beam",
    "Spindle": "spindle",
    "Detector": "detector",
    "Sampling": "sampling",
}
KEYS = [
    (section, key, field)
    for section, model in SCHEMA["$defs"].items()
    for key, field in model["properties"].items()
    if "flag" in field
]
UNITS = {
    "deg": "deg",
    "mm": "mm",
    "um": "um",
    "mrad": "mrad",
    "percent": "percent",
    "A": "A",
    "eV": "eV",
    "s": "s",
    "pixels": "pixels",
    "electrons": "electrons",
    "per_m2": "photons/m^2",
    "per_s": "photons/s",
}
MINIMAL = {
    "name": "tiny",
    "description": "a test",
    "crystal": {"cell": {"a_A": 50, "b_A": 60, "c_A": 70}},
    "structure_factors": {"default_F_electrons": 100},
    "beam": {"wavelength_A": 1.0},
    "detector": {"pixel_mm": 0.1, "pixels_fast": 16, "pixels_slow": 12, "distance_mm": 100},
    "pixels": [[3, 4]],
}


def test_every_key_is_described():
    assert undescribed() == []
    assert len(KEYS) > 60


def test_page_is_fresh():
    assert (ROOT / "docs/scenario.md").read_text() == scenario_document(), "run python -m trace_audit schema"


@pytest.mark.parametrize(("section", "key", "field"), KEYS, ids=lambda value: value if isinstance(value, str) else "")
def test_unit_in_the_name_is_that_of_the_flag(section, key, field):
    unit = FLAGS[field["flag"]].unit
    named = [text for suffix, text in UNITS.items() if key.endswith(f"_{suffix}")]
    if key.startswith("pixels_"):
        named = ["pixels"]
    assert (max(named, key=len) if named else "") == unit


def _numbers(field: dict) -> list[dict]:
    options = field.get("anyOf", [field])
    return [option for option in options if option.get("type") in ("number", "integer")]


@pytest.mark.parametrize(("section", "key", "field"), KEYS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_scenario_accepts_the_flag_accepts(section, key, field):
    args = FLAGS[field["flag"]].args
    for number in _numbers(field):
        limits = args[0].range
        if limits is None:
            continue
        lowest = number.get("minimum", number.get("exclusiveMinimum", float("-inf")) + 1e-6)
        assert limits.contains(lowest), f"{key} from {lowest}, the flag {limits.describe()}"
        if "maximum" in number:
            assert limits.contains(number["maximum"])


def _value(field: dict):
    """A value that the key allows and that is no default."""
    option = next((o for o in field.get("anyOf", [field]) if o.get("type") != "null"), field)
    if "enum" in option:
        return option["enum"][0]
    return {"boolean": True, "integer": 7, "number": 0.5, "array": [0.25, 0.5, 1.5]}[option["type"]]


@pytest.mark.parametrize(("section", "key", "field"), KEYS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_key_becomes_its_flag(section, key, field):
    content = json.loads(json.dumps(MINIMAL))
    target = content.setdefault(SECTIONS[section], {})
    if key == "energy_eV":
        del target["wavelength_A"]
    if section == "Detector" and FLAGS[field["flag"]].sets_convention == "CUSTOM":
        target["convention"] = "custom"
    value = _value(field)
    target[key] = value
    flags = arguments(Scenario.model_validate(content), ScenarioFiles())
    spelling = next(name for name in FLAGS[field["flag"]].spellings if name in flags)
    values = flags[flags.index(spelling) + 1 :][: len(FLAGS[field["flag"]].args)]
    stated = [] if value is True else value if isinstance(value, list) else [value]
    assert values == [str(item) for item in stated] or [float(text) for text in values] == stated
