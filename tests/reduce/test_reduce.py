"""A failing experiment is reduced to the flags that the failure needs, whatever the two programs are."""

import json
import shlex
import subprocess
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trace_audit.core.errors import InputError
from trace_audit.reduce import __main__ as command
from trace_audit.reduce.ddmin import ddmin
from trace_audit.reduce.experiment import Experiment, NanoBraggLanguage, PlainLanguage
from trace_audit.reduce.judge import NanoBraggJudge, PlainJudge
from trace_audit.reduce.passes import Search
from trace_audit.reduce.sides import SideFailed, TorchSide
from trace_audit.reduce.trials import RUN, LimitReached, Record, Trials
from trace_audit.trace.key_names import KeyNames
from trace_audit.trace.simulator import read_simulator

REGISTRY = """
program: sum
keys:
  - { name: a, stage: first }
  - { name: b, stage: second, parents: [a] }
"""


@given(st.sets(st.integers(0, 30)), st.integers(1, 31))
def test_ddmin_leaves_what_the_failure_needs(needed, size):
    needed = {index for index in needed if index < size}
    asked = []

    def fails(part):
        asked.append(tuple(part))
        return needed <= set(part)

    assert ddmin(range(size), fails) == sorted(needed)
    assert len(asked) == len(set(asked)), "no part is asked about twice"


def test_ddmin_of_alternatives_is_minimal():
    def fails(part):
        return {1, 2} <= set(part) or {5, 6, 7} <= set(part)

    left = ddmin(range(9), fails)
    assert fails(left) and not any(fails([u for u in left if u != away]) for away in left)


@dataclass
class Fake:
    """A program of two keys: a is the sum of the counts, b ten times that; `wrong` changes them."""

    name: str
    wrong: object = None

    def output(self, experiment):
        flags = dict(flag for flag in experiment.flags if len(flag) == 2)
        if "-crash" in [flag[0] for flag in experiment.flags] and self.wrong:
            raise SideFailed("was killed by signal SIGSEGV")
        a = float(sum(map(float, flags.values())))
        values = {"a": a, "b": 10.0 * a}
        if self.wrong:
            self.wrong(flags, values)
        return [f"TRACE_PY: {name} {value!r}\n".encode() for name, value in values.items()]

    def command_line(self, experiment):
        return shlex.join([self.name, *experiment.words])

    def described(self):
        return [self.name]


def b_off_with_x_and_y(flags, values):
    if "-x" in flags and "-y" in flags:
        values["b"] *= 1.5
    if "-z" not in flags:  # another fault, above: an experiment without -z fails elsewhere
        values["a"] *= 2.0


FLAGS = "-p 1 -q 2 -x 64 -r 3 -y 0.7125 -s 4 -z 12 -t 5"


def search_of(folder, *, wrong=b_off_with_x_and_y, flags=FLAGS, key=None, trials=1000, deadline=float("inf")):
    registry = folder / "registry.yaml"
    registry.write_text(REGISTRY)
    language = PlainLanguage()
    experiment = Experiment(tuple(language.split(flags.split())), (0, 0))
    record = Record(folder / "out" / "trials.jsonl", {"flags": flags})
    judge = PlainJudge(read_simulator(registry))
    trials = Trials(Fake("right"), Fake("wrong", wrong), judge, record, folder / "out", deadline, trials)
    trials.failure = trials.first_failure(experiment, key)
    record.open()
    return Search(trials, language, experiment)


def test_flags_counts_and_digits_shrink_and_the_key_stays(tmp_path):
    search = search_of(tmp_path)
    command.reduce(search, is_nanobragg=False)
    assert search.trials.failure.key == "b"
    assert search.best.words == ["-x", "1", "-y", "0.7", "-z", "1"]


def test_a_stopped_run_goes_on_and_ends_the_same(tmp_path):
    whole = search_of(tmp_path / "a" if (tmp_path / "a").mkdir() is None else tmp_path)
    command.reduce(whole, is_nanobragg=False)
    (tmp_path / "b").mkdir()
    runs = 0
    for _ in range(100):
        search = search_of(tmp_path / "b", trials=4)
        try:
            command.reduce(search, is_nanobragg=False)
        except LimitReached:
            runs += 4
            continue
        break
    assert search.best == whole.best
    assert runs + search.trials.run_now == whole.trials.run_now, "no trial was run twice"
    logs = [(tmp_path / name / "out/trials.jsonl").read_bytes() for name in "ab"]
    assert logs[0] == logs[1]


