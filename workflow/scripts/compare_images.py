"""Compare the images of both programs; the work is trace_audit.images.image_audit.

The job succeeds for a verdict of fail too.
"""

from trace_audit.images import image_audit
from trace_audit.workflow.script import run_job


def main(snakemake):
    image_audit.main(
        [
            *("--c-image", snakemake.input.c),
            *("--py-image", snakemake.input.torch),
            *("--binary", snakemake.input.binary),
            *("--config", snakemake.wildcards.scenario, "--scenario-dir", snakemake.params.scenario_dir),
            *("--device", snakemake.wildcards.device, "--dtype", snakemake.wildcards.dtype),
            *("--backend", snakemake.params.backend),
            *("--time-limit-s", str(snakemake.params.time_limit_s)),
            *("--names", *snakemake.params.names),
            *("--out", snakemake.output.json, "--md", snakemake.output.table),
            *(["--whole-image"] if snakemake.params.whole_image else []),
            *(word for hkl in snakemake.input.hkl for word in ("--hkl", hkl)),
        ]
    )


if "snakemake" in globals():
    run_job(main, snakemake)  # noqa: F821 - Snakemake puts its object here
