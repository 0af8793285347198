"""
Image parity: both programs simulate the whole image of every scenario, and each worst pixel is followed to its factors.

INPUTS
    config/scenarios/{scenario}.yaml          those of image_parity.scenarios in the config; all of them by default
    results/inputs/{scenario}.hkl             as in reference.smk, where the scenario has structure factors of its own
    results/reference/nanobragg, results/audit/regression_test.json

OUTPUTS
    results/{scenario}/images/c/floatimage.bin, c_image_stdout.txt, c_image_stderr.txt, c_image_run.json
    results/{scenario}/images/{device}_{dtype}{suffix}/floatimage.bin, py_image_stdout.txt, py_image_stderr.txt,
                                         py_image_run.json, py_image_env.json,
                                         image_parity.json, image_parity.md, config_snapshot.json
    results/audit/image_summary.txt, image_gate.json
    on a fail, pixels/S{slow}_F{fast}/ with both logs and their comparison, and what gate leaves in audit.smk

STEPS
    1. c_image, torch_image
    2. image_parity: largest difference over the peak; the five worst pixels and those of the scenario are traced
    3. image_ledger, image_summary, image_gate, image_seal: as their namesakes in audit.smk and report.smk

Target: `parity`. Nothing here runs for `audit`.
"""

C_IMAGE = "results/{scenario}/images/c"
TORCH_IMAGE = "results/{scenario}/images/{device}_{dtype}{suffix}"
IMAGE_RECEIPT = "results/audit/receipts/{scenario}_image_{device}_{dtype}{suffix}.json"


localrules:
    image_ledger,
    image_summary,
    image_gate,
    image_seal,
    parity,


rule parity:
    input:
        "results/audit/receipts/image_seal.json",


rule c_image:
    input:
        binary=BINARY,
        build="results/reference/build.json",
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        assets=ancient("results/audit/protected_before.json"),
    output:
        image=f"{C_IMAGE}/floatimage.bin",
        stdout=f"{C_IMAGE}/c_image_stdout.txt",
        stderr=f"{C_IMAGE}/c_image_stderr.txt",
        run=f"{C_IMAGE}/c_image_run.json",
    log:
        "logs/c_image/{scenario}.log",
    benchmark:
        "logs/c_image/{scenario}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.c_trace.threads
    resources:
        **job("c_trace"),
    params:
        code=code("c_image"),
        scenario_dir=SETTINGS.scenario_dir,
        hkl=hkl_option,
        time_limit_s=SETTINGS.reference.time_limit_s,
    message:
        "C image: {wildcards.scenario}"
    shell:
        "python -m trace_audit.programs.image_run --program c --binary {input.binary:q} --config {wildcards.scenario:q}"
        " --scenario-dir {params.scenario_dir:q} {params.hkl} --time-limit-s {params.time_limit_s}"
        " --out {output.image:q} 2> {log:q}"


rule torch_image:
    input:
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        test="results/audit/regression_test.json",
        assets=ancient("results/audit/protected_before.json"),
    output:
        image=f"{TORCH_IMAGE}/floatimage.bin",
        stdout=f"{TORCH_IMAGE}/py_image_stdout.txt",
        stderr=f"{TORCH_IMAGE}/py_image_stderr.txt",
        run=f"{TORCH_IMAGE}/py_image_run.json",
        env=f"{TORCH_IMAGE}/py_image_env.json",
    log:
        "logs/torch_image/{scenario}_{device}_{dtype}{suffix}.log",
    benchmark:
        "logs/torch_image/{scenario}_{device}_{dtype}{suffix}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(),
    params:
        code=code("torch_image"),
        scenario_dir=SETTINGS.scenario_dir,
        hkl=hkl_option,
        missing=MISSING_DEVICE,
        backend=lambda wildcards: backend(wildcards),
    message:
        "Torch image: {wildcards.scenario}, {wildcards.device}, {wildcards.dtype}{wildcards.suffix}"
    shell:
        "python -m trace_audit.programs.image_run --program torch --config {wildcards.scenario:q}"
        " --scenario-dir {params.scenario_dir:q} {params.hkl}"
        " --device {wildcards.device} --dtype {wildcards.dtype} --backend {params.backend} {params.missing}"
        " --out {output.image:q} 2> {log:q}"