def test_a_line_that_a_killed_run_left_unfinished_does_not_count(tmp_path):
    search = search_of(tmp_path)
    command.reduce(search, is_nanobragg=False)
    log = tmp_path / "out/trials.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:-7])
    again = search_of(tmp_path)
    command.reduce(again, is_nanobragg=False)
    assert again.trials.run_now == 1 and log.read_bytes() == whole


def test_the_record_of_another_reduction_is_not_taken(tmp_path):
    search_of(tmp_path)
    with pytest.raises(InputError, match="record of another reduction"):
        search_of(tmp_path, flags=FLAGS + " -w 1")


def test_time_is_bounded(tmp_path):
    search = search_of(tmp_path, deadline=0.0)
    with pytest.raises(LimitReached):
        command.reduce(search, is_nanobragg=False)


def test_programs_that_agree_are_nothing_to_reduce(tmp_path):
    with pytest.raises(InputError, match="nothing to reduce: right and wrong agree on all 2 keys"):
        search_of(tmp_path, wrong=lambda flags, values: None)
    with pytest.raises(InputError, match="--key a: agrees; keys that differ: b"):
        search_of(tmp_path, key="a")


def test_a_candidate_that_crashes_is_reduced_to_the_crash(tmp_path):
    search = search_of(tmp_path, flags=FLAGS + " -crash")
    assert search.trials.failure.key == RUN
    command.reduce(search, is_nanobragg=False)
    assert search.best.words == ["-crash"]


def test_what_is_left_does_not_turn_into_rounding(tmp_path):
    def wrong(flags, values):
        values["b"] *= 1.5 if "-x" in flags else 1.00001

    search = search_of(tmp_path, wrong=wrong)
    command.reduce(search, is_nanobragg=False)
    assert [flag[0] for flag in search.best.flags] == ["-x"]


class PlantedTorch(TorchSide):
    """Our torch program, its lattice factor along b wrong for more than two cells."""

    def output(self, experiment):
        lines = super().output(experiment)
        n_cells = next((line.split() for line in lines if b"N_cells" in line), None)
        if n_cells is None or int(n_cells[-2]) <= 2:
            return lines
        return [b"TRACE_PY: F_latt_b 99.5\n" if b": F_latt_b " in line else line for line in lines]


def test_a_fault_planted_in_a_stage_of_a_nanobragg(tmp_path):
    rows = "".join(f"{h} {k} {l} {100 + h + k + l}\n" for h in range(-4, 5) for k in range(-4, 5) for l in range(-4, 5))
    (tmp_path / "all.hkl").write_text(rows)
    (tmp_path / "a.mat").write_text("0.0143 0.001 0.002\n0 0.0125 0.001\n0.001 0 0.0111\n")
    flags = (
        f"-hkl {tmp_path}/all.hkl -mat {tmp_path}/a.mat -misset 10.123 20.5 30.25 -Na 7 -Nb 24 -Nc 9 "
        "-lambda 1.2398 -distance 123.456 -detpixels 101 -pixel 0.1 -Xbeam 5.05 -Ybeam 5.1 -phi 1.5 -osc 0.25 "
        "-phisteps 3 -mosaic 0.3 -mosaic_dom 4 -oversample 1 -fluence 1e24 -polar 0.9"
    )
    language = NanoBraggLanguage()
    experiment = Experiment(tuple(language.split(shlex.split(flags))), (53, 13))
    record = Record(tmp_path / "out/trials.jsonl", {})
    judge = NanoBraggJudge(KeyNames())
    sides = TorchSide("right"), PlantedTorch("wrong")
    trials = Trials(*sides, judge, record, tmp_path / "out", float("inf"), 1000)
    trials.failure = trials.first_failure(experiment, None)
    record.open()
    search = Search(trials, language, experiment)
    command.reduce(search, is_nanobragg=True)
    assert trials.failure.key == "F_latt_b"
    assert search.best.pixel == (0, 0)
    names = [flag[0] for flag in search.best.flags]
    assert ("-Nb", "3") in search.best.flags and ("-detpixels", "1") in search.best.flags
    assert set(names) <= {"-Nb", "-cell", "-default_F", "-detpixels"}
    assert len(trials.record.known) < 150


