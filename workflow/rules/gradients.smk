"""
Torch's gradients against finite differences of the C program's images; target `gradients`, no part of the audit.

INPUTS
    results/reference/nanobragg, src/nanobrag_torch/
    config/scenarios/{gradients,gradients_interpolated}.yaml

OUTPUTS
    results/gradients/{scenario}/{parameter}.json   both gradients' norms, every step with its error, the fitted slope,
                                                    the best agreement, the stage to blame
    results/gradients/{scenario}/{parameter}.png    error against step
    results/gradients/{scenario}/gradients.json     all verdicts
    results/gradients/passed.txt                    only if every gradient passes

STEPS
    1. gradient_audit: each parameter that has a flag, over a sweep of steps, and every traced key at one pixel
    2. gradient_gate: fails where a gradient does, and leaves the evidence
"""

GRADIENT_SCENARIOS = ("gradients", "gradients_interpolated")


rule gradients:
    input:
        "results/gradients/passed.txt",


rule gradient_audit:
    input:
        binary=BINARY,
        build="results/reference/build.json",
        scenario=f"{SETTINGS.scenario_dir}/{{gradient_scenario}}.yaml",
    output:
        summary="results/gradients/{gradient_scenario}/gradients.json",
    log:
        "logs/gradient_audit/{gradient_scenario}.log",
    benchmark:
        "logs/gradient_audit/{gradient_scenario}.benchmark.tsv"
    wildcard_constraints:
        gradient_scenario="|".join(GRADIENT_SCENARIOS),
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **torch_job(device="cpu"),
    params:
        code=code("gradient_audit"),
        folder=lambda wildcards, output: os.path.dirname(output.summary),
        scenario_dir=lambda wildcards, input: os.path.dirname(input.scenario),
    message:
        "Gradients: {wildcards.gradient_scenario}"
    shell:
        "OMP_NUM_THREADS={threads} python -m trace_audit.derivatives.gradients run --binary {input.binary:q}"
        " --config {wildcards.gradient_scenario:q} --scenario-dir {params.scenario_dir:q} --out {params.folder:q}"
        " 2> {log:q}"


rule gradient_gate:
    input:
        expand(
            "results/gradients/{scenario}/gradients.json", scenario=GRADIENT_SCENARIOS
        ),
    output:
        "results/gradients/passed.txt",
    log:
        "logs/gradient_gate/gradients.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Judging the gradients"
    shell:
        "python -m trace_audit.derivatives.gradients check {input:q} 2> {log:q} && cat {log:q} > {output:q}"
