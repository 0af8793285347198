"""
One experiment by every compiler, option, backend, type and device of this machine; target `matrix`, no part of the audit.

INPUTS
    src/nanobragg_c/, src/nanobrag_torch/, the scenario of `matrix` in the config

OUTPUTS
    results/matrix/{scenario}/matrix.json   worst key and image difference of each against the strictest, source files
                                            that a compiler option moves the result with, what was left out and why
    results/matrix/{scenario}/matrix.md, matrix.svg     the same as a table and as a picture

STEPS
    1. matrix_cells: builds the C program with each compiler and option, runs all; where an option moves the result
       beyond the tolerance, objects of two builds are swapped until the source files are found. Never fails for that
"""

MATRIX = SETTINGS.matrix
MATRIX_FOLDER = f"results/matrix/{MATRIX.scenario}"


localrules:
    matrix,


rule matrix:
    input:
        f"{MATRIX_FOLDER}/matrix.md",


rule matrix_cells:
    input:
        sources=list(map(str, source_files(Path(OUR_SOURCE)))),
        scenario=f"{SETTINGS.scenario_dir}/{MATRIX.scenario}.yaml",
        hkl=(
            [f"results/inputs/{MATRIX.scenario}.hkl"]
            if PLAN.hkl_sources.get(MATRIX.scenario) is not None
            else []
        ),
    output:
        json=f"{MATRIX_FOLDER}/matrix.json",
        table=f"{MATRIX_FOLDER}/matrix.md",
        picture=f"{MATRIX_FOLDER}/matrix.svg",
    log:
        "logs/matrix_cells/matrix.log",
    benchmark:
        "logs/matrix_cells/matrix.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(device="auto"),
    params:
        code=code("matrix_cells"),
        folder=lambda wildcards, output: os.path.dirname(output.json),
        source=lambda wildcards: OUR_SOURCE,
        compilers=MATRIX.compilers,
        time_limit_s=MATRIX.time_limit_s,
        hkl=hkl_option,
    message:
        "Every compiler, option, backend and type: {MATRIX.scenario}"
    shell:
        "OMP_NUM_THREADS={threads} python -m trace_audit.matrix --config {input.scenario:q} {params.hkl}"
        " --source {params.source:q} --compilers {params.compilers:q} --time-limit-s {params.time_limit_s}"
        " --out {params.folder:q} > {log:q} 2>&1 || [ $? -eq 1 ]"
