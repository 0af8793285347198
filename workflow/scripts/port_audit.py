"""Audit the candidate of the config on one pixel; the work is trace_audit.port.job. A verdict of fail is no failure."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from trace_audit.port.job import audit_candidate  # noqa: E402 - found by the line above
from trace_audit.workflow.script import run_job  # noqa: E402


def main(snakemake):
    audit_candidate(
        settings=dict(snakemake.params.candidate),
        scenario=snakemake.wildcards.scenario,
        scenario_dir=Path(snakemake.params.scenario_dir),
        hkl=next((Path(path) for path in snakemake.input.hkl), None),
        pixel=(int(snakemake.wildcards.slow), int(snakemake.wildcards.fast)),
        reference_log=Path(snakemake.input.reference),
        folder=Path(snakemake.output.json).parent,
    )


run_job(main, snakemake)  # noqa: F821 - Snakemake puts its object here
