"""The long table of all factors."""

import json

import pandas as pd
import pytest

from trace_audit.core.errors import InputError
from trace_audit.report.factors import COLUMNS, long_table, main, worst_by_key


def comparison(folder, dtype, relative):
    """A comparison of two factors, one of them at a spindle step."""
    folder.mkdir(parents=True)
    config = {"scenario": {"name": "toy"}, "pixel_slow_fast": [3, 4], "device": "cpu", "dtype": dtype}
    (folder / "config_snapshot.json").write_text(json.dumps(config))
    factors = [
        {"key": "polar", "component": "", "context": {}, "unit": "1", "c": 0.9, "py": 0.9, "absolute_difference": 0.0,
         "relative_difference": 0.0, "tolerance": 1e-6, "verdict": "pass"},
        {"key": "TRACE_PHI.F_latt", "component": "", "context": {"phi_tic": 2}, "unit": "1", "c": 2.0,
         "py": 2.0 * (1 + relative), "absolute_difference": 2 * relative, "relative_difference": relative,
         "tolerance": 1e-6, "verdict": "pass"},
    ]  # fmt: skip
    path = folder / "compare_scaling_traces.json"
    path.write_text(json.dumps({"status": "pass", "factors": factors}))
    return path


def test_every_factor_of_every_audit_is_a_row(tmp_path):
    paths = [comparison(tmp_path / "a", "float32", 3e-7), comparison(tmp_path / "b", "float64", 1e-12)]
    out, worst = tmp_path / "factors.csv", tmp_path / "worst.csv"
    assert main([*map(str, paths), "--out", str(out), "--worst", str(worst)]) == 0
    table = pd.read_csv(out)
    assert list(table.columns) == COLUMNS
    assert table["dtype"].tolist() == ["float32", "float32", "float64", "float64"]
    assert table["phi_tic"].isna().tolist() == [True, False, True, False]
    top = pd.read_csv(worst).iloc[0]
    assert (top["key"], top["dtype"], top["relative_difference"]) == ("TRACE_PHI.F_latt", "float32", 3e-7)


def test_worst_is_one_row_a_key(tmp_path):
    table = long_table([comparison(tmp_path / "a", "float32", 3e-7)])
    assert sorted(worst_by_key(table)["key"]) == ["TRACE_PHI.F_latt", "polar"]


def test_a_file_that_is_no_comparison_is_refused(tmp_path):
    path = comparison(tmp_path / "a", "float32", 0.0)
    path.write_text("{}")
    with pytest.raises(InputError, match="comparison .*factors: field required"):
        long_table([path])
