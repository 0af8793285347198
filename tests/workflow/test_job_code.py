"""A job depends on the rooms of code that its command imports, on all of them and on no others."""

import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import grimp
import pytest
import yaml

from tests.workflow import forked
from tests.workflow.conftest import REPOSITORY
from trace_audit.chaos.checkout import environment
from trace_audit.workflow.job_code import PATTERNS, files_of, fingerprint

PACKAGES = ("nanobrag_bench", "nanobrag_campaign", "nanobrag_torch", "nanobragg_tables", "trace_audit")
# These name files instead of rooms: what they made is kept when other code changes.
NAME_FILES = {"structure_factors", "campaign_shard", "campaign_audit", "campaign_merge", "campaign_summary"}
# These run the C program on prepared input; torch is imported only where structure factors are yet to be made.
OF_C = {"c_trace", "c_image"}
OF_BENCH = {"bench_programs", "bench_compiled", "bench_measure", "bench_show"}


def rules() -> dict[str, str]:
    """The text of every rule by name."""
    texts = [path.read_text() for path in sorted((REPOSITORY / "workflow/rules").glob("*.smk"))]
    pattern = r"^ *rule (\w+):\n((?:.|\n)*?)(?=^ *rule |\Z)"
    return {name: body for text in texts for name, body in re.findall(pattern, text, re.MULTILINE)}


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def commands(rule: str) -> set[str]:
    """The modules that a rule runs, with `python -m` or through a script of the workflow."""
    body = rules()[rule]
    modules = set(re.findall(r"python -m ((?:trace_audit|nanobrag_\w+)[\w.]*)", body))
    for script in re.findall(r'"\.\./(scripts/\w+\.py)"', body):
        text = (REPOSITORY / "workflow" / script).read_text()
        for module, names in re.findall(r"from (trace_audit[\w.]*) import ([\w, ]+)", text):
            modules |= {f"{module}.{name.split()[0]}" for name in names.split(",")} | {module}
    return {name for module in modules for name in (module, f"{module}.__main__") if name in imports().modules}


def source(module: str) -> Path:
    path = REPOSITORY / "src" / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def test_every_rule_that_has_code_is_listed_by_its_own_name():
    named = {name: re.findall(r'code=code\("(\w+)"\)', body) for name, body in rules().items()}
    assert {name for name, matches in named.items() if matches} == set(PATTERNS)
    assert all(matches == [name] for name, matches in named.items() if matches)


@pytest.mark.parametrize("rule", sorted(set(PATTERNS) - NAME_FILES - OF_BENCH))
def test_a_rule_depends_on_all_that_its_command_imports(rule: str):
    run = commands(rule) - {"trace_audit.workflow.script", "trace_audit.workflow.plan", "trace_audit.workflow"}
    assert run
    used = run.union(*(imports().find_upstream_modules(module) for module in run))
    thin = {module for module in used if re.fullmatch(r"trace_audit\.\w+(\.__main__)?", module)}
    thin |= {module for module in used if module.startswith("trace_audit.workflow")}
    if rule in OF_C:
        thin |= {module for module in used if module.startswith("nanobrag_torch")}
    listed = set(files_of(REPOSITORY, PATTERNS[rule]))
    assert not sorted(module for module in used - thin if source(module) not in listed)


def test_frames_depend_on_every_file_of_the_simulator_and_the_campaign_that_makes_them():
    """These list single files, so one that is new must be added."""
    used = imports().find_upstream_modules("nanobrag_campaign.shard")
    made_by = {module for module in used if module.startswith(("nanobrag_campaign.", "nanobrag_torch."))}
    listed = set(files_of(REPOSITORY, PATTERNS["campaign_shard"]))
    assert "nanobrag_torch.noise.poisson" in made_by
    assert not sorted(module for module in made_by if source(module) not in listed)
    assert REPOSITORY / "src/nanobrag_torch/noise/noise.c" in listed


@pytest.mark.parametrize("rule", sorted(PATTERNS))
def test_every_pattern_matches_and_the_report_is_in_none(rule: str):
    assert all(files_of(REPOSITORY, [pattern]) for pattern in PATTERNS[rule])
    rooms = {path.relative_to(REPOSITORY).parts[:3] for path in files_of(REPOSITORY, PATTERNS[rule])}
    assert not rooms & {("src", "trace_audit", room) for room in ("report", "trail", "workflow", "chaos")}


def test_only_code_of_the_rule_changes_its_fingerprint(tmp_path: Path):
    (tmp_path / "src").mkdir()
    shutil.copytree(REPOSITORY / "src/trace_audit", tmp_path / "src/trace_audit")
    before = {rule: fingerprint(tmp_path, rule) for rule in PATTERNS}
    edit(tmp_path / "src/trace_audit/compare/blame.py")
    changed = {rule for rule in PATTERNS if fingerprint(tmp_path, rule) != before[rule]}
    assert changed == {"compare", "image_parity", "matrix_cells", "other_audit", "port_audit"}


def edit(path: Path) -> None:
    path.write_text(path.read_text() + "# edited\n")


def snakemake(checkout: Path, *arguments: str) -> str:
    done = forked.run(["--cores", "2", *arguments], checkout, environment())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def jobs(text: str) -> set[str]:
    """The rules in the table of a dry run."""
    return set(re.findall(r"^(\w+) +\d+$", text, re.MULTILINE)) - {"total"}


@pytest.mark.slow
def test_an_edit_reruns_what_it_can_change_and_no_more(prepared: Path, tmp_path: Path):
    checkout = shutil.copytree(prepared, tmp_path / "checkout", symlinks=True)
    scenario = checkout / "config/scenarios/small.yaml"
    settings = yaml.safe_load(scenario.read_text())
    settings["detector"] |= {"pixels_fast": 128, "pixels_slow": 96}
    scenario.write_text(yaml.safe_dump(settings))
    snakemake(checkout)
    for name in ("page.py", "audits.py", "templates/report.html.j2", "templates/report.css", "table.py"):
        edit(checkout / "src/trace_audit/report" / name)
    assert jobs(snakemake(checkout, "--dry-run")) == set()
    edit(checkout / "src/trace_audit/compare/verdict.py")
    again = jobs(snakemake(checkout, "--dry-run"))
    assert "compare" in again and not again & {"c_trace", "torch_trace", "regression_test", "build_reference"}
    edit(checkout / "src/nanobrag_torch/physics/lattice.py")
    again = jobs(snakemake(checkout, "--dry-run"))
    assert again >= {"regression_test", "torch_trace"} and not again & {"c_trace", "build_reference"}
    edit(checkout / "src/trace_audit/programs/harness.py")
    trace = checkout / "results/small/S20_F30/cpu_float64/trace_py_scaling.log"
    before = trace.stat().st_mtime_ns
    run = [sys.executable, "-m", "trace_audit.workflow.run", "--until-done", "--cores", "2"]
    done = subprocess.run(run, cwd=checkout, env=environment(), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert trace.stat().st_mtime_ns > before, "the C trace and the torch trace have to be made anew, not one of them"
