"""The stages that ports get wrong, each as a change of ours: factors, sums, directions, matrices, precision."""

from collections.abc import Callable, Iterator
from typing import Any

from trace_audit.port.changes import Change, Rule, Seen
from trace_audit.port.crystal_changes import crystal_changes

TWO_PI = 6.283185307179586
Value = Any  # a tensor, or a plain number, of the simulator
# factor of the pixel: its value's name where each pixel has one, where each term has one, key, words
_FACTORS = (
    ("polar", "term_polar", "polar", "polarization"),
    ("capture_fraction", "term_capture", "capture_fraction", "the captured fraction"),
    ("omega_of_pixel_sr", "term_omega_sr", "omega_pixel", "the solid angle"),
    ("r_e_sqr_m2", "", "r_e_sqr", "the square of the electron radius"),
    ("fluence_photons_per_m2", "", "fluence_photons_per_m2", "the fluence"),
)
_COUNTS = (  # what the sum over steps is divided by
    ("steps", 1, "the number of steps"),
    ("oversample", 1, "oversample"),
    ("oversample", 2, "oversample^2"),
    ("phi_steps", 1, "the number of spindle steps"),
    ("mosaic_domains", 1, "the number of mosaic domains"),
    ("sources", 1, "the number of sources"),
    ("thick_steps", 1, "the number of layers"),
)
_DIRECTIONS = {
    "initial_fdet": "fdet_vec",
    "initial_sdet": "sdet_vec",
    "initial_odet": "initial_odet",
    "beam_vector": "beam_vector",
    "polar_vector": "polar_vector",
    "spindle_axis": "spindle_axis",
    "twotheta_axis": "twotheta_axis",
    "fdet": "fdet_vec",
    "sdet": "sdet_vec",
    "incident": "incident_vec",
    "q_per_m": "scattering_vec_A_inv",
}
_WORDS = {
    "initial_fdet": "the fast axis, before the detector turns,",
    "fdet": "the fast axis of the detector",
    "initial_sdet": "the slow axis, before the detector turns,",
    "sdet": "the slow axis of the detector",
    "initial_odet": "the normal of the detector",
    "beam_vector": "the direction of the beam",
    "polar_vector": "the polarization axis",
    "spindle_axis": "the spindle axis",
    "twotheta_axis": "the two-theta axis",
    "incident": "the incident direction",
    "q_per_m": "the scattering vector",
}


def stage_changes() -> list[Change]:
    """Every change that is tried, in order of computation as far as there is one."""
    return [*_directions(), *_pixels(), *_solid_angle(), *crystal_changes(), *_scattering(), *_factors(), *_sums()]


def _scaled(by: float) -> Rule:
    return lambda value, _seen: value * by


def _directions() -> Iterator[Change]:
    for name, key in _DIRECTIONS.items():
        yield Change(f"{name} reversed", f"{_WORDS[name]} has the other sign", (key,), {name: _scaled(-1.0)})
    transposed = {name: _transposed for name in ("Rx", "Ry", "Rz")}
    keys = ("Rx", "fdet_vec", "sdet_vec", "pix0_vector_meters", "initial_odet", "ratio")
    sentence = "the matrices that turn the detector have rows and columns exchanged"
    yield Change("detector rotation transposed", sentence, keys, transposed)


def _transposed(value: Value, _seen: Seen) -> Value:
    return value.T


def _pixels() -> Iterator[Change]:
    keys = ("pixel_pos_meters",)
    for fast, slow, text in (
        (-0.5, -0.5, "positions are those of the corner of a pixel, not of its centre"),
        (0.5, 0.5, "positions are half a pixel too far along both axes"),
        (-0.5, 0.0, "positions are half a pixel short along the fast axis"),
        (0.5, 0.0, "positions are half a pixel too far along the fast axis"),
        (0.0, -0.5, "positions are half a pixel short along the slow axis"),
        (0.0, 0.5, "positions are half a pixel too far along the slow axis"),
        (1.0, 1.0, "pixels are counted from 1"),
        (-1.0, -1.0, "positions are one pixel short along both axes"),
    ):
        yield Change(f"position {fast:+g} {slow:+g} pixel", text, keys, {"position_m": _moved(fast, slow)})
    sentence = "slow and fast of the pixel are exchanged"
    yield Change("slow and fast exchanged", sentence, (*keys, "pixel_slow_fast"), swaps_pixel=True, rank=1)
    sentence = "the direction to the pixel is not made a unit vector"
    yield Change("direction not normalised", sentence, ("diffracted_vec",), {"direction": _not_normalised})


