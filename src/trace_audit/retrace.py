"""Traces of the torch program with any set of defects, for attribution."""

import tempfile
from dataclasses import replace
from pathlib import Path

from trace_audit.attribute import Attribution, attribute
from trace_audit.errors import InputError
from trace_audit.parse import Trace, parse_trace
from trace_audit.prepare import prepare_inputs
from trace_audit.scenario import check_pixel, load_scenario, scenario_path


def attribute_scenario(
    reference: Trace,
    *,
    scenario: str,
    scenario_dir: Path | None,
    pixel: tuple[int, int],
    hkl: Path | None,
    device: str,
    dtype: str,
) -> Attribution:
    """Switch each known defect in the torch program on one pixel of a scenario and compare with `reference`.

    Raises InputError for a scenario that the torch program refuses.
    """
    from nanobrag_torch.cli import parse
    from nanobrag_torch.trace import trace_lines
    from nanobragg_tables import defects, resolve_defects
    from trace_audit.harness import torch_words

    stated = load_scenario(scenario, scenario_dir)
    check_pixel(stated, *pixel)
    folder = scenario_path(scenario, scenario_dir).parent
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        files = prepare_inputs(stated, Path(inputs), hkl=hkl, scenario_folder=folder)
        try:
            invocation = parse(torch_words(stated, files, pixel, device, dtype))
        except ValueError as error:
            raise InputError(f"scenario {stated.name} cannot be traced again to try known defects: {error}") from error

    def retrace(names: frozenset[str]) -> Trace:
        experiment = replace(invocation.experiment, defects=names)
        lines = trace_lines(experiment, *pixel, device=invocation.device, dtype=invocation.dtype)
        return parse_trace(list(lines))

    candidates = [defect.name for defect in defects() if defect.torch]
    return attribute(reference, retrace, active=resolve_defects(stated.defects), candidates=candidates)
