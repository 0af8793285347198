"""`python -m trace_audit --help` lists every command, and every command that it lists runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from trace_audit.__main__ import FOR_PEOPLE, FOR_RULES, main

SOURCE = Path(__file__).resolve().parents[2] / "src/trace_audit"
COMMANDS = {**FOR_PEOPLE, **FOR_RULES}


def modules_that_run() -> set[str]:
    """Names below trace_audit that `python -m` runs; a room's module that has a short name, by the short one."""
    runs = [path for path in SOURCE.rglob("*.py") if '__name__ == "__main__"' in path.read_text()]
    names = {".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__main__") for path in runs}
    return {name for name in names if name.rpartition(".")[2] not in FOR_PEOPLE or name in FOR_PEOPLE} - {"__main__"}


def test_every_command_is_listed():
    assert modules_that_run() == set(COMMANDS)


def test_help_has_a_line_for_every_command(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    text = capsys.readouterr().out
    assert end.value.code == 0
    for name, line in COMMANDS.items():
        assert re.search(rf"^  python -m trace_audit\.{re.escape(name)} +{re.escape(line)}$", text, re.MULTILINE)
    for name in ("explain", "verify", "rerun", "docs", "schema"):
        assert re.search(rf"^    {name} +\S", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["reference", "harness", "compare", "selftest", "crate", "ledger"])
def test_a_short_name_is_the_command_of_its_room(name: str):
    done = subprocess.run([sys.executable, "-m", f"trace_audit.{name}", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: python -m trace_audit.{name} ")
