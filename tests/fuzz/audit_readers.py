"""Damage for every reader of the audit: one line and an exit status, never a traceback, a hang or a silent pass.

    python -m tests.fuzz.audit_readers --seconds 600 [--only NAME] [--seed N]

Each fuzzer takes a random generator, so that a seed repeats a case. The last line of a fault names reader and seed.
"""

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.audit import logs
from tests.fuzz import program_readers
from tests.fuzz.audit_base import (
    GOOD,
    NAMED,
    PORT_DATA,
    REFUSED,
    REPOSITORY,
    base_folder,
    outcome,
    reader,
)
from tests.fuzz.damage import as_bytes, damaged, other_values
from trace_audit.__main__ import main as commands
from trace_audit.compare.__main__ import main as compare
from trace_audit.config.scenario import ScenarioFiles, arguments, load_scenario
from trace_audit.config.settings import parse_settings
from trace_audit.core.files import read_yaml
from trace_audit.port.two_images import read_port_image
from trace_audit.report.__main__ import main as report
from trace_audit.report.ending import main as ending
from trace_audit.report.factors import main as factors
from trace_audit.report.table import main as table
from trace_audit.trace.foreign_log import read_foreign_log
from trace_audit.trace.key_names import read_key_names
from trace_audit.trace.plain_log import read_plain_log
from trace_audit.trace.simulator import read_simulator
from trace_audit.trail import attempts, hash_chain, history
from trace_audit.trail.gate import main as gate
from trace_audit.trail.ledger import main as ledger
from trace_audit.trail.protect import main as protect


def fuzz_compare(rng: random.Random, base: Path, folder: Path) -> None:
    """Two logs, one of them damaged."""
    side = rng.choice(("c", "py"))
    name = rng.choice(logs.NAMES)
    data = "\n".join(logs.lines(name)).encode() + b"\n"
    for log in ("c", "py"):
        (folder / f"{log}.log").write_bytes(damaged(rng, data) if log == side else data)
    arguments = ["--c-log", folder / "c.log", "--py-log", folder / "py.log", "--out", folder / "out.json"]
    shown = [folder / "table.md", folder / "summary.md"]
    status = outcome(compare, [*arguments, "--md", shown[0], "--summary", shown[1]], (GOOD, NAMED, REFUSED))
    for path in shown if status != REFUSED else []:
        strange = [char for char in path.read_text() if not (char.isprintable() or char == "\n")]
        assert not strange, f"control character {strange[0]!r} in {path.name}"
    if status != REFUSED:
        json.loads((folder / "out.json").read_text(), parse_constant=lambda constant: 1 / 0)


def fuzz_verify(rng: random.Random, base: Path, folder: Path) -> None:
    """One file below results is changed, removed, or replaced by something that is not a plain file."""
    results = shutil.copytree(base, folder / "results")
    files = [path for path in sorted(results.rglob("*")) if path.is_file() and path.name != hash_chain.LOCK]
    path = rng.choice(files)
    kind = rng.randrange(8)
    if kind > 3:
        path.chmod(0o644)
        path.write_bytes(damaged(rng, path.read_bytes()))
    else:
        kept = path.read_bytes()
        path.unlink()
        if kind == 1:
            os.mkfifo(path)
        elif kind == 2:
            path.symlink_to("/etc/hostname")
        elif kind == 3:
            path.mkdir()
        elif rng.random() < 0.5:
            path.write_bytes(kept)
            os.link(path, folder / "second name")
    outcome(commands, ["verify", results], (NAMED, REFUSED))
    outcome(commands, ["rerun", "1", "--results", results], (REFUSED,))
    _show(results)


def _show(results: Path) -> None:
    """Every command that reads a results folder, except verify."""
    outcome(report, ["--results", results], (GOOD, REFUSED))
    with contextlib.suppress(OSError):
        outcome(ledger, ["render", "--results", results], (GOOD, REFUSED))


