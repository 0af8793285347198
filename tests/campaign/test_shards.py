"""Shards: the bits of `simulate`, NXmx that others read, whole files or none, damage that does not pass."""

import json
import re

import fabio
import h5py
import hdf5plugin  # noqa: F401 - lets h5py read what is compressed
import numpy as np
import pytest
import torch

from nanobrag_campaign import shard as shard_program
from nanobrag_campaign import verify
from nanobrag_campaign.frames import experiment_of, frame_words
from nanobrag_campaign.nxmx import COMPRESSIONS, DATA, MISSET, RECIPROCAL, WAVELENGTH
from nanobrag_campaign.shards import shard_file, side_file
from nanobrag_campaign.writer import Writer
from nanobrag_torch.simulator import Simulation, simulate
from tests.campaign.conftest import Made
from trace_audit.config.scenario import load_scenario
from trace_audit.core.errors import InputError
from trace_audit.core.files import sha256_of_file


def experiment(campaign, shard, frame, folder):
    scenario = load_scenario(shard.scenario, campaign.scenarios)
    folder.mkdir(parents=True)
    flags, _ = frame_words(scenario, frame, campaign.plan.settings, folder, None, campaign.scenarios)
    return experiment_of(flags, frame)


def test_frames_are_to_the_bit_those_of_simulate(campaign, tmp_path):
    for shard in campaign.plan.shards:
        with h5py.File(shard_file(campaign.folder, shard)) as file:
            for index, frame in enumerate(campaign.frames(shard)):
                alone = experiment(campaign, shard, frame, tmp_path / f"{shard.name}_{index}")
                with torch.no_grad():
                    expected = simulate(alone, dtype=torch.float32).numpy()
                    cell = Simulation(alone).model.cell
                stored = file[DATA][index]
                assert stored.dtype == np.float32 and np.array_equal(stored, expected) and expected.max() > 0
                assert np.allclose(file[RECIPROCAL][index], cell.reciprocal_per_A.numpy(), rtol=1e-12, atol=0)


def test_file_says_what_it_holds(campaign):
    shard = campaign.plan.shards[1]
    frames = campaign.frames(shard)
    with h5py.File(shard_file(campaign.folder, shard)) as file:
        assert file["entry/definition"].asstr()[()] == "NXmx"
        data = file[DATA]
        assert data.shape == (3, 20, 24) and data.chunks == (1, 20, 24)
        assert data.id.get_create_plist().get_filter(0)[0] == 32008, "bitshuffle"
        assert np.array_equal(file["entry/instrument/detector/data"][1], data[1])
        assert np.array_equal(file[MISSET], [frame.misset_deg for frame in frames])
        assert np.array_equal(file[WAVELENGTH], [frame.wavelength_A for frame in frames])
        for name, units in {WAVELENGTH: "angstrom", MISSET: "deg", RECIPROCAL: "1/angstrom", DATA: "photons"}.items():
            assert file[name].attrs["units"] == units
        told = json.loads(file["entry/campaign/provenance"].asstr()[()])
    assert told["shard"] == {"scenario": "square", "index": 1, "first_frame": 3}
    assert told["settings"]["orientations"] == {"seed": 11}
    assert told["scenario"]["crystal"]["N_cells"] == [5, 4, 3]


def test_side_file(campaign):
    for shard in campaign.plan.shards:
        path, record = shard_file(campaign.folder, shard), json.loads(side_file(campaign.folder, shard).read_text())
        assert record["sha256"] == sha256_of_file(path) and record["bytes"] == path.stat().st_size
        assert record["frames_per_s"] > 0 and record["seconds"]["image"] > 0
        assert record["environment"]["torch"]["version"] == torch.__version__


def test_made_again_it_has_the_same_bytes(campaign, tmp_path):
    again = Made(tmp_path / "other place", campaign.scenarios)
    assert again.make_plan(orientations={"count": 30, "seed": 11}) == 0
    shard = again.plan.shards[1]
    assert again.simulate(shard) == 0
    assert shard_file(again.folder, shard).read_bytes() == shard_file(campaign.folder, shard).read_bytes()


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_compression_is_lossless(campaign, tmp_path, compression):
    again = Made(tmp_path, campaign.scenarios)
    assert again.make_plan(compression=compression) == 0
    shard = again.plan.shards[3]
    assert again.simulate(shard) == 0
    with h5py.File(shard_file(tmp_path, shard)) as file, h5py.File(shard_file(campaign.folder, shard)) as original:
        assert np.array_equal(file[DATA], original[DATA])


def test_another_detector_by_flags(campaign, tmp_path):
    made = Made(tmp_path, campaign.scenarios)
    assert made.make_plan(extra_flags=["-detpixels", "10", "-pixel", "0.9"]) == 0
    assert made.simulate(made.plan.shards[0]) == 0
    with h5py.File(shard_file(tmp_path, made.plan.shards[0])) as file:
        assert file[DATA].shape == (3, 10, 10)
        assert file["entry/instrument/detector/x_pixel_size"][()] == pytest.approx(9e-4)


def test_flags_of_a_scenario_that_undo_a_frame_are_refused(campaign, tmp_path):
    folder = tmp_path / "scenarios"
    folder.mkdir()
    for path in campaign.scenarios.iterdir():
        (folder / path.name).write_text(path.read_text() + "extra_flags: ['-misset', '1', '2', '3']\n")
    made = Made(tmp_path / "data", folder)
    assert made.make_plan() == 0
    with pytest.raises(InputError, match="extra_flags change the orientation or the wavelength"):
        made.simulate(made.plan.shards[0])
    assert [path.name for path in (tmp_path / "data").rglob("*.h5")] == ["plan.h5"]


