"""
Compare the two traces of an audit, key by key.

INPUTS
    results/{scenario}/S{slow}_F{fast}/c/c_trace_scaling.log
    results/{scenario}/S{slow}_F{fast}/{device}_{dtype}{suffix}/trace_py_scaling.log, config_snapshot.json

OUTPUTS
    results/{scenario}/S{slow}_F{fast}/{device}_{dtype}{suffix}/compare_scaling_traces.json, compare_scaling_traces.md,
                                         diff_summary.md, key_graph.svg, differences.svg

STEPS
    1. check that the factors multiply back to the pixel on each side
    2. compare every component of every key at the tolerance; where keys differ, see which known defect explains it
    3. feed each stage of torch with the values of C, to prove which one is to blame
    4. write the verdict and draw it; a verdict of fail is no failure here, the gate acts upon it once it is on record
"""


rule compare:
    input:
        c=f"{C_FOLDER}/c_trace_scaling.log",
        torch=f"{TORCH_FOLDER}/trace_py_scaling.log",
        config=f"{TORCH_FOLDER}/config_snapshot.json",
        hkl=prepared_hkl,
    output:
        json=f"{TORCH_FOLDER}/compare_scaling_traces.json",
        table=report(
            f"{TORCH_FOLDER}/compare_scaling_traces.md",
            caption="../report/comparison.rst",
            category="Comparisons",
            labels={
                "scenario": "{scenario}",
                "pixel": "{slow}, {fast}",
                "device": "{device}",
                "dtype": "{dtype}{suffix}",
            },
        ),
        summary=report(
            f"{TORCH_FOLDER}/diff_summary.md",
            caption="../report/differences.rst",
            category="Differences",
            labels={
                "scenario": "{scenario}",
                "pixel": "{slow}, {fast}",
                "device": "{device}",
                "dtype": "{dtype}{suffix}",
            },
        ),
        graph=report(
            f"{TORCH_FOLDER}/key_graph.svg",
            caption="../report/pictures.rst",
            category="Pictures",
            labels={
                "scenario": "{scenario}",
                "pixel": "{slow}, {fast}",
                "device": "{device}",
                "dtype": "{dtype}{suffix}",
                "picture": "graph of keys",
            },
        ),
        differences=report(
            f"{TORCH_FOLDER}/differences.svg",
            caption="../report/pictures.rst",
            category="Pictures",
            labels={
                "scenario": "{scenario}",
                "pixel": "{slow}, {fast}",
                "device": "{device}",
                "dtype": "{dtype}{suffix}",
                "picture": "relative difference",
            },
        ),
    log:
        "logs/compare/{scenario}_S{slow}_F{fast}_{device}_{dtype}{suffix}.log",
    benchmark:
        "logs/compare/{scenario}_S{slow}_F{fast}_{device}_{dtype}{suffix}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.audit.threads
    resources:
        **job("audit"),
    params:
        code=code("compare"),
        scenario_dir=SETTINGS.scenario_dir,
        names=PLAN.names,
    message:
        "Comparing: {wildcards.scenario}, pixel ({wildcards.slow}, {wildcards.fast}), {wildcards.device}, {wildcards.dtype}{wildcards.suffix}"
    script:
        "../scripts/compare_scaling_traces.py"