def fuzz_record(rng: random.Random, base: Path, folder: Path) -> None:
    """An unbroken ledger whose records have wrong values."""
    results = shutil.copytree(base, folder / "results")
    trail = results / attempts.LEDGER
    records = [entry.record for entry in hash_chain.load(trail)]
    shutil.rmtree(trail)
    at = rng.randrange(len(records))
    for number, record in enumerate(records):
        fields = other_values(rng, record) if number == at else record
        if not isinstance(fields, dict):
            fields = {"kind": fields}
        with contextlib.suppress(UnicodeEncodeError):  # such a record cannot be written
            hash_chain.append(trail, fields)
    with contextlib.suppress(UnicodeEncodeError):
        history.render(results)
    outcome(commands, ["verify", results], (GOOD, NAMED, REFUSED))
    for number in range(1, len(records) + 1):
        outcome(commands, ["rerun", number, "--results", results], (REFUSED,))
    _show(results)


def fuzz_results_json(rng: random.Random, base: Path, folder: Path) -> None:
    """Files that one command writes for another, with wrong values or bytes."""
    results = shutil.copytree(base, folder / "results")
    files = sorted(path for path in results.rglob("*.json") if not path.is_relative_to(results / "audit/ledger"))
    path = rng.choice(files)
    data = path.read_bytes()
    try:
        value = json.loads(data)
    except ValueError:
        value = None
    path.write_bytes(as_bytes(other_values(rng, value)) if rng.random() < 0.7 else damaged(rng, data))
    audit = results / "tiny/S685_F1039/cpu_float64"
    comparison = audit / "compare_scaling_traces.json"
    outcome(table, [comparison], (GOOD, REFUSED))
    outcome(ending, [comparison], (GOOD, REFUSED))
    outcome(factors, [comparison, "--out", folder / "x.csv", "--worst", folder / "y.csv"], (GOOD, REFUSED))
    outcome(gate, [comparison, "--results", results, "--out", folder / "gate.json"], (GOOD, NAMED, REFUSED))
    arguments = [
        "attempt",
        "--results",
        results,
        "--comparison",
        comparison,
        "--snapshot",
        audit / "config_snapshot.json",
    ]
    arguments += ["--environment", audit / "trace_py_env.json", "--c-run", audit.parent / "c/c_trace_run.json"]
    outcome(ledger, arguments, (GOOD, REFUSED))
    outcome(report, ["--results", results], (GOOD, REFUSED))


def fuzz_scenario(rng: random.Random, base: Path, folder: Path) -> None:
    """A scenario file."""
    source = rng.choice(sorted((REPOSITORY / "config/scenarios").glob("*.yaml")))
    data = source.read_bytes()
    if rng.random() < 0.5:
        data = yaml.safe_dump(_plain(other_values(rng, yaml.safe_load(data)))).encode(errors="replace")
    else:
        data = damaged(rng, data)

    def read(path: Path) -> None:
        arguments(load_scenario(str(path)), ScenarioFiles())

    reader(read, folder / source.name, data)


def _plain(value: object) -> object:
    return json.loads(json.dumps(value).replace("\\ud800", "?"))


def fuzz_config(rng: random.Random, base: Path, folder: Path) -> None:
    """The config file of the workflow."""
    data = (REPOSITORY / "config/config.yaml").read_bytes()
    if rng.random() < 0.5:
        data = yaml.safe_dump(_plain(other_values(rng, yaml.safe_load(data)))).encode(errors="replace")
    else:
        data = damaged(rng, data)
    reader(lambda path: parse_settings(read_yaml(path, "config"), str(path)), folder / "config.yaml", data)


def fuzz_port(rng: random.Random, base: Path, folder: Path) -> None:
    """Log and image of a port, and its key file."""
    name = rng.choice(("mosaic", "phi_sweep", "triclinic_misset", "flux_beam_clip"))
    names = read_key_names(None)
    data = damaged(rng, (PORT_DATA / f"{name}.log").read_bytes())
    reader(lambda path: read_foreign_log(path, names), folder / "port.log", data)
    image = damaged(rng, (PORT_DATA / f"{name}.npz").read_bytes())
    suffix = rng.choice((".npz", ".npz", ".npy", ".bin"))
    reader(lambda path: read_port_image(path, (40, 40), None), folder / f"image{suffix}", image)
    keys = {
        "names": {"my_omega": "omega_pixel"},
        "factors": {"omega_pixel": 1.0},
        "prefixes": ["T:"],
        "unprinted": ["polar"],
    }
    reader(read_key_names, folder / "keys.yaml", yaml.safe_dump(_plain(other_values(rng, keys))).encode())


