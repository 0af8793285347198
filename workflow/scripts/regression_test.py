"""Run the regression test that guards the torch trace; the work is trace_audit.regression."""

from pathlib import Path

from trace_audit.job import run_job
from trace_audit.plan import REPOSITORY
from trace_audit.regression import run_regression_test


def main(snakemake):
    run_regression_test(snakemake.params.node, REPOSITORY, Path(snakemake.output.result))


if "snakemake" in globals():
    run_job(main, snakemake)  # noqa: F821 - Snakemake puts its object here
