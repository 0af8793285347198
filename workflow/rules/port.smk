"""
The audit of any two programs, `reference` and `candidate` of the config; nothing where both are the default ones.

INPUTS
    results/audit/regression_test.json, results/inputs/{scenario}.hkl, results/reference/nanobragg

OUTPUTS
    results/candidate/nanobragg, build.json             where the candidate is built from a source
    results/{scenario}/S{slow}_F{fast}/{side}/          stdout.txt, stderr.txt, run.json, image.bin (empty: none);
                                                        side: reference, candidate
    results/{scenario}/S{slow}_F{fast}/candidate/       port_audit.json, port_audit.md, port_audit.junit.xml,
                                                        config_snapshot.json, pair_env.json
    results/audit/receipts/                             which record an audit has
    results/audit/port_gate.json                        only when every audit passed

STEPS
    1. build_candidate
    2. side: run in an empty folder; a run that fails is on record as that
    3. port_audit: compare, look for causes
    4. port_record: put the audit on record, passed or not
    5. port_gate: once every audit is on record; names the causes and fails, or writes port_gate.json
    6. port_seal: records the hash of every file below results/
"""

SIDE_FOLDER = "results/{scenario}/S{slow}_F{fast}/{side}"
REFERENCE_FOLDER = SIDE_FOLDER.replace("{side}", "reference")
CANDIDATE_FOLDER = SIDE_FOLDER.replace("{side}", "candidate")
PORT_RECEIPT = "results/audit/receipts/{scenario}_S{slow}_F{fast}_candidate.json"
AUDITED = (
    "results/audit/receipts/port_seal.json"
    if PLAN.pairs
    else "results/audit/receipts/seal.json"
)
CANDIDATE_BINARY = PLAN.sides["candidate"].binary or "results/candidate/nanobragg"


wildcard_constraints:
    side="reference|candidate",


localrules:
    port_record,
    port_gate,
    port_seal,


rule build_candidate:
    input:
        sources=PLAN.candidate_sources,
    output:
        binary="results/candidate/nanobragg",
        record="results/candidate/build.json",
    log:
        "logs/build_candidate/candidate.log",
    benchmark:
        "logs/build_candidate/candidate.benchmark.tsv"
    conda:
        "../../envs/build.yaml"
    threads: SETTINGS.resources.build.threads
    resources:
        **job("build"),
    params:
        source=str(PLAN.candidate_source),
        compiler=SETTINGS.candidate.compiler,
    message:
        "Building the candidate from {params.source}"
    shell:
        "python -m trace_audit.programs.build make --source {params.source:q} --compiler {params.compiler:q}"
        " --jobs {threads} --binary {output.binary:q} --record {output.record:q} 2> {log:q}"


rule side:
    input:
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        binary=lambda wildcards: side_program(wildcards.side),
        files=lambda wildcards: side_files(wildcards.side),
        test=ancient("results/audit/regression_test.json"),
        assets=ancient("results/audit/protected_before.json"),
    output:
        stdout=f"{SIDE_FOLDER}/stdout.txt",
        stderr=f"{SIDE_FOLDER}/stderr.txt",
        run=f"{SIDE_FOLDER}/run.json",
        image=f"{SIDE_FOLDER}/image.bin",
    log:
        "logs/side/{scenario}_S{slow}_F{fast}_{side}.log",
    benchmark:
        "logs/side/{scenario}_S{slow}_F{fast}_{side}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(device=side_device),
    params:
        code=code("side"),
        side=lambda wildcards: PLAN.side_params(wildcards.side),
        name=lambda wildcards: PLAN.side_names[wildcards.side],
        image=all(side.makes_image for side in PLAN.sides.values()),
        scenario_dir=SETTINGS.scenario_dir,
    message:
        "Running {params.name}: {wildcards.scenario}, pixel ({wildcards.slow}, {wildcards.fast})"
    script:
        "../scripts/side.py"


rule port_audit:
    input:
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        reference=expand(rules.side.output, side="reference", allow_missing=True),
        candidate=expand(rules.side.output, side="candidate", allow_missing=True),
        files=[side.keys for side in PLAN.sides.values() if side.keys],
    output:
        json=f"{CANDIDATE_FOLDER}/port_audit.json",
        summary=f"{CANDIDATE_FOLDER}/port_audit.md",
        junit=f"{CANDIDATE_FOLDER}/port_audit.junit.xml",
        snapshot=f"{CANDIDATE_FOLDER}/config_snapshot.json",
        environment=f"{CANDIDATE_FOLDER}/pair_env.json",
    log:
        "logs/port_audit/{scenario}_S{slow}_F{fast}.log",
    benchmark:
        "logs/port_audit/{scenario}_S{slow}_F{fast}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.audit.threads
    resources:
        **job("audit"),
    params:
        code=code("port_audit"),
        sides={
            role: side.model_dump(mode="json", exclude_defaults=True)
            for role, side in PLAN.sides.items()
        },
        scenario_dir=SETTINGS.scenario_dir,
    message:
        "Comparing the sides: {wildcards.scenario}, pixel ({wildcards.slow}, {wildcards.fast})"
    script:
        "../scripts/port_audit.py"


rule port_record:
    input:
        rules.port_audit.output,
        comparison=rules.port_audit.output.json,
        snapshot=rules.port_audit.output.snapshot,
        environment=rules.port_audit.output.environment,
        reference=rules.port_audit.input.reference,
        candidate=rules.port_audit.input.candidate,
        files=[*workflow.configfiles, SETTINGS.gate.protected_assets],
        given=[
            path
            for role in PLAN.sides
            for path in side_files(role) + side_program(role)
        ],
        key_files=rules.port_audit.input.files,
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        taken=taken,
    output:
        PORT_RECEIPT,
    log:
        "logs/port_record/{scenario}_S{slow}_F{fast}.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        tables=lambda wildcards, input: input[: len(rules.port_audit.output)],
        taken=taken_option,
    message:
        "Recording the audit: {wildcards.scenario}, pixel ({wildcards.slow}, {wildcards.fast})"
    shell:
        "python -m trace_audit.ledger attempt --comparison {input.comparison:q} --snapshot {input.snapshot:q}"
        " --environment {input.environment:q} --reference-run {input.reference[2]:q} --candidate-run {input.candidate[2]:q}"
        " --artifacts {params.tables:q} {input.reference:q} {input.candidate:q}"
        " --inputs {input.files:q} {input.given:q} {input.key_files:q} {input.scenario:q} {input.hkl:q}"
        " {params.taken} --receipt {output:q} > {log:q} 2>&1"


rule port_gate:
    input:
        comparisons=[f"{pair.folder}/{pair.document}" for pair in PLAN.pairs],
        receipts=[PORT_RECEIPT.format(**vars(pair)) for pair in PLAN.pairs],
        summary="results/audit/summary.txt",
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
        "python -m trace_audit.trail.gate {input.comparisons:q} --protected {input.assets:q} --out {output:q} 2> {log:q}"


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
