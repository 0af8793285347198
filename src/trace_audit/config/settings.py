"""The workflow's config file, typed: every key, its meaning, its default, and one clear line when it is wrong.

The model below is the source. `workflow/schemas/config.schema.json` is generated from it
(`python -m trace_audit.config.settings > workflow/schemas/config.schema.json`), and a test compares the two.
"""

from __future__ import annotations

import json
import os
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, Field, StringConstraints, ValidationError, field_validator, model_validator

from trace_audit.config.bench import Bench
from trace_audit.config.campaign import Campaign
from trace_audit.config.matrix import MatrixSettings
from trace_audit.config.setting_types import PATTERN_HINTS, PathText, ScenarioName, Strict, without_repeats
from trace_audit.config.side import Candidate, Reference, Side, require_side
from trace_audit.core.errors import InputError, run_command

Device = Literal["cpu", "cuda", "auto"]
GpuModel = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]*$")]
SchedulerWord = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.,-]*$")]
Pixel = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]

RESERVED_NAMES = ("audit", "bench", "campaign", "experiments", "inputs", "matrix", "reference", "report")


class StructureFactors(Strict):
    """Where |F(hkl)| comes from."""

    file: PathText = Field(
        "",
        description="hkl text, MTZ, mmCIF structure factors, or a PDB/mmCIF model. Empty: the synthetic set.",
    )
    column: str = Field("", description="Column of the file (MTZ label, mmCIF item). Empty: measured amplitudes first.")


class Gate(Strict):
    """What has to hold before and after the traces. The tolerance is no key: nothing loosens it at run time."""

    regression_test: PathText = Field(
        "tests/test_trace_pixel.py::TestScalingTrace::test_scaling_trace_matches_physics",
        min_length=1,
        description="pytest node that must pass before torch is traced.",
    )
    protected_assets: PathText = Field(
        "config/protected_assets.yaml",
        min_length=1,
        description="List of the files that a run must not change.",
    )


class JobResources(Strict):
    """What one job of a kind asks the scheduler for; locally only `threads` counts."""

    threads: int = Field(1, ge=1, description="CPU cores.")
    mem_mb: int = Field(1000, ge=100, description="Memory, MB.")
    runtime_min: int = Field(10, ge=1, description="Time limit, minutes.")
    gpus: int = Field(0, ge=0, description="GPUs, for jobs on device cuda or auto.")
    gpu_model: GpuModel = Field("", description="Which GPU, by Slurm's name for it (a100); empty: any.")
    partition: SchedulerWord = Field("", description="Slurm partition; empty: the cluster's default.")

    @model_validator(mode="after")
    def _model_of_a_gpu(self) -> JobResources:
        if self.gpu_model and not self.gpus:
            raise ValueError("gpu_model names a GPU but gpus is 0; set gpus: 1, or leave gpu_model empty")
        return self


class Resources(Strict):
    """Resources of all jobs."""

    build: JobResources = JobResources()
    c_trace: JobResources = JobResources(mem_mb=1500)
    torch_trace: JobResources = JobResources(mem_mb=3000, gpus=1)
    audit: JobResources = JobResources()
    campaign: JobResources = JobResources(mem_mb=3000, runtime_min=60, gpus=1)


class ImageParity(Strict):
    """Which scenarios have their whole image simulated by both programs when `snakemake parity` is asked for."""

    scenarios: Literal["all"] | Annotated[list[ScenarioName], Field(min_length=1)] = Field(
        "all", description="Names of files in `scenario_dir`, without .yaml; all: every file there."
    )

    @field_validator("scenarios")
    @classmethod
    def _not_reserved(cls, names: str | list[str]) -> str | list[str]:
        return names if isinstance(names, str) else without_repeats(_free_names(names))


def _free_names(names: list[str]) -> list[str]:
    taken = [name for name in names if name in RESERVED_NAMES]
    if taken:
        raise ValueError(f"{taken[0]} is the name of a folder in results/; rename the scenario")
    return names


