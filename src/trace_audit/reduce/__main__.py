"""`python -m trace_audit.reduce`: reduce an experiment on which two programs differ to the smallest such experiment.

Exit status: 0 nothing more can be removed, 1 stopped at a limit, 2 bad input. The same command continues a stopped or
killed run from its record.

A program is `torch` with its own flags ("torch -dtype float32"), or a command line with {flags} {slow} {fast} {image},
or a side as in the config file ("{binary: /path/nanoBragg}"); a command without {flags} counts as an instrumented
nanoBragg.
"""

import argparse
import contextlib
import shlex
import sys
import tempfile
import time
from pathlib import Path

from trace_audit.config.scenario import add_scenario_options, require_one_experiment
from trace_audit.config.settings import parse_settings
from trace_audit.config.side import Side as ConfigSide
from trace_audit.config.side import mapping_of, stated_side
from trace_audit.core.commands import command_parser
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import copy_atomic, printable, read_yaml, readable_json, sha256_of_file, write_atomic
from trace_audit.inputs.prepare import prepared_experiment
from trace_audit.reduce import passes, physics_passes
from trace_audit.reduce.experiment import Experiment, Language, NanoBraggLanguage, PlainLanguage
from trace_audit.reduce.judge import Judge, NanoBraggJudge, PlainJudge
from trace_audit.reduce.report import Reduction, as_json, as_markdown, lines_for_terminal
from trace_audit.reduce.sides import Side, config_side, side
from trace_audit.reduce.trials import LimitReached, Record, Trials
from trace_audit.trace.key_names import read_key_names
from trace_audit.trace.simulator import read_simulator

CONFIG = Path("config/config.yaml")
GENERAL = (passes.drop_flags, passes.drop_values, passes.lower_counts, passes.shorten_numbers)
OF_A_NANOBRAGG = (
    physics_passes.pixel_alone,
    physics_passes.detector_to_the_pixel,
    physics_passes.reflections_to_the_one,
    physics_passes.matrix_to_a_cell,
)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m trace_audit.reduce", __doc__)
    add_scenario_options(parser, required=False)
    parser.add_argument("--flags", metavar="'-cell ...'", help="the experiment as one command line")
    parser.add_argument("--pixel", type=int, nargs=2, default=(0, 0), metavar=("SLOW", "FAST"), help="the traced pixel")
    parser.add_argument("--reference", metavar="'WORDS'", help="the trusted program (default: the config's)")
    parser.add_argument("--candidate", metavar="'WORDS'", help="the program that differs (default: the config's)")
    parser.add_argument("--key", metavar="KEY", help="key that has to differ (default: the first that differs)")
    parser.add_argument("--keys", type=Path, metavar="FILE", help="key file: the candidate's names of our keys")
    parser.add_argument("--registry", type=Path, metavar="FILE", help="keys of a simulator that is no nanoBragg")
    parser.add_argument("--time-limit-s", type=float, default=60.0, metavar="SECONDS", help="of one run of a program")
    parser.add_argument("--budget-s", type=float, default=600.0, metavar="SECONDS", help="of this call")
    parser.add_argument("--trials", type=int, default=2000, metavar="N", help="most trials of this call")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="record, input files, reduce.md, .json")
    return parser


def main(argv: list[str]) -> int:
    """Reduce one experiment."""
    options = _parser().parse_args(argv)
    require_one_experiment(options)
    plain = options.registry is not None
    language: Language = PlainLanguage() if plain else NanoBraggLanguage()
    folder = options.out.absolute()
    programs = [_program(options, role, folder) for role in ("reference", "candidate")]
    judge: Judge = NanoBraggJudge(read_key_names(options.keys))
    if plain:
        judge = PlainJudge(read_simulator(options.registry))
    experiment = Experiment(tuple(_flags(options, language, folder)), (options.pixel[0], options.pixel[1]))
    search = _search(options, language, judge, (programs[0], programs[1]), experiment, folder)
    complete = False
    with contextlib.suppress(LimitReached, KeyboardInterrupt):
        reduce(search, is_nanobragg=not plain)
        complete = True
    search.trials.say("")
    reduction = Reduction(search, experiment, complete)
    _clean(folder, search.best)
    write_atomic(folder / "reduce.json", readable_json(as_json(reduction)))
    write_atomic(folder / "reduce.md", as_markdown(reduction))
    for line in lines_for_terminal(reduction):
        print(printable(line))
    return 0 if complete else 1


