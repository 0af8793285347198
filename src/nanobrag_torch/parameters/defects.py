"""Known defects of the historic program, as switches: the registry and the meaning of each for the torch simulator."""

from __future__ import annotations

from nanobrag_torch.errors import ExperimentError
from nanobragg_tables import defects, resolve_defects


def active(names: frozenset[str] | None) -> frozenset[str]:
    """The active defects; None means the `default` preset.

    Raises ExperimentError for a name that is not in the registry or that a tile-parallel program cannot reproduce.
    """
    if names is None:
        return resolve_defects("default")
    known = {defect.name: defect for defect in defects()}
    for name in sorted(names):
        if name not in known:
            raise ExperimentError(f"unknown defect '{name}'; known: {', '.join(sorted(known))}")
        if not known[name].torch:
            raise ExperimentError(
                f"defect '{name}' depends on the order of evaluation and exists in the C program alone; leave it out"
            )
    return names
