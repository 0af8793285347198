"""
The audit of two programs that are no nanoBragg, by `registry` and `experiments` of the config; then it is all of `audit`.

INPUTS
    the registry, and what `reference` and `candidate` name

OUTPUTS
    results/experiments/{experiment}/port_audit.json, port_audit.md, port_audit.junit.xml
    results/experiments/{experiment}/reference_stdout.txt, candidate_stdout.txt
    results/experiments/passed.txt        only when every audit passed

STEPS
    1. other_audit: run both programs, compare key by key; never fails for a difference
    2. other_gate: names what differs and fails, or writes passed.txt
"""

import json

OTHER = "results/experiments/{experiment}"
if SETTINGS.registry:
    AUDITED = "results/experiments/passed.txt"


localrules:
    other_gate,


rule other_audit:
    input:
        registry=SETTINGS.registry or [],
        files=[
            side.log for side in (SETTINGS.reference, SETTINGS.candidate) if side.log
        ],
    output:
        verdict=f"{OTHER}/port_audit.json",
        table=f"{OTHER}/port_audit.md",
        junit=f"{OTHER}/port_audit.junit.xml",
        reference=f"{OTHER}/reference_stdout.txt",
        candidate=f"{OTHER}/candidate_stdout.txt",
    log:
        "logs/other_audit/{experiment}.log",
    wildcard_constraints:
        experiment="[A-Za-z0-9_.-]+",
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(device=best_of(SETTINGS.run_on)),
    params:
        code=code("other_audit"),
        flags=lambda wildcards: SETTINGS.experiments[wildcards.experiment],
        folder=lambda wildcards, output: os.path.dirname(output.verdict),
        reference=lambda wildcards: json.dumps(
            SETTINGS.reference.model_dump(mode="json", exclude_defaults=True)
        ),
        candidate=lambda wildcards: json.dumps(
            SETTINGS.candidate.model_dump(mode="json", exclude_defaults=True)
        ),
    message:
        "Auditing {wildcards.experiment}"
    shell:
        "python -m trace_audit.port --registry {input.registry:q} --flags={params.flags:q}"
        " --reference {params.reference:q} --candidate {params.candidate:q} --out {params.folder:q}"
        " > {log:q} 2>&1 || [ $? -eq 1 ]"


rule other_gate:
    input:
        [
            f"{OTHER.format(experiment=name)}/port_audit.json"
            for name in SETTINGS.experiments
        ],
    output:
        "results/experiments/passed.txt",
    log:
        "logs/other_gate/gate.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Gate: every experiment must pass"
    shell:
        "python -m trace_audit.port.other_gate {input:q} --out {output:q} 2> {log:q}"
