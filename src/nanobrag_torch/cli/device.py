"""-device: is there such a device? Torch is imported only for devices other than the CPU."""

from __future__ import annotations

from nanobrag_torch.cli.tokens import UsageError, one_line


def check_name(name: str) -> str:
    """Check that the name could be that of a device; `present` checks that it exists. Raises UsageError."""
    kind, colon, number = name.partition(":")
    if kind == "mps" and not colon:
        raise UsageError("-device mps: has no float64, which the geometry needs, expected cpu, cuda, cuda:N or auto")
    whole = number.isascii() and number.isdigit()
    if name not in ("cpu", "auto") and not (kind == "cuda" and (not colon or whole)):
        raise UsageError(f"-device is '{one_line(name)}', expected cpu, cuda, cuda:N, mps or auto")
    return name


def present(name: str) -> str:
    """Torch's name of the device; `auto` is resolved. Raises UsageError if this machine has no such device."""
    if name == "cpu":
        return name
    import torch

    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return "cuda" if cuda else "cpu"
    if int(name.partition(":")[2] or 0) >= cuda:
        available = ", ".join(["cpu", *(f"cuda:{index}" for index in range(cuda))])
        raise UsageError(f"-device {one_line(name)}: no such device here, expected one of {available}")
    return name
