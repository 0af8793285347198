"""The plan of a run: its checked settings, its scenarios, and one entry for each audit."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

from trace_audit.config.scenario import check_pixel, load_scenario
from trace_audit.config.scenario_model import Scenario
from trace_audit.config.settings import Settings, image_scenarios, parse_settings, require_files, scenario_file
from trace_audit.config.side import Reference, Side, labels
from trace_audit.core.documents import NamedReference, read_document
from trace_audit.core.errors import InputError
from trace_audit.core.shipped import CHECKOUT, own_or_shipped
from trace_audit.programs.build import source_files
from trace_audit.trail.protect import protected_assets

OUR_SOURCE = os.path.relpath(CHECKOUT / "src" / "nanobragg_c")


@dataclass(frozen=True)
class Comparison(ABC):
    """Two sides compared on one scenario; the verdict is the file `document` in `folder`.

    `gate`: the log of its gate, below logs/ and without its suffix.
    """

    scenario: str
    document: ClassVar[str]
    gate: ClassVar[str]

    @property
    @abstractmethod
    def folder(self) -> str:
        """The folder of its files."""


@dataclass(frozen=True)
class OfPixel(Comparison):
    """A comparison at one pixel; `slow` and `fast` count from 0."""

    slow: int
    fast: int

    @property
    def pixel_folder(self) -> str:
        return f"results/{self.scenario}/S{self.slow}_F{self.fast}"


@dataclass(frozen=True)
class OfTorch(Comparison):
    """A comparison with our torch program, on one device, in one dtype, by eager or compiled code.

    `suffix` ends the names of compiled code's files.
    """

    device: str
    dtype: str
    backend: str = "eager"
    suffix: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "suffix", "" if self.backend == "eager" else f"_{self.backend}")


@dataclass(frozen=True)
class Audit(OfTorch, OfPixel):
    """The reference against our torch program at one pixel."""

    document = "compare_scaling_traces.json"
    gate = "gate/gate"

    @property
    def folder(self) -> str:
        return f"{self.pixel_folder}/{self.device}_{self.dtype}{self.suffix}"


@dataclass(frozen=True)
class ImageAudit(OfTorch):
    """Whole images of a scenario."""

    document = "image_parity.json"
    gate = "image_gate/gate"

    @property
    def folder(self) -> str:
        return f"results/{self.scenario}/images/{self.device}_{self.dtype}{self.suffix}"


@dataclass(frozen=True)
class PairAudit(OfPixel):
    """Any two sides that the config names."""

    document = "port_audit.json"
    gate = "port_gate/port_gate"

    @property
    def folder(self) -> str:
        return f"{self.pixel_folder}/candidate"


@dataclass(frozen=True)
class Plan:
    """Everything that a run does, known before its first job.

    `hkl_sources` holds, per scenario, the user's structure-factor file, () for a synthetic set, None if the scenario
    has only a default amplitude.
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
    def sides(self) -> dict[str, Side]:
        """Both sides as an audit of pairs runs them."""
        return self.settings.sides

    @property
    def side_names(self) -> dict[str, str]:
        """The names of the two sides in reports."""
        sides = self.sides
        return dict(zip(sides, labels(sides["reference"], sides["candidate"]), strict=True))

    @property
    def names(self) -> tuple[str, str]:
        """The names of the reference and our torch program in reports."""
        reference = self.sides["reference"]
        return reference.name or ("C" if reference.program == "c" else "reference"), "torch"

    def side_params(self, role: str) -> dict[str, Any]:
        """The settings that a side's run depends on: all except the time to search for causes."""
        return self.sides[role].model_dump(mode="json", exclude_defaults=True, exclude={"budget_s", "keys"})

    @property
    def pairs(self) -> tuple[PairAudit, ...]:
        """The audits of two sides; empty if the config names neither a candidate nor a reference of another kind."""
        if not self.settings.candidate.is_set and self.settings.reference.is_nanobragg:
            return ()
        return tuple(dict.fromkeys(PairAudit(audit.scenario, audit.slow, audit.fast) for audit in self.audits))

    @property
    def candidate_source(self) -> Path:
        """The source of a candidate that is built."""
        return Path(self.settings.candidate.source or OUR_SOURCE)

    @property
    def candidate_sources(self) -> tuple[str, ...]:
        """The files of that source; empty if nothing is built."""
        if not self.settings.candidate.is_built:
            return ()
        return tuple(str(path) for path in source_files(self.candidate_source))


