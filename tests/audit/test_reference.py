"""Running a reference program: a folder of its own, a small environment, and every way in which it can fail."""

import json
import sys

import pytest
import yaml

from trace_audit.core.errors import run_command
from trace_audit.programs.reference import main, run_program

from .test_scenario import MINIMAL

TRACE = "TRACE_C: pixel_slow_fast 3 4\\nTRACE_C_PHI phi_tic=0"


@pytest.fixture
def scenarios(tmp_path):
    folder = tmp_path / "scen arios é"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(yaml.safe_dump(MINIMAL))
    return folder


def program(folder, body):
    """An executable Python script that stands for nanoBragg."""
    path = folder / "nano bragg"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
    path.chmod(0o755)
    return path


def run(tmp_path, scenarios, body, *more):
    out = tmp_path / "out" / "c_trace_scaling.log"
    arguments = ["--binary", str(program(tmp_path, body)), "--config", "tiny", "--scenario-dir", str(scenarios)]
    return run_command(main, [*arguments, "--pixel", "3", "4", "--out", str(out), *more]), out


def test_trace_lines_go_to_the_log_and_all_output_is_kept(tmp_path, scenarios):
    body = f"print('hello\\n{TRACE}\\nbye'); print('warning', file=sys.stderr); open('floatimage.bin','w').write('x')"
    status, out = run(tmp_path, scenarios, body)
    assert status == 0
    assert out.read_text() == TRACE.replace("\\n", "\n") + "\n"
    assert (out.parent / "c_trace_stdout.txt").read_text().startswith("hello\nTRACE_C")
    assert (out.parent / "c_trace_stderr.txt").read_text() == "warning\n"
    record = json.loads((out.parent / "c_trace_run.json").read_text())
    assert record["exit_code"] == 0 and record["failure"] is None
    assert list(record["files_made_sha256"]) == ["floatimage.bin"]
    assert len(record["binary_sha256"]) == 64


def test_only_the_traced_pixel_is_asked_for_unless_the_whole_image_is(tmp_path, scenarios):
    body = f"print({TRACE!r}.replace('\\\\n', chr(10))); print(' '.join(sys.argv[1:]), file=sys.stderr)"
    for more, roi in (((), True), (("--whole-image",), False)):
        status, out = run(tmp_path, scenarios, body, *more)
        arguments = (out.parent / "c_trace_stderr.txt").read_text().split()
        assert status == 0 and arguments[-3:] == ["-trace_pixel", "3", "4"]
        assert (arguments[-8:-3] == ["-roi", "4", "4", "3", "3"]) is roi


def test_it_runs_in_an_empty_folder_with_a_small_environment(tmp_path, scenarios, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    body = f"assert os.listdir() == [] and 'SECRET_TOKEN' not in os.environ; print('{TRACE}')"
    status, out = run(tmp_path, scenarios, body)
    assert status == 0 and out.exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('cannot open A.mat')", "ended with exit status 1: cannot open A.mat"),
        ("sys.exit(139)", "ended with exit status 139: nothing on its standard error"),
        ("os.abort()", "was killed by signal SIGABRT"),
        ("os.kill(os.getpid(), 11)", "was killed by signal SIGSEGV"),
        ("print('no trace here')", "its output has no trace line"),
        ("sys.stdout.buffer.write(bytes(range(256)) * 99)", "its output has no trace line"),
        ("time.sleep(60)", "did not end within 0.5 s"),
        ("import subprocess; subprocess.run(['sleep', '60'])", "did not end within 0.5 s"),
    ],
)
def test_failures_are_reported_as_what_they_are(tmp_path, scenarios, capsys, body, message):
    limit = "0.5" if "60" in body else "20"
    status, out = run(tmp_path, scenarios, body, "--time-limit-s", limit)
    error = capsys.readouterr().err
    assert status == 2 and message in error and error.count("\n") == 1
    assert not out.exists() and (out.parent / "c_trace_stdout.txt").exists()


def test_a_binary_that_is_not_there_or_cannot_run_is_refused(tmp_path, scenarios, capsys):
    arguments = [
        "--config",
        "tiny",
        "--scenario-dir",
        str(scenarios),
        "--pixel",
        "3",
        "4",
        "--out",
        str(tmp_path / "x.log"),
    ]
    assert run_command(main, ["--binary", str(tmp_path / "none"), *arguments]) == 2
    assert "no such file" in capsys.readouterr().err
    (tmp_path / "text").write_text("not a program")
    assert run_command(main, ["--binary", str(tmp_path / "text"), *arguments]) == 2
    assert "Permission denied" in capsys.readouterr().err
    assert not (tmp_path / "x.log").exists()


def test_a_pixel_off_the_detector_is_refused_before_anything_runs(tmp_path, scenarios, capsys):
    body = "open('/dev/null')"
    out = tmp_path / "out" / "c.log"
    arguments = ["--binary", str(program(tmp_path, body)), "--config", "tiny", "--scenario-dir", str(scenarios)]
    assert run_command(main, [*arguments, "--pixel", "12", "0", "--out", str(out)]) == 2
    assert "pixel 12 0" in capsys.readouterr().err and not out.parent.exists()


def test_no_shell_sees_the_words(tmp_path):
    made = run_program(program(tmp_path, "print(sys.argv[1])"), ["; touch pwned; $(id)"], 20.0)
    assert made.stdout == b"; touch pwned; $(id)\n" and made.made == {}
