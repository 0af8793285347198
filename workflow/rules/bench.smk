"""
Times and memory of both programs on this machine; no part of the audit.

INPUTS
    results/reference/nanobragg, results/inputs/{bench.scenario}.hkl, src/nanobrag_torch/

OUTPUTS
    results/bench/bench.json     every run's figures, their medians, the machine and the versions
    results/bench/table.txt      the medians

STEPS
    1. benchmark_programs: the scenario's whole image and one traced pixel, each `bench.repeats` times, nothing beside it
"""

BENCH_SCENARIO = SETTINGS.bench.scenario


localrules:
    bench,


rule bench:
    input:
        "results/bench/table.txt",


rule benchmark_programs:
    input:
        binary=BINARY,
        build="results/reference/build.json",
        scenario=f"{SETTINGS.scenario_dir}/{BENCH_SCENARIO}.yaml",
        hkl=f"results/inputs/{BENCH_SCENARIO}.hkl",
    output:
        json="results/bench/bench.json",
        table="results/bench/table.txt",
    log:
        "logs/benchmark_programs/bench.log",
    conda:
        "../../envs/audit.yaml"
    threads: os.cpu_count()
    resources:
        **torch_job(device=best_of(SETTINGS.bench.devices)),
    params:
        code=code(*TORCH_CODE),
        c_source=None if FOREIGN else reference_source,
        repeats=SETTINGS.bench.repeats,
        devices=SETTINGS.bench.devices,
    message:
        "Timing both programs on {input.scenario}"
    script:
        "../scripts/bench.py"
