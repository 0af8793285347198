"""The audit of the config's candidate on one pixel, with all that it printed and how it was run kept beside it."""

import tempfile
from pathlib import Path
from typing import Any

from nanobrag_torch.io.reading import read_bytes
from trace_audit.config.candidate import Candidate
from trace_audit.config.scenario import arguments, load_scenario, scenario_path
from trace_audit.core.errors import InputError
from trace_audit.core.files import readable_json, sha256_of_file, write_atomic
from trace_audit.inputs.prepare import prepare_inputs
from trace_audit.port import program
from trace_audit.port.__main__ import write
from trace_audit.port.audit import PortCase, audit_port
from trace_audit.port.our_program import OurProgram, Refused
from trace_audit.port.two_images import read_port_image
from trace_audit.programs.reference import named_words
from trace_audit.trace.foreign_log import read_foreign_log
from trace_audit.trace.key_names import read_key_names
from trace_audit.trace.parse import read_trace


def audit_candidate(
    *,
    settings: dict[str, Any],
    scenario: str,
    scenario_dir: Path,
    hkl: Path | None,
    pixel: tuple[int, int],
    reference_log: Path,
    folder: Path,
) -> None:
    """Write port_audit.{json,md,junit.xml} and the candidate's output into `folder`.

    Raises InputError for a candidate that does not run to its end; its output is kept then too.
    """
    candidate = Candidate.model_validate(settings)
    stated = load_scenario(scenario, scenario_dir)
    scenario_folder = scenario_path(scenario, scenario_dir).parent
    with tempfile.TemporaryDirectory(prefix="port-") as away:
        files = prepare_inputs(stated, Path(away) / "inputs", hkl=hkl, scenario_folder=scenario_folder)
        words = arguments(stated, files)
        log, image, record = _obtain(candidate, words, pixel, Path(away), folder)
        record |= {
            "scenario": stated.name,
            "pixel_slow_fast": list(pixel),
            "flags": named_words(words, files),
            "input_sha256": files.hashes(),
        }
        record["words"] = [word.replace(away, "AWAY") for word in record["words"]]
        write_atomic(folder / "candidate_run.json", readable_json(record))
        if record["failure"]:
            raise InputError(f"{candidate.name} {record['failure']}; see {folder / 'candidate_stderr.txt'}")
        names = read_key_names(Path(candidate.keys) if candidate.keys else None)
        ours = OurProgram(tuple(words), pixel)
        try:
            photons = None if image is None else read_port_image(image, ours.shape, ours.base.detector.roi)
            case = PortCase(candidate.name, read_foreign_log(log, names), photons)
            audit = audit_port(case, ours, budget_s=candidate.budget_s, reference=read_trace(reference_log))
        except Refused as error:
            raise InputError(f"scenario {stated.name} is refused: {error}") from error
    write(audit, folder)


def _obtain(
    candidate: Candidate, words: list[str], pixel: tuple[int, int], away: Path, folder: Path
) -> tuple[Path, Path | None, dict[str, Any]]:
    """The candidate's log and image, and the record of how they came to be."""
    record: dict[str, Any]
    stdout, stderr = folder / "candidate_stdout.txt", folder / "candidate_stderr.txt"
    folder.mkdir(parents=True, exist_ok=True)
    if candidate.log:
        write_atomic(stdout, read_bytes(candidate.log))
        write_atomic(stderr, "")
        image = Path(candidate.image) if candidate.image else None
        record = {"name": candidate.name, "words": [], "exit_code": None, "failure": None, "log": candidate.log}
    else:
        command = program.Command(
            tuple(candidate.command),
            candidate.environment,
            candidate.time_limit_s,
            candidate.memory_limit_GB,
            candidate.output_limit_MB,
        )
        outcome = program.run(command, words, pixel, away / "candidate")
        write_atomic(stdout, read_bytes(outcome.stdout))
        write_atomic(stderr, read_bytes(outcome.stderr))
        image = outcome.image
        record = {
            "name": candidate.name,
            "words": list(outcome.words),
            "exit_code": outcome.exit_code,
            "failure": outcome.failure,
            "confined": outcome.confined,
        }
    record["image_sha256"] = None if image is None else sha256_of_file(image)
    return stdout, image, record
