"""What ports get wrong about the crystal, each as a change of ours: matrices, indices, the order of rotations."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from nanobrag_torch.physics.constants import M_PER_A
from trace_audit.port.changes import Change, Rule, Seen
from trace_audit.trace.parse import Trace

Value = Any  # a tensor of the simulator
_STARS = tuple(f"rot_{axis}_star_A_inv" for axis in "abc")
_REALS = tuple(f"rot_{axis}_angstroms" for axis in "abc")


def crystal_changes() -> list[Change]:
    """Every change that is tried."""
    return [*_matrices(), *_orientations(), *_indices()]


def _matrices() -> Iterator[Change]:
    for name, sentence, rule in (
        ("transposed", "the matrix of the reciprocal axes has rows and columns exchanged", lambda m: m.T),
        ("inverse", "the matrix of the reciprocal axes is its inverse, in A and not in 1/A", lambda m: m.inverse()),
        (
            "dual",
            "the real-space axes, in A, stand where the reciprocal axes belong, in 1/A",
            lambda m: m.inverse().T,
        ),
    ):
        rules: dict[str, Rule] = {"reciprocal_per_A": lambda value, _, rule=rule: rule(value)}  # type: ignore[misc]
        yield Change(f"reciprocal axes {name}", sentence, _STARS, rules)
        sentence = sentence.replace("of the reciprocal axes", "of -mat").replace("the reciprocal axes", "those of -mat")
        yield Change(f"-mat {name}", sentence, _STARS, experiment=_matrix(rule), rank=1)


def _matrix(rule: Any) -> Any:
    def change(experiment: Any) -> Any:
        crystal = experiment.crystal
        if crystal.orientation_matrix is None:
            return experiment
        return replace(experiment, crystal=replace(crystal, orientation_matrix=rule(crystal.orientation_matrix)))

    return change


def _orientations() -> Iterator[Change]:
    order = "the spindle turns what the mosaic domains have turned, and not the other way round"
    yield Change("spindle after mosaic", order, _REALS, {"real_m": _spindle_last})
    inverse = "the rotations of the mosaic domains have rows and columns exchanged"
    yield Change("mosaic transposed", inverse, _REALS, {"real_m": _mosaic_inverse})
    transposed = "the matrix of the real-space axes has rows and columns exchanged"
    yield Change("real axes transposed", transposed, _REALS, {"real_m": lambda value, _: value.transpose(-1, -2)})
    star = "the reciprocal axes stand where the real-space axes belong (1/A for A)"
    yield Change("real axes are reciprocal", star, _REALS, {"real_m": _reciprocal_for_real})
    turned = "the reciprocal axes are printed as the spindle and the mosaic domain have turned them"
    yield Change("reciprocal axes printed turned", turned, _STARS, of_trace=_printed_turned, rank=1)
    for number, name in enumerate(("a", "b", "c")):
        following = (number + 1) % 3
        order_of_axes = [following if i == number else number if i == following else i for i in range(3)]
        sentence = f"{name} and {'abc'[following]} are exchanged"
        rules: dict[str, Rule] = {"real_m": lambda v, _, o=order_of_axes: v[..., o, :]}  # type: ignore[misc]
        yield Change(f"axes {name} {'abc'[following]} exchanged", sentence, _REALS, rules)


def _unturned(seen: Seen) -> Value:
    """(3, 3) the real-space axes before spindle and mosaic, as columns, but for their size."""
    return seen["reciprocal_per_A"].inverse()


def _spindle(seen: Seen) -> Value:
    """(phi, 3, 3) the rotations of the spindle, that turn columns."""
    import torch

    from nanobrag_torch.physics import rotations

    angles = seen["phi_rad"]
    rows = rotations.about_axis(
        torch.eye(3, dtype=angles.dtype).expand(angles.shape[0], 3, 3),
        seen["spindle_axis"],
        angles.unsqueeze(-1).expand(angles.shape[0], 3),
    )
    return rows.transpose(-1, -2)


def _columns(real: Value) -> Value:
    return real.transpose(-1, -2)


def _spindle_last(real: Value, seen: Seen) -> Value:
    """R U a of every step and domain, from U R a."""
    unturned, spindle = _unturned(seen), _spindle(seen).unsqueeze(1)
    mosaic = _columns(real) @ (spindle @ unturned).inverse()
    return _columns(spindle @ mosaic @ unturned)


def _mosaic_inverse(real: Value, seen: Seen) -> Value:
    """U^T R a from U R a."""
    turned = _spindle(seen).unsqueeze(1) @ _unturned(seen)
    mosaic = _columns(real) @ turned.inverse()
    return _columns(_columns(mosaic) @ turned)


def _reciprocal_for_real(real: Value, seen: Seen) -> Value:
    """U R a*, in A, from U R a."""
    rotation = _columns(real / M_PER_A) @ _unturned(seen).inverse()
    return _columns(rotation @ _columns(seen["reciprocal_per_A"])) * M_PER_A


def _printed_turned(trace: Trace, seen: Seen) -> Trace:
    """The trace with the reciprocal axes turned as the first orientation's real-space axes are."""
    import torch

    rotation = _columns(seen["real_m"][0, 0]) @ _unturned(seen).inverse()
    rotation = rotation / torch.linalg.det(rotation) ** (1.0 / 3.0)
    turned = _columns(rotation @ _columns(seen["reciprocal_per_A"])).tolist()
    records = dict(trace.records)
    for name, values in zip(_STARS, turned, strict=True):
        records[name] = {place: replace(r, values=tuple(values)) for place, r in records.get(name, {}).items()}
    return replace(trace, records={name: rows for name, rows in records.items() if rows})


def _indices() -> Iterator[Change]:
    for order, text in (
        ([1, 0, 2], "h and k are exchanged"),
        ([2, 1, 0], "h and l are exchanged"),
        ([0, 2, 1], "k and l are exchanged"),
        ([1, 2, 0], "h, k, l are taken as k, l, h"),
        ([2, 0, 1], "h, k, l are taken as l, h, k"),
    ):
        rules: dict[str, Rule] = {"hkl": lambda value, _, order=order: value[order]}  # type: ignore[misc]
        yield Change(f"hkl {''.join('hkl'[i] for i in order)}", text, ("hkl_frac",), rules)
    for name, text, rule in (
        ("down", "indices are rounded down and not to the nearest", lambda hkl: hkl.floor()),
        ("towards zero", "indices are cut to whole numbers and not rounded to the nearest", lambda hkl: hkl.trunc()),
        ("up", "indices are rounded up and not to the nearest", lambda hkl: hkl.ceil()),
    ):
        rounding: dict[str, Rule] = {"hkl_rounded": lambda _, seen, r=rule: r(seen["hkl"])}  # type: ignore[misc]
        yield Change(f"indices rounded {name}", text, ("hkl_rounded",), rounding)
