"""One side of an audit: run, or read from its recorded output; what it printed, its image, and how they came about.

Every form of a side is a command line in the end: our C program, one that was built or given, our torch program, a
command of the user's. A recorded log and image take the place of a run. A run that fails is no failure of this code:
the record says why, and the audit reports it.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trace_audit.config.side import Side
from trace_audit.core.files import sha256_of_file
from trace_audit.port import program
from trace_audit.port.records import SideRecord

PACKAGES = Path(__file__).resolve().parents[2]
_PIXEL = ("-trace_pixel", "{slow}", "{fast}")
_QUIET = {"c": ("-nopgm",), "torch": ("-nopgm", "-noprogress")}


@dataclass(frozen=True)
class SideRun:
    """What one side gave, and how. `image`: None where there is none."""

    stdout: Path
    stderr: Path | None
    image: Path | None
    record: SideRecord

    @property
    def failure(self) -> str | None:
        """Why it does not count, None if it does."""
        return self.record.failure


def command_of(side: Side, binary: Path | None, *, image: bool) -> program.Command:
    """The command line of a side that is run. `binary`: the program of one that is built or given."""
    limits = (side.time_limit_s, side.memory_limit_GB, side.output_limit_MB, side.confine)
    if side.command:
        return program.Command(tuple(side.command), side.environment, *limits)
    wanted = ("-floatfile", "{image}") if image else ("-roi", "{fast}", "{fast}", "{slow}", "{slow}")
    if side.program == "torch":
        on = ("-device", side.device, "-dtype", side.dtype)
        command = (sys.executable, "-m", "nanobrag_torch", "{flags}", *_PIXEL, *wanted, *on, *_QUIET["torch"])
        mode = "always" if side.backend == "compiled" else "never"
        ours = {"PYTHONPATH": str(PACKAGES), "KMP_DUPLICATE_LIB_OK": "TRUE", "NANOBRAG_TORCH_COMPILE": mode}
        # not confined: it keeps the code that it compiles
        return program.Command(command, {**ours, **side.environment}, *limits[:-1], confine=False)
    if binary is None:
        raise ValueError("a side that is built or given as a binary has a program")
    if not (side.is_built and not side.source):
        wanted = ("-floatfile", "{image}")  # what a historic program prints for a pixel depends on the pixels before it
    command = (str(binary.resolve()), "{flags}", *_PIXEL, *wanted, *_QUIET["c"])
    # a historic trace depends on the order of the pixels
    return program.Command(command, {"OMP_NUM_THREADS": "1", **side.environment}, *limits)


def obtain(
    side: Side,
    name: str,
    command: Sequence[str],
    pixel: tuple[int, int],
    folder: Path,
    binary: Path | None,
    *,
    image: bool,
) -> SideRun:
    """What the side gives for an experiment, `words`. A run leaves its output in `folder`, which must not exist."""
    if side.log:
        recorded = Path(side.image) if side.image else None
        named = [side.log, *([side.image] if side.image else [])]
        told = SideRecord(
            name=name,
            form=side.form,
            program="recorded",
            arguments=named,
            exit_code=None,
            failure=None,
            image_sha256=_sha256(recorded),
        )
        return SideRun(Path(side.log), None, recorded, told)
    outcome = program.run(command_of(side, binary, image=image), command, pixel, folder)
    first, *arguments = outcome.words
    record = SideRecord(
        name=name,
        form=side.form,
        program=first,
        arguments=arguments,
        exit_code=outcome.exit_code,
        failure=outcome.failure or _not_as_asked(side, outcome.stdout),
        confined=outcome.confined,
        image_sha256=_sha256(outcome.image),
    )
    if binary is not None:
        record = record.model_copy(update={"binary_sha256": sha256_of_file(binary)})
    return SideRun(outcome.stdout, outcome.stderr, outcome.image, record)


def _not_as_asked(side: Side, stdout: Path) -> str | None:
    """Why our torch program, asked for compiled code, used none; None if it did or was not asked."""
    if side.program != "torch" or side.backend != "compiled":
        return None
    made = [
        line for line in stdout.read_text(errors="replace").splitlines() if line.startswith(("trace by", "image by"))
    ]
    eager = next((line for line in made if " by compiled code" not in line), None)
    return None if eager is None else f"was to run compiled code, and said: {eager}"


def _sha256(image: Path | None) -> str | None:
    return None if image is None else sha256_of_file(image)
