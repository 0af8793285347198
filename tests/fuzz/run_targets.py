"""Runs libFuzzer programs, one after the other, and prints a table: parser, runs, coverage, result.

Only the standard library, so that `make fuzz` needs no more than python3.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
SECONDS_PER_INPUT = 5
MEMORY_MB = 1024
# bytes of the longest input tried: enough for every construct of the format
LONGEST_INPUT = {"flags": 1024, "hkl": 512, "matrix": 512, "sourcefile": 512, "stol": 512, "fdump": 1024}
LONGEST_IMAGE = 1600
OWN_FILES = {
    "flags": ("flags.c", "options.c", "options_apply.c", "defects.c"),
    "hkl": ("hkl.c", "text.c"),
    "matrix": ("matrix.c", "text.c"),
    "sourcefile": ("source_file.c", "text.c"),
    "stol": ("stol.c", "text.c"),
    "mask": ("smv.c", "text.c"),
    "img": ("smv.c", "text.c"),
    "fdump": ("hkl.c", "text.c"),
}


@dataclass(frozen=True)
class Outcome:
    """The result for one parser: inputs tried, edges of the control flow reached, and how it ended.

    "Own" edges belong to the functions that this parser reaches in its own files, with the checks of the sanitizers.
    """

    parser: str
    runs: int
    edges: int
    own_edges: int
    all_own_edges: int
    seconds: float
    result: str
    log: str

    @property
    def good(self) -> bool:
        return self.result == "no fault"

    def row(self) -> str:
        own = f"{self.own_edges}/{self.all_own_edges}"
        return f"{self.parser:<11}{self.runs:>9}{self.edges:>7}{own:>12}{self.seconds:>8.0f}  {self.result}"


HEADER = f"{'parser':<11}{'runs':>9}{'edges':>7}{'own edges':>12}{'seconds':>8}  result"


def arguments(folder: Path, parser: str) -> list[str]:
    """Limits of every run. Leaks are not reported: after an error the harness itself frees what is left."""
    return [
        str(folder / f"fuzz_{parser}"),
        f"-max_len={LONGEST_INPUT.get(parser, LONGEST_IMAGE)}",
        f"-timeout={SECONDS_PER_INPUT}",
        f"-rss_limit_mb={MEMORY_MB}",
        "-detect_leaks=0",
        "-seed=1",
        "-print_final_stats=1",
        "-print_coverage=1",
        "-close_fd_mask=1",
    ]


def fuzz(folder: Path, parser: str, runs: int, crashes: Path) -> Outcome:
    """Try `runs` inputs, beginning with the kept corpus; `found` is the folder for new inputs and for those that break
    the parser.
    """
    crashes.mkdir(parents=True, exist_ok=True)
    command = [*arguments(folder, parser), f"-runs={runs}", f"-artifact_prefix={crashes}/fault-"]
    dictionary = HERE / "dictionaries" / f"{parser}.dict"
    if dictionary.exists():
        command.append(f"-dict={dictionary}")
    inputs = crashes / "inputs"
    inputs.mkdir(exist_ok=True)
    start = time.monotonic()
    done = subprocess.run(
        [*command, str(inputs), str(CORPUS / parser)], capture_output=True, text=True, errors="replace"
    )
    seconds = time.monotonic() - start
    log = done.stdout + done.stderr
    return Outcome(
        parser,
        _last(r"number_of_executed_units: (\d+)", log),
        *_coverage(parser, log),
        seconds,
        _result(done, log),
        log,
    )


def _coverage(parser: str, log: str) -> tuple[int, int, int]:
    reached = re.findall(r"^COVERED_FUNC: hits: \d+ edges: (\d+)/(\d+) .*/([^/\s]+):\d+$", log, re.MULTILINE)
    own = [(int(part), int(whole)) for part, whole, file in reached if file in OWN_FILES[parser]]
    return _last(r"\bcov: (\d+)", log), sum(part for part, _ in own), sum(whole for _, whole in own)


def _last(pattern: str, text: str) -> int:
    matches = re.findall(pattern, text)
    return int(matches[-1]) if matches else 0


def _result(done: subprocess.CompletedProcess, log: str) -> str:
    if done.returncode == 0:
        return "no fault"
    said = re.search(r"^(.*: not so: .*|.*runtime error: .*|SUMMARY: .*|==\d+== ?ERROR: .*)$", log, re.MULTILINE)
    return f"FAULT ({said.group(1) if said else f'exit code {done.returncode}'})"


def main() -> int:
    command_line = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    command_line.add_argument("parsers", nargs="+")
    command_line.add_argument("--folder", type=Path, required=True, help="where the programs fuzz_PARSER are")
    command_line.add_argument("--runs", type=int, required=True, help="inputs for each parser")
    command_line.add_argument("--table", type=Path, required=True, help="file for the table")
    options = command_line.parse_args()
    print(HEADER, flush=True)
    outcomes = []
    with tempfile.TemporaryDirectory() as scratch:
        for parser in options.parsers:
            outcome = fuzz(options.folder, parser, options.runs, Path(scratch) / parser)
            outcomes.append(outcome)
            print(outcome.row(), flush=True)
            for fault in sorted((Path(scratch) / parser).glob("fault-*")):
                kept = options.folder / f"{parser}-{fault.name}"
                kept.write_bytes(fault.read_bytes())
                print(f"  input: {kept}", flush=True)
    options.table.write_text("\n".join([HEADER, *(outcome.row() for outcome in outcomes)]) + "\n")
    return 0 if all(outcome.good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
