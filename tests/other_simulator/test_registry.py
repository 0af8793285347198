"""A program that is no nanoBragg is audited by its own registry of keys."""

import json
import shlex
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.other_simulator.conftest import EXAMPLE
from trace_audit.compare.__main__ import main as compare
from trace_audit.compare.plain import compare_plain
from trace_audit.compare.plain_report import summary
from trace_audit.config.settings import parse_settings, require_files
from trace_audit.core.errors import InputError
from trace_audit.port.__main__ import main as audit_port
from trace_audit.port.other_gate import main as other_gate
from trace_audit.reduce.__main__ import main as reduce
from trace_audit.trace.plain_log import read_plain_lines
from trace_audit.trace.simulator import read_simulator

KEYS = EXAMPLE / "keys.yaml"
FLAGS = ("-slow", "60", "-fast", "80")


@pytest.fixture
def simulator():
    return read_simulator(KEYS)


def read(simulator, output):
    return read_plain_lines(output.splitlines(keepends=True), simulator)


def test_the_example_has_the_physics_right(printed, simulator):
    """The C program against sums over the sphere's volume and the pixel's area, which know none of its formulas."""
    values = read(simulator, printed("C", *FLAGS, "-radius_nm", "3")).values
    q, radius = values["q_per_nm"][0], 3.0
    z = (np.arange(20_000) + 0.5) / 10_000 * radius - radius
    slices = np.pi * (radius**2 - z**2) * radius / 10_000
    assert slices.sum() == pytest.approx(values["volume_nm3"][0], rel=1e-7)
    assert (slices * np.cos(q * z)).sum() / slices.sum() == pytest.approx(values["form_amplitude"][0], rel=1e-6)
    edges = np.linspace(-0.1, 0.1, 201)
    x, y = np.meshgrid(*(16 + (edges[1:] + edges[:-1]) / 2, 12 + (edges[1:] + edges[:-1]) / 2))
    omega = (1000 / (x**2 + y**2 + 1000**2) ** 1.5).sum() * (edges[1] - edges[0]) ** 2
    assert omega == pytest.approx(values["omega_sr"][0], rel=1e-7)
    wave = 2 * np.pi / 0.1 * (np.array([16, 12, 1000]) / np.hypot(np.hypot(16, 12), 1000) - [0, 0, 1])
    assert np.linalg.norm(wave) == pytest.approx(q, rel=1e-12)


def test_the_planted_mistake_is_the_one_that_is_named(printed, simulator):
    logs = read(simulator, printed("C", *FLAGS)), read(simulator, printed("numpy", *FLAGS))
    comparison = compare_plain(simulator, *logs, ("C", "numpy"))
    assert not comparison.passed and [interval.key for interval in comparison.intervals] == ["omega_sr"]
    assert comparison.intervals[0].is_one_stage and comparison.coverage == (10, 10)
    assert [name for name, row in comparison.rows.items() if not row.agrees] == ["omega_sr", "photons"]
    assert "the stage solid angle of numpy" in summary(comparison)


def test_one_printed_key_leads_to_the_mistake(printed, simulator):
    keys, steps = ["photons"], 0
    reference = read(simulator, printed("C", *FLAGS))
    while True:
        candidate = read(simulator, printed("numpy", *FLAGS, "-print", ",".join(keys)))
        diverging = compare_plain(simulator, reference, candidate, ("C", "numpy")).intervals
        assert len(diverging) == 1 and "omega_sr" in diverging[0].possible
        if diverging[0].is_one_stage:
            break
        keys += diverging[0].next_keys
        steps += 1
    assert diverging[0].key == "omega_sr" and steps <= 3


def test_a_factor_that_is_flat_where_the_mistake_is_clears_nobody(printed, simulator):
    """An angle that is wrong by 1e-6 changes the polarization by 1e-10 of it, so agreement there proves nothing about
    the angle.
    """
    reference = read(simulator, printed("C", *FLAGS))
    lines = printed("numpy", *FLAGS, "-right").splitlines(keepends=True)
    values = {line.split()[1]: line for line in lines}
    wrong = {
        b"polarization": values[b"polarization"],
        b"q_per_nm": b"TRACE q_per_nm %.15g\n" % (reference.values["q_per_nm"][0] * (1 + 1e-6)),
    }
    comparison = compare_plain(simulator, reference, read_plain_lines(wrong.values(), simulator), ("C", "numpy"))
    [interval] = comparison.intervals
    assert interval.key == "q_per_nm" and "two_theta_rad" in interval.possible and not interval.is_one_stage
    wrong[b"two_theta_rad"] = b"TRACE two_theta_rad %.15g\n" % (reference.values["two_theta_rad"][0] * (1 + 1e-6))
    wrong[b"pixel_position_mm"] = values[b"pixel_position_mm"]
    comparison = compare_plain(simulator, reference, read_plain_lines(wrong.values(), simulator), ("C", "numpy"))
    assert [(i.key, i.is_one_stage) for i in comparison.intervals] == [("two_theta_rad", True)]


