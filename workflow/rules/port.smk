"""
The audit of somebody else's program: `candidate` in the config. Without one, these rules have nothing to do.

INPUTS
    results/{scenario}/S{slow}_F{fast}/c/c_trace_scaling.log      the reference
    results/audit/regression_test.json, results/inputs/{scenario}.hkl

OUTPUTS
    results/{scenario}/S{slow}_F{fast}/candidate/   port_audit.json, port_audit.md, port_audit.junit.xml,
                                                    candidate_stdout.txt, candidate_stderr.txt, candidate_run.json
    results/audit/receipts/                         which record an audit has
    results/audit/port_gate.json                    only when every audit passed

STEPS
    1. port_audit: run the program in an empty folder, compare it with the reference, look for causes
    2. port_record: put the audit on record, passed or not
    3. port_gate: once every audit is on record; names the causes and fails, or writes port_gate.json
    4. port_seal: records the hash of every file below results/
"""

CANDIDATE_FOLDER = "results/{scenario}/S{slow}_F{fast}/candidate"
PORT_RECEIPT = "results/audit/receipts/{scenario}_S{slow}_F{fast}_candidate.json"
AUDITED = (
    "results/audit/receipts/port_seal.json"
    if PLAN.port_audits
    else "results/audit/receipts/seal.json"
)


localrules:
    port_record,
    port_gate,
    port_seal,


rule port_audit:
    input:
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        reference=f"{C_FOLDER}/c_trace_scaling.log",
        test=ancient("results/audit/regression_test.json"),
        assets=ancient("results/audit/protected_before.json"),
        files=[
            path
            for path in (
                SETTINGS.candidate.keys,
                SETTINGS.candidate.log,
                SETTINGS.candidate.image,
            )
            if path
        ],
    output:
        json=f"{CANDIDATE_FOLDER}/port_audit.json",
        summary=f"{CANDIDATE_FOLDER}/port_audit.md",
        junit=f"{CANDIDATE_FOLDER}/port_audit.junit.xml",
        stdout=f"{CANDIDATE_FOLDER}/candidate_stdout.txt",
        stderr=f"{CANDIDATE_FOLDER}/candidate_stderr.txt",
        run=f"{CANDIDATE_FOLDER}/candidate_run.json",
    log:
        "logs/port_audit/{scenario}_S{slow}_F{fast}.log",
    benchmark:
        "logs/port_audit/{scenario}_S{slow}_F{fast}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(device=best_of(SETTINGS.run_on)),
    params:
        code=code("port_audit"),
        candidate=SETTINGS.candidate.model_dump(mode="json"),
        scenario_dir=SETTINGS.scenario_dir,
    message:
        "Auditing the candidate: {wildcards.scenario}, pixel ({wildcards.slow}, {wildcards.fast})"
    script:
        "../scripts/port_audit.py"


rule port_record:
    input:
        rules.port_audit.output,
        audit=rules.port_audit.output.json,
        run=rules.port_audit.output.run,
        reference=rules.c_trace.output,
        files=[*workflow.configfiles, "results/reference/build.json", BINARY],
    output:
        PORT_RECEIPT,
    log:
        "logs/port_record/{scenario}_S{slow}_F{fast}.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Recording the candidate: {wildcards.scenario}, pixel ({wildcards.slow}, {wildcards.fast})"
    shell:
        "python -m trace_audit.trail.port_record --audit {input.audit:q} --run {input.run:q}"
        " --artifacts {input:q} --inputs {input.files:q} --receipt {output:q} > {log:q} 2>&1"


rule port_gate:
    input:
        audits=[f"{audit.folder}/port_audit.json" for audit in PLAN.port_audits],
        receipts=[PORT_RECEIPT.format(**vars(audit)) for audit in PLAN.port_audits],
        assets="results/audit/protected_before.json",
    output:
        "results/audit/port_gate.json",
    log:
        "logs/port_gate/port_gate.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Gate: every audit of the candidate must pass"
    shell:
        "python -m trace_audit.trail.port_gate {input.audits:q} --protected {input.assets:q} --out {output:q} 2> {log:q}"


rule port_seal:
    input:
        "results/audit/port_gate.json",
    output:
        "results/audit/receipts/port_seal.json",
    log:
        "logs/port_seal/port_seal.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Sealing results/"
    shell:
        "python -m trace_audit.ledger seal --receipt {output:q} > {log:q} 2>&1"
