"""
The torch trace: first the regression test that guards it, then one run for each audit.

INPUTS
    src/nanobrag_torch/, tests/test_trace_pixel.py
    config/scenarios/{scenario}.yaml
    results/inputs/{scenario}.hkl

OUTPUTS
    results/audit/regression_test.json   what was run, what passed, what was skipped and why
    results/{scenario}/S{slow}_F{fast}/{device}_{dtype}{suffix}/trace_py_scaling.log, trace_py_stdout.txt, trace_py_stderr.txt,
                                         trace_py_env.json, trace_py_run.json, config_snapshot.json,
                                         capture_notes.md

STEPS
    1. regression_test: every traced factor against independent formulas; it fails the workflow before torch is traced
    2. torch_trace: its trace depends on the result of the test

Both wait for the C side: without a reference there is nothing to compare torch with.
"""


rule regression_test:
    input:
        os.path.relpath(ROOT / SETTINGS.gate.regression_test.split("::")[0]),
        reference=ancient("results/reference/build.json"),
    output:
        result="results/audit/regression_test.json",
    log:
        "logs/regression_test/regression_test.log",
    benchmark:
        "logs/regression_test/regression_test.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(device=best_of(SETTINGS.run_on)),
    params:
        code=code("regression_test"),
        node=SETTINGS.gate.regression_test,
    message:
        "Regression test of the torch trace"
    script:
        "../scripts/regression_test.py"


rule torch_trace:
    input:
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        test="results/audit/regression_test.json",
        c=ancient(f"{C_FOLDER}/c_trace_scaling.log"),
        assets=ancient("results/audit/protected_before.json"),
    output:
        trace=f"{TORCH_FOLDER}/trace_py_scaling.log",
        stdout=f"{TORCH_FOLDER}/trace_py_stdout.txt",
        stderr=f"{TORCH_FOLDER}/trace_py_stderr.txt",
        run=f"{TORCH_FOLDER}/trace_py_run.json",
        env=f"{TORCH_FOLDER}/trace_py_env.json",
        config=f"{TORCH_FOLDER}/config_snapshot.json",
        notes=f"{TORCH_FOLDER}/capture_notes.md",
    log:
        "logs/torch_trace/{scenario}_S{slow}_F{fast}_{device}_{dtype}{suffix}.log",
    benchmark:
        "logs/torch_trace/{scenario}_S{slow}_F{fast}_{device}_{dtype}{suffix}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.torch_trace.threads
    resources:
        **torch_job(),
    params:
        code=code("torch_trace"),
        scenario_dir=SETTINGS.scenario_dir,
        hkl=hkl_option,
        missing=MISSING_DEVICE,
        backend=backend,
    message:
        "Torch trace: {wildcards.scenario}, pixel ({wildcards.slow}, {wildcards.fast}), {wildcards.device}, {wildcards.dtype}, {params.backend}"
    shell:
        "python -m trace_audit.harness --config {wildcards.scenario:q} --scenario-dir {params.scenario_dir:q}"
        " {params.hkl} --pixel {wildcards.slow} {wildcards.fast}"
        " --device {wildcards.device} --dtype {wildcards.dtype} --backend {params.backend} {params.missing} --out {output.trace:q} 2> {log:q}"
