"""`terminal.py VERDICT SUMMARY OUT`: a terminal with the sentence of a comparison and its summary, as SVG."""

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.text import Text

from nanobrag_torch.faults import guarded

COMMAND = "python -m trace_audit.compare --c-log c.log --py-log torch.log --names C torch --summary diff_summary.md ..."
FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
    line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def main(verdict: str, summary: str, out: str) -> None:
    console = Console(record=True, width=110, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {COMMAND}", style="bold"))
    console.print(Text(Path(verdict).read_text(encoding="utf-8").strip(), style="red"))
    console.print(Text("$ cat diff_summary.md", style="bold"))
    text = Path(summary).read_text(encoding="utf-8").partition("<details>")[0]
    console.print(Markdown(text.replace("_", r"\_")))
    drawn = console.export_svg(title="two programs that differ", code_format=FORMAT, unique_id="failure")
    Path(out).write_text("\n".join(line.rstrip() for line in drawn.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(guarded("terminal", lambda: main(*sys.argv[1:]) or 0))
