"""An unknown program may read, compute, print and write into its own folder, and nothing else."""

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trace_audit.core.errors import InputError
from trace_audit.programs import confinement
from trace_audit.programs.reference import run_program

WAYS = {"namespaces": confinement.NAMESPACES, "bubblewrap": confinement.BUBBLEWRAP}


@pytest.fixture(params=WAYS)
def confined(request, monkeypatch):
    """Each way of confinement that works on this machine, whether or not the audit would choose it here."""
    if request.param == "bubblewrap" and shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    reason = confinement._problem(WAYS[request.param])
    if reason:
        pytest.skip(f"{request.param}: {reason}")
    monkeypatch.setattr(confinement, "way", lambda: WAYS[request.param])
    return WAYS[request.param]


def program(folder: Path, body: str) -> Path:
    path = folder / "program"
    path.write_text(f"#!{sys.executable}\nimport os, socket, subprocess, sys, time\n{body}\n")
    path.chmod(0o755)
    return path


def printed(folder: Path, body: str) -> str:
    run = run_program(program(folder, body), [], 60.0)
    assert run.failure(60.0) is None, run.stderr.decode()
    return run.stdout.decode()


def unconfined(monkeypatch, why: str = "for a test") -> None:
    monkeypatch.setattr(confinement, "way", lambda: f"{confinement.LIMITS_ONLY}: {why}")


def test_it_writes_below_its_own_folder_alone(tmp_path: Path, confined):
    body = (
        "open('here', 'w').close(); open(os.environ['TMPDIR'] + '/there', 'w').close()\n"
        f"for place in ({str(tmp_path)!r}, '/tmp', os.path.expanduser('~'), os.path.dirname(sys.argv[0])):\n"
        "    try:\n        open(place + '/pwned-by-a-reference', 'w').close()\n        print('written', place)\n"
        "    except OSError as error:\n        print(error.strerror)\n"
    )
    assert set(printed(tmp_path, body).splitlines()) == {"Read-only file system"}


def test_it_reaches_no_network(tmp_path: Path, confined):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        body = (
            f"address = '127.0.0.1', {server.getsockname()[1]}\n"
            "try:\n    socket.socket().connect(address)\n    print('reached')\n"
            "except OSError as error:\n    print(error.strerror)\n"
        )
        assert printed(tmp_path, body) == "Connection refused\n"


def test_nothing_outlives_it(tmp_path: Path, confined):
    name = f"sleeper-{time.time_ns()}"
    shutil.copy(shutil.which("sleep"), tmp_path / name)
    body = f"subprocess.Popen([{str(tmp_path / name)!r}, '60'], start_new_session=True); print('started')"
    before = time.monotonic()
    assert printed(tmp_path, body) == "started\n" and time.monotonic() - before < 15
    names = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not [name_of for name_of in names if name.encode() in name_of]


def test_a_run_says_how_it_was_confined(tmp_path: Path, confined):
    assert run_program(program(tmp_path, "print('x')"), [], 60.0).confined == confined


def test_a_program_with_a_child_ends_at_its_limit(tmp_path: Path, confined):
    body = "subprocess.Popen(['sleep', '30'], start_new_session=True); time.sleep(30)"
    before = time.monotonic()
    assert run_program(program(tmp_path, body), [], 1.0).failure(1.0) == "did not end within 1 s"
    assert time.monotonic() - before < 15


def test_bubblewrap_is_taken_where_namespaces_do_not_work(monkeypatch):
    tried = []

    def problem(how):
        tried.append(how)
        return "" if how == confinement.BUBBLEWRAP else "Operation not permitted"

    monkeypatch.setattr(confinement, "_problem", problem)
    monkeypatch.setattr(confinement.shutil, "which", lambda _: "/usr/bin/bwrap")
    assert confinement.way.__wrapped__() == confinement.BUBBLEWRAP and tried == list(WAYS.values())
    monkeypatch.setattr(confinement.shutil, "which", lambda _: None)
    assert confinement.way.__wrapped__() == f"{confinement.LIMITS_ONLY}: Operation not permitted"


def test_it_has_no_more_memory_than_the_machine(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("trace_audit.programs.reference._memory_of_machine", lambda: 300_000_000)
    run = run_program(program(tmp_path, "bytearray(10**9)"), [], 60.0)
    assert run.failure(60.0) == "ended with exit status 1: MemoryError"


def test_a_program_that_exchanges_itself_has_failed(tmp_path: Path, monkeypatch):
    unconfined(monkeypatch)
    path = program(tmp_path, "open(sys.argv[1], 'a').write('# other')\nprint('TRACE_C: x 1')")
    run = run_program(path, [str(path)], 60.0)
    assert run.failure(60.0) == "is not the program any more that was started" and run.confined.endswith("for a test")


def test_a_compiled_program_runs_from_a_copy_under_its_own_name(tmp_path: Path):
    own = Path(shutil.copy(shutil.which("readlink"), tmp_path / "own"))
    run = run_program(own, ["-f", "/proc/self/exe"], 60.0)
    assert run.failure(60.0) is None and not run.stdout.decode().startswith(str(tmp_path))
    assert run_program(own, ["--nonsense"], 60.0).stderr.decode().startswith(str(own))


def test_exit_statuses_signals_and_what_does_not_start_come_through(tmp_path: Path, confined):
    _statuses(tmp_path)


def test_the_same_without_confinement(tmp_path: Path, monkeypatch):
    unconfined(monkeypatch)
    _statuses(tmp_path)


def _statuses(tmp_path: Path):
    for body, code in (("sys.exit(7)", 7), ("os.kill(os.getpid(), 40)", -40), ("os.abort()", -6), ("", 0)):
        assert run_program(program(tmp_path, body), [], 60.0).exit_code == code
    broken = tmp_path / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    with pytest.raises(InputError, match="No such file"):
        run_program(broken, [], 60.0)


def test_only_plain_files_are_taken_out_of_its_folder(tmp_path: Path):
    body = "open('image', 'w').write('data'); os.symlink('/etc/hostname', 'link'); os.mkfifo('pipe')"
    wanted = {name: tmp_path / f"taken {name}" for name in ("image", "link", "pipe", "none")}
    run = run_program(program(tmp_path, body), [], 60.0, wanted)
    assert run.failure(60.0) is None and run.made.keys() == {"image"}
    assert [name for name, path in wanted.items() if path.exists()] == ["image"]


def test_the_launcher_needs_no_module_of_ours():
    path = Path(confinement.launcher.__file__)
    done = subprocess.run([sys.executable, "-I", "-S", path, "/", "0", "0", "limits", "/bin/echo", "x", "y"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "y\n")
