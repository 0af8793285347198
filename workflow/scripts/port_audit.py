"""Compare the two sides on one pixel; the work is trace_audit.port.job. The job succeeds for a verdict of fail too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from trace_audit.config.side import Candidate, Reference  # noqa: E402 - found by the line above
from trace_audit.port.job import compare_sides  # noqa: E402
from trace_audit.workflow.script import run_job  # noqa: E402


def main(snakemake):
    sides = snakemake.params.sides
    candidate = Candidate.model_validate(sides["candidate"])
    compare_sides(
        sides={"reference": Reference.model_validate(sides["reference"]), "candidate": candidate},
        scenario=snakemake.wildcards.scenario,
        scenario_dir=Path(snakemake.params.scenario_dir),
        hkl=next((Path(path) for path in snakemake.input.hkl), None),
        pixel=(int(snakemake.wildcards.slow), int(snakemake.wildcards.fast)),
        folders={role: Path(getattr(snakemake.input, role)[0]).parent for role in sides},
        budget_s=candidate.budget_s,
        folder=Path(snakemake.output.json).parent,
    )


run_job(main, snakemake)  # noqa: F821 - Snakemake puts its object here