def _moved(fast: float, slow: float) -> Rule:
    """The position, moved by (fast, slow) pixels."""

    def rule(value: Value, seen: Seen) -> Value:
        size = float(seen["experiment"].detector.pixel_size_m)
        return value + (size * (fast * seen["fdet"] + slow * seen["sdet"])).unsqueeze(1)

    return rule


def _not_normalised(value: Value, seen: Seen) -> Value:
    return value * seen["pixel_distance_m"]


def _solid_angle() -> Iterator[Change]:
    for name, text, rule in (
        ("no obliquity", "the solid angle is p^2/R^2 without obliquity", lambda o, r, t, p: o / t),
        ("obliquity twice", "the obliquity is in the solid angle twice", lambda o, r, t, p: o * t),
        ("R not squared", "the solid angle has R and not R^2", lambda o, r, t, p: o * r),
        ("no pixel area", "the solid angle lacks the area of the pixel, p^2", lambda o, r, t, p: o / p**2),
        ("pixel size not squared", "the solid angle has p and not p^2", lambda o, r, t, p: o / p),
    ):
        yield Change(f"solid angle: {name}", text, ("omega_pixel_sr",), {"omega_sr": _of_rays(rule)})


def _of_rays(rule: Callable[..., Value]) -> Rule:
    """A rule of the solid angle, the distance, the obliquity and the pixel size; it may be that of the first rays."""

    def changed(value: Value, seen: Seen) -> Value:
        rays = value.shape[-1]
        size = float(seen["experiment"].detector.pixel_size_m)
        return rule(value, seen["pixel_distance_m"][..., :rays], seen["obliquity"][..., :rays], size)

    return changed


def _scattering() -> Iterator[Change]:
    for name, text, factor in (
        ("times 2 pi", "the scattering vector is 2 pi/d long and not 1/d", TWO_PI),
        ("over 2 pi", "the scattering vector is 1/(2 pi d) long and not 1/d", 1.0 / TWO_PI),
        ("in 1/A", "the scattering vector is in 1/A where 1/m is needed", 1e-10),
    ):
        yield Change(f"scattering vector {name}", text, ("scattering_vec_A_inv",), {"q_per_m": _scaled(factor)})
    for name, constant in (("12398", 12398.0), ("12398.4", 12398.4), ("12400", 12400.0)):
        sentence = f"the wavelength is {name} eV A over the energy"
        change = {"wavelength_m": _scaled(constant / 12398.42)}
        yield Change(f"wavelength from {name}", sentence, ("lambda_meters",), change)
    sentence = "the wavelength is left out of the scattering vector"
    rules: dict[str, Rule] = {"q_per_m": lambda value, seen: value * seen["wavelength_m"][0]}
    yield Change("no wavelength", sentence, ("scattering_vec_A_inv",), rules)


