"""`python -m trace_audit rerun N`: run the audit of record N again in a fresh folder, and say what is not the same.

Nothing is checked out: the programs are those of today, their inputs are the recorded ones, which must still have their
recorded hashes. Results with any fault are refused. Whatever the record says, files are only read below the folder
that holds results/ and only written in the fresh one; `rerun_limits` has the rules.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from trace_audit.core.documents import Comparison, read_document
from trace_audit.core.errors import InputError
from trace_audit.core.files import printable, read_json, readable_json, write_atomic
from trace_audit.core.shipped import CHECKOUT
from trace_audit.trail.rerun_limits import reference_for
from trace_audit.trail.rerun_pair import rerun_pair
from trace_audit.trail.rerun_record import SNAPSHOT, Recorded, read_record, record_of
from trace_audit.trail.rerun_script import script
from trace_audit.trail.verify import changed_inputs, verify

_SIDES = ("reference", "candidate")
_COMPARED = ("compare_scaling_traces.json", "compare_scaling_traces.md", "diff_summary.md")
# by kind: the environment; what must come out the same; what tells of time or machine
_ENVIRONMENT = {"attempt": "trace_py_env.json", "image": "py_image_env.json", "pair": "pair_env.json"}
_MADE = {
    "attempt": (
        *("c_trace_scaling.log", "c_trace_stdout.txt", "c_trace_stderr.txt", "c_trace_run.json"),
        *("trace_py_scaling.log", "trace_py_stdout.txt", "trace_py_stderr.txt", "trace_py_run.json", SNAPSHOT),
        *_COMPARED,
    ),
    "image": (
        *("c/floatimage.bin", "c/c_image_stderr.txt", "c/c_image_run.json"),
        *("floatimage.bin", "py_image_stderr.txt", "py_image_run.json"),
        *("image_parity.json", "image_parity.md", SNAPSHOT),
    ),
    "pair": (
        *("reference/run.json", "reference/image.bin", "candidate/run.json", "candidate/image.bin"),
        *("port_audit.json", "port_audit.md", "port_audit.junit.xml", SNAPSHOT),
    ),
}
_TIMED = {
    "attempt": (_ENVIRONMENT["attempt"], "capture_notes.md"),
    "image": (_ENVIRONMENT["image"], "c/c_image_stdout.txt", "py_image_stdout.txt"),
    "pair": (_ENVIRONMENT["pair"], *(f"{side}/std{name}.txt" for side in _SIDES for name in ("out", "err"))),
}
Jobs = list[tuple[str, list[str], tuple[int, ...]]]  # module, words, exit statuses of a job that did its work


def rerun(
    results: Path,
    number: int,
    out: Path | None,
    *,
    allowed_signers: Path | None = None,
    anchor: str | None = None,
    consent: bool = False,
) -> int:
    """Repeat the audit of record `number`. Exit status 0 if every artifact is the same, 1 if not.

    `consent`: a reference that came with the results may run. Raises InputError if the results do not verify, with
    `allowed_signers` and `anchor` as there, if the record is no attempt, or if only a program of unknown origin can
    repeat it and there is no consent.
    """
    _require_as_recorded(results, number, allowed_signers, anchor)
    recorded = read_record(results, number)
    environment = _ENVIRONMENT[recorded.kind]
    with _fresh_folder(out) as folder:
        repeat = rerun_pair if recorded.kind == "pair" else _run
        status = repeat(recorded, folder, consent)
        lines, same = _differences(recorded, folder)
        changes = _environment_lines(recorded.artifacts[environment], folder / environment)
    _show(f"Environment of record {number} and now", changes, "the same")
    _show("Sources and config changed since", changed_inputs(results), "none")
    _show("Artifacts", lines, "none")
    print(f"rerun: record {number} " + ("comes out the same" if same and not status else "does not come out the same"))
    return 0 if same and not status else 1


def write_script(
    results: Path, number: int, out: Path, *, allowed_signers: Path | None = None, anchor: str | None = None
) -> int:
    """Write a shell script that repeats the audit of record `number`, to be read and run by a person.

    Raises InputError as `rerun` does; nothing is run, so a reference that came with the results asks for no consent.
    """
    _require_as_recorded(results, number, allowed_signers, anchor)
    recorded = read_record(results, number)
    artifacts = {name: path.resolve() for name, path in recorded.artifacts.items()}
    recorded = replace(recorded, artifacts=artifacts)
    jobs = _trace_jobs if recorded.kind == "attempt" else _image_jobs
    compared = [name for name in _MADE[recorded.kind] if name in artifacts and not recorded.dropped]
    record = record_of(results, number)

    def steps(folder: Path, where: list[str]) -> Jobs:
        return jobs(replace(recorded, binary=folder / "reference/nanobragg"), folder, where)

    write_atomic(out, script(recorded, record, out.name, steps, compared))
    out.chmod(0o755)
    print(out)
    return 0


def _require_as_recorded(results: Path, number: int, allowed_signers: Path | None, anchor: str | None) -> None:
    faults = verify(results, allowed_signers=allowed_signers, anchor=anchor)
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise InputError(f"rerun {number}: {results} is not as recorded: {faults[0]}{more}; nothing was run")


def _show(title: str, lines: list[str], nothing: str) -> None:
    print(f"{title}:")
    for line in lines or [nothing]:
        print(f"  {printable(line)}")


@contextlib.contextmanager
def _fresh_folder(out: Path | None) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory(prefix="rerun-") as folder:
            yield Path(folder).resolve()
        return
    try:
        out.mkdir(parents=True)
    except FileExistsError as error:
        raise InputError(f"--out {out}: is there already; name a folder that is not") from error
    yield out.resolve()


def _run(recorded: Recorded, folder: Path, consent: bool) -> int:
    """The programs of an audit, one after the other; 0 if all of them ran."""
    own = folder / "reference"
    assert recorded.binary is not None, "a record of traces or images names its reference"
    program, origin = reference_for(recorded.binary, recorded.c_run["binary_sha256"], recorded.build, own, consent)
    print(f"Reference: {printable(origin)}")
    if recorded.dropped:
        print(f"Left out, as they write files: {printable(' '.join(recorded.dropped))}")
    recorded = replace(recorded, binary=program)
    scenarios = folder / "scenario"
    content = readable_json(recorded.scenario.model_dump(mode="json"))
    write_atomic(scenarios / f"{recorded.scenario.name}.yaml", content)
    where = ["--config", recorded.scenario.name, "--scenario-dir", str(scenarios)]
    where += ["--hkl", str(recorded.hkl)] if recorded.hkl else []
    jobs = _trace_jobs if recorded.kind == "attempt" else _image_jobs
    path = os.pathsep.join(filter(None, [str(CHECKOUT / "src"), os.environ.get("PYTHONPATH")]))
    for module, arguments, allowed in jobs(recorded, folder, where):
        done = subprocess.run(  # away from the results: nothing beside them is imported, no git config of theirs read
            [sys.executable, "-P", "-m", f"trace_audit.{module}", *arguments],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
        if done.returncode not in allowed:
            print(f"rerun: trace_audit.{module} ended with exit status {done.returncode}")
            return done.returncode
    return 0


def _trace_jobs(recorded: Recorded, folder: Path, where: list[str]) -> Jobs:
    """Both traces and their comparison."""
    common = [*where, "--pixel", *(str(int(value)) for value in recorded.snapshot["pixel_slow_fast"])]
    device, dtype = recorded.snapshot["device"], recorded.snapshot["dtype"]
    c_log, torch_log = folder / "c_trace_scaling.log", folder / "trace_py_scaling.log"
    reference = ["--binary", str(recorded.binary), "--out", str(c_log), *common]
    reference += [] if recorded.c_run["arguments"][-8:-7] == ["-roi"] else ["--whole-image"]
    harness = ["--out", str(torch_log), "--device", device, "--dtype", dtype, *common]
    harness += ["--backend", recorded.snapshot.get("backend", "eager")]
    compare = ["--c-log", str(c_log), "--py-log", str(torch_log), "--dtype", dtype, *common]
    verdict = read_document(recorded.artifacts["compare_scaling_traces.json"], "comparison", Comparison)
    sides = verdict.get("sides", {"reference": "C", "candidate": "torch"})
    compare += ["--names", str(sides["reference"]), str(sides["candidate"])]
    for option, name in zip(("--out", "--md", "--summary"), _COMPARED, strict=True):
        compare += [option, str(folder / name)]
    return [("reference", reference, (0,)), ("harness", harness, (0,)), ("compare", compare, (0, 1))]


def _image_jobs(recorded: Recorded, folder: Path, where: list[str]) -> Jobs:
    """Both images and their comparison, with the traces of the worst pixels."""
    binary = ["--binary", str(recorded.binary)]
    on = ["--device", recorded.snapshot["device"], "--dtype", recorded.snapshot["dtype"]]
    c_image, py_image = folder / "c/floatimage.bin", folder / "floatimage.bin"
    compare = ["--c-image", str(c_image), "--py-image", str(py_image), *binary, *where, *on]
    compare += [] if recorded.ours else ["--whole-image"]
    by = ["--backend", recorded.snapshot.get("backend", "eager")]
    compare += [*by, "--out", str(folder / "image_parity.json"), "--md", str(folder / "image_parity.md")]
    return [
        ("programs.image_run", ["--program", "c", *binary, *where, "--out", str(c_image)], (0,)),
        ("programs.image_run", ["--program", "torch", *where, *on, *by, "--out", str(py_image)], (0,)),
        ("images.image_audit", compare, (0, 1)),
    ]


def _differences(recorded: Recorded, folder: Path) -> tuple[list[str], bool]:
    """One line an artifact, and whether all that carry no time are the same byte by byte."""
    lines, all_same = [], True
    for name in _MADE[recorded.kind]:
        if name not in recorded.artifacts:
            continue
        made = folder / name
        same = made.is_file() and _same(made, recorded.artifacts[name], recorded.dropped)
        outcome = "same bytes" if same else "differs" if made.is_file() else "was not made"
        if not same and made.is_file() and name.endswith("scaling.log"):
            outcome += ", " + _numbers(recorded.artifacts[name], made)
        all_same = all_same and same
        lines.append(f"{name}: {outcome}")
    lines += [
        f"{name}: not compared, it tells of time and machine"
        for name in _TIMED[recorded.kind]
        if name in recorded.artifacts
    ]
    return lines, all_same


def _same(made: Path, before: Path, dropped: list[str]) -> bool:
    """Whether two files have the same bytes, but for words of flags left out and how a program was confined."""
    if made.read_bytes() == before.read_bytes():
        return True
    if made.suffix != ".json":
        return False
    now, then = read_json(made, "result"), read_json(before, "recorded result")
    for content in (side for side in (now, then) if isinstance(side, dict)):
        content.pop("confined", None)
        for holder, key in ((content, "arguments"), (content.get("scenario"), "extra_flags")):
            if isinstance(holder, dict) and isinstance(holder.get(key), list):
                holder[key] = [argument for argument in holder[key] if argument not in dropped]
    return bool(now == then)


def _numbers(before: Path, now: Path) -> str:
    """How far two logs of one program are apart, at the audit's tolerance."""
    from trace_audit.compare.comparison import compare
    from trace_audit.core.files import read_text
    from trace_audit.trace.parse import parse_trace

    texts = [read_text(path, "trace").splitlines() for path in (before, now)]
    comparison = compare(parse_trace(texts[0]), parse_trace(texts[1]))
    worst = comparison.worst
    far = f"worst relative difference {worst.relative_difference:.1e} in {worst.key.name}" if worst else "no common key"
    return ("numbers agree at the tolerance, " if comparison.passed else "numbers do not agree, ") + far


def environment_differences(before: Any, now: Any, path: str = "") -> list[str]:
    """Leaves of two environment records that are not equal, `path: before -> now`."""
    if isinstance(before, dict) or isinstance(now, dict):
        before, now = (side if isinstance(side, dict) else {} for side in (before, now))
        lines = []
        for name in sorted({*before, *now}):
            lines += environment_differences(before.get(name), now.get(name), f"{path}.{name}" if path else name)
        return lines
    return [] if before == now else [f"{path}: {_short(before)} -> {_short(now)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _environment_lines(before: Path, now: Path) -> list[str]:
    if not now.is_file():
        return ["the torch program did not get to say"]
    return environment_differences(read_json(before, "environment record"), read_json(now, "environment record"))