def _program(options: argparse.Namespace, role: str, folder: Path) -> Side:
    """A program as a command line, or as the config file states a side; without one, the config's."""
    text, plain = getattr(options, role), options.registry is not None
    if text is not None and not text.lstrip().startswith("{"):
        return side(role, text, time_limit_s=options.time_limit_s, known_flags=not plain)
    if text is not None:
        stated = stated_side(ConfigSide, mapping_of(text, f"--{role}"), f"--{role}")
    else:
        stated = getattr(parse_settings(read_yaml(CONFIG, "config") or {}, str(CONFIG)), role)
        if not stated.is_set:
            raise InputError(f"--{role}: none given, and {CONFIG} names none; give a command line, or torch")
    if options.keys is None and role == "candidate" and stated.keys:
        options.keys = Path(stated.keys)
    return config_side(role, stated, folder)


def reduce(search: passes.Search, *, is_nanobragg: bool) -> None:
    """All steps, until none of them makes the experiment smaller. Raises LimitReached."""
    if is_nanobragg:
        for step in OF_A_NANOBRAGG:
            step(search)
    passes.until_nothing_changes(search, *GENERAL)


def _search(
    options: argparse.Namespace,
    language: Language,
    judge: Judge,
    programs: tuple[Side, Side],
    experiment: Experiment,
    folder: Path,
) -> passes.Search:
    about = {
        "programs": [program.described() for program in programs],
        "flags": [argument.replace(str(folder), "$OUT") for argument in experiment.words],
        "inputs": _hashes(language, experiment),
        "pixel": list(experiment.pixel),
        "key": options.key,
        "key_file": sha256_of_file(options.keys) if options.keys else None,
        "registry": sha256_of_file(options.registry) if options.registry else None,
    }
    record = Record(folder / "trials.jsonl", about)
    deadline = time.monotonic() + options.budget_s
    trials = Trials(*programs, judge, record, folder, deadline, options.trials, say=Progress())
    trials.failure = trials.first_failure(experiment, options.key)
    record.open()
    return passes.Search(trials, language, experiment)


def _flags(options: argparse.Namespace, language: Language, folder: Path) -> list[tuple[str, ...]]:
    """The experiment's flags, with their files copied to `folder`/inputs."""
    with tempfile.TemporaryDirectory(prefix="reduce-") as away:
        if options.flags is not None:
            argv = shlex.split(options.flags)
        else:
            _, _, argv = prepared_experiment(options, Path(away))
        return [_copied(flag, language, folder / "inputs") for flag in language.split(argv)]


def _copied(flag: tuple[str, ...], language: Language, folder: Path) -> tuple[str, ...]:
    argv = list(flag)
    for index in language.files(flag):
        source = Path(flag[index])
        target = folder / f"{sha256_of_file(source)[:12]}{source.suffix}"
        folder.mkdir(parents=True, exist_ok=True)
        copy_atomic(source, target)
        argv[index] = str(target)
    return tuple(argv)


def _hashes(language: Language, experiment: Experiment) -> list[str]:
    return [sha256_of_file(Path(flag[index])) for flag in experiment.flags for index in language.files(flag)]


def _clean(folder: Path, best: Experiment) -> None:
    """Remove the input files that the smallest experiment does not read."""
    for path in (folder / "inputs").glob("*"):
        if str(path) not in best.words:
            path.unlink()


class Progress:
    """On a terminal one line that changes with every trial; elsewhere a line for each smaller experiment."""

    def __init__(self) -> None:
        self.size = ""

    def __call__(self, text: str) -> None:
        size = text.partition(": ")[2]
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr, flush=True)
        elif size and size != self.size:
            print(text, file=sys.stderr, flush=True)
        self.size = size


if __name__ == "__main__":
    raise SystemExit(run_command(main))
