"""Keep Snakemake's Slurm plugin asking squeue while slurmctld is away.

Version 2.8.0 asks slurmctld for MinJobAge before each round of questions. Without an answer it takes sacct for the
round, and where there is no accounting database that fails for ever: the run hangs although slurmctld is back. Here the
last answer holds until there is a new one.
"""

import sys
from collections.abc import Callable


def last_known(ask: Callable[[], int | None]) -> Callable[[], int | None]:
    """`ask`, but where it has no answer (None) the one before."""
    known: int | None = None

    def answer() -> int | None:
        nonlocal known
        known = ask() or known
        return known

    return answer


def keep_to_squeue() -> None:
    """Do this to the plugin, if it is loaded and has the function."""
    plugin = sys.modules.get("snakemake_executor_plugin_slurm")
    if hasattr(plugin, "get_min_job_age"):
        plugin.get_min_job_age = last_known(plugin.get_min_job_age)
