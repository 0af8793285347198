"""`python -m trace_audit.port`: audit a program against another one, from their traces and images.

Exit status 0 pass, 1 fail, 2 bad input. The experiment is a scenario (--config) or a command line (--flags). A side is
stated as in the config file: --candidate "{binary: /path/nanoBragg}", --reference "{program: torch, dtype: float32}",
"{command: [my_port, '{flags}', -o, '{image}']}", "{log: my.log, image: my.npz}". The default reference is our program.
With --registry both are programs of another simulator, whose keys that file lists.
The verdict is port_audit.json, with a summary for people (port_audit.md) and one for a CI (port_audit.junit.xml).
"""

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from trace_audit.config.scenario import add_scenario_options
from trace_audit.config.side import Candidate, Reference, Side, labels, mapping_of, stated_side
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import printable
from trace_audit.inputs.prepare import prepared_experiment
from trace_audit.port import other_program
from trace_audit.port.audit import audit_port
from trace_audit.port.document import DOCUMENT, not_compared, write
from trace_audit.port.findings import PortAudit, PortCase
from trace_audit.port.our_program import OurProgram, Refused
from trace_audit.port.pair import audit_pair
from trace_audit.port.report import lines_for_terminal
from trace_audit.port.side import SideRun, obtain
from trace_audit.port.two_images import read_port_image
from trace_audit.programs import build
from trace_audit.trace.foreign_log import read_foreign_log
from trace_audit.trace.key_names import read_key_names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.port", description=__doc__, allow_abbrev=False)
    add_scenario_options(parser, required=False)
    parser.add_argument("--flags", metavar="'-cell ...'", help="the experiment as one nanoBragg command line")
    parser.add_argument(
        "--pixel", type=int, nargs=2, metavar=("SLOW", "FAST"), help="the traced pixel (scenario's first)"
    )
    parser.add_argument("--candidate", metavar="'{...}'", help="the side under examination, as in the config file")
    parser.add_argument("--reference", metavar="'{...}'", help="the side that is trusted, likewise (our program)")
    parser.add_argument("--name", metavar="NAME", help="what the candidate is called in the report")
    parser.add_argument("--log", type=Path, metavar="FILE", help="candidate: what it printed")
    parser.add_argument("--image", type=Path, metavar="FILE", help="candidate: its image: .npz, .npy or raw float32")
    parser.add_argument(
        "--command", metavar="'WORDS'", help="candidate: run this; {flags} {slow} {fast} {image} are filled in"
    )
    parser.add_argument("--time-limit-s", type=float, metavar="SECONDS", help="candidate: of its run (300)")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="candidate: key file, its names of our keys")
    parser.add_argument("--registry", type=Path, metavar="FILE", help="keys of a simulator that is no nanoBragg")
    parser.add_argument("--budget-s", type=float, default=60.0, metavar="SECONDS", help="time to look for causes")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    return parser


def main(argv: list[str]) -> int:
    """Audit one candidate on one pixel."""
    options = _parser().parse_args(argv)
    candidate, reference = _sides(options)
    if options.registry is not None:
        return other_program.main(options, candidate, reference)
    names = labels(reference, candidate) if reference else ("reference", candidate.label("candidate"))
    with tempfile.TemporaryDirectory(prefix="port-") as away:
        arguments, pixel = _experiment(options, Path(away))
        ours = OurProgram(tuple(arguments), pixel)
        try:
            _check_pixel(ours)
            image = candidate.makes_image and (reference is None or reference.makes_image)
            runs = {"candidate": _run(candidate, names[1], ours, Path(away) / "candidate", image=image)}
            if reference is not None:
                runs["reference"] = _run(reference, names[0], ours, Path(away) / "reference", image=image)
            failed = [f"{run.record.name} {run.failure}" for run in runs.values() if run.failure]
            if failed:
                not_compared(*names, failed, options.out)
                raise InputError("; ".join(failed))
            case = _case(candidate, runs["candidate"], ours)
            if reference is None:
                audit = audit_port(case, ours, budget_s=options.budget_s, say=_say)
            else:
                trusted = _case(reference, runs["reference"], ours)
                audit = audit_pair(trusted, case, ours, budget_s=options.budget_s, say=_say)
        except Refused as error:
            raise InputError(f"the experiment is refused: {error}") from error
        finally:
            _say("")
    return _finish(audit, options.out)


