"""The commands of the audit that are separate modules, with a description of each."""

import argparse

# `nanobrag-audit NAME`, `python -m trace_audit NAME` or `python -m trace_audit.NAME`: for people first, then what the
# workflow's rules run.
FOR_PEOPLE = {
    "doctor": "the tools of this machine, the effect of each missing one, what to type",
    "completion": "completion of the command lines in bash or zsh, for the shell to read",
    "reference": "run a nanoBragg program on one pixel and keep its trace",
    "harness": "trace one pixel in the torch program and keep all inputs of the run",
    "compare": "two trace logs in, a verdict out",
    "port": "audit any two programs: traces, images, and why they differ",
    "matrix": "one experiment with every available compiler, option, backend, type and device",
    "reduce": "reduce an experiment on which two programs differ to the smallest that still shows it",
    "selftest": "audit the audit: an error put into a stage must be found in that stage",
    "report": "one HTML page with all results",
    "crate": "the last audits as an RO-Crate, one zip",
    "statements": "the claims of results as in-toto statements, signed if there is a key",
    "sbom": "a software bill of materials, CycloneDX JSON",
    "ledger": "add a record to the ledger, seal results/, render its documents",
    "chaos": "kill runs and break their surroundings; the same bytes must result",
}
FOR_RULES = {
    "config.settings": "print the JSON schema of config/config.yaml",
    "inputs.hkl_text": "structure factors of a scenario as hkl text",
    "programs.build": "build the reference program, or record one that is built",
    "programs.launcher": "start one program under limits, for the runs of foreign programs",
    "programs.image_run": "the whole image of a scenario by one program",
    "images.image_audit": "two images of a scenario in, a verdict out",
    "images.patch": "the pixels around a traced one, by both programs",
    "images.overview": "the whole image by both programs, reduced for the page",
    "derivatives.gradients": "torch's gradients against differences of the C program's images",
    "derivatives.refinement": "make a refinement with a known answer and judge it",
    "report.table": "one line per audit",
    "report.ending": "what failed, and why, in at most ten lines",
    "report.factors": "every factor of every audit in one table (CSV)",
    "trail.protect": "hash the protected files, or check them",
    "port.other_gate": "after the audits of another simulator: go on if all passed, else stop",
    "trail.gate": "go on after a pass, stop after a fail",
    "trail.image_ledger": "record one comparison of images in the ledger",
    "trail.failed_jobs": "record the audits that a crash kept from being compared",
    "workflow.run": "snakemake, with the leftovers of a killed run cleared away first",
    "workflow.start_snakemake": "snakemake, which Ctrl-C ends with one line also while it starts",
    "workflow.slurm.array_task": "one task of a Slurm job array runs its own command",
}


def command_parser(program: str, about: str | None) -> argparse.ArgumentParser:
    """A parser whose help shows `about` unchanged, and which accepts no abbreviated options."""
    return argparse.ArgumentParser(
        prog=program, description=about, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
