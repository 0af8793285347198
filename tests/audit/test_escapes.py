"""The output of a foreign program is stored so that no terminal obeys its control characters, and the original can be
restored.
"""

import io
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.test_last_resort import program
from trace_audit.core.escapes import as_printed, escaped, escaped_pieces, file_as_printed
from trace_audit.port import side_job
from trace_audit.trace.log import trace_log
from trace_audit.workflow import progress
from trace_audit.workflow.script import run_job

RUDE = b"\x1b[31mred\x1b]0;title\x07 \r\x00\x7f\xff\xc2\x9b31m \xe2\x80\xae\x0c\x08 \\x41 \\n ok\t\xc3\xa5\n"


def obeyed(data: bytes) -> list[str]:
    return [char for char in data.decode() if not (char.isprintable() or char in "\n\t")]


@given(st.binary(max_size=200))
def test_bytes_come_back(data):
    assert as_printed(escaped(data)) == data and not obeyed(escaped(data))
    assert as_printed(b"".join(escaped_pieces(io.BytesIO(data)))) == data


@given(st.text(st.sampled_from("\\x41bf\n\x1b"), max_size=40))
def test_words_that_look_like_escapes_come_back(text):
    data = text.encode()
    assert as_printed(escaped(data)) == data and not obeyed(escaped(data))


def test_ordinary_text_stays_as_it_is():
    text = "TRACE_C: omega_sr 1e-7\tÅ \\n\\xyz\n".encode()
    assert escaped(text) is not None and escaped(text) == text and escaped(RUDE).startswith(b"\\x1b[31mred")


def test_pieces_end_between_words(monkeypatch):
    monkeypatch.setattr("trace_audit.core.escapes._PIECE_BYTES", 3)
    data = b"ab\\x41\\x4\\\\x41" * 9
    assert b"".join(escaped_pieces(io.BytesIO(data))) == escaped(data)


def test_evidence_of_a_side(tmp_path):
    """The stored output, and the output as it is read for the comparison."""
    stdout, image = tmp_path / "printed", tmp_path / "image.bin"
    stdout.write_bytes(RUDE)
    image.write_bytes(RUDE)
    side_job._keep(stdout, tmp_path / side_job.STDOUT, None)
    side_job._keep(image, tmp_path / side_job.IMAGE, None)
    kept = (tmp_path / side_job.STDOUT).read_bytes()
    assert not obeyed(kept) and (tmp_path / side_job.IMAGE).read_bytes() == RUDE, "numbers are no text"
    with file_as_printed(tmp_path / side_job.STDOUT) as printed:
        assert printed.read_bytes() == RUDE
    assert not obeyed(trace_log("TRACE_C: x \x1b[31m1\nnoise\x07\n", "it").encode())


@pytest.mark.parametrize("name", ["c_trace_stdout.txt", "c_trace_stderr.txt"])
def test_evidence_of_a_reference(tmp_path, name):
    from tests.c_program import REPOSITORY
    from trace_audit.programs.reference import main

    body = f"for stream in (sys.stdout, sys.stderr): stream.buffer.write({RUDE!r} + b'TRACE_C: x 1\\n')"
    rude, out = program(tmp_path, body), tmp_path / "out/c_trace_scaling.log"
    arguments = [
        "--binary",
        rude,
        "--config",
        REPOSITORY / "config/scenarios/still.yaml",
        "--pixel",
        1,
        2,
        "--out",
        out,
    ]
    assert main([str(argument) for argument in arguments]) == 0
    kept = (out.parent / name).read_bytes()
    assert not obeyed(kept) and as_printed(kept) == RUDE + b"TRACE_C: x 1\n"


def test_the_log_of_a_run(tmp_path, monkeypatch):
    """The output of jobs goes to a file there; a link that replaces the file is not followed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious").write_text("data")
    (tmp_path / "logs").mkdir()
    progress.LOG.symlink_to(tmp_path / "precious")
    brief = progress.Brief()
    brief._keep("a\x1b[31mb\n")
    assert (tmp_path / "precious").read_text() == "data" and progress.LOG.read_text() == "a\\x1b[31mb\n"
    progress.LOG.unlink()
    progress.LOG.symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic"):
        brief._keep("more\n")
    assert (tmp_path / "precious").read_text() == "data"


def test_the_log_of_a_job(tmp_path):
    """Of a script, and of a command whose output the shell puts into a file; a file name that is no text, too."""
    log, rude = tmp_path / "job.log", RUDE.decode("utf-8", "surrogateescape") + "\ud800"
    run_job(lambda _: print(rude, file=sys.stderr), SimpleNamespace(log=[log]))
    assert not obeyed(log.read_bytes()) and "\\x1b[31mred" in log.read_text()
    code = "import sys; from trace_audit.core.errors import run_command\n"
    code += f"def command(_):\n    print({rude!r}); sys.stderr.writelines([{rude!r}])\nrun_command(command, [])"
    with log.open("wb") as stream:
        subprocess.run([sys.executable, "-c", code], stdout=stream, stderr=stream, check=True)
    assert not obeyed(log.read_bytes()) and log.read_text().count("\\x1b[31mred") == 2
    assert "å" in log.read_text()
