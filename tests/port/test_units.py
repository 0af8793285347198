"""A value in another unit is told by its ratio, and only of a key that can be in such a unit."""

import pytest

from trace_audit.compare.comparison import factor_of
from trace_audit.port.units import unit_of_ratio
from trace_audit.trace.keys import registry
from trace_audit.trace.parse import Context, Record


def told(name: str, ratio: float) -> str | None:
    key = registry()[name]
    ours, port = ([scale * (1.5 + i) for i in range(key.size)] for scale in (1.0, ratio))
    return unit_of_ratio(factor_of(*(Record(key, Context(), tuple(v), 0) for v in (ours, port)), 0.0))


@pytest.mark.parametrize(
    ("name", "ratio", "sentence"),
    [
        ("rot_a_angstroms", 1e-10, "it is printed in metres where Angstrom are expected"),
        ("distance_m", 1e3, "it is printed in millimetres where metres are expected"),
        ("distance_m", -1e3, "it is printed in millimetres where metres are expected, with the other sign"),
        ("scattering_vec_A_inv", 1e-10, "it is printed in 1/Angstrom where 1/metre are expected"),
        ("scattering_vec_A_inv", 6.283185307179586, "it is printed in 2 pi/d where 1/d are expected"),
        ("TRACE_PHI.phi_deg", 0.017453292519943295, "it is printed in radians where degrees are expected"),
        ("incident_vec", -1.0, "it has the other sign"),
    ],
)
def test_units(name, ratio, sentence):
    assert told(name, ratio) == sentence


@pytest.mark.parametrize(
    "name", ["floatimage_accumulated", "I_pixel_final", "F_cell", "fluence_photons_per_m2", "F_latt"]
)
@pytest.mark.parametrize("ratio", [1e3, 1e-3, 1e6, 1e10, 6.283185307179586, 57.29577951308232])
def test_photons_and_amplitudes_are_in_no_other_length(name, ratio):
    assert told(name, ratio) is None
