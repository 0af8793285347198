"""The audit of two sides run again from its record.

Our own programs are run as they are today; a command, a binary or a source of somebody else's runs only after a yes.
"""

import contextlib
import shlex
from pathlib import Path
from typing import Any

from trace_audit.config.side import Side, labels
from trace_audit.core.documents import Run, read_document
from trace_audit.core.errors import InputError
from trace_audit.core.files import copy_checked, printable, readable_json, write_atomic
from trace_audit.core.shipped import CHECKOUT
from trace_audit.port.job import compare_sides
from trace_audit.port.side_job import RUN, run_side
from trace_audit.programs import build
from trace_audit.trail.rerun_limits import CONSENT, OUR_SOURCE
from trace_audit.trail.rerun_record import Recorded, stated_sides


def rerun_pair(recorded: Recorded, folder: Path, consent: bool) -> int:
    """Run both sides and compare them in `folder`; 0. Raises InputError for a program of a stranger without consent."""
    reference, candidate = stated_sides(recorded.snapshot, recorded.number)
    sides: dict[str, Side] = {"reference": reference, "candidate": candidate}
    _require_consent(recorded, sides, consent)
    if recorded.dropped:
        print(f"Left out, as they write files: {printable(' '.join(recorded.dropped))}")
    scenarios = folder / "scenario"
    content = readable_json(recorded.scenario.model_dump(mode="json"))
    write_atomic(scenarios / f"{recorded.scenario.name}.yaml", content)
    programs = {role: _program(recorded, role, side, folder / "programs" / role) for role, side in sides.items()}
    names = dict(zip(sides, labels(sides["reference"], sides["candidate"]), strict=True))
    slow, fast = (int(value) for value in recorded.snapshot["pixel_slow_fast"])
    about: dict[str, Any] = {
        "scenario": recorded.scenario.name,
        "scenario_dir": scenarios,
        "hkl": recorded.hkl,
        "pixel": (slow, fast),
        "paths": recorded.given,
    }
    image = all(side.makes_image for side in sides.values())
    with contextlib.chdir(CHECKOUT):  # away from the results
        for role, side in sides.items():
            program, target = programs[role], folder / role
            run_side(side=side, name=names[role], binary=program, image=image, folder=target, **about)
        folders = {role: folder / role for role in sides}
        compare_sides(sides=sides, folders=folders, budget_s=candidate.budget_s, folder=folder, **about)
    return 0


def _require_consent(recorded: Recorded, sides: dict[str, Side], consent: bool) -> None:
    for role, side in sides.items():
        is_ours = (bool(side.program) or bool(side.log)) and not side.environment and side.compiler in ("gcc", "clang")
        if is_ours or consent:
            continue
        run = read_document(recorded.artifacts[f"{role}/{RUN}"], "record of a run", Run)
        line = shlex.join([run["program"], *run["arguments"]])
        raise InputError(
            f"rerun {recorded.number}: the {role} is a program of its own ({printable(line)[:300]}); nothing was run; "
            f"give {CONSENT} if you trust who made it"
        )


def _program(recorded: Recorded, role: str, side: Side, folder: Path) -> Path | None:
    """The program to run: built from our sources, or a copy of the recorded one; None for a side without one."""
    if side.program == "c":
        build.make(OUR_SOURCE, side.compiler, 2, folder / "nanobragg", folder / "build.json")
        return folder / "nanobragg"
    known = recorded.programs.get(role)
    if known is None:
        return None
    sha = read_document(recorded.artifacts[f"{role}/{RUN}"], "record of a run", Run)["binary_sha256"]
    copy_checked(known, sha, folder / known.name, 0o555)
    return folder / known.name
