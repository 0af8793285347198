"""Compare the reference's trace with the candidate's; the work is trace_audit.compare.

    python workflow/scripts/compare_scaling_traces.py --c-log C.log --py-log PY.log --out compare_scaling_traces.json

Exit code 0: pass, 1: fail, 2: bad input. In the workflow a verdict of fail is no failure of this job; the gate judges.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from trace_audit.compare import __main__ as compare  # noqa: E402 - found by the line above
from trace_audit.compare.skipped import why_skipped, write_skipped  # noqa: E402
from trace_audit.core.errors import run_command  # noqa: E402
from trace_audit.workflow.script import run_job  # noqa: E402


def main(snakemake):
    pictures = Path(snakemake.output.graph).parent
    reason = why_skipped(Path(snakemake.input.config))
    if reason:
        output = snakemake.output
        write_skipped(reason, Path(output.json), Path(output.table), Path(output.summary), pictures)
        return
    compare.main(
        [
            *("--c-log", snakemake.input.c),
            *("--py-log", snakemake.input.torch),
            *("--out", snakemake.output.json),
            *("--md", snakemake.output.table),
            *("--summary", snakemake.output.summary),
            *("--pictures", str(pictures)),
            *("--config", snakemake.wildcards.scenario, "--scenario-dir", snakemake.params.scenario_dir),
            *("--pixel", snakemake.wildcards.slow, snakemake.wildcards.fast),
            *("--dtype", snakemake.wildcards.dtype),
            *("--names", *snakemake.params.names),
            *(word for hkl in snakemake.input.hkl for word in ("--hkl", hkl)),
        ]
    )


if "snakemake" in globals():
    run_job(main, snakemake)  # noqa: F821 - Snakemake puts its object here
elif __name__ == "__main__":
    sys.exit(run_command(compare.main))
