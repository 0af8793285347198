"""Float images as NXmx HDF5: pixels compressed with bitshuffle and LZ4, geometry and beam beside them.

NeXus has its own frame (McStas): z along the beam, y up, and the detector's axes as vectors in it. The laboratory
frame of nanoBragg is turned into it by the beam direction and the polarization axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nanobrag_torch.io.writing import WriterError, replace_with

PROGRAM = "nanobrag_torch"
_MAX_CHUNK_PIXELS = 2**25  # the library holds a chunk and its compressed form beside the image


class Nxmx(NamedTuple):
    """The metadata of the file; vectors (3,) in the laboratory frame."""

    fast: np.ndarray
    slow: np.ndarray
    pix0_m: np.ndarray
    beam: np.ndarray
    polar: np.ndarray
    spindle: np.ndarray
    pixel_m: float
    distance_m: float
    beam_fast_pixels: float
    beam_slow_pixels: float
    wavelength_A: float
    fluence_photons_per_m2: float
    thickness_m: float
    phi_start_deg: float
    osc_deg: float
    command_line: str
    version: str
    backend: str = ""  # the code that made the image


def mcstas_rotation(beam: np.ndarray, polar: np.ndarray) -> np.ndarray:
    """(3, 3) rotation from the laboratory frame to x right, y up, z along the beam, x being the polarization axis."""
    z = beam / np.linalg.norm(beam)
    x = polar - z * (polar @ z)
    if np.linalg.norm(x) < 1e-6:
        x = np.eye(3)[np.argmin(np.abs(z))]
        x = x - z * (x @ z)
    x = x / np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def write_nxmx(path: str | Path, image: np.ndarray, metadata: Nxmx) -> None:
    """Write an image (slow, fast) of photons as one frame. Raises WriterError."""
    path = Path(path)
    try:
        replace_with(path, lambda temporary: _fill(temporary, image, metadata))
    except OSError as error:
        raise WriterError(f"{path}: cannot be written ({error.strerror or error})") from None


def _fill(path: Path, image: np.ndarray, metadata: Nxmx) -> None:
    import h5py

    with h5py.File(path, "w", libver="earliest") as file:
        dataset = _frame(describe(file, metadata, image.shape)["data"], image)
        dataset.attrs["units"] = "photons"


def frame_chunks(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Shape of a chunk: one frame of (slow, fast) pixels, or as many of its rows as HDF5 allows."""
    return 1, min(shape[0], max(1, _MAX_CHUNK_PIXELS // shape[1])), shape[1]


def describe(file: Any, metadata: Nxmx, shape: tuple[int, ...]) -> Any:
    """Write everything but the pixels, whose shape is (slow, fast); returns the entry. Pixels go to entry/data/data."""
    import h5py

    file.attrs["default"] = "entry"
    file.attrs["NX_class"] = "NXroot"
    entry = group(file, "entry", "NXentry", {"definition": "NXmx", "title": metadata.command_line})
    entry.attrs["default"] = "data"
    # nothing was exposed: a fixed moment, so that the same experiment makes the same bytes
    entry["start_time"] = "1970-01-01T00:00:00Z"
    entry["end_time_estimated"] = "1970-01-01T00:00:00Z"
    process = {"program": PROGRAM, "version": metadata.version} | (
        {"backend": metadata.backend} if metadata.backend else {}
    )
    group(entry, "program", "NXprocess", process)
    group(entry, "data", "NXdata", {}).attrs["signal"] = "data"
    turn = mcstas_rotation(metadata.beam, metadata.polar)
    _sample(entry, metadata, turn)
    instrument = group(entry, "instrument", "NXinstrument", {"name": PROGRAM})
    _beam(instrument, metadata)
    _detector(instrument, metadata, turn, shape)
    instrument["detector/data"] = h5py.SoftLink("/entry/data/data")
    source = group(entry, "source", "NXsource", {"name": "simulated"})
    source.attrs["short_name"] = "simulated"
    return entry


def _frame(parent: Any, image: np.ndarray) -> Any:
    """Write the image (slow, fast) as one frame `data`, compressed, a block of rows at a time."""
    import hdf5plugin

    chunks = frame_chunks(image.shape)
    compression = hdf5plugin.Bitshuffle(cname="lz4")
    dataset = parent.create_dataset("data", shape=(1, *image.shape), dtype=np.float32, chunks=chunks, **compression)
    for first in range(0, image.shape[0], chunks[1]):
        dataset[0, first : first + chunks[1]] = image[first : first + chunks[1]]
    return dataset


def group(parent: Any, name: str, kind: str, fields: Mapping[str, Any]) -> Any:
    """A new NeXus group of class `kind` with these fields."""
    made = parent.create_group(name)
    made.attrs["NX_class"] = kind
    for key, value in fields.items():
        made[key] = value
    return made


def quantity(parent: Any, name: str, value: Any, units: str) -> None:
    """A number or array with its unit."""
    parent[name] = value
    parent[name].attrs["units"] = units


def _transformation(
    parent: Any, name: str, value: float, units: str, kind: str, vector: np.ndarray, depends_on: str
) -> None:
    quantity(parent, name, np.atleast_1d(np.float64(value)), units)
    parent[name].attrs.update(
        {"transformation_type": kind, "vector": np.asarray(vector, dtype=np.float64), "depends_on": depends_on}
    )


def _sample(entry: Any, metadata: Nxmx, turn: np.ndarray) -> None:
    sample = group(
        entry, "sample", "NXsample", {"name": "simulated", "depends_on": "/entry/sample/transformations/phi"}
    )
    axes = group(sample, "transformations", "NXtransformations", {})
    _transformation(axes, "phi", metadata.phi_start_deg, "deg", "rotation", turn @ metadata.spindle, ".")
    quantity(axes, "phi_increment_set", np.array([metadata.osc_deg], dtype=np.float64), "deg")


def _beam(instrument: Any, metadata: Nxmx) -> None:
    beam = group(instrument, "beam", "NXbeam", {})
    quantity(beam, "incident_wavelength", np.float64(metadata.wavelength_A), "angstrom")
    quantity(beam, "incident_fluence", np.float64(metadata.fluence_photons_per_m2), "photons/m^2")


def _detector(instrument: Any, metadata: Nxmx, turn: np.ndarray, shape: tuple[int, ...]) -> None:
    detector = group(instrument, "detector", "NXdetector", {"type": "simulated", "sensor_material": "Si"})
    detector["depends_on"] = "/entry/instrument/detector/transformations/origin"
    quantity(detector, "distance", metadata.distance_m, "m")
    quantity(detector, "beam_center_x", metadata.beam_fast_pixels, "pixels")
    quantity(detector, "beam_center_y", metadata.beam_slow_pixels, "pixels")
    for axis in "xy":
        quantity(detector, f"{axis}_pixel_size", metadata.pixel_m, "m")
    quantity(detector, "sensor_thickness", metadata.thickness_m, "m")
    axes = group(detector, "transformations", "NXtransformations", {})
    origin = turn @ metadata.pix0_m
    length = float(np.linalg.norm(origin))
    direction = origin / length if length > 0 else np.array([0.0, 0.0, 1.0])
    _transformation(axes, "origin", length, "m", "translation", direction, ".")
    module = group(detector, "module", "NXdetector_module", {})
    module["data_origin"] = np.zeros(2, dtype=np.int64)
    module["data_size"] = np.array(shape, dtype=np.int64)
    root = "/entry/instrument/detector"
    fast_depends = f"{root}/transformations/origin"
    for name, vector, depends in (
        ("fast_pixel_direction", metadata.fast, fast_depends),
        ("slow_pixel_direction", metadata.slow, f"{root}/module/fast_pixel_direction"),
    ):
        _transformation(module, name, metadata.pixel_m, "m", "translation", turn @ vector, depends)
