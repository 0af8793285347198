"""Jobs in Slurm's queue."""

import subprocess
from pathlib import Path

from trace_audit.core.errors import InputError

ANSWER_WITHIN_S = 60


def jobs_of_folder(folder: Path) -> list[str]:
    """Ids of this user's jobs, waiting or running, whose working directory is `folder`.

    Raises InputError if Slurm does not answer, since the jobs are then unknown.
    """
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i|%Z"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=False)
    except FileNotFoundError:
        raise InputError(_unknown(folder, "there is no squeue on this machine")) from None
    except subprocess.TimeoutExpired:
        raise InputError(_unknown(folder, f"squeue gave no answer within {ANSWER_WITHIN_S} s")) from None
    if done.returncode != 0:
        raise InputError(_unknown(folder, f"squeue failed: {done.stderr.strip() or 'no message'}"))
    rows = [line.split("|", 1) for line in done.stdout.splitlines() if "|" in line]
    return [number.strip() for number, where in rows if Path(where.strip()).resolve() == folder.resolve()]


def _unknown(folder: Path, why: str) -> str:
    return (
        f"{folder}: a run that was killed had sent jobs to Slurm, and whether they are still at work is not known: "
        f"{why}; try again where Slurm answers, or make sure that no job is left and run `snakemake --unlock`"
    )
