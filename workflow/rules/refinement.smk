"""
A refinement whose answer is known; target `refinement`, no part of the audit.

INPUTS
    results/reference/nanobragg, src/nanobrag_torch/
    config/refinements/demo.yaml         hidden values, and the scenario to start from
    config/scenarios/refinement.yaml     the start: what the refinement is told

OUTPUTS
    results/refinement/demo/images/      noisy images of the C program, refinement.yaml, truth.json
    results/refinement/demo/             refinement.json, report.md, convergence.png, images.png,
                                         report_with_truth.md, verdict.json
    results/refinement/demo/passed.txt   only if every parameter is recovered

STEPS
    1. refinement_images: the C program simulates from the hidden values and adds Poisson noise
    2. refine: python -m nanobrag_torch.refine, which sees the images and the start alone
    3. refinement_judge: the refined values against the hidden ones, in units of their uncertainty
    4. refinement_gate: fails where a value is too far off, and leaves the evidence
"""

DEMO = "results/refinement/demo"


rule refinement:
    input:
        f"{DEMO}/passed.txt",


rule refinement_images:
    input:
        binary=BINARY,
        build="results/reference/build.json",
        demonstration=str(own_or_shipped("config/refinements/demo.yaml")),
        scenario=f"{SETTINGS.scenario_dir}/refinement.yaml",
    output:
        config=f"{DEMO}/images/refinement.yaml",
        truth=f"{DEMO}/images/truth.json",
    log:
        "logs/refinement_images/demo.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("c_trace"),
    params:
        code=code("refinement_images"),
        folder=lambda wildcards, output: os.path.dirname(output.config),
        scenario_dir=lambda wildcards, input: os.path.dirname(input.scenario),
    message:
        "Images from hidden values"
    shell:
        "python -m trace_audit.derivatives.refinement simulate --binary {input.binary:q} --config {input.demonstration:q}"
        " --scenario-dir {params.scenario_dir:q} --out {params.folder:q} 2> {log:q}"


rule refine:
    input:
        config=f"{DEMO}/images/refinement.yaml",
    output:
        json=f"{DEMO}/refinement.json",
        convergence=report(
            f"{DEMO}/convergence.png",
            category="Refinement",
            labels={"figure": "convergence"},
        ),
        images=report(
            f"{DEMO}/images.png",
            category="Refinement",
            labels={"figure": "before and after"},
        ),
    log:
        "logs/refine/demo.log",
    benchmark:
        "logs/refine/demo.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **torch_job(device="cpu"),
    params:
        code=code("refine"),
        folder=lambda wildcards, output: os.path.dirname(output.json),
    message:
        "Refining against {input.config}"
    shell:
        "OMP_NUM_THREADS={threads} python -m nanobrag_torch.refine {input.config:q} --out {params.folder:q} &> {log:q}"


rule refinement_judge:
    input:
        json=f"{DEMO}/refinement.json",
        truth=f"{DEMO}/images/truth.json",
    output:
        verdict=f"{DEMO}/verdict.json",
        page=f"{DEMO}/report_with_truth.md",
    log:
        "logs/refinement_judge/demo.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        code=code("refinement_judge"),
        folder=lambda wildcards, input: os.path.dirname(input.json),
    message:
        "Judging the refinement"
    shell:
        "python -m trace_audit.derivatives.refinement judge --result {params.folder:q} --truth {input.truth:q}"
        " --page {output.page:q} --out {output.verdict:q} 2> {log:q}"


rule refinement_gate:
    input:
        f"{DEMO}/verdict.json",
    output:
        f"{DEMO}/passed.txt",
    log:
        "logs/refinement_gate/demo.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Checking the verdict"
    shell:
        "python -m trace_audit.derivatives.refinement check {input:q} 2> {log:q} && echo recovered > {output:q}"
