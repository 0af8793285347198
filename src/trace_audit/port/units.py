"""A printed value in another unit, recognised from the ratio of all its components."""

from trace_audit.compare.comparison import Factor

_LENGTHS, _ANGLES, _INVERSE = ("m", "mm", "A"), ("rad", "deg"), ("1/m", "1/A")
_UNITS = (  # how many of the second are one of the first, and the units of the keys that can be in either
    (1e10, "metres", "Angstrom", _LENGTHS),
    (1e3, "metres", "millimetres", _LENGTHS),
    (1e6, "metres", "micrometres", _LENGTHS),
    (10.0, "nanometres", "Angstrom", _LENGTHS),
    (57.29577951308232, "radians", "degrees", _ANGLES),
    (6.283185307179586, "1/d", "2 pi/d", _INVERSE),
    (1e10, "1/Angstrom", "1/metre", _INVERSE),
)
_CLOSE = 1e-4
_CAN_BE_OFF = ("polar", "capture_fraction")


def unit_of_ratio(factor: Factor) -> str | None:
    """What the ratio port / ours looks like if it is the same for all components that count; None if it is no unit."""
    if factor.key.kind in ("word", "integer"):
        return None
    if factor.key.name in _CAN_BE_OFF and float(factor.components[0].py) == 1.0:
        return f"it is printed as 1 where {float(factor.components[0].c):.7g} is expected"
    ours = [float(component.c) for component in factor.components]
    port = [float(component.py) for component in factor.components]
    scale = max(map(abs, ours), default=0.0)
    ratios = [b / a for a, b in zip(ours, port, strict=True) if abs(a) > 1e-3 * scale]
    axes = [_axis(values) for values in (ours, port)]
    if all(axes) and axes[0] != axes[1]:
        return f"it runs along {axes[1]} where {axes[0]} is expected"
    if not ratios or 0.0 in ratios or any(abs(ratio / ratios[0] - 1.0) > _CLOSE for ratio in ratios):
        return None
    for value, smaller, larger, units in _UNITS:
        if factor.key.unit not in units:
            continue
        for unit, power in ((smaller, 1.0 / value), (larger, value)):
            if abs(abs(ratios[0]) / power - 1.0) < _CLOSE:
                sign = ", with the other sign" if ratios[0] < 0 else ""
                expected = smaller if unit == larger else larger
                return f"it is printed in {unit} where {expected} are expected{sign}"
    return "it has the other sign" if abs(ratios[0] + 1.0) < _CLOSE else None


def _axis(values: list[float]) -> str | None:
    """The axis that a vector of three components runs along; None for any other."""
    if len(values) != 3:
        return None
    size = sum(value * value for value in values) ** 0.5
    for name, value in zip("xyz", values, strict=True):
        if size and abs(abs(value) / size - 1.0) < _CLOSE**2:
            return f"-{name}" if value < 0 else name
    return None
