"""`python -m trace_audit.programs.image_run`: the float image of a scenario, by the C program or by torch.

Beside the image: `c_image_stdout.txt`, `c_image_stderr.txt`, `c_image_run.json`, or the same with `py_` and the
environment of the run in `py_image_env.json`. The program runs in an empty folder; an image is complete or absent.
"""

import os

os.environ["KMP_DUPLICATE_LIB_OK"] = "TRUE"  # before torch is imported: two OpenMP runtimes may meet in one process

import argparse
import contextlib
import io
import re
import tempfile
from pathlib import Path
from typing import Any

from trace_audit.config.device import Choice, choose_device, refusal
from trace_audit.config.scenario import add_scenario_options, arguments, load_scenario
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.escapes import escaped
from trace_audit.core.files import readable_json, sha256_of_bytes, sha256_of_file, write_atomic
from trace_audit.inputs.prepare import prepared_files
from trace_audit.programs.environment import capture, code_of
from trace_audit.programs.reference import DEFAULT_TIME_LIMIT_S, ProgramRun, named_words, run_program

IMAGE = "floatimage.bin"


def run_c(binary: Path, argv: list[str], image: Path, time_limit_s: float) -> ProgramRun:
    """Run the C program, its float image written to `image`."""
    if not binary.is_file():
        raise InputError(f"reference binary {binary}: no such file; build it with make -C src/nanobragg_c")
    return run_program(binary.resolve(), [*argv, "-nopgm", "-floatfile", IMAGE], time_limit_s, {IMAGE: image})


def run_torch(argv: list[str], image: Path, device: str, dtype: str) -> ProgramRun:
    """Run the torch program in this process, its float image written to `image`."""
    from nanobrag_torch.cli import main as torch_main

    stdout, stderr = io.StringIO(), io.StringIO()
    options = ["-nopgm", "-noprogress", "-floatfile", str(image), "-device", device, "-dtype", dtype]
    with (
        tempfile.TemporaryDirectory(prefix="nanobragg-") as folder,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        exit_code = torch_main([*argv, *options])
        made = {path.name: sha256_of_file(path) for path in sorted(Path(folder).iterdir()) if path.is_file()}
        stderr.writelines(path.read_text() for path in sorted((Path(folder) / "logs").glob("fault-*.txt")))
    return ProgramRun(exit_code, stdout.getvalue().encode(), stderr.getvalue().encode(), made)


def _nothing(choice: Choice, allowed: bool) -> ProgramRun:
    """A run that did not happen because its device is absent; a failure unless that is `allowed`."""
    if not allowed:
        return ProgramRun(2, b"", f"nanobrag_torch: error: {refusal(choice)}\n".encode(), {})
    return ProgramRun(0, b"", f"nanobrag_torch was not run: {choice.reason}\n".encode(), {})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit.programs.image_run", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("--program", choices=("c", "torch"), required=True)
    parser.add_argument("--binary", type=Path, metavar="FILE", help="the C program")
    add_scenario_options(parser)
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:N, auto: cuda where there is one")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64")
    parser.add_argument("--backend", choices=("eager", "compiled"), default="eager", help="what makes the image")
    parser.add_argument("--time-limit-s", type=float, default=DEFAULT_TIME_LIMIT_S, metavar="SECONDS")
    parser.add_argument(
        "--allow-missing-device", action="store_true", help="where the device is not there, record that and exit 0"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help=f"the image, {IMAGE}")
    return parser


