"""The source files that a rule's result depends on: the rooms that its command imports, and no others.

A rule's `params: code=` holds the fingerprint of these files, so an edit reruns only the rules it can affect: an edit
of the report reruns no trace. A test compares this list with the imports of each command.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

TABLES = ("src/nanobragg_tables/*.*",)
SIMULATOR = (
    "src/nanobrag_torch/*.py",
    *(
        f"src/nanobrag_torch/{room}/**/*.py"
        for room in ("backends", "cli", "faults", "io", "parameters", "physics", "simulator", "trace")
    ),
    *TABLES,
)
REFINEMENT = (*SIMULATOR, "src/nanobrag_torch/gradients/**/*.py", "src/nanobrag_torch/refine/**/*.py")
BARS = ("src/trace_audit/data/image_tolerances.json",)


def _rooms(*names: str) -> tuple[str, ...]:
    return ("src/trace_audit/__init__.py", *(f"src/trace_audit/{name}/**/*.py" for name in names))


RUNNING = (
    *_rooms("core", "trace", "config", "inputs", "programs"),
    "src/trace_audit/data/trace_keys.json",
    "src/trace_audit/data/tolerances.json",
    *TABLES,
)
COMPARING = (*RUNNING, *_rooms("stages", "compare"))
DERIVATIVES = (*RUNNING, *_rooms("stages", "derivatives"), *REFINEMENT)
IMAGES = (*RUNNING, *_rooms("images"), *BARS, *SIMULATOR)

_FRAMES = ("frames", "noise", "nxmx", "orientations", "plan", "production", "shard", "shards", "writer")
FRAMES = (
    *SIMULATOR,
    "src/nanobrag_torch/noise/*.*",
    "src/trace_audit/inputs/prepare.py",
    "src/trace_audit/config/scenario*.py",
    *(f"src/nanobrag_campaign/{name}.py" for name in _FRAMES),
)

_SIDE = ("__init__", "program", "records", "side", "side_job")

# Structure factors and campaign frames list single files: changes elsewhere must not repeat a million images.
PATTERNS: dict[str, tuple[str, ...]] = {
    "structure_factors": tuple(f"src/trace_audit/inputs/{name}.py" for name in ("hkl_text", "synthetic", "user_file")),
    "c_trace": RUNNING,
    "regression_test": (
        *SIMULATOR,
        "tests/*.py",
        "tests/independent_model/*.py",
        *_rooms("core"),
        "src/trace_audit/programs/regression.py",
    ),
    "torch_trace": (*RUNNING, *SIMULATOR),
    "compare": (*COMPARING, *SIMULATOR),
    "side": (*RUNNING, *(f"src/trace_audit/port/{name}.py" for name in _SIDE), *SIMULATOR),
    "port_audit": (*COMPARING, *_rooms("port"), *SIMULATOR),
    "c_image": RUNNING,
    "torch_image": (*RUNNING, *SIMULATOR),
    "image_parity": (*COMPARING, *IMAGES),
    "patch": IMAGES,
    "overview": IMAGES,
    "gradient_audit": DERIVATIVES,
    "refinement_images": DERIVATIVES,
    "refine": REFINEMENT,
    "refinement_judge": DERIVATIVES,
    "campaign_shard": FRAMES,
    "campaign_audit": (
        *FRAMES,
        *BARS,
        "src/nanobrag_campaign/audit.py",
        "src/trace_audit/images/image_comparison.py",
        "src/trace_audit/programs/image_run.py",
    ),
    "campaign_merge": ("src/nanobrag_campaign/*.py",),
    "campaign_summary": ("src/nanobrag_campaign/*.py",),
    "other_audit": (*COMPARING, *_rooms("port"), *SIMULATOR),
    "matrix_cells": (*COMPARING, *IMAGES, *_rooms("port", "matrix", "reduce")),
    "bench_programs": ("src/nanobrag_bench/**/*.py",),
    "bench_compiled": (*RUNNING, *SIMULATOR, "src/nanobrag_bench/compiled.py"),
    "bench_measure": (*RUNNING, *SIMULATOR, "src/nanobrag_bench/**/*.py"),
    "bench_show": ("src/nanobrag_bench/**/*.py",),
}


def files_of(root: Path, patterns: Iterable[str]) -> list[Path]:
    """The files below `root` that match any of the patterns, sorted."""
    return sorted({path for pattern in patterns for path in root.glob(pattern)})


def fingerprint(root: Path, rule: str) -> str:
    """SHA-256 over names and contents of a rule's code, in the checkout `root`."""
    digest = hashlib.sha256()
    for path in files_of(root, PATTERNS[rule]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root)} {len(content)}\n".encode() + content)
    return digest.hexdigest()
