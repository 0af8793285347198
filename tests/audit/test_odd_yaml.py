"""Sixty odd YAML files for everything that reads YAML: one line each, exit status 2, at once, nothing written."""

import contextlib
import io
import time
from pathlib import Path

import pytest

from nanobrag_torch.cli.config_file import _config_words
from nanobrag_torch.refine.config import load_config
from trace_audit.config.scenario import load_scenario
from trace_audit.config.settings import parse_settings
from trace_audit.config.side import Reference, mapping_of, stated_side
from trace_audit.core.errors import run_command
from trace_audit.core.files import read_yaml
from trace_audit.derivatives.refinement import load_demonstration
from trace_audit.trace.key_names import read_key_names
from trace_audit.trace.simulator import read_simulator
from trace_audit.trail.protect import protected_assets

READERS = {
    "scenario": lambda path: load_scenario(str(path)),
    "config": lambda path: parse_settings(read_yaml(path, "config"), str(path)),
    "keys": read_key_names,
    "registry": read_simulator,
    "protected": protected_assets,
    "demonstration": load_demonstration,
    "refinement": load_config,
    "torch": lambda path: _config_words(str(path)),
    "side": lambda path: stated_side(
        Reference, mapping_of(path.read_bytes().decode(errors="replace"), "--side"), "--side"
    ),
}
SLOWEST_S = 2.0
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(9 * [f'*{before}'])}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MAP_BOMB = "a: &a {x: 1, y: 1, z: 1}\n" + "".join(
    f"{name}: &{name} {{x: *{before}, y: *{before}, z: *{before}}}\n"
    for before, name in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
)
ODD = {
    "nothing": "",
    "blanks": "   \n\t\n",
    "comment": "# nothing else\n",
    "end": "...\n",
    "null": "null\n",
    "tilde": "~\n",
    "number": "1\n",
    "float": "1e308\n",
    "true": "true\n",
    "text": "text\n",
    "quoted": '"name: x"\n',
    "block": "|\n  name: x\n",
    "list": "- 1\n- 2\n",
    "list of maps": "- {name: x}\n- {name: y}\n",
    "empty list in a map": "name: []\n",
    "date": "name: 2020-01-02\nday: 2020-01-02\n",
    "bad date": "day: 2020-13-45\n",
    "time": "at: 2020-01-02T03:04:05.678901234Z\n",
    "sexagesimal": "at: 190:20:30\n",
    "long integer": f"number: {'9' * 5000}\n",
    "longer integer": f"number: -{'1' * 100_000}\n",
    "long hexadecimal": f"number: 0x{'f' * 5000}\n",
    "long octal": f"number: 0o{'7' * 5000}\n",
    "long float": f"number: 1.{'1' * 5000}e{'9' * 50}\n",
    "infinity": "distance_mm: .inf\n",
    "no number": "distance_mm: .nan\n",
    "tag int": "name: !!int x\n",
    "tag float": "a: !!float y\n",
    "tag str": "!!str name: x\n",
    "tag python": "a: !!python/object/apply:os.system [echo pwned > pwned]\n",
    "tag python name": "a: !!python/name:os.system\n",
    "tag own": "a: !own x\n",
    "tag binary": "a: !!binary AAAA\n",
    "tag set": "a: !!set {x, y}\n",
    "tag merge": "a: &a {name: x}\nb: {!!merge <<: *a}\n",
    "tag of the whole": "!!map {name: x}\n",
    "zero byte": 'name: "a\\0b"\n',
    "raw zero byte": "name: a\0b\n",
    "escape": 'name: "a\\e[31mred"\n',
    "raw escape": "name: a\x1b[31mred\n",
    "surrogate": 'name: "\\ud800"\n',
    "bell in a key": '"a\\ab": 1\n',
    "next line": "name: a\x85b: c\n",
    "not UTF-8": b"name: \xff\xfe\n",
    "UTF-16": "name: x\n".encode("utf-16"),
    "half a byte order mark": b"\xef\xbbname: x\n",
    "deep lists": "a: " + "[" * 3000 + "]" * 3000 + "\n",
    "deep lists left open": "[" * 20_000,
    "deep maps": "".join(f"{' ' * depth}a:\n" for depth in range(500)),
    "deep flow maps": "{a: " * 2000 + "1" + "}" * 2000 + "\n",
    "deep dashes": "- " * 2000 + "x\n",
    "self-reference": "a: &a [*a]\n",
    "self-reference in a map": "a: &a {b: *a}\n",
    "whole self-reference": "&a [*a]\n",
    "alias of nothing": "a: *b\n",
    "alias as key": "a: &a x\n*a : y\n",
    "many aliases": "a: &a x\nb: [" + ", ".join(5000 * ["*a"]) + "]\n",
    "bomb": BOMB,
    "bomb of maps": MAP_BOMB,
    "twice": "name: x\nname: y\n",
    "list as key": "? [1, 2]\n: x\n",
    "map as key": "{{a: 1}: 2}\n",
    "number as key": "1: 2\n",
    "null as key": "~: 2\n",
    "long key": f"{'k' * 5000}: 1\n",
    "merge": "a: &a {name: x}\n<<: *a\n",
    "two documents": "name: x\n---\nname: y\n",
    "directive": "%YAML 9.9\n---\nname: x\n",
    "open quote": 'name: "x\n',
    "open bracket": "name: [1, 2\n",
    "tab": "name:\n\tx: 1\n",
    "colon": "name: a: b: c\n",
    "at": "name: @x\n",
    "backtick": "`x`: 1\n",
    "percent": "a: %x\n",
    "right to left": "name: \u202ex\n",
    "wide": "a: " + "x" * 1_000_000 + "\n",
    "too long": "# " + "x" * 5_000_000 + "\n",
    "many keys": "".join(f"k{number}: 1\n" for number in range(5_000)),
}
EMPTY = {"nothing", "comment", "null", "tilde"}
FINE = {("keys", name) for name in EMPTY}