rule image_parity:
    input:
        c=f"{C_IMAGE}/floatimage.bin",
        torch=f"{TORCH_IMAGE}/floatimage.bin",
        binary=BINARY,
        scenario=scenario_yaml,
        hkl=prepared_hkl,
    output:
        json=f"{TORCH_IMAGE}/image_parity.json",
        table=report(
            f"{TORCH_IMAGE}/image_parity.md",
            caption="../report/images.rst",
            category="Images",
            labels={
                "scenario": "{scenario}",
                "device": "{device}",
                "dtype": "{dtype}{suffix}",
            },
        ),
        snapshot=f"{TORCH_IMAGE}/config_snapshot.json",
    log:
        "logs/image_parity/{scenario}_{device}_{dtype}{suffix}.log",
    benchmark:
        "logs/image_parity/{scenario}_{device}_{dtype}{suffix}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(),
    params:
        code=code("image_parity"),
        scenario_dir=SETTINGS.scenario_dir,
        whole_image=FOREIGN,
        names=PLAN.names,
        backend=lambda wildcards: backend(wildcards),
        time_limit_s=SETTINGS.reference.time_limit_s,
    message:
        "Comparing images: {wildcards.scenario}, {wildcards.device}, {wildcards.dtype}{wildcards.suffix}"
    script:
        "../scripts/compare_images.py"


rule image_ledger:
    input:
        comparison=rules.image_parity.output.json,
        parity=[rules.image_parity.output.table, rules.image_parity.output.snapshot],
        c_run=rules.c_image.output.run,
        c=rules.c_image.output,
        environment=rules.torch_image.output.env,
        torch_run=rules.torch_image.output.run,
        torch=rules.torch_image.output,
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
        IMAGE_RECEIPT,
    log:
        "logs/image_ledger/{scenario}_{device}_{dtype}{suffix}.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        taken=taken_option,
    message:
        "Recording: image of {wildcards.scenario}, {wildcards.device}, {wildcards.dtype}{wildcards.suffix}"
    shell:
        "python -m trace_audit.trail.image_ledger --comparison {input.comparison:q}"
        " --environment {input.environment:q} --c-run {input.c_run:q} --torch-run {input.torch_run:q}"
        " --artifacts {input.parity:q} {input.c:q} {input.torch:q}"
        " --inputs {input.files:q} {input.scenario:q} {input.hkl:q} {params.taken}"
        " --receipt {output:q} > {log:q} 2>&1"


rule image_summary:
    input:
        per_image("image_parity.json"),
    output:
        report(
            "results/audit/image_summary.txt",
            caption="../report/summary.rst",
            category="Summary",
        ),
    log:
        "logs/image_summary/summary.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Table of the images"
    shell:
        "python -m trace_audit.report.table {input:q} --out {output:q} > {log:q} 2>&1"


rule image_gate:
    input:
        comparisons=per_image("image_parity.json"),
        receipts=[IMAGE_RECEIPT.format(**vars(image)) for image in PLAN.images],
        summary="results/audit/image_summary.txt",
        assets="results/audit/protected_before.json",
    output:
        "results/audit/image_gate.json",
    log:
        "logs/image_gate/gate.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Gate: every image must pass"
    shell:
        "python -m trace_audit.trail.gate {input.comparisons:q} --protected {input.assets:q} --out {output:q} 2> {log:q}"


rule image_seal:
    input:
        "results/audit/image_gate.json",
    output:
        "results/audit/receipts/image_seal.json",
    log:
        "logs/image_seal/seal.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Sealing results/"
    shell:
        "python -m trace_audit.ledger seal --receipt {output:q} > {log:q} 2>&1"
