"""Validate an RO-Crate against the profiles of Workflow Run RO-Crate; roc-validator has an environment of its own.

    .venv-roc/bin/python workflow/scripts/validate_crate.py results/report/crate.zip --context ro-crate.jsonld

The validator reads two JSON-LD contexts from the web. Where the web is not there, the base context is the one that the
package rocrate comes with, set back to version 1.1 where they differ for us, and the terms of the Workflow Run profile
that the crate uses are put in its own namespace; everything else asked of the web is refused. The bill of materials in
the crate is checked against the schema of CycloneDX. Exit status 1 if a requirement is not met.
"""

import argparse
import json
import sys
import urllib.request
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from nanobrag_torch.faults import guarded  # noqa: E402 - found by the line above

# isort: split
from cyclonedx.schema import SchemaVersion  # noqa: E402 - slow, after what Ctrl-C does is known
from cyclonedx.validation.json import JsonStrictValidator  # noqa: E402
from rocrate_validator import models, services  # noqa: E402
from rocrate_validator.utils.http import HttpRequester  # noqa: E402

PROFILES = ("workflow-run-crate", "provenance-run-crate")
BILL = "results/audit/sbom.cdx.json"
BASE = "https://w3id.org/ro/crate/1.1/context"
RUN = "https://w3id.org/ro/terms/workflow-run/context"
OF_VERSION_1_1 = {"ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow"}
RUN_TERMS = {"environment": "https://w3id.org/ro/terms/workflow-run#environment"}


class Answer:
    """What a web server would answer with a JSON document."""

    status_code, ok = 200, True
    headers = {"Content-Type": "application/ld+json"}

    def __init__(self, url: str, document: dict):
        self.url, self.text = url, json.dumps(document)

    def json(self) -> dict:
        return json.loads(self.text)

    def raise_for_status(self) -> None:
        pass


def web_is_there() -> bool:
    try:
        with urllib.request.urlopen(BASE, timeout=10):
            return True
    except OSError:
        return False


def use_contexts_at_hand(bundled: Path) -> None:
    """Answer the requests for the two contexts from here, and no others."""
    names = json.loads(bundled.read_text(encoding="utf-8"))["@context"]
    names = names if isinstance(names, dict) else next(part for part in names if isinstance(part, dict))
    at_hand = {BASE: {"@context": names | OF_VERSION_1_1}, RUN: {"@context": RUN_TERMS}}

    def get(self: HttpRequester, url: str, **_options: object) -> Answer:
        if url not in at_hand:
            raise ConnectionError(f"{url}: not at hand, and the web is not asked")
        return Answer(url, at_hand[url])

    HttpRequester.get = get


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("crate", type=Path)
    parser.add_argument("--context", type=Path, required=True, help="ro-crate.jsonld of the package rocrate")
    options = parser.parse_args()
    online = web_is_there()
    if not online:
        use_contexts_at_hand(options.context)
    contexts = "from the web" if online else f"from {options.context.name} of the package rocrate, no web here"
    met = [validate(options.crate, profile, contexts) for profile in PROFILES]
    return 0 if all([*met, check_bill(options.crate)]) else 1


def validate(crate: Path, profile: str, contexts: str) -> bool:
    """Whether all that a profile requires is met; says what is not."""
    settings = services.ValidationSettings(
        rocrate_uri=str(crate),
        profile_identifier=profile,
        requirement_severity=models.Severity.RECOMMENDED,
    )
    result = services.validate(settings)
    issues = result.get_issues()
    required = [issue for issue in issues if issue.severity == models.Severity.REQUIRED]
    for issue in issues:
        where = issue.violatingEntity or crate
        print(f"{issue.severity.name.lower()}: {issue.check.identifier}: {where}: {issue.message}")
    checks = len(result.executed_checks)
    print(
        f"{crate}: {checks} checks of {profile} and the profiles it builds on, contexts {contexts}: "
        f"{len(required)} required not met, {len(issues) - len(required)} recommended not met"
    )
    return bool(checks) and not required


def check_bill(crate: Path) -> bool:
    """Whether the bill of materials, if there is one, is as CycloneDX's schema has it."""
    with zipfile.ZipFile(crate) as archive:
        if BILL not in archive.namelist():
            return True
        text = archive.read(BILL).decode()
    version = json.loads(text)["specVersion"]
    faults = JsonStrictValidator(SchemaVersion.from_version(version)).validate_str(text)
    print(
        f"{crate}: {BILL} is " + (f"not as CycloneDX {version} has it: {faults}" if faults else f"CycloneDX {version}")
    )
    return not faults


if __name__ == "__main__":
    sys.exit(guarded("validate_crate", main))