def test_there_are_sixty_of_them():
    assert len(ODD) >= 60


@pytest.mark.parametrize("reader", READERS)
def test_odd_files_are_one_line(tmp_path, monkeypatch, reader):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "odd.yaml"
    wrong = []
    for name, text in ODD.items():
        path.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
        out, said = io.StringIO(), io.StringIO()
        before = time.process_time()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            try:
                status = run_command(lambda _: READERS[reader](path) is None, [], catch_faults=False)
            except Exception as error:  # what a user would see as a fault of ours
                status = f"{type(error).__name__}: {error}"[:100]
        lines = said.getvalue().splitlines()
        is_one_line = len(lines) == 1 or (lines and all(line.startswith("  ") for line in lines[1:]))
        printable = all(char.isprintable() for line in lines for char in line)
        good = status == 2 and is_one_line and printable and not out.getvalue() and sum(map(len, lines)) < 3000
        if (reader, name) in FINE:
            good = status == 0
        if not good or time.process_time() - before > SLOWEST_S:
            wrong.append((name, status, f"{time.process_time() - before:.1f} s", said.getvalue()[:150]))
    assert not wrong, "\n".join(map(str, wrong))
    assert [entry.name for entry in tmp_path.iterdir()] == ["odd.yaml"], "nothing is written"


def test_files_that_are_no_plain_files(tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    for path in (tmp_path / "folder.yaml", tmp_path / "none.yaml", Path("/dev/zero")):
        for name, read in READERS.items():
            if name != "side":
                with contextlib.redirect_stderr(io.StringIO()) as said:
                    assert (
                        run_command(lambda _, read=read, path=path: read(path) is None, [], catch_faults=False) == 2
                    ), name
                assert len(said.getvalue().splitlines()) == 1