class Settings(Strict):
    """Everything in config/config.yaml. The audit runs the product scenario x pixel x device x dtype x backend."""

    scenarios: list[ScenarioName] = Field(min_length=1, description="Names of files in `scenario_dir`, without .yaml.")
    scenario_dir: PathText = Field("config/scenarios", min_length=1, description="Folder of the scenario files.")
    pixels: dict[ScenarioName, Annotated[list[Pixel], Field(min_length=1)]] = Field(
        {}, description="Per scenario, [slow, fast] pixels to trace instead of those in its file."
    )
    devices: list[Device] = Field(min_length=1, description="Where torch runs.")
    devices_on_cluster: list[Device] = Field(
        ["auto"], min_length=1, description="Used instead of `devices` if `cluster` is set."
    )
    cluster: bool = Field(False, description="Jobs go to a cluster; workflow/profiles/slurm sets it.")
    forgotten_after_s: int = Field(
        300, ge=1, description="On a cluster: seconds after which a job that Slurm no longer knows counts as failed."
    )
    allow_missing_device: bool = Field(
        False, description="If a requested GPU is absent: skip the audit and record that, instead of failing."
    )
    dtypes: list[Literal["float32", "float64"]] = Field(
        min_length=1, description="torch's type after the hkl fraction."
    )
    backends: list[Literal["eager", "compiled"]] = Field(
        ["eager", "compiled"],
        min_length=1,
        description="What traces and makes images in torch: eager code, compiled code.",
    )
    reference: Reference = Reference()
    candidate: Candidate = Candidate()
    registry: PathText = Field(
        "",
        description="Keys of a simulator that is no nanoBragg: `reference` and `candidate` are then its programs, run "
        "on `experiments`; scenarios, pixels, devices and types do not count.",
    )
    experiments: dict[ScenarioName, str] = Field({}, description="With `registry`: flags of each experiment, by name.")
    structure_factors: StructureFactors = StructureFactors()
    gate: Gate = Gate()
    resources: Resources = Resources()
    image_parity: ImageParity = ImageParity()
    bench: Bench = Bench()
    matrix: MatrixSettings = MatrixSettings()
    campaign: Campaign = Campaign()

    @field_validator("scenarios", "devices", "devices_on_cluster", "dtypes", "backends")
    @classmethod
    def _no_repeats(cls, values: list[str]) -> list[str]:
        return without_repeats(values)

    @field_validator("scenarios")
    @classmethod
    def _not_reserved(cls, names: list[str]) -> list[str]:
        return _free_names(names)

    @property
    def run_on(self) -> list[Device]:
        """The devices of this run."""
        return self.devices_on_cluster if self.cluster else self.devices

    @property
    def sides(self) -> dict[str, Side]:
        """Both sides as an audit of pairs runs them, with defaults filled in."""
        reference, candidate = self.reference, self.candidate
        if not reference.is_set:
            reference = reference.model_copy(update={"program": "c"})
        if not candidate.is_set:
            first = {"device": self.run_on[0], "dtype": self.dtypes[0], "backend": self.backends[0]}
            candidate = candidate.model_copy(update={"program": "torch", **first})
        return {"reference": reference, "candidate": candidate}

    @model_validator(mode="after")
    def _another_simulator(self) -> Settings:
        if bool(self.registry) != bool(self.experiments):
            raise ValueError("registry and experiments: give both for a simulator that is no nanoBragg, or neither")
        for role, side in (("reference", self.reference), ("candidate", self.candidate)):
            if self.registry and side.form not in ("command", "log"):
                raise ValueError(f"registry: {role} has to be a `command` or a `log`, a program that has these keys")
        return self

    @model_validator(mode="after")
    def _pixels_of_listed_scenarios(self) -> Settings:
        for name in self.pixels:
            if name not in self.scenarios:
                raise ValueError(f"pixels: {name} is not among `scenarios` ({', '.join(self.scenarios)})")
        return self