def test_every_stage_is_found_from_one_line_though_nothing_is_known_of_how_far_keys_move(simulator):
    graph, exact = simulator.graph, read(simulator, b"")
    exact.values = {name: (2.0,) * key.size for name, key in graph.keys.items()}
    for fault in graph.order:
        wrong = {name for name in graph.order if fault == name or fault in graph.ancestors(name)}
        names = ["photons"]
        while True:
            log = read(simulator, b"")
            log.values = {n: tuple(v + (n in wrong) for v in exact.values[n]) for n in names}
            diverging = compare_plain(simulator, exact, log, ("a", "b")).intervals
            assert all(fault in interval.possible for interval in diverging)
            if diverging[0].is_one_stage:
                break
            names += [name for name in diverging[0].next_keys if name not in names]
        assert diverging[0].key == fault


def test_the_port_without_its_mistake_passes(printed, simulator):
    logs = read(simulator, printed("C", *FLAGS)), read(simulator, printed("numpy", *FLAGS, "-right"))
    assert compare_plain(simulator, *logs, ("C", "numpy")).passed


def test_the_command_writes_a_verdict_for_people_machines_and_a_ci(printed, tmp_path, capsys):
    for name in ("C", "numpy"):
        (tmp_path / f"{name}.log").write_bytes(b"hello\n" + printed(name, *FLAGS))
    logs = ["--c-log", str(tmp_path / "C.log"), "--py-log", str(tmp_path / "numpy.log"), "--names", "C", "numpy"]
    files = ["--out", str(tmp_path / "v.json"), "--summary", str(tmp_path / "v.md"), "--junit", str(tmp_path / "v.xml")]
    assert compare(["--registry", str(KEYS), *logs, *files]) == 1
    assert "omega_sr: the stage solid angle of numpy" in capsys.readouterr().out
    assert json.loads((tmp_path / "v.json").read_text())["root_causes"] == ["omega_sr"]
    suite = ElementTree.parse(tmp_path / "v.xml").getroot()
    assert {case.get("name") for case in suite if len(case)} == {"omega_sr", "photons"}
    assert (suite.get("tests"), suite.get("failures")) == ("10", "2")
    assert "| omega\\_sr" in (tmp_path / "v.md").read_text() or "| omega_sr" in (tmp_path / "v.md").read_text()


