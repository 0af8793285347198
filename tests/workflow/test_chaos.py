"""A run that is killed and run again ends with the bytes of an undisturbed one; `make chaos` does this many times."""

import shutil
import subprocess
import sys

import pytest

from trace_audit.chaos import checkout
from trace_audit.chaos.__main__ import table
from trace_audit.chaos.kills import Tally, kill_at


@pytest.fixture(scope="module")
def undisturbed(prepared, tmp_path_factory):
    """Hashes of what a run leaves that nobody disturbs."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("undisturbed") / "checkout", symlinks=True)
    done = checkout.run(folder)
    assert done.returncode == 0, done.stderr
    return checkout.artifacts(folder)


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "moment_s"), [("snakemake", 6.0), ("C program", 0.1), ("torch run", 1.0)])
def test_a_killed_run_comes_out_the_same_when_run_again(undisturbed, prepared, tmp_path, victim, moment_s):
    """A program is killed in a run that goes on from the built reference, snakemake in one from its beginning."""
    assert len(undisturbed) > 12
    folder = tmp_path / "killed run"
    if victim == "snakemake":
        checkout.make_checkout(folder)
    else:
        shutil.copytree(prepared, folder, symlinks=True)
    assert kill_at(folder, victim, moment_s) == "killed"
    assert checkout.artifacts(folder) != undisturbed
    assert checkout.fault_of(folder, undisturbed) == ""


def test_a_checkout_of_its_own_has_what_the_audit_needs_and_no_results(tmp_path):
    folder = checkout.make_checkout(tmp_path / "copy")
    assert {"Snakefile", "src", "tests", "workflow", "config"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "results").exists() and (folder / "src/trace_audit/chaos/checkout.py").is_file()


def test_the_last_error_of_a_run_is_our_own_line_if_there_is_one():
    command = [
        sys.executable,
        "-c",
        "print('Error in rule x'); print('trace_audit: error: disk full'); print('error y')",
    ]
    assert checkout.last_error(subprocess.run(command, capture_output=True, text=True, check=False)) == (
        "trace_audit: error: disk full"
    )


def test_the_table_counts_kills_and_names_faults():
    tally = Tally("torch run")
    tally.add("killed", "")
    tally.add("had ended", "other bytes: a")
    text = table([tally], [("HOME unset", "same bytes", True), ("full disk", "nothing said", False)])
    assert "torch run                        2       1                              1  other bytes: a" in text
    assert "HOME unset  ok     same bytes" in text and "full disk   FAULT  nothing said" in text
