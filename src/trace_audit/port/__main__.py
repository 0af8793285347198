"""`python -m trace_audit.port`: audit a port of nanoBragg from what it prints and the image it makes.

Exit status 0 pass, 1 fail, 2 bad input. The experiment is a scenario (--config) or a command line (--flags); the port
is a log and an image that it made (--log, --image), or a command that is run (--command). Beside the verdict
(port_audit.json) stand a summary for people (port_audit.md) and one for a CI (port_audit.junit.xml).
"""

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from trace_audit.config.scenario import (
    add_scenario_options,
    arguments,
    check_pixel,
    load_scenario,
    scenario_path,
)
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import printable, readable_json, write_atomic
from trace_audit.inputs.prepare import prepare_inputs
from trace_audit.port import program
from trace_audit.port.audit import PortAudit, PortCase, audit_port
from trace_audit.port.our_program import OurProgram, Refused
from trace_audit.port.report import as_json, as_junit, as_markdown, lines_for_terminal
from trace_audit.port.two_images import read_port_image
from trace_audit.trace.foreign_log import read_foreign_log
from trace_audit.trace.key_names import read_key_names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.port", description=__doc__, allow_abbrev=False)
    add_scenario_options(parser, required=False)
    parser.add_argument("--flags", metavar="'-cell ...'", help="the experiment as one nanoBragg command line")
    parser.add_argument("--pixel", type=int, nargs=2, required=True, metavar=("SLOW", "FAST"), help="the traced pixel")
    parser.add_argument("--name", default="candidate", help="what the port is called in the report")
    parser.add_argument("--log", type=Path, metavar="FILE", help="what the port printed")
    parser.add_argument("--image", type=Path, metavar="FILE", help="its float image: .npz, .npy or raw float32")
    parser.add_argument(
        "--command", metavar="'WORDS'", help="run this instead; {flags} {slow} {fast} {image} are filled in"
    )
    parser.add_argument("--time-limit-s", type=float, default=300.0, metavar="SECONDS", help="of the command")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="key file: the port's names of our keys")
    parser.add_argument("--budget-s", type=float, default=60.0, metavar="SECONDS", help="time to look for causes")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    return parser


def main(argv: list[str]) -> int:
    """Audit one port on one pixel."""
    options = _parser().parse_args(argv)
    _check(options)
    names = read_key_names(options.keys)
    pixel = (options.pixel[0], options.pixel[1])
    with tempfile.TemporaryDirectory(prefix="port-") as away:
        words = _words(options, Path(away))
        ours = OurProgram(tuple(words), pixel)
        log_path, image_path = options.log, options.image
        if options.command is not None:
            command = program.Command(tuple(shlex.split(options.command)), time_limit_s=options.time_limit_s)
            outcome = program.run(command, words, pixel, Path(away) / "candidate")
            if outcome.failure:
                raise InputError(f"{options.name} {outcome.failure}")
            log_path, image_path = outcome.stdout, outcome.image
        log = read_foreign_log(log_path, names)
        try:
            roi = ours.base.detector.roi
            image = None if image_path is None else read_port_image(image_path, ours.shape, roi)
            audit = audit_port(PortCase(options.name, log, image), ours, budget_s=options.budget_s, say=_say)
        except Refused as error:
            raise InputError(f"the experiment is refused: {error}") from error
        finally:
            _say("")
    write(audit, options.out)
    for line in lines_for_terminal(audit):
        print(printable(line))
    print(options.out / "port_audit.md")
    return 0 if audit.passed else 1


def write(audit: PortAudit, folder: Path) -> None:
    """The verdict for machines, for people and for a CI."""
    write_atomic(folder / "port_audit.json", readable_json(as_json(audit)))
    write_atomic(folder / "port_audit.md", as_markdown(audit))
    write_atomic(folder / "port_audit.junit.xml", as_junit(audit))


def _check(options: argparse.Namespace) -> None:
    if (options.config is None) == (options.flags is None):
        raise InputError("give the experiment once: --config SCENARIO or --flags '-cell ...'")
    if (options.log is None) == (options.command is None):
        raise InputError("give the port once: --log FILE (and --image FILE) or --command 'WORDS'")
    if options.command is not None and options.image is not None:
        raise InputError("--image goes with --log; a command is told where to write its image by {image}")


def _words(options: argparse.Namespace, away: Path) -> list[str]:
    """The experiment's command line, input files by their full paths."""
    if options.flags is not None:
        return shlex.split(options.flags)
    scenario = load_scenario(options.config, options.scenario_dir)
    check_pixel(scenario, *options.pixel)
    folder = scenario_path(options.config, options.scenario_dir).parent
    return arguments(scenario, prepare_inputs(scenario, away, hkl=options.hkl, scenario_folder=folder))


def _say(text: str) -> None:
    """Progress on one line of a terminal; nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(run_command(main))
