"""Write the structure factors of a scenario as hkl text: the synthetic set, or the user's file expanded to P1."""

from pathlib import Path

from trace_audit.config.scenario import load_scenario
from trace_audit.core.files import readable_json, write_atomic
from trace_audit.inputs.hkl_text import write_hkl
from trace_audit.workflow.script import run_job


def main(snakemake):
    scenario_file, output = Path(snakemake.input.scenario), Path(snakemake.output.hkl)
    scenario = load_scenario(str(scenario_file))
    if user_file := list(snakemake.input.file):
        from trace_audit.inputs.user_file import convert_user_file

        made = convert_user_file(scenario, Path(user_file[0]), output, snakemake.params.column or None)
        print("\n".join(made.lines))
        taken = made.record()
    else:
        write_hkl(scenario, output, scenario_file.parent)
        taken = {"kind": "synthetic", "line": f"structure factors of {scenario.name}: the synthetic set of its file"}
    write_atomic(Path(snakemake.output.taken), readable_json(taken))


if "snakemake" in globals():
    run_job(main, snakemake)  # noqa: F821 - Snakemake puts its object here
