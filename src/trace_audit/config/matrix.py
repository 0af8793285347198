"""The group `matrix` of the config file: which experiment is computed by every compiler, option, backend and type."""

from __future__ import annotations

from pydantic import Field, field_validator

from trace_audit.config.setting_types import PathText, ScenarioName, Strict, without_repeats


class MatrixSettings(Strict):
    """What `make matrix` computes, and with which compilers; an absent compiler is left out and reported."""

    scenario: ScenarioName = Field("supervisor", description="Scenario whose first pixel is traced, with its image.")
    compilers: list[PathText] = Field(["gcc", "clang"], min_length=1, description="C compilers, the strictest first.")
    time_limit_s: float = Field(
        300, gt=0, description="A run of the C program that takes longer is stopped and left out."
    )

    @field_validator("compilers")
    @classmethod
    def _no_repeats(cls, values: list[str]) -> list[str]:
        return without_repeats(values)
