"""No traceback reaches a user, no lock damages a file, no program runs past its time limit."""

import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import open_lock
from trace_audit.programs import reference
from trace_audit.programs.reference import ProgramRun, run_program
from trace_audit.trail import hash_chain
from trace_audit.workflow.script import run_job


@pytest.mark.parametrize("error", [TypeError("x\ny"), RecursionError(), KeyError("\033[31m"), UnicodeError("\udcff")])
def test_a_fault_of_ours_is_one_line_and_a_file(error, tmp_path, monkeypatch, capsys):
    def command(_):
        raise error

    monkeypatch.chdir(tmp_path)
    assert run_command(command, []) == 3
    said = capsys.readouterr().err.splitlines()
    (kept,) = (tmp_path / "logs").iterdir()
    assert len(said) == 1 and "please report it" in said[0] and kept.name in said[0]
    assert "Traceback" in kept.read_text() and type(error).__name__ in kept.read_text()
    with pytest.raises(type(error)):
        run_command(command, [], catch_faults=False)


@pytest.mark.parametrize("target", ["-", "|"])
def test_a_reader_that_has_gone_is_no_fault(target, tmp_path):
    """`| head` closes the pipe and `>&-` closes the output: neither causes a traceback or an error message."""
    code = (
        "from trace_audit.core.errors import run_command; raise SystemExit(run_command(lambda _: print('x' * 9) or 0))"
    )
    end = " >&-" if target == "-" else " | true"
    command = f'sleep 0.2; {sys.executable} -c "{code}"{end}; exit ${{PIPESTATUS[0]}}'
    command = command.replace("sleep 0.2; ", "" if target == "-" else "{ sleep 0.2; ").replace(" | true", "; } | true")
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == (0 if target == "-" else 141), done.stderr
    assert done.stderr == "" and not (tmp_path / "logs").exists()


def test_memory_and_control_characters(capsys):
    def starved(_):
        raise MemoryError

    def rude(_):
        raise InputError("a\033[31mb c")

    assert run_command(starved, []) == run_command(rude, []) == 2
    assert capsys.readouterr().err.splitlines()[1] == "trace_audit: error: a\\x1b[31mb c"


def test_a_lock_that_is_a_link_leaves_its_target_alone(tmp_path):
    target = tmp_path / "precious"
    target.write_text("data")
    (tmp_path / "ledger").mkdir()
    lock = tmp_path / "ledger" / hash_chain.LOCK
    lock.symlink_to(target)
    with pytest.raises(InputError, match="is a link"), hash_chain.locked(tmp_path / "ledger"):
        pass
    assert target.read_text() == "data"
    lock.unlink()
    lock.hardlink_to(target)
    with hash_chain.locked(tmp_path / "ledger"):
        assert target.read_text() == "data"


def test_a_lock_that_is_a_pipe_is_refused(tmp_path):
    subprocess.run(["mkfifo", tmp_path / "lock"], check=True)
    with pytest.raises(InputError, match="is a pipe"):
        open_lock(tmp_path / "lock")


def program(folder, body):
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\nimport os, subprocess, sys, time\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("session", [True, False])
def test_what_a_program_leaves_running_is_not_waited_for(session, tmp_path):
    body = f"subprocess.Popen(['sleep', '20'], start_new_session={session}); print('done')"
    before = time.monotonic()
    run = run_program(program(tmp_path, body), [], 60.0)
    assert time.monotonic() - before < 15 and run.stdout == b"done\n" and run.failure(60.0) is None


def test_a_program_with_a_child_ends_at_its_limit(tmp_path):
    body = "subprocess.Popen(['sleep', '30'], start_new_session=True); time.sleep(30)"
    before = time.monotonic()
    run = run_program(program(tmp_path, body), [], 1.0)
    assert time.monotonic() - before < 15 and run.failure(1.0) == "did not end within 1 s"


def test_output_and_files_have_caps(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "MAX_OUTPUT_BYTES", 100_000)
    monkeypatch.setattr(reference, "MAX_FILE_BYTES", 1_000_000)
    run = run_program(program(tmp_path, "while True: print('x' * 1000)"), [], 60.0)
    assert run.failure(60.0).startswith("printed more than 0.1 MB") and len(run.stdout) == 100_000
    run = run_program(program(tmp_path, "time.sleep(0.5); open('f', 'wb').truncate(20_000_000_000)"), [], 60.0)
    assert run.failure(60.0) is not None and run.made.keys() <= {"f"}
    (tmp_path / "left").mkdir()
    with (tmp_path / "left/big").open("wb") as file:
        file.truncate(2_000_000)
    (tmp_path / "left/link").symlink_to("/etc/hostname")
    made, problem = reference._files_in(tmp_path / "left")
    assert made == {} and "left the file big" in problem


def test_every_signal_has_a_name():
    assert ProgramRun(-40, b"", b"", {}).failure(1.0) == "was killed by signal 40"
    assert ProgramRun(-signal.SIGSEGV, b"", b"", {}).failure(1.0) == "was killed by signal SIGSEGV"


def test_the_log_of_a_job_is_a_new_file(tmp_path):
    target, log = tmp_path / "precious", tmp_path / "logs/job.log"
    target.write_text("data")
    log.parent.mkdir()
    log.symlink_to(target)
    run_job(lambda _: print("said"), SimpleNamespace(log=[log]))
    assert target.read_text() == "data" and log.read_text() == "said\n" and not log.is_symlink()