def test_reduce_takes_any_simulator(sphere, tmp_path):
    flags = "-radius_nm 7.25 -slow 60 -fast 80 -wavelength_nm 0.12 -distance_mm 1203.5"
    port = shlex.join([sys.executable, str(EXAMPLE / "sphere.py")])
    programs = ["--reference", f"{sphere} {{flags}}", "--candidate", f"{port} {{flags}}"]
    assert reduce(["--registry", str(KEYS), "--flags", flags, *programs, "--out", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out/reduce.json").read_text())
    assert told["key"] == "omega_sr" and told["after"]["flags"] == 1


def sides(sphere, *more):
    port = json.dumps({"name": "numpy", "command": [sys.executable, str(EXAMPLE / "sphere.py"), "{flags}", *more]})
    return ["--reference", json.dumps({"name": "C", "command": [str(sphere), "{flags}"]}), "--candidate", port]


@pytest.mark.parametrize("more, status", [((), 1), (("-right",), 0)])
def test_both_programs_are_run_and_audited(sphere, tmp_path, capsys, more, status):
    arguments = ["--registry", str(KEYS), "--flags", " ".join(FLAGS), "--out", str(tmp_path / "near")]
    assert audit_port([*arguments, *sides(sphere, *more)]) == status
    told = json.loads((tmp_path / "near/port_audit.json").read_text())
    assert told["sides"] == {"reference": "C", "candidate": "numpy"}
    assert told["root_causes"] == ([] if more else ["omega_sr"]) and told["summary"] in capsys.readouterr().out
    assert (tmp_path / "near/port_audit.md").read_text().startswith("# numpy against C")
    assert (tmp_path / "near/port_audit.junit.xml").is_file()
    assert other_gate([str(tmp_path / "near/port_audit.json"), "--out", str(tmp_path / "passed")]) == status
    assert (tmp_path / "passed").is_file() == bool(more)
    assert ("near: fail: numpy differs from C: omega_sr" in capsys.readouterr().err) != bool(more)


def test_a_program_that_fails_fails_the_audit(sphere, tmp_path):
    arguments = ["--registry", str(KEYS), "--flags", "-slow 60", "--out", str(tmp_path)]
    assert audit_port([*arguments, *sides(sphere, "-no_such_flag", "1")]) == 1
    told = json.loads((tmp_path / "port_audit.json").read_text())
    assert told["status"] == "fail" and "numpy ended with exit status 2" in told["summary"]


def test_only_programs_with_these_keys_are_sides(sphere, tmp_path):
    arguments = ["--registry", str(KEYS), "--out", str(tmp_path)]
    with pytest.raises(InputError, match="candidate: program is given; another simulator is a `command`"):
        audit_port([*arguments, *sides(sphere)[:2], "--candidate", "{program: torch}"])
    with pytest.raises(InputError, match="--reference: none given"):
        audit_port([*arguments, *sides(sphere)[2:]])
    with pytest.raises(InputError, match="--config is about a nanoBragg"):
        audit_port([*arguments, *sides(sphere), "--config", "supervisor"])


def test_the_config_file_names_registry_sides_and_experiments(sphere):
    least = {"scenarios": ["supervisor"], "devices": ["cpu"], "dtypes": ["float64"]}
    both = {role: {"command": [str(sphere), "{flags}"]} for role in ("reference", "candidate")}
    named = {"registry": str(KEYS), "experiments": {"near": "-slow 60"}}
    assert parse_settings(least | both | named).experiments == {"near": "-slow 60"}
    with pytest.raises(InputError, match="registry: reference has to be a `command` or a `log`"):
        parse_settings(least | named)
    with pytest.raises(InputError, match="registry and experiments: give both"):
        parse_settings(least | both | {"registry": str(KEYS)})
    with pytest.raises(InputError, match="registry: no such file '/no/such'"):
        require_files(parse_settings(least | both | named | {"registry": "/no/such"}))


@pytest.mark.parametrize(
    "text, told",
    [
        ("- 1", "expected the parts program, prefixes, tolerance, keys"),
        ("program: a\nkeys: []", "keys"),
        ("program: a\nkeys: [{name: x, parents: [y]}]", "keys.x.parents: y is no key of this file"),
        ("program: a\nkeys: [{name: x}, {name: y, aliases: [x]}]", "x is there twice"),
        ("program: a\nkeys: [{name: x, parents: [y]}, {name: y, parents: [x]}]", "in a circle"),
        ("program: a\nkeys: [{name: x, parents: [x]}]", "in a circle: x from x"),
        ("program: a\nkeys: [{name: x, unti: mm}]", "keys.0.unti"),
        ("program: a\ntolerance: 0\nkeys: [{name: x}]", "tolerance"),
        ("program: a\nkeys: [{name: 'x y'}]", "keys.0.name"),
        ("program: [", "not YAML"),
    ],
)
def test_faults_of_a_registry_are_named(tmp_path, text, told):
    file = tmp_path / "keys.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=told):
        read_simulator(file)


def test_kinds_of_values(tmp_path):
    file = tmp_path / "keys.yaml"
    file.write_text(
        "program: p\nprefixes: ['DBG>']\nkeys:\n"
        "  - {name: mode, kind: word}\n  - {name: steps, kind: integer, parents: [mode]}\n"
        "  - {name: v, kind: vector, components: [u, w], tolerance: 1.0e-3, floor: 1.0, aliases: [vec]}\n"
        "  - {name: note, compared: false}\n"
    )
    simulator = read_simulator(file)
    first = read(simulator, b'DBG> mode fast\nDBG> steps 4\nTRACE_PY: vec [1.0, 1e-5]\n{"note": 1}\nDBG> strange 1\n')
    two = read(simulator, b"DBG> mode fast\nDBG> steps=5\nDBG> v: 1.0005 2e-5\nDBG> note 2\nDBG> v 7 7\nDBG> mode\n")
    assert first.values == {"mode": ("fast",), "steps": (4,), "v": (1.0, 1e-5), "note": (1.0,)}
    assert first.unknown == {"strange": 1} and two.repeated == {"v": 1}
    comparison = compare_plain(simulator, first, two, ("one", "two"))
    assert [interval.key for interval in comparison.intervals] == ["steps"]
    assert comparison.faults == ["two: line 6: mode: no value"] and not comparison.passed


def test_a_log_without_a_key_says_what_one_looks_like(tmp_path):
    (tmp_path / "log").write_text("hello\n")
    arguments = ["--registry", str(KEYS), "--c-log", str(tmp_path / "log"), "--py-log", str(tmp_path / "log")]
    with pytest.raises(InputError, match="1 lines and no key of a sphere.*TRACE_PY: pixel_position_mm 1.5"):
        compare([*arguments, "--out", str(tmp_path / "v.json")])
    with pytest.raises(InputError, match="--config is about a nanoBragg"):
        compare([*arguments, "--out", str(tmp_path / "v.json"), "--config", "supervisor"])
