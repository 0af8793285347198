"""Write the page."""

import argparse
from pathlib import Path

from trace_audit.core.errors import run_command
from trace_audit.core.files import write_atomic
from trace_audit.report import __doc__ as about
from trace_audit.report.page import FOLDER, Counted, page


def main(argv: list[str]) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m trace_audit.report", description=about, allow_abbrev=False)
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"default: {FOLDER / 'index.html'} below results")
    help_text = "folders below results of the {} that count (default: all on record)"
    parser.add_argument("--audits", nargs="*", metavar="DIR", help=help_text.format("audits"))
    parser.add_argument("--images", nargs="*", metavar="DIR", help=help_text.format("whole images"))
    options = parser.parse_args(argv)
    counted = Counted(*(None if names is None else frozenset(names) for names in (options.audits, options.images)))
    out = options.out or options.results / FOLDER / "index.html"
    write_atomic(out, page(options.results, counted))
    print(out)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
