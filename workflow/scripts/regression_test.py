"""Run the regression test that guards the torch trace; the work is trace_audit.programs.regression."""

from pathlib import Path

from trace_audit.core.shipped import CHECKOUT
from trace_audit.programs.regression import run_regression_test
from trace_audit.workflow.script import run_job


def main(snakemake):
    run_regression_test(snakemake.params.node, CHECKOUT, Path(snakemake.output.result))


if "snakemake" in globals():
    run_job(main, snakemake)  # noqa: F821 - Snakemake puts its object here
