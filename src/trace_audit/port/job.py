"""The sides of an audit, run one by one, and compared; what they printed and how they were run is kept beside it."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trace_audit.config.scenario import ScenarioFiles, arguments, load_scenario, scenario_path
from trace_audit.config.scenario_model import Scenario
from trace_audit.config.side import Side
from trace_audit.core.errors import InputError
from trace_audit.core.files import read_json, readable_json, write_atomic
from trace_audit.inputs.prepare import prepare_inputs
from trace_audit.port.document import not_compared, write
from trace_audit.port.findings import PortCase
from trace_audit.port.our_program import OurProgram, Refused
from trace_audit.port.pair import audit_pair
from trace_audit.port.side import obtain
from trace_audit.port.two_images import read_port_image
from trace_audit.programs.environment import capture
from trace_audit.programs.reference import named_words
from trace_audit.trace.foreign_log import read_foreign_log
from trace_audit.trace.key_names import read_key_names
from trace_audit.trace.tolerances import file_sha256

STDOUT, STDERR, RUN, IMAGE = "stdout.txt", "stderr.txt", "run.json", "image.bin"


def run_side(
    *,
    side: Side,
    name: str,
    scenario: str,
    scenario_dir: Path,
    hkl: Path | None,
    pixel: tuple[int, int],
    binary: Path | None,
    image: bool,
    folder: Path,
    given: Mapping[str, Path] | None = None,
) -> None:
    """Write stdout.txt, stderr.txt, run.json and image.bin (empty: no image) of one side into `folder`.

    A run that fails is on record in run.json with the reason. `given`: where the files are that the side names.
    """
    stated = load_scenario(scenario, scenario_dir)
    with tempfile.TemporaryDirectory(prefix="side-") as away:
        files, words = _experiment(stated, scenario, scenario_dir, hkl, Path(away) / "inputs")
        run = obtain(_found(side, given), name, words, pixel, Path(away) / "side", binary, image=image)
        named = {str(path): path.name for path in files.given.values()}
        made = str((Path(away) / "side").resolve())
        program = run.record["program"]
        arguments = [side.log, side.image] if side.log else run.record["arguments"]
        record = {
            **run.record,
            "program": program if binary is None else binary.name,
            "arguments": [named.get(word, word).replace(made, "$SIDE") for word in arguments if word],
            "input_sha256": files.hashes(),
            "image": _image_name(run.image),
        }
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run.stdout, folder / STDOUT)
        if run.stderr is None:
            write_atomic(folder / STDERR, "")
        else:
            shutil.copyfile(run.stderr, folder / STDERR)
        if run.image is None:
            write_atomic(folder / IMAGE, b"")
        else:
            shutil.copyfile(run.image, folder / IMAGE)
    write_atomic(folder / RUN, readable_json(record))


def _found(side: Side, given: Mapping[str, Path] | None) -> Side:
    """The side with the files that it names where they are."""
    names = {key: getattr(side, key) for key in ("keys", "log", "image")}
    return side.model_copy(update={key: str((given or {}).get(name, name)) for key, name in names.items() if name})


def _image_name(image: Path | None) -> str | None:
    """The form of the image, by its ending; None where there is none."""
    return None if image is None else image.suffix or ".bin"


def _experiment(
    stated: Scenario, scenario: str, scenario_dir: Path, hkl: Path | None, away: Path
) -> tuple[ScenarioFiles, list[str]]:
    scenario_folder = scenario_path(scenario, scenario_dir).parent
    files = prepare_inputs(stated, away, hkl=hkl, scenario_folder=scenario_folder)
    return files, arguments(stated, files)


def compare_sides(
    *,
    sides: dict[str, Side],
    scenario: str,
    scenario_dir: Path,
    hkl: Path | None,
    pixel: tuple[int, int],
    folders: dict[str, Path],
    budget_s: float,
    folder: Path,
    given: Mapping[str, Path] | None = None,
) -> None:
    """Write port_audit.{json,md,junit.xml}, config_snapshot.json and pair_env.json into `folder`.

    `sides` and `folders` are those of reference and candidate, as `run_side` left them. A side that did not run to its
    end, or whose output cannot be read, is a verdict of fail with that reason.
    """
    stated = load_scenario(scenario, scenario_dir)
    records = {role: read_json(folders[role] / RUN, "record of a run") for role in folders}
    with tempfile.TemporaryDirectory(prefix="pair-") as away:
        files, words = _experiment(stated, scenario, scenario_dir, hkl, Path(away))
        ours = OurProgram(tuple(words), pixel)
        found = {role: _found(side, given) for role, side in sides.items()}

        def work() -> str:
            return _audit(found, records, folders, ours, budget_s, folder)

        dtype, environment = capture(Path.cwd(), work)
        snapshot = {
            "scenario": stated.model_dump(mode="json", exclude_none=True),
            "pixel_slow_fast": list(pixel),
            "device": records["candidate"]["name"],
            "dtype": dtype,
            "backend": sides["candidate"].backend if sides["candidate"].program == "torch" else "its own",
            "arguments": named_words(words, files),
            "input_sha256": files.hashes(),
            "tolerances_sha256": file_sha256(),
            "sides": {role: side.model_dump(mode="json", exclude_defaults=True) for role, side in sides.items()},
        }
    write_atomic(folder / "config_snapshot.json", readable_json(snapshot))
    write_atomic(folder / "pair_env.json", readable_json(environment))


def _audit(
    sides: dict[str, Side],
    records: dict[str, Any],
    folders: dict[str, Path],
    ours: OurProgram,
    budget_s: float,
    folder: Path,
) -> str:
    """Compare and write; the precision of the candidate's numbers."""
    names = tuple(records[role]["name"] for role in ("reference", "candidate"))
    failed = [
        f"{record['name']} {record['failure']}; see {role}/{STDERR}"
        for role, record in records.items()
        if record["failure"]
    ]
    if not failed:
        try:
            reference, candidate = (_case(sides[r], records[r], folders[r], ours) for r in ("reference", "candidate"))
            audit = audit_pair(reference, candidate, ours, budget_s=budget_s)
        except (InputError, Refused) as error:
            failed = [str(error)]
        else:
            write(audit, folder)
            return audit.precision.name
    not_compared(names[0], names[1], failed, folder)
    return "not known"


def _case(side: Side, record: dict[str, Any], folder: Path, ours: OurProgram) -> PortCase:
    """What one side shows."""
    keys = read_key_names(Path(side.keys) if side.keys else None)
    has_image = record["image"] is not None
    log = read_foreign_log(folder / STDOUT, keys, name=record["name"], may_be_silent=has_image)
    image = None
    if has_image:
        form = record["image"]
        image = read_port_image(folder / IMAGE, ours.shape, ours.base.detector.roi, form=form, name=record["name"])
    return PortCase(record["name"], log, image)
