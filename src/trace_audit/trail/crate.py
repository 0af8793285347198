"""`python -m trace_audit.crate`: the last audits as an RO-Crate, one zip that others can read without this repository.

It follows the Provenance Run profile of Workflow Run RO-Crate: the workflow with its config and scenarios, one
CreateAction for each attempt with its inputs and artifacts and one for each program of it, the environment of each, and
who may reuse them. Files that fail `verify` are not added.
"""

import argparse
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from nanobrag_torch._version import __version__
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import copy_atomic, printable
from trace_audit.trail import attempts
from trace_audit.trail.attempts import is_audit_trail
from trace_audit.trail.crate_tools import WORKFLOW_TYPES, ToolRuns
from trace_audit.trail.hash_chain import Entry, load
from trace_audit.trail.verify import expected_artifacts, verify

_PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
_RUN_TERMS = "https://w3id.org/ro/terms/workflow-run/context"
_WORKFLOW_FILES = ("Snakefile", "workflow/**/*", "config/**/*", "envs/**/*", "profiles/**/*", "README.md")
_FORMATS = {
    **dict.fromkeys((".txt", ".log", ".hkl", ".smk", ".rst", ".patch"), "text/plain"),
    ".json": "application/json",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".py": "text/x-python",
    ".yaml": "application/yaml",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_BILL = "application/vnd.cyclonedx+json"
NO_LICENCE = "No licence is given. Ask those who made these files before you reuse them."
_LEFT_OUT = ("report/",)  # made from the other files
LARGEST_BYTES = 64 * 2**20  # larger files, such as the frames of a campaign, would make the zip too large
_BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"


def crate(root: Path, results: Path, licence: str | None) -> Any:
    """The crate of a repository `root` and its `results`. Raises InputError if the results do not verify."""
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

    faults = verify(results)
    if faults:
        raise InputError(f"{results}: {len(faults)} faults, first {faults[0]}; see python -m trace_audit verify")
    entries = load(results / attempts.LEDGER)
    records = [entry.record for entry in entries if entry.record and entry.record["kind"] == "attempt"]
    if not records:
        raise InputError(f"{results / attempts.LEDGER}: no attempt on record; run make audit first")
    made = ROCrate(gen_preview=False, version="1.1")  # what the profiles build on
    made.metadata.extra_contexts.append(_RUN_TERMS)
    workflow = _add_workflow(made, root)
    sources, hashes = _sources(root, results, entries)
    too_large = [name for name, path in sources.items() if path.stat().st_size > LARGEST_BYTES]
    sources = {name: path for name, path in sources.items() if name not in too_large}
    files = {name: _add_file(made, name, path, hashes.get(name)) for name, path in sources.items()}
    if "README.md" in files:
        files["README.md"]["about"] = made.root_dataset
    tools = ToolRuns(made, workflow, files)
    for record in records:
        tools.add(record, _add_action(made, workflow, record, files))
    profiles = [
        made.add(ContextEntity(made, uri, properties={"@type": "CreativeWork", "name": name, "version": version}))
        for uri, name, version in _PROFILES
    ]
    _describe(made, records, profiles, licence)
    if too_large:
        made.description += (
            f" Left out, as larger than {LARGEST_BYTES // 2**20} MiB, with their hashes in the ledger: "
            + printable(", ".join(too_large))
        )
    return made


def _add_workflow(made: Any, root: Path) -> Any:
    """Add the Snakefile as the main workflow."""
    from rocrate.model import ComputerLanguage

    language = ComputerLanguage(
        made, "#snakemake", properties={"name": "Snakemake", "url": "https://snakemake.github.io"}
    )
    made.add(language)
    workflow = made.add_workflow(
        root / "Snakefile", "Snakefile", main=True, lang=language, properties={"@type": WORKFLOW_TYPES}
    )
    workflow["name"] = "Scaling audit"
    workflow["version"] = __version__
    workflow["encodingFormat"] = "text/plain"
    workflow["conformsTo"] = {"@id": _BIOSCHEMAS}
    return workflow


def _sources(root: Path, results: Path, entries: list[Entry]) -> tuple[dict[str, Path], dict[str, str]]:
    """Files of the crate by name, and the recorded hashes of the artifacts among them."""
    sources = {name: root / name for name in _workflow_files(root)}
    trail = [path for path in sorted(results.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    names = (path.relative_to(results).as_posix() for path in trail)
    sources |= {f"results/{name}": results / name for name in names if is_audit_trail(name)}
    hashes = {f"results/{n}": sha for n, sha in expected_artifacts(entries).items() if not n.startswith(_LEFT_OUT)}
    sources |= {name: results / Path(name).relative_to("results") for name in hashes}
    return sources, hashes


def _workflow_files(root: Path) -> list[str]:
    files = {path for pattern in _WORKFLOW_FILES for path in root.glob(pattern) if path.is_file()}
    names = sorted(path.relative_to(root).as_posix() for path in files if "__pycache__" not in path.parts)
    return [name for name in names if name != "Snakefile"]


def _add_file(made: Any, name: str, path: Path, sha256: str | None) -> Any:
    kind = _BILL if name.endswith(".cdx.json") else _FORMATS.get(path.suffix, "application/octet-stream")
    properties = {"encodingFormat": kind}
    return made.add_file(path, name, properties=properties | ({"sha256": sha256} if sha256 else {}))


def _add_action(made: Any, workflow: Any, record: dict[str, Any], files: dict[str, Any]) -> Any:
    """One attempt: what was run on which files, with what outcome."""
    from rocrate.model import ContextEntity

    software = made.add(
        ContextEntity(
            made,
            f"#environment-{record['number']}",
            properties={"@type": "PropertyValue", "name": "environment", "value": _environment_text(record)},
        )
    )
    pixel = ", ".join(map(str, record["pixel_slow_fast"]))
    action = ContextEntity(
        made,
        f"#attempt-{record['number']}",
        properties={
            "@type": "CreateAction",
            "name": f"{record['scenario']}, pixel ({pixel}), {record['device']}, {record['dtype']}",
            "description": printable(record["summary"]),
            "endTime": record["time_utc"],
            "actionStatus": f"http://schema.org/{'Completed' if _came_to_an_end(record) else 'Failed'}ActionStatus",
        },
    )
    made.add(action)
    made.root_dataset.append_to("mentions", action)
    action["instrument"] = workflow
    action["agent"] = made.add(ContextEntity(made, "#operator", properties={"@type": "Person", "name": "the operator"}))
    action["environment"] = software
    action["object"] = [files[name] for name in record["inputs"] if name in files]
    action["result"] = [files[f"results/{name}"] for name in record["artifacts"] if f"results/{name}" in files]
    return action


def _came_to_an_end(record: dict[str, Any]) -> bool:
    """Whether a comparison was made, whatever its verdict."""
    return record["status"] == "pass" or record["metrics"]["worst_key"] is not None


def _environment_text(record: dict[str, Any]) -> str:
    from trace_audit.trail.rerun import environment_differences

    lines = environment_differences({}, record.get("environment", {}))
    return "\n".join(line.replace(": None -> ", ": ") for line in lines) or "see trace_py_env.json"


def _describe(made: Any, records: list[dict[str, Any]], profiles: list[Any], licence: str | None) -> None:
    """The crate as a whole: title, date, conformance, licence."""
    from rocrate.model import ContextEntity

    made.name = "Scaling audit of the torch simulator against nanoBragg"
    passed = sum(record["status"] == "pass" for record in records)
    made.description = (
        f"{len(records)} attempts, {passed} passed; each factor of a pixel compared between two programs."
    )
    made.datePublished = datetime.fromisoformat(records[-1]["time_utc"])
    made.root_dataset["conformsTo"] = profiles
    properties = {"@type": "CreativeWork", "name": licence or NO_LICENCE, "description": licence or NO_LICENCE}
    made.license = made.add(ContextEntity(made, licence or "#licence", properties=properties))


def write_zip(made: Any, out: Path) -> None:
    """Write the crate under a temporary name and rename it, so that a zip is complete or absent."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="crate-") as folder:
        made.write_zip(Path(folder) / "crate.zip")
        copy_atomic(Path(folder) / "crate.zip", out)


def main(argv: list[str]) -> int:
    """Write the crate."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.crate", description=__doc__, allow_abbrev=False)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--root", type=Path, default=Path(), metavar="DIR", help="the repository (current folder)")
    parser.add_argument("--licence", metavar="URL", help="licence of the crate; without it none is given")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the zip")
    options = parser.parse_args(argv)
    if options.licence and not options.licence.startswith("https://"):
        raise InputError(
            f"--licence {options.licence}: expected the https address of a licence, as spdx.org lists them"
        )
    write_zip(crate(options.root, options.results, options.licence), options.out)
    print(options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
