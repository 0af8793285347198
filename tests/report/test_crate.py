"""The RO-Crate: complete, honest about the licence, and accepted by the validator."""

import json
import zipfile

import pytest

from tests.audit.test_ledger import make_audit, record_attempt
from trace_audit import chain
from trace_audit.errors import run_command
from trace_audit.files import sha256_of_bytes, write_atomic
from trace_audit.ledger import main as ledger
from trace_audit.verify import expected_artifacts

pytest.importorskip("rocrate", reason="rocrate is not installed")

from trace_audit.crate import NO_LICENCE  # noqa: E402 - needs rocrate
from trace_audit.crate import main as crate  # noqa: E402

SCHEMA = "http://schema.org/"


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
        for name, sha in expected_artifacts(chain.load(root / "results/audit/ledger")).items():
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


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, inside the validator
def test_the_validator_accepts_it(made, monkeypatch):
    """Every required check of the Workflow Run profile, with stand-ins for the contexts on the web."""
    pytest.importorskip("rocrate_validator", reason="roc-validator is not installed")
    import rdflib.plugins.parsers.jsonld as parser
    import rdflib.plugins.shared.jsonld.context as context
    import rdflib.plugins.shared.jsonld.util as util
    from rocrate_validator import models, services
    from rocrate_validator.utils.http import HttpRequester

    terms = {key for entity in graph(made).values() for key in entity if not key.startswith("@")}
    names = {"@vocab": SCHEMA, **{term: {"@id": SCHEMA + term} for term in terms}, "File": SCHEMA + "MediaObject"}
    names["conformsTo"] = {"@id": "http://purl.org/dc/terms/conformsTo"}
    names["ComputationalWorkflow"] = "https://bioschemas.org/ComputationalWorkflow"
    stand_in = {"@context": names}

    class Response:
        status_code, ok, url = 200, True, ""
        headers = {"Content-Type": "application/ld+json"}
        text = json.dumps(stand_in)

        def json(self):
            return stand_in

        def raise_for_status(self):
            pass

    real = util.source_to_json

    def source_to_json(source, *words, **options):
        remote = isinstance(source, str) and source.startswith("https://")
        return (stand_in, None) if remote else real(source, *words, **options)

    for module in (util, context, parser):
        monkeypatch.setattr(module, "source_to_json", source_to_json)
    for method in ("get", "head"):
        monkeypatch.setattr(HttpRequester, method, lambda *words, **options: Response(), raising=False)
    settings = services.ValidationSettings(
        rocrate_uri=str(made), profile_identifier="workflow-run-crate", requirement_severity=models.Severity.REQUIRED
    )
    result = services.validate(settings)
    assert [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()] == []
