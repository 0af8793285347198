"""The group `bench` of the config file: what is timed."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, field_validator

from trace_audit.config.setting_types import ScenarioName, Strict, without_repeats

BenchPart = Literal["kernel", "process", "large", "memory", "gradient", "steps", "gpu"]


class BenchPixels(Strict):
    """Sides of the square detectors, in pixels, for the parts that do not use the scenario's."""

    large: int = Field(1024, ge=1, description="The large job: 2000 steps a pixel.")
    memory: int = Field(1024, ge=1, description="Growth of memory with the number of steps.")
    huge: int = Field(16384, ge=1, description="The detector that must be simulated in bounded memory.")
    gradient: int = Field(1024, ge=2, description="Forward and backward against forward.")
    steps: int = Field(512, ge=1, description="Time against the number of steps, 1 to 1000 a pixel.")


class Bench(Strict):
    """What `make bench` times."""

    scenario: ScenarioName = Field("supervisor", description="Scenario whose whole image is simulated.")
    repeats: int = Field(5, ge=1, le=99, description="Runs of each command, taken in turn; tables show the median.")
    parts: list[BenchPart] = Field(list(get_args(BenchPart)), min_length=1, description="What is measured.")
    pixels: BenchPixels = BenchPixels()

    @field_validator("parts")
    @classmethod
    def _no_repeats(cls, values: list[str]) -> list[str]:
        return without_repeats(values)
