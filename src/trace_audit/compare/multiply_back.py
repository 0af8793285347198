"""Is each log consistent? Its printed factors must multiply to its printed intensity.

Each side is checked alone, before the sides are compared: a log that contradicts itself proves nothing.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from trace_audit.trace.parse import Context, Trace
from trace_audit.trace.tolerances import floors, relative_tolerance


@dataclass(frozen=True)
class Identity:
    """One equation between printed values: left side as printed, right side as computed from other lines."""

    name: str
    printed: float
    computed: float
    relative_difference: float
    holds: bool


def check(trace: Trace) -> list[Identity]:
    """All identities whose values the log has. A log without per-term lines is checked on the others."""
    floor = floors([trace])
    equations = [*_scaling(trace), *_sum_of_terms(trace), *_terms(trace), *_lattice(trace)]
    return [_identity(name, printed, computed, floor[key]) for name, key, printed, computed in equations]


Equation = tuple[str, str, float, float]  # name, key of the printed value, printed, computed


def _identity(name: str, printed: float, computed: float, floor: float) -> Identity:
    scale = max(abs(printed), abs(computed), floor)
    difference = abs(printed - computed)
    relative = difference / scale if difference else 0.0
    if not math.isfinite(relative):
        relative = math.inf
    return Identity(name, printed, computed, relative, relative <= relative_tolerance())


def _scaling(trace: Trace) -> Iterator[Equation]:
    get = trace.number
    radius, radius_sqr = get("r_e_meters"), get("r_e_sqr")
    if radius is not None and radius_sqr is not None:
        yield "r_e_sqr = r_e_meters^2", "r_e_sqr", radius_sqr, radius * radius
    counts = [get(name) for name in ("sources", "mosaic_domains", "phi_steps", "oversample", "oversample")]
    steps = get("steps")
    if steps is not None and None not in counts:
        product = math.prod(float(count) for count in counts if count is not None)
        yield "steps = sources mosaic_domains phi_steps oversample^2", "steps", steps, product
    final = get("I_pixel_final")
    computed = _pixel(trace)
    if final is not None and computed is not None:
        yield "I_pixel_final = product of its factors", "I_pixel_final", final, computed
    stored = get("floatimage_accumulated")
    if final is not None and stored is not None:
        yield "floatimage_accumulated = I_pixel_final", "floatimage_accumulated", stored, final
    metres, angstroms = (trace.number(n, Context(block=0)) for n in ("lambda_meters", "lambda_angstroms"))
    if metres is not None and angstroms is not None:
        yield "lambda_angstroms = 1e10 lambda_meters", "lambda_angstroms", angstroms, 1e10 * metres


def _pixel(trace: Trace) -> float | None:
    names = ("r_e_sqr", "fluence_photons_per_m2", "I_before_scaling", "steps")
    values = [trace.number(name) for name in names]
    if any(value is None for value in values) or values[3] == 0:
        return None
    result = values[0] * values[1] * values[2] / values[3]  # type: ignore[operator]
    for factor, flag in (
        ("capture_fraction", "oversample_thick"),
        ("polar", "oversample_polar"),
        ("omega_pixel", "oversample_omega"),
    ):
        value = trace.number(factor)
        if value is None:
            return None
        if not trace.number(flag):
            result *= value
    return result


def _sum_of_terms(trace: Trace) -> Iterator[Equation]:
    total = trace.number("I_before_scaling")
    background = trace.number("I_background")
    if trace.historic or total is None or background is None:
        return
    if "running_product" in _defects(trace):
        intensity = _running_product(trace, background)
        if intensity is not None:
            yield "I_before_scaling = running product of terms", "I_before_scaling", total, intensity
        return
    terms = math.fsum(float(record.values[0]) for record in trace.of("term.value"))
    yield "I_before_scaling = I_background + sum of terms", "I_before_scaling", total, background + terms


def _defects(trace: Trace) -> list[str]:
    return str((trace.values("defects") or ("",))[0]).split(",")


_TERM_FACTORS = ("F_cell", "F_latt", "capture_fraction", "polar", "omega_sr")


def _factors(trace: Trace, context: Context) -> tuple[float, ...] | None:
    """The factors of a term; None if the log lacks one."""
    numbers = [trace.number(f"term.{name}", context) for name in _TERM_FACTORS]
    return None if None in numbers else tuple(float(number) for number in numbers if number is not None)


def _running_product(trace: Trace, background: float) -> float | None:
    """I <- I capture polar omega + term, after every term but those that are skipped: F_latt 0 and no background.

    The background is there from the start, or is added at the end where the defect water_rescaled is off.
    """
    early = "water_rescaled" in _defects(trace)
    intensity = background if early else 0.0
    for record in trace.of("term.value"):
        factors = _factors(trace, record.context)
        if factors is None:
            return None
        _, F_latt, capture, polar, omega = factors
        if F_latt != 0 or background != 0:
            intensity = intensity * capture * polar * omega + float(record.values[0])
    return intensity if early else intensity + background


def _terms(trace: Trace) -> Iterator[Equation]:
    """Each term is the product of its factors, times the weight of its source if weights are used.

    A log does not state the weights: the largest term of a source shows its weight, and the others must have the same.
    """
    products = {}
    for record in trace.of("term.value"):
        factors = _factors(trace, record.context)
        if factors is not None:
            F_cell, F_latt, capture, polar, omega = factors
            products[record.context] = (
                float(record.values[0]),
                F_cell * F_cell * F_latt * F_latt * capture * polar * omega,
            )
    weighted = trace.records.get("defects") and "source_weights_ignored" not in _defects(trace)
    largest: dict[int | None, tuple[float, float]] = {}
    for context, pair in products.items():
        largest[context.source] = max(largest.get(context.source, (0.0, 0.0)), pair, key=lambda p: p[1])
    for context, (printed, product) in products.items():
        term, unweighted = largest[context.source]
        weight = term / unweighted if weighted and unweighted else 1.0
        name = "term = F_cell^2 F_latt^2 capture polar omega" + (" weight of its source" if weighted else "")
        yield name, "term.value", printed, weight * product


def _lattice(trace: Trace) -> Iterator[Equation]:
    for record in trace.of("F_latt"):
        block, printed = record.context, float(record.values[0])
        factors = [trace.number(f"F_latt_{axis}", block) for axis in "abc"]
        if None not in factors:
            product = math.prod(f for f in factors if f is not None)
            yield "F_latt = F_latt_a F_latt_b F_latt_c", "F_latt", printed, product
        first_term = trace.number("term.F_latt", Context(block.block, 0, 0, 0))
        if first_term is not None:
            yield "term F_latt = F_latt of source 0, phi step 0, domain 0", "F_latt", abs(printed), abs(first_term)
        first_phi = trace.number("TRACE_PHI.F_latt", Context(block.block, phi_tic=0))
        if first_phi is not None:
            yield "per-phi F_latt of step 0 = F_latt", "F_latt", printed, first_phi
    for record in trace.of("TRACE_PHI.F_latt"):
        context = Context(record.context.block, 0, record.context.phi_tic, 0)
        term = trace.number("term.F_latt", context)
        if term is not None:
            printed = float(record.values[0])
            yield "term F_latt = per-phi F_latt of source 0, domain 0", "F_latt", abs(printed), abs(term)
