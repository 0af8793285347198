"""`python -m trace_audit.untraced`: audit a nanoBragg that prints no trace, by its image.

Exit status 0 pass, 1 fail, 2 bad input.

The program simulates the scenario as it is; torch does the same; the images are compared, and the worst pixels are
explained from the traces of our own C program and of torch. A program that crashes, hangs, or writes no image or one of
another size is reported as that.
"""

import argparse
from pathlib import Path

from trace_audit.config.scenario import add_scenario_options
from trace_audit.core.errors import InputError, run_command
from trace_audit.images import image_audit
from trace_audit.programs import image_run
from trace_audit.programs.reference import DEFAULT_TIME_LIMIT_S


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trace_audit.untraced", description=__doc__, allow_abbrev=False)
    parser.add_argument("--binary", type=Path, required=True, metavar="FILE", help="the program without a trace")
    parser.add_argument("--tracer", type=Path, required=True, metavar="FILE", help="our C program, for the traces")
    add_scenario_options(parser)
    parser.add_argument("--device", default="cpu", help="device of the torch image and traces")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="dtype of the same")
    parser.add_argument("--time-limit-s", type=float, default=DEFAULT_TIME_LIMIT_S, metavar="SECONDS")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the evidence")
    return parser


def main(argv: list[str]) -> int:
    """Both images, then their comparison."""
    options = _parser().parse_args(argv)
    if not options.tracer.is_file():
        raise InputError(f"--tracer {options.tracer}: no such file; build it with make -C src/nanobragg_c")
    where = ["--config", options.config]
    for flag, value in (("--scenario-dir", options.scenario_dir), ("--hkl", options.hkl)):
        where += [] if value is None else [flag, str(value)]
    limit = ["--time-limit-s", str(options.time_limit_s)]
    torch = ["--device", options.device, "--dtype", options.dtype]
    c_image, py_image = options.out / "c" / image_run.IMAGE, options.out / "torch" / image_run.IMAGE
    image_run.main(["--program", "c", "--binary", str(options.binary), *where, *limit, "--out", str(c_image)])
    image_run.main(["--program", "torch", *where, *torch, "--out", str(py_image)])
    out = options.out / "torch"
    return image_audit.main(
        [
            *("--c-image", str(c_image), "--py-image", str(py_image), "--binary", str(options.tracer)),
            *(*where, *limit, *torch, "--out", str(out / "image_parity.json"), "--md", str(out / "image_parity.md")),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(run_command(main))
