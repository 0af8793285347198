"""The RO-Crate is complete, states the right licence, and passes the validator."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.audit.test_ledger import make_audit, record_attempt
from trace_audit.core.errors import run_command
from trace_audit.core.files import sha256_of_bytes, write_atomic
from trace_audit.trail import hash_chain
from trace_audit.trail.ledger import main as ledger
from trace_audit.trail.verify import expected_artifacts

rocrate = pytest.importorskip("rocrate", reason="rocrate is not installed")

from trace_audit.trail.crate import NO_LICENCE  # noqa: E402 - needs rocrate
from trace_audit.trail.crate import main as crate  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
VALIDATOR = REPOSITORY / ".venv-roc/bin/python"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A small repository with one audit, recorded with two inputs, one of them with a strange name."""
    folder = tmp_path_factory.mktemp("crate of Ångström")
    for name in ("Snakefile", "workflow/rules/a.smk", "config/config.yaml", "config/b <i>.yaml", "README.md"):
        write_atomic(folder / name, f"# {name}\n")
    audit = make_audit(folder / "results")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert record_attempt(folder / "results", audit, "--inputs", "config/config.yaml", "config/b <i>.yaml") == 0
    assert run_command(ledger, ["seal", "--results", str(folder / "results")]) == 0
    return folder


def make(root, out, *more):
    return run_command(crate, ["--root", str(root), "--results", str(root / "results"), "--out", str(out), *more])


@pytest.fixture(scope="module")
def made(root, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "crate.zip"
    assert make(root, out) == 0
    return out


def graph(path):
    with zipfile.ZipFile(path) as archive:
        return {entity["@id"]: entity for entity in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}


def test_every_artifact_is_in_the_zip_byte_by_byte(root, made):
    with zipfile.ZipFile(made) as archive:
        names = set(archive.namelist())
        for name, sha in expected_artifacts(hash_chain.load(root / "results/audit/ledger")).items():
            assert sha256_of_bytes(archive.read(f"results/{name}")) == sha
    assert {"Snakefile", "config/config.yaml", "results/audit/ledger/000001.json"} <= names
    assert all(not name.startswith(("/", "..")) for name in names)


def test_the_attempt_names_its_inputs_artifacts_environment_and_workflow(made):
    entities = graph(made)
    action = entities["#attempt-1"]
    assert action["instrument"] == {"@id": "Snakefile"} and len(action["object"]) == 2 and len(action["result"]) > 8
    assert all(reference["@id"] in entities for key in ("object", "result") for reference in action[key])
    assert "torch.cuda_available" in entities[action["environment"]["@id"]]["value"]


def test_who_may_reuse_it_is_said(root, made, tmp_path):
    entities = graph(made)
    assert entities[entities["./"]["license"]["@id"]]["description"] == NO_LICENCE
    licence = "https://spdx.org/licenses/MIT"
    assert make(root, tmp_path / "crate.zip", "--licence", licence) == 0
    assert graph(tmp_path / "crate.zip")["./"]["license"] == {"@id": licence}
    assert make(root, tmp_path / "other.zip", "--licence", "javascript:alert(1)") == 2
    assert not (tmp_path / "other.zip").exists()


def test_results_that_do_not_verify_are_not_exported(root, tmp_path, capsys):
    extra = root / "results/extra.txt"
    extra.write_text("x")
    try:
        assert make(root, tmp_path / "crate.zip") == 2
    finally:
        extra.unlink()
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and "extra.txt: extra" in error and not list(tmp_path.iterdir())


def test_files_too_large_for_a_zip_are_named_and_left_out(root, tmp_path, monkeypatch):
    monkeypatch.setattr("trace_audit.trail.crate.LARGEST_BYTES", 2000)
    assert make(root, tmp_path / "small.zip") == 0
    description = graph(tmp_path / "small.zip")["./"]["description"]
    with zipfile.ZipFile(tmp_path / "small.zip") as archive:
        names = archive.namelist()
    log = "results/tiny/S685_F1039/c/c_trace_scaling.log"
    assert log in description and log not in names and "README.md" in names


@pytest.mark.skipif(not VALIDATOR.is_file(), reason="make crate-check sets up the validator")
def test_the_validator_accepts_it_and_refuses_one_that_is_broken(made, tmp_path):
    context = Path(rocrate.__file__).parent / "data/ro-crate.jsonld"
    command = [str(VALIDATOR), str(REPOSITORY / "workflow/scripts/validate_crate.py"), "--context", str(context)]
    done = subprocess.run([*command, str(made)], text=True, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0 and "0 required not met" in done.stdout, done.stdout + done.stderr
    with zipfile.ZipFile(made) as whole, zipfile.ZipFile(tmp_path / "broken.zip", "w") as broken:
        for name in whole.namelist():
            data = whole.read(name)
            if name == "ro-crate-metadata.json":
                data = data.replace(b'"mainEntity"', b'"other"')
            broken.writestr(name, data)
    done = subprocess.run([*command, str(tmp_path / "broken.zip")], text=True, capture_output=True, check=False)
    assert done.returncode == 1 and "required: " in done.stdout


def test_every_program_of_an_attempt_is_an_action_of_a_step(root, made):
    entities = graph(made)
    (record,) = [e.record for e in hash_chain.load(root / "results/audit/ledger") if e.record["kind"] == "attempt"]
    organised = entities["#organised-1"]
    controls = organised["object"] if isinstance(organised["object"], list) else [organised["object"]]
    assert len(controls) == len(record["commands"]) and organised["result"] == {"@id": "#attempt-1"}
    for control, command in zip(controls, record["commands"], strict=True):
        control = entities[control["@id"]]
        step, action = entities[control["instrument"]["@id"]], entities[control["object"]["@id"]]
        assert step["@type"] == "HowToStep" and action["@type"] == "CreateAction"
        assert action["instrument"] == step["workExample"]
        assert entities[action["instrument"]["@id"]]["name"] == command["arguments"][0]
    assert set(entities["Snakefile"]["@type"]) >= {"ComputationalWorkflow", "HowTo"}
