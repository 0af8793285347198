"""Known defects of sources, amplitudes, water and the cell, each with the switch on and off."""

import pytest

from .program import BASE, WITHOUT, warned


def test_source_weights_ignored(nanobragg):
    lines = ["0 0 -10 1 1e-10", "-10 1 0 3 1.1e-10", "-10 -2 1 .5 0.9e-10"]
    flags = [*BASE, "-default_F", 5, "-N", 3, "-oversample_polar", "-sourcefile", "s.txt"]
    single = [nanobragg.image(*flags, files={"s.txt": line + "\n"}) for line in lines]
    files = {"s.txt": "\n".join(lines)}
    ignored = nanobragg.succeed(*flags, files=files)
    assert warned(ignored, "source_weights_ignored")
    assert ignored.image == pytest.approx(sum(single) / 3, rel=1e-6)
    weighted = nanobragg.image(*flags, "-defects", WITHOUT("source_weights_ignored"))
    assert weighted == pytest.approx((single[0] + 3 * single[1] + 0.5 * single[2]) / 4.5, rel=1e-6)


def test_divergence_grid(nanobragg):
    flags = [*BASE, "-default_F", 5, "-N", 3, "-hdivrange", 2, "-hdivstep", 1]
    historic = nanobragg.succeed(*flags)
    right = nanobragg.succeed(*flags, "-defects", WITHOUT("divergence_grid"))
    assert "\n2 source(s)" in historic.stdout and "\n3 source(s)" in right.stdout
    count_alone = [*BASE, "-default_F", 5, "-N", 3, "-hdivsteps", 3]
    assert "\n3 source(s)" in nanobragg.succeed(*count_alone).stdout
    refused = nanobragg.run(*count_alone, "-defects", WITHOUT("divergence_grid"))
    assert refused.returncode == 2 and "-hdivsteps" in refused.error


def test_early_interpolation_choice(nanobragg, dense_table):
    flags = [*BASE, "-hkl", "dense.hkl", "-xtalsize", 0.0005]
    early = nanobragg.succeed(*flags, files={"dense.hkl": dense_table})
    late = nanobragg.succeed(*flags, "-defects", WITHOUT("early_interpolation_choice"))
    assert "100 x 84 x 72 cells" in early.stdout.replace(" = ", "\n")
    assert "interpolated" in early.stdout and "nearest" in late.stdout


def test_water_rescaled(nanobragg):
    flags = [*BASE, "-default_F", 0.0001, "-N", 1, "-water", 10, "-nopolar", "-point_pixel"]
    assert nanobragg.image(*flags)[0, 0] == pytest.approx(2.132045e16, rel=1e-6)
    fluence = ["-fluence", 1e24]
    historic = nanobragg.image(*flags, *fluence)
    right = nanobragg.image(*flags, *fluence, "-defects", WITHOUT("water_rescaled"))
    assert right == pytest.approx(historic / (7.94079248018965e-30 * 1e24), rel=1e-5)


def test_water_where_dmin_cuts_all(nanobragg):
    flags = [*BASE, "-default_F", 1, "-N", 1, "-water", 10, "-dmin", 10]
    historic = nanobragg.image(*flags)
    assert (historic == 0).any()
    for more in ([], ["-oversample_polar", "-oversample_omega"]):
        right = nanobragg.image(*flags, *more, "-defects", WITHOUT("water_rescaled"))
        cut = historic == 0
        assert (right[cut] > 0).all()
        assert right[cut].min() > 0.5 * right[~cut].max()


@pytest.mark.parametrize(
    ("cell", "historic"),
    [
        ("70 80 90 75 85 95", "75.0391 85.0136 95.0081"),
        ("50 60 70 60 60 60", "57.849 57.849 58.5252"),
        ("50 60 70 100 110 115", "99.4297 108.923 115.653"),
    ],
)
def test_triclinic_cstar(nanobragg, cell, historic):
    flags = [*BASE, "-default_F", 1, "-cell", *cell.split()]
    lengths, angles = cell.split()[:3], cell.split()[3:]
    assert f"cell {' '.join(lengths)} A, {historic} deg" in nanobragg.succeed(*flags).stdout
    right = nanobragg.succeed(*flags, "-defects", WITHOUT("triclinic_cstar"))
    assert f"cell {' '.join(lengths)} A, {' '.join(angles)} deg" in right.stdout
