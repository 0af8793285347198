"""
Times and memory of both programs on this machine; target `bench`, no part of the audit.

INPUTS
    src/nanobragg_c/, src/nanobrag_torch/, results/inputs/{bench.scenario}.hkl
    NB_C_BIN, reference.binary or reference.source     measured too where one is given

OUTPUTS
    results/bench/programs.json, compiled.json    how the programs were built
    results/bench/{part}.json                     every run's figures, medians, ratios, goals, machine and versions
    results/bench/{part}.svg                      the same as a picture
    results/bench/table.txt, readme_table.md      medians, ratios and goals of all parts
    build/bench/                                  the programs, and torch's compiled code

STEPS
    1. bench_programs, bench_compiled: our C source in three ways; the torch program's compiled code
    2. bench_measure: one part after the other, nothing beside it
    3. bench_show
"""

from trace_audit.programs.build import source_files

BENCH = SETTINGS.bench
OUR_SOURCE = os.path.relpath(SRC / "nanobragg_c")
BENCH_HKL = (
    [f"results/inputs/{BENCH.scenario}.hkl"]
    if PLAN.hkl_sources.get(BENCH.scenario) is not None
    else []
)
BENCH_RESULTS = [f"results/bench/{part}.json" for part in BENCH.parts]


localrules:
    bench,


rule bench:
    input:
        "results/bench/table.txt",


rule bench_programs:
    input:
        sources=list(map(str, source_files(Path(OUR_SOURCE)))),
        external=[BINARY] if FOREIGN else [],
    output:
        record="results/bench/programs.json",
        folder=directory("build/bench/programs"),
    log:
        "logs/bench_programs/programs.log",
    conda:
        "../../envs/build.yaml"
    threads: 1
    resources:
        **job("build"),
    params:
        code=code("bench_programs"),
        source=lambda wildcards: OUR_SOURCE,
        external=lambda wildcards, input: (
            f"--external {input.external:q}" if input.external else ""
        ),
        compiler=SETTINGS.reference.compiler,
    message:
        "Building the C program in three ways"
    shell:
        "python -m nanobrag_bench build --source {params.source:q} --compiler {params.compiler:q} {params.external}"
        " --folder {output.folder:q} --record {output.record:q} 2> {log:q}"


rule bench_compiled:
    input:
        scenario=f"{SETTINGS.scenario_dir}/{BENCH.scenario}.yaml",
        hkl=BENCH_HKL,
    output:
        record="results/bench/compiled.json",
        cache=directory("build/bench/torch"),
    log:
        "logs/bench_compiled/compiled.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **torch_job(device="cpu"),
    params:
        code=code("bench_compiled"),
        hkl=hkl_option,
    message:
        "Building the torch program's compiled code"
    shell:
        "python -m nanobrag_bench compile --config {input.scenario:q} {params.hkl} --cache {output.cache:q}"
        " --record {output.record:q} 2> {log:q}"


rule bench_measure:
    input:
        programs="results/bench/programs.json",
        binaries="build/bench/programs",
        compiled="results/bench/compiled.json",
        cache="build/bench/torch",
        scenario=f"{SETTINGS.scenario_dir}/{BENCH.scenario}.yaml",
        hkl=BENCH_HKL,
    output:
        "results/bench/{part}.json",
    log:
        "logs/bench_measure/{part}.log",
    wildcard_constraints:
        part="|".join(BENCH.parts),
    conda:
        "../../envs/audit.yaml"
    threads: workflow.cores or os.cpu_count()
    resources:
        **torch_job(
            device=lambda wildcards: "auto" if wildcards.part == "gpu" else "cpu"
        ),
    params:
        code=code("bench_measure"),
        repeats=BENCH.repeats,
        hkl=hkl_option,
        pixels=" ".join(
            f"--{name} {side}" for name, side in BENCH.pixels.model_dump().items()
        ),
    message:
        "Measuring: {wildcards.part}"
    shell:
        "python -m nanobrag_bench measure {wildcards.part} --config {input.scenario:q} {params.hkl}"
        " --programs {input.programs:q} --cache {input.cache:q} --repeats {params.repeats} {params.pixels}"
        " --out {output:q} 2> {log:q}"


rule bench_show:
    input:
        BENCH_RESULTS,
    output:
        table="results/bench/table.txt",
        readme="results/bench/readme_table.md",
        pictures=[f"results/bench/{part}.svg" for part in BENCH.parts],
    log:
        "logs/bench_show/show.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        code=code("bench_show"),
        folder=lambda wildcards, output: os.path.dirname(output.table),
    message:
        "Tables and pictures of the benchmark"
    shell:
        "python -m nanobrag_bench show {input:q} --folder {params.folder:q} 2> {log:q}"
