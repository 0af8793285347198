"""`snakemake bench` on a small experiment."""

import json

import yaml

from tests.c_program import quick_compiler
from tests.workflow.conftest import make_project

SIDES = dict.fromkeys(("large", "memory", "huge", "gradient", "steps"), 8)


def test_bench_leaves_figures_tables_and_pictures(tmp_path):
    project = make_project(tmp_path)
    project.write_config(
        bench={"scenario": "small", "repeats": 1, "parts": ["kernel"], "pixels": SIDES},
        reference={"compiler": quick_compiler(tmp_path)},
    )
    done = project.snakemake("--quiet", "all", "--", "bench", NANOBRAG_TORCH_COMPILE="never")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = project.file("results/bench")
    result = json.loads((folder / "kernel.json").read_text())
    assert {row["program"] for row in result["rows"]} == {
        "C make", "C -O3", "C fast-math", "torch float32", "torch float64",
    }  # fmt: skip
    assert result["build"]["programs"]["C fast-math"]["flags"][-2:] == ["-ffast-math", "-fno-finite-math-only"]
    assert result["machine"]["cores"] > 0 and len(result["goals"]) == 3
    assert json.loads((folder / "compiled.json").read_text())["built"] is False
    assert {path.name for path in folder.glob("*.svg")} == {"kernel.svg"}
    assert "kernel: simulation alone" in (folder / "table.txt").read_text()
    assert "| kernel: " in (folder / "readme_table.md").read_text()


def test_wrong_part_is_refused(tmp_path):
    project = make_project(tmp_path)
    project.write_config(bench={"parts": ["kernl"]})
    done = project.snakemake("-n", "--", "bench")
    assert done.returncode == 2 and "bench.parts" in done.stderr
    assert yaml.safe_load(project.file("config/config.yaml").read_text())["bench"]["parts"] == ["kernl"]
