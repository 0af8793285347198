"""One side of an audit, run with its output kept: the job that needs nothing of the comparison."""

import io
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from nanobrag_torch.io.reading import open_plain
from trace_audit.config.scenario import ScenarioFiles, arguments, load_scenario, scenario_path
from trace_audit.config.scenario_model import Scenario
from trace_audit.config.side import Side
from trace_audit.core.escapes import escaped_pieces
from trace_audit.core.files import readable_json, write_atomic, write_pieces
from trace_audit.inputs.prepare import prepare_inputs
from trace_audit.port.side import obtain

_OF_A_FAILURE = 1_000_000  # bytes that are kept of what a run printed that does not count
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
    paths: Mapping[str, Path] | None = None,
) -> None:
    """Write stdout.txt, stderr.txt, run.json and image.bin (empty: no image) of one side into `folder`.

    A run that fails is on record in run.json with the reason. `paths`: where the files are that the side names.
    """
    stated = load_scenario(scenario, scenario_dir)
    with tempfile.TemporaryDirectory(prefix="side-") as away:
        files, arguments = experiment_of(stated, scenario, scenario_dir, hkl, Path(away) / "inputs")
        run = obtain(with_paths(side, paths), name, arguments, pixel, Path(away) / "side", binary, image=image)
        named = {str(path): path.name for path in files.given.values()}
        made = str((Path(away) / "side").resolve())
        arguments = [source for source in (side.log, side.image) if source] if side.log else run.record.arguments
        changed = {
            "program": run.record.program if binary is None else binary.name,
            "arguments": [named.get(source, source).replace(made, "$SIDE") for source in arguments],
            "input_sha256": files.hashes(),
            "image": _image_name(run.image),
        }
        record = run.record.model_copy(update=changed)
        folder.mkdir(parents=True, exist_ok=True)
        for name, made_file in ((STDOUT, run.stdout), (STDERR, run.stderr), (IMAGE, run.image)):
            _keep(made_file, folder / name, _OF_A_FAILURE if run.failure else None)
    write_atomic(folder / RUN, readable_json(record.data()))


def _keep(source: Path | None, target: Path, most_bytes: int | None) -> None:
    """Copy what a side made, in blocks; nothing is an empty file. `most_bytes`: the beginning is enough.

    What was printed is kept with escapes in it, so that no terminal obeys it.
    """
    if source is None:
        write_atomic(target, b"")
        return
    with open_plain(source, float("inf")) as stream:
        content: BinaryIO = stream
        if most_bytes is not None and os.fstat(stream.fileno()).st_size > most_bytes:
            content = io.BytesIO(stream.read(most_bytes))
        blocks = iter(lambda: content.read(1 << 20), b"")
        write_pieces(target, blocks if target.name == IMAGE else escaped_pieces(content))


def with_paths(side: Side, paths: Mapping[str, Path] | None) -> Side:
    """The side with the files that it names where they are."""
    names = {key: getattr(side, key) for key in ("keys", "log", "image")}
    return side.model_copy(update={key: str((paths or {}).get(name, name)) for key, name in names.items() if name})


def _image_name(image: Path | None) -> str | None:
    """The form of the image, by its ending; None where there is none."""
    return None if image is None else image.suffix or ".bin"


def experiment_of(
    stated: Scenario, scenario: str, scenario_dir: Path, hkl: Path | None, away: Path
) -> tuple[ScenarioFiles, list[str]]:
    scenario_folder = scenario_path(scenario, scenario_dir).parent
    files = prepare_inputs(stated, away, hkl=hkl, scenario_folder=scenario_folder)
    return files, arguments(stated, files)
