"""
The report: one HTML file about the last audit. No part of the audit itself; `make report` asks for it.

INPUTS
    results/audit/                                            the ledger of a finished audit
    results/{scenario}/S{slow}_F{fast}/{device}_{dtype}{suffix}/      its comparisons
    the reference program, as build.json names it; a picture is made if it has the hash that the audit recorded

OUTPUTS
    results/{scenario}/S{slow}_F{fast}/{device}_{dtype}{suffix}/patch.json   the pixels round the traced one, by both programs
    results/report/images/{scenario}_{device}_{dtype}.json           the whole image by both programs, made small
    results/report/index.html

STEPS
    1. patch: both programs, once an audit
    2. overview: both programs, once a scenario, on the first device in the first dtype of the config
    3. page: from the ledger and the files that it records, and all other results that are there; after a run that
       failed, too
"""


localrules:
    page,


rule patch:
    input:
        snapshot=f"{TORCH_FOLDER}/config_snapshot.json",
        c_run=f"{C_FOLDER}/c_trace_run.json",
        comparison=f"{TORCH_FOLDER}/compare_scaling_traces.json",
        hkl=prepared_hkl,
    output:
        f"{TORCH_FOLDER}/patch.json",
    log:
        "logs/patch/{scenario}_S{slow}_F{fast}_{device}_{dtype}{suffix}.log",
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(),
    params:
        code=code("patch"),
        hkl=hkl_option,
        build="results/reference/build.json",
        time_limit_s=SETTINGS.reference.time_limit_s,
    message:
        "Round the pixel: {wildcards.scenario}, ({wildcards.slow}, {wildcards.fast}), {wildcards.device}, {wildcards.dtype}{wildcards.suffix}"
    shell:
        "python -m trace_audit.images.patch --snapshot {input.snapshot:q} --c-run {input.c_run:q} --build {params.build:q}"
        " {params.hkl} --time-limit-s {params.time_limit_s} --out {output:q} 2> {log:q}"


rule overview:
    input:
        snapshot=lambda wildcards: f"{first_audit(wildcards).folder}/config_snapshot.json",
        c_run=lambda wildcards: f"{first_audit(wildcards).pixel_folder}/c/c_trace_run.json",
        hkl=prepared_hkl,
    output:
        "results/report/images/{scenario}_{device}_{dtype}.json",
    log:
        "logs/overview/{scenario}_{device}_{dtype}.log",
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(),
    params:
        code=code("overview"),
        hkl=hkl_option,
        build="results/reference/build.json",
        time_limit_s=SETTINGS.reference.time_limit_s,
    message:
        "Whole image: {wildcards.scenario}, {wildcards.device}, {wildcards.dtype}"
    shell:
        "python -m trace_audit.images.overview --snapshot {input.snapshot:q} --c-run {input.c_run:q}"
        " --build {params.build:q} {params.hkl} --time-limit-s {params.time_limit_s} --out {output:q} 2> {log:q}"


rule page:
    input:
        [] if PLAN.pairs else per_audit("patch.json"),
        expand(
            rules.overview.output,
            scenario=[] if PLAN.pairs else SETTINGS.scenarios,
            device=SETTINGS.devices[0],
            dtype=SETTINGS.dtypes[0],
        ),
    output:
        "results/report/index.html",
    log:
        "logs/page/page.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        audits=[audit.folder.removeprefix("results/") for audit in PLAN.audits],
        images=[image.folder.removeprefix("results/") for image in PLAN.images],
    message:
        "Drawing the report"
    shell:
        "python -m trace_audit.report --audits {params.audits:q} --images {params.images:q} > {log:q} 2>&1"
