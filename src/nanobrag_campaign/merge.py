"""`python -m nanobrag_campaign.merge`: one HDF5 file through which all frames can be read.

The frames stay where they are: the master names the shards relative to itself, so the folder can be moved as a whole.
Detector and beam are copied from the first shard; every scenario's first shard must agree with it. The times that NXmx
asks for are those of the jobs; the shards carry none.
"""

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from nanobrag_campaign import verify
from nanobrag_campaign.nxmx import EXPECTED, MISSET, PER_FRAME, WAVELENGTH
from nanobrag_campaign.plan import Plan, read_plan
from nanobrag_campaign.shards import Shard, content_key, shard_file
from nanobrag_torch.io.writing import replace_with
from trace_audit.core.errors import InputError, run_command
from trace_audit.core.files import readable_json, sha256_of_file, write_atomic

SCENARIO = "entry/sample/scenario"
_OF_A_SHARD = ("entry/instrument/detector/data", EXPECTED)


def check_shards(plan: Plan, folder: Path) -> None:
    """Check that every shard exists, has its recorded size, the settings of the plan, and the same shape.

    Raises InputError for the first that fails.
    """
    shape, settings = None, json.loads(content_key(plan.settings))
    for shard in plan.shards:
        record = verify.side_record(folder, shard)
        fault = verify.size_fault(folder, shard, record)
        if fault is not None:
            raise InputError(fault)
        if record["provenance"]["settings"] != settings:
            raise InputError(f"shard {shard.name}: was made with other settings than the plan; {verify.MEND}")
        shape = shape or record["shape_slow_fast"]
        if record["shape_slow_fast"] != shape:
            raise InputError(f"shard {shard.name}: images of {record['shape_slow_fast']} pixels, expected {shape}")


def firsts(plan: Plan) -> Iterator[Shard]:
    """The first shard of each scenario."""
    return (shard for shard in plan.shards if shard.index == 0)


