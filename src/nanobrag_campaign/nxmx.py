"""The file of a shard: NXmx, one chunk a frame, and for each frame its orientation and wavelength.

Further fields in /entry/sample: `misset` (n, 3) as -misset takes it, and `reciprocal_vectors` (n, 3, 3),
the rows a*, b*, c* before the spindle turns them, in the laboratory frame of nanoBragg. /entry/campaign holds the
provenance of the frames. If the frames have noise, /entry/instrument/detector/expected_photons holds the audited frames
without noise.
"""

import json
from typing import Any

import numpy as np

from nanobrag_campaign.frames import Frame
from nanobrag_campaign.noise import bytes_per_pixel
from nanobrag_torch.io.hdf5 import Nxmx, describe, frame_chunks, group, quantity
from trace_audit.config.campaign import Noise

DATA = "entry/data/data"
WAVELENGTH = "entry/instrument/beam/incident_wavelength"
MISSET = "entry/sample/misset"
RECIPROCAL = "entry/sample/reciprocal_vectors"
NUMBER = "entry/sample/frame_number"
EXPECTED = "entry/instrument/detector/expected_photons"
PROVENANCE = "entry/campaign/provenance"
PER_FRAME = (DATA, WAVELENGTH, MISSET, RECIPROCAL, NUMBER)  # what a master joins from all shards
COMPRESSIONS = ("bitshuffle_lz4", "bitshuffle_zstd", "zstd", "none")


def compression_options(name: str) -> dict[str, Any]:
    """What h5py's create_dataset takes for a compression of the config."""
    import hdf5plugin

    if name == "none":
        return {}
    if name == "zstd":
        return dict(hdf5plugin.Zstd())
    return dict(hdf5plugin.Bitshuffle(cname="lz4" if name == "bitshuffle_lz4" else "zstd"))


def start_file(
    file: Any, nxmx: Nxmx, shape: tuple[int, int], frames: list[Frame], compression: str, noise: Noise
) -> Any:
    """Write everything except the pixels and values known only after a frame is made; returns the pixels' dataset."""
    entry = describe(file, nxmx, shape)
    data = entry["data"].create_dataset(
        "data",
        (len(frames), *shape),
        _stored_type(noise),
        chunks=frame_chunks(shape),
        **compression_options(compression),
    )
    data.attrs["units"] = "photons" if noise.generator == "none" else "counts"
    if noise.generator != "none":
        entry["instrument/detector/saturation_value"] = noise.largest_count
    del file[WAVELENGTH]
    quantity(file, WAVELENGTH, np.array([frame.wavelength_A for frame in frames]), "angstrom")
    quantity(file, MISSET, np.array([frame.misset_deg for frame in frames]), "deg")
    file[NUMBER] = np.array([frame.number for frame in frames])
    return data


def _stored_type(noise: Noise) -> type[np.generic]:
    if noise.generator == "none":
        return np.float32
    return np.uint16 if bytes_per_pixel(noise) == 2 else np.uint32


def add_expected(file: Any, shape: tuple[int, int], indices: list[int], compression: str) -> Any:
    """A dataset for the expected photons of a few frames, without noise; their places in the file stand beside it."""
    expected = file.create_dataset(
        EXPECTED, (len(indices), *shape), np.float32, chunks=frame_chunks(shape), **compression_options(compression)
    )
    expected.attrs["units"] = "photons"
    expected.attrs["index_in_file"] = indices
    return expected


def finish_file(file: Any, reciprocal_per_A: np.ndarray, provenance: dict[str, Any]) -> None:
    """Add the reciprocal vectors (n, 3, 3) of the frames, rows a*, b*, c*, and the provenance."""
    quantity(file, RECIPROCAL, reciprocal_per_A, "1/angstrom")
    text = json.dumps(provenance, indent=1, ensure_ascii=False)
    group(file["entry"], "campaign", "NXnote", {"provenance": text, "type": "application/json"})
