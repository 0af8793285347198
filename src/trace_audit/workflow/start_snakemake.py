"""`python -m trace_audit.workflow.start_snakemake`: snakemake, with one line where Ctrl-C comes before it has begun.

What snakemake says after Ctrl-C during its run is its own.
"""

from trace_audit.core.errors import run_command


def main(_: list[str]) -> int:
    """Exit status of snakemake with the arguments of this process."""
    from snakemake.cli import main as snakemake  # type: ignore[import-untyped]

    try:
        snakemake()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main, catch_faults=False))