def parse_settings(
    raw: dict[str, Any], source: str = "config/config.yaml", recorded: Reference | None = None
) -> Settings:
    """Check a config as read from YAML. Raises `InputError` naming the first wrong key.

    The reference is `recorded`, if a command reports on existing audits; else NB_C_BIN; else the config's.
    """
    if not isinstance(raw, dict) or not raw:
        raise InputError(f"{source}: empty or not a mapping of keys; start from the config.yaml in the repository")
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{source}: {_first_problem(error, raw)}") from None
    binary = os.environ.get("NB_C_BIN", "")
    reference = settings.reference
    kept = reference.model_dump(include={"name", "keys", "time_limit_s", "compiler"})
    if recorded and reference.is_nanobragg:
        reference = recorded
    elif binary:
        reference = Reference(binary=binary, **kept)
    return settings.model_copy(update={"reference": reference})


def require_files(settings: Settings, source: str = "config/config.yaml", recorded: Reference | None = None) -> None:
    """Refuse a config that names missing files, before any job runs. Raises `InputError`.

    A `recorded` reference may be missing: no job of a report needs it.
    """
    require_side("reference", Reference() if recorded else settings.reference, source)
    require_side("candidate", settings.candidate, source)
    if settings.registry and not Path(settings.registry).is_file():
        raise InputError(
            f"{source}: registry: no such file {settings.registry!r}; docs/porting.md says how to write it"
        )
    file = settings.structure_factors.file
    if file and not Path(file).is_file():
        raise InputError(
            f"{source}: structure_factors.file: no such file {file!r}; give an hkl, MTZ, mmCIF or PDB file, "
            "or leave it empty for the synthetic set"
        )


def scenario_file(settings: Settings, name: str, source: str = "config/config.yaml") -> Path:
    """Path of a scenario's YAML file. Raises `InputError` with the names that exist when there is none."""
    folder = Path(settings.scenario_dir)
    path = folder / f"{name}.yaml"
    if path.is_file():
        return path
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    raise InputError(
        f"{source}: scenarios: unknown scenario {name!r}, no file {path}; "
        + (f"known: {', '.join(known)}" if known else f"{folder} holds no .yaml file")
        + _did_you_mean(name, known)
    )


def image_scenarios(settings: Settings) -> list[str]:
    """Names of the scenarios of image parity; `all` stands for every file in `scenario_dir`."""
    wanted = settings.image_parity.scenarios
    if wanted == "all":
        return _free_names(sorted(path.stem for path in Path(settings.scenario_dir).glob("*.yaml")))
    return list(wanted)


def _first_problem(error: ValidationError, raw: dict[str, Any]) -> str:
    """One line for the first problem; unknown keys come first, as a misspelt key also leaves a required one missing."""
    problems = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    problem = problems[0]
    where = ".".join(str(part) for part in problem["loc"]) or "config"
    if problem["type"] == "extra_forbidden":
        known = _known_keys(problem["loc"][:-1])
        return f"unknown key {where!r}; known: {', '.join(known)}" + _did_you_mean(str(problem["loc"][-1]), known)
    if problem["type"] == "missing":
        return f"key {where!r} is missing; expected {_describe(problem['loc'])}"
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}"
    hint = PATTERN_HINTS.get(problem.get("ctx", {}).get("pattern", ""))
    expected = f"expected {hint}" if hint else problem["msg"][0].lower() + problem["msg"][1:]
    return f"{where}: {problem['input']!r}: {expected}"


def _model_at(location: tuple[Any, ...]) -> type[BaseModel]:
    model: Any = Settings
    for part in location:
        model = model.model_fields[part].annotation
    return cast(type[BaseModel], model)


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    return list(_model_at(location).model_fields)


def _describe(location: tuple[Any, ...]) -> str:
    return _model_at(location[:-1]).model_fields[location[-1]].description or "a value"


def _did_you_mean(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def schema_text() -> str:
    """The JSON schema of the config file, as committed."""
    return json.dumps(Settings.model_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    raise SystemExit(run_command(lambda _: print(schema_text(), end="") or 0))
