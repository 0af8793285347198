"""`python -m trace_audit rerun N --script FILE`: a shell script that repeats a recorded audit, step by step.

It is written from the same steps as `rerun` runs. Whoever reads it sees every command; run in a checkout with a set up
`.venv`, it checks the recorded inputs, builds the reference, makes both sides and their comparison in a fresh folder,
and says of each artifact whether it has the recorded bytes.
"""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trace_audit.core.files import printable, readable_json, sha256_of_file
from trace_audit.trail.rerun_limits import recorded_compiler
from trace_audit.trail.rerun_record import Recorded

OUT = Path("/@OUT@")  # stands for the folder that the script makes, as long as words are not quoted yet
_HEAD = """#!/usr/bin/env bash
# Repeats record {number} of the ledger: {title}.
# Recorded {time} at commit {commit}.
#
#   bash {name} [FOLDER]      in a checkout with .venv (make setup); FOLDER is made: rerun-{number} where none is named
set -euo pipefail
python=${{PYTHON:-.venv/bin/python}}
out=${{1:-rerun-{number}}}
mkdir "$out"
out=$(cd "$out" && pwd)
export PYTHONPATH=$PWD/src
recorded() {{ # FILE SHA256
  "$python" -c 'import hashlib, pathlib, sys
sys.exit(hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest() != sys.argv[2])' "$1" "$2" || {{
    echo "error: $1: not as recorded" >&2; exit 2; }}
}}
"""
Steps = Callable[[Path, list[str]], list[tuple[str, list[str], tuple[int, ...]]]]


def script(recorded: Recorded, record: dict[str, Any], name: str, steps: Steps, compared: list[str]) -> str:
    """The text of the script, to be called `name`; `compared`: the files that must have the recorded bytes."""
    scenario = readable_json(recorded.scenario.model_dump(mode="json")).rstrip("\n")
    where = ["--config", recorded.scenario.name, "--scenario-dir", str(OUT / "scenario")]
    where += ["--hkl", str(recorded.hkl)] if recorded.hkl else []
    lines = [_heading(recorded, record, name)]
    inputs = [path for path in (recorded.hkl, None if recorded.ours else recorded.binary) if path]
    lines += [f"recorded {shlex.quote(str(path))} {sha256_of_file(path)}" for path in inputs]
    target = shlex.quote(f"{recorded.scenario.name}.yaml")
    lines += ['mkdir "$out/scenario" "$out/reference"', f"cat > \"$out/scenario\"/{target} <<'SCENARIO'"]
    lines += [scenario, "SCENARIO", "", *_reference(recorded), ""]
    for module, arguments, allowed in steps(OUT, where):
        line = " ".join(['"$python" -P -m', f"trace_audit.{module}", *map(_shell_word, arguments)])
        lines.append(line if allowed == (0,) else f"{line} || [ $? -eq 1 ]   # 1: the verdict is fail")
    lines += ["", "# What came out, beside what was recorded.", "status=0"]
    for made in compared:
        before = shlex.quote(str(recorded.artifacts[made]))
        lines.append(f"cmp {before} {_shell_word(OUT / made)} && echo {shlex.quote(made + ': same bytes')} || status=1")
    return "\n".join([*lines, 'exit "$status"']) + "\n"


def _heading(recorded: Recorded, record: dict[str, Any], name: str) -> str:
    pixel = recorded.snapshot.get("pixel_slow_fast")
    title = f"{recorded.scenario.name}, " + (f"pixel {pixel}" if pixel else "whole images")
    return _HEAD.format(
        number=recorded.number,
        title=printable(f"{title}, {recorded.snapshot['device']}, {recorded.snapshot['dtype']}"),
        time=printable(str(record.get("time_utc"))),
        commit=printable(str(record.get("git_commit") or "unknown")),
        name=shlex.quote(name),
    )


def _reference(recorded: Recorded) -> list[str]:
    """The commands that put the reference where the steps expect it."""
    target = _shell_word(OUT / "reference/nanobragg")
    if recorded.ours:
        arguments = ["make", "--source", "src/nanobragg_c", "--compiler", recorded_compiler(recorded.build)]
        made = f'"$python" -P -m trace_audit.programs.build {shlex.join(arguments)}'
        built = f"{made} --binary {target} --record {_shell_word(OUT / 'reference/build.json')}"
        return ["# The reference is built from this checkout.", built]
    return [
        "# This reference came with the results, and runs with your rights.",
        ': "${RUN_RECORDED_PROGRAM:?read this script; say RUN_RECORDED_PROGRAM=yes if you trust who made the program}"',
        f"cp {shlex.quote(str(recorded.binary))} {target}; chmod 555 {target}",
    ]


def _shell_word(word: object) -> str:
    """A word as bash reads it, with the folder that the script makes."""
    text = str(word)
    if text == str(OUT) or text.startswith(f"{OUT}/"):
        rest = text.removeprefix(str(OUT))
        return '"$out"' + (shlex.quote(rest) if rest else "")
    return shlex.quote(text)
