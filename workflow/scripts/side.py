"""Run one side of an audit; the work is trace_audit.port.side_job. A failed run is recorded; the job succeeds."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from trace_audit.config.side import Side  # noqa: E402 - found by the line above
from trace_audit.port.side_job import run_side  # noqa: E402
from trace_audit.workflow.script import run_job  # noqa: E402


def main(snakemake):
    run_side(
        side=Side.model_validate(snakemake.params.side),
        name=snakemake.params.name,
        scenario=snakemake.wildcards.scenario,
        scenario_dir=Path(snakemake.params.scenario_dir),
        hkl=next((Path(path) for path in snakemake.input.hkl), None),
        pixel=(int(snakemake.wildcards.slow), int(snakemake.wildcards.fast)),
        binary=next((Path(path) for path in snakemake.input.binary), None),
        image=snakemake.params.image,
        folder=Path(snakemake.output.run).parent,
    )


run_job(main, snakemake)  # noqa: F821 - Snakemake puts its object here
