"""The contents of the ledger: attempts, blockers, and seals of the whole results folder."""

from pathlib import Path
from typing import Any

from trace_audit.compare.skipped import SKIPPED
from trace_audit.core.documents import Comparison, Environment, Run, Snapshot, StructureFactors, read_document
from trace_audit.core.files import remove_abandoned, sha256_of_file
from trace_audit.core.folders import below
from trace_audit.programs.environment import deviations
from trace_audit.trail import hash_chain

LEDGER = Path("audit/ledger")
HISTORY = Path("audit/attempt_history.md")
NOTES = Path("audit/notes.md")
RECEIPTS = Path("audit/receipts")
_COMMANDS = {
    "compare_scaling_traces.json": "compare",
    "image_parity.json": "images",
    "port_audit.json": "port",
}  # the command that writes each document


def attempt_fields(
    comparison: Path,
    snapshot: Path,
    environment: Path,
    c_run: Path | None,
    torch_run: Path | None,
    artifacts: dict[str, str],
    inputs: dict[str, str],
    extra_deviations: list[str],
    taken: Path | None = None,
) -> dict[str, Any]:
    """The record of one audit: subject, device, outcome and files.

    `taken` describes what was read from the user's structure factors.
    """
    verdict = read_document(comparison, "comparison", Comparison)
    config = read_document(snapshot, "configuration snapshot", Snapshot)
    env = read_document(environment, "environment record", Environment)
    return {
        "kind": "attempt",
        "scenario": config["scenario"]["name"],
        "pixel_slow_fast": config["pixel_slow_fast"],
        "device": config["device"],
        "dtype": config["dtype"],
        "backend": config.get("backend", "eager"),
        "made_by": read_document(torch_run, "record of the torch run", Run).get("made_by", {}) if torch_run else {},
        **_outcome(verdict),
        "commands": _commands(config, c_run, torch_run, verdict["status"], _COMMANDS[comparison.name]),
        "environment": recorded_environment(env),
        "environment_sha256": sha256_of_file(environment),
        "git_commit": env["git"]["before"]["commit"],
        "deviations": [*deviations(env, config["device"]), *extra_deviations],
        "structure_factors": read_document(taken, "record of structure factors", StructureFactors) if taken else None,
        "inputs": inputs,
        "artifacts": artifacts,
    }


def _outcome(verdict: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record that come from the comparison."""
    worst = verdict["worst"] or {}
    return {
        "status": verdict["status"],
        "summary": verdict["summary"],
        "root_causes": verdict["root_causes"],
        "attribution": verdict["attribution"],
        "metrics": {
            "worst_key": worst.get("key"),
            "worst_relative_difference": worst.get("relative_difference"),
            **verdict["counts"],
        },
        "tolerance_relative": verdict["tolerance_relative"],
        "tolerances_sha256": verdict["tolerances_sha256"],
    }


def recorded_environment(environment: dict[str, Any]) -> dict[str, Any]:
    """The environment without torch's long list of build options; its file has that too."""
    torch = {name: value for name, value in environment["torch"].items() if name != "build"}
    return {**environment, "torch": torch}


def _commands(
    config: dict[str, Any], c_run: Path | None, torch_run: Path | None, status: str, module: str
) -> list[dict[str, Any]]:
    commands = []
    for path, role in ((c_run, "reference"), (torch_run, "torch")):
        if path is not None:
            record = read_document(path, f"record of the {role} run", Run)
            command = {"arguments": [record["program"], *record["arguments"]], "exit_code": record["exit_code"]}
            confined = {"confined": record["confined"]} if record.get("confined") else {}
            commands.append(command | confined)
    if torch_run is None:
        commands.append({"arguments": ["nanobrag_torch", *config.get("arguments", [])], "exit_code": None})
    if status == SKIPPED:
        return commands
    commands.append({"arguments": [f"trace_audit.{module}"], "exit_code": 0 if status == "pass" else 1})
    return commands


def blocker_fields(comparison: Path, artifacts: dict[str, str], reasons: list[str]) -> dict[str, Any]:
    """The record of a gate that stopped the run."""
    verdict = read_document(comparison, "comparison", Comparison)
    config = read_document(comparison.parent / "config_snapshot.json", "configuration snapshot", Snapshot)
    return {
        "kind": "blocker",
        "scenario": config["scenario"]["name"],
        "pixel_slow_fast": config["pixel_slow_fast"],
        "device": config["device"],
        "dtype": config["dtype"],
        "backend": config.get("backend", "eager"),
        "status": "fail",
        "summary": verdict["summary"],
        "root_causes": verdict["root_causes"],
        "attribution": verdict["attribution"],
        "reasons": reasons,
        "artifacts": artifacts,
    }


def is_audit_trail(name: str) -> bool:
    """Whether a path below results belongs to the trail itself, which has its own checks."""
    path = Path(name)
    return path in (HISTORY, NOTES) or path.is_relative_to(LEDGER) or path.is_relative_to(RECEIPTS)


def seal_fields(results: Path) -> dict[str, Any]:
    """A record of every file below `results` except the trail itself; leftovers of killed writers are removed first."""
    remove_abandoned(results)
    files = {name: sha for name, sha in hash_chain.hashes_below([results], results).items() if not is_audit_trail(name)}
    receipts = [f"{RECEIPTS.as_posix()}/{name}" for name in below(results / RECEIPTS)[0] if name.endswith(".json")]
    return {
        "kind": "seal",
        "status": "sealed",
        "summary": f"{len(files)} files",
        "artifacts": files,
        "receipts": receipts,
    }