def write_master(plan: Plan, folder: Path, out: Path) -> None:
    """Write the master of all shards below `folder`, whole or not at all. Raises InputError."""
    check_shards(plan, folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_with(out, lambda aside: _fill(plan, folder, out.parent, aside), follow=False)


def _fill(plan: Plan, folder: Path, beside: Path, path: Path) -> None:
    import h5py

    model, *shards = (shard_file(folder, shard) for shard in firsts(plan))
    with h5py.File(path, "w", libver="latest") as file, h5py.File(model) as first:
        _copy_description(first, file)
        for shard_path in shards:
            _require_same_detector(first, shard_path)
        for name in PER_FRAME:
            _join(file, first, name, [(shard, shard_file(folder, shard)) for shard in plan.shards], beside)
        counts = [sum(s.count for s in plan.shards if s.scenario == name) for name in plan.settings.scenarios]
        file[SCENARIO] = np.repeat(np.arange(len(counts), dtype=np.uint16), counts)
        file[SCENARIO].attrs["names"] = list(plan.settings.scenarios)
        file["entry/instrument/detector/data"] = h5py.SoftLink("/entry/data/data")
        file["entry/campaign/settings"] = plan.settings.model_dump_json(indent=1)
        file["entry/title"][()] = f"campaign {plan.settings.name}"
        for name, moment in zip(("start_time", "end_time_estimated"), made_between(plan, folder), strict=True):
            if name in file["entry"]:
                del file[f"entry/{name}"]  # the moment that a single image states
            file[f"entry/{name}"] = moment


def made_between(plan: Plan, folder: Path) -> tuple[str, str]:
    """The start of the first shard and the end of the last, UTC, ISO 8601; NXmx requires both."""
    intervals = [verify.side_record(folder, shard)["interval_s"] for shard in plan.shards]
    moments = min(start for start, _ in intervals), max(end for _, end in intervals)
    first, last = (datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for moment in moments)
    return first, last


def _copy_description(first: Any, file: Any) -> None:
    """Groups and fields of the first shard, except those that differ from frame to frame."""
    file.attrs.update(first.attrs)

    def copy(name: str) -> None:
        if name in PER_FRAME or name in _OF_A_SHARD:
            return
        item = first[name]
        if hasattr(item, "keys"):
            file.require_group(name).attrs.update(item.attrs)
            for key in item:
                copy(f"{name}/{key}")
        else:
            first.copy(name, file, name=name)

    copy("entry")


def _require_same_detector(first: Any, shard_path: Path) -> None:
    import h5py

    with h5py.File(shard_path) as file:
        names: list[str] = []
        first["entry/instrument/detector"].visit(names.append)
        for name in names:
            mine, its = first["entry/instrument/detector"][name], file["entry/instrument/detector"].get(name)
            if hasattr(mine, "keys") or f"entry/instrument/detector/{name}" in _OF_A_SHARD:
                continue
            same = its is not None and np.array_equal(mine[()], its[()])
            vectors = same and np.array_equal(mine.attrs.get("vector", ()), its.attrs.get("vector", ()))
            if not (same and vectors):
                raise InputError(f"{shard_path}: another detector than the first shard's ({name}); make two campaigns")


def _join(file: Any, first: Any, name: str, shards: list[tuple[Shard, Path]], beside: Path) -> None:
    """A virtual dataset of one field of all shards, in the order of the plan."""
    import h5py

    of_first = first[name]
    total = sum(shard.count for shard, _ in shards)
    layout = h5py.VirtualLayout((total, *of_first.shape[1:]), of_first.dtype)
    start = 0
    for shard, path in shards:
        source = h5py.VirtualSource(str(path.relative_to(beside)), name, (shard.count, *of_first.shape[1:]))
        layout[start : start + shard.count] = source
        start += shard.count
    fill = {"f": np.nan, "i": -1, "u": np.iinfo(np.uint16).max if of_first.dtype.itemsize == 2 else 2**32 - 1}
    dataset = file.create_virtual_dataset(name, layout, fillvalue=fill[of_first.dtype.kind])
    dataset.attrs.update(of_first.attrs)


def check_master(path: Path, plan: Plan) -> None:
    """Check that every label, read through the master, is that of the plan. Raises InputError for the first wrong
    frame.
    """
    import h5py

    with h5py.File(path) as master:
        for name, planned in zip((MISSET, WAVELENGTH), plan.tables(), strict=True):
            stored = master[name][:]
            if np.array_equal(stored, planned):
                continue
            wrong = int(np.argwhere((stored != planned).reshape(len(planned), -1).any(1))[0, 0])
            raise InputError(
                f"{path}: frame {wrong} has {name} {stored[wrong]}, planned was {planned[wrong]}; "
                "remove its shard and run the campaign again"
            )


def main(argv: list[str]) -> int:
    """Write the master and its hash."""
    parser = argparse.ArgumentParser(prog="python -m nanobrag_campaign.merge", description=__doc__, allow_abbrev=False)
    parser.add_argument("--plan", type=Path, required=True, metavar="FILE", help="plan.h5")
    parser.add_argument("--folder", type=Path, required=True, metavar="DIR", help="the campaign's folder with shards/")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the master, in that folder")
    options = parser.parse_args(argv)
    if options.out.resolve().parent != options.folder.resolve():
        raise InputError(f"--out {options.out}: expected a file in {options.folder}, from where it names the shards")
    plan = read_plan(options.plan)
    write_master(plan, options.folder, options.out)
    check_master(options.out, plan)
    record = {
        "file": options.out.name,
        "sha256": sha256_of_file(options.out),
        "bytes": options.out.stat().st_size,
        "frames": sum(shard.count for shard in plan.shards),
        "shards": len(plan.shards),
    }
    write_atomic(options.out.with_suffix(".json"), readable_json(record))
    print(f"{options.out}: {record['frames']} frames in {record['shards']} shards")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