def main(argv: list[str]) -> int:
    """Simulate a scenario with one of the programs."""
    options = _parser().parse_args(argv)
    if options.program == "c" and options.binary is None:
        raise InputError("--program c: expected --binary too, the C program to run")
    scenario = load_scenario(options.config, options.scenario_dir)
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs, tempfile.TemporaryDirectory(prefix="image-") as away:
        files = prepared_files(options, scenario, Path(inputs))
        program_argv = arguments(scenario, files)
        run, environment = _simulate(options, program_argv, Path(away) / IMAGE)
        failure = run.failure(options.time_limit_s)
        reason = _why_skipped(options, run, environment) if failure is None else ""
        skipped = bool(reason)
        if failure is None and not skipped and not (Path(away) / IMAGE).is_file():
            failure = "ended well but wrote no image; it must take -floatfile FILE"
        image = b"" if skipped or failure is not None else (Path(away) / IMAGE).read_bytes()
        record = _record(options, run, named_words(program_argv, files), files.hashes(), image, failure)
    if skipped:
        record |= {"exit_code": None, "skipped": reason}
    _write(options, run, record, environment)
    if failure is not None:
        raise InputError(f"{record['program']} {failure}")
    write_atomic(options.out, image)
    return 0


def _why_skipped(options: argparse.Namespace, run: ProgramRun, environment: dict[str, Any] | None) -> str:
    """Why there is no image to compare; empty if there is one."""
    if environment is None:
        return ""
    if environment["device"]["used"] is None:
        return str(environment["device"]["reason"])
    name = made_by(run.stdout)["name"]
    if name == options.backend:
        return ""
    why = re.search(rf"^image: .*?{name}: (.*)$", run.stdout.decode(errors="replace"), re.MULTILINE)
    return f"compiled code cannot make this: {why[1] if why else 'eager code did'}"


def made_by(stdout: bytes) -> dict[str, str]:
    """What made torch's image, according to its output: name, digest of the source, compiler."""
    match = re.search(
        r"^image by (\w+) code(?: \(source sha256 (\S*); (.*)\))?$", stdout.decode(errors="replace"), re.MULTILINE
    )
    name, sha256, compiler = match.groups(default="") if match else ("", "", "")
    return {"name": name, "source_sha256": sha256, "compiler": compiler}


def _simulate(options: argparse.Namespace, argv: list[str], image: Path) -> tuple[ProgramRun, dict[str, Any] | None]:
    """The run, and for torch its environment."""
    if options.program == "c":
        return run_c(options.binary, argv, image, options.time_limit_s), None
    allowed = options.allow_missing_device
    choice = choose_device(options.device, allow_missing=True)
    options.device = choice.used or options.device

    def simulate() -> ProgramRun:
        more = ["-verbose"] if options.backend == "compiled" else []  # says why code is not compiled
        if not choice.used:
            return _nothing(choice, allowed)
        return run_torch([*argv, *more], image, options.device, options.dtype)

    with code_of(options.backend):
        run, environment = capture(Path.cwd(), simulate)
    return run, environment | {"device": choice.record()}


def _record(
    options: argparse.Namespace, run: ProgramRun, argv: list[str], hashes: dict[str, str], image: bytes, failure: Any
) -> dict[str, Any]:
    c = options.program == "c"
    return {
        "program": options.binary.name if c else "nanobrag_torch",
        **(
            {"binary_sha256": run.sha256, "confined": run.confined}
            if c
            else {"device": options.device, "dtype": options.dtype, "backend": options.backend}
        ),
        "arguments": argv,
        "input_sha256": hashes,
        **({} if c else {"made_by": made_by(run.stdout)}),
        "exit_code": run.exit_code,
        "failure": failure,
        "image_sha256": sha256_of_bytes(image) if image else None,
    }


def _write(
    options: argparse.Namespace, run: ProgramRun, record: dict[str, Any], environment: dict[str, Any] | None
) -> None:
    folder, side = options.out.parent, "c" if options.program == "c" else "py"
    write_atomic(folder / f"{side}_image_stdout.txt", escaped(run.stdout))
    write_atomic(folder / f"{side}_image_stderr.txt", escaped(run.stderr))
    write_atomic(folder / f"{side}_image_run.json", readable_json(record))
    if environment is not None:
        write_atomic(folder / f"{side}_image_env.json", readable_json(environment))


if __name__ == "__main__":
    raise SystemExit(run_command(main))
