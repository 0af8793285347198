"""`python -m nanobrag_campaign.ledger`: one record of a finished campaign in the ledger below results/.

Shards and master are recorded by the hashes that were taken when they were written; they are not read again.
"""

import argparse
from pathlib import Path
from typing import Any

from nanobrag_campaign.plan import Plan, read_plan
from nanobrag_campaign.shards import audit_file, shard_file, side_file
from nanobrag_campaign.verify import side_record
from trace_audit.core.documents import read_document
from trace_audit.core.errors import run_command
from trace_audit.core.result_documents import CampaignSummary, MasterRecord
from trace_audit.programs.environment import deviations
from trace_audit.trail import hash_chain
from trace_audit.trail.append import add_record


def artifacts_of(plan: Plan, folder: Path, records: Path, results: Path) -> dict[str, str]:
    """SHA-256 of every file of the campaign that lies below `results`, by its path relative to that."""
    small = [records / "summary.json", records / "summary.txt"]
    small += [audit_file(records, shard) for shard in plan.shards]
    large: dict[Path, str] = {}
    if folder.resolve().is_relative_to(results.resolve()):
        small += [folder / "plan.h5", folder / "plan.json", folder / "master.json"]
        small += [side_file(folder, shard) for shard in plan.shards]
        large = {shard_file(folder, shard): side_record(folder, shard)["sha256"] for shard in plan.shards}
        master = read_document(folder / "master.json", "record of the master", MasterRecord)
        large[folder / "master.h5"] = master["sha256"]
    named = {path.resolve().relative_to(results.resolve()).as_posix(): sha for path, sha in large.items()}
    return dict(sorted({**hash_chain.hashes_below(small, results), **named}.items()))


def fields_of(
    plan: Plan, summary: dict[str, Any], environment: dict[str, Any], artifacts: dict[str, str], inputs: dict[str, str]
) -> dict[str, Any]:
    """The record of a campaign; `environment` is that of one of its jobs."""
    keys = ("frames", "shards", "audited", "frames_per_s", "cpu_s_per_frame", "bytes_per_frame")
    worst = summary["worst"] or {"worst_difference_of_peak": None}
    return {
        "kind": "campaign",
        "name": plan.settings.name,
        "status": summary["status"],
        "summary": summary["summary"],
        "device": summary["device"],
        "dtype": summary["dtype"],
        "noise": summary["noise"],
        "structure_factors": summary["structure_factors"],
        "metrics": {
            **{key: summary[key] for key in keys},
            "worst_difference_of_peak": worst["worst_difference_of_peak"],
        },
        "tolerance_relative": summary["tolerance_of_peak"],
        "tolerances_sha256": summary["tolerances_sha256"],
        "settings": plan.settings.model_dump(mode="json"),
        "git_commit": environment["git"]["before"]["commit"],
        "deviations": deviations(environment, summary["device"]),
        "inputs": inputs,
        "artifacts": artifacts,
    }


def main(argv: list[str]) -> int:
    """Append the record and render the history."""
    parser = argparse.ArgumentParser(prog="python -m nanobrag_campaign.ledger", description=__doc__, allow_abbrev=False)
    parser.add_argument("--plan", type=Path, required=True, metavar="FILE", help="plan.h5")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="the campaign's folder with shards/")
    parser.add_argument("--records", type=Path, required=True, metavar="DIR", help="where summary.json is")
    parser.add_argument("--inputs", type=Path, nargs="+", default=[], metavar="PATH", help="files or folders")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    parser.add_argument("--receipt", type=Path, required=True, metavar="FILE", help="below results/audit/receipts/")
    options = parser.parse_args(argv)
    plan = read_plan(options.plan)
    summary = read_document(options.records / "summary.json", "summary of a campaign", CampaignSummary)
    artifacts = artifacts_of(plan, options.folder, options.records, options.results)
    environment = side_record(options.folder, plan.shards[0])["environment"]
    fields = fields_of(plan, summary, environment, artifacts, hash_chain.hashes_of_inputs(options.inputs))
    add_record(options.results, lambda: fields, options.receipt)
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
