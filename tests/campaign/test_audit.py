"""The sample against the C program: agreement passes, a single corrupted pixel does not, wrong bytes are no sample."""

import json

import h5py
import hdf5plugin  # noqa: F401 - lets h5py write what is compressed
import numpy as np
import pytest

from nanobrag_campaign import audit, ledger, summary
from nanobrag_campaign.nxmx import DATA, MISSET
from nanobrag_campaign.shards import Shard, audit_file, shard_file, side_file
from tests.audit.test_ledger import make_audit, record_attempt
from tests.campaign.conftest import Made
from trace_audit.core.errors import InputError
from trace_audit.core.files import readable_json, sha256_of_file, write_atomic
from trace_audit.report.page import page
from trace_audit.trail import attempts
from trace_audit.trail.verify import verify


def change(path, side, edit):
    """Edit an HDF5 file as a defect of the simulator would: the recorded hash follows the change."""
    with h5py.File(path, "r+") as file:
        edit(file)
    record = json.loads(side.read_text())
    side.write_text(readable_json({**record, "sha256": sha256_of_file(path), "bytes": path.stat().st_size}))


@pytest.fixture(scope="module")
def audited(campaign, c_binary, tmp_path_factory):
    """The campaign with the verdicts on all shards, below a results folder."""
    results = tmp_path_factory.mktemp("audited") / "results"
    records = results / "campaign/small"
    made = campaign.copy(records)
    for shard in made.plan.shards:
        assert made.audit(shard, c_binary, audit_file(records, shard)) == 0
    return made


def summarized(made):
    arguments = ["--plan", str(made.folder / "plan.h5"), "--folder", str(made.folder), "--records", str(made.folder)]
    assert summary.main(["summarize", *arguments, "--out", str(made.folder / "summary.json")]) == 0
    return json.loads((made.folder / "summary.json").read_text())


def test_sample_is_seeded_and_without_repetition():
    shard = Shard("x", 0, 500, 100)
    chosen = audit.sample(shard, 10, 3)
    assert len(set(chosen)) == 10 and chosen == sorted(chosen) and chosen[0] >= 0 and chosen[-1] < 100
    assert chosen == audit.sample(shard, 10, 3) != audit.sample(shard, 10, 4)
    assert audit.sample(Shard("x", 1, 600, 100), 10, 3) != chosen
    assert audit.sample(Shard("x", 0, 0, 3), 10, 3) == [0, 1, 2]
    picked = np.bincount([i for first in range(4000) for i in audit.sample(Shard("x", 0, 10 * first, 10), 1, 3)])
    assert picked.min() > 300 and picked.max() < 500  # every place of a shard is as likely


def test_frames_agree_with_the_c_program(audited):
    verdicts = [json.loads(audit_file(audited.folder, shard).read_text()) for shard in audited.plan.shards]
    assert [verdict["status"] for verdict in verdicts] == ["pass"] * 6
    assert [len(verdict["frames"]) for verdict in verdicts] == [2, 2, 1, 2, 2, 1]
    rows = [row for verdict in verdicts for row in verdict["frames"]]
    assert all(row["peak"] > 0 and row["worst_difference_of_peak"] < 1e-5 for row in rows)
    assert all(row["arguments"][row["arguments"].index("-misset") + 1] for row in rows)


def test_one_corrupted_pixel_is_caught(audited, c_binary, tmp_path, capsys):
    made = audited.copy(tmp_path / "copy")
    shard = made.plan.shards[0]
    index = audit.sample(shard, 2, 13)[1]

    def edit(file):
        frame = file[DATA][index]
        frame[7, 9] += 1e-3 * frame.max()
        file[DATA][index] = frame

    change(shard_file(made.folder, shard), side_file(made.folder, shard), edit)
    assert made.audit(shard, c_binary, audit_file(made.folder, shard)) == 0
    verdict = json.loads(audit_file(made.folder, shard).read_text())
    failed = [row for row in verdict["frames"] if row["status"] == "fail"]
    assert verdict["status"] == "fail" and [row["index_in_file"] for row in failed] == [index]
    assert failed[0]["worst_pixel_slow_fast"] == [7, 9]
    result = summarized(made)
    assert result["status"] == "fail" and "1 of 10 audited frames differ" in result["summary"]
    capsys.readouterr()
    assert summary.main(["gate", str(made.folder / "summary.json")]) == 1
    assert "square/000000: frame" in (said := capsys.readouterr().err) and "[7, 9]" in said


