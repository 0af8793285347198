"""`check_site.py FOLDER`: checks that every link of a built site leads to an existing file and anchor.

Exit status 1 and one line on standard error for each broken link.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from nanobrag_torch.faults import guarded  # noqa: E402 - found by the line above


class Page(HTMLParser):
    """The links of one page, and the places that a link can lead to."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.places |= {values[name] or "" for name in ("id", "name") if name in values}
        self.links += [values[name] or "" for name in ("href", "src") if name in values]


def broken(site: Path) -> list[str]:
    """One line for each broken link."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    return [
        f"{path.relative_to(site.resolve())}: {link}"
        for path, page in pages.items()
        for link in page.links
        if path.name != "404.html" and not _leads_somewhere(link, path, pages)
    ]


def _leads_somewhere(link: str, path: Path, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:  # elsewhere
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.exists():
        return False
    place = unquote(parts.fragment)
    return target not in pages or place in ("", "__nothing") or place in pages[target].places


def main(site: Path) -> int:
    found = broken(site)
    for line in found:
        print(f"link that leads nowhere: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(guarded("check_site", lambda: main(Path(sys.argv[1]))))