def test_the_command_with_a_port_that_ignores_flags(tmp_path, c_binary, capsys):
    port = tmp_path / "port.sh"
    port.write_text(
        "#!/bin/bash\nwords=()\n"
        'while [ $# -gt 0 ]; do case "$1" in\n'
        '-flux|-exposure|-beamsize) shift 2;;\n*) words+=("$1"); shift;;\nesac; done\n'
        f'exec {shlex.quote(str(c_binary))} "${{words[@]}}"\n'
    )
    port.chmod(0o755)
    flags = (
        "-default_F 100 -cell 70 80 90 85 95 105 -N 5 -distance 100 -lambda 1 -flux 1e17 -exposure 2 -beamsize 0.2 "
        "-detpixels 64 -oversample 2 -mosaic 0.5 -mosaic_dom 3"
    )
    arguments = [
        "--flags",
        flags,
        "--pixel",
        "40",
        "30",
        "--reference",
        shlex.quote(str(c_binary)),
        "--candidate",
        str(port),
    ]
    out = tmp_path / "out"
    assert command.main([*arguments, "--out", str(out), "--trials", "2"]) == 1
    assert "the same command goes on" in capsys.readouterr().out
    assert command.main([*arguments, "--out", str(out)]) == 0
    shown = capsys.readouterr().out.splitlines()
    told = json.loads((out / "reduce.json").read_text())
    assert told["key"] == "fluence_photons_per_m2" and told["complete"]
    assert {argument for argument in told["after"]["words"] if argument[:2] in ("-f", "-b", "-e")} <= {
        "-flux",
        "-beamsize",
    }
    assert told["after"]["flags"] <= 5 and f"{told['trials']} trials" in shown[0]
    values = []
    for line in told["commands"].values():
        assert line in shown, "ready to paste"
        printed = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        values.append(next(line.split()[-1] for line in printed.splitlines() if "fluence_photons_per_m2" in line))
    assert [float(value) for value in values] == [value for (value,) in told["values"].values()]
    assert values[0] != values[1]


def test_sides_as_the_config_file_states_them(tmp_path, c_binary, monkeypatch):
    (tmp_path / "config").mkdir()
    words = [str(c_binary), "{flags}", "-trace_pixel", "{slow}", "{fast}", "-polar", "0.3"]
    config = {"scenarios": ["supervisor"], "devices": ["cpu"], "dtypes": ["float64"]}
    config["candidate"] = {"name": "mine", "command": words}
    (tmp_path / "config/config.yaml").write_text(json.dumps(config))
    monkeypatch.chdir(tmp_path)
    flags = "-default_F 100 -cell 70 80 90 -N 3 -distance 100 -lambda 1 -detpixels 16 -oversample 1"
    words = ["--flags", flags, "--pixel", "5", "4", "--reference", "{program: torch}", "--out", str(tmp_path / "out")]
    assert command.main(words) == 0
    told = json.loads((tmp_path / "out/reduce.json").read_text())
    assert list(told["commands"]) == ["torch", "mine"] and "polar" in told["key"]
    with pytest.raises(InputError, match="--reference: none given, and config/config.yaml names none"):
        command.main([*words[:5], "--out", str(tmp_path / "out2")])


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--reference", "torch", "--candidate", "{log: /no/such}"], "--candidate: log: no such file"),
        (["--reference", "torch", "--candidate", "{program: rust}"], "--candidate: program"),
        (["--reference", "torch", "--candidate", "/no/such"], "--candidate: /no/such is no program"),
        (["--reference", "", "--candidate", "torch"], "--reference: is empty"),
        (["--reference", "torch", "--candidate", "torch -fluence 1e20"], "nothing to reduce"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, told):
    flags = "-default_F 1 -cell 50 -fluence 1e20 -detpixels 8"
    with pytest.raises(InputError, match=told):
        command.main(["--flags", flags, "--pixel", "3", "4", *arguments, "--out", str(tmp_path / "out")])
