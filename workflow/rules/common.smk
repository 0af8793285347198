"""
What the other files here share: the checked config, the list of audits, paths, job sizes.

INPUTS
    config                config/config.yaml, as changed by --config and --configfile, or of a module's `config:`
    config/scenarios/     one YAML file a scenario
    what the working folder lacks of config/ is taken from the checkout

    TRACE_AUDIT_OF_RECORD in the environment   the reference is the one on record: this call reports on audits

OUTPUTS
    none; it runs no job

STEPS
    1. check the config and each scenario named in it; one line and exit code 2 when something is wrong
    2. list the audits: the product scenario x pixel x device x dtype x backend
    3. constrain the wildcards
"""

import os
import sys
from pathlib import Path

ROOT = Path(str(workflow.current_basedir)).resolve().parents[1]
SRC = ROOT / "src"

sys.path.insert(0, str(SRC))

from trace_audit.core.errors import InputError
from trace_audit.core.shipped import own_or_shipped
from trace_audit.workflow.job_code import fingerprint
from trace_audit.workflow.plan import make_plan, recorded_reference
from trace_audit.workflow.run_hooks import (
    Session,
    require_own_files,
    require_plain,
    require_writable,
    share_environment,
)
from trace_audit.workflow.slurm.plugin import prepare_plugin

share_environment(SRC)

# A shell makes logs anew: it writes through no link that somebody put there since Snakemake removed the old one.
# A workflow that takes this one as a module keeps its own shell.
if Path(workflow.main_snakefile).resolve().is_relative_to(ROOT):
    shell.prefix("set -euo pipefail; set -o noclobber; ")

BUILD = Path("results/reference/build.json")

# A workflow that takes this one as a module may give a config of its own.
CONFIG_SOURCE = (
    os.path.relpath(workflow.configfiles[-1]) if workflow.configfiles else "config"
)

try:
    require_plain(ROOT, Path())
    require_writable(Path("results"))
    if workflow.is_main_process:
        require_own_files(Path("logs"), Path("results"))
    PLAN = make_plan(
        config,
        source=CONFIG_SOURCE,
        recorded=(
            recorded_reference(BUILD) if "TRACE_AUDIT_OF_RECORD" in os.environ else None
        ),
    )
    if PLAN.settings.cluster:
        prepare_plugin(PLAN.settings.forgotten_after_s)
except InputError as error:
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

SETTINGS = PLAN.settings

SESSION = Session()
MISSING_DEVICE = "--allow-missing-device" if SETTINGS.allow_missing_device else ""
C_FOLDER = "results/{scenario}/S{slow}_F{fast}/c"
TORCH_FOLDER = "results/{scenario}/S{slow}_F{fast}/{device}_{dtype}{suffix}"


wildcard_constraints:
    scenario="|".join(PLAN.scenario_files),
    slow=r"\d+",
    fast=r"\d+",
    device="cpu|cuda|auto",
    dtype="float32|float64",
    suffix="(_compiled)?",


def backend(wildcards):
    """What traces in torch: compiled code for files whose name says so."""
    return "compiled" if wildcards.suffix else "eager"


def code(rule):
    """Fingerprint of a rule's code, as a parameter of it; an edit reruns what that code computed."""
    return fingerprint(ROOT, rule)


def per_audit(name):
    """One file of every audit, in the order of the config."""
    return [f"{audit.folder}/{name}" for audit in PLAN.audits]


def per_image(name):
    """One file of every comparison of images, in the order of the config."""
    return [f"{image.folder}/{name}" for image in PLAN.images]


def first_audit(wildcards):
    """The first audit of a scenario; the whole image is made as that audit was."""
    return next(audit for audit in PLAN.audits if audit.scenario == wildcards.scenario)


def scenario_yaml(wildcards):
    return str(PLAN.scenario_files[wildcards.scenario])


def prepared_hkl(wildcards):
    """The hkl text of a scenario; nothing where it has but a default amplitude."""
    prepared = PLAN.hkl_sources[wildcards.scenario] is not None
    return [f"results/inputs/{wildcards.scenario}.hkl"] if prepared else []


def taken(wildcards):
    """What was taken of a user's file for a scenario; nothing where it has but a default amplitude."""
    return [name.removesuffix("hkl") + "taken.json" for name in prepared_hkl(wildcards)]


def hkl_option(wildcards, input):
    return f"--hkl {input.hkl}" if input.hkl else ""


def taken_option(wildcards, input):
    return f"--taken {input.taken}" if input.taken else ""


def reference_source(wildcards):
    return str(PLAN.reference_source)


def job(kind):
    """Resources of a kind of job, from `resources` in the config; each further attempt gets as much again."""
    size = getattr(SETTINGS.resources, kind)
    return {
        "mem_mb": lambda wildcards, attempt: size.mem_mb * attempt,
        "runtime": lambda wildcards, attempt: size.runtime_min * attempt,
        "slurm_partition": size.partition,
    }


def torch_job(kind="torch_trace", device=None):
    """As `job`, for one that runs torch on `device` (text, or a function of the wildcards), or on that of its wildcard.

    On cpu it asks for no GPU, and goes where the C program goes.
    """
    size = getattr(SETTINGS.resources, kind)

    def on_gpu(wildcards):
        asked = device(wildcards) if callable(device) else device
        return (asked or wildcards.device) != "cpu"

    def partition(wildcards):
        return (size if on_gpu(wildcards) else SETTINGS.resources.c_trace).partition

    return {
        **job(kind),
        "gpu": lambda wildcards: size.gpus if on_gpu(wildcards) else 0,
        "gpu_model": lambda wildcards: size.gpu_model if on_gpu(wildcards) else "",
        "slurm_partition": partition,
    }


def best_of(devices):
    """The device to ask for where one job runs torch on several: one with a GPU, if any has one."""
    return next((device for device in devices if device != "cpu"), "cpu")


def first_audit(wildcards):
    """The first audit of a scenario; the whole image is made as that audit was."""
    return next(audit for audit in PLAN.audits if audit.scenario == wildcards.scenario)


def side_program(role):
    """The program of a side that is built or given as a binary."""
    side = PLAN.sides[role]
    if not (side.is_built or side.binary):
        return []
    return [BINARY if role == "reference" else CANDIDATE_BINARY]


def side_files(role):
    """The user's files that a side is read from."""
    side = PLAN.sides[role]
    return [path for path in (side.log, side.image) if path]


def side_device(wildcards):
    """The device of a side: that of our torch program where it is one; a command may use what the config lists."""
    side = PLAN.sides[wildcards.side]
    if side.program == "torch":
        return side.device
    return best_of(SETTINGS.run_on) if side.command else "cpu"