def fuzz_simulator(rng: random.Random, base: Path, folder: Path) -> None:
    """The registry of another simulator, and its log."""
    keys = (REPOSITORY / "examples/other_simulator/keys.yaml").read_bytes()
    (folder / "good.yaml").write_bytes(keys)
    simulator = read_simulator(folder / "good.yaml")
    altered = other_values(rng, yaml.safe_load(keys)) if rng.random() < 0.5 else None
    data = damaged(rng, keys) if altered is None else yaml.safe_dump(_plain(altered)).encode()
    reader(read_simulator, folder / "keys.yaml", data)
    lines = "".join(f"{prefix} {name} 1.5\n" for prefix in simulator.prefixes or ("",) for name in simulator.floors)
    reader(lambda path: read_plain_log(path, simulator), folder / "x.log", damaged(rng, lines.encode()))


def fuzz_protect(rng: random.Random, base: Path, folder: Path) -> None:
    """The list of protected files, and their hashes."""
    listing, before = folder / "list.yaml", folder / "before.json"
    listing.write_bytes(damaged(rng, b"- README.md\n- Makefile\n"))
    outcome(protect, ["hash", "--list", listing, "--out", folder / "made.json"], (GOOD, REFUSED))
    before.write_bytes(as_bytes(other_values(rng, {"README.md": "0" * 64, "x": "1" * 64})))
    outcome(protect, ["check", "--before", before], (GOOD, NAMED, REFUSED))


def fuzz_torch_config(rng: random.Random, base: Path, folder: Path) -> None:
    """A config file of the torch program, which holds a command line."""
    good = b"command_line: -cell 50 60 70 90 90 90 -default_F 1 -lambda 1 -N 5\n"
    (folder / "x.yaml").write_bytes(damaged(rng, good))
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        status = program_readers.torch_program(["-config", str(folder / "x.yaml"), "-show_config"])
    assert status in (GOOD, REFUSED), f"exit status {status}: {error.getvalue()}"
    assert status == GOOD or len(error.getvalue().splitlines()) == 1, error.getvalue()


FUZZERS: dict[str, Callable[[random.Random, Path, Path], None]] = {
    name.removeprefix("fuzz_"): function
    for name, function in [*globals().items(), *vars(program_readers).items()]
    if name.startswith("fuzz_")
}


def case(name: str, seed: int, base: Path) -> None:
    """One case of a fuzzer."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        FUZZERS[name](random.Random(seed), base, Path(folder))


def main(argv: list[str]) -> int:
    """Fuzz until the time is over; exit status 1 after a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.audit_readers", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--only", choices=sorted(FUZZERS), help="one reader")
    parser.add_argument("--seed", type=int, help="one case, or the first of many")
    options = parser.parse_args(argv)
    names = [options.only] if options.only else list(FUZZERS)
    ends, seed = time.monotonic() + options.seconds, options.seed if options.seed is not None else 1000
    counts, faults = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    with tempfile.TemporaryDirectory(prefix="fuzz-base-") as folder:
        base = base_folder(Path(folder))
        while True:  # once at least: a seed is repeated by its number
            for name in names:
                counts[name] += 1
                try:
                    case(name, seed, base)
                except Exception:  # whatever a reader lets through is a fault, to be counted and shown
                    faults[name] += 1
                    traceback.print_exc()
                    print(f"FAULT: --only {name} --seed {seed} --seconds 1", flush=True)
            seed += 1
            if time.monotonic() > ends or sum(faults.values()) >= 20:
                break
    for name in names:
        print(f"{name:14s} {counts[name]:7d} cases {faults[name]:5d} faults")
    return 1 if any(faults.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
