"""
The trail of a run: what was protected, what each audit found; then the gate, which alone fails on a bad verdict.

INPUTS
    config/protected_assets.yaml, and the files that it lists
    results/{scenario}/S{slow}_F{fast}/       the artifacts of every audit

OUTPUTS
    results/audit/protected_before.json       sha256 of each protected file before the first trace
    results/audit/ledger/                     one immutable record an attempt, kept from run to run
    results/audit/attempt_history.md, notes.md   rendered from the ledger
    results/audit/receipts/                   which record an audit has
    results/audit/gate.json                   only when every audit passed
    on a fail, attempt_failed.log and diff_on_blocker.patch in the folder of the audit, a blocker in attempt_history.md;
    once the audit passes, they go to results/audit/blockers/

STEPS
    1. protect_assets: before any trace
    2. ledger: records an audit, passed or not
    3. gate: once every audit is on record; names the offending keys and fails, or writes gate.json
    4. seal: records the hash of every file below results/
"""

RECEIPT = (
    "results/audit/receipts/{scenario}_S{slow}_F{fast}_{device}_{dtype}{suffix}.json"
)


localrules:
    protect_assets,
    ledger,
    gate,
    seal,


rule protect_assets:
    input:
        list=SETTINGS.gate.protected_assets,
        files=PLAN.protected_assets,
    output:
        "results/audit/protected_before.json",
    log:
        "logs/protect_assets/protect_assets.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Hashing the protected files"
    shell:
        "python -m trace_audit.trail.protect hash --list {input.list:q} --out {output:q} 2> {log:q}"


rule ledger:
    input:
        comparison=rules.compare.output.json,
        tables=[
            rules.compare.output.table,
            rules.compare.output.summary,
            rules.compare.output.graph,
            rules.compare.output.differences,
        ],
        c_run=rules.c_trace.output.run,
        c=rules.c_trace.output,
        snapshot=rules.torch_trace.output.config,
        environment=rules.torch_trace.output.env,
        torch_run=rules.torch_trace.output.run,
        torch=rules.torch_trace.output,
        files=[
            *workflow.configfiles,
            SETTINGS.gate.protected_assets,
            "results/reference/build.json",
            "results/audit/regression_test.json",
            BINARY,
        ],
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        taken=taken,
    output:
        RECEIPT,
    log:
        "logs/ledger/{scenario}_S{slow}_F{fast}_{device}_{dtype}{suffix}.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        taken=taken_option,
        code=[
            str(ROOT / "src" / name)
            for name in (
                "nanobragg_c",
                "nanobrag_torch",
                "nanobragg_tables",
                "trace_audit",
            )
        ],
    message:
        "Recording: {wildcards.scenario}, pixel ({wildcards.slow}, {wildcards.fast}), {wildcards.device}, {wildcards.dtype}{wildcards.suffix}"
    shell:
        "python -m trace_audit.ledger attempt --comparison {input.comparison:q}"
        " --snapshot {input.snapshot:q} --environment {input.environment:q} --c-run {input.c_run:q} --torch-run {input.torch_run:q}"
        " --artifacts {input.tables:q} {input.c:q} {input.torch:q}"
        " --inputs {input.files:q} {input.scenario:q} {input.hkl:q} {params.code:q}"
        " {params.taken}"
        " --receipt {output:q} > {log:q} 2>&1"


rule gate:
    input:
        comparisons=per_audit("compare_scaling_traces.json"),
        receipts=[RECEIPT.format(**vars(audit)) for audit in PLAN.audits],
        summary=[
            "results/audit/factors.csv",
            "results/audit/worst_factors.csv",
            "results/audit/summary.txt",
        ],
        assets="results/audit/protected_before.json",
    output:
        "results/audit/gate.json",
    log:
        "logs/gate/gate.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Gate: every verdict must be pass"
    shell:
        "python -m trace_audit.trail.gate {input.comparisons:q} --protected {input.assets:q} --out {output:q} 2> {log:q}"


rule seal:
    input:
        "results/audit/gate.json",
    output:
        "results/audit/receipts/seal.json",
    log:
        "logs/seal/seal.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Sealing results/"
    shell:
        "python -m trace_audit.ledger seal --receipt {output:q} > {log:q} 2>&1"
