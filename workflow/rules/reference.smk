"""
The C trace: make the structure factors, build nanoBragg, run it on one pixel.

INPUTS
    src/nanobragg_c/                     or reference.source, or reference.binary / NB_C_BIN (then nothing is built)
    config/scenarios/{scenario}.yaml
    structure_factors.file               the user's; where there is none, the synthetic set is made

OUTPUTS
    results/inputs/{scenario}.hkl        structure factors as hkl text, read by both programs
    results/inputs/{scenario}.taken.json what was taken of the user's file: column, counts, remarks
    results/reference/build.json         compiler, commands, sha256 of sources and binary
    results/reference/nanobragg          unless an external binary is used
    results/{scenario}/S{slow}_F{fast}/c/c_trace_scaling.log, c_trace_stdout.txt, c_trace_stderr.txt, c_trace_run.json

STEPS
    1. structure_factors
    2. build_reference, or record_reference
    3. c_trace: in an empty directory of its own
"""

# A program that is not ours computes the whole image: what a historic one prints for a pixel depends on the pixels before.
FOREIGN = bool(SETTINGS.reference.binary or SETTINGS.reference.source)


rule structure_factors:
    input:
        scenario=scenario_yaml,
        file=lambda wildcards: PLAN.hkl_sources[wildcards.scenario],
    output:
        hkl="results/inputs/{scenario}.hkl",
        taken="results/inputs/{scenario}.taken.json",
    log:
        "logs/structure_factors/{scenario}.log",
    benchmark:
        "logs/structure_factors/{scenario}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        code=code("structure_factors"),
        column=(
            SETTINGS.structure_factors.column
            if SETTINGS.structure_factors.file
            else ""
        ),
    message:
        "Structure factors of {wildcards.scenario}"
    script:
        "../scripts/structure_factors.py"


if SETTINGS.reference.binary:
    BINARY = SETTINGS.reference.binary

    rule record_reference:
        input:
            binary=BINARY,
        output:
            record="results/reference/build.json",
        log:
            "logs/record_reference/reference.log",
        conda:
            "../../envs/build.yaml"
        threads: 1
        resources:
            **job("audit"),
        message:
            "Recording the reference {input.binary}"
        shell:
            "python -m trace_audit.programs.build record --binary {input.binary:q} --record {output.record:q} 2> {log:q}"

else:
    BINARY = "results/reference/nanobragg"

    rule build_reference:
        input:
            sources=PLAN.reference_sources,
        output:
            binary=BINARY,
            record="results/reference/build.json",
        log:
            "logs/build_reference/reference.log",
        benchmark:
            "logs/build_reference/reference.benchmark.tsv"
        conda:
            "../../envs/build.yaml"
        threads: SETTINGS.resources.build.threads
        resources:
            **job("build"),
        params:
            source=reference_source,
            compiler=SETTINGS.reference.compiler,
        message:
            "Building the reference from {params.source}"
        shell:
            "python -m trace_audit.programs.build make --source {params.source:q} --compiler {params.compiler:q}"
            " --jobs {threads} --binary {output.binary:q} --record {output.record:q} 2> {log:q}"


rule c_trace:
    input:
        binary=BINARY,
        build="results/reference/build.json",
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        assets=ancient("results/audit/protected_before.json"),
    output:
        trace=f"{C_FOLDER}/c_trace_scaling.log",
        stdout=f"{C_FOLDER}/c_trace_stdout.txt",
        stderr=f"{C_FOLDER}/c_trace_stderr.txt",
        run=f"{C_FOLDER}/c_trace_run.json",
    log:
        "logs/c_trace/{scenario}_S{slow}_F{fast}.log",
    benchmark:
        "logs/c_trace/{scenario}_S{slow}_F{fast}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.c_trace.threads
    resources:
        **job("c_trace"),
    params:
        code=code("c_trace"),
        scenario_dir=SETTINGS.scenario_dir,
        hkl=hkl_option,
        whole_image="--whole-image" if FOREIGN else "",
        time_limit_s=SETTINGS.reference.time_limit_s,
    message:
        "C trace: {wildcards.scenario}, pixel ({wildcards.slow}, {wildcards.fast})"
    shell:
        "python -m trace_audit.reference --binary {input.binary:q} --config {wildcards.scenario:q}"
        " --scenario-dir {params.scenario_dir:q} {params.hkl} --pixel {wildcards.slow} {wildcards.fast}"
        " {params.whole_image} --time-limit-s {params.time_limit_s} --out {output.trace:q} 2> {log:q}"
