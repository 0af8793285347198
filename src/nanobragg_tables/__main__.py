"""`python -m nanobragg_tables generate [--check]`: writes, or checks, what is made from the tables and docs/physics.md.

Made are the C header, docs/flags.md, docs/defects.md, the equations at the top of source files and the table of those
files in docs/physics.md.
"""

import argparse
import sys
from pathlib import Path

from nanobragg_tables import equations
from nanobragg_tables.generate import c_header, defect_document, flag_document

REPOSITORY = Path(__file__).resolve().parents[2]


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m nanobragg_tables", description=__doc__)
    parser.add_argument("command", choices=["generate"])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is stale")
    check = parser.parse_args(argv).check
    made = {
        "src/nanobragg_c/cli/tables_generated.h": c_header(),
        "docs/flags.md": flag_document(),
        "docs/defects.md": defect_document(),
        **equations.made(),
    }
    stale = []
    for name, text in made.items():
        path = REPOSITORY / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for name in stale:
        print(f"{name} is stale: run python -m nanobragg_tables generate" if check else f"wrote {name}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    from nanobrag_torch.faults import guarded

    sys.exit(guarded("nanobragg_tables", lambda: main(sys.argv[1:])))
