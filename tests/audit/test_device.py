"""The device that a run takes, and the reason on record."""

import pytest
import torch

from trace_audit.config.device import choose_device
from trace_audit.core.errors import InputError


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def gpu(monkeypatch, no_gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"GPU number {index}")


@pytest.mark.parametrize(("asked", "used"), [("cpu", "cpu"), ("cuda", "cuda"), ("cuda:1", "cuda:1"), ("auto", "cuda")])
def test_with_a_gpu(gpu, asked, used):
    choice = choose_device(asked)
    assert choice.record() == {"asked": asked, "used": used, "reason": choice.reason}
    assert asked == "cpu" or "GPU number 0" in choice.reason


def test_auto_without_a_gpu_is_the_cpu_and_says_why(no_gpu, monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    assert choose_device("auto").used == "cpu"
    assert "is built without GPU support; CUDA_VISIBLE_DEVICES is unset" in choose_device("auto").reason
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert choose_device("auto").reason.startswith("torch finds no GPU")


@pytest.mark.parametrize(
    ("visible", "reason"),
    [
        ("1", "Slurm job 7 was given GPU 1"),
        ("", "Slurm job 7 was given no GPU (CUDA_VISIBLE_DEVICES is empty)"),
        (None, "Slurm job 7 was given no GPU"),
    ],
)
def test_the_reason_says_what_slurm_gave(no_gpu, monkeypatch, visible, reason):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert choose_device("auto").reason.endswith(reason)


@pytest.mark.parametrize("asked", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_one_line_unless_allowed(no_gpu, asked):
    with pytest.raises(InputError) as caught:
        choose_device(asked)
    line = str(caught.value)
    assert line.startswith(f"device {asked} is not there: ")
    assert "devices: [auto]" in line and "allow_missing_device: true" in line and "\n" not in line
    choice = choose_device(asked, allow_missing=True)
    assert choice.used is None and choice.reason.startswith(f"device {asked} is not there: ")
