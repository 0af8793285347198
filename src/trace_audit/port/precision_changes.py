"""Values rounded to float32, at one stage or from one stage on: each border of a stage is tried."""

from collections.abc import Iterator
from typing import Any

from trace_audit.port.changes import Change, Rule, Seen

_OF_MATRICES = {"reciprocal_per_A": "rot_a_star_A_inv", "real_m": "rot_a_angstroms"}
_OF_RAYS = {"q_per_m": "scattering_vec_A_inv", "kahn_factor": "polar"}


def stages_in_order() -> dict[str, str]:
    """The values of the simulator that are keys of the trace, in order of computation, and the key of each."""
    from trace_audit.stages.pixel import RAYS, SUMS, TERMS
    from trace_audit.stages.setup import PARTS, WHOLE_TENSORS

    set_up = {name: key for name, (key, _) in WHOLE_TENSORS.items()}
    detector = {name: key for name, key in set_up.items() if name not in ("n_cells", "fluence_photons_per_m2")}
    of_crystal_and_beam = {name: key for name, key in set_up.items() if name not in detector}
    terms = {"hkl": TERMS["hkl"][0], "F_cell": TERMS["F_cell"][0]}
    lattice = {"F_latt_axes": "F_latt_a", "F_latt": "F_latt"}
    sums = {name: key for name, key in SUMS.items() if name != "I_background"}
    return {**detector, **_OF_MATRICES, **of_crystal_and_beam, **PARTS, **RAYS, **_OF_RAYS, **terms, **lattice, **sums}


def precision_changes() -> Iterator[Change]:
    """One change for each stage alone, and one for each stage and all that come after it.

    They alter no key in particular: what is rounded agrees within the tolerance, and what is computed from it may not.
    """
    order = stages_in_order()
    names = list(order)
    for number, (name, key) in enumerate(order.items()):
        alone = f"{key} is rounded to float32, and nothing else is"
        yield Change(f"{name} in float32", alone, (), {name: single}, rank=3)
        following: dict[str, Rule] = dict.fromkeys(names[number:], single)
        on = f"it computes in float32 from {key} on"
        yield Change(f"float32 from {name} on", on, (), following, rank=4)


def single(value: Any, _seen: Seen) -> Any:
    """A value rounded to float32; whole numbers and words are left as they are."""
    if isinstance(value, float):
        import numpy as np

        return float(np.float32(value))
    return value.float().to(value.dtype) if getattr(value, "is_floating_point", bool)() else value
