"""Every mistake in the config is refused in one line that names it, before any job runs."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.workflow.conftest import REPOSITORY, Project
from trace_audit.config.settings import parse_settings, schema_text
from trace_audit.core.errors import InputError
from trace_audit.core.shipped import CHECKOUT
from trace_audit.workflow.plan import make_plan, recorded_reference

GOOD = {"scenarios": ["small"], "devices": ["cpu"], "dtypes": ["float64"]}

REFUSED = {
    "misspelt key": ({"deivces": ["cpu"]}, ["unknown key 'deivces'", "did you mean devices?"]),
    "misspelt key, group": ({"resources": {"biuld": {}}}, ["unknown key 'resources.biuld'", "did you mean build?"]),
    "tolerance": ({"tolerance": 1e-3}, ["unknown key 'tolerance'"]),
    "unknown device": ({"devices": ["gpu"]}, ["devices.0: 'gpu'", "'cpu', 'cuda' or 'auto'"]),
    "unknown backend": ({"backends": ["jit"]}, ["backends.0: 'jit'", "'eager' or 'compiled'"]),
    "unknown dtype": ({"dtypes": ["float16"]}, ["dtypes.0: 'float16'", "'float32' or 'float64'"]),
    "no scenario": ({"scenarios": []}, ["scenarios: []", "at least 1 item"]),
    "scenario given as text": ({"scenarios": "small"}, ["scenarios: 'small'", "valid list"]),
    "same scenario twice": ({"scenarios": ["small", "small"]}, ["scenarios: small is listed twice"]),
    "unknown scenario": ({"scenarios": ["smal"]}, ["unknown scenario 'smal'", "did you mean small?"]),
    "name with a blank": ({"scenarios": ["a b"]}, ["scenarios.0: 'a b'", "letters, digits"]),
    "name with a quote": ({"scenarios": ["a'; touch x; '"]}, ["scenarios.0", "letters, digits"]),
    "name that is a path": ({"scenarios": ["../small"]}, ["scenarios.0: '../small'", "letters, digits"]),
    "name that is an option": ({"scenarios": ["-n"]}, ["scenarios.0: '-n'", "letters, digits"]),
    "name of a results folder": ({"scenarios": ["audit"]}, ["audit is the name of a folder in results/"]),
    "pixel off the detector": ({"pixels": {"small": [[64, 0]]}}, ["pixels.small", "pixel 64 0", "slow 0 to 63"]),
    "negative pixel": ({"pixels": {"small": [[-1, 0]]}}, ["pixels.small.0.0: -1", "greater than or equal to 0"]),
    "pixel of three numbers": ({"pixels": {"small": [[1, 2, 3]]}}, ["pixels.small.0: [1, 2, 3]", "at most 2 items"]),
    "pixels of another scenario": ({"pixels": {"large": [[1, 2]]}}, ["large is not among `scenarios` (small)"]),
    "binary that is not there": ({"reference": {"binary": "no/such"}}, ["reference.binary: 'no/such'", "executable"]),
    "source that is not there": ({"reference": {"source": "no.c"}}, ["reference.source: 'no.c'", "Makefile"]),
    "binary and source": ({"reference": {"binary": "a", "source": "b.c"}}, ["reference: give `binary` or `source`"]),
    "binary with braces": ({"reference": {"binary": "{x}"}}, ["reference.binary: '{x}'", "without braces"]),
    "missing hkl file": ({"structure_factors": {"file": "no.mtz"}}, ["structure_factors.file", "'no.mtz'"]),
    "missing asset list": ({"gate": {"protected_assets": "no.yaml"}}, ["protected assets no.yaml"]),
    "memory as text": ({"resources": {"build": {"mem_mb": "1 GB"}}}, ["resources.build.mem_mb: '1 GB'", "integer"]),
    "partition with a blank": ({"resources": {"build": {"partition": "a b"}}}, ["resources.build.partition: 'a b'"]),
    "group given as nothing": ({"reference": None}, ["reference: None"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name, project: Project, monkeypatch):
    monkeypatch.chdir(project.folder)
    monkeypatch.delenv("NB_C_BIN", raising=False)
    changes, fragments = REFUSED[name]
    with pytest.raises(InputError) as refusal:
        make_plan({**GOOD, **changes}, "config/config.yaml")
    message = str(refusal.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


def test_missing_key_is_described(project: Project, monkeypatch):
    monkeypatch.chdir(project.folder)
    with pytest.raises(InputError, match="key 'devices' is missing; expected Where torch runs"):
        make_plan({"scenarios": ["small"], "dtypes": ["float64"]}, "config/config.yaml")


@pytest.mark.parametrize("raw", [{}, None, ["scenarios"]])
def test_no_mapping_is_refused(raw):
    with pytest.raises(InputError, match="not a mapping of keys"):
        parse_settings(raw)


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"pixels": [[1, 48]]}, "fast 0 to 47"),
        ({"crystal": {"matrix": [0.1] * 8}}, "crystal.matrix"),
        ({"structure_factors": {"file": "no.hkl"}}, "no.hkl"),
        ({"beams": {}}, "unknown key 'beams'"),
    ],
)
def test_wrong_scenario_is_refused(changes, fragment, project: Project, monkeypatch):
    monkeypatch.chdir(project.folder)
    project.write_scenario(**changes)
    with pytest.raises(InputError) as refusal:
        make_plan(GOOD, "config/config.yaml")
    assert fragment in str(refusal.value)
    assert "small.yaml" in str(refusal.value)


def test_product_of_scenarios_pixels_devices_and_dtypes(project: Project, monkeypatch):
    monkeypatch.chdir(project.folder)
    project.write_scenario("other", pixels=[[1, 2], [3, 4], [1, 2]])
    raw = {"scenarios": ["small", "other"], "devices": ["cpu", "cuda"], "dtypes": ["float64", "float32"]}
    plan = make_plan(raw, "config/config.yaml")
    assert len(plan.audits) == (1 + 2) * 2 * 2 * 2, "eager and compiled code, unless it is said otherwise"
    assert plan.audits[0].folder == "results/small/S20_F30/cpu_float64"
    assert plan.audits[-1].folder == "results/other/S3_F4/cuda_float32_compiled"
    assert {audit.backend for audit in make_plan({**raw, "backends": ["eager"]}, "config/config.yaml").audits} == {
        "eager"
    }


def test_environment_names_the_binary(project: Project, monkeypatch):
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("NB_C_BIN", "/bin/true")
    assert make_plan(GOOD, "config/config.yaml").settings.reference.binary == "/bin/true"
    monkeypatch.setenv("NB_C_BIN", "/no/such/program")
    with pytest.raises(InputError, match="NB_C_BIN: '/no/such/program' is no executable file"):
        make_plan(GOOD, "config/config.yaml")


def test_a_scenario_needs_no_structure_factors_where_the_config_has_a_file(project: Project, monkeypatch):
    monkeypatch.chdir(project.folder)
    path = project.file("config/scenarios/small.yaml")
    data = yaml.safe_load(path.read_text())
    del data["structure_factors"]
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(InputError, match=r"small.yaml: structure_factors: .*or structure_factors.file in the config"):
        make_plan(GOOD, "config/config.yaml")
    project.file("my.hkl").write_text("1 0 0 5\n")
    plan = make_plan({**GOOD, "structure_factors": {"file": "my.hkl"}}, "config/config.yaml")
    assert plan.hkl_sources["small"] == ("my.hkl",)


@pytest.mark.parametrize(
    ("record", "binary", "source"),
    [
        ({"kind": "external", "binary": "/gone/theirs"}, "/gone/theirs", ""),
        ({"kind": "built", "source": "theirs", "compiler": {"command": "cc"}}, "", "theirs"),
        ({"kind": "built", "source": str(CHECKOUT / "src/nanobragg_c"), "compiler": {"command": "gcc"}}, "", ""),
    ],
)
def test_a_call_that_reports_takes_the_reference_from_the_record(record, binary, source, project, monkeypatch):
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("NB_C_BIN", "/no/such/program")
    project.file("build.json").write_text(json.dumps(record))
    reference = make_plan(GOOD, "config/config.yaml", recorded_reference(project.file("build.json"))).settings.reference
    assert (reference.binary, reference.source) == (binary, source)
    assert recorded_reference(project.file("none.json")) is None


def test_snakemake_refuses_before_any_job(project: Project):
    project.write_config(deivces=["cpu"])
    done = project.snakemake()
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "config/config.yaml: unknown key 'deivces'" in errors[0]
    assert "Traceback" not in done.stderr
    assert not project.file("results").exists()
    assert not project.file("logs").exists()


def test_odd_yaml_is_refused_before_snakemake_reads_it(project: Project):
    (project.folder / "config/config.yaml").write_text("a: " + "[" * 3000 + "]" * 3000 + "\n")
    done = project.snakemake("-n")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 2 and len(errors) == 1 and "deeper than" in errors[0], done.stderr
    assert "Traceback" not in done.stderr and not project.file("results").exists()


def test_schema_is_the_one_of_the_model():
    committed = (REPOSITORY / "workflow/schemas/config.schema.json").read_text()
    assert committed == schema_text(), "run python -m trace_audit.config.settings > workflow/schemas/config.schema.json"


def test_shipped_config_is_accepted_and_complete(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.delenv("NB_C_BIN", raising=False)
    shipped = yaml.safe_load(Path("config/config.yaml").read_text())
    jsonschema.validate(shipped, json.loads(schema_text()))
    plan = make_plan(shipped, "config/config.yaml")
    assert len(plan.audits) == 16
    assert set(shipped) == set(type(plan.settings).model_fields) - {"scenario_dir", "cluster"}