def test_master_reads_as_one_file(campaign, tmp_path):
    moved = campaign.copy(tmp_path / "moved")  # its names are relative
    with h5py.File(moved.folder / "master.h5") as file:
        data = file[DATA]
        assert data.is_virtual and data.shape == (14, 20, 24)
        start = 0
        for shard in moved.plan.shards:
            with h5py.File(shard_file(moved.folder, shard)) as stored:
                assert np.array_equal(data[start : start + shard.count], stored[DATA])
                assert np.array_equal(file[MISSET][start : start + shard.count], stored[MISSET])
                assert np.array_equal(file[WAVELENGTH][start : start + shard.count], stored[WAVELENGTH])
            start += shard.count
        assert file["entry/sample/scenario"][:].tolist() == [0] * 7 + [1] * 7
        assert file[WAVELENGTH].attrs["units"] == "angstrom"
        assert re.fullmatch(r"2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\dZ", file["entry/end_time_estimated"].asstr()[()])
        last = data[13]
        assert np.array_equal(file["entry/instrument/detector/data"][13], last)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:fabio")
@pytest.mark.parametrize("name", ["master.h5", "shards/mosaic/000001.h5"])
def test_fabio_opens_it(campaign, name):
    path = campaign.folder / name
    with h5py.File(path) as file:
        expected = file[DATA][:]
    for address in (str(path), f"{path}::/{DATA}"):
        with fabio.open(address) as image:
            assert image.nframes == len(expected)
            for index in (0, len(expected) - 1):
                assert np.array_equal(image.get_frame(index).data, expected[index])


def test_nexus_classes_units_and_dependencies(campaign):
    """The groups have what the definition of NXmx demands, and every chain of axes ends."""
    for name in ("master.h5", "shards/square/000002.h5"):
        with h5py.File(campaign.folder / name) as file:
            classes = {
                "entry": "NXentry",
                "entry/data": "NXdata",
                "entry/sample": "NXsample",
                "entry/source": "NXsource",
            }
            classes |= {"entry/instrument": "NXinstrument", "entry/instrument/beam": "NXbeam"}
            classes |= {"entry/instrument/detector": "NXdetector"}
            classes |= {"entry/instrument/detector/module": "NXdetector_module"}
            assert {group: file[group].attrs["NX_class"] for group in classes} == classes
            axes = []
            file.visititems(lambda path, item, axes=axes: axes.append(path) if "depends_on" in item.attrs else None)
            assert len(axes) == 4
            for path in axes:
                assert {"units", "vector", "transformation_type"} <= set(file[path].attrs)
                while path != ".":
                    path = file[path].attrs["depends_on"]
            assert file["entry/sample/depends_on"].asstr()[()] in file


# ---- damage


@pytest.mark.parametrize("damage", ["byte", "cut", "gone", "no record", "foreign record"])
def test_damage_is_named(campaign, tmp_path, damage, capsys):
    copy = campaign.copy(tmp_path / "copy")
    shard = copy.plan.shards[1]
    path, side = shard_file(copy.folder, shard), side_file(copy.folder, shard)
    assert verify.main([str(copy.folder)]) == 0
    if damage == "byte":
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "gone":
        path.unlink()
    elif damage == "no record":
        side.unlink()
    else:
        side.write_text('{"sha256": 1}')
    capsys.readouterr()
    assert verify.main([str(copy.folder)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 1 and "000001." in out[0] and ("again" in out[0] or "readable" in out[0])
    if damage != "byte":  # that one is seen by its hash alone
        with pytest.raises(InputError, match="000001"):
            copy.merge()


def test_master_holds_labels_to_the_plan(campaign, tmp_path):
    copy = campaign.copy(tmp_path / "copy")
    with h5py.File(copy.folder / "plan.h5", "r+") as file:
        file["frames/misset"][9, 1] += 1e-9
    with pytest.raises(InputError, match=r"frame 9 has entry/sample/misset .* planned was"):
        copy.merge()


def test_shards_of_other_settings_are_not_joined(campaign, tmp_path):
    copy = campaign.copy(tmp_path / "copy")
    assert copy.make_plan(extra_flags=["-oversample", "2"]) == 0
    with pytest.raises(InputError, match="square/000000: was made with other settings than the plan"):
        copy.merge()


def test_a_failing_frame_leaves_no_file(campaign, tmp_path, monkeypatch):
    made = Made(tmp_path, campaign.scenarios)
    made.make_plan()
    first = made.plan.shards[0]
    abandoned = shard_file(tmp_path, first).with_name(f".{shard_file(tmp_path, first).name}.killed.part")
    abandoned.parent.mkdir(parents=True)
    abandoned.write_bytes(b"half")
    images = iter([torch.ones(20, 24), torch.full((20, 24), float("nan")), torch.ones(20, 24)])
    monkeypatch.setattr(Simulation, "image_without_graph", lambda self, *_: next(images))
    with pytest.raises(InputError, match=r"square/000000, frame 1 of the file .* pixel \(0, 0\) .* is nan"):
        made.simulate(first)
    assert list((tmp_path / "shards/square").iterdir()) == []
    monkeypatch.undo()
    assert made.simulate(first) == 0


def test_writer_keeps_the_order_and_the_first_error():
    written = []

    def task(index):
        if index == 30:
            raise OSError(28, "No space left on device")
        written.append(index)

    with pytest.raises(OSError, match="No space"), Writer() as writer:
        for index in range(50):
            writer.put(lambda index=index: task(index))
    assert written == list(range(30))


def test_no_threads(campaign):
    arguments = ["--settings", "{}", "--scenario", "square", "--first", "0", "--frames", "1", "--out", "x"]
    with pytest.raises(InputError, match="--threads 0"):
        shard_program.main([*arguments, "--shard", "0", "--threads", "0"])
