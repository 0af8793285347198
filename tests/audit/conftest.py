"""Results folders with a ledger, for the tests of the trail."""

import pytest

from tests.audit.test_ledger import make_audit, record_attempt
from tests.audit.test_ledger_faults import seal
from trace_audit.core.errors import run_command
from trace_audit.core.files import write_atomic
from trace_audit.trail.ledger import main as ledger


@pytest.fixture
def two_audits(tmp_path):
    """Two audits, recorded and sealed."""
    folder = tmp_path / "results"
    for dtype in ("float64", "float32"):
        assert record_attempt(folder, make_audit(folder, dtype=dtype)) == 0
    write_atomic(folder / "audit/summary.txt", "two audits\n")
    receipt = folder / "audit/receipts/seal.json"
    assert run_command(ledger, ["seal", "--results", str(folder), "--receipt", str(receipt)]) == 0
    return folder


@pytest.fixture
def three_seals(tmp_path):
    """A results folder with one file and three seals."""
    folder = tmp_path / "results"
    for number in range(3):
        write_atomic(folder / "file.txt", f"version {number}\n")
        assert seal(folder) == 0
    return folder
