"""The plan of a run: its checked settings, its scenarios, and one entry for each audit."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from trace_audit.config.scenario import check_pixel, load_scenario
from trace_audit.config.scenario_model import Scenario
from trace_audit.config.settings import (
    Reference,
    Settings,
    image_scenarios,
    parse_settings,
    require_files,
    scenario_file,
)
from trace_audit.core.errors import InputError
from trace_audit.core.files import read_json
from trace_audit.core.shipped import CHECKOUT, own_or_shipped
from trace_audit.programs.build import source_files
from trace_audit.trail.protect import protected_assets


@dataclass(frozen=True)
class Audit:
    """One comparison: a pixel of a scenario, on one device, in one dtype, by eager or compiled code.

    `slow` and `fast` count from 0. `suffix` is what the names of compiled code's files end with.
    """

    scenario: str
    slow: int
    fast: int
    device: str
    dtype: str
    backend: str = "eager"
    suffix: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "suffix", "" if self.backend == "eager" else f"_{self.backend}")

    @property
    def pixel_folder(self) -> str:
        return f"results/{self.scenario}/S{self.slow}_F{self.fast}"

    @property
    def folder(self) -> str:
        return f"{self.pixel_folder}/{self.device}_{self.dtype}{self.suffix}"


@dataclass(frozen=True)
class ImageAudit:
    """One comparison of whole images of a scenario, torch on one device in one dtype."""

    scenario: str
    device: str
    dtype: str

    @property
    def folder(self) -> str:
        return f"results/{self.scenario}/images/{self.device}_{self.dtype}"


@dataclass(frozen=True)
class PortAudit:
    """One audit of somebody else's program: a pixel of a scenario."""

    scenario: str
    slow: int
    fast: int

    @property
    def folder(self) -> str:
        return f"results/{self.scenario}/S{self.slow}_F{self.fast}/candidate"


@dataclass(frozen=True)
class Plan:
    """Everything that a run does, known before its first job.

    `hkl_sources` holds, per scenario, the user's structure-factor file, () for a synthetic set, None where the scenario
    has but a default amplitude.
    """

    settings: Settings
    scenario_files: dict[str, Path]
    hkl_sources: dict[str, tuple[str, ...] | None]
    audits: tuple[Audit, ...]
    images: tuple[ImageAudit, ...]
    reference_source: Path
    reference_sources: tuple[str, ...]
    protected_assets: tuple[str, ...]

    @property
    def port_audits(self) -> tuple[PortAudit, ...]:
        """The audits of the candidate that the config names; none where it is our torch program."""
        if not self.settings.candidate.is_set:
            return ()
        return tuple(dict.fromkeys(PortAudit(audit.scenario, audit.slow, audit.fast) for audit in self.audits))


def recorded_reference(build: Path) -> Reference | None:
    """The reference that `build.json` names, None where there is no such record."""
    if not build.is_file():
        return None
    record = read_json(build, "record of the reference")
    if record.get("kind") == "external":
        return Reference(binary=record["binary"])
    ours = Path(record["source"]).resolve() == (CHECKOUT / "src" / "nanobragg_c").resolve()
    return Reference(source="" if ours else record["source"], compiler=record["compiler"]["command"])


def make_plan(raw: dict[str, Any], source: str, recorded: Reference | None = None) -> Plan:
    """Check a config, as read from the YAML file `source`, and all that it names; list the audits in its order.

    A call that reports on audits names the reference that they `recorded`.
    Raises InputError, one line, for the first thing that is wrong: a key, a value, a file, a scenario, a pixel.
    """
    settings = _with_shipped_files(parse_settings(raw, source, recorded))
    require_files(settings, source, recorded)
    assets = protected_assets(Path(settings.gate.protected_assets))
    of_images = image_scenarios(settings)
    names = list(dict.fromkeys([*settings.scenarios, *of_images, *settings.campaign.scenarios]))
    files = {name: scenario_file(settings, name, source) for name in names}
    hkl_sources, audits = {}, []
    for name, path in files.items():
        scenario = load_scenario(str(path))
        listed = name in settings.scenarios
        given = settings.structure_factors.file if listed or name in settings.campaign.scenarios else ""
        hkl_sources[name] = _hkl_source(given, scenario, path)
        if not listed:
            continue
        for slow, fast in _pixels(settings, scenario, name, source):
            on = product(settings.run_on, settings.dtypes, settings.backends)
            audits += [Audit(name, slow, fast, *each) for each in on]
    images = [ImageAudit(name, *on) for name in of_images for on in product(settings.run_on, settings.dtypes)]
    ours = Path(os.path.relpath(CHECKOUT / "src" / "nanobragg_c"))
    tree = Path(settings.reference.source) if settings.reference.source else ours
    built = () if settings.reference.binary else tuple(str(path) for path in source_files(tree))
    return Plan(settings, files, hkl_sources, tuple(audits), tuple(images), tree, built, assets)


def _with_shipped_files(settings: Settings) -> Settings:
    """Settings whose scenarios and protected assets are the checkout's where the working folder has none."""
    gate = settings.gate.model_copy(update={"protected_assets": str(own_or_shipped(settings.gate.protected_assets))})
    return settings.model_copy(update={"gate": gate, "scenario_dir": str(own_or_shipped(settings.scenario_dir))})


def _pixels(settings: Settings, scenario: Scenario, name: str, source: str) -> list[tuple[int, int]]:
    """The pixels of a scenario, each once, each on the detector."""
    given = settings.pixels.get(name, scenario.pixels)
    pixels = list(dict.fromkeys((slow, fast) for slow, fast in given))
    for slow, fast in pixels:
        try:
            check_pixel(scenario, slow, fast)
        except InputError as error:
            raise InputError(f"{source}: pixels.{name}: {error}") from None
    return pixels


def _hkl_source(given: str, scenario: Scenario, path: Path) -> tuple[str, ...] | None:
    """The file that a scenario's structure factors come from; one `given` takes the place of the scenario's."""
    factors = scenario.structure_factors
    if factors.synthetic is None and factors.file is None:
        return None
    if given:
        return (given,)
    if factors.file is None:
        return ()
    file = path.parent / factors.file
    if not file.is_file():
        raise InputError(
            f"{path}: structure_factors.file: no such file {str(file)!r}; give an hkl, MTZ, mmCIF or PDB file, "
            "its path relative to the scenario file"
        )
    return (str(file),)
