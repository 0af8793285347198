"""
What a person reads first: one line an audit.

INPUTS
    results/{scenario}/S{slow}_F{fast}/{device}_{dtype}{suffix}/compare_scaling_traces.json   of every audit,
    or of every audit of two sides that the config names, results/{scenario}/S{slow}_F{fast}/candidate/port_audit.json

OUTPUTS
    results/audit/summary.txt
    results/audit/factors.csv         every compared factor of every audit, one row each
    results/audit/worst_factors.csv   the largest relative difference of each key over all audits

STEPS
    1. summary: made before the gate, so that a failed run has its tables too
    2. `snakemake --report` collects this file and those marked in compare.smk
"""


localrules:
    summary,


TAKEN = [
    f"results/inputs/{name}.taken.json"
    for name in SETTINGS.scenarios
    if PLAN.hkl_sources[name]
]


if PLAN.pairs:

    rule summary:
        input:
            comparisons=[f"{pair.folder}/{pair.document}" for pair in PLAN.pairs],
            taken=TAKEN,
        output:
            report(
                "results/audit/summary.txt",
                caption="../report/summary.rst",
                category="Summary",
            ),
        log:
            "logs/summary/summary.log",
        conda:
            "../../envs/audit.yaml"
        threads: 1
        resources:
            **job("audit"),
        message:
            "Table of the verdicts"
        shell:
            "python -m trace_audit.report.table {input.comparisons:q} --taken {input.taken:q} --out {output:q} > {log:q} 2>&1"

else:

    rule summary:
        input:
            comparisons=per_audit("compare_scaling_traces.json"),
            taken=TAKEN,
        output:
            table=report(
                "results/audit/summary.txt",
                caption="../report/summary.rst",
                category="Summary",
            ),
            factors="results/audit/factors.csv",
            worst="results/audit/worst_factors.csv",
        log:
            "logs/summary/summary.log",
        conda:
            "../../envs/audit.yaml"
        threads: 1
        resources:
            **job("audit"),
        message:
            "Table of the verdicts"
        shell:
            "(python -m trace_audit.report.factors {input.comparisons:q} --out {output.factors:q} --worst {output.worst:q}"
            " && python -m trace_audit.report.table {input.comparisons:q} --taken {input.taken:q} --out {output.table:q})"
            " > {log:q} 2>&1"
