"""`python -m trace_audit.sbom`: a software bill of materials of the audit, as CycloneDX JSON.

Components are the installed packages that `nanobragg-audit` with all its extras reaches, with the sha256 hashes that
the lock allows for each, and the reference program of the results. The same environment gives the same bytes.
"""

import argparse
import re
import uuid
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nanobrag_torch._version import __version__
from trace_audit.core.documents import Build, read_document
from trace_audit.core.files import canonical_json, readable_json, write_atomic
from trace_audit.core.shipped import CHECKOUT

OURS = "nanobragg-audit"
SPEC_VERSION = "1.6"
LOCK_PROPERTY = "nanobragg-audit:lock:sha256"
_LOCKED = re.compile(r"^([a-z0-9-]+)==(\S+)[^\n]*\\\n((?:    --hash=\S+(?: \\)?\n)+)", re.MULTILINE)


def bill_of_materials(results: Path) -> str:
    """The bill as JSON text."""
    distributions = _reached()
    locked = _locked_hashes(CHECKOUT / "envs/lock")
    components = [_component(*item, locked) for item in sorted(distributions.items())]
    reference = _reference(results)
    bill: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC_VERSION}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": OURS, "name": OURS, "version": __version__}},
        "components": [*components, *reference],
        "dependencies": [
            {"ref": OURS, "dependsOn": sorted(_needs(OURS, distributions) | {part["bom-ref"] for part in reference})},
            *(
                {"ref": _purl(name, distribution.version), "dependsOn": sorted(_needs(name, distributions))}
                for name, distribution in sorted(distributions.items())
            ),
        ],
    }
    bill["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, canonical_json(bill))}"
    return readable_json(bill)


def _reached() -> dict[str, metadata.Distribution]:
    """Every installed package that ours needs, directly or through others, by canonical name."""
    distributions: dict[str, metadata.Distribution] = {}
    waiting = [(OURS, {"audit", "report", "slurm"})]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, frozenset(extras)) in seen:
            continue
        seen.add((name, frozenset(extras)))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # a marker that is not for this machine, or an extra that is not installed
        if name != OURS:
            distributions[name] = distribution
        waiting += [(canonicalize_name(need.name), set(need.extras)) for need in _requirements(distribution, extras)]
    return distributions


def _requirements(distribution: metadata.Distribution, extras: set[str]) -> list[Requirement]:
    environment: dict[str, Any] = {**default_environment()}
    kept = []
    for need in map(Requirement, distribution.requires or []):
        if need.marker is None or any(need.marker.evaluate({**environment, "extra": extra}) for extra in {"", *extras}):
            kept.append(need)
    return kept


def _needs(name: str, distributions: dict[str, metadata.Distribution]) -> set[str]:
    """References of what one package needs, of those that are installed."""
    distribution = metadata.distribution(name)
    extras = {"audit", "report", "slurm"} if name == OURS else set()
    names = {canonicalize_name(need.name) for need in _requirements(distribution, extras)}
    return {_purl(needed, distributions[needed].version) for needed in names if needed in distributions}


def _component(name: str, distribution: metadata.Distribution, locked: dict[str, list[str]]) -> dict[str, Any]:
    purl = _purl(name, distribution.version)
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": distribution.version,
        "purl": purl,
    }
    licence = distribution.metadata.json.get("license_expression")
    if licence:
        component["licenses"] = [{"expression": licence}]
    hashes = (
        locked.get(f"{name}=={distribution.version.partition('+')[0]}") if "+" not in distribution.version else None
    )
    if hashes:
        component["properties"] = [{"name": LOCK_PROPERTY, "value": value} for value in hashes]
    return component


def _purl(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version.replace('+', '%2B')}"


def _locked_hashes(folder: Path) -> dict[str, list[str]]:
    """What the lock allows: sha256 hashes by `name==version`; empty where there is no checkout."""
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.txt")))
    return {
        f"{name}=={version}": re.findall(r"sha256:([0-9a-f]{64})", rest)
        for name, version, rest in _LOCKED.findall(text)
    }


def _reference(results: Path) -> list[dict[str, Any]]:
    """The reference program of the results, if there is one, and the compiler that built it."""
    path = results / "reference/build.json"
    if not path.is_file():
        return []
    build = read_document(path, "record of the reference's build", Build)
    hashes = [{"alg": "SHA-256", "content": build["binary_sha256"]}]
    program = {"type": "application", "bom-ref": "nanobragg", "name": "nanobragg", "hashes": hashes}
    compiler = build.get("compiler")
    if compiler:
        program["properties"] = [{"name": "nanobragg-audit:compiler", "value": str(compiler.get("version"))}]
    return [program]


def main(argv: list[str]) -> int:
    """Write the bill."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.sbom", description=__doc__, allow_abbrev=False)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the bill; audit/sbom.cdx.json below the results")
    options = parser.parse_args(argv)
    out = options.out or options.results / "audit/sbom.cdx.json"
    write_atomic(out, bill_of_materials(options.results))
    print(out)
    return 0