def test_a_frame_in_another_orientation_is_caught(audited, c_binary, tmp_path):
    """The labels are right and the image is that of another frame."""
    made = audited.copy(tmp_path / "copy")
    shard = made.plan.shards[3]
    index = audit.sample(shard, 2, 13)[0]
    change(
        shard_file(made.folder, shard),
        side_file(made.folder, shard),
        lambda file: file[DATA].__setitem__(index, file[DATA][(index + 1) % 3]),
    )
    assert made.audit(shard, c_binary, audit_file(made.folder, shard)) == 0
    rows = json.loads(audit_file(made.folder, shard).read_text())["frames"]
    assert {row["index_in_file"]: row["status"] for row in rows}[index] == "fail"


def test_labels_that_are_not_those_of_the_plan(audited, c_binary, tmp_path):
    made = audited.copy(tmp_path / "copy")
    shard = made.plan.shards[0]
    change(
        shard_file(made.folder, shard),
        side_file(made.folder, shard),
        lambda file: file[MISSET].__setitem__(slice(None), 1.0),
    )
    with pytest.raises(InputError, match="expected Frame"):
        made.audit(shard, c_binary, tmp_path / "verdict.json")


def test_changed_bytes_are_not_audited(audited, c_binary, tmp_path):
    made = audited.copy(tmp_path / "copy")
    shard = made.plan.shards[0]
    path = shard_file(made.folder, shard)
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(InputError, match="its bytes have changed since it was written"):
        made.audit(shard, c_binary, tmp_path / "verdict.json")
    assert not (tmp_path / "verdict.json").exists()


def test_verdict_on_other_bytes_does_not_count(audited, tmp_path):
    made = audited.copy(tmp_path / "copy")
    side = side_file(made.folder, made.plan.shards[0])
    side.write_text(readable_json({**json.loads(side.read_text()), "sha256": "0" * 64}))
    with pytest.raises(InputError, match="is about other bytes than"):
        summary.summarize(made.plan, made.folder, made.folder)


def test_figures(audited):
    result = summarized(audited)
    assert (result["status"], result["frames"], result["shards"], result["audited"]) == ("pass", 14, 6, 10)
    assert result["bytes"] == sum(path.stat().st_size for path in (audited.folder / "shards").rglob("*.h5"))
    assert result["frames_per_s"] > 0 and result["raw_bytes_per_frame"] == 4 * 20 * 24
    assert summary.main(["gate", str(audited.folder / "summary.json")]) == 0
    text = (audited.folder / "summary.txt").read_text()
    assert "14 of 20 x 24 pixels" in text and "frames/s" in text and "master.h5" in text


def test_no_sample_at_all_is_said(campaign, c_binary, tmp_path):
    made = Made(tmp_path / "data", campaign.scenarios)
    assert made.make_plan(scenarios=["square"], audit={"frames_per_shard": 0}) == 0
    for shard in made.plan.shards:
        assert made.simulate(shard) == 0
        assert made.audit(shard, c_binary, audit_file(made.folder, shard)) == 0
    result = summarized(made)
    assert result["audited"] == 0 and result["worst"] is None
    assert result["summary"] == "7 frames; none was simulated again by the C program."


def test_seconds_while_any_job_ran():
    assert summary.busy_s([[0, 2], [1, 3], [10, 11], [1.5, 1.7]]) == pytest.approx(4)


def test_record_in_the_ledger(audited, tmp_path):
    summarized(audited)
    results = tmp_path / "results"
    made = audited.copy(results / "campaign/small")
    arguments = ["--plan", str(made.folder / "plan.h5"), "--folder", str(made.folder), "--records", str(made.folder)]
    receipt = results / "audit/receipts/campaign_small.json"
    assert ledger.main([*arguments, "--results", str(results), "--receipt", str(receipt)]) == 0
    assert verify(results) == []
    assert "| small " in (results / attempts.HISTORY).read_text()
    path = shard_file(made.folder, made.plan.shards[2])
    path.write_bytes(path.read_bytes() + b"\0")
    assert verify(results) == ["campaign/small/shards/square/000002.h5: changed"]


def test_report_shows_the_campaign(audited, tmp_path):
    results = tmp_path / "results"
    assert record_attempt(results, make_audit(results)) == 0
    made = audited.copy(results / "campaign/small")
    summary_of = summarized(made)
    hostile = "<img src=x onerror=alert(1)>{{7*7}}"
    failed = {"shard": hostile, "frame": 3, "worst_difference_of_peak": 0.5, "worst_pixel_slow_fast": [7, 9]}
    failing = {**summary_of, "name": hostile, "status": "fail", "failed": [{**failed, "c": 1.0, "stored": 1.5}]}
    write_atomic(results / "campaign/other/summary.json", readable_json(failing))
    shown = page(results)
    assert "14 of 20 × 24 pixels in 6 shards" in shown and "10 frames, 0 differ" in shown
    assert shown.count("photons on a logarithmic scale</figcaption>") == 4
    assert "(7, 9)" in shown and "<td>0.5</td>" in shown
    assert "<img src=x" not in shown and "&lt;img src=x" in shown and "{{7*7}}" in shown
