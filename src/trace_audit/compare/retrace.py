"""New traces of the torch program for a scenario: with other defects, or with the reference's values inserted."""

import tempfile
from dataclasses import replace
from pathlib import Path

from trace_audit.compare.comparison import Comparison
from trace_audit.compare.known_defects import Attribution, attribute
from trace_audit.compare.substitute import Proof, Visit, substitute
from trace_audit.config.scenario import check_pixel, load_scenario, scenario_path
from trace_audit.core.errors import InputError
from trace_audit.inputs.prepare import prepare_inputs
from trace_audit.trace.parse import Trace, parse_trace


class Retracer:
    """The torch program on one pixel of a scenario. Raises InputError for a scenario that it refuses."""

    def __init__(
        self,
        *,
        scenario: str,
        scenario_dir: Path | None,
        pixel: tuple[int, int],
        hkl: Path | None,
        device: str,
        dtype: str,
    ) -> None:
        import torch

        from nanobrag_torch.cli import parse
        from nanobragg_tables import resolve_defects
        from trace_audit.programs.harness import torch_words

        stated = load_scenario(scenario, scenario_dir)
        check_pixel(stated, *pixel)
        folder = scenario_path(scenario, scenario_dir).parent
        with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
            files = prepare_inputs(stated, Path(inputs), hkl=hkl, scenario_folder=folder)
            try:
                self.invocation = parse(torch_words(stated, files, pixel, device, dtype))
            except ValueError as error:
                raise InputError(f"scenario {stated.name} cannot be traced again to find causes: {error}") from error
        self.pixel = pixel
        self.dtype: torch.dtype = getattr(torch, dtype)
        self.active = resolve_defects(stated.defects)

    def with_defects(self, names: frozenset[str]) -> Trace:
        """The trace with exactly these defects on."""
        from nanobrag_torch.trace import trace_lines

        experiment = replace(self.invocation.experiment, defects=names)
        lines = trace_lines(experiment, *self.pixel, device=self.invocation.device, dtype=self.dtype)
        return parse_trace(list(lines))

    def watched(self, visit: Visit) -> list[str]:
        """One pass with `visit` after every stage."""
        from trace_audit.stages.intervene import watched_trace

        run = self.invocation
        return watched_trace(run.experiment, self.pixel, device=run.device, dtype=self.dtype, visit=visit)

    def attribution(self, reference: Trace) -> Attribution:
        """Switch each known defect in the torch program and compare with `reference`."""
        from nanobragg_tables import defects

        candidates = [defect.name for defect in defects() if defect.torch]
        return attribute(reference, self.with_defects, active=self.active, candidates=candidates)

    def proofs(self, comparison: Comparison) -> list[Proof]:
        """The results of the stages when they get the values of the C log."""
        return substitute(comparison, self.watched)