def _factors() -> Iterator[Change]:
    """A factor that is 1 or squared itself, or that is left out of the pixel's product or applied twice in it."""
    for name, of_term, key, phrase in _FACTORS:
        names = [n for n in (name, of_term) if n]
        one: dict[str, Rule] = dict.fromkeys(names, lambda value, _: value / value)
        twice: dict[str, Rule] = dict.fromkeys(names, lambda value, _: value * value)
        yield Change(f"{key} is 1", f"{phrase} is 1", (key,), one)
        yield Change(f"{key} squared", f"{phrase} is squared", (key,), twice)
        out, again = _of_product(name, -1), _of_product(name, 1)
        pixel = ("I_pixel_final",)
        yield Change(f"{key} left out", f"{phrase} is left out of the pixel", pixel, {"photons": out})
        yield Change(f"{key} twice", f"{phrase} is applied twice to the pixel", pixel, {"photons": again})
    root: dict[str, Rule] = {"r_e_sqr_m2": lambda value, _: value**0.5}
    yield Change("r_e not squared", "the electron radius is not squared", ("r_e_sqr",), root)
    sentence = "polarization lacks its factor 1/2"
    yield Change("polar doubled", sentence, ("polar",), {"kahn_factor": _scaled(2.0)})
    for name, power, phrase in _COUNTS:
        over, times = _of_product(name, -power), _of_product(name, power)
        label = f"{name}^{power}" if power > 1 else name
        once_more = f"the sum is divided by {phrase} once too often"
        yield Change(f"divided by {label} twice", once_more, ("I_pixel_final",), {"photons": over})
        never = f"the sum is not divided by {phrase}"
        yield Change(f"not divided by {label}", never, ("I_pixel_final",), {"photons": times})
        if name != "steps":
            yield Change(f"steps without {label}", f"steps lack {phrase}", ("steps",), {"steps": _steps(name, -power)})
            sentence = f"steps hold {phrase} once too often"
            yield Change(f"steps with {label} twice", sentence, ("steps",), {"steps": _steps(name, power)})
    yield Change("steps are 1", "steps are 1", ("steps",), {"steps": lambda _value, _seen: 1})


def _of_product(name: str, power: int) -> Rule:
    return lambda value, seen: value * seen[name] ** power if power > 0 else value / seen[name] ** -power


def _steps(name: str, power: int) -> Rule:
    return lambda value, seen: value * seen[name] ** power if power > 0 else max(1, value // seen[name] ** -power)


def _sums() -> Iterator[Change]:
    keys = ("I_before_scaling",)
    amplitudes: tuple[tuple[str, str, Rule], ...] = (
        ("amplitude not squared", "F_cell F_latt is not squared", lambda v, _: v.sqrt()),
        ("F_cell not squared", "F_cell is not squared", lambda v, seen: v / seen["F_cell"].abs()),
        ("F_cell left out", "F_cell is left out", lambda v, seen: v / seen["F_cell"] ** 2),
        ("F_cell twice", "F_cell is applied twice", lambda v, seen: v * seen["F_cell"] ** 2),
        ("F_latt not squared", "F_latt is not squared", lambda v, seen: v / seen["F_latt"].abs()),
        ("F_latt left out", "F_latt is left out", lambda v, seen: v / seen["F_latt"] ** 2),
        ("F_latt twice", "F_latt is applied twice", lambda v, seen: v * seen["F_latt"] ** 2),
    )
    for name, text, rule in amplitudes:
        yield Change(f"term: {name}", text, keys, {"intensity": rule})
    for index, axis in enumerate("abc"):
        out: dict[str, Rule] = {"F_latt": lambda v, seen, i=index: v / seen["F_latt_axes"][i]}  # type: ignore[misc]
        again: dict[str, Rule] = {"F_latt": lambda v, seen, i=index: v * seen["F_latt_axes"][i]}  # type: ignore[misc]
        yield Change(f"F_latt_{axis} left out", f"F_latt_{axis} is left out of F_latt", ("F_latt",), out)
        yield Change(f"F_latt_{axis} twice", f"F_latt_{axis} is applied twice in F_latt", ("F_latt",), again)
    root: dict[str, Rule] = {"F_cell": lambda value, _: value.abs().sqrt()}
    square: dict[str, Rule] = {"F_cell": lambda value, _: value * value}
    yield Change("F_cell is a root", "F_cell is the root of the reflection as stated", ("F_cell",), root)
    yield Change("F_cell is a square", "F_cell is the square of the reflection as stated", ("F_cell",), square)
