"""`python -m tests.cluster COMMAND...` runs a command with a Slurm of its own; `--check` says whether that works."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator

from tests.cluster.daemons import SlurmError, missing
from tests.cluster.slurm import Slurm


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that the daemons are stopped."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main(command: list[str]) -> int:
    """Run a command with a Slurm of its own; its exit status. `--check` runs nothing."""
    reason = missing()
    if reason or not command:
        print(f"error: {reason or 'give the command to run'}", file=sys.stderr)
        return 2
    if command == ["--check"]:
        return 0
    try:
        with _terminated_like_interrupted(), Slurm() as slurm:
            return subprocess.run(command, env=slurm.environment(), check=False).returncode
    except SlurmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