def recorded_reference(build: Path) -> Reference | None:
    """The reference named in `build.json`; None if there is no such record."""
    if not build.is_file():
        return None
    record = read_document(build, "record of the reference", NamedReference)
    try:
        if record["kind"] == "external":
            return Reference(binary=record["binary"])
        ours = Path(record["source"]).resolve() == (CHECKOUT / "src" / "nanobragg_c").resolve()
        return Reference(source="" if ours else record["source"], compiler=record["compiler"]["command"])
    except (KeyError, TypeError, ValueError) as error:  # what is not stated, or stands for no path
        raise InputError(f"record of the reference {build}: names no program or source; build it anew") from error


def make_plan(raw: dict[str, Any], source: str, recorded: Reference | None = None) -> Plan:
    """Check a config, as read from the YAML file `source`, and all files it names; list the audits in its order.

    A command that reports on audits passes the reference that they `recorded`. Raises InputError, one line, for the
    first mistake: a key, a value, a file, a scenario, a pixel.
    """
    settings = _with_shipped_files(parse_settings(raw, source, recorded))
    require_files(settings, source, recorded)
    assets = protected_assets(Path(settings.gate.protected_assets))
    of_images = image_scenarios(settings)
    names = list(dict.fromkeys([*settings.scenarios, *of_images, *settings.campaign.scenarios]))
    files = {name: scenario_file(settings, name, source) for name in names}
    hkl_sources, audits = {}, []
    for name, path in files.items():
        file = settings.structure_factors.file
        scenario = load_scenario(str(path), hkl_elsewhere=bool(file))
        listed = name in settings.scenarios
        if scenario.structure_factors.have_an_origin and not (listed or name in settings.campaign.scenarios):
            file = ""
        hkl_sources[name] = _hkl_source(file, scenario, path)
        if not listed:
            continue
        for slow, fast in _pixels(settings, scenario, name, source):
            on = product(settings.run_on, settings.dtypes, settings.backends)
            audits += [Audit(name, slow, fast, *each) for each in on]
    images = [
        ImageAudit(name, *on)
        for name in of_images
        for on in product(settings.run_on, settings.dtypes, settings.backends)
    ]
    tree = Path(settings.reference.source or OUR_SOURCE)
    built = () if settings.reference.binary else tuple(str(path) for path in source_files(tree))
    return Plan(settings, files, hkl_sources, tuple(audits), tuple(images), tree, built, assets)


def _with_shipped_files(settings: Settings) -> Settings:
    """Settings that use the checkout's scenarios and protected assets if the working folder has none."""
    gate = settings.gate.model_copy(update={"protected_assets": str(own_or_shipped(settings.gate.protected_assets))})
    return settings.model_copy(update={"gate": gate, "scenario_dir": str(own_or_shipped(settings.scenario_dir))})


def _pixels(settings: Settings, scenario: Scenario, name: str, source: str) -> list[tuple[int, int]]:
    """The pixels of a scenario, each once, each on the detector."""
    stated = settings.pixels.get(name, scenario.pixels)
    pixels = list(dict.fromkeys((slow, fast) for slow, fast in stated))
    for slow, fast in pixels:
        try:
            check_pixel(scenario, slow, fast)
        except InputError as error:
            raise InputError(f"{source}: pixels.{name}: {error}") from None
    return pixels


def _hkl_source(stated: str, scenario: Scenario, path: Path) -> tuple[str, ...] | None:
    """The file of a scenario's structure factors; `given` replaces the scenario's."""
    factors = scenario.structure_factors
    if factors.have_an_origin and factors.synthetic is None and factors.file is None:
        return None
    if stated:
        return (stated,)
    if factors.file is None:
        return ()
    file = path.parent / factors.file
    if not file.is_file():
        raise InputError(
            f"{path}: structure_factors.file: no such file {str(file)!r}; give an hkl, MTZ, mmCIF or PDB file, "
            "its path relative to the scenario file"
        )
    return (str(file),)
