"""`python -m nanobrag_campaign.verify FOLDER`: do all shards exist, complete and byte for byte as recorded?"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nanobrag_campaign.plan import Plan, read_plan
from nanobrag_campaign.shards import Shard, shard_file, side_file
from trace_audit.core.documents import read_document
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import sha256_of_file
from trace_audit.core.result_documents import ShardRecord

MEND = "remove it and run the campaign again, which makes what is missing"


def side_record(folder: Path, shard: Shard) -> dict[str, Any]:
    """What was recorded when a shard was written. Raises InputError if it is missing or says something else."""
    path = side_file(folder, shard)
    record = read_document(path, "record of a shard", ShardRecord, MEND)
    if record["frames"] != shard.count:
        raise InputError(f"{path}: holds {record['frames']} frames, the plan has {shard.count} in this shard; {MEND}")
    checked: dict[str, Any] = record
    return checked


def size_fault(folder: Path, shard: Shard, record: dict[str, Any]) -> str | None:
    """The fault of a shard's file that is visible without reading it; None if there is none."""
    path = shard_file(folder, shard)
    if not path.is_file():
        return f"{path}: missing; run the campaign again, which makes what is missing"
    size = path.stat().st_size
    return None if size == record["bytes"] else f"{path}: {size} bytes, {record['bytes']} were written; {MEND}"


def fault(folder: Path, shard: Shard) -> str | None:
    """The fault of a shard in one line; None if its bytes are those that were written."""
    try:
        record = side_record(folder, shard)
    except InputError as error:
        return str(error)
    fault_text = size_fault(folder, shard, record)
    if fault_text is not None:
        return fault_text
    path = shard_file(folder, shard)
    sha256 = sha256_of_file(path)
    return None if sha256 == record["sha256"] else f"{path}: its bytes have changed since it was written; {MEND}"


def faults(plan: Plan, folder: Path, workers: int) -> Iterator[str]:
    """All faults, one line each, in the order of the shards."""
    with ThreadPoolExecutor(workers) as pool:  # hashing releases the interpreter
        for fault_text in pool.map(lambda shard: fault(folder, shard), plan.shards):
            if fault_text is not None:
                yield fault_text


def main(argv: list[str]) -> int:
    """Hash every shard; print what is wrong. Exit status 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m nanobrag_campaign.verify", description=__doc__, allow_abbrev=False)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the campaign's folder, with plan.h5 and shards/")
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="files that are hashed at a time (4)")
    options = parser.parse_args(argv)
    if options.workers < 1:
        raise InputError(f"--workers {options.workers}: expected 1 or more")
    plan = read_plan(options.folder / "plan.h5")
    count = 0
    for line in faults(plan, options.folder, options.workers):
        print(line)
        count += 1
    if not count:
        print(f"{len(plan.shards)} shards: every byte as it was written")
    return 1 if count else 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
