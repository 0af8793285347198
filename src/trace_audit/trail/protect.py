"""Protected assets: files that a run must not change.

    python -m trace_audit.trail.protect hash --list config/protected_assets.yaml --out protected_before.json
    python -m trace_audit.trail.protect check --before protected_before.json

The list is a YAML list of paths from the working folder, or, where it has no such file, from the checkout that this
program came with; the record holds the SHA-256 of each file.
"""

import argparse
import sys
from pathlib import Path

from trace_audit.core.documents import Hashes, read_document
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import read_yaml, readable_json, sha256_of_file, write_atomic
from trace_audit.core.shipped import own_or_shipped


def protected_assets(listing: Path) -> tuple[str, ...]:
    """Paths in the YAML list, in its order, each a file below the current folder or else below the checkout.

    Raises InputError for anything but a list of such paths.
    """
    names = read_yaml(listing, "protected assets")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"protected assets {listing}: expected a list of paths, one a line behind a dash")
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise InputError(f"protected assets {listing}: {name!r} must stay inside the repository")
        if not own_or_shipped(name).is_file():
            raise InputError(f"protected assets {listing}: no such file {name!r}; correct or remove the line")
    return tuple(str(own_or_shipped(name)) for name in dict.fromkeys(names))


def hashes(listing: Path) -> dict[str, str]:
    """SHA-256 of every protected file."""
    return {name: sha256_of_file(Path(name)) for name in protected_assets(listing)}


def changes_since(record: Path) -> list[str]:
    """One line for each file hashed in `record` that changed or is missing."""
    before = read_document(record, "hashes of protected assets", Hashes)
    rows = []
    for name, sha in before.items():
        if not Path(name).is_file():
            rows.append(f"protected asset {name} is missing")
        elif sha256_of_file(Path(name)) != sha:
            rows.append(f"protected asset {name} changed")
    return rows


def main(argv: list[str]) -> int:
    """Record the hashes, or check them: exit status 1 if a file changed."""
    parser = argparse.ArgumentParser(
        prog="python -m trace_audit.trail.protect", description=__doc__, allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("hash", help="record the hashes")
    make.add_argument("--list", type=Path, default=Path("config/protected_assets.yaml"), metavar="FILE")
    make.add_argument("--out", type=Path, required=True, metavar="FILE")
    check = commands.add_parser("check", help="compare with a record")
    check.add_argument("--before", type=Path, required=True, metavar="FILE")
    options = parser.parse_args(argv)
    if options.command == "hash":
        write_atomic(options.out, readable_json(hashes(options.list)))
        return 0
    changed = changes_since(options.before)
    for row in changed:
        print(row, file=sys.stderr)
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