def _finish(audit: PortAudit, out: Path) -> int:
    write(audit, out)
    for line in lines_for_terminal(audit):
        print(printable(line))
    print((out / DOCUMENT).with_suffix(".md"))
    return 0 if audit.passed else 1


def _sides(options: argparse.Namespace) -> tuple[Candidate, Reference | None]:
    """Both sides as stated. Raises InputError for a candidate that is stated twice or not at all."""
    if options.registry is None and (options.config is None) == (options.flags is None):
        raise InputError("give the experiment once: --config SCENARIO or --flags '-cell ...'")
    ways = [flag for flag in ("candidate", "log", "command") if getattr(options, flag) is not None]
    if len(ways) != 1:
        raise InputError(
            "give the candidate once: --candidate '{...}', --log FILE (and --image FILE) or --command 'WORDS'"
        )
    stated = mapping_of(options.candidate, "--candidate") if options.candidate is not None else {}
    if options.log is not None:
        stated = {"log": str(options.log), "image": "" if options.image is None else str(options.image)}
    elif options.image is not None:
        raise InputError("--image goes with --log; a command gets the name of the file in place of {image}")
    if options.command is not None:
        stated = {"command": shlex.split(options.command)}
    more = {"name": options.name, "keys": options.keys, "time_limit_s": options.time_limit_s}
    stated |= {k: str(v) for k, v in more.items() if v is not None}
    reference = options.reference
    trusted = None if reference is None else mapping_of(reference, "--reference")
    return (
        stated_side(Candidate, stated, "--candidate"),
        None if trusted is None else stated_side(Reference, trusted, "--reference"),
    )


def _run(side: Side, name: str, ours: OurProgram, folder: Path, *, image: bool) -> SideRun:
    """Build the side if need be, and run it."""
    binary = Path(side.binary) if side.binary else None
    if side.is_built:
        source = Path(side.source) if side.source else Path(build.__file__).resolve().parents[2] / "nanobragg_c"
        binary = folder.with_name(f"{folder.name}_program")
        build.make(source, side.compiler, 2, binary, binary.with_suffix(".json"))
    _say(f"running {name}")
    return obtain(side, name, ours.words, ours.pixel, folder, binary, image=image)


def _case(side: Side, run: SideRun, ours: OurProgram) -> PortCase:
    """The trace and image of one side."""
    name = run.record.name
    keys = read_key_names(Path(side.keys) if side.keys else None)
    log = read_foreign_log(run.stdout, keys, name=name, may_be_silent=run.image is not None, recorded=bool(side.log))
    roi = ours.base.detector.roi
    return PortCase(name, log, None if run.image is None else read_port_image(run.image, ours.shape, roi, name=name))


def _experiment(options: argparse.Namespace, away: Path) -> tuple[list[str], tuple[int, int]]:
    """The experiment's command line, input files by their full paths, and the traced pixel."""
    pixel = None if options.pixel is None else (options.pixel[0], options.pixel[1])
    if options.flags is not None:
        if pixel is None:
            raise InputError("--pixel SLOW FAST is missing: a command line (--flags) does not name the pixel to trace")
        return shlex.split(options.flags), pixel
    _, pixel, words = prepared_experiment(options, away)
    return words, pixel


def _check_pixel(ours: OurProgram) -> None:
    """Raises InputError for a traced pixel off the detector."""
    if not all(0 <= at < count for at, count in zip(ours.pixel, ours.shape, strict=True)):
        slow, fast = (count - 1 for count in ours.shape)
        raise InputError(
            f"--pixel {ours.pixel[0]} {ours.pixel[1]} is off the detector: slow 0 to {slow}, fast 0 to {fast}"
        )


def _say(text: str) -> None:
    """Progress on one line of a terminal; silent elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(run_command(main))
