"""The device that torch runs on: the requested one, the one present, and the reason for the choice."""

import os
from dataclasses import asdict, dataclass
from typing import Any

from trace_audit.core.errors import InputError


@dataclass(frozen=True)
class Choice:
    """The requested device, the device to run on (None: it is absent) and the reason."""

    asked: str
    used: str | None
    reason: str

    def record(self) -> dict[str, Any]:
        """As JSON-ready data, for the record of the run's environment."""
        return asdict(self)


def choose_device(asked: str, allow_missing: bool = False) -> Choice:
    """Choose the device for `asked`: cpu, cuda, cuda:N, or auto (the GPU given to this process, else the CPU).

    Raises InputError, one line, if a requested GPU is absent; with `allow_missing`, `used` is then None.
    """
    if not asked.startswith("cuda") and asked != "auto":
        return Choice(asked, asked, f"{asked} was asked for")
    lack = _why_no_gpu()
    if not lack:
        used = "cuda" if asked == "auto" else asked
        return Choice(asked, used, f"torch can use {gpu_name()}; {_stated()}")
    if asked == "auto":
        return Choice(asked, "cpu", f"{lack}; {_stated()}")
    choice = Choice(asked, None, f"device {asked} is not there: {lack}; {_stated()}")
    if allow_missing:
        return choice
    raise InputError(refusal(choice))


def refusal(choice: Choice) -> str:
    """One line for a required device that is absent: why, and what to do."""
    return (
        f"{choice.reason}; run where there is a GPU, or set devices: [auto] to take the CPU, "
        "or allow_missing_device: true to have the audit skipped and that recorded"
    )


def _why_no_gpu() -> str:
    """Why torch cannot use a GPU here; empty if it can."""
    import torch

    if torch.cuda.is_available():
        return ""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built without GPU support"
    return "torch finds no GPU"


def gpu_name() -> str:
    import torch

    return torch.cuda.get_device_name(0)


def _stated() -> str:
    """The GPUs that the scheduler or shell gave this process, according to its environment."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    job = os.environ.get("SLURM_JOB_ID")
    process = f"Slurm job {job}" if job else "this process"
    if visible is None:
        return f"{process} was given no GPU" if job else "CUDA_VISIBLE_DEVICES is unset"
    return (
        f"{process} was given GPU {visible}"
        if visible
        else f"{process} was given no GPU (CUDA_VISIBLE_DEVICES is empty)"
    )
